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
    use super::{Dimension, Metadata};

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
