//! A clang that compiles kernels: where it is, whether it can, and running it.

use std::ffi::OsString;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::metal::STANDARD_LIBRARY;
use crate::io::answer::{self, Question};
use crate::io::dir;
use crate::io::ended::signal_name;
use crate::io::environment::Environment;
use crate::io::marked::MarkedDir;
use crate::io::process::{self, Cancel, End, LogLimit, Program};
use crate::io::{atomic, files};
use crate::library::LibrariesError;
use crate::library::blob::DeviceKind;

/// Names the clang to take.
const CHOSEN: &str = "MLC_PACKAGE_CLANG";
/// The versions that are looked for by their own names, as Debian has them: `clang-19`. The oldest
/// knows C++ for OpenCL.
const VERSIONS: std::ops::RangeInclusive<u32> = 11..=30;
/// Real kernels take some milliseconds; one that takes as long hangs, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for the samples by which a clang is tried out.
const PROBE_PATIENCE: Duration = Duration::from_secs(30);
/// How much of what clang says is read, in bytes.
const SAID: usize = 64 << 10;

/// A clang that was found to compile kernels of a kind.
#[derive(Clone, Debug)]
pub struct Clang {
    /// Where it is.
    pub path: Utf8PathBuf,
    /// What it calls itself: `Debian clang version 14.0.6`.
    pub version: String,
    environment: Environment,
}

/// Why no clang was found that can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoClang {
    /// None at all.
    #[error("there is no clang on PATH, nor in the NDK")]
    None,
    /// The one that `MLC_PACKAGE_CLANG` names is not there.
    #[error("MLC_PACKAGE_CLANG names `{0}`, which is not there")]
    NotThere(String),
    /// It compiles samples, and broke at the kernels of a library.
    #[error("`{path}` {why}")]
    Broke {
        /// It.
        path: Utf8PathBuf,
        /// What it did, and at which kernel.
        why: String,
    },
    /// There are some, and none can.
    #[error("`{path}` does not compile {language}: {why}")]
    Cannot {
        /// The first one.
        path: Utf8PathBuf,
        /// What it should have compiled.
        language: &'static str,
        /// What it said.
        why: String,
    },
}

impl NoClang {
    /// What to do about it.
    pub const HELP: &str = "install clang 14 or newer (Debian: `apt-get install clang`), or name \
                            one in MLC_PACKAGE_CLANG";
}

/// What clang makes of a source.
#[derive(Debug)]
pub(super) enum Compiled {
    /// It compiles.
    Good,
    /// It does not.
    Bad(Complaint),
    /// Clang hangs or crashes: why, told of clang.
    Broke(String),
}

/// What clang says is wrong.
#[derive(Debug)]
pub(super) struct Complaint {
    /// Where in the source, from 1.
    pub(super) line: Option<usize>,
    /// What.
    pub(super) why: String,
}

/// A directory for what clang reads and prints.
#[derive(Debug)]
pub(super) struct Workspace {
    dir: MarkedDir,
}

/// Finds a clang when it is first asked for one, for each kind of kernels.
#[derive(Debug)]
pub struct Finder<'a> {
    environment: &'a Environment,
    cancel: &'a Cancel,
    opencl: OnceLock<Result<Clang, NoClang>>,
    metal: OnceLock<Result<Clang, NoClang>>,
}

impl<'a> Finder<'a> {
    /// Nothing is looked for yet.
    pub fn new(environment: &'a Environment, cancel: &'a Cancel) -> Self {
        Self { environment, cancel, opencl: OnceLock::new(), metal: OnceLock::new() }
    }

    /// The clang for kernels of a kind.
    ///
    /// # Errors
    /// There is none; or the disk, or somebody asked to stop.
    pub fn find(&self, kind: DeviceKind) -> Result<&Clang, LibrariesError> {
        let cell = match kind {
            DeviceKind::OpenCl => &self.opencl,
            DeviceKind::Metal => &self.metal,
        };
        let found = match cell.get() {
            Some(found) => found,
            None => {
                let found = match find(self.environment, kind, self.cancel) {
                    Ok(clang) => Ok(clang),
                    Err(LibrariesError::NoClang(why)) => Err(why),
                    Err(error) => return Err(error),
                };
                cell.get_or_init(|| found)
            }
        };
        found.as_ref().map_err(|why| LibrariesError::NoClang(why.clone()))
    }
}

/// The first clang that compiles a kernel of a kind.
fn find(
    environment: &Environment,
    kind: DeviceKind,
    cancel: &Cancel,
) -> Result<Clang, LibrariesError> {
    let candidates = match environment.text(CHOSEN) {
        Some(name) => match program(environment, name) {
            Some(path) => vec![path],
            None => return Err(LibrariesError::NoClang(NoClang::NotThere(name.to_owned()))),
        },
        None => candidates(environment),
    };
    let mut cannot = NoClang::None;
    for path in candidates {
        match probe(environment, &path, kind, cancel) {
            Err(LibrariesError::NoClang(why)) if cannot == NoClang::None => cannot = why,
            Err(LibrariesError::NoClang(_)) => {}
            found => return found,
        }
    }
    Err(LibrariesError::NoClang(cannot))
}

fn program(environment: &Environment, name: &str) -> Option<Utf8PathBuf> {
    process::find_program(name, environment.get("PATH"), &environment.directory)
}

/// Clangs on `PATH`, the plain name first, then the newest; then the NDK's.
fn candidates(environment: &Environment) -> Vec<Utf8PathBuf> {
    let plain = std::iter::once("clang".to_owned());
    let names = plain.chain(VERSIONS.rev().map(|version| format!("clang-{version}")));
    let mut found: Vec<_> = names.filter_map(|name| program(environment, &name)).collect();
    if let Some(ndk) = environment.text("ANDROID_NDK") {
        let prebuilt = environment.directory.join(ndk).join("toolchains/llvm/prebuilt");
        let hosts = dir::names(&prebuilt).unwrap_or_default();
        let of_hosts = hosts.iter().map(|host| prebuilt.join(host).join("bin/clang"));
        found.extend(of_hosts.filter(|path| files::is_file(path)));
    }
    found
}

/// What stands for the value that a sample computes, and is declared nowhere.
const UNDECLARED: &str = "nowhere_declared";

/// A kernel with the half precision and the built-in functions that every real one has. Its last
/// line but one computes `exp`.
const fn sample(kind: DeviceKind) -> (&'static str, &'static str) {
    match kind {
        DeviceKind::OpenCl => (
            "OpenCL C",
            "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n\
             __kernel void sample(__global half* restrict a) {\n\
             a[get_global_id(0)] = exp((half)1.0f);\n}\n",
        ),
        DeviceKind::Metal => (
            "Metal source",
            "#include <metal_stdlib>\nusing namespace metal;\n\
             kernel void sample(device half* a [[ buffer(0) ]],\n\
             uint threadIdx [[thread_position_in_threadgroup]]) {\n\
             a[threadIdx] = exp((half)1.0f);\n}\n",
        ),
    }
}

fn probe(
    environment: &Environment,
    path: &Utf8Path,
    kind: DeviceKind,
    cancel: &Cancel,
) -> Result<Clang, LibrariesError> {
    let (language, source) = sample(kind);
    let cannot = |why: String| {
        Err(LibrariesError::NoClang(NoClang::Cannot { path: path.to_owned(), language, why }))
    };
    let args = [OsString::from("--version")];
    let question = Question {
        path,
        args: &args,
        variables: &environment.variables,
        directory: &environment.directory,
        limit: SAID as u64,
        patience: PROBE_PATIENCE,
    };
    let version = match answer::ask(&question, cancel) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error.into()),
        Err(error) => return cannot(error.to_string()),
        Ok(answer) => answer.unwrap_or_default(),
    };
    let version = String::from_utf8_lossy(&version);
    let version = version.lines().next().unwrap_or_default().trim().to_owned();
    let clang = Clang { path: path.to_owned(), version, environment: environment.clone() };
    let space = clang.workspace()?;
    let compile =
        |index, source: &str| clang.compile(&space, index, kind, source, PROBE_PATIENCE, cancel);
    match compile(0, source)? {
        Compiled::Good => {}
        Compiled::Bad(complaint) => return cannot(complaint.why),
        Compiled::Broke(why) => return cannot(format!("it {why}")),
    }
    // A program that is content with anything would find every library good.
    let bad = source.replace("exp((half)1.0f)", UNDECLARED);
    let line = bad.lines().position(|line| line.contains(UNDECLARED)).map(|index| index + 1);
    match compile(1, &bad)? {
        Compiled::Bad(complaint) if complaint.line == line => Ok(clang),
        Compiled::Bad(_) => cannot("it does not say in which line a mistake is".to_owned()),
        Compiled::Good => cannot("it finds no mistake in a kernel that has one".to_owned()),
        Compiled::Broke(why) => cannot(format!("it {why}")),
    }
}

impl Clang {
    /// A place for what it reads, with what Metal source includes.
    pub(super) fn workspace(&self) -> io::Result<Workspace> {
        let dir = MarkedDir::new_in(&self.environment.temporary_home(), "mlc-package-")?;
        atomic::write_unsynced(&dir.path().join("metal_stdlib"), STANDARD_LIBRARY.as_bytes())?;
        Ok(Workspace { dir })
    }

    /// Compiles one source as far as its meaning is known.
    fn compile(
        &self,
        space: &Workspace,
        index: usize,
        kind: DeviceKind,
        source: &str,
        patience: Duration,
        cancel: &Cancel,
    ) -> io::Result<Compiled> {
        let home = space.dir.path();
        let (file, log) = (home.join(format!("{index}.cl")), home.join(format!("{index}.log")));
        atomic::write_unsynced(&file, source.as_bytes())?;
        let include = format!("-I{home}");
        let language = match kind {
            DeviceKind::OpenCl => ["-x", "cl", "-cl-std=CL2.0"],
            DeviceKind::Metal => ["-x", "clcpp", "-cl-std=CLC++"],
        };
        // A 64-bit target of no maker's, with every extension.
        let rest = [
            "--target=spir64",
            "-Xclang",
            "-finclude-default-header",
            "-fsyntax-only",
            "-w",
            "-ferror-limit=1",
            "-fno-caret-diagnostics",
            "-fno-color-diagnostics",
            &include,
            file.as_str(),
        ];
        let args: Vec<_> = language.into_iter().chain(rest).map(OsString::from).collect();
        let program = Program {
            path: &self.path,
            args: &args,
            variables: &self.environment.variables,
            directory: home,
            log: &log,
            log_limit: LogLimit { head: SAID, tail: 0 },
            limit: Some(patience),
        };
        Ok(match process::run(&program, cancel)?.how {
            End::Exit(0) => Compiled::Good,
            End::Cancelled => return Err(io::ErrorKind::Interrupted.into()),
            End::TimedOut => {
                Compiled::Broke(format!("does not come to an end within {} s", patience.as_secs()))
            }
            End::Signal(signal) => Compiled::Broke(format!("was ended by {}", signal_name(signal))),
            End::Exit(code) => {
                let said = files::read_at_most(&log, 4 * SAID as u64)?.unwrap_or_default();
                let said = String::from_utf8_lossy(&said);
                match said.contains("PLEASE submit a bug report") {
                    true => Compiled::Broke("crashes".to_owned()),
                    false => Compiled::Bad(complaint(&said, &file, code)),
                }
            }
        })
    }

    /// That it broke, told of it.
    pub(super) fn broke(&self, why: String) -> NoClang {
        NoClang::Broke { path: self.path.clone(), why }
    }

    /// Compiles a kernel of a library.
    pub(super) fn compile_kernel(
        &self,
        space: &Workspace,
        index: usize,
        kind: DeviceKind,
        source: &str,
        cancel: &Cancel,
    ) -> io::Result<Compiled> {
        self.compile(space, index, kind, source, PATIENCE, cancel)
    }
}

/// The first error of what clang printed: `FILE:LINE:COLUMN: error: WHAT`.
fn complaint(said: &str, file: &Utf8Path, code: i32) -> Complaint {
    let error = said.lines().find_map(|line| {
        let (place, why) = line.split_once("error: ")?;
        let place = place.strip_prefix(file.as_str())?.strip_prefix(':');
        let number = place.and_then(|place| place.split(':').next()?.parse().ok());
        Some(Complaint { line: number, why: why.to_owned() })
    });
    error.unwrap_or_else(|| {
        let line = said.lines().find(|line| line.contains("error: ")).or(said.lines().next());
        let why = line.map_or_else(|| format!("clang exited with code {code}"), str::to_owned);
        Complaint { line: None, why: why.replace(file.as_str(), "the source") }
    })
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn the_first_error_of_the_file_counts() {
        let said = "/t/0.cl:1:2: warning: x\n/t/metal_stdlib:3:1: error: in ours\n\
                    /t/0.cl:61:9: error: use of undeclared identifier 'x'\n1 error generated.\n";
        let found = complaint(said, "/t/0.cl".into(), 1);
        assert_eq!(found.line, Some(61));
        assert_eq!(found.why, "use of undeclared identifier 'x'");
        let found = complaint("clang: error: unknown argument: '-w'\n", "/t/0.cl".into(), 1);
        assert_eq!((found.line, &*found.why), (None, "clang: error: unknown argument: '-w'"));
        assert_eq!(complaint("", "/t/0.cl".into(), 9).why, "clang exited with code 9");
    }
}
