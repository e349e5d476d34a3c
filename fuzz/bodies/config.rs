//! What the target `config` does with bytes: a `mlc-package-config.json`, checked and rendered.

use camino::Utf8Path;
use mlc_package::config::{FileText, ModelDir, Place, Surroundings, check};

use crate::checked;

/// A disk whose answers follow from the path.
struct Anything;

impl Surroundings for Anything {
    fn model_dir(&self, dir: &Utf8Path) -> ModelDir {
        match dir.as_str().len() % 5 {
            0 => ModelDir::Missing,
            1 => ModelDir::NotADirectory,
            2 => ModelDir::Directory {
                chat_config: FileText::Missing,
                has_tensor_cache: false,
                is_checkpoint: dir.as_str().len().is_multiple_of(3),
            },
            _ => ModelDir::Directory {
                chat_config: FileText::Text(
                    br#"{"model_type": "llama", "quantization": "q4f16_1", "model_config": {}}"#
                        .to_vec(),
                ),
                has_tensor_cache: true,
                is_checkpoint: false,
            },
        }
    }

    fn is_file(&self, path: &Utf8Path) -> bool {
        path.as_str().len().is_multiple_of(2)
    }
}

/// Says whether it is a config that a package can be made from.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let place = Place { config_dir: "a".into(), working_dir: "b".into() };
    let checked = check(Utf8Path::new("a/config.json"), bytes, &place, &Anything);
    assert_eq!(checked.package().is_some(), checked.errors() == 0);
    checked::holds(&checked, bytes);
    checked.package().is_some()
}
