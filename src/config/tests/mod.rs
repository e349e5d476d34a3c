mod diagnostics;
mod disk;
mod limits;
mod output;
mod properties;
pub(super) mod schema;

use std::collections::HashMap;

use camino::Utf8Path;

use super::render::human;
use super::{Checked, FileText, ModelDir, Place, Surroundings, check};

/// A disk that holds a few models and one library, in `models/` and `lib/` of `/repo/app`.
struct Imagined {
    models: HashMap<&'static str, (FileText, bool)>,
}

impl Imagined {
    fn new() -> Self {
        let chat = |model_type: &str| {
            let text = format!(
                r#"{{"model_type": "{model_type}", "quantization": "q4f16_1", "model_config": {{}}}}"#
            );
            (FileText::Text(text.into_bytes()), true)
        };
        let models = HashMap::from([
            ("/repo/app/models/llama", chat("llama")),
            ("/repo/app/models/gemma", chat("gemma")),
            ("/repo/app/models/raw", (FileText::Missing, false)),
            ("/repo/app/models/bare", (FileText::Missing, false)),
            ("/repo/app/models/broken", (FileText::Text(b"{\"model_type\": 1}".to_vec()), true)),
            ("/repo/app/models/locked", (FileText::Unreadable("permission denied".into()), true)),
        ]);
        Self { models }
    }
}

impl Surroundings for Imagined {
    fn model_dir(&self, dir: &Utf8Path) -> ModelDir {
        match self.models.get(dir.as_str()) {
            Some((chat_config, has_tensor_cache)) => ModelDir::Directory {
                chat_config: chat_config.clone(),
                has_tensor_cache: *has_tensor_cache,
                is_checkpoint: dir.ends_with("models/raw"),
            },
            None if dir.ends_with("models/file") => ModelDir::NotADirectory,
            None => ModelDir::Missing,
        }
    }

    fn is_file(&self, path: &Utf8Path) -> bool {
        path == "/repo/app/lib/llama.tar"
    }
}

fn place() -> Place {
    Place { config_dir: "/repo/app".into(), working_dir: "/repo".into() }
}

fn checked(bytes: &[u8]) -> Checked {
    check(Utf8Path::new("app/config.json"), bytes, &place(), &Imagined::new())
}

fn codes(checked: &Checked) -> Vec<&'static str> {
    checked.diagnostics().iter().map(|found| found.code.as_str()).collect()
}

/// The human rendering without colours.
fn shown(checked: &Checked) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    human(checked, 100, &mut out).unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}
