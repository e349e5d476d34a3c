use std::ffi::OsStr;

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::process::{self, Variables};

/// What this process was given: variables and a working directory. A value, so that nothing here
/// reads the real ones.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Every variable.
    pub variables: &'a Variables,
    /// The working directory, absolute.
    pub directory: &'a Utf8Path,
}

impl Surroundings<'_> {
    /// A variable that is set, not empty and UTF-8.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(OsStr::new(name))?.to_str().filter(|text| !text.is_empty())
    }

    /// A variable that names a place, absolute.
    pub(super) fn path(&self, name: &str) -> Option<Utf8PathBuf> {
        self.text(name).map(|text| self.directory.join(text))
    }

    /// The program that a shell would run.
    pub(super) fn program(&self, name: &str) -> Option<Utf8PathBuf> {
        let path = self.variables.get(OsStr::new("PATH"));
        process::find_program(name, path.map(|path| &**path), self.directory)
    }
}
