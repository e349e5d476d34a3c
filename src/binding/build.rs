//! Building a binding by upstream's script, once; and keeping what it takes to link it again.

use camino::{Utf8Path, Utf8PathBuf};

use super::collect::{self, NoKit, Parts, Unkeepable};
use super::kit::{Kit, KitRecord};
use super::preflight;
use super::script::{self, Step};
use super::{Binding, BindingError, Builder, KitFault, KitStore, Surroundings};
use crate::io::cancel::Cancel;
use crate::io::link;
use crate::io::lock::Lock;
use crate::io::positioned::is_full;
use crate::io::process::Variables;
use crate::io::{atomic, clock, dir, files};
use crate::model::{Digest, Fingerprint, LinkMode};
use crate::store::{Lookup, says_full};

/// Says of a directory that it is ours, and what was built in it with.
const MARK: &str = ".mlc-package-build";
pub(super) const LOCK: &str = ".mlc-package-build.lock";
pub(super) const LOG: &str = "prepare_libs.log";

/// How a binding is built.
pub struct BuildRequest<'a> {
    /// Which.
    pub binding: &'a Binding,
    /// Variables, in which no path is relative, and the user's directory.
    pub given: Surroundings<'a>,
    /// The Python that has MLC LLM: upstream's script for Android imports it.
    pub python: Option<&'a Utf8Path>,
    /// The archive of the models, for Android.
    pub model_archive: Option<&'a Utf8Path>,
    /// Whether nothing that is there is to be used.
    pub rebuild: bool,
    /// Says once more what the binding is made from: who edits sources while they are built gets
    /// something that no fingerprint names.
    pub again: &'a dyn Fn() -> Result<Fingerprint, BindingError>,
    /// Where kits are kept.
    pub store: &'a KitStore,
    /// Hears what happens.
    pub events: &'a dyn Fn(&BuildEvent<'_>),
    /// Asks to stop.
    pub cancel: &'a Cancel,
}

/// What happens during a build.
#[derive(Debug)]
pub enum BuildEvent<'a> {
    /// Another process builds the same, or in the same place.
    Waiting,
    /// Upstream's script begins; where it runs.
    Started {
        /// The directory.
        build_dir: &'a Utf8Path,
    },
    /// It was successful.
    Finished {
        /// How long it took.
        seconds: f64,
        /// What it printed.
        log: &'a Utf8Path,
    },
    /// It failed.
    Failed {
        /// What it printed.
        log: &'a Utf8Path,
    },
}

/// A binding, built.
#[derive(Debug)]
pub enum Built {
    /// As a kit.
    Kit {
        /// The kit.
        kit: Kit,
        /// Whether it was built just now; another process may have done so.
        new: bool,
    },
    /// Without one: its library is linked with these very models.
    NoKit {
        /// Why.
        why: String,
        /// What upstream installed.
        output: Utf8PathBuf,
        /// How long it took, in seconds.
        seconds: f64,
        /// Nobody builds there meanwhile.
        lock: BuildLock,
    },
}

/// Held while a build directory is used.
#[derive(Debug)]
pub struct BuildLock {
    _lock: Lock,
}

/// Builds the binding, unless another process has done so by the time that this one may begin.
///
/// # Errors
/// Upstream's script failed, made nothing, or must not run in this directory.
pub fn build(request: &BuildRequest<'_>) -> Result<Built, BindingError> {
    let binding = request.binding;
    if binding.builder == Builder::Kit {
        let kit = request.store.path(binding.fingerprint).into_string();
        let fault = KitFault::Spoilt("it is not whole any more".to_owned());
        return Err(BindingError::BadKit { kit, fault });
    }
    let waiting = || (request.events)(&BuildEvent::Waiting);
    let new = request.store.begin(binding.fingerprint, request.cancel, |_| waiting())?;
    let new = new.ok_or(BindingError::Interrupted)?;
    if !request.rebuild
        && let Lookup::Hit(kit) = request.store.hold(binding.fingerprint)
    {
        return Ok(Built::Kit { kit: *kit, new: false });
    }
    let in_cache = binding.build_dir.starts_with(request.store.cache_dir());
    let of_place = |error| if in_cache { of_store(error, request.store) } else { error };
    let variables = script::variables(binding, request.given, request.python);
    let run = || {
        files::create_dir_all(&binding.build_dir)?;
        let lock = Lock::acquire(&binding.build_dir.join(LOCK), request.cancel, waiting)?;
        let lock = BuildLock { _lock: lock.ok_or(BindingError::Interrupted)? };
        let build = prepare_dir(request, &variables)?;
        let seconds = run_script(request, &variables)?;
        Ok((lock, build, seconds))
    };
    let (lock, build, seconds) = run().map_err(of_place)?;
    if (request.again)()? != binding.fingerprint {
        return Err(BindingError::SourcesChanged(binding.source.mlc_llm.clone()));
    }
    let parts = match &binding.builder {
        Builder::Android { ndk } => {
            require_output(request, &build)?;
            collect::android(binding, ndk, &build, &variables, &new.dir(), request.cancel)
        }
        Builder::Apple { .. } => collect::apple(&binding.source, &build, &new.dir())
            .and_then(|parts| Ok(require_libraries(request, parts)?)),
        Builder::Kit => Err(Unkeepable::IsKit.into()),
    };
    match parts {
        Ok(Parts { files, link }) => {
            let record = KitRecord {
                fingerprint: binding.fingerprint,
                inputs: binding.inputs.clone(),
                device: binding.device,
                seconds,
                created: clock::seconds_since_1970(),
                files,
                link,
            };
            Ok(Built::Kit { kit: new.commit(record)?, new: true })
        }
        Err(NoKit::Unkeepable(why)) => {
            let (why, output) = (why.to_string(), build.join("output"));
            Ok(Built::NoKit { why, output, seconds, lock })
        }
        Err(NoKit::Failed(error)) => Err(of_store(error, request.store)),
    }
}

/// What went wrong in the cache's directories: a full disk under it is one cause, whoever writes.
fn of_store(error: BindingError, store: &KitStore) -> BindingError {
    match error {
        BindingError::Io(source) if is_full(&source) => store.error(source).into(),
        BindingError::Failed(mut failed) if says_full(&failed.last_lines) => {
            failed.full = Some(store.cache_dir().to_owned());
            BindingError::Failed(failed)
        }
        error => error,
    }
}

/// Makes the directory ready that CMake will build in; gives it. What an interrupted build left
/// stays, if it was built with the same tools; what others left is not touched.
fn prepare_dir(
    request: &BuildRequest<'_>,
    variables: &Variables,
) -> Result<Utf8PathBuf, BindingError> {
    let binding = request.binding;
    let build = binding.build_dir.join(script::build_subdir(binding));
    let mark = binding.build_dir.join(format!("{MARK}-{}", script::build_subdir(binding)));
    let built_with = built_with(binding, variables);
    check_before_build(binding)?;
    let is_there = files::is_dir(&build);
    let before = files::read_if_there(&mark)?;
    if is_there && (request.rebuild || before.as_deref() != Some(built_with.as_bytes())) {
        files::remove_dir_all(&build)?;
    }
    atomic::write(&mark, built_with.as_bytes())?;
    files::create_dir_all(&build)?;
    match &binding.builder {
        Builder::Android { .. } => {
            files::create_dir_all(&build.join("lib"))?;
            seed_cache(&build, variables)?;
            // CMake installs anew what is not there.
            files::remove_dir_all(&build.join("output"))?;
            if let Some(archive) = request.model_archive {
                let to = collect::model_archive(&build);
                files::remove_file(&to)?;
                link::place(archive, &to, LinkMode::Auto)?;
            }
        }
        Builder::Apple { .. } => {
            // What an earlier version of the sources installed must not be taken for this one's.
            files::remove_dir_all(&build.join("lib"))?;
        }
        Builder::Kit => {}
    }
    // As CMake names it: it follows links.
    Ok(files::canonical(&build)?)
}

/// Has CMake know the linker's flags before it reads the NDK's toolchain file, which gives them a
/// value of their own where they have none: CMake reads LDFLAGS only after that.
fn seed_cache(build: &Utf8Path, variables: &Variables) -> Result<(), BindingError> {
    let cache = build.join("CMakeCache.txt");
    let flags = variables.get(std::ffi::OsStr::new("LDFLAGS"));
    if let (Some(flags), false) = (flags, files::exists(&cache)) {
        // An entry is one line.
        let flags = flags.to_string_lossy().replace(['\n', '\r'], " ");
        atomic::write(&cache, format!("CMAKE_SHARED_LINKER_FLAGS:STRING={flags}\n").as_bytes())?;
    }
    Ok(())
}

/// What makes a half-finished build useless when it changes: all but the sources.
fn built_with(binding: &Binding, variables: &Variables) -> String {
    let mut text = String::new();
    for (name, value) in &binding.inputs.0 {
        if !["mlc-llm", "TVM_SOURCE_DIR", "mlc-package"].contains(&name.as_str()) {
            text += &format!("{name}\0{value}\0");
        }
    }
    for name in [
        "MLC_LLM_SOURCE_DIR",
        "TVM_SOURCE_DIR",
        "ANDROID_NDK",
        "JAVA_HOME",
        "CMAKE_GENERATOR",
        "CMAKE_C_COMPILER_LAUNCHER",
        "CMAKE_CXX_COMPILER_LAUNCHER",
    ] {
        let value = variables.get(std::ffi::OsStr::new(name));
        text += &format!(
            "{name}\0{}\0",
            value.map(|value| value.to_string_lossy()).unwrap_or_default()
        );
    }
    format!("{}\n", Digest::of(text.as_bytes()))
}

/// Whether a build can begin: to be asked before what takes long.
///
/// # Errors
/// The sources do not build, the directory it would be built in is not ours, or upstream's script
/// could not leave its link in the sources, which is the last thing that it does.
pub fn check_before_build(binding: &Binding) -> Result<(), BindingError> {
    let subdir = script::build_subdir(binding);
    let build = binding.build_dir.join(&subdir);
    let is_there = !dir::names(&build).unwrap_or_default().is_empty();
    if is_there && !files::exists(&binding.build_dir.join(format!("{MARK}-{subdir}"))) {
        return Err(BindingError::ForeignBuild(build));
    }
    if binding.device.is_apple() {
        binding.source.check_writable()?;
    }
    let source = &binding.source;
    Ok(preflight::check(&source.mlc_llm, &source.tvm(), binding.device)?)
}

fn run_script(request: &BuildRequest<'_>, variables: &Variables) -> Result<f64, BindingError> {
    let binding = request.binding;
    let log = binding.build_dir.join(LOG);
    let (program, args) = script::command(binding, request.python)?;
    (request.events)(&BuildEvent::Started { build_dir: &binding.build_dir });
    let step = Step {
        program: &program,
        args: &args,
        variables,
        directory: &binding.build_dir,
        log: &log,
        what: None,
        name: &binding.source.script(binding.device),
    };
    match step.run(request.cancel) {
        Ok(seconds) => {
            (request.events)(&BuildEvent::Finished { seconds, log: &log });
            Ok(seconds)
        }
        Err(error) => {
            (request.events)(&BuildEvent::Failed { log: &log });
            Err(error)
        }
    }
}

fn require_output(request: &BuildRequest<'_>, build: &Utf8Path) -> Result<(), BindingError> {
    let is_there = files::is_dir(&build.join("output"))
        && matches!(collect::outputs(build)?, (Some(_), others) if !others.is_empty());
    if is_there {
        return Ok(());
    }
    let lacks = format!("`{}` lacks the library or the jar", build.join("output"));
    Err(no_output(request, lacks))
}

fn require_libraries(request: &BuildRequest<'_>, parts: Parts) -> Result<Parts, BindingError> {
    if !parts.files.is_empty() {
        return Ok(parts);
    }
    let lib = request.binding.build_dir.join(script::build_subdir(request.binding)).join("lib");
    Err(no_output(request, format!("`{lib}` holds no library")))
}

fn no_output(request: &BuildRequest<'_>, lacks: String) -> BindingError {
    BindingError::NoOutput {
        script: request.binding.source.script(request.binding.device),
        lacks,
        log: request.binding.build_dir.join(LOG),
    }
}
