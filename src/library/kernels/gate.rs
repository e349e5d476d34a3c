//! Which libraries' kernels are checked in a build, and by which clang.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;

use super::{Finder, NoClang, check, note, problem, sources};
use crate::io::environment::Environment;
use crate::io::process::Cancel;
use crate::library::blob::DeviceKind;
use crate::library::{self, LibrariesError, ModelLibrary, Problem, plural};
use crate::model::{CheckKernels, KernelsChecked};

/// What `--check-kernels` asks for, and the clang for it, looked for when it is needed.
#[derive(Debug)]
pub struct Gate<'a> {
    choice: CheckKernels,
    finder: Finder<'a>,
    cancel: &'a Cancel,
    done: Mutex<Done>,
}

/// What was done in this run.
#[derive(Debug, Default)]
struct Done {
    /// Libraries whose kernels all compile.
    good: BTreeMap<String, KernelsChecked>,
    /// Why kernels were not checked.
    no_clang: Option<String>,
    /// Whether there was a library to look at.
    looked: bool,
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
        let (finder, done) = (Finder::new(environment, cancel), Mutex::default());
        Self { choice, finder, cancel, done }
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
        let verdict = self.judge(library, path)?;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.looked = true;
        match &verdict {
            Verdict::Good(checked) => {
                let names = library.blobs().flatten().map(|blob| library::model_lib(blob.prefix));
                done.good.extend(names.map(|name| (name.to_owned(), checked.clone())));
            }
            Verdict::NoClang(why) => done.no_clang = Some(why.to_string()),
            Verdict::Bad(_) | Verdict::Unchecked => {}
        }
        Ok(verdict)
    }

    /// What was found out in this run of a library's kernels.
    pub fn checked(&self, model_lib: &str) -> Option<KernelsChecked> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.good.get(model_lib).cloned()
    }

    /// What was done in this run, in a line. `before` is how many libraries were checked in an earlier
    /// one.
    pub fn summary(&self, before: usize) -> String {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let libraries = |n| plural(n, "1 library", "libraries");
        if let Some(KernelsChecked { clang, .. }) = done.good.values().next() {
            let count = done.good.values().fold(0, |sum: u64, it| sum.saturating_add(it.count));
            let kernels = match count {
                1 => "1 kernel".to_owned(),
                count => format!("{count} kernels"),
            };
            return format!("checked {kernels} of {}, with {clang}", libraries(done.good.len()));
        }
        match (&done.no_clang, self.choice) {
            (_, CheckKernels::Never) => "not checked".to_owned(),
            (Some(why), _) => format!("not checked: {why}"),
            (None, _) if before > 0 => {
                format!(
                    "{} checked in an earlier run",
                    plural(before, "1 library was", "libraries were")
                )
            }
            (None, _) if done.looked => "the phone compiles none from source".to_owned(),
            (None, CheckKernels::Auto) => "not checked: nothing was compiled in this run \
                (`--check-kernels always` checks every library)"
                .to_owned(),
            (None, CheckKernels::Always) => "there is no library".to_owned(),
        }
    }

    fn judge(
        &self,
        library: &ModelLibrary<'_>,
        path: &Utf8Path,
    ) -> Result<Verdict, LibrariesError> {
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
