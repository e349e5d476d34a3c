//! Which libraries' kernels are checked in a build, and by which clang.

use camino::Utf8Path;

use super::{Finder, NoClang, check, note, problem, sources};
use crate::io::environment::Environment;
use crate::io::process::Cancel;
use crate::library::blob::DeviceKind;
use crate::library::{LibrariesError, ModelLibrary, Problem};
use crate::model::{CheckKernels, KernelsChecked};

/// What `--check-kernels` asks for, and the clang for it, looked for when it is needed.
#[derive(Debug)]
pub struct Gate<'a> {
    choice: CheckKernels,
    finder: Finder<'a>,
    cancel: &'a Cancel,
}

/// What is known of a library's kernels.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing was asked, or the phone compiles none.
    Unchecked,
    /// There is no clang that can, or it broke.
    NoClang(NoClang),
    /// They all compile.
    Good(KernelsChecked),
    /// Some do not.
    Bad(Problem),
}

impl<'a> Gate<'a> {
    /// Nothing is started yet.
    pub fn new(choice: CheckKernels, environment: &'a Environment, cancel: &'a Cancel) -> Self {
        Self { choice, finder: Finder::new(environment, cancel), cancel }
    }

    /// Whether also libraries are checked that were not just compiled.
    pub fn checks_all(&self) -> bool {
        self.choice == CheckKernels::Always
    }

    /// Refuses kernels that have to be checked and cannot be: told before anything is compiled.
    pub fn require(&self, kind: DeviceKind) -> Result<(), LibrariesError> {
        if self.checks_all() { self.finder.find(kind).map(drop) } else { Ok(()) }
    }

    /// Checks the kernels of a library that was just compiled, or of any if all are to be checked.
    /// `path` is what the library is called in a problem.
    ///
    /// # Errors
    /// The disk, or somebody asked to stop.
    pub fn check(
        &self,
        library: &ModelLibrary<'_>,
        path: &Utf8Path,
    ) -> Result<Verdict, LibrariesError> {
        if self.choice == CheckKernels::Never {
            return Ok(Verdict::Unchecked);
        }
        let sources = sources(library);
        let Some(kind) = sources.first().map(|source| source.on) else {
            return Ok(Verdict::Unchecked);
        };
        let clang = match self.finder.find(kind) {
            Ok(clang) => clang,
            Err(LibrariesError::NoClang(why)) => return Ok(Verdict::NoClang(why)),
            Err(error) => return Err(error),
        };
        let bad = match check(clang, &sources, self.cancel) {
            Err(LibrariesError::NoClang(why)) => return Ok(Verdict::NoClang(why)),
            bad => bad?,
        };
        Ok(match problem(path, sources.len(), &bad) {
            Some(problem) => Verdict::Bad(problem),
            None => Verdict::Good(note(clang, &sources)),
        })
    }
}
