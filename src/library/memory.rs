//! How much memory a model needs on the phone, by upstream's formula (`cli/model_metadata.py`):
//! its weights, the temporary buffers of its hungriest function, and its KV cache.

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
    /// The tokens that the KV cache holds: the sliding window if there is one, else the context.
    pub context: u64,
    /// All together, with a KV cache for the whole context.
    pub total: u64,
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
/// dimensions refer to.
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
    let total = kv_cache_per_token
        .checked_mul(context)
        .and_then(|cache| cache.checked_add(parameters)?.checked_add(temporary))
        .ok_or_else(|| MemoryError::TooLarge("the whole model".into()))?;
    Ok(Memory { parameters, temporary, kv_cache_per_token, context, total })
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
fn bits(dtype: &str) -> Option<u64> {
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
        };
        assert_eq!(memory(&f16, &lookup).unwrap(), expected);
        let window = metadata("q0f32", r#""sliding_window_size": 10"#);
        let window = memory(&window, &lookup).unwrap();
        assert_eq!((window.context, window.kv_cache_per_token), (10, 768));
        assert_eq!(memory(&metadata("q0bf16", r#""x": 0"#), &lookup).unwrap().total, 197_608);
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
        for more in [
            params(&format!("[{max}, {max}]"), "float16"),
            r#""sliding_window_size": 9223372036854775807"#.to_owned(),
        ] {
            let error = memory(&metadata("q4f16_1", &more), &|_| None).unwrap_err();
            assert!(matches!(error, MemoryError::TooLarge(_)), "{more}");
        }
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
