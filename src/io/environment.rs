//! The variables and the working directory that this process was given.

use std::ffi::OsStr;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::process::Variables;

/// What the process we are was given: variables and a working directory. A value, so that
/// nothing below reads the real ones.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Every variable.
    pub variables: Variables,
    /// The working directory, absolute.
    pub directory: Utf8PathBuf,
}

impl Environment {
    /// The environment of this process.
    pub fn current() -> io::Result<Self> {
        let directory = Utf8PathBuf::from_path_buf(std::env::current_dir()?).map_err(|path| {
            let message = format!("the working directory `{}` is not UTF-8", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        Ok(Self { variables: std::env::vars_os().collect(), directory })
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(|value| &**value).filter(|value| !value.is_empty())
    }

    /// A variable that is set, not empty and UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str()
    }

    /// Where temporary files go: `MLC_TEMP_DIR`, else where the system has them.
    pub fn temporary_home(&self) -> Utf8PathBuf {
        let home = self.text("MLC_TEMP_DIR").or_else(|| self.text("TMPDIR")).unwrap_or("/tmp");
        self.directory.join(home)
    }

    /// The variables for a Python that runs in a directory of ours instead of the user's.
    ///
    /// `python -m` puts the working directory in front of the module search path, where a
    /// stray `tvm.py` beside the user's config would be taken for the compiler;
    /// `PYTHONSAFEPATH` prevents this from Python 3.11 on only, an empty directory always.
    /// What the user said relative to the working directory is made absolute for it. An
    /// empty entry of `PYTHONPATH`, most often a leftover of `PYTHONPATH=x:$PYTHONPATH`,
    /// would mean the working directory too and is dropped.
    pub fn for_python(&self) -> Variables {
        let mut variables = self.variables.clone();
        if let Some(path) = self.get("PYTHONPATH") {
            let entries = std::env::split_paths(path)
                .filter(|entry| !entry.as_os_str().is_empty())
                .map(|entry| self.directory.as_std_path().join(entry));
            // Joining fails only for an entry with a separator in it, which splitting excludes.
            if let Ok(joined) = std::env::join_paths(entries) {
                variables.insert("PYTHONPATH".into(), joined);
            }
        }
        // A relative entry of PATH means the user's directory too: the compiler runs tools.
        if let Some(path) = self.get("PATH") {
            let entries = std::env::split_paths(path)
                .filter(|entry| !entry.as_os_str().is_empty())
                .map(|entry| self.directory.as_std_path().join(entry));
            if let Ok(joined) = std::env::join_paths(entries) {
                variables.insert("PATH".into(), joined);
            }
        }
        if let Some(home) = self.text("MLC_TEMP_DIR") {
            let home: &Utf8Path = &self.directory.join(home);
            variables.insert("TMPDIR".into(), home.as_str().into());
        }
        // Both streams go to one log: unbuffered, their order is kept.
        variables.entry("PYTHONUNBUFFERED".into()).or_insert_with(|| "1".into());
        // pyenv's stand-ins for `python` look for a `.python-version` from here on.
        variables.entry("PYENV_DIR".into()).or_insert_with(|| self.directory.as_str().into());
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Environment { variables: variables.collect(), directory: "/home/me".into() }
    }

    #[test]
    fn relative_entries_mean_the_users_directory() {
        let given = [("PYTHONPATH", "src:/abs::."), ("PATH", "bin:/usr/bin"), ("HOME", "/home")];
        let variables = environment(&given).for_python();
        let value = |name: &str| variables[std::ffi::OsStr::new(name)].to_str().unwrap();
        assert_eq!(value("PYTHONPATH"), "/home/me/src:/abs:/home/me/.");
        assert_eq!(value("PATH"), "/home/me/bin:/usr/bin");
        assert_eq!(value("HOME"), "/home");
        assert!(!variables.contains_key(std::ffi::OsStr::new("TMPDIR")));
    }

    #[test]
    fn temporary_files_go_where_the_user_says() {
        let given = [("MLC_TEMP_DIR", "big"), ("TMPDIR", "/small")];
        assert_eq!(environment(&given).temporary_home(), "/home/me/big");
        assert_eq!(
            environment(&given).for_python()[std::ffi::OsStr::new("TMPDIR")],
            "/home/me/big"
        );
        assert_eq!(environment(&given[1..]).temporary_home(), "/small");
    }
}
