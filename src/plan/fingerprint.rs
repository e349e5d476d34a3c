use serde_json::{Map, Value};

use crate::model::{ChatConfig, CompileInputs, Digest, Fingerprint};
use crate::store::Bucket;

/// Fields of `mlc-chat-config.json` that only the app reads at run time. Everything else is
/// taken to change the library: a needless compilation is better than a stale library.
const RUN_TIME_ONLY: [&str; 8] = [
    "conv_template",
    "temperature",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "top_p",
    "tokenizer_files",
    "tokenizer_info",
];

/// The fields of a model's config that can change its library, sorted by name.
pub fn compile_relevant(chat_config: &ChatConfig) -> Map<String, Value> {
    let fields = chat_config
        .fields()
        .iter()
        .filter(|(name, _)| !RUN_TIME_ONLY.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    match sorted(Value::Object(fields)) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The digest of everything that can change a library. The order of fields in JSON does not
/// matter.
pub fn fingerprint(inputs: &CompileInputs) -> Fingerprint {
    // Strings, numbers and maps of strings always serialize.
    let value = serde_json::to_value(inputs).unwrap_or_default();
    let text = format!("mlc-package library {}\n{}", Bucket::LIBRARIES.format, sorted(value));
    Fingerprint(Digest::of(text.as_bytes()))
}

/// The value with the fields of every object sorted by name.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().map(|(name, v)| (name, sorted(v))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}
