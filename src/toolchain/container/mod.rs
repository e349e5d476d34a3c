//! Programs in an image: each is a container of its own, started for one piece of work and gone with
//! it. It sees no more of this machine than that work takes, and the network only where it needs it.

mod engine;
mod error;
mod mounts;

use std::ffi::OsString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino::Utf8Path;
use serde::Deserialize;

use self::engine::{Engine, Kind};
pub use self::error::ContainerError;
pub use self::mounts::Mounts;
use crate::io::clock;
use crate::io::environment::Environment;
use crate::io::process::{
    self, Cancel, Dialogue, End, Ended, LogLimit, Program, Variables, last_lines,
};
use crate::model::{Digest, EngineChoice, ImageName};
use crate::ui::Ui;

/// What the engine's own failures end with, and what a shell gives for programs that it cannot run.
const NOT_STARTED: i32 = 125;
const NOT_RUN: [i32; 2] = [126, 127];
/// A program that was ended by a signal has this added to its number.
const BY_SIGNAL: i32 = 128;
const LAST_SIGNAL: i32 = 64;
const LINES: usize = 10;
/// What the kernel says of a program for another processor.
const FOREIGN: &str = "exec format error";

/// Variables of the caller that a program in an image gets. Others are about this machine.
const PASSED: [&str; 24] = [
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "HUGGING_FACE_HUB_TOKEN",
    "MLC_INTERNAL_PRESHARD_NUM",
    "MLC_MACABI_ARCH",
    "MLC_MULTI_ARCH",
    "NO_PROXY",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONUNBUFFERED",
    "RAYON_NUM_THREADS",
    "SOURCE_DATE_EPOCH",
    "TOKENIZERS_PARALLELISM",
    "TRANSFORMERS_OFFLINE",
    "TVM_BACKTRACE",
    "TVM_NUM_THREADS",
    "https_proxy",
    "http_proxy",
    "no_proxy",
];

/// One piece of work of a program.
#[derive(Debug)]
pub struct Call<'a> {
    /// The arguments.
    pub args: &'a [OsString],
    /// The whole environment of the same program on this machine.
    pub variables: &'a Variables,
    /// The working directory, absolute.
    pub directory: &'a Utf8Path,
    /// The file that takes what is printed.
    pub log: &'a Utf8Path,
    /// How much of the log is kept.
    pub log_limit: LogLimit,
    /// How long it may run; for ever if none.
    pub limit: Option<Duration>,
    /// The tokens that it may have.
    pub tokens: &'a [&'a str],
    /// What it reads and writes. On this machine it sees everything.
    pub mounts: Mounts,
    /// A directory of those that it may call its home.
    pub home: &'a Utf8Path,
    /// Whether it may need the network.
    pub network: bool,
}

impl Call<'_> {
    /// The tokens that a container gets: none where nobody could be shown them.
    fn tokens(&self) -> &[&str] {
        if self.network { self.tokens } else { &[] }
    }
}

/// An image whose programs can be run. Clones are one.
#[derive(Clone)]
pub struct Container {
    image: ImageName,
    choice: EngineChoice,
    environment: Environment,
    ui: Ui,
    ready: Arc<Mutex<Option<Ready>>>,
}

/// An engine that answers and has the image.
#[derive(Clone, Debug)]
struct Ready {
    engine: Engine,
    image: Inspected,
}

/// What an engine says of an image.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    architecture: String,
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Container").field("image", &self.image).finish_non_exhaustive()
    }
}

impl PartialEq for Container {
    fn eq(&self, other: &Self) -> bool {
        (&self.image, self.choice) == (&other.image, other.choice)
    }
}

impl Eq for Container {}

impl Container {
    /// Nothing is looked for yet: what needs no program of the image needs no engine either.
    pub fn new(image: ImageName, choice: EngineChoice, environment: &Environment, ui: &Ui) -> Self {
        let (environment, ui) = (environment.clone(), ui.clone());
        Self { image, choice, environment, ui, ready: Arc::default() }
    }

    /// The image, as the user names it.
    pub fn image(&self) -> &ImageName {
        &self.image
    }

    /// What identifies the image that a tag means now: the digest of its config. It is pulled if it
    /// is not there.
    pub fn id(&self, cancel: &Cancel) -> Result<String, ContainerError> {
        Ok(self.ready(cancel)?.image.id)
    }

    /// Whether an engine answers and has the image; nothing is pulled.
    pub fn is_there(&self, cancel: &Cancel) -> Result<bool, ContainerError> {
        let engine = Engine::find(self.choice, &self.image, &self.environment, cancel)?;
        Ok(self.inspect(&engine, cancel)?.is_some())
    }

    /// The engine and the image, looked for once; the image is pulled if it is not there.
    fn ready(&self, cancel: &Cancel) -> Result<Ready, ContainerError> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = &*ready {
            return Ok(ready.clone());
        }
        let image = &self.image;
        let engine = Engine::find(self.choice, image, &self.environment, cancel)?;
        let found = match self.inspect(&engine, cancel)? {
            Some(found) => found,
            None => {
                self.pull(&engine, cancel)?;
                let unknown = || ContainerError::Unknown {
                    engine: engine.name.clone(),
                    image: image.clone(),
                };
                self.inspect(&engine, cancel)?.ok_or_else(unknown)?
            }
        };
        Ok(ready.insert(Ready { engine, image: found }).clone())
    }

    fn inspect(
        &self,
        engine: &Engine,
        cancel: &Cancel,
    ) -> Result<Option<Inspected>, ContainerError> {
        let args = ["image", "inspect", "--format", "{{json .}}", self.image.as_str()];
        let answer = engine.ask(&args, &self.image, cancel)?;
        let unknown =
            |_| ContainerError::Unknown { engine: engine.name.clone(), image: self.image.clone() };
        answer.map(|text| serde_json::from_slice(&text)).transpose().map_err(unknown)
    }

    fn pull(&self, engine: &Engine, cancel: &Cancel) -> Result<(), ContainerError> {
        self.ui.status("Pulling", &format!("{} by {}", self.image, engine.name));
        let (how, last_lines) =
            engine.run(&["pull", "--quiet", self.image.as_str()], None, &self.image, cancel)?;
        if how == End::Exit(0) {
            return Ok(());
        }
        let (image, engine) = (self.image.clone(), engine.name.clone());
        Err(ContainerError::NotPulled { image, engine, last_lines })
    }

    /// Runs a program of the image, as [`process::run`] does one of this machine. If it must not go
    /// on, its container is ended with it.
    pub fn run(
        &self,
        program: &str,
        call: &Call<'_>,
        cancel: &Cancel,
    ) -> Result<Ended, ContainerError> {
        self.contain(program, call, false, cancel, |run| {
            process::run_with_tokens(run, call.tokens(), cancel).map(|ended| ((), ended))
        })
        .map(|((), ended)| ended)
    }

    /// The same with a program that is asked and answers, as [`process::converse`] has it.
    pub fn converse<T>(
        &self,
        program: &str,
        call: &Call<'_>,
        cancel: &Cancel,
        talk: impl FnOnce(&mut Dialogue) -> T,
    ) -> Result<(T, Ended), ContainerError> {
        self.contain(program, call, true, cancel, |run| process::converse(run, cancel, talk))
    }

    fn contain<T>(
        &self,
        program: &str,
        call: &Call<'_>,
        interactive: bool,
        cancel: &Cancel,
        start: impl FnOnce(&Program<'_>) -> std::io::Result<(T, Ended)>,
    ) -> Result<(T, Ended), ContainerError> {
        let ready = self.ready(cancel)?;
        let name = name_of_container(call.directory);
        let args = self.arguments(&ready, &name, program, call, interactive);
        let client = Program {
            path: ready.engine.path(),
            args: &args,
            variables: call.variables,
            directory: call.directory,
            log: call.log,
            log_limit: call.log_limit,
            limit: call.limit,
        };
        let started = start(&client);
        let ended = |how: &std::io::Result<(T, Ended)>| match how {
            Ok((_, ended)) => matches!(ended.how, End::Exit(_)),
            Err(_) => false,
        };
        if !ended(&started) {
            // The client was ended, and not the container, which is the daemon's child.
            ready.engine.remove(&name, &self.image);
        }
        let (said, mut ended) =
            started.map_err(|source| ContainerError::Io { image: self.image.clone(), source })?;
        if let End::Exit(code) = ended.how {
            ended.how = self.judge(code, program, &ready, call.log)?;
        }
        Ok((said, ended))
    }

    /// How the program itself ended, or why it was not run.
    fn judge(
        &self,
        code: i32,
        program: &str,
        ready: &Ready,
        log: &Utf8Path,
    ) -> Result<End, ContainerError> {
        if code == 0 {
            return Ok(End::Exit(0));
        }
        let image = self.image.clone();
        let last_lines = last_lines(log, LINES).unwrap_or_default();
        let is_foreign = |line: &String| line.to_lowercase().contains(FOREIGN);
        // The program itself has said nothing then.
        if last_lines.len() < 4 && last_lines.iter().any(is_foreign) {
            let found = ready.image.architecture.clone();
            return Err(ContainerError::Architecture { image, found });
        }
        match code {
            NOT_STARTED => {
                let engine = ready.engine.name.clone();
                Err(ContainerError::NotStarted { engine, image, last_lines })
            }
            code if NOT_RUN.contains(&code) => {
                Err(ContainerError::NoProgram { image, program: program.to_owned() })
            }
            code if (BY_SIGNAL + 1..=BY_SIGNAL + LAST_SIGNAL).contains(&code) => {
                Ok(End::Signal(code - BY_SIGNAL))
            }
            code => Ok(End::Exit(code)),
        }
    }

    fn arguments(
        &self,
        ready: &Ready,
        name: &str,
        program: &str,
        call: &Call<'_>,
        interactive: bool,
    ) -> Vec<OsString> {
        let engine = &ready.engine;
        let mut args: Vec<OsString> =
            ["run", "--rm", "--pull", "never", "--name", name].map(OsString::from).into();
        let mut add = |arguments: &[&str]| args.extend(arguments.iter().map(OsString::from));
        // What leads a container hears no signal unless it listens; docker brings one that does.
        if engine.kind == Kind::Docker {
            add(&["--init"]);
        }
        if interactive {
            add(&["--interactive"]);
        }
        if !call.network {
            add(&["--network", "none"]);
        }
        for argument in engine.confinement() {
            add(&[&argument]);
        }
        let mut mounts = call.mounts.clone();
        let temporary = self.environment.text("MLC_TEMP_DIR");
        let temporary = temporary.map(|home| self.environment.directory.join(home));
        if let Some(home) = &temporary {
            mounts = mounts.writable(home);
        }
        for argument in mounts.arguments() {
            add(&[&argument]);
        }
        add(&["--workdir", call.directory.as_str()]);
        add(&["--env", &format!("HOME={}", call.home)]);
        if let Some(home) = &temporary {
            add(&["--env", &format!("TMPDIR={home}")]);
        }
        let is_token = |name: &str| ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].contains(&name);
        for name in PASSED {
            let may = !is_token(name) || call.tokens().contains(&name);
            if may && call.variables.contains_key(std::ffi::OsStr::new(name)) {
                // Without a value, which nobody then sees in a list of processes.
                add(&["--env", name]);
            }
        }
        // By what it is, not by a tag that may mean another one by now.
        let image = match engine.kind {
            Kind::Nerdctl => self.image.as_str(),
            Kind::Docker | Kind::Podman => &ready.image.id,
        };
        add(&["--entrypoint", program, image]);
        args.extend(call.args.iter().cloned());
        args
    }
}

/// A name that no other container has.
fn name_of_container(directory: &Utf8Path) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let text =
        format!("{directory}\0{}\0{count}\0{}", std::process::id(), clock::seconds_since_1970());
    let hex = Digest::of(text.as_bytes()).to_hex();
    format!("mlc-package-{}", hex.get(..24).unwrap_or(&hex))
}
