use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};

use crate::model::{
    ChatConfig, ConfigClass, Device, LibraryName, LibraryNameError, OverrideValue, Overrides,
    to_python_json,
};

use super::fingerprint::sorted;

/// The name of a library that the config does not name:
/// `{model_type}_{quantization}_{hash}` with `-` -> `_`.
///
/// It is upstream's own name (`mlc_llm/interface/jit.py`): apps on phones keep a model's library
/// name across updates, and moving to this tool must not change it. The compiler has no part in
/// it, for the same reason.
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

/// `model_config` with the top-level fields over it and the overrides over both, as upstream's
/// class of the model's type has it after reading. A type that upstream does not know, and a
/// config that its class refuses, cannot be compiled; the name is made of the fields as they are.
fn model_config(chat_config: &ChatConfig, overrides: &Overrides) -> Map<String, Value> {
    let nested: Map<String, Value> =
        chat_config.model_config().map(|(name, value)| (name.clone(), value.clone())).collect();
    let names: Vec<String> = nested.keys().cloned().collect();
    let mut source = over(nested, chat_config.fields());
    for (name, value) in overrides.set_fields() {
        let value = match value {
            OverrideValue::Int(int) => int.into(),
            OverrideValue::Bool(truth) => truth.into(),
        };
        source.insert(name.to_owned(), value);
    }
    let completed = ConfigClass::of(chat_config.model_type())
        .and_then(|class| class.complete(source.clone()).ok());
    match completed {
        Some(completed) => completed.fields,
        None => names.into_iter().filter_map(|name| source.remove_entry(&name)).collect(),
    }
}

/// The fields of `model_config` with the top-level fields over them.
fn over(nested: Map<String, Value>, fields: &Map<String, Value>) -> Map<String, Value> {
    let outer = fields.iter().filter(|(name, _)| {
        !["model_config", "model_type", "quantization"].contains(&name.as_str())
    });
    let mut all = nested;
    all.extend(outer.map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// What a compilation is made of: the `model_config` of these fields as upstream's class has it, and
/// the size of the vocabulary that it takes beside it. The fields as they are where it refuses them.
pub(super) fn completed(model_type: &str, fields: &Map<String, Value>) -> Map<String, Value> {
    let nested = fields.get("model_config").and_then(Value::as_object).cloned();
    let source = over(nested.unwrap_or_default(), fields);
    let active = source.get("active_vocab_size").cloned();
    let class = ConfigClass::of(model_type);
    match class.and_then(|class| class.complete(source).ok()) {
        Some(completed) => {
            let mut all = completed.fields;
            all.extend(active.map(|size| ("active_vocab_size".to_owned(), size)));
            all
        }
        None => fields.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::model::{ChatConfig, Device, Overrides};

    /// The expected hash is what Python's `hashlib.md5(json.dumps(key, sort_keys=True,
    /// indent=2))` gives for the same key.
    #[test]
    fn a_type_that_upstream_does_not_know_is_named_by_its_fields() {
        let chat_config = ChatConfig::parse(
            r#"{"model_type": "lama", "quantization": "q4f16_1", "context_window_size": 4096,
                "temperature": 0.7, "model_config": {"hidden_size": 64, "rms_norm_eps": 1e-05,
                "rope": {"b": [1, 2.5, 1e16, 1e22, 123456.0], "a": null}, "e": [], "d": {},
                "flag": true, "name": "é\"\n\u2028", "context_window_size": 0, "big": 1e-4,
                "tiny": 5e-324}}"#
                .as_bytes(),
        )
        .unwrap();
        let overrides = Overrides { context_window_size: Some(2048), ..Overrides::default() };
        let name = super::default_model_lib(&chat_config, &overrides, Device::Android).unwrap();
        assert_eq!(name.as_str(), "lama_q4f16_1_67b94193698ceb7117350ae83c4265e8");
    }

    #[test]
    fn the_names_are_upstreams() {
        let data: Value =
            serde_json::from_str(include_str!("../../tests/data/names/names.json")).unwrap();
        let cases = data["cases"].as_array().unwrap();
        let mut wrong = Vec::new();
        for case in cases {
            let model = case["model"].as_str().unwrap();
            let config = ChatConfig::parse(data["configs"][model].to_string().as_bytes()).unwrap();
            let overrides: Overrides = overrides(&case["overrides"]);
            let device: Device = case["device"].as_str().unwrap().parse().unwrap();
            let name = super::default_model_lib(&config, &overrides, device).unwrap();
            if name.as_str() != case["upstream"] {
                wrong.push(format!("{model} {}: {name}", case["overrides"]));
            }
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
        assert_eq!(cases.len(), 50);
    }

    fn overrides(fields: &Value) -> Overrides {
        let int = |name: &str| fields.get(name).map(|value| value.as_i64().unwrap());
        Overrides {
            context_window_size: int("context_window_size"),
            sliding_window_size: int("sliding_window_size"),
            prefill_chunk_size: int("prefill_chunk_size"),
            attention_sink_size: int("attention_sink_size"),
            max_batch_size: int("max_batch_size"),
            tensor_parallel_shards: int("tensor_parallel_shards"),
            pipeline_parallel_stages: int("pipeline_parallel_stages"),
            disaggregation: fields.get("disaggregation").map(|value| value.as_bool().unwrap()),
            opt: fields.get("opt").map(|value| value.as_str().unwrap().parse().unwrap()),
        }
    }
}
