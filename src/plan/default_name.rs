use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};

use crate::model::{
    ChatConfig, Device, LibraryName, LibraryNameError, OverrideValue, Overrides, to_python_json,
};

use super::fingerprint::sorted;

/// The name of a library that the config does not name:
/// `{model_type}_{quantization}_{hash}` with `-` -> `_`.
///
/// It is upstream's own name (`mlc_llm/interface/jit.py`) for every model whose `model_config`
/// was written by upstream's `gen_config`, where it holds just the fields that upstream hashes:
/// apps on phones keep a model's library name across updates, and moving to this tool must not
/// change it. The compiler has no part in it, for the same reason.
pub fn default_model_lib(
    chat_config: &ChatConfig,
    overrides: &Overrides,
    device: Device,
) -> Result<LibraryName, LibraryNameError> {
    let key = json!({
        "model_config": model_config(chat_config, overrides),
        "overrides": overrides.to_argument(),
        "opt": overrides.opt().to_string(),
        "device": device.as_str(),
        "model_type": chat_config.model_type(),
        "quantization": chat_config.quantization(),
    });
    // A tree of plain JSON values always serializes.
    let text = to_python_json(&sorted(key)).unwrap_or_default();
    let hash = Md5::digest(text.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}_{}_{hash}", chat_config.model_type(), chat_config.quantization()).parse()
}

/// `model_config` with the top-level fields of the same name over it, and the overrides over
/// both.
fn model_config(chat_config: &ChatConfig, overrides: &Overrides) -> Map<String, Value> {
    let mut fields: Map<String, Value> = chat_config
        .model_config()
        .map(|(name, value)| {
            (name.clone(), chat_config.fields().get(name).unwrap_or(value).clone())
        })
        .collect();
    for (name, value) in overrides.set_fields() {
        if let Some(field) = fields.get_mut(name) {
            *field = match value {
                OverrideValue::Int(int) => int.into(),
                OverrideValue::Bool(truth) => truth.into(),
            };
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use crate::model::{ChatConfig, Device, Overrides};

    /// The expected hash is what Python's `hashlib.md5(json.dumps(key, sort_keys=True,
    /// indent=2))` gives for the same key.
    #[test]
    fn the_name_is_upstreams() {
        let chat_config = ChatConfig::parse(
            r#"{"model_type": "llama", "quantization": "q4f16_1", "context_window_size": 4096,
                "temperature": 0.7, "model_config": {"hidden_size": 64, "rms_norm_eps": 1e-05,
                "rope": {"b": [1, 2.5, 1e16, 1e22, 123456.0], "a": null}, "e": [], "d": {},
                "flag": true, "name": "é\"\n\u2028", "context_window_size": 0, "big": 1e-4,
                "tiny": 5e-324}}"#
                .as_bytes(),
        )
        .unwrap();
        let overrides = Overrides { context_window_size: Some(2048), ..Overrides::default() };
        let name = super::default_model_lib(&chat_config, &overrides, Device::Android).unwrap();
        assert_eq!(name.as_str(), "llama_q4f16_1_6dfa81fd3232cc0f03c73085ddfd51cf");
    }
}
