//! One run of the program: how it is started, and what it said.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::scene::Scene;

/// Longer than anything here takes, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run of `mlc-package` to be. It sees `PATH`, a home of its own and nothing else of the
/// environment that the tests run in.
#[must_use]
pub(crate) struct Call<'a> {
    scene: &'a Scene,
    program: Utf8PathBuf,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
    directory: Utf8PathBuf,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        scene: &'a Scene,
        arguments: &[&str],
        variables: BTreeMap<String, String>,
    ) -> Self {
        Self {
            scene,
            program: env!("CARGO_BIN_EXE_mlc-package").into(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            variables,
            directory: scene.app(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.variables.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    pub(crate) fn in_dir(mut self, directory: impl AsRef<Utf8Path>) -> Self {
        self.directory = self.scene.root.join(directory.as_ref());
        self
    }

    /// Has a shell start the program, in whose script `"$@"` stands for the call.
    pub(crate) fn through_shell(mut self, script: &str) -> Self {
        let program = std::mem::replace(&mut self.program, "/bin/sh".into());
        let inner = std::mem::take(&mut self.arguments);
        let shell = ["-c", script, "sh", program.as_str()].map(str::to_owned);
        self.arguments = shell.into_iter().chain(inner).collect();
        self
    }

    /// The same in a mount namespace of its own, where mounting is seen by nobody else.
    pub(crate) fn through_unshare(self, script: &str) -> Self {
        let mut call = self.through_shell(script);
        let shell = std::mem::replace(&mut call.program, "/usr/bin/unshare".into());
        call.arguments.splice(0..0, ["--mount".to_owned(), shell.into_string()]);
        call
    }

    pub(crate) fn spawn(self) -> Running<'a> {
        let scene = self.scene;
        Running { scene, child: self.spawn_on(Stdio::piped(), Stdio::piped()) }
    }

    /// The same with these for its standard output and its standard error.
    pub(crate) fn spawn_on(self, stdout: Stdio, stderr: Stdio) -> Child {
        #[expect(clippy::disallowed_methods, reason = "signals need the process itself")]
        let mut command = std::process::Command::new(&self.program);
        let child = command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn();
        child.unwrap()
    }

    pub(crate) fn run(self) -> Run<'a> {
        self.spawn().wait()
    }

    /// Runs it; it must succeed.
    #[track_caller]
    pub(crate) fn ok(self) -> Run<'a> {
        self.run().code(0)
    }

    /// Runs it; it must fail with this exit code, and say why.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> Run<'a> {
        let run = self.run().code(code);
        assert!(run.stderr.contains("error"), "{}", run.shown());
        run
    }
}

/// A run that goes on.
pub(crate) struct Running<'a> {
    scene: &'a Scene,
    child: Child,
}

impl<'a> Running<'a> {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn wait(self) -> Run<'a> {
        let output = self.child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let run = Run {
            scene: self.scene,
            status: output.status,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!run.stderr.contains("panicked"), "{}", run.shown());
        run
    }
}

/// What a run said, and how it ended.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    scene: &'a Scene,
    pub(crate) status: std::process::ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run<'_> {
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.shown());
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let shown = self.shown();
        assert!(shown.contains(text), "expected: {text}\n{shown}");
        self
    }

    #[track_caller]
    pub(crate) fn never_says(self, text: &str) -> Self {
        let shown = self.shown();
        assert!(!shown.contains(text), "not expected: {text}\n{shown}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}\n{}", self.shown()))
    }

    /// All of it, without what differs from run to run and from machine to machine.
    pub(crate) fn shown(&self) -> String {
        let mut shown = format!("{}\n", self.status);
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                shown += &format!("--- {name}\n{text}");
            }
        }
        self.scene.placeholders(&shown)
    }
}

/// Waits until something is there; fails if it takes too long.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
