//! What the target `chat` does with bytes: the small files of a checkpoint, by their names, become
//! a `mlc-chat-config.json` and the tokenizer's files beside it.

use std::collections::BTreeSet;

use mlc_package::convert::chat::{self, ChatRequest};
use mlc_package::model::{ChatConfig, parse_overrides};
use serde_json::Value;

use crate::place::{Kind, Place, tree};
use crate::sections::Sections;

/// The files of a checkpoint that are looked at, and one that is not.
const FILES: [&str; 10] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "README.md",
];

/// Says whether there is a config.
pub(crate) fn run(input: &[u8]) -> bool {
    let sections = Sections::of(input);
    let place = Place::with(&["model", "out"]);
    for name in FILES {
        if let Some(bytes) = sections.get(name) {
            place.write(&format!("model/{name}"), bytes);
        }
    }
    let text = |name: &str| sections.get(name).and_then(|text| std::str::from_utf8(text).ok());
    let overrides = text("overrides").and_then(|text| parse_overrides(text).ok());
    let overrides = overrides.unwrap_or_default();
    let before = tree(&place.path("model"));
    let (checkpoint, output) = (place.path("model"), place.path("out"));
    let request = ChatRequest {
        checkpoint: &checkpoint,
        model_type: None,
        quantization: "q4f16_1",
        conv_template: text("template").unwrap_or("LM"),
        overrides: &overrides,
        output: &output,
    };
    let described = chat::text(&request);
    assert_eq!(tree(&output).len(), 0, "nothing is written to describe it");
    let written = chat::write(&request);
    assert_eq!(tree(&checkpoint), before, "the checkpoint stays");
    match (described, written) {
        (Ok(text), Ok(summary)) => {
            let mut files: BTreeSet<_> = summary.tokenizer_files.iter().cloned().collect();
            assert!(!files.contains("README.md"));
            files.insert(ChatConfig::FILE_NAME.to_owned());
            let found = tree(&output);
            assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), files);
            for name in &summary.tokenizer_files {
                assert_eq!(found.get(name), before.get(name));
            }
            let config = found.get(ChatConfig::FILE_NAME);
            assert_eq!(config, Some(&Kind::File(text.clone().into_bytes())), "the same twice");
            assert!(text.is_ascii());
            let config = ChatConfig::parse(text.as_bytes()).expect("our own config");
            let fields = [
                ("context_window_size", summary.context_window_size),
                ("sliding_window_size", summary.sliding_window_size),
                ("prefill_chunk_size", summary.prefill_chunk_size),
                ("vocab_size", summary.vocab_size),
                ("active_vocab_size", summary.active_vocab_size),
            ];
            for (name, value) in fields {
                assert_eq!(
                    config.fields().get(name).and_then(Value::as_i64),
                    Some(value),
                    "{name}"
                );
            }
            assert!(summary.vocab_size > 0 && summary.active_vocab_size >= 0);
            true
        }
        (Err(described), Err(written)) => {
            assert_eq!(described.to_string(), written.to_string());
            assert_eq!(tree(&output).get(ChatConfig::FILE_NAME), None);
            false
        }
        (described, written) => panic!("{described:?}, and then {written:?}"),
    }
}
