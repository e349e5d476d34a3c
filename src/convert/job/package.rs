//! The raw checkpoints of a package: first what their models will be, then, in a build, the models.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::JobError;
use super::cached::{CachedEntry, entry};
use super::checkpoint::Checkpoint;
use super::conversion::{Job, MlcSetup};
use super::template::resolved;
use crate::convert::chat;
use crate::convert::engine::{Choice, Engine, MlcArguments, Why};
use crate::convert::{ConvertedRecord, ConvertedStore, Extent};
use crate::fetch::package::{ModelsError, PackageModels, of_model};
use crate::fetch::{FetchError, local};
use crate::io::cancel::Cancel;
use crate::io::environment::Environment;
use crate::io::files;
use crate::io::in_use::InUse;
use crate::model::{
    ByteSize, ChatConfig, CompilerChoice, Conversion, Digest, Fingerprint, MetalChoice, ModelEntry,
    ModelFiles, ModelId, ModelSource, Overrides, ResolvedConversion, Target, TensorCache,
};
use crate::plan::{
    CachedModel, FoundModel, ModelFacts, PlannedBundle, PlannedConversion, PlannedEngine,
};
use crate::store::{Bucket, Lookup, Miss};
use crate::toolchain::{Toolchain, ToolchainError, ToolchainRequest, identify};
use crate::ui::Ui;

/// What the conversions of a package are done with.
#[derive(Clone, Copy, Debug)]
pub struct ConversionsRequest<'a> {
    /// The variables and the working directory of this process.
    pub environment: &'a Environment,
    /// Our caches.
    pub cache_dir: &'a Utf8Path,
    /// Which compiler is meant.
    pub compiler: &'a CompilerChoice,
    /// What the package is for.
    pub target: &'a Target,
    /// How kernels for Apple's GPUs are to be stored.
    pub metal: MetalChoice,
    /// Whether the Hub must not be asked.
    pub offline: bool,
}

/// The models of a package that are converted from raw checkpoints.
pub struct PackageConversions {
    store: ConvertedStore,
    arguments: MlcArguments,
    /// The Python that converts some of them, where one had to be looked for.
    pub toolchain: Option<Toolchain>,
    planned: Vec<ToConvert>,
}

/// A model that is converted.
struct ToConvert {
    entry: ModelEntry,
    conversion: ResolvedConversion,
    /// What `mlc-chat-config.json` is made with.
    overrides: Overrides,
    /// What it is converted to, in words.
    to: String,
    checkpoint: Checkpoint,
    fingerprint: Fingerprint,
    converter: Converter,
    /// Kept while the converted model, or its config, is used.
    held: Vec<InUse>,
}

/// Who converts.
enum Converter {
    ThisProgram,
    Mlc(Box<MlcSetup>),
}

impl PackageConversions {
    /// None are known yet.
    pub fn new(cache_dir: &Utf8Path) -> Self {
        Self {
            store: ConvertedStore::new(cache_dir),
            arguments: MlcArguments::default(),
            toolchain: None,
            planned: Vec::new(),
        }
    }

    /// Has what a plan must know of the model that a checkpoint becomes.
    pub fn plan(
        &mut self,
        request: &ConversionsRequest<'_>,
        (entry, conversion): (&ModelEntry, Conversion),
        models: &mut PackageModels,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<FoundModel, JobError> {
        if cancel.is_cancelled() {
            return Err(JobError::Interrupted);
        }
        match self.facts(request, (entry, conversion), models, ui, cancel) {
            Ok(facts) => Ok(FoundModel::Known(Box::new(facts))),
            Err(JobError::Models(error)) => match error.offline() {
                Some(why) => Ok(FoundModel::NotHere { why }),
                None => Err(error.into()),
            },
            Err(error) => Err(error),
        }
    }

    fn facts(
        &mut self,
        request: &ConversionsRequest<'_>,
        (entry, conversion): (&ModelEntry, Conversion),
        models: &mut PackageModels,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<ModelFacts, JobError> {
        let checkpoint = checkpoint_of(entry, models)?;
        let conversion = resolved(conversion, entry, &checkpoint, request.cache_dir, ui)?;
        let overrides = generated(&entry.overrides);
        let to = conversion.to_string();
        let job = Job {
            checkpoint: &checkpoint,
            model: entry.source.as_written(),
            name: entry.model_id.as_str(),
            quantization: conversion.quantization.name(),
            conv_template: Some(conversion.conv_template.as_str()),
            to: &to,
            overrides: &overrides,
            arguments: &self.arguments,
            store: &self.store,
            environment: request.environment,
            offline: request.offline,
            ui,
            cancel,
        };
        let (converter, fingerprint) = converter(job, conversion, request, &mut self.toolchain)?;
        let cached = match self.store.lookup(fingerprint) {
            Lookup::Hit(_) => CachedModel::Hit,
            Lookup::Miss(Miss::Absent) => CachedModel::Miss { damaged: None },
            Lookup::Miss(Miss::Damaged(why)) => {
                CachedModel::Miss { damaged: Some(why.to_string()) }
            }
        };
        let is_hit = cached == CachedModel::Hit;
        let mut held = Vec::new();
        let files = match is_hit {
            true => converted(job, fingerprint, &entry.model_id)?,
            false => foreseen(job, &converter, fingerprint, &entry.model_id, &mut held)?,
        };
        let to_fetch = if is_hit { 0 } else { self.count_missing(&checkpoint, models) };
        let engine = match &converter {
            Converter::ThisProgram => PlannedEngine::Native,
            Converter::Mlc(setup) => PlannedEngine::Mlc { why: setup.why.clone() },
        };
        let facts = ModelFacts {
            chat_config: files.chat_config.clone(),
            chat_config_path: files.chat_config_path(),
            commit: checkpoint.commit(),
            bundle: Some(bundle(&files, to_fetch)),
            conversion: Some(PlannedConversion { what: conversion, engine, fingerprint, cached }),
        };
        models.files.insert(entry.model_id.clone(), files);
        let entry = entry.clone();
        self.planned.push(ToConvert {
            entry,
            conversion,
            overrides,
            to,
            checkpoint,
            fingerprint,
            converter,
            held,
        });
        Ok(facts)
    }

    /// Counts what has to be downloaded of a checkpoint; gives its bytes.
    fn count_missing(&self, checkpoint: &Checkpoint, models: &mut PackageModels) -> u64 {
        let (files, bytes) = checkpoint.missing();
        let again = self.planned.iter().any(|other| other.checkpoint.is_same(checkpoint));
        if !again {
            models.count(files, bytes);
        }
        bytes
    }

    /// Whether there is anything to convert, done before or not.
    pub fn is_empty(&self) -> bool {
        self.planned.is_empty()
    }

    /// Has every model: out of the cache, or converted now. `convert_weight` may take `limit`. Says
    /// of each what is bundled.
    pub fn convert(
        &mut self,
        request: &ConversionsRequest<'_>,
        limit: Duration,
        models: &mut PackageModels,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<Vec<(ModelId, PlannedBundle)>, JobError> {
        let mut bundles = Vec::new();
        for model in &mut self.planned {
            let job = Job {
                checkpoint: &model.checkpoint,
                model: model.entry.source.as_written(),
                name: model.entry.model_id.as_str(),
                quantization: model.conversion.quantization.name(),
                conv_template: Some(model.conversion.conv_template.as_str()),
                to: &model.to,
                overrides: &model.overrides,
                arguments: &self.arguments,
                store: &self.store,
                environment: request.environment,
                offline: request.offline,
                ui,
                cancel,
            };
            let had = match &model.converter {
                Converter::ThisProgram => natively(job, model.fingerprint)?,
                Converter::Mlc(setup) => setup.model(job, limit)?,
            };
            if had.seconds.is_none() {
                ui.detail("Converted", &format!("{}: cached", job.name));
            }
            let model_id = &model.entry.model_id;
            let files = converted(job, model.fingerprint, model_id)?;
            let digests = job.store.record(model.fingerprint).map(ConvertedRecord::into_digests);
            models.expect_converted(model_id, digests.unwrap_or_default());
            model.held.push(had.held);
            bundles.push((model_id.clone(), bundle(&files, 0)));
            models.files.insert(model_id.clone(), files);
            models.judge_tokenizer(model_id, ui)?;
        }
        Ok(bundles)
    }
}

fn checkpoint_of(entry: &ModelEntry, models: &PackageModels) -> Result<Checkpoint, JobError> {
    let model_id = Some(entry.model_id.clone());
    match (&entry.source, &models.hub) {
        (ModelSource::Local(model), _) => {
            Ok(Checkpoint::directory(files::canonical(&model.dir)?, model_id))
        }
        (ModelSource::Hub(repo), Some(hub)) => Ok(Checkpoint::on_hub(hub, repo, true, model_id)?),
        // There is a hub where there is a model of it.
        (ModelSource::Hub(repo), None) => {
            let repo = Box::new(repo.clone());
            Err(of_model(&entry.model_id)(FetchError::PolicyOff { repo }).into())
        }
    }
}

/// Who converts a checkpoint, and the model's address in the cache.
fn converter(
    job: Job<'_>,
    conversion: ResolvedConversion,
    request: &ConversionsRequest<'_>,
    toolchain: &mut Option<Toolchain>,
) -> Result<(Converter, Fingerprint), JobError> {
    let natively = match conversion.quantization.native() {
        Some(_) => Some(native_fingerprint(job, conversion)?),
        None => None,
    };
    // What was converted needs no checkpoint any more.
    let is_here = |fingerprint: &Fingerprint| {
        job.presharded().is_none() && matches!(job.store.lookup(*fingerprint), Lookup::Hit(_))
    };
    if let Some(fingerprint) = natively.filter(is_here) {
        return Ok((Converter::ThisProgram, fingerprint));
    }
    let choice = match job.choose(Engine::Auto) {
        Err(JobError::Models(error)) if error.offline().is_some() => {
            let converted = earlier_by_mlc(job, request, toolchain);
            return converted.ok_or(JobError::Models(error));
        }
        choice => choice?,
    };
    let why = match (choice, natively) {
        (Choice::Native { .. }, Some(fingerprint)) => {
            return Ok((Converter::ThisProgram, fingerprint));
        }
        (Choice::Native { why } | Choice::Mlc { why }, _) => why,
    };
    let found = compiler(request, toolchain, job.ui, job.cancel);
    let found = found.map_err(|error| job.no_mlc(error, &why))?.clone();
    let setup = job.mlc_setup(found, why.to_string())?;
    let fingerprint = setup.inputs.fingerprint();
    Ok((Converter::Mlc(Box::new(setup)), fingerprint))
}

/// A model that MLC LLM converted when the checkpoint's config could still be had.
fn earlier_by_mlc(
    job: Job<'_>,
    request: &ConversionsRequest<'_>,
    toolchain: &mut Option<Toolchain>,
) -> Option<(Converter, Fingerprint)> {
    let found = compiler(request, toolchain, job.ui, job.cancel).ok()?.clone();
    let mut setup = job.mlc_setup(found, String::new()).ok()?;
    let fingerprint = setup.inputs.fingerprint();
    let record = job.store.record(fingerprint)?;
    setup.why = record.why;
    Some((Converter::Mlc(Box::new(setup)), fingerprint))
}

/// The Python that has MLC LLM, asked for once.
fn compiler<'t>(
    request: &ConversionsRequest<'_>,
    toolchain: &'t mut Option<Toolchain>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<&'t Toolchain, ToolchainError> {
    let found = match toolchain.take() {
        Some(found) => found,
        None => identify(&ToolchainRequest {
            compiler: request.compiler,
            environment: request.environment,
            cache_dir: request.cache_dir,
            target: request.target,
            metal: request.metal,
            host: None,
            limit: Toolchain::DEFAULT_LIMIT,
            ui,
            cancel,
        })?,
    };
    Ok(toolchain.insert(found))
}

/// The converted model, out of the cache.
fn converted(
    job: Job<'_>,
    fingerprint: Fingerprint,
    model_id: &ModelId,
) -> Result<ModelFiles, ModelsError> {
    local(&job.store.model_dir(fingerprint)).map_err(of_model(model_id))
}

/// The model that the checkpoint will be, as far as it is known beforehand: its config.
fn foreseen(
    job: Job<'_>,
    converter: &Converter,
    fingerprint: Fingerprint,
    model_id: &ModelId,
    held: &mut Vec<InUse>,
) -> Result<ModelFiles, JobError> {
    let dir = job.store.model_dir(fingerprint);
    let (path, text) = match converter {
        Converter::ThisProgram => {
            let checkpoint = job.checkpoint.dir(false, job.ui)?;
            let text = match job.chat_request(&checkpoint, &dir) {
                Some(request) => chat::text(&request)?,
                None => String::new(),
            };
            (checkpoint.join("config.json"), text.into_bytes())
        }
        Converter::Mlc(setup) => {
            let had = setup.config(job)?;
            let path = had.dir.join(ChatConfig::FILE_NAME);
            let text = files::read(&path)?;
            held.push(had.held);
            (path, text)
        }
    };
    let unusable = |why| FetchError::ChatConfig { path, why };
    let chat_config = ChatConfig::parse(&text).map_err(unusable).map_err(of_model(model_id))?;
    let tensor_cache = TensorCache { shards: Vec::new() };
    Ok(ModelFiles { dir, chat_config, tensor_cache, files: Vec::new() })
}

/// The model, out of the cache or converted now by this program.
fn natively(job: Job<'_>, fingerprint: Fingerprint) -> Result<CachedEntry, JobError> {
    let Job { checkpoint, name, to, ui, .. } = job;
    let why = Why::AllNative.to_string();
    let record = job.record(fingerprint, Extent::Model, "native", &why);
    let mut sizes = None;
    let had = entry(&job, record, |new| {
        let dir = checkpoint.dir(true, ui)?;
        let began = Instant::now();
        ui.status("Converting", &format!("{name} to {to} (native: {})", Why::AllNative));
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let (summary, chat) = job.natively(&dir, &new.model_dir(), threads, false)?;
        for warning in chat.iter().flat_map(|chat| &chat.warnings) {
            ui.warn(warning);
        }
        sizes = Some((summary.source_bytes, summary.weight_bytes));
        job.refuse_changed()?;
        Ok(began)
    })?;
    if let (Some(seconds), Some((from, to))) = (had.seconds, sizes) {
        ui.status("Converted", &format!("{name}: {to} from {from} in {seconds:.1} s"));
    }
    Ok(had)
}

/// Everything that can change a model that is converted natively. Our version stands for how we
/// convert.
fn native_fingerprint(
    job: Job<'_>,
    conversion: ResolvedConversion,
) -> Result<Fingerprint, JobError> {
    let text = format!(
        "mlc-package converted model {}\nnative {}\n{}\n{}\n{}\n{}",
        Bucket::CONVERTED.format,
        env!("CARGO_PKG_VERSION"),
        job.checkpoint.identity(job.store, job.cancel)?,
        conversion.quantization,
        conversion.conv_template,
        job.overrides.to_argument()
    );
    Ok(Fingerprint(Digest::of(text.as_bytes())))
}

/// What of an entry's overrides `mlc-chat-config.json` is made with. There -1 would be a value;
/// here it leaves the model's own.
fn generated(overrides: &Overrides) -> Overrides {
    let own = |value: Option<i64>| value.filter(|value| *value != -1);
    Overrides {
        context_window_size: own(overrides.context_window_size),
        sliding_window_size: own(overrides.sliding_window_size),
        attention_sink_size: own(overrides.attention_sink_size),
        opt: None,
        ..overrides.clone()
    }
}

fn bundle(files: &ModelFiles, to_fetch: u64) -> PlannedBundle {
    PlannedBundle {
        dir: files.dir.clone(),
        files: files.files.len() as u64,
        bytes: ByteSize(files.bytes()),
        to_fetch: ByteSize(to_fetch),
    }
}
