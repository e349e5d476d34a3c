//! Where the bytes of a package are.

use serde::Serialize;

use super::measured::Measured;
use super::size::LinkedBy;
use crate::manifest::{LibraryRecord, LibrarySizes, Manifest, ModelRecord};

/// The bytes of one model. Of a library that several models load, its share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelParts {
    /// The shards.
    pub weights: u64,
    /// The tokenizer's files.
    pub tokenizer: u64,
    /// The model's configs and what else is in its directory.
    pub configs: u64,
    /// Code for the phone's GPU.
    pub kernels: u64,
    /// Code for the phone's processor.
    pub host_code: u64,
    /// What else its library adds to the archive: virtual machine code, constants, symbols.
    pub data: u64,
}

impl ModelParts {
    pub(super) fn of(manifest: &Manifest, model: &ModelRecord) -> Self {
        let share = |of: fn(&LibrarySizes) -> u64| library_share(manifest, model, of);
        let (archive, kernels) = (linked_share(manifest, model), share(|sizes| sizes.kernels));
        let host_code = share(|sizes| sizes.host_code);
        Self {
            weights: model.sizes.weights,
            tokenizer: model.sizes.tokenizer,
            configs: model.sizes.other,
            kernels,
            host_code,
            data: archive.saturating_sub(kernels).saturating_sub(host_code),
        }
    }

    /// Each part and its name, in the order they are shown in.
    pub fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("weights", self.weights),
            ("tokenizer", self.tokenizer),
            ("other files", self.configs),
            ("kernels", self.kernels),
            ("host code", self.host_code),
            ("data", self.data),
        ]
    }
}

/// Files of the model that are shipped with the app.
pub(super) fn bundled(model: &ModelRecord) -> u64 {
    if model.bundled { model.sizes.total() } else { 0 }
}

/// Files of the model that the phone downloads.
pub(super) fn download(model: &ModelRecord) -> u64 {
    if model.bundled { 0 } else { model.sizes.total() }
}

/// The memory of the model; as declared where its library does not say.
pub(super) fn ram(model: &ModelRecord) -> u64 {
    model.memory.map_or(model.estimated_vram_bytes, |memory| memory.needed())
}

/// The model's share of what its library adds to the archive.
pub(super) fn linked_share(manifest: &Manifest, model: &ModelRecord) -> u64 {
    library_share(manifest, model, |sizes| sizes.archive)
}

/// A size of the model's library, divided evenly among the models that load it. The shares add up
/// to the whole: the first models have the bytes that are left over.
fn library_share(manifest: &Manifest, model: &ModelRecord, of: fn(&LibrarySizes) -> u64) -> u64 {
    let loads = |library: &&LibraryRecord| library.model_lib == model.model_lib;
    let Some(library) = manifest.libraries.iter().find(loads) else { return 0 };
    let users = || manifest.models.iter().filter(|other| other.model_lib == model.model_lib);
    let index = users().position(|other| other.model_id == model.model_id).unwrap_or_default();
    let (whole, count) = (of(&library.sizes), users().count().max(1) as u64);
    whole / count + u64::from((index as u64) < whole % count)
}

/// The name of the shared library that mlc4j links model libraries and runtime into.
const BINDING: &str = "libtvm4j_runtime_packed.so";

/// The linked code of a package: the binding's library, if both manifests have one, else the
/// model libraries. Both sizes are measured alike.
pub(super) fn linked(now: &Manifest, before: Option<&Manifest>) -> (LinkedBy, Measured) {
    let binding = |manifest: &Manifest| {
        let files = manifest.outputs.iter();
        let mut linked = files.filter(|file| file.path.file_name() == Some(BINDING));
        linked.next().map(|file| file.bytes)
    };
    let archive = |manifest: &Manifest| {
        manifest.libraries.iter().map(|library| library.sizes.archive).sum::<u64>()
    };
    match (binding(now), before.map(binding)) {
        (Some(now), None) => (LinkedBy::Binding, Measured::new(now, None)),
        (Some(now), Some(Some(before))) => (LinkedBy::Binding, Measured::new(now, before)),
        _ => (LinkedBy::Archive, Measured::new(archive(now), before.map(archive))),
    }
}
