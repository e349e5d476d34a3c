//! A scene for tests: a directory with stand-in programs, packages and a cache in it.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{CompileJob, Environment, MlcCompiler, Store};
use crate::io::process::{find_program, is_script};
use crate::model::{
    CompileInputs, CompilerIdentity, Device, Digest, Fingerprint, LibraryFormat, PackageIdentity,
};

pub(super) struct Scene {
    _dir: tempfile::TempDir,
    pub(super) root: Utf8PathBuf,
}

impl Scene {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        fs_err::create_dir(root.join("home")).unwrap();
        Self { _dir: dir, root }
    }

    pub(super) fn cache(&self) -> Utf8PathBuf {
        self.root.join("cache")
    }

    pub(super) fn store(&self) -> Store {
        Store::new(&self.cache())
    }

    pub(super) fn write(&self, path: &str, content: &str) -> Utf8PathBuf {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        path
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.root.join(path)).unwrap()
    }

    /// A program: a shell script.
    pub(super) fn script(&self, name: &str, script: &str) -> Utf8PathBuf {
        let path = self.write(name, &format!("#!/bin/sh\n{script}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(&path, mode).unwrap();
        path
    }

    /// A compiler: a shell script that gets the call of `python -m mlc_llm compile`, with
    /// `$output` set to the library's path.
    pub(super) fn compiler(&self, script: &str) -> MlcCompiler {
        let find = "for arg; do [ \"$last\" = --output ] && output=$arg; last=$arg; done";
        MlcCompiler {
            python: self.script("python", &format!("{find}\n{script}")),
            environment: self.environment(&[]),
            limit: Duration::from_secs(60),
        }
    }

    pub(super) fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let path = std::env::var("PATH").unwrap();
        let home = self.root.join("home");
        let mut all: crate::io::process::Variables =
            [("PATH".into(), path.into()), ("HOME".into(), home.as_str().into())].into();
        all.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        Environment { variables: all, directory: self.root.clone() }
    }

    /// Puts a module into a directory, as a wheel from an index if there is a distribution's
    /// name and version, else as bare files.
    pub(super) fn module(&self, site: &str, name: &str, wheel: Option<(&str, &str)>) {
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
pub(super) fn settle() {
    std::thread::sleep(Duration::from_millis(130));
}

/// A Python interpreter of this machine: no script that stands for one, if there is any.
pub(super) fn interpreter() -> Utf8PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let root = Utf8Path::new("/");
    let named = std::env::split_paths(&path)
        .filter_map(|dir| find_program("python3", Some(dir.as_os_str()), root))
        .find(|python| !is_script(python).unwrap());
    named.or_else(|| find_program("python3", Some(&path), root)).expect("tests need a python3")
}

pub(super) fn job(model_lib: &str) -> CompileJob {
    let wheel = |name: &str| PackageIdentity {
        distribution: Some(name.to_owned()),
        version: Some("0.1".to_owned()),
        files: None,
    };
    let inputs = CompileInputs {
        model_type: "llama".to_owned(),
        quantization: "q4f16_1".to_owned(),
        chat_config: serde_json::from_str(r#"{"vocab_size": 8}"#).unwrap(),
        overrides: "context_window_size=128".to_owned(),
        opt: "flashinfer=0".to_owned(),
        device: Device::Android.into(),
        host: None,
        format: LibraryFormat::Tar,
        macabi_arch: None,
        model_lib: model_lib.parse().unwrap(),
        compiler: CompilerIdentity {
            mlc_llm: wheel("mlc-llm-nightly-cpu"),
            tvm: wheel("mlc-ai-nightly-cpu"),
            tvm_ffi: wheel("apache-tvm-ffi"),
            tools: [].into(),
        },
    };
    let fingerprint = Fingerprint(Digest::of(model_lib.as_bytes()));
    CompileJob { fingerprint, inputs, chat_config: br#"{"model_type": "llama"}"#.to_vec() }
}
