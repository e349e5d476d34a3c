//! A scene for each test: a home, an app's directory with models and a config, and a compiler
//! that answers in milliseconds with what real TVM compiled beforehand (tests/data/compiler).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use crate::call::{Call, wait_for};
use crate::tree;

pub(crate) const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

#[derive(Debug)]
pub(crate) struct Scene {
    _dir: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
    config: RefCell<Value>,
    /// Where the compiler is.
    site: RefCell<Utf8PathBuf>,
}

/// One call of a test's compiler.
pub(crate) struct CompilerCall {
    pub(crate) model_lib: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) active_vocab_size: u64,
    /// What was in its working directory.
    pub(crate) directory: Value,
}

impl Scene {
    /// `app/` with two local models, `one` and `other`, of one architecture.
    pub(crate) fn new(device: &str) -> Self {
        Self::with_models(device, &["one", "other"])
    }

    pub(crate) fn with_models(device: &str, models: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        for name in ["home", "tmp", "app"] {
            fs_err::create_dir(root.join(name)).unwrap();
        }
        let entries: Vec<_> = models.iter().map(|name| entry(name)).collect();
        let scene = Self {
            _dir: dir,
            root,
            config: RefCell::new(json!({"device": device, "model_list": entries})),
            site: RefCell::new(format!("{DATA}/compiler").into()),
        };
        for name in models {
            tree::copy(format!("{DATA}/layer"), scene.app().join("models").join(name));
        }
        scene.configure(|_| {});
        scene
    }

    pub(crate) fn app(&self) -> Utf8PathBuf {
        self.root.join("app")
    }

    pub(crate) fn dist(&self) -> Utf8PathBuf {
        self.root.join("app/dist")
    }

    /// The default one.
    pub(crate) fn cache(&self) -> Utf8PathBuf {
        self.root.join("home/.cache/mlc-package")
    }

    /// The entries of the store.
    pub(crate) fn entries(&self) -> Vec<Utf8PathBuf> {
        let libs = self.cache().join("libs");
        let names = tree::names(&libs).into_iter().filter(|name| !name.starts_with('.'));
        names.map(|name| libs.join(name)).collect()
    }

    /// Changes the config and writes it.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Value)) {
        let mut config = self.config.borrow_mut();
        change(&mut config);
        let text = serde_json::to_string_pretty(&*config).unwrap() + "\n";
        self.write("app/mlc-package-config.json", &text);
    }

    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> Utf8PathBuf {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.root.join(path)).unwrap()
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path)).unwrap()
    }

    /// Changes the text of a file.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path}: {text}");
        self.write(path, text.replace(from, to));
    }

    /// Puts a compiled library of tests/data/libraries somewhere.
    pub(crate) fn library(&self, name: &str, path: &str) -> Utf8PathBuf {
        self.write(path, fs_err::read(format!("{DATA}/libraries/{name}.tar")).unwrap())
    }

    /// A compiler of the scene's own, to be changed: `compiler/`.
    pub(crate) fn own_compiler(&self) {
        tree::copy(format!("{DATA}/compiler"), self.root.join("compiler"));
        *self.site.borrow_mut() = self.root.join("compiler");
    }

    /// A call of the program with these arguments.
    pub(crate) fn call(&self, arguments: &[&str]) -> Call<'_> {
        let path = |relative: &str| self.root.join(relative).into_string();
        let variables: BTreeMap<String, String> = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", path("home")),
            ("TMPDIR", path("tmp")),
            ("PYTHONPATH", self.site.borrow().to_string()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("MLC_PACKAGE_PYTHON", python().to_string()),
            // Some of these libraries have kernels that were cut.
            ("MLC_PACKAGE_CHECK_KERNELS", "never".to_owned()),
            ("STAND_IN_LIBRARIES", format!("{DATA}/libraries")),
            ("STAND_IN_CALLS", path("calls")),
            ("STAND_IN_CONVERSIONS", path("conversions")),
            ("STAND_IN_PROBE_CALLS", path("probe-calls")),
            ("STAND_IN_WAITING", path("waiting")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        Call::new(self, arguments, variables)
    }

    /// `mlc-package build --no-binding` and more.
    pub(crate) fn build(&self, more: &[&str]) -> Call<'_> {
        self.call(&[&["build", "--no-binding"], more].concat())
    }

    pub(crate) fn plan(&self, more: &[&str]) -> Call<'_> {
        self.call(&[&["plan", "--no-binding"], more].concat())
    }

    /// What the compiler was asked so far.
    pub(crate) fn compilations(&self) -> Vec<CompilerCall> {
        let text = fs_err::read_to_string(self.root.join("calls")).unwrap_or_default();
        let calls = text.lines().map(|line| {
            let call: Value = serde_json::from_str(line).unwrap();
            let arguments: Vec<String> = serde_json::from_value(call["arguments"].clone()).unwrap();
            let model_lib = arguments.last().unwrap().strip_suffix('_').unwrap().to_owned();
            let active_vocab_size = call["active_vocab_size"].as_u64().unwrap();
            let directory = call["directory"].clone();
            CompilerCall { model_lib, arguments, active_vocab_size, directory }
        });
        calls.collect()
    }

    /// The libraries that were compiled so far, sorted.
    pub(crate) fn compiled(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.compilations().into_iter().map(|call| call.model_lib).collect();
        names.sort();
        names
    }

    /// What MLC LLM was asked to convert so far.
    pub(crate) fn conversions(&self) -> Vec<Value> {
        let lines = fs_err::read_to_string(self.root.join("conversions")).unwrap_or_default();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How often Python was asked which compiler it has.
    pub(crate) fn probes(&self) -> usize {
        fs_err::read_to_string(self.root.join("probe-calls")).unwrap_or_default().lines().count()
    }

    /// The processes of a compiler that waits, once it does.
    #[track_caller]
    pub(crate) fn waiting(&self) -> Vec<u32> {
        let path = self.root.join("waiting");
        let text = wait_for("the compiler", || fs_err::read_to_string(&path).ok());
        fs_err::remove_file(path).unwrap();
        text.split(' ').map(|pid| pid.parse().unwrap()).collect()
    }

    /// What is unfinished in the app's directory, the cache and the place for temporary files:
    /// nothing, if all goes well.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let libs = self.cache().join("libs");
        let mut found = tree::names(&self.root.join("tmp"));
        for dir in [self.app(), libs, self.dist(), self.root.clone()] {
            let hidden = |name: &String| name.starts_with('.') && name != ".locks";
            found.extend(tree::names(&dir).into_iter().filter(hidden));
        }
        found
    }

    /// The text without what differs from run to run and from machine to machine.
    pub(crate) fn placeholders(&self, text: &str) -> String {
        let mut text = text.replace(self.root.as_str(), "[ROOT]");
        text = text.replace(DATA, "[DATA]").replace(python().as_str(), "[PYTHON]");
        for (pattern, placeholder) in [
            (r"\b\d{8}T\d{6}Z-(\w+?)(\.\d+)?\.log", "[MOMENT]-$1.log"),
            (r"\.tmp-[0-9a-f]{32}-\w+", "[UNFINISHED]"),
            (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
            (r"\b[0-9a-f]{32}\b", "[FINGERPRINT]"),
            (r"\b[0-9a-f]{12}\b", "[SHORT PRINT]"),
            (r"\b\d+\.\d s\b", "[TIME] s"),
            (r"\(3\.\d+\.\d+\)", "([VERSION])"),
        ] {
            text = regex::Regex::new(pattern).unwrap().replace_all(&text, placeholder).into_owned();
        }
        text
    }
}

/// A config's entry of one of the two models.
pub(crate) fn entry(name: &str) -> Value {
    json!({
        "model": format!("models/{name}"),
        "model_id": format!("{name}-q0f16"),
        "estimated_vram_bytes": 104_857_600,
        "bundle_weight": true,
        "model_lib": format!("{name}_layer"),
    })
}

/// Longer than the tick of a file system's clock: what was written before is settled, and
/// Python's answer is remembered.
pub(crate) fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(130));
}

/// Whether there is a process of this number that has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    // A zombie has ended, though nobody has asked yet.
    let stat = fs_err::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    rustix::process::test_kill_process(pid).is_ok() && !stat.unwrap_or_default().contains(") Z ")
}

/// A Python interpreter of this machine: no script that stands for one, if there is any.
pub(crate) fn python() -> &'static Utf8Path {
    static PYTHON: OnceLock<Utf8PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap();
        let found: Vec<_> = which::which_in_all("python3", Some(path), "/").unwrap().collect();
        let is_script = |path: &std::path::Path| {
            let mut start = [0; 2];
            fs_err::File::open(path).unwrap().read_exact(&mut start).unwrap();
            &start == b"#!"
        };
        let python = found.iter().find(|path| !is_script(path)).or(found.first());
        Utf8PathBuf::from_path_buf(python.expect("tests need a python3").clone()).unwrap()
    })
}
