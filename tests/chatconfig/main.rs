//! `mlc-chat-config.json` against what upstream's own `gen_config` writes (tests/data/chatconfig),
//! and what becomes of checkpoints that are not as they should be.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a scene needs and does not get fails the test"
)]

mod derive;
mod engine;
mod families;
mod hostile;
mod upstream;

use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::convert::ConvertError;
use mlc_package::convert::chat::{self, ChatRequest, ChatSummary};
use mlc_package::model::Overrides;
use mlc_package::stage_error::StageError as _;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/chatconfig");

/// A checkpoint of the test's own, and a place for the result.
struct Scene {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
    template: &'static str,
    overrides: Overrides,
}

impl Scene {
    /// A copy of one of the checkpoints in tests/data/chatconfig.
    fn of(case: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        for name in ["model", "out"] {
            fs_err::create_dir(root.join(name)).unwrap();
        }
        for entry in fs_err::read_dir(format!("{DATA}/{case}/model")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            fs_err::copy(entry.path(), root.join("model").join(name)).unwrap();
        }
        Self { _dir: dir, root, template: "llama-3", overrides: Overrides::default() }
    }

    fn model(&self) -> Utf8PathBuf {
        self.root.join("model")
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs_err::write(self.model().join(name), text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs_err::remove_file(self.model().join(name)).unwrap();
    }

    /// Changes a JSON file.
    fn edit(&self, name: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let path = self.model().join(name);
        let mut value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs_err::write(path, value.to_string()).unwrap();
    }

    fn convert(&self) -> Result<ChatSummary, ConvertError> {
        chat::write(&ChatRequest {
            checkpoint: &self.model(),
            model_type: None,
            quantization: "q4f16_1",
            conv_template: self.template,
            overrides: &self.overrides,
            output: &self.root.join("out"),
        })
    }

    /// The error, with the scene's directory left out; and the help.
    #[track_caller]
    fn refused(&self) -> (String, String) {
        let error = self.convert().unwrap_err();
        let message = error.to_string().replace(self.root.as_str(), "");
        (message, error.help().unwrap_or_default())
    }

    fn written(&self) -> serde_json::Value {
        let text = fs_err::read(self.root.join("out/mlc-chat-config.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}
