//! Tokens that are named beside `tokenizer.json`: loading a tokenizer with `transformers` adds
//! those that it lacks, and upstream counts them.

use std::collections::HashSet;

use camino::Utf8Path;
use serde_json::{Map, Value};

use crate::convert::ConvertError;
use crate::convert::chat::read_object_if_there;

/// The roles a token may be named for.
const ROLES: [&str; 9] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
    "additional_special_tokens",
    "extra_special_tokens",
];

/// Every token that one of the files beside `tokenizer.json` names. The files from before
/// `added_tokens_decoder` count only where that is not.
pub(super) fn read(checkpoint: &Utf8Path) -> Result<HashSet<String>, ConvertError> {
    let object = |name: &str| read_object_if_there(&checkpoint.join(name));
    let mut config = object("tokenizer_config.json")?.unwrap_or_default();
    let mut tokens = HashSet::new();
    if let Some(Value::Object(decoder)) = config.get("added_tokens_decoder") {
        tokens.extend(decoder.values().flat_map(names));
    } else {
        config.extend(object("special_tokens_map.json")?.unwrap_or_default());
        let added: Map<String, Value> = object("added_tokens.json")?.unwrap_or_default();
        tokens.extend(added.into_iter().map(|(token, _)| token));
    }
    for role in ROLES {
        tokens.extend(config.get(role).map(names).unwrap_or_default());
    }
    tokens.remove("");
    Ok(tokens)
}

/// The tokens in a value: a text, an object with its `content`, or a list of these.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(token) => vec![token.clone()],
        Value::Object(token) => match token.get("content") {
            Some(Value::String(token)) => vec![token.clone()],
            _ => Vec::new(),
        },
        Value::Array(tokens) => {
            tokens.iter().filter(|token| !token.is_array()).flat_map(names).collect()
        }
        _ => Vec::new(),
    }
}
