//! The packages that are built, and the programs that are run.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use md5::Digest as _;
use mlc_package::model::LinkMode;
use serde_json::{Value, json};

/// The directory of the benchmark, a Python with TVM, and a cache that holds the libraries.
pub(crate) struct Scene {
    project: Utf8PathBuf,
    dir: Utf8PathBuf,
    pub(crate) python: Utf8PathBuf,
}

/// A package of one model with a large shard. The files go with it.
pub(crate) struct Shard {
    pub(crate) config: Utf8PathBuf,
    pub(crate) model_dir: Utf8PathBuf,
    pub(crate) weights: Utf8PathBuf,
    pub(crate) bytes: u64,
    _dir: tempfile::TempDir,
}

impl Scene {
    /// Fills the cache: compiles what is not in it yet.
    pub(crate) fn prepare() -> Result<Self> {
        let project = Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let python = match std::env::var("MLC_PACKAGE_TEST_PYTHON") {
            Ok(python) => Utf8PathBuf::from(python),
            Err(_) => project.join("target/venv/bin/python"),
        };
        ensure!(python.is_file(), "`{python}` is not there: run scripts/setup-python.sh");
        let dir = project.join("target/bench");
        fs_err::create_dir_all(&dir)?;
        let scene = Self { project, dir, python };
        succeed(&mut scene.build(&scene.two_models(), LinkMode::Auto))?;
        Ok(scene)
    }

    /// The config of examples/tiny: two models, both bundled.
    pub(crate) fn two_models(&self) -> Utf8PathBuf {
        self.project.join("examples/tiny/android/mlc-package-config.json")
    }

    /// Where packages are built.
    pub(crate) fn output(&self) -> Utf8PathBuf {
        self.dir.join("dist")
    }

    /// `mlc-package build`.
    pub(crate) fn build(&self, config: &Utf8Path, mode: LinkMode) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_mlc-package"));
        // The developer's own settings are no part of the measurement.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("MLC_")) {
                command.env_remove(name);
            }
        }
        let mode = match mode {
            LinkMode::Auto => "auto",
            LinkMode::Reflink => "reflink",
            LinkMode::Hardlink => "hardlink",
            LinkMode::Copy => "copy",
        };
        command.env("PYTHONPATH", self.project.join("examples/tiny/compiler"));
        command.args(["build", "--quiet", "--no-binding", "--link-mode", mode]);
        command.args(["--package-config", config.as_str(), "--python", self.python.as_str()]);
        command.arg("--cache-dir").arg(self.dir.join("cache"));
        command.arg("--output").arg(self.output());
        command
    }

    /// `python -c "import tvm"`.
    pub(crate) fn import_tvm(&self) -> Command {
        let mut command = program(self.python.as_str());
        command.args(["-c", "import tvm"]);
        command
    }

    /// A copy of the small Llama with one more shard, of so many bytes: all of them written, so
    /// that a file system cannot leave any out.
    pub(crate) fn shard(&self, bytes: u64) -> Result<Shard> {
        let dir = tempfile::tempdir_in(&self.dir)?;
        let root = Utf8Path::from_path(dir.path()).context("a path in UTF-8")?;
        let model_dir = root.join("model");
        fs_err::create_dir(&model_dir)?;
        for entry in fs_err::read_dir(self.project.join("examples/tiny/models/tiny-llama-q4f16_1"))?
        {
            let entry = entry?;
            fs_err::copy(entry.path(), model_dir.as_std_path().join(entry.file_name()))?;
        }
        let weights = model_dir.join("params_shard_1.bin");
        let md5 = write_noise(&weights, bytes)?;
        let path = model_dir.join("tensor-cache.json");
        let mut cache: Value = serde_json::from_slice(&fs_err::read(&path)?)?;
        let records = cache.get_mut("records").and_then(Value::as_array_mut);
        records.context("the tensor cache has records")?.push(json!({
            "dataPath": "params_shard_1.bin", "format": "raw-shard", "nbytes": bytes,
            // Its library knows no further tensor.
            "records": [], "md5sum": md5,
        }));
        fs_err::write(&path, serde_json::to_vec(&cache)?)?;
        let config = root.join("mlc-package-config.json");
        // As in examples/tiny, so that the library is in the cache.
        let package = json!({"device": "android", "model_list": [{
            "model": "model", "model_id": "large", "estimated_vram_bytes": 2_097_152,
            "bundle_weight": true,
            "overrides": {"context_window_size": 256, "prefill_chunk_size": 64},
        }]});
        fs_err::write(&config, serde_json::to_vec(&package)?)?;
        Ok(Shard { config, model_dir, weights, bytes, _dir: dir })
    }
}

/// Runs a program to its end, which must be a good one.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the process is what is measured")]
pub(crate) fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Writes bytes that do not compress: the output of a hash.
/// Gives the MD5 digest of what was written, in hex.
fn write_noise(path: &Utf8Path, bytes: u64) -> Result<String> {
    let mut digest = md5::Md5::new();
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut file = fs_err::File::create(path)?;
    let mut left = bytes;
    let mut block = vec![0; 1 << 20];
    while left > 0 {
        let n = block.len().min(usize::try_from(left)?);
        noise.fill(&mut block[..n]);
        std::io::Write::write_all(&mut file, &block[..n])?;
        digest.update(&block[..n]);
        left -= n as u64;
    }
    // Written to the disk now, so that this work does not run beside what is measured.
    file.sync_all()?;
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
