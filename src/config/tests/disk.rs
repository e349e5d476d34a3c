//! The disk as it is.

use camino::{Utf8Path, Utf8PathBuf};

use super::codes;
use crate::config::{Disk, FileText, ModelDir, Surroundings, check_file};
use crate::model::ModelSource;

struct Dir {
    _guard: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Dir {
    fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(guard.path().to_owned()).unwrap();
        Self { _guard: guard, root }
    }

    fn write(&self, path: &str, text: &str) -> Utf8PathBuf {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
        path
    }
}

const CHAT_CONFIG: &str =
    r#"{"model_type": "llama", "quantization": "q4f16_1", "model_config": {}}"#;

#[test]
fn model_directories_are_seen_as_they_are() {
    let dir = Dir::new();
    let root = dir.root.clone();
    assert_eq!(Disk.model_dir(&root.join("absent")), ModelDir::Missing);
    let file = dir.write("file", "");
    assert_eq!(Disk.model_dir(&file), ModelDir::NotADirectory);
    fs_err::create_dir(root.join("empty")).unwrap();
    let empty = ModelDir::Directory {
        chat_config: FileText::Missing,
        has_tensor_cache: false,
        is_checkpoint: false,
    };
    assert_eq!(Disk.model_dir(&root.join("empty")), empty);
    for (name, cache) in [("new", "tensor-cache.json"), ("old", "ndarray-cache.json")] {
        dir.write(&format!("{name}/{cache}"), "{}");
        dir.write(&format!("{name}/mlc-chat-config.json"), CHAT_CONFIG);
        let whole = ModelDir::Directory {
            chat_config: FileText::Text(CHAT_CONFIG.into()),
            has_tensor_cache: true,
            is_checkpoint: false,
        };
        assert_eq!(Disk.model_dir(&root.join(name)), whole);
    }
    dir.write("large/mlc-chat-config.json", &" ".repeat((16 << 20) + 1));
    let ModelDir::Directory { chat_config, .. } = Disk.model_dir(&root.join("large")) else {
        panic!("a directory");
    };
    assert_eq!(chat_config, FileText::Unreadable("it is larger than 16 MiB".into()));
}

#[test]
fn a_config_finds_what_lies_beside_it() {
    let dir = Dir::new();
    dir.write("app/models/m/tensor-cache.json", "{}");
    dir.write("app/models/m/mlc-chat-config.json", CHAT_CONFIG);
    dir.write("app/lib/m.tar", "");
    let config = dir.write(
        "app/c.json",
        r#"{"device": "iphone", "model_list": [{"model": "models/m", "model_id": "m",
        "estimated_vram_bytes": 1, "bundle_weight": true, "model_lib": "m"}],
        "model_lib_path_for_prepare_libs": {"m": "./lib/m.tar"}}"#,
    );
    let checked = check_file(&config);
    assert_eq!(codes(&checked), <[&str; 0]>::default());
    let package = checked.into_package().unwrap();
    let ModelSource::Local(local) = &package.models[0].source else { panic!("a local model") };
    assert_eq!(local.dir, dir.root.join("app/models/m"));
    assert!(Disk.is_file(&package.prepared[0].path));
    assert!(!Disk.is_file(Utf8Path::new("/")));
}
