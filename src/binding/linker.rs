//! Which linker links a kit. All of these take lld's arguments.

use std::ffi::OsString;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{BindingError, Surroundings};
use crate::io::answer::{self, Question};
use crate::io::cancel::Cancel;
use crate::io::{dir, files};
use crate::model::LinkerChoice;

/// A path is all that is asked for.
const ANSWER_LIMIT: u64 = 64 << 10;
/// rustup may have to look for a toolchain.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has lld load no library that an object asks for by its name, from wherever that is.
const ONLY_WHAT_IS_NAMED: &str = "--no-dependent-libraries";

/// A linker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linker {
    /// The program, absolute.
    pub program: Utf8PathBuf,
    /// What it is told before all else: one program is the linker of several systems.
    pub first: &'static [&'static str],
}

impl Linker {
    /// Looks for the linker of a choice. The NDK's own is what a kit was made with; where no NDK is
    /// named, that of `PATH`; then that which every toolchain of Rust has.
    ///
    /// # Errors
    /// There is none, or rustc was interrupted.
    pub fn find(
        choice: LinkerChoice,
        given: Surroundings<'_>,
        cancel: &Cancel,
    ) -> Result<Self, BindingError> {
        let lld = || {
            let program = of_ndk(given).or_else(|| given.program("ld.lld"))?;
            Some(Self { program, first: &[ONLY_WHAT_IS_NAMED] })
        };
        let rust =
            || {
                let program = of_rust(given, cancel)?;
                Ok::<_, BindingError>(program.map(|program| Self {
                    program,
                    first: &["-flavor", "gnu", ONLY_WHAT_IS_NAMED],
                }))
            };
        let found = match choice {
            LinkerChoice::Auto => lld().map_or_else(rust, |lld| Ok(Some(lld)))?,
            LinkerChoice::Lld => lld(),
            LinkerChoice::RustLld => rust()?,
            LinkerChoice::Wild => given.program("wild").map(|program| Self { program, first: &[] }),
        };
        found.ok_or(BindingError::NoLinker(choice))
    }
}

fn of_ndk(given: Surroundings<'_>) -> Option<Utf8PathBuf> {
    let prebuilt = given.path("ANDROID_NDK")?.join("toolchains/llvm/prebuilt");
    let hosts = dir::names(&prebuilt).unwrap_or_default();
    let mut places = hosts.iter().map(|host| prebuilt.join(host).join("bin/ld.lld"));
    places.find(|place| files::is_file(place))
}

/// The linker in the toolchain that `rustc` is of; of a toolchain for several hosts, the first.
fn of_rust(given: Surroundings<'_>, cancel: &Cancel) -> Result<Option<Utf8PathBuf>, BindingError> {
    let Some(rustc) = given.program("rustc") else { return Ok(None) };
    let question = Question {
        path: &rustc,
        args: &["--print", "sysroot"].map(OsString::from),
        variables: given.variables,
        directory: given.directory,
        limit: ANSWER_LIMIT,
        patience: PATIENCE,
    };
    let answer = match answer::ask(&question, cancel) {
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
            return Err(BindingError::Interrupted);
        }
        answer => answer.ok().flatten().unwrap_or_default(),
    };
    let sysroot = String::from_utf8_lossy(&answer).trim().to_owned();
    if !sysroot.starts_with('/') {
        return Ok(None);
    }
    let targets = Utf8Path::new(&sysroot).join("lib/rustlib");
    let names = dir::names(&targets).unwrap_or_default();
    let mut places = names.iter().map(|target| targets.join(target).join("bin/rust-lld"));
    Ok(places.find(|place| files::is_file(place)))
}
