//! A scene for tests: a directory with stand-in programs, packages in it.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::environment::Environment;
use crate::io::process::{find_program, is_script};

pub(crate) struct Scene {
    _dir: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        fs_err::create_dir(root.join("home")).unwrap();
        Self { _dir: dir, root }
    }

    pub(crate) fn cache(&self) -> Utf8PathBuf {
        self.root.join("cache")
    }

    pub(crate) fn write(&self, path: &str, content: &str) -> Utf8PathBuf {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.root.join(path)).unwrap()
    }

    /// A program: a shell script.
    pub(crate) fn script(&self, name: &str, script: &str) -> Utf8PathBuf {
        let path = self.write(name, &format!("#!/bin/sh\n{script}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(&path, mode).unwrap();
        path
    }

    pub(crate) fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let path = std::env::var("PATH").unwrap();
        let home = self.root.join("home");
        let mut all: crate::io::process::Variables =
            [("PATH".into(), path.into()), ("HOME".into(), home.as_str().into())].into();
        all.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        Environment { variables: all, directory: self.root.clone() }
    }

    /// Puts a module into a directory, as a wheel from an index if there is a distribution's
    /// name and version, else as bare files.
    pub(crate) fn module(&self, site: &str, name: &str, wheel: Option<(&str, &str)>) {
        self.write(&format!("{site}/{name}/__init__.py"), "raise ImportError('imported')\n");
        if let Some((distribution, version)) = wheel {
            let info = format!("{site}/{}-{version}.dist-info", distribution.replace('-', "_"));
            let metadata =
                format!("Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n");
            self.write(&format!("{info}/METADATA"), &metadata);
            self.write(&format!("{info}/RECORD"), &format!("{name}/__init__.py,,\n"));
        }
    }
}

/// Longer than the tick of a file system's clock: what was written before is settled.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(130));
}

/// A Python interpreter of this machine: no script that stands for one, if there is any.
pub(crate) fn interpreter() -> Utf8PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let root = Utf8Path::new("/");
    let named = std::env::split_paths(&path)
        .filter_map(|dir| find_program("python3", Some(dir.as_os_str()), root))
        .find(|python| !is_script(python).unwrap());
    named.or_else(|| find_program("python3", Some(&path), root)).expect("tests need a python3")
}
