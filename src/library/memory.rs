//! How much memory a model needs on the phone, by two formulas of upstream's. The compiler prints
//! the sum of the weights, the temporary buffers of the hungriest function, and the KV cache
//! (`cli/model_metadata.py`). The runtime asks for more (`cpp/serve/config.cc`, in the mode
//! "interactive", which both apps use), and refuses a model where there is less.

use serde::Serialize;

use super::metadata::{Dimension, Metadata, Param};

/// Memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The parameters.
    pub parameters: u64,
    /// The largest function's temporary buffers.
    pub temporary: u64,
    /// The KV cache for one token of context; 0 for models without one.
    pub kv_cache_per_token: u64,
    /// The tokens that the KV cache holds: the context if there is one, else the sliding window.
    pub context: u64,
    /// What the compiler prints: parameters, temporary buffers, and a KV cache for the whole
    /// context.
    pub total: u64,
    /// The state of recurrent layers; 0 for models without any.
    pub recurrent_state: u64,
    /// What the runtime sets aside besides: the temporary buffers once more, what attention,
    /// embeddings and logits are computed in, and the lists of the KV cache's pages.
    pub workspace: u64,
    /// What the runtime asks for: all of it.
    pub runtime: u64,
}

/// Why the memory cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// An element type without a known size.
    #[error("parameter `{param}` has the unknown element type `{dtype}`")]
    UnknownType {
        /// The parameter.
        param: String,
        /// Its type.
        dtype: String,
    },
    /// A dimension that only the model's config knows, and it does not.
    #[error("parameter `{param}` has a dimension `{name}` that the model's config does not have")]
    UnknownDimension {
        /// The parameter.
        param: String,
        /// The dimension.
        name: String,
    },
    /// A dimension below zero.
    #[error("parameter `{param}` has a dimension `{name}` of {value}")]
    NegativeDimension {
        /// The parameter.
        param: String,
        /// The dimension.
        name: String,
        /// What the model's config says.
        value: i64,
    },
    /// A quantization scheme whose name tells no type for the KV cache.
    #[error("quantization `{0}` names no element type for the KV cache (f16, bf16 or f32)")]
    UnknownQuantization(String),
    /// More than any machine has.
    #[error("the size of {0} does not fit 64 bits")]
    TooLarge(String),
}

/// The memory that a model needs. `lookup` finds the fields of `mlc-chat-config.json` that
/// dimensions refer to, and those that tell what only the runtime needs.
pub fn memory(
    metadata: &Metadata,
    lookup: &dyn Fn(&str) -> Option<i64>,
) -> Result<Memory, MemoryError> {
    let mut parameters: u64 = 0;
    for param in &metadata.params {
        let size = param_bytes(param, lookup)?;
        parameters = parameters
            .checked_add(size)
            .ok_or_else(|| MemoryError::TooLarge("all parameters".into()))?;
    }
    let temporary = metadata.memory_usage.values().copied().max().unwrap_or(0);
    let kv_cache_per_token = kv_cache_per_token(metadata)?;
    let context = metadata.cached_tokens().unwrap_or(0);
    let too_large = || MemoryError::TooLarge("the whole model".into());
    let total = kv_cache_per_token
        .checked_mul(context)
        .and_then(|cache| cache.checked_add(parameters)?.checked_add(temporary))
        .ok_or_else(too_large)?;
    let recurrent_state =
        whole(recurrent_state(metadata, &|name| positive(lookup(name)))).ok_or_else(too_large)?;
    let workspace = whole(workspace(metadata, lookup)).ok_or_else(too_large)?;
    let runtime = total
        .checked_add(recurrent_state)
        .and_then(|sum| sum.checked_add(workspace))
        .ok_or_else(too_large)?;
    Ok(Memory {
        parameters,
        temporary,
        kv_cache_per_token,
        context,
        total,
        recurrent_state,
        workspace,
        runtime,
    })
}

/// What the runtime's planning has in bytes, which upstream computes in floats, as whole ones.
fn whole(bytes: f64) -> Option<u64> {
    let bytes = bytes.ceil();
    // 2^63, far above what there is.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0..2^63")]
    (0.0..9.2e18).contains(&bytes).then_some(bytes as u64)
}

/// A number of the model's config that is above 0.
#[expect(clippy::cast_precision_loss, reason = "sizes of models are far below 2^52")]
fn positive(number: Option<i64>) -> Option<f64> {
    number.filter(|number| *number > 0).map(|number| number as f64)
}

#[expect(clippy::cast_precision_loss, reason = "an estimate of bytes that takes 2^53 of them")]
fn float(number: u64) -> f64 {
    number as f64
}

/// Conversations at a time in the mode "interactive".
const SEQUENCES: f64 = 1.0;

/// What the runtime sets aside besides what the compiler counts.
fn workspace(metadata: &Metadata, lookup: &dyn Fn(&str) -> Option<i64>) -> f64 {
    let vocabulary = positive(lookup("vocab_size"))
        .or_else(|| metadata.active_vocab_size.map(float))
        .unwrap_or(0.0);
    // The library's own chunk: the runtime takes no larger one, whatever the model's config says.
    let chunk = metadata
        .prefill_chunk_size
        .map(float)
        .or_else(|| positive(lookup("prefill_chunk_size")))
        .unwrap_or(0.0);
    let buffers = |hidden: f64| {
        let model = chunk * 4.0 + SEQUENCES * 4.0 + (chunk * 2.0 + SEQUENCES) * hidden * 2.0;
        let logits = SEQUENCES * 20.0 + SEQUENCES * vocabulary * 16.125;
        model + logits
    };
    if metadata.kv_state_kind.as_deref() == Some("rnn_state") {
        // Of these models upstream adds up all functions' buffers, and takes none twice.
        let all: f64 = metadata.memory_usage.values().copied().map(float).sum();
        let largest = metadata.memory_usage.values().copied().max().map_or(0.0, float);
        return all - largest + buffers(positive(lookup("hidden_size")).unwrap_or(0.0));
    }
    let again = metadata.memory_usage.values().copied().max().map_or(0.0, float);
    let Some((cache, dim)) =
        metadata.kv_cache.and_then(|cache| Some((cache, float(cache.head_dim?))))
    else {
        return again;
    };
    let (heads, kv_heads) = (
        float(cache.num_attention_heads.unwrap_or(0)),
        float(cache.num_key_value_heads.unwrap_or(0)),
    );
    let attention = (SEQUENCES + 1.0) * 88.0
        + chunk * (heads + 1.0) * 8.0
        + chunk * dim * (heads + kv_heads) * 4.0
        + 48.0 * 1024.0 * 1024.0;
    let pages = 1.25 * float(metadata.cached_tokens().unwrap_or(0));
    again + attention + pages + buffers(dim * heads)
}

/// The recurrent layers' state: of RWKV (`config.cc`), or of the layers without attention in a
/// hybrid model such as Qwen 3.5, which has one for each conversation and one more for each that
/// may be taken up again (`create_rnn_state` in `qwen35_model.py`, `model.cc`).
fn recurrent_state(metadata: &Metadata, size: &dyn Fn(&str) -> Option<f64>) -> f64 {
    let bytes = match metadata.kv_state_kind.as_deref() {
        Some("rnn_state") => (|| {
            let (hidden, layers) = (size("hidden_size")?, size("num_hidden_layers")?);
            let (heads, head) = (size("num_heads")?, size("head_size")?);
            Some(SEQUENCES * layers * (hidden * 2.0 * 2.0 + heads * head * head * 2.0))
        })(),
        Some("hybrid") => (|| {
            let (key, value) = (size("linear_key_head_dim")?, size("linear_value_head_dim")?);
            let (keys, values) = (size("linear_num_key_heads")?, size("linear_num_value_heads")?);
            let layers = size("num_hidden_layers")?;
            let linear = layers - (layers / size("full_attention_interval")?).floor();
            let element = if metadata.quantization.contains("f32") { 4.0 } else { 2.0 };
            let convolved = (size("linear_conv_kernel_dim")? - 1.0)
                * (keys * key * 2.0 + values * value)
                * element;
            Some(2.0 * SEQUENCES * linear * (values * key * value * 4.0 + convolved))
        })(),
        _ => None,
    };
    bytes.unwrap_or(0.0)
}

fn param_bytes(param: &Param, lookup: &dyn Fn(&str) -> Option<i64>) -> Result<u64, MemoryError> {
    let mut bits = bits(&param.dtype).ok_or_else(|| MemoryError::UnknownType {
        param: param.name.clone(),
        dtype: param.dtype.clone(),
    })?;
    for dimension in &param.shape {
        let size = match dimension {
            Dimension::Fixed(size) => *size,
            Dimension::Named(name) => named_dimension(param, name, lookup)?,
        };
        bits = bits
            .checked_mul(size)
            .ok_or_else(|| MemoryError::TooLarge(format!("parameter `{}`", param.name)))?;
    }
    Ok(bits.div_ceil(8))
}

fn named_dimension(
    param: &Param,
    name: &str,
    lookup: &dyn Fn(&str) -> Option<i64>,
) -> Result<u64, MemoryError> {
    let (param, name) = (param.name.clone(), name.to_owned());
    match lookup(&name) {
        None => Err(MemoryError::UnknownDimension { param, name }),
        Some(value) => {
            u64::try_from(value).map_err(|_| MemoryError::NegativeDimension { param, name, value })
        }
    }
}

/// A key and a value for each layer and head. A cache whose shape is not fully known counts as
/// none, as it does upstream.
fn kv_cache_per_token(metadata: &Metadata) -> Result<u64, MemoryError> {
    let shape = metadata.kv_cache.and_then(|cache| {
        Some([cache.head_dim?, cache.num_hidden_layers?, cache.num_key_value_heads?])
    });
    let Some(shape) = shape else { return Ok(0) };
    let element: u64 = match &metadata.quantization {
        name if name.contains("f32") => 4,
        // This is `bf16` too.
        name if name.contains("f16") => 2,
        name => return Err(MemoryError::UnknownQuantization(name.clone())),
    };
    let size = shape.iter().try_fold(element * 2, |size, factor| size.checked_mul(*factor));
    size.ok_or_else(|| MemoryError::TooLarge("the KV cache of one token".into()))
}

/// The bits of one element of a type as TVM names it: `float16`, `uint32`, `float8_e4m3fn`,
/// `float16x4`.
pub(super) fn bits(dtype: &str) -> Option<u64> {
    let (scalar, lanes) = match dtype.rsplit_once('x') {
        Some((scalar, lanes)) => (scalar, number(lanes).filter(|lanes| *lanes <= 65_535)?),
        None => (dtype, 1),
    };
    Some(scalar_bits(scalar)? * lanes)
}

fn scalar_bits(scalar: &str) -> Option<u64> {
    if scalar == "bool" {
        return Some(8);
    }
    // Floats of 8 bits and less carry their layout in their name.
    let (name, layout) = match scalar.split_once('_') {
        Some((name, layout)) => (name, Some(layout)),
        None => (scalar, None),
    };
    let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let bits = number(digits)?;
    let known: &[u64] = match (name.strip_suffix(digits)?, layout) {
        ("int" | "uint", None) => &[1, 2, 4, 8, 16, 32, 64],
        ("float", None) => &[16, 32, 64],
        ("bfloat", None) => &[16],
        ("float", Some(layout)) if layout.starts_with('e') => &[4, 6, 8],
        _ => return None,
    };
    known.contains(&bits).then_some(bits)
}

/// Digits alone, without the sign that `parse` would accept.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{Memory, MemoryError, bits, memory};
    use crate::library::metadata::Metadata;

    fn metadata(quantization: &str, more: &str) -> Metadata {
        let json = format!(
            r#"{{"model_type": "llama", "quantization": "{quantization}",
            "context_window_size": 512, "memory_usage": {{"prefill": 70, "decode": 1000}},
            "kv_cache": {{"num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 3, "head_dim": 16}}, {more}}}"#
        );
        Metadata::parse(&json).unwrap()
    }

    fn params(shape: &str, dtype: &str) -> String {
        format!(r#""params": [{{"name": "w", "shape": {shape}, "dtype": "{dtype}"}}]"#)
    }

    #[test]
    fn adds_up_weights_buffers_and_cache() {
        let lookup = |name: &str| (name == "vocab_size").then_some(100);
        let f16 = metadata("q4f16_1", &params(r#"["vocab_size", 8]"#, "uint32"));
        let expected = Memory {
            parameters: 3200,
            temporary: 1000,
            kv_cache_per_token: 2 * 3 * 16 * 2 * 2,
            context: 512,
            total: 3200 + 1000 + 512 * 384,
            recurrent_state: 0,
            // The buffers again, attention's, the pages', the embeddings' and the logits'.
            workspace: 1000 + (2 * 88 + (48 << 20)) + 640 + (4 + 64 * 2) + (20 + 1613),
            runtime: 3200 + 2 * 1000 + 512 * 384 + 176 + (48 << 20) + 640 + 132 + 1633,
        };
        assert_eq!(memory(&f16, &lookup).unwrap(), expected);
        // Layers with a window get pages for the whole context all the same.
        let window = metadata("q0f32", r#""sliding_window_size": 10"#);
        let window = memory(&window, &lookup).unwrap();
        assert_eq!((window.context, window.kv_cache_per_token), (512, 768));
        assert_eq!(memory(&metadata("q0bf16", r#""x": 0"#), &lookup).unwrap().total, 197_608);
    }

    /// Llama 3.2 1B with a context of 4096 and chunks of 1024: the sums that the compiler and the
    /// runtime came to.
    #[test]
    fn the_runtime_asks_for_more_than_the_compiler_prints() {
        let metadata = Metadata::parse(
            r#"{"model_type": "llama", "quantization": "q4f16_1", "context_window_size": 4096,
            "prefill_chunk_size": 1024, "memory_usage": {"prefill": 92274688},
            "kv_cache": {"num_hidden_layers": 16, "num_attention_heads": 32,
            "num_key_value_heads": 8, "head_dim": 64},
            "params": [{"name": "w", "shape": [695205888], "dtype": "uint8"}]}"#,
        )
        .unwrap();
        let found = memory(&metadata, &|name| (name == "vocab_size").then_some(128_256)).unwrap();
        assert_eq!(found.total >> 20, 879);
        assert_eq!(found.runtime >> 20, 1035);
    }

    #[test]
    fn a_hybrid_model_has_a_recurrent_state_besides() {
        let json = r#"{"model_type": "qwen3_5", "quantization": "q4f16_1",
            "kv_state_kind": "hybrid", "kv_cache": null}"#;
        let metadata = Metadata::parse(json).unwrap();
        let config = |name: &str| {
            Some(match name {
                "linear_key_head_dim" => 8,
                "linear_value_head_dim" => 16,
                "linear_num_key_heads" => 2,
                "linear_num_value_heads" => 4,
                "linear_conv_kernel_dim" => 4,
                "num_hidden_layers" => 6,
                "full_attention_interval" => 4,
                _ => return None,
            })
        };
        // Five linear layers, two states each.
        let state = 5 * 2 * (4 * 8 * 16 * 4 + 3 * (2 * 8 * 2 + 4 * 16) * 2);
        assert_eq!(memory(&metadata, &config).unwrap().recurrent_state, state);
        let rwkv = json.replace("hybrid", "rnn_state");
        let metadata = Metadata::parse(&rwkv).unwrap();
        let config = |name: &str| {
            Some(match name {
                "hidden_size" => 64,
                "num_hidden_layers" => 3,
                "num_heads" => 2,
                "head_size" => 32,
                _ => return None,
            })
        };
        let state = 3 * (64 * 4 + 2 * 32 * 32 * 2);
        assert_eq!(memory(&metadata, &config).unwrap().recurrent_state, state);
    }

    #[test]
    fn a_model_without_a_cache_needs_none() {
        for cache in ["null", r#"{"head_dim": 16}"#] {
            let json = format!(
                r#"{{"model_type": "m", "quantization": "q", "context_window_size": 9,
                "kv_cache": {cache}}}"#
            );
            let metadata = Metadata::parse(&json).unwrap();
            assert_eq!(memory(&metadata, &|_| None).unwrap().total, 0, "{cache}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_named() {
        let error = |quantization: &str, more: &str, value: Option<i64>| {
            memory(&metadata(quantization, more), &|_| value).unwrap_err().to_string()
        };
        let dynamic = params(r#"["vocab_size"]"#, "float16");
        assert_eq!(
            error("q4f16_1", &dynamic, None),
            "parameter `w` has a dimension `vocab_size` that the model's config does not have"
        );
        assert_eq!(
            error("q4f16_1", &dynamic, Some(-3)),
            "parameter `w` has a dimension `vocab_size` of -3"
        );
        let unknown = error("q4f16_1", &params("[1]", "complex64"), None);
        assert_eq!(unknown, "parameter `w` has the unknown element type `complex64`");
        assert!(error("q4f8", r#""x": 0"#, None).starts_with("quantization `q4f8`"));
    }

    #[test]
    fn sizes_that_overflow_are_errors() {
        let max = u64::MAX;
        let metadata = metadata("q4f16_1", &params(&format!("[{max}, {max}]"), "float16"));
        let error = memory(&metadata, &|_| None).unwrap_err();
        assert!(matches!(error, MemoryError::TooLarge(_)));
        let mut metadata = metadata;
        metadata.params.clear();
        metadata.context_window_size = Some(1 << 62);
        let error = memory(&metadata, &|_| None).unwrap_err();
        assert!(matches!(error, MemoryError::TooLarge(_)));
        let json = format!(
            r#"{{"model_type": "m", "quantization": "f16", "kv_cache": {{"head_dim": {max},
            "num_hidden_layers": {max}, "num_key_value_heads": {max}}}}}"#
        );
        assert!(memory(&Metadata::parse(&json).unwrap(), &|_| None).is_err());
    }

    #[test]
    fn element_types() {
        let cases = [
            ("float16", Some(16)),
            ("bfloat16", Some(16)),
            ("uint32", Some(32)),
            ("int4", Some(4)),
            ("bool", Some(8)),
            ("float8_e4m3fn", Some(8)),
            ("float4_e2m1fnx2", Some(8)),
            ("float16x4", Some(64)),
        ];
        for (dtype, expected) in cases {
            assert_eq!(bits(dtype), expected, "{dtype}");
        }
        for dtype in ["", "float", "float17", "16", "float16x", "float16x+2", "float16_x", "x2"] {
            assert_eq!(bits(dtype), None, "{dtype}");
        }
    }
}
