//! The fetch stage: every model's files, those of the Hub's as far as they are needed.

use std::collections::BTreeMap;

use crate::convert::job::package::Raw;
use crate::error::Error;
use crate::fetch::hub::{FetchEvent, HubOptions};
use crate::fetch::{FetchError, HubModel, HubModels, HubModelsOptions, Lock, MlcCache, local};
use crate::io::process::Cancel;
use crate::model::{
    ByteSize, HubRepo, ModelEntry, ModelFiles, ModelId, ModelSource, PackageConfig,
};
use crate::pipeline::PackageRequest;
use crate::plan::{ModelFacts, PlannedBundle, PlannedFetch};
use crate::toolchain::Toolchain;
use crate::ui::{Transfer, Ui};

/// The models of a package, as far as they are on this machine.
pub(crate) struct Fetched {
    /// What a plan must know of each, in the config's order; or why nothing is known.
    pub(crate) facts: Vec<Result<ModelFacts, String>>,
    /// Their files.
    pub(crate) models: BTreeMap<ModelId, ModelFiles>,
    /// What is to be downloaded for the bundled ones.
    pub(crate) fetch: Option<PlannedFetch>,
    pub(crate) hub: Option<HubModels>,
    /// The Python that converts some of them, where one had to be looked for.
    pub(crate) toolchain: Option<Toolchain>,
    /// Those that are converted from raw checkpoints.
    pub(crate) raw: Vec<Raw>,
    /// The bundled ones of the Hub.
    bundled: Vec<(ModelId, HubRepo, HubModel)>,
}

/// Has what a plan must know of each model: two small files of one from the Hub.
pub(crate) fn metadata(
    request: &PackageRequest,
    config: &PackageConfig,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Fetched, Error> {
    let from_hub = |entry: &ModelEntry| matches!(entry.source, ModelSource::Hub(_));
    let hub = match config.models.iter().any(from_hub) {
        true => Some(hub_models(request, cancel)?),
        false => None,
    };
    let mut fetched = Fetched {
        facts: Vec::new(),
        models: BTreeMap::new(),
        fetch: hub.as_ref().map(|_| PlannedFetch::default()),
        hub,
        toolchain: None,
        raw: Vec::new(),
        bundled: Vec::new(),
    };
    for entry in &config.models {
        if let Some(conversion) = entry.conversion {
            let facts =
                fetched.raw_model(request, config.device, (entry, conversion), ui, cancel)?;
            fetched.facts.push(facts);
            continue;
        }
        let facts = match &entry.source {
            ModelSource::Local(model) => {
                let files = local(&model.dir).map_err(of_model(&entry.model_id))?;
                let facts = facts(entry, &files, None, 0);
                fetched.models.insert(entry.model_id.clone(), files);
                Ok(facts)
            }
            ModelSource::Hub(repo) => fetched.hub_model(entry, repo, ui)?,
        };
        fetched.facts.push(facts);
    }
    if let (Some(fetch), Some(hub)) = (&mut fetched.fetch, &fetched.hub) {
        fetch.free = ByteSize(hub.free_bytes().unwrap_or_default());
    }
    Ok(fetched)
}

impl Fetched {
    fn hub_model(
        &mut self,
        entry: &ModelEntry,
        repo: &HubRepo,
        ui: &Ui,
    ) -> Result<Result<ModelFacts, String>, Error> {
        // There is a hub where there is a model of it.
        let Some(hub) = &self.hub else { return Ok(Err("no Hub".to_owned())) };
        // Two small files, of sizes that are not known yet.
        let transfer = Transfer::new(ui, 0);
        let model = match hub.metadata(repo, &|event| show(&transfer, event)) {
            Ok(model) => model,
            Err(error) if error.is_offline() => return Ok(Err(error.to_string())),
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
        let facts = facts(entry, &model.files, commit, model.missing_bytes);
        self.models.insert(entry.model_id.clone(), model.files.clone());
        if entry.bundle_weight {
            let again = self.bundled.iter().any(|(_, known, of)| is_same(known, of, repo, &model));
            if let Some(fetch) = self.fetch.as_mut().filter(|_| !again) {
                fetch.files += model.missing_files;
                fetch.bytes.0 += model.missing_bytes;
            }
            self.bundled.push((entry.model_id.clone(), repo.clone(), model));
        }
        Ok(Ok(facts))
    }

    /// Downloads what bundled models lack.
    pub(crate) fn complete(&self, ui: &Ui) -> Result<(), Error> {
        let Some(hub) = &self.hub else { return Ok(()) };
        // Each model is held against the disk again: others write to it too.
        if let Some(PlannedFetch { bytes: needed, free, .. }) =
            self.fetch.filter(|fetch| fetch.bytes > fetch.free)
        {
            return Err(Error::NoRoom { needed, free });
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

/// The Hub, as the environment and the command line have it.
pub(crate) fn hub_models(request: &PackageRequest, cancel: &Cancel) -> Result<HubModels, Error> {
    let environment = &request.environment;
    let variable = |name: &str| environment.text(name);
    let home = environment.directory.join(variable("HOME").unwrap_or_default());
    let get = |name: &str| variable(name).map(str::to_owned);
    let mut hub = HubOptions::from_variables(&get, &home, &request.cache_dir)?;
    hub.offline |= request.offline;
    hub.cache_dir = environment.directory.join(&hub.cache_dir);
    let lock = Lock::read(&Lock::path_for(&request.package_config))?;
    let mlc = MlcCache::new(variable, &environment.directory, request.download_policy);
    let cache_dir = request.cache_dir.clone();
    let options = HubModelsOptions { hub, cache_dir, mlc, lock, locked: request.locked };
    Ok(HubModels::new(options, cancel.clone()))
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

pub(crate) fn of_model(model_id: &ModelId) -> impl Fn(FetchError) -> Error {
    move |source| match source.is_interrupted() {
        true => Error::Interrupted,
        false => Error::Fetch { model_id: model_id.to_string(), source: Box::new(source) },
    }
}

pub(crate) fn show(transfer: &Transfer<'_>, event: FetchEvent) {
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
