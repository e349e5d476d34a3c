use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::ShardPath;

/// `tensor-cache.json` (before 2025: `ndarray-cache.json`): which shard holds which tensor.
/// Written by upstream's `tvmjs` dump.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorCache {
    /// The shards, in order.
    #[serde(rename = "records")]
    pub shards: Vec<Shard>,
}

/// One file of weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// Its place in the model directory.
    #[serde(rename = "dataPath")]
    pub path: ShardPath,
    /// How it is stored: `raw-shard`.
    pub format: String,
    /// Its size in bytes.
    pub nbytes: u64,
    /// Its MD5 digest in hex, where given.
    #[serde(rename = "md5sum", default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// The tensors in it.
    pub records: Vec<TensorRecord>,
}

/// One tensor of a shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorRecord {
    /// The parameter's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Its element type, `float16` or `uint32` for instance.
    pub dtype: String,
    /// How it is stored: `raw`, or `f32-to-bf16`, which is bfloat16 if the type is `float32`.
    pub format: String,
    /// Its bytes in the shard.
    pub nbytes: u64,
    /// Where it begins in the shard.
    #[serde(rename = "byteOffset")]
    pub byte_offset: u64,
}

impl TensorRecord {
    /// The format in which `float32` is stored as bfloat16; other types are as they are.
    const HALVED: &'static str = "f32-to-bf16";

    /// Whether its elements are stored as bfloat16.
    pub fn is_halved(&self) -> bool {
        self.dtype == "float32" && self.format == Self::HALVED
    }
}

/// Why a `tensor-cache.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TensorCacheError {
    /// Not JSON, or not of the format.
    #[error("it is not a tensor cache: {0}")]
    Format(#[from] serde_json::Error),
    /// No weights at all.
    #[error("it lists no tensors")]
    Empty,
    /// A tensor reaches over the end of its shard.
    #[error("tensor `{tensor}` reaches over the end of `{shard}`")]
    OutOfShard {
        /// The tensor's name.
        tensor: String,
        /// The shard's path.
        shard: ShardPath,
    },
    /// Two tensors have bytes in common.
    #[error("tensors `{first}` and `{second}` overlap in `{shard}`")]
    Overlap {
        /// The one that begins first.
        first: String,
        /// The other.
        second: String,
        /// The shard's path.
        shard: ShardPath,
    },
    /// A shard is listed more than once.
    #[error("it lists the shard `{0}` twice")]
    ShardTwice(ShardPath),
    /// A tensor of a format that the runtime does not know, and would read as it is.
    #[error(
        "tensor `{tensor}` has the format {format:?}, but the runtime knows only `raw` and \
         `f32-to-bf16`"
    )]
    TensorFormat {
        /// The tensor's name.
        tensor: String,
        /// Its format.
        format: String,
    },
    /// A shard of a format that the runtime does not read.
    #[error("shard `{shard}` has the format {format:?}, and the runtime reads `raw-shard` alone")]
    ShardFormat {
        /// The shard's path.
        shard: ShardPath,
        /// Its format.
        format: String,
    },
    /// An element type that the runtime does not know.
    #[error("tensor `{tensor}` has the type {dtype:?}, which TVM does not know")]
    Dtype {
        /// The tensor's name.
        tensor: String,
        /// Its type.
        dtype: String,
    },
}

// TVM, `tensor_cache_support.cc`. It does not load without the formats either.

/// The only format of shards that the runtime reads.
const RAW_SHARD: &str = "raw-shard";
/// The formats of tensors that it knows.
const TENSOR_FORMATS: [&str; 2] = ["raw", TensorRecord::HALVED];

impl TensorCache {
    /// The names a tensor cache is found under, the newer first.
    pub const FILE_NAMES: [&'static str; 2] = ["tensor-cache.json", "ndarray-cache.json"];

    /// Reads the text of a tensor cache. Shard names that would leave the model directory are
    /// errors, and so are tensors that reach over their shard or into each other, and what the runtime
    /// cannot read.
    pub fn parse(text: &[u8]) -> Result<Self, TensorCacheError> {
        let cache: Self = serde_json::from_slice(text)?;
        let mut seen = HashSet::with_capacity(cache.shards.len());
        for Shard { path, format, .. } in &cache.shards {
            if format != RAW_SHARD {
                let (shard, format) = (path.clone(), format.clone());
                return Err(TensorCacheError::ShardFormat { shard, format });
            }
            if !seen.insert(path) {
                return Err(TensorCacheError::ShardTwice(path.clone()));
            }
        }
        if cache.shards.iter().all(|shard| shard.records.is_empty()) {
            return Err(TensorCacheError::Empty);
        }
        for shard in &cache.shards {
            for tensor in &shard.records {
                let end = tensor.byte_offset.checked_add(tensor.nbytes);
                if end.is_none_or(|end| end > shard.nbytes) {
                    return Err(TensorCacheError::OutOfShard {
                        tensor: tensor.name.clone(),
                        shard: shard.path.clone(),
                    });
                }
                if !TENSOR_FORMATS.contains(&&*tensor.format) {
                    let (tensor, format) = (tensor.name.clone(), tensor.format.clone());
                    return Err(TensorCacheError::TensorFormat { tensor, format });
                }
                if !is_dtype(&tensor.dtype) {
                    let (tensor, dtype) = (tensor.name.clone(), tensor.dtype.clone());
                    return Err(TensorCacheError::Dtype { tensor, dtype });
                }
            }
            let mut sorted: Vec<_> = shard.records.iter().filter(|it| it.nbytes > 0).collect();
            sorted.sort_by_key(|tensor| tensor.byte_offset);
            for (first, second) in sorted.iter().zip(sorted.iter().skip(1)) {
                if first.byte_offset + first.nbytes > second.byte_offset {
                    return Err(TensorCacheError::Overlap {
                        first: first.name.clone(),
                        second: second.name.clone(),
                        shard: shard.path.clone(),
                    });
                }
            }
        }
        Ok(cache)
    }

    /// The first shard that lies in a subdirectory. The runtime loads it from there, but the Android
    /// app of MLC LLM renames what it downloads to its place, and makes no directories
    /// (`AppViewModel.kt`).
    pub fn nested(&self) -> Option<&ShardPath> {
        self.shards.iter().map(|shard| &shard.path).find(|path| path.as_str().contains('/'))
    }

    /// The bytes of all shards.
    pub fn weight_bytes(&self) -> u64 {
        self.shards.iter().fold(0, |sum, shard| sum.saturating_add(shard.nbytes))
    }
}

/// Whether TVM's runtime knows a type of this name (`ffi::StringToDLDataType`): a kind and its bits.
fn is_dtype(text: &str) -> bool {
    const KINDS: [&str; 4] = ["int", "uint", "float", "bfloat"];
    const SMALL: [&str; 3] = ["float8_", "float6_", "float4_"];
    let has_bits = |rest: &str| matches!(rest, "1" | "4" | "8" | "16" | "32" | "64");
    text == "bool"
        || SMALL.iter().any(|kind| text.starts_with(kind))
        || KINDS.iter().any(|kind| text.strip_prefix(kind).is_some_and(has_bits))
}

#[cfg(test)]
mod tests {
    use super::TensorCache;

    #[test]
    fn what_the_runtime_would_misread_is_refused() {
        let tensor = |name: &str, dtype: &str, offset: u64| {
            format!(
                r#"{{"name": "{name}", "shape": [2], "dtype": "{dtype}", "format": "raw",
                "nbytes": 4, "byteOffset": {offset}}}"#
            )
        };
        let why = |format: &str, dtype: &str, offset: u64| {
            let (a, b) = (tensor("a", dtype, 0), tensor("b", "float16", offset));
            let text = format!(
                r#"{{"records": [{{"dataPath": "s.bin", "format": "{format}", "nbytes": 8,
                "records": [{b}, {a}]}}]}}"#
            );
            TensorCache::parse(text.as_bytes()).err().map(|error| error.to_string())
        };
        assert_eq!(why("raw-shard", "float16", 4), None);
        for offset in [0, 3] {
            let said = why("raw-shard", "float16", offset).unwrap();
            assert!(said.ends_with("overlap in `s.bin`"), "{said}");
            assert!(said.contains("`a`") && said.contains("`b`"), "{said}");
        }
        let said = why("safetensors", "float16", 4).unwrap();
        assert!(said.starts_with("shard `s.bin` has the format \"safetensors\""), "{said}");
        for bad in ["foat16", "float", "float17", "", "half"] {
            let said = why("raw-shard", bad, 4).unwrap();
            assert!(said.starts_with("tensor `a` has the type"), "{said}");
        }
        for good in ["uint32", "int8", "bfloat16", "float8_e4m3fn", "bool"] {
            assert_eq!(why("raw-shard", good, 4), None, "{good}");
        }
    }

    #[test]
    fn formats_are_those_that_the_runtime_knows_and_no_shard_is_listed_twice() {
        let tensor = |format: &str| {
            format!(
                r#"{{"name": "w", "shape": [2], "dtype": "float16", {format} "nbytes": 4,
                "byteOffset": 0}}"#
            )
        };
        let shard = |format: &str, records: &str| {
            format!(r#"{{"dataPath": "s.bin", {format} "nbytes": 4, "records": [{records}]}}"#)
        };
        let why = |shards: &str| {
            let text = format!(r#"{{"records": [{shards}]}}"#);
            TensorCache::parse(text.as_bytes()).err().map(|error| error.to_string())
        };
        let raw = r#""format": "raw-shard","#;
        let good = tensor(r#""format": "raw","#);
        assert_eq!(why(&shard(raw, &good)), None);
        let other = why(&shard(raw, &tensor(r#""format": "int4-packed","#))).unwrap();
        assert_eq!(
            other,
            "tensor `w` has the format \"int4-packed\", but the runtime knows only `raw` and \
             `f32-to-bf16`"
        );
        for missing in [shard(raw, &tensor("")), shard("", &good)] {
            let said = why(&missing).unwrap();
            assert!(said.starts_with("it is not a tensor cache: missing field `format`"), "{said}");
        }
        for second in ["", &good] {
            let twice = why(&[shard(raw, &good), shard(raw, second)].join(","));
            assert_eq!(twice.unwrap(), "it lists the shard `s.bin` twice");
        }
    }

    fn cache(path: &str, offset: u64) -> String {
        format!(
            r#"{{"metadata": {{"ParamSize": 1}}, "records": [{{"dataPath": "{path}",
            "format": "raw-shard", "nbytes": 8, "records": [{{"name": "w", "shape": [4],
            "dtype": "float16", "format": "raw", "nbytes": 8, "byteOffset": {offset}}}]}}]}}"#
        )
    }

    #[test]
    fn reads_shards_and_refuses_what_leaves_them() {
        let good = TensorCache::parse(cache("params_shard_0.bin", 0).as_bytes()).unwrap();
        assert_eq!(good.weight_bytes(), 8);
        let outside = TensorCache::parse(cache("../x.bin", 0).as_bytes()).unwrap_err();
        assert!(outside.to_string().contains("\"../x.bin\" has a `.` or `..`"), "{outside}");
        for offset in [1, u64::MAX] {
            let over = TensorCache::parse(cache("a.bin", offset).as_bytes()).unwrap_err();
            assert_eq!(over.to_string(), "tensor `w` reaches over the end of `a.bin`");
        }
    }
}
