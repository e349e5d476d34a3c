//! A package made for a test, packing it, and running the program on what came out.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::io::cancel::Cancel;
use mlc_package::publish::pack::{self, PackError, PackOptions, PackedAssets};
use serde_json::{Value, json};

/// A file: its bytes, and whether it may be executed.
pub(crate) type File = (Vec<u8>, bool);

/// What a directory holds, by path.
pub(crate) type Tree = BTreeMap<String, File>;

pub(crate) const MANIFEST: &str = "mlc-package-manifest.json";

/// A directory that goes when the test ends.
pub(crate) struct Scene {
    _dir: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
}

impl Scene {
    /// Empty.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        Self { _dir: dir, root }
    }

    /// With a package of a library and two models in `built/`.
    pub(crate) fn with_package() -> (Self, Tree) {
        let scene = Self::new();
        let tree = lay_out(&scene.path("built"), &package(), &["phi-2", "my model"]);
        (scene, tree)
    }

    pub(crate) fn path(&self, path: &str) -> Utf8PathBuf {
        self.root.join(path)
    }

    /// `mlc-package` with these arguments, in the scene's directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the program as a user runs it")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlc-package"));
        command
            .args(arguments)
            .current_dir(&self.root)
            .env_clear()
            .env("HOME", &self.root)
            .stdin(Stdio::null());
        command
    }

    /// Runs it, and gives its exit code and what it said on both streams.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        finish(&mut self.command(arguments))
    }

    /// Unpacks what was packed into `packed/` to `dist/`.
    #[track_caller]
    pub(crate) fn unpack(&self) -> Tree {
        let (code, _, stderr) = self.run(&["unpack", "packed"]);
        assert_eq!(code, 0, "{stderr}");
        read(&self.path("dist"))
    }

    /// Unpacking fails so, and `dist/` stays what it was.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, words: &[&str]) {
        let dist = self.path("dist");
        fs_err::create_dir_all(&dist).unwrap();
        fs_err::write(dist.join("before.txt"), "as it was").unwrap();
        let (found, stdout, stderr) = self.run(&["unpack", "packed"]);
        assert_eq!(found, code, "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "no {word:?} in: {stderr}");
        }
        assert_eq!(stdout, "");
        assert_eq!(read(&dist).keys().collect::<Vec<_>>(), ["before.txt"]);
        self.is_tidy();
    }

    /// Nothing unfinished lies about.
    #[track_caller]
    pub(crate) fn is_tidy(&self) {
        let hidden = |name: &String| name.starts_with('.');
        assert_eq!(names(&self.root).into_iter().find(hidden), None);
    }
}

pub(crate) fn finish(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..bytes).map(|_| random()).collect()
}

/// A library, a script, and two models, one of them with a name that assets cannot have.
pub(crate) fn package() -> Tree {
    let plain = |path: &str, bytes: Vec<u8>| (path.to_owned(), (bytes, false));
    let mut tree: Tree = [
        plain("lib/libmodel_android.a", noise(1, 100_000)),
        plain("bundle/mlc-app-config.json", b"{\"model_list\": []}\n".to_vec()),
        plain("bundle/phi-2/params_shard_0.bin", noise(2, 300_000)),
        plain("bundle/phi-2/mlc-chat-config.json", b"{}".to_vec()),
        plain("bundle/phi-2/empty", Vec::new()),
        plain("bundle/my model/params_shard_0.bin", noise(3, 700_000)),
    ]
    .into();
    tree.insert("lib/run.sh".to_owned(), (b"#!/bin/sh\n".to_vec(), true));
    tree
}

/// Writes the files and the manifest that lists them; gives all that is there then.
pub(crate) fn lay_out(dist: &Utf8Path, files: &Tree, models: &[&str]) -> Tree {
    for (path, file) in files {
        put(dist, path, file);
    }
    let digest = |bytes: &[u8]| format!("blake3:{}", blake3::hash(bytes));
    let outputs: Vec<Value> = files
        .iter()
        .map(|(path, (bytes, _))| {
            json!({"path": path, "bytes": bytes.len(), "digest": digest(bytes)})
        })
        .collect();
    let models: Vec<Value> = models.iter().map(|model_id| model(model_id)).collect();
    let manifest = json!({
        "schema": 1, "tool": "1.0.0", "device": "android",
        "config": {"name": "mlc-package-config.json", "digest": digest(b"")},
        "compiler": null, "models": models, "libraries": [], "stages": [], "outputs": outputs,
    });
    let manifest = (serde_json::to_string_pretty(&manifest).unwrap().into_bytes(), false);
    put(dist, MANIFEST, &manifest);
    let mut tree = files.clone();
    tree.insert(MANIFEST.to_owned(), manifest);
    tree
}

fn model(model_id: &str) -> Value {
    json!({
        "model_id": model_id, "model_lib": "phi_q0f16", "model": "models/phi",
        "model_type": "phi", "quantization": "q0f16", "overrides": {},
        "chat_config": format!("blake3:{}", "0".repeat(64)), "bundled": true,
        "sizes": {"weights": 0, "tokenizer": 0, "other": 0},
        "estimated_vram_bytes": 1, "memory": null,
    })
}

fn put(dir: &Utf8Path, path: &str, (bytes, executable): &File) {
    let path = dir.join(path);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, bytes).unwrap();
    let mode = if *executable { 0o755 } else { 0o644 };
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// All files below a directory; anything else fails the test.
pub(crate) fn read(dir: &Utf8Path) -> Tree {
    let mut tree = Tree::new();
    for entry in walkdir::WalkDir::new(dir).min_depth(1) {
        let entry = entry.unwrap();
        if entry.file_type().is_dir() {
            continue;
        }
        assert!(entry.file_type().is_file(), "{entry:?}");
        let path = Utf8Path::from_path(entry.path()).unwrap();
        let executable = entry.metadata().unwrap().permissions().mode() & 0o111 != 0;
        let name = path.strip_prefix(dir).unwrap().to_string();
        tree.insert(name, (fs_err::read(path).unwrap(), executable));
    }
    tree
}

/// The names in a directory, sorted.
pub(crate) fn names(dir: &Utf8Path) -> Vec<String> {
    let entries = fs_err::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The names of all assets in a staging directory.
pub(crate) fn asset_names(dir: &Utf8Path) -> Vec<String> {
    names(dir).into_iter().filter(|name| !name.starts_with('.')).collect()
}

pub(crate) fn options() -> PackOptions {
    let mut options = PackOptions::new("chat".parse().unwrap());
    options.workers = NonZeroU32::new(2).unwrap();
    options
}

pub(crate) fn pack(dist: &Utf8Path, options: &PackOptions, staging: &Utf8Path) -> PackedAssets {
    try_pack(dist, options, staging).unwrap()
}

pub(crate) fn try_pack(
    dist: &Utf8Path,
    options: &PackOptions,
    staging: &Utf8Path,
) -> Result<PackedAssets, PackError> {
    let plan = pack::plan(dist, options)?;
    pack::write(&plan, staging, &Cancel::default(), &|_| {})
}
