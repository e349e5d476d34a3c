//! Raw checkpoints of a package: first what their models will be, then, in a build, the models.

use std::time::Duration;

use super::checkpoint::{Checkpoint, Shown};
use super::converter::{Asked, By};
use super::template::resolved;
use crate::convert::chat;
use crate::convert::store::{ConvertedStore, Lookup};
use crate::error::Error;
use crate::fetch::package::{Fetched, of_model};
use crate::fetch::{FetchError, HubModels, local};
use crate::io::cancel::Cancel;
use crate::io::files;
use crate::io::in_use::InUse;
use crate::model::{
    ByteSize, ChatConfig, Conversion, Device, Fingerprint, ModelEntry, ModelFiles, Overrides,
    ResolvedConversion, TensorCache,
};
use crate::pipeline::{BuildRequest, PackageRequest, Planned};
use crate::plan::{CachedModel, ModelFacts, PlannedBundle, PlannedConversion, PlannedEngine};
use crate::ui::Ui;

/// A model that is converted from a raw checkpoint.
pub(crate) struct Raw {
    pub(crate) entry: ModelEntry,
    pub(crate) conversion: ResolvedConversion,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) store: ConvertedStore,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) by: By,
    /// Kept while the converted model, or its config, is used.
    pub(crate) held: Vec<InUse>,
}

impl Fetched {
    /// Has what a plan must know of the model that a checkpoint becomes; what is not here and
    /// must not be asked for is said in words.
    pub(crate) fn raw_model(
        &mut self,
        request: &PackageRequest,
        device: Device,
        (entry, conversion): (&ModelEntry, Conversion),
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<Result<ModelFacts, String>, Error> {
        if cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        match self.raw_facts(request, device, (entry, conversion), ui, cancel) {
            Err(Error::Fetch { source, .. }) if source.is_offline() => Ok(Err(source.to_string())),
            facts => facts.map(Ok),
        }
    }

    fn raw_facts(
        &mut self,
        request: &PackageRequest,
        device: Device,
        (entry, conversion): (&ModelEntry, Conversion),
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<ModelFacts, Error> {
        let (store, cache_dir) = (ConvertedStore::new(&request.cache_dir), &request.cache_dir);
        let checkpoint = Checkpoint::find(&store, entry, self.hub.as_ref(), cancel)?;
        let hub = self.hub.as_ref();
        let conversion = resolved(conversion, entry, &checkpoint, hub, cache_dir, ui)?;
        let asked = Asked { request, device, entry, conversion, store: &store, ui, cancel };
        let commit = match &checkpoint {
            Checkpoint::Hub { raw, .. } => Some(raw.commit.to_string()),
            Checkpoint::Directory { .. } => None,
        };
        let (by, fingerprint) = self.by(&asked, &checkpoint)?;
        let cached = match store.lookup(fingerprint) {
            Lookup::Hit => CachedModel::Hit,
            Lookup::Absent => CachedModel::Miss { damaged: None },
            Lookup::Damaged(why) => CachedModel::Miss { damaged: Some(why) },
        };
        let (entry, held) = (entry.clone(), Vec::new());
        let mut raw = Raw { entry, conversion, checkpoint, store, fingerprint, by, held };
        let is_hit = cached == CachedModel::Hit;
        let files = match is_hit {
            true => raw.converted()?,
            false => raw.foreseen(self.hub.as_ref(), ui, cancel)?,
        };
        let to_fetch = if is_hit { 0 } else { raw.checkpoint.count_missing(self) };
        let engine = match &raw.by {
            By::Native { .. } => PlannedEngine::Native,
            By::Mlc(python) => PlannedEngine::Mlc { why: python.why.clone() },
        };
        let facts = ModelFacts {
            chat_config: files.chat_config.clone(),
            chat_config_path: files.chat_config_path(),
            commit,
            bundle: Some(bundle(&files, to_fetch)),
            conversion: Some(PlannedConversion { what: conversion, engine, fingerprint, cached }),
        };
        self.models.insert(raw.entry.model_id.clone(), files);
        self.raw.push(raw);
        Ok(facts)
    }
}

/// Has every model of the plan that comes from a raw checkpoint; says whether there is any.
pub(crate) fn convert(
    request: &BuildRequest,
    planned: &mut Planned,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<bool, Error> {
    let mut raws = std::mem::take(&mut planned.fetched.raw);
    for raw in &mut raws {
        let files = raw.have(request, planned.fetched.hub.as_ref(), ui, cancel)?;
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

impl Raw {
    /// The converted model, out of the cache.
    fn converted(&self) -> Result<ModelFiles, Error> {
        local(&self.store.model_dir(self.fingerprint)).map_err(of_model(&self.entry.model_id))
    }

    /// The model that the checkpoint will be, as far as it is known beforehand: its config.
    fn foreseen(
        &mut self,
        hub: Option<&HubModels>,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<ModelFiles, Error> {
        let dir = self.store.model_dir(self.fingerprint);
        let model_id = &self.entry.model_id;
        let (path, text) = match &self.by {
            By::Native { .. } => {
                let checkpoint = self.checkpoint.dir(model_id, hub, false, ui)?;
                let overrides = generated(&self.entry.overrides);
                let text = chat::text(&self.chat_request(&checkpoint, &overrides, &dir))?;
                (checkpoint.join("config.json"), text.into_bytes())
            }
            By::Mlc(python) => {
                let by_mlc = self.by_mlc(python, Duration::ZERO);
                let had = by_mlc.config(&self.shown(hub, ui, cancel), ui, cancel)?;
                let path = had.dir.join(ChatConfig::FILE_NAME);
                let text = files::read(&path)?;
                self.held.push(had.held);
                (path, text)
            }
        };
        let unusable = |why| FetchError::ChatConfig { path, why };
        let chat_config =
            ChatConfig::parse(&text).map_err(unusable).map_err(of_model(&self.entry.model_id))?;
        let tensor_cache = TensorCache { shards: Vec::new() };
        Ok(ModelFiles { dir, chat_config, tensor_cache, files: Vec::new() })
    }

    fn shown<'a>(
        &'a self,
        hub: Option<&'a HubModels>,
        ui: &'a Ui,
        cancel: &'a Cancel,
    ) -> Shown<'a> {
        let (checkpoint, store, model_id) = (&self.checkpoint, &self.store, &self.entry.model_id);
        Shown { checkpoint, store, model_id, hub, ui, cancel }
    }

    /// The model, out of the cache or converted now.
    fn have(
        &mut self,
        request: &BuildRequest,
        hub: Option<&HubModels>,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<ModelFiles, Error> {
        let had = match &self.by {
            By::Native { quantization } => self.natively(*quantization, hub, ui, cancel)?,
            By::Mlc(python) => {
                let by_mlc = self.by_mlc(python, request.compile_limit);
                by_mlc.model(&self.shown(hub, ui, cancel), ui, cancel)?
            }
        };
        if had.seconds.is_none() {
            ui.detail("Converted", &format!("{}: cached", self.entry.model_id));
        }
        self.held.push(had.held);
        self.converted()
    }
}

/// What of an entry's overrides `mlc-chat-config.json` is made with. There -1 would be a value;
/// here it leaves the model's own.
pub(crate) fn generated(overrides: &Overrides) -> Overrides {
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
