//! The models of a package: what a plan must know of each, and then what bundled ones lack.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8Path;

use super::hub::{FetchEvent, HubError, HubOptions, Notices};
use super::{FetchError, HubModel, HubModels, HubModelsOptions, Lock, LockError, MlcCache, local};
use crate::io::cancel::Cancel;
use crate::io::environment::Environment;
use crate::model::{
    ByteSize, Device, DownloadPolicy, HubRepo, ModelEntry, ModelFiles, ModelId, ModelSource,
    PackageConfig,
};
use crate::plan::{FoundModel, ModelFacts, PlannedBundle, PlannedFetch};
use crate::ui::{Transfer, Ui};

/// Why the models that were asked for cannot be had. Exit 11, but for a model's own config: 10, and
/// for a name that is not in the config: 2.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// A model's files cannot be used.
    #[error("{}{source}", named(.model_id.as_deref()))]
    Model {
        /// The model; none where it is the only one.
        model_id: Option<String>,
        /// Why.
        source: Box<FetchError>,
    },
    /// More to download than there is room for.
    #[error("the bundled models need {needed} more, and {free} are free where they go")]
    NoRoom {
        /// The bytes to download.
        needed: ByteSize,
        /// The bytes that are free.
        free: ByteSize,
    },
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The Hub's settings.
    #[error(transparent)]
    Hub(Box<HubError>),
    /// `lock --update` names a model that the config does not have.
    #[error("--update {name}: the config has no such model of the Hub")]
    NotInConfig {
        /// What was named.
        name: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

fn named(model_id: Option<&str>) -> String {
    model_id.map(|model_id| format!("model `{model_id}`: ")).unwrap_or_default()
}

impl From<HubError> for ModelsError {
    fn from(error: HubError) -> Self {
        Self::Hub(Box::new(error))
    }
}

impl ModelsError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Model { source, .. } => source.help(),
            Self::NoRoom { .. } => Some(
                "make room (`mlc-package cache prune`), or name another place in HF_HUB_CACHE"
                    .to_owned(),
            ),
            Self::Lock(error) => error.help().map(str::to_owned),
            Self::Hub(error) => error.help(),
            Self::NotInConfig { known, .. } => Some(match known.as_slice() {
                [] => "it has none at all: there is nothing to pin".to_owned(),
                known => format!("its models of the Hub are: {}", known.join(", ")),
            }),
            Self::Interrupted => None,
        }
    }

    /// Whether it is the answer to Ctrl-C or SIGTERM.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Model { source, .. } => source.is_interrupted(),
            _ => false,
        }
    }

    /// Whether it is a model's own config that is wrong.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Model { source, .. } if source.is_config())
    }

    /// Whether it is the command line that is wrong.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NotInConfig { .. })
    }

    /// Why a model is not here, where it may not be asked for.
    pub fn offline(&self) -> Option<String> {
        match self {
            Self::Model { source, .. } if source.is_offline() => Some(source.to_string()),
            _ => None,
        }
    }
}

/// How the models of the Hub are to be had.
#[derive(Debug)]
pub struct HubRequest<'a> {
    /// The variables and the working directory of this process.
    pub environment: &'a Environment,
    /// This tool's own cache.
    pub cache_dir: &'a Utf8Path,
    /// The package config whose lock file pins them; none if nothing does.
    pub package_config: Option<&'a Utf8Path>,
    /// Whether every model must be in the lock file.
    pub locked: bool,
    /// Whether the Hub must not be asked.
    pub offline: bool,
    /// When models may be downloaded.
    pub policy: DownloadPolicy,
}

impl HubRequest<'_> {
    /// The Hub, as the environment and the command line have it.
    pub fn open(&self, ui: &Ui, cancel: &Cancel) -> Result<HubModels, ModelsError> {
        let environment = self.environment;
        let variable = |name: &str| environment.text(name);
        let home = environment.directory.join(variable("HOME").unwrap_or_default());
        let get = |name: &str| variable(name).map(str::to_owned);
        let mut hub = HubOptions::from_variables(&get, &home, self.cache_dir)?;
        hub.offline |= self.offline;
        let voice = ui.clone();
        hub.notices =
            Notices::new(move |why, after| voice.retrying(&format!("the Hub: {why}"), after));
        hub.cache_dir = environment.directory.join(&hub.cache_dir);
        let lock = match self.package_config {
            Some(config) => Lock::read(&Lock::path_for(config))?,
            None => None,
        };
        let mlc = MlcCache::new(variable, &environment.directory, self.policy);
        let cache_dir = self.cache_dir.to_owned();
        let options = HubModelsOptions { hub, cache_dir, mlc, lock, locked: self.locked };
        Ok(HubModels::new(options, cancel.clone()))
    }
}

/// The models of a package, as far as they are on this machine.
pub struct PackageModels {
    /// Their files.
    pub files: BTreeMap<ModelId, ModelFiles>,
    /// The Hub, where there is a model of it.
    pub hub: Option<Arc<HubModels>>,
    /// What is to be downloaded for the bundled ones.
    fetch: Option<PlannedFetch>,
    device: Device,
    /// The bundled ones of the Hub.
    bundled: Vec<(ModelId, HubRepo, HubModel)>,
}

impl PackageModels {
    /// Nothing of them is known yet.
    pub fn new(
        request: &HubRequest<'_>,
        config: &PackageConfig,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<Self, ModelsError> {
        let from_hub = |entry: &ModelEntry| matches!(entry.source, ModelSource::Hub(_));
        let hub = match config.models.iter().any(from_hub) {
            true => Some(Arc::new(request.open(ui, cancel)?)),
            false => None,
        };
        let fetch = hub.as_ref().map(|_| PlannedFetch::default());
        Ok(Self { files: BTreeMap::new(), fetch, hub, device: config.device, bundled: Vec::new() })
    }

    /// Has what a plan must know of a model: two small files of one from the Hub.
    pub fn metadata(&mut self, entry: &ModelEntry, ui: &Ui) -> Result<FoundModel, ModelsError> {
        match &entry.source {
            ModelSource::Local(model) => {
                let files = local(&model.dir).map_err(of_model(&entry.model_id))?;
                self.warn_of_nested(entry, &files, ui);
                let facts = facts(entry, &files, None, 0);
                self.files.insert(entry.model_id.clone(), files);
                Ok(FoundModel::Known(Box::new(facts)))
            }
            ModelSource::Hub(repo) => self.hub_model(entry, repo, ui),
        }
    }

    /// Adds to what is to be downloaded.
    pub fn count(&mut self, files: u64, bytes: u64) {
        if let Some(fetch) = &mut self.fetch {
            fetch.files = fetch.files.saturating_add(files);
            fetch.bytes.0 = fetch.bytes.0.saturating_add(bytes);
        }
    }

    /// What is to be downloaded, and what is free; none without models of the Hub.
    pub fn to_fetch(&self) -> Option<PlannedFetch> {
        let free = self.hub.as_ref()?.free_bytes().unwrap_or_default();
        self.fetch.map(|fetch| PlannedFetch { free: ByteSize(free), ..fetch })
    }

    fn hub_model(
        &mut self,
        entry: &ModelEntry,
        repo: &HubRepo,
        ui: &Ui,
    ) -> Result<FoundModel, ModelsError> {
        // There is a hub where there is a model of it.
        let Some(hub) = &self.hub else {
            return Ok(FoundModel::NotHere { why: "no Hub".to_owned() });
        };
        // Two small files, of sizes that are not known yet.
        let transfer = Transfer::new(ui, 0);
        let model = match hub.metadata(repo, entry.bundle_weight, &|event| show(&transfer, event)) {
            Ok(model) => model,
            Err(error) if error.is_offline() => {
                return Ok(FoundModel::NotHere { why: error.to_string() });
            }
            Err(error) => return Err(of_model(&entry.model_id)(error)),
        };
        let commit = model.commit.as_ref().map(ToString::to_string);
        if let Some(revision) = repo.revision().filter(|_| !entry.bundle_weight) {
            // Upstream's apps have `resolve/main` in their code.
            ui.warn(&format!(
                "model `{}`: its library is for the revision `{}`, but the app downloads its \
                 weights from `main`; bundle them to ship that revision",
                entry.model_id,
                revision.as_str()
            ));
        }
        if !entry.bundle_weight && model.files.older_tensor_cache().is_some() {
            ui.warn(&format!(
                "model `{}`: `{repo}` has its tensor cache as ndarray-cache.json only, and apps \
                 download tensor-cache.json; bundle its weights, or have the repository converted \
                 again",
                entry.model_id
            ));
        }
        self.warn_of_nested(entry, &model.files, ui);
        for why in &model.unloadable {
            let model_id = &entry.model_id;
            ui.warn(&format!(
                "model `{model_id}`: no app can load `{repo}`: {why}; {}",
                why.help()
            ));
        }
        let facts = facts(entry, &model.files, commit, model.missing_bytes);
        self.files.insert(entry.model_id.clone(), model.files.clone());
        if entry.bundle_weight {
            let again = self.bundled.iter().any(|(_, known, of)| is_same(known, of, repo, &model));
            if !again {
                self.count(model.missing_files, model.missing_bytes);
            }
            self.bundled.push((entry.model_id.clone(), repo.clone(), model));
        }
        Ok(FoundModel::Known(Box::new(facts)))
    }

    fn warn_of_nested(&self, entry: &ModelEntry, files: &ModelFiles, ui: &Ui) {
        let nested = files.tensor_cache.nested().filter(|_| self.device == Device::Android);
        if let Some(shard) = nested {
            ui.warn(&format!(
                "model `{}`: its shard `{shard}` lies in a subdirectory, and the Android app of MLC \
                 LLM makes no directories for what it downloads; have the model converted again",
                entry.model_id
            ));
        }
    }

    /// Downloads what bundled models lack.
    ///
    /// # Errors
    /// There is no room for it, or it cannot be had.
    pub fn complete(&self, fetch: Option<PlannedFetch>, ui: &Ui) -> Result<(), ModelsError> {
        let Some(hub) = &self.hub else { return Ok(()) };
        // Each model is held against the disk again: others write to it too.
        if let Some(PlannedFetch { bytes: needed, free, .. }) =
            fetch.filter(|fetch| fetch.bytes > fetch.free)
        {
            return Err(ModelsError::NoRoom { needed, free });
        }
        for (index, (model_id, repo, model)) in self.bundled.iter().enumerate() {
            let mut before = self.bundled.iter().take(index);
            if before.any(|(_, known, of)| is_same(known, of, repo, model)) {
                continue;
            }
            if model.missing_bytes > 0 && !hub.is_offline() {
                let (bytes, files) = (ByteSize(model.missing_bytes), model.missing_files);
                ui.status("Downloading", &format!("{model_id}: {bytes} in {files} files"));
            }
            let transfer = Transfer::new(ui, model.missing_bytes);
            hub.complete(repo, model, &|event| show(&transfer, event))
                .map_err(of_model(model_id))?;
        }
        Ok(())
    }
}

/// Whether two models have the same files: what was downloaded for one is there for the other.
fn is_same(one: &HubRepo, model: &HubModel, other: &HubRepo, of_other: &HubModel) -> bool {
    (one.user(), one.repo(), &model.commit) == (other.user(), other.repo(), &of_other.commit)
}

fn facts(
    entry: &ModelEntry,
    files: &ModelFiles,
    commit: Option<String>,
    to_fetch: u64,
) -> ModelFacts {
    ModelFacts {
        chat_config: files.chat_config.clone(),
        chat_config_path: files.chat_config_path(),
        commit,
        conversion: None,
        bundle: entry.bundle_weight.then(|| PlannedBundle {
            dir: files.dir.clone(),
            files: files.files.len() as u64,
            bytes: ByteSize(files.bytes()),
            to_fetch: ByteSize(to_fetch),
        }),
    }
}

/// The model that an error is about.
pub fn of_model(model_id: &ModelId) -> impl Fn(FetchError) -> ModelsError {
    move |source| match source.is_interrupted() {
        true => ModelsError::Interrupted,
        false => {
            let model_id = Some(model_id.to_string());
            ModelsError::Model { model_id, source: Box::new(source) }
        }
    }
}

/// Shows what is downloaded.
pub fn show(transfer: &Transfer<'_>, event: FetchEvent) {
    match event {
        FetchEvent::Started { file, bytes } => transfer.begin(file.as_str(), bytes),
        FetchEvent::Progress { file, bytes_so_far } => {
            transfer.at(file.as_str(), bytes_so_far);
        }
        FetchEvent::Verified { file } => transfer.end(file.as_str()),
        FetchEvent::Retry { file, why, after } => {
            transfer.retry(file.as_str(), &why, after);
        }
    }
}
