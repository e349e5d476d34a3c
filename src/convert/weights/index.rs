//! `tensor-cache.json` and `tensor-cache-b16.json`, character by character as upstream's `tvmjs`
//! dump writes them.

use serde::Serialize;

use super::shards::ShardPlan;
use crate::model::to_python_json_with_indent;

/// The index that readers of f32 use.
pub(super) const FILE_NAME: &str = "tensor-cache.json";
/// The same for readers that know bf16; only where there are tensors of f32.
pub(super) const B16_FILE_NAME: &str = "tensor-cache-b16.json";

/// How upstream names the storing of f32 as bf16; it writes it for every tensor.
const F32_TO_BF16: &str = "f32-to-bf16";

/// The numbers at the head of an index.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Metadata {
    #[serde(rename = "ParamSize")]
    pub(super) tensors: u64,
    #[serde(rename = "ParamBytes")]
    pub(super) param_bytes: f64,
    #[serde(rename = "BitsPerParam")]
    pub(super) bits_per_param: f64,
}

#[derive(Serialize)]
struct Index<'a> {
    metadata: Metadata,
    records: Vec<Shard<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shard<'a> {
    data_path: String,
    format: &'static str,
    nbytes: u64,
    records: Vec<Tensor<'a>>,
    #[serde(rename = "md5sum")]
    md5: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tensor<'a> {
    name: &'a str,
    shape: &'a [u64],
    dtype: &'static str,
    format: &'static str,
    nbytes: u64,
    byte_offset: u64,
}

/// The texts of both files; none of the second where there is no f32.
pub(super) fn write(
    metadata: Metadata,
    shards: &[ShardPlan],
    digests: &[String],
) -> Result<(String, Option<String>), serde_json::Error> {
    let any_single = shards.iter().flat_map(|shard| &shard.records).any(is_single);
    let text = |as_b16: bool| {
        to_python_json_with_indent(&index(metadata, shards, digests, as_b16), b"    ")
    };
    Ok((text(false)?, any_single.then(|| text(true)).transpose()?))
}

fn index<'a>(
    metadata: Metadata,
    shards: &'a [ShardPlan],
    digests: &'a [String],
    as_b16: bool,
) -> Index<'a> {
    let mut records: Vec<_> = shards.iter().zip(digests).collect();
    records.sort_by_key(|(shard, _)| shard.number);
    let records = records.into_iter().map(|(shard, md5)| Shard {
        data_path: shard.file_name(),
        format: "raw-shard",
        nbytes: shard.nbytes,
        records: shard.records.iter().map(|record| tensor(record, as_b16)).collect(),
        md5,
    });
    Index { metadata, records: records.collect() }
}

fn tensor(record: &super::shards::Record, as_b16: bool) -> Tensor<'_> {
    let (dtype, format) = match as_b16 && is_single(record) {
        true => ("bfloat16", "raw"),
        false => (record.dtype, F32_TO_BF16),
    };
    Tensor {
        name: &record.name,
        shape: &record.shape,
        dtype,
        format,
        nbytes: record.nbytes,
        byte_offset: record.offset,
    }
}

fn is_single(record: &super::shards::Record) -> bool {
    record.dtype == "float32"
}
