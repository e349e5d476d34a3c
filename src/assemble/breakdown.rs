//! Where a package's bytes are: the largest parts of each model and library, and what the package
//! holds more than once.

use std::collections::{BTreeMap, HashMap};

use crate::library::KernelBytes;
use crate::manifest::{DuplicateKind, DuplicateRecord, OutputFile, PartRecord};
use crate::model::{Digest, ModelFiles, ModelId, TensorCache};
use crate::plan::Plan;

/// How many of the largest parts of a model or a library are recorded.
const LARGEST: usize = 10;

/// How many duplicates are recorded, the most costly ones.
const DUPLICATES: usize = 100;

/// The largest kernels of the library at `index` of the archive.
pub(crate) fn largest_kernels(kernel_bytes: &KernelBytes<'_>, index: usize) -> Vec<PartRecord> {
    kernel_bytes.largest(index, LARGEST).into_iter().map(part).collect()
}

/// The largest tensors as they are stored.
pub(crate) fn largest_tensors(cache: &TensorCache) -> Vec<PartRecord> {
    let tensors = cache.shards.iter().flat_map(|shard| &shard.records);
    let mut tensors: Vec<_> = tensors.map(|tensor| (tensor.name.as_str(), tensor.nbytes)).collect();
    tensors.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    tensors.into_iter().take(LARGEST).map(part).collect()
}

fn part((name, bytes): (&str, u64)) -> PartRecord {
    PartRecord { name: name.to_owned(), bytes }
}

/// The kernels that several libraries hold, and the shards that several models do, most costly
/// first.
pub(crate) fn duplicates(
    kernel_bytes: &KernelBytes<'_>,
    plan: &Plan,
    files: &BTreeMap<ModelId, ModelFiles>,
    outputs: &[OutputFile],
) -> Vec<DuplicateRecord> {
    let kernels = kernel_bytes.shared().into_iter().map(|kernel| DuplicateRecord {
        kind: DuplicateKind::Kernel,
        name: kernel.name.to_owned(),
        bytes: kernel.bytes,
        owners: kernel.owners.iter().map(|owner| owner.to_string()).collect(),
    });
    let mut duplicates: Vec<_> = kernels.chain(shards(plan, files, outputs)).collect();
    let order = |duplicate: &DuplicateRecord| (duplicate.kind, duplicate.name.clone());
    duplicates.sort_by_cached_key(|it| (std::cmp::Reverse(it.wasted()), order(it)));
    duplicates.truncate(DUPLICATES);
    duplicates
}

/// The shards of bundled models that are the same bytes.
fn shards<'a>(
    plan: &'a Plan,
    files: &'a BTreeMap<ModelId, ModelFiles>,
    outputs: &'a [OutputFile],
) -> impl Iterator<Item = DuplicateRecord> {
    let by_path: HashMap<_, _> = outputs.iter().map(|file| (file.path.as_path(), file)).collect();
    let mut copies: HashMap<Digest, DuplicateRecord> = HashMap::new();
    for (model_id, path) in bundled_shards(plan, files) {
        let in_dist = format!("bundle/{model_id}/{path}");
        let Some(file) = by_path.get(camino::Utf8Path::new(&in_dist)) else { continue };
        let new = || DuplicateRecord {
            kind: DuplicateKind::Shard,
            name: path.to_owned(),
            bytes: file.bytes,
            owners: Vec::new(),
        };
        copies.entry(file.digest).or_insert_with(new).owners.push(model_id.to_string());
    }
    copies.into_values().filter(|copy| copy.owners.len() > 1)
}

fn bundled_shards<'a>(
    plan: &'a Plan,
    files: &'a BTreeMap<ModelId, ModelFiles>,
) -> impl Iterator<Item = (&'a ModelId, &'a str)> {
    let bundled = plan.models.iter().filter(|model| model.bundle.is_some());
    bundled.flat_map(|model| {
        let files = files.get(&model.model_id);
        let shards = files.into_iter().flat_map(|files| &files.tensor_cache.shards);
        shards.map(|shard| (&model.model_id, shard.path.as_str()))
    })
}
