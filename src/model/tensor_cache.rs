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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Its bytes in the shard.
    pub nbytes: u64,
    /// Where it begins in the shard.
    #[serde(rename = "byteOffset")]
    pub byte_offset: u64,
}

/// Why a `tensor-cache.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TensorCacheError {
    /// Not JSON, or not of the format.
    #[error("it is not a tensor cache: {0}")]
    Format(#[from] serde_json::Error),
    /// A tensor reaches over the end of its shard.
    #[error("tensor `{tensor}` reaches over the end of `{shard}`")]
    OutOfShard {
        /// The tensor's name.
        tensor: String,
        /// The shard's path.
        shard: ShardPath,
    },
}

impl TensorCache {
    /// The names a tensor cache is found under, the newer first.
    pub const FILE_NAMES: [&'static str; 2] = ["tensor-cache.json", "ndarray-cache.json"];

    /// Reads the text of a tensor cache. Shard names that would leave the model directory are
    /// errors, and so are tensors that reach over their shard.
    pub fn parse(text: &[u8]) -> Result<Self, TensorCacheError> {
        let cache: Self = serde_json::from_slice(text)?;
        for shard in &cache.shards {
            for tensor in &shard.records {
                let end = tensor.byte_offset.checked_add(tensor.nbytes);
                if end.is_none_or(|end| end > shard.nbytes) {
                    return Err(TensorCacheError::OutOfShard {
                        tensor: tensor.name.clone(),
                        shard: shard.path.clone(),
                    });
                }
            }
        }
        Ok(cache)
    }

    /// The first shard that lies in a subdirectory. The Android app of MLC LLM renames what it
    /// downloads to its place, and makes no directories (`AppViewModel.kt`).
    pub fn nested(&self) -> Option<&ShardPath> {
        self.shards.iter().map(|shard| &shard.path).find(|path| path.as_str().contains('/'))
    }

    /// The bytes of all shards.
    pub fn weight_bytes(&self) -> u64 {
        self.shards.iter().fold(0, |sum, shard| sum.saturating_add(shard.nbytes))
    }
}

#[cfg(test)]
mod tests {
    use super::TensorCache;

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
