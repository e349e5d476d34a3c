//! Raw checkpoints of a package: first what their models will be, then, in a build, the models.

use std::num::NonZeroUsize;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};

use super::convert::natively;
use super::fetch::{Fetched, of_model, show};
use super::raw_template::resolved;
use super::{PackageRequest, Planned};
use crate::convert::ConvertError;
use crate::convert::chat::{self, ChatRequest};
use crate::convert::engine::{Choice, Engine, Wish, choose};
use crate::convert::source;
use crate::convert::store::{ConvertedStore, InUse, Lookup};
use crate::convert::weights::Request;
use crate::error::Error;
use crate::fetch::{FetchError, HubModels, HubRaw, checkpoint_files, local};
use crate::io::cancel::Cancel;
use crate::io::files;
use crate::model::{
    ByteSize, ChatConfig, Conversion, Digest, Fingerprint, HubRepo, ModelEntry, ModelFiles,
    ModelSource, Overrides, ResolvedConversion, TensorCache,
};
use crate::plan::{CachedModel, ModelFacts, PlannedBundle, PlannedConversion};
use crate::ui::{Transfer, Ui};

/// A model that is converted from a raw checkpoint.
pub(super) struct Raw {
    entry: ModelEntry,
    conversion: ResolvedConversion,
    checkpoint: Checkpoint,
    store: ConvertedStore,
    fingerprint: Fingerprint,
    /// Kept while the converted model is linked.
    held: InUse,
}

pub(super) enum Checkpoint {
    Directory { dir: Utf8PathBuf, digest: Digest },
    Hub { repo: HubRepo, raw: HubRaw },
}

impl Fetched {
    /// Has what a plan must know of the model that a checkpoint becomes.
    pub(super) fn raw_model(
        &mut self,
        request: &PackageRequest,
        entry: &ModelEntry,
        conversion: Conversion,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<Result<ModelFacts, String>, Error> {
        if cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let store = ConvertedStore::new(&request.cache_dir);
        let checkpoint = match Checkpoint::find(&store, entry, self.hub.as_ref(), cancel) {
            Ok(checkpoint) => checkpoint,
            Err(Error::Fetch { source, .. }) if source.is_offline() => {
                return Ok(Err(source.to_string()));
            }
            Err(error) => return Err(error),
        };
        let (hub, cache_dir) = (self.hub.as_ref(), &request.cache_dir);
        let conversion = match resolved(conversion, entry, &checkpoint, hub, cache_dir, ui) {
            Err(Error::Fetch { source, .. }) if source.is_offline() => {
                return Ok(Err(source.to_string()));
            }
            conversion => conversion?,
        };
        let fingerprint = fingerprint(&checkpoint, conversion, &entry.overrides);
        let commit = match &checkpoint {
            Checkpoint::Hub { raw, .. } => Some(raw.commit.to_string()),
            Checkpoint::Directory { .. } => None,
        };
        let held = InUse::default();
        let raw = Raw { entry: entry.clone(), conversion, checkpoint, store, fingerprint, held };
        let cached = match raw.store.lookup(fingerprint) {
            Lookup::Hit => CachedModel::Hit,
            Lookup::Absent => CachedModel::Miss { damaged: None },
            Lookup::Damaged(why) => CachedModel::Miss { damaged: Some(why) },
        };
        let is_hit = cached == CachedModel::Hit;
        let files = if is_hit { raw.converted() } else { raw.to_be(self.hub.as_ref(), ui) };
        let files = match files {
            Err(Error::Fetch { source, .. }) if source.is_offline() => {
                return Ok(Err(source.to_string()));
            }
            files => files?,
        };
        let to_fetch = if is_hit { 0 } else { raw.count_missing(self) };
        let facts = ModelFacts {
            chat_config: files.chat_config.clone(),
            chat_config_path: files.chat_config_path(),
            commit,
            bundle: Some(bundle(&files, to_fetch)),
            conversion: Some(PlannedConversion { what: conversion, fingerprint, cached }),
        };
        self.models.insert(entry.model_id.clone(), files);
        self.raw.push(raw);
        Ok(Ok(facts))
    }
}

/// Has every model of the plan that comes from a raw checkpoint; says whether there is any.
pub(super) fn convert(planned: &mut Planned, ui: &Ui, cancel: &Cancel) -> Result<bool, Error> {
    let mut raws = std::mem::take(&mut planned.fetched.raw);
    for raw in &mut raws {
        let files = raw.have(planned.fetched.hub.as_ref(), ui, cancel)?;
        let model_id = &raw.entry.model_id;
        let models = &mut planned.plan.models;
        if let Some(model) = models.iter_mut().find(|model| model.model_id == *model_id) {
            model.bundle = Some(bundle(&files, 0));
        }
        planned.fetched.models.insert(model_id.clone(), files);
    }
    let any = !raws.is_empty();
    planned.fetched.raw = raws;
    Ok(any)
}

impl Checkpoint {
    fn find(
        store: &ConvertedStore,
        entry: &ModelEntry,
        hub: Option<&HubModels>,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        match (&entry.source, hub) {
            (ModelSource::Local(model), _) => {
                let dir = files::canonical(&model.dir)?;
                let found = checkpoint_files(&dir).map_err(of_model(&entry.model_id))?;
                let digest = source::digest(&found, &store.source_note(&dir), cancel)?;
                Ok(Self::Directory { dir, digest })
            }
            (ModelSource::Hub(repo), Some(hub)) => {
                let raw = hub.raw(repo).map_err(of_model(&entry.model_id))?;
                Ok(Self::Hub { repo: repo.clone(), raw })
            }
            // There is a hub where there is a model of it.
            (ModelSource::Hub(repo), None) => {
                let repo = Box::new(repo.clone());
                Err(of_model(&entry.model_id)(FetchError::PolicyOff { repo }))
            }
        }
    }
}

impl Raw {
    /// Counts what has to be downloaded; gives its bytes.
    fn count_missing(&self, fetched: &mut Fetched) -> u64 {
        let (Checkpoint::Hub { repo, raw }, Some(hub)) = (&self.checkpoint, &fetched.hub) else {
            return 0;
        };
        let (files, bytes) = hub.raw_missing(repo, raw);
        let is_same = |other: &Self| match &other.checkpoint {
            Checkpoint::Hub { repo: known, raw: of_known } => {
                (known.user(), known.repo(), &of_known.commit)
                    == (repo.user(), repo.repo(), &raw.commit)
            }
            Checkpoint::Directory { .. } => false,
        };
        let again = fetched.raw.iter().any(is_same);
        if let Some(fetch) = fetched.fetch.as_mut().filter(|_| !again) {
            fetch.files += files;
            fetch.bytes.0 += bytes;
        }
        bytes
    }

    /// The converted model, out of the cache.
    fn converted(&self) -> Result<ModelFiles, Error> {
        local(&self.store.model_dir(self.fingerprint)).map_err(of_model(&self.entry.model_id))
    }

    /// The model that the checkpoint will be, as far as it is known beforehand: its config.
    fn to_be(&self, hub: Option<&HubModels>, ui: &Ui) -> Result<ModelFiles, Error> {
        let checkpoint = self.checkpoint_dir(hub, false, ui)?;
        self.refuse_python(&checkpoint)?;
        let dir = self.store.model_dir(self.fingerprint);
        let overrides = generated(&self.entry.overrides);
        let text = chat::text(&self.chat_request(&checkpoint, &overrides, &dir))?;
        let path = checkpoint.join("config.json");
        let unusable = |why| FetchError::ChatConfig { path, why };
        let chat_config = ChatConfig::parse(text.as_bytes())
            .map_err(unusable)
            .map_err(of_model(&self.entry.model_id))?;
        let tensor_cache = TensorCache { shards: Vec::new() };
        Ok(ModelFiles { dir, chat_config, tensor_cache, files: Vec::new() })
    }

    /// Where the checkpoint is; of one from the Hub only configs and tokenizer, unless `whole`.
    fn checkpoint_dir(
        &self,
        hub: Option<&HubModels>,
        whole: bool,
        ui: &Ui,
    ) -> Result<Utf8PathBuf, Error> {
        let (repo, raw, hub) = match (&self.checkpoint, hub) {
            (Checkpoint::Hub { repo, raw }, Some(hub)) => (repo, raw, hub),
            (Checkpoint::Directory { dir, .. }, _) => return Ok(dir.clone()),
            (Checkpoint::Hub { repo, .. }, None) => {
                let repo = Box::new(repo.clone());
                return Err(of_model(&self.entry.model_id)(FetchError::PolicyOff { repo }));
            }
        };
        let (count, bytes) = if whole { hub.raw_missing(repo, raw) } else { (0, 0) };
        if count > 0 && !hub.is_offline() {
            let bytes = ByteSize(bytes);
            ui.status("Downloading", &format!("{repo}: {bytes} in {count} files"));
        }
        let transfer = Transfer::new(ui, bytes);
        let dir = match whole {
            true => hub.raw_complete(repo, raw, &|event| show(&transfer, event)),
            false => hub.raw_configs(repo, raw, &|event| show(&transfer, event)),
        };
        dir.map_err(of_model(&self.entry.model_id))
    }

    /// The model, out of the cache or converted now.
    fn have(
        &mut self,
        hub: Option<&HubModels>,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<ModelFiles, Error> {
        let model_id = self.entry.model_id.clone();
        let (found, held) = self.store.take(self.fingerprint);
        self.held = held;
        if let Lookup::Hit = found {
            ui.detail("Converted", &format!("{model_id}: cached"));
        } else {
            if let Lookup::Damaged(why) = &found {
                ui.warn(&format!("the converted model `{model_id}` is made again: {why}"));
            }
            self.make(hub, ui, cancel)?;
        }
        self.converted()
    }

    fn make(&mut self, hub: Option<&HubModels>, ui: &Ui, cancel: &Cancel) -> Result<(), Error> {
        let model_id = self.entry.model_id.as_str().to_owned();
        let waiting = || {
            ui.status("Waiting", &format!("for another mlc-package that converts {model_id}"));
        };
        let new = self.store.begin(self.fingerprint, cancel, waiting)?.ok_or(Error::Interrupted)?;
        // Somebody else may have made it meanwhile.
        let (found, held) = self.store.take(self.fingerprint);
        if let Lookup::Hit = found {
            self.held = held;
            return Ok(());
        }
        let checkpoint = self.checkpoint_dir(hub, true, ui)?;
        self.refuse_python(&checkpoint)?;
        let began = Instant::now();
        let ResolvedConversion { quantization, conv_template, .. } = self.conversion;
        ui.status("Converting", &format!("{model_id} to {}", self.conversion));
        let output = new.model_dir();
        let weights = Request {
            checkpoint: &checkpoint,
            quantization,
            output: &output,
            allow_nonfinite: false,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            cancel,
        };
        let overrides = generated(&self.entry.overrides);
        let chat = self.chat_request(&checkpoint, &overrides, &output);
        let (summary, chat) = natively(&weights, Some(chat), &model_id, ui)?;
        for warning in chat.iter().flat_map(|chat| &chat.warnings) {
            ui.warn(warning);
        }
        self.refuse_changed(cancel)?;
        let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        let written = self.entry.source.as_written();
        self.held = new.commit(written, quantization, conv_template, seconds)?;
        let (from, to) = (summary.source_bytes, summary.weight_bytes);
        ui.status("Converted", &format!("{model_id}: {to} from {from} in {seconds:.1} s"));
        Ok(())
    }

    fn chat_request<'a>(
        &self,
        checkpoint: &'a Utf8Path,
        overrides: &'a Overrides,
        output: &'a Utf8Path,
    ) -> ChatRequest<'a> {
        let (quantization, conv_template) =
            (self.conversion.quantization.name(), self.conversion.conv_template.as_str());
        ChatRequest { checkpoint, quantization, conv_template, overrides, output }
    }

    fn refuse_python(&self, checkpoint: &Utf8Path) -> Result<(), ConvertError> {
        let quantization = self.conversion.quantization.name();
        let wish = Wish { checkpoint, quantization, lora: false };
        match choose(Engine::Auto, &wish)? {
            Choice::Native { .. } => Ok(()),
            Choice::Mlc { why } => {
                let checkpoint = self.entry.source.as_written().to_owned();
                Err(ConvertError::NotInBuild { checkpoint, why })
            }
        }
    }

    /// Whoever wrote to the checkpoint meanwhile may have left half of this and half of that.
    fn refuse_changed(&self, cancel: &Cancel) -> Result<(), Error> {
        let Checkpoint::Directory { dir, digest } = &self.checkpoint else { return Ok(()) };
        let found = checkpoint_files(dir).map_err(of_model(&self.entry.model_id))?;
        match source::digest(&found, &self.store.source_note(dir), cancel)? == *digest {
            true => Ok(()),
            false => Err(ConvertError::Changed { checkpoint: dir.clone() }.into()),
        }
    }
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

/// Everything that can change the converted model. Our version stands for how we convert.
fn fingerprint(
    checkpoint: &Checkpoint,
    conversion: ResolvedConversion,
    overrides: &Overrides,
) -> Fingerprint {
    let source = match checkpoint {
        Checkpoint::Directory { digest, .. } => digest.to_string(),
        Checkpoint::Hub { repo, raw } => format!("{repo}@{}", raw.commit),
    };
    let text = format!(
        "mlc-package converted model 1\nnative {}\n{source}\n{}\n{}\n{}",
        env!("CARGO_PKG_VERSION"),
        conversion.quantization,
        conversion.conv_template,
        generated(overrides).to_argument()
    );
    Fingerprint(Digest::of(text.as_bytes()))
}

fn bundle(files: &ModelFiles, to_fetch: u64) -> PlannedBundle {
    PlannedBundle {
        dir: files.dir.clone(),
        files: files.files.len() as u64,
        bytes: ByteSize(files.bytes()),
        to_fetch: ByteSize(to_fetch),
    }
}
