//! The manifest stage: what a build knows of a package, as its record.

use std::collections::BTreeMap;

use super::breakdown::{largest_kernels, largest_tensors};
use crate::compile::package::ObtainedLibrary;
use crate::library::kernels::Gate;
use crate::library::package::LibrarySource;
use crate::library::{self, KernelBytes, Linked};
use crate::manifest::{
    AnswerRecord, InputFile, LibraryOrigin, LibraryRecord, LibrarySizes, Manifest, MemoryRecord,
    ModelRecord, ModelSizes, StageRecord,
};
use crate::model::{ChatConfig, Digest, FileRole, Fingerprint, ModelFiles, ModelId};
use crate::plan::{Origin, Plan, PlannedModel};

/// What a manifest records of a package beside its libraries.
pub(crate) struct RecordedPackage<'a> {
    /// What was planned, and done.
    pub(crate) plan: &'a Plan,
    /// The config.
    pub(crate) config: &'a InputFile,
    /// The models' files.
    pub(crate) models: &'a BTreeMap<ModelId, ModelFiles>,
    /// The libraries that are compiled.
    pub(crate) obtained: &'a BTreeMap<Fingerprint, ObtainedLibrary>,
    /// What was found out of their kernels.
    pub(crate) kernels: &'a Gate<'a>,
    /// What the models answered that were tried.
    pub(crate) answers: &'a BTreeMap<ModelId, AnswerRecord>,
}

/// The manifest but for the files of the package, which are not all made yet, and duplicates
/// among them.
pub(crate) fn manifest(
    package: &RecordedPackage<'_>,
    sources: &[LibrarySource<'_>],
    linked: &[Linked<'_>],
    kernel_bytes: &KernelBytes<'_>,
    stages: Vec<StageRecord>,
) -> Manifest {
    let plan = package.plan;
    Manifest {
        schema: Manifest::SCHEMA,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        device: plan.device,
        macabi_arch: plan.macabi_arch,
        config: package.config.clone(),
        compiler: plan.compiler.clone(),
        models: plan.models.iter().map(|model| model_record(package, model, linked)).collect(),
        libraries: sources
            .iter()
            .zip(linked)
            .enumerate()
            .map(|(index, (source, linked))| LibraryRecord {
                largest_kernels: largest_kernels(kernel_bytes, index),
                ..library_record(source, linked, package.obtained, package.kernels)
            })
            .collect(),
        duplicates: Vec::new(),
        binding: None,
        artifact: None,
        stages,
        outputs: Vec::new(),
    }
}

fn model_record(
    package: &RecordedPackage<'_>,
    model: &PlannedModel,
    linked: &[Linked<'_>],
) -> ModelRecord {
    let files = package.models.get(&model.model_id);
    let bytes_of = |role| files.map_or(0, |files| files.bytes_of(role));
    let chat_config = files.map(|files| &files.chat_config);
    ModelRecord {
        model_id: model.model_id.clone(),
        model_lib: model.model_lib.clone(),
        model: model.source.as_written().to_owned(),
        commit: model.commit.clone(),
        model_type: model.model_type.clone(),
        quantization: model.quantization.clone(),
        conv_template: model
            .conversion
            .as_ref()
            .map(|conversion| conversion.what.conv_template.to_string()),
        overrides: model.overrides.clone(),
        chat_config: Digest::of(chat_config.map_or(&[], ChatConfig::text)),
        bundled: model.bundle.is_some(),
        sizes: ModelSizes {
            weights: bytes_of(FileRole::Weights),
            tokenizer: bytes_of(FileRole::Tokenizer),
            other: bytes_of(FileRole::Config) + bytes_of(FileRole::Other),
        },
        estimated_vram_bytes: model.estimated_vram_bytes,
        memory: memory_of(package.models, model, linked),
        answer: package.answers.get(&model.model_id).cloned(),
        largest_tensors: files.map_or_else(Vec::new, |files| largest_tensors(&files.tensor_cache)),
    }
}

/// The memory a model needs, where its library's metadata says enough.
pub(crate) fn memory_of(
    models: &BTreeMap<ModelId, ModelFiles>,
    model: &PlannedModel,
    linked: &[Linked<'_>],
) -> Option<MemoryRecord> {
    let files = models.get(&model.model_id);
    let linked = linked.iter().find(|linked| *linked.name == model.model_lib)?;
    memory_record(linked, &|name| files?.chat_config.number(name))
}

fn memory_record(
    linked: &Linked<'_>,
    number: &dyn Fn(&str) -> Option<i64>,
) -> Option<MemoryRecord> {
    let prefix = linked.name.system_lib_prefix();
    let blob = linked.library.blobs().flatten().find(|blob| blob.prefix == prefix)?;
    let memory = library::memory::memory(&blob.metadata, number).ok()?;
    Some(MemoryRecord {
        parameters: memory.parameters,
        temporary: memory.temporary,
        kv_cache_per_token: memory.kv_cache_per_token,
        context: memory.context,
        total: memory.total,
        runtime: Some(memory.runtime),
    })
}

fn library_record(
    source: &LibrarySource<'_>,
    linked: &Linked<'_>,
    obtained: &BTreeMap<Fingerprint, ObtainedLibrary>,
    kernels: &Gate<'_>,
) -> LibraryRecord {
    let sizes = linked.library.sizes();
    let obtained = match &source.planned.origin {
        Origin::Prepared { .. } => None,
        Origin::Compiled { fingerprint, .. } => obtained.get(fingerprint),
    };
    let record = obtained.map(|obtained| &obtained.stored.record);
    LibraryRecord {
        model_lib: source.planned.model_lib.clone(),
        models: source.planned.models.clone(),
        origin: obtained.map_or(LibraryOrigin::Prepared, |obtained| obtained.origin),
        fingerprint: record.map(|record| record.fingerprint),
        compile_seconds: record.map(|record| record.seconds),
        digest: record.map_or_else(|| Digest::of(&source.bytes), |record| record.digest),
        sizes: LibrarySizes {
            file: sizes.file,
            host_code: sizes.host_code,
            kernels: sizes.kernels,
            blob: sizes.blob,
            archive: linked.library.archive_bytes(),
        },
        metal: linked.library.metal(),
        kernels_checked: kernels
            .checked(source.planned.model_lib.as_str())
            .or_else(|| record?.kernels.clone()),
        largest_kernels: Vec::new(),
    }
}
