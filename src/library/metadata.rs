//! What a compiled model says about itself: the JSON text that its function `_metadata` returns.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// The metadata of a compiled model. Upstream writes it in `interface/compile.py`; fields that it
/// does not have here are passed over, and those that older compilers lack have a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The architecture, `llama` for instance.
    pub model_type: String,
    /// The quantization scheme, `q4f16_1` for instance.
    pub quantization: String,
    /// How many tokens the model sees; none where a sliding window bounds it instead.
    #[serde(default, deserialize_with = "size_or_minus_one")]
    pub context_window_size: Option<u64>,
    /// How many of the last tokens the model sees.
    #[serde(default, deserialize_with = "size_or_minus_one")]
    pub sliding_window_size: Option<u64>,
    /// How many of the first tokens stay visible beside the sliding window.
    #[serde(default, deserialize_with = "size_or_minus_one")]
    pub attention_sink_size: Option<u64>,
    /// How many tokens of a prompt are processed at once.
    #[serde(default, deserialize_with = "size_or_minus_one")]
    pub prefill_chunk_size: Option<u64>,
    /// How many devices share each layer.
    #[serde(default, deserialize_with = "size_or_minus_one")]
    pub tensor_parallel_shards: Option<u64>,
    /// How many devices share the layers out among them.
    #[serde(default, deserialize_with = "size_or_minus_one")]
    pub pipeline_parallel_stages: Option<u64>,
    /// Whether prompts may be processed elsewhere.
    #[serde(default)]
    pub disaggregation: bool,
    /// What it keeps between tokens: `kv_cache`, `rnn_state`, `none`.
    #[serde(default)]
    pub kv_state_kind: Option<String>,
    /// How many conversations it can serve at once.
    #[serde(default, deserialize_with = "size_or_minus_one")]
    pub max_batch_size: Option<u64>,
    /// How many entries of the vocabulary the tokenizer produces.
    #[serde(default, deserialize_with = "size_or_minus_one")]
    pub active_vocab_size: Option<u64>,
    /// `chat` or `embedding`.
    #[serde(default)]
    pub model_task: Option<String>,
    /// The weights it takes.
    #[serde(default)]
    pub params: Vec<Param>,
    /// The shape of its KV cache; none for models without one.
    #[serde(default)]
    pub kv_cache: Option<KvCache>,
    /// The bytes of temporary buffers that each function needs.
    #[serde(default)]
    pub memory_usage: BTreeMap<String, u64>,
}

/// One weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<Dimension>,
    /// Its element type, `float16` for instance.
    pub dtype: String,
    /// The steps by which it is divided among devices, where it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preprocs: Vec<Preproc>,
}

/// A step that divides a weight among devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preproc {
    /// The shape that it takes; by default the one that it gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_shape: Option<Vec<Dimension>>,
    /// The shape that it gives.
    pub out_shape: Vec<Dimension>,
}

/// One dimension of a weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Dimension {
    /// Known when the model was compiled.
    Fixed(u64),
    /// A field of `mlc-chat-config.json`, `vocab_size` for instance.
    Named(String),
}

/// The shape of the KV cache. A field that the model's config has not is missing here too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvCache {
    /// The layers.
    #[serde(default)]
    pub num_hidden_layers: Option<u64>,
    /// The query heads.
    #[serde(default)]
    pub num_attention_heads: Option<u64>,
    /// The heads that are kept.
    #[serde(default)]
    pub num_key_value_heads: Option<u64>,
    /// The elements of one head.
    #[serde(default)]
    pub head_dim: Option<u64>,
}

/// The metadata is no JSON, or not that of a model.
#[derive(Debug, thiserror::Error)]
#[error("the metadata cannot be read: {0}")]
pub struct MetadataError(#[from] serde_json::Error);

impl Metadata {
    /// Reads the JSON text.
    pub fn parse(json: &str) -> Result<Self, MetadataError> {
        Ok(serde_json::from_str(json)?)
    }

    /// The tokens that the KV cache holds: the context if there is one, else the sliding window.
    /// Layers with a window get pages for the whole context (TVM's `attn_utils.h`).
    pub fn cached_tokens(&self) -> Option<u64> {
        self.context_window_size.or(self.sliding_window_size)
    }
}

/// The fields without which today's runtime does not load a library (upstream's
/// `cpp/metadata/model.cc`), and which the metadata lacks: compilers of its time did not write them.
pub fn missing_fields(json: &str) -> Result<Vec<String>, MetadataError> {
    let read: ReadByRuntime = serde_json::from_str(json)?;
    Ok(read.missing())
}

/// What the runtime reads without a default. Null counts as missing there.
#[derive(Deserialize)]
struct ReadByRuntime {
    #[serde(flatten)]
    top: Presence,
    #[serde(default)]
    kv_state_kind: Option<String>,
    #[serde(default)]
    kv_cache: Option<Presence>,
    #[serde(default)]
    params: Option<Vec<ReadOfParam>>,
}

#[derive(Deserialize)]
struct ReadOfParam {
    #[serde(default)]
    preprocs: Option<Vec<Presence>>,
}

/// Which fields an object has that are not null.
type Presence = BTreeMap<String, Option<serde::de::IgnoredAny>>;

impl ReadByRuntime {
    const NEEDED: [&str; 5] = [
        "context_window_size",
        "prefill_chunk_size",
        "max_batch_size",
        "tensor_parallel_shards",
        "memory_usage",
    ];
    const OF_KV_CACHE: [&str; 4] =
        ["num_hidden_layers", "head_dim", "num_attention_heads", "num_key_value_heads"];
    const OF_PREPROC: [&str; 3] = ["func_name", "out_shape", "out_dtype"];

    fn missing(&self) -> Vec<String> {
        let lacks = |object: &Presence, name: &str| !matches!(object.get(name), Some(Some(_)));
        let needed = Self::NEEDED.into_iter().filter(|name| lacks(&self.top, name));
        let mut missing: Vec<_> = needed.map(str::to_owned).collect();
        let has_no_cache = ["none", "rnn_state"];
        if !self.kv_state_kind.as_deref().is_some_and(|kind| has_no_cache.contains(&kind)) {
            match &self.kv_cache {
                None => missing.push("kv_cache".to_owned()),
                Some(cache) => {
                    let fields = Self::OF_KV_CACHE.into_iter().filter(|name| lacks(cache, name));
                    missing.extend(fields.map(|name| format!("kv_cache.{name}")));
                }
            }
        }
        let Some(params) = &self.params else {
            missing.push("params".to_owned());
            return missing;
        };
        if params.iter().any(|param| param.preprocs.is_none()) {
            missing.push("params[].preprocs".to_owned());
        }
        let preprocs = || params.iter().flat_map(|param| &param.preprocs).flatten();
        let fields = Self::OF_PREPROC.into_iter();
        let fields = fields.filter(|name| preprocs().any(|preproc| lacks(preproc, name)));
        missing.extend(fields.map(|name| format!("params[].preprocs[].{name}")));
        missing
    }
}

/// Upstream writes -1, sometimes null, for a size that does not apply.
fn size_or_minus_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<i64>::deserialize(deserializer)? {
        None | Some(-1) => Ok(None),
        Some(size) => u64::try_from(size).map(Some).map_err(|_| {
            serde::de::Error::custom(format_args!("{size} is not a size; -1 stands for none"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Dimension, Metadata, missing_fields};

    #[test]
    fn older_compilers_and_newer_fields_are_understood() {
        let json = r#"{"model_type": "rwkv5", "quantization": "q4f16_1", "novelty": [1],
            "context_window_size": -1, "sliding_window_size": 4096, "active_vocab_size": null,
            "params": [{"name": "w", "shape": ["vocab_size", 4], "dtype": "float16", "x": {}}]}"#;
        let metadata = Metadata::parse(json).unwrap();
        assert_eq!(metadata.context_window_size, None);
        assert_eq!(metadata.cached_tokens(), Some(4096));
        assert_eq!(metadata.active_vocab_size, None);
        let shape = &metadata.params[0].shape;
        assert_eq!(*shape, [Dimension::Named("vocab_size".into()), Dimension::Fixed(4)]);
        assert!(metadata.kv_cache.is_none() && metadata.memory_usage.is_empty());
    }

    #[test]
    fn what_the_runtime_reads_and_does_not_find_is_named() {
        let whole = serde_json::json!({
            "model_type": "m", "quantization": "q", "context_window_size": -1,
            "prefill_chunk_size": 1, "max_batch_size": 1, "tensor_parallel_shards": 1,
            "memory_usage": {}, "kv_cache": {"num_hidden_layers": 1, "head_dim": 1,
            "num_attention_heads": 1, "num_key_value_heads": 1},
            "params": [{"name": "w", "shape": [1], "dtype": "float16", "preprocs": [
                {"func_name": "f", "out_shape": [1], "out_dtype": "float16"}]}],
        });
        let missing = |json: &serde_json::Value| missing_fields(&json.to_string()).unwrap();
        assert_eq!(missing(&whole), [""; 0]);
        for name in ["max_batch_size", "memory_usage", "kv_cache", "params"] {
            let mut lacking = whole.clone();
            lacking.as_object_mut().unwrap().remove(name);
            assert_eq!(missing(&lacking), [name]);
            lacking[name] = serde_json::Value::Null;
            assert_eq!(missing(&lacking), [name]);
        }
        let mut older = whole.clone();
        older["kv_cache"].as_object_mut().unwrap().remove("head_dim");
        older["params"][0]["preprocs"][0].as_object_mut().unwrap().remove("func_name");
        assert_eq!(missing(&older), ["kv_cache.head_dim", "params[].preprocs[].func_name"]);
        older["params"][0].as_object_mut().unwrap().remove("preprocs");
        older["kv_state_kind"] = "rnn_state".into();
        older.as_object_mut().unwrap().remove("kv_cache");
        assert_eq!(missing(&older), ["params[].preprocs"]);
    }

    #[test]
    fn the_context_wins_over_the_window() {
        let json = r#"{"model_type": "m", "quantization": "q", "context_window_size": 512,
            "sliding_window_size": 64}"#;
        assert_eq!(Metadata::parse(json).unwrap().cached_tokens(), Some(512));
    }

    #[test]
    fn false_numbers_are_refused() {
        for field in [
            r#""context_window_size": -2"#,
            r#""prefill_chunk_size": 1.5"#,
            r#""max_batch_size": 18446744073709551616"#,
            r#""params": [{"name": "w", "shape": [-1], "dtype": "float16"}]"#,
            r#""memory_usage": {"prefill": -1}"#,
        ] {
            let json = format!(r#"{{"model_type": "m", "quantization": "q", {field}}}"#);
            assert!(Metadata::parse(&json).is_err(), "{field}");
        }
        let missing = Metadata::parse("{}").unwrap_err().to_string();
        assert!(missing.contains("missing field `model_type`"), "{missing}");
    }
}
