//! Any bytes as a config: no panic, no span outside, no package with errors, and every rendering
//! succeeds.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

use camino::Utf8Path;
use libfuzzer_sys::fuzz_target;
use mlc_package::config::render::{Repository, github, human, json};
use mlc_package::config::{FileText, ModelDir, Place, Surroundings, check};

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

fuzz_target!(|bytes: &[u8]| {
    let place = Place { config_dir: "a".into(), working_dir: "b".into() };
    let checked = check(Utf8Path::new("a/config.json"), bytes, &place, &Anything);
    assert_eq!(checked.package().is_some(), checked.errors() == 0);
    for found in checked.diagnostics() {
        for span in found.span.iter().chain(found.related.iter().map(|(span, _)| span)) {
            assert!(span.start <= span.end && span.end <= bytes.len(), "{found:?}");
            if let Ok(text) = std::str::from_utf8(bytes) {
                assert!(text.is_char_boundary(span.start), "{found:?}");
                assert!(text.is_char_boundary(span.end), "{found:?}");
            }
        }
    }
    let mut out = Vec::new();
    human(&checked, 100, &mut out).expect("memory takes all");
    json(&checked, &mut out).expect("memory takes all");
    github(&checked, &Repository::default(), &mut out).expect("memory takes all");
});
