//! A directory with manifests, and the program run in it.

use std::process::Output;

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

/// A directory of its own.
pub(crate) struct Scene {
    dir: tempfile::TempDir,
}

/// What the program said.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        self
    }

    pub(crate) fn manifest(&self, name: &str, manifest: &Value) -> &Self {
        self.write(name, manifest.to_string())
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path(name)).unwrap()
    }

    /// Runs `mlc-package`, with nothing of the machine's GitHub or MLC settings.
    pub(crate) fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlc-package"));
        // The date that a page names.
        command.env_clear().env("SOURCE_DATE_EPOCH", "1767225600");
        command.envs(variables.iter().copied());
        let output: Output = command.current_dir(self.dir.path()).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let run = Run {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    }

    /// Runs `mlc-package report`; it must end with this exit code.
    #[track_caller]
    pub(crate) fn report(&self, code: i32, arguments: &str) -> Run {
        let words: Vec<_> = ["report"].into_iter().chain(arguments.split_whitespace()).collect();
        let run = self.run(&words, &[]);
        assert_eq!(run.code, code, "{}\n{}", run.stdout, run.stderr);
        run
    }

    #[track_caller]
    pub(crate) fn json(&self, code: i32, arguments: &str) -> Value {
        let run = self.report(code, &format!("{arguments} --format json"));
        serde_json::from_str(&run.stdout).unwrap()
    }
}
