//! The models of a package: what a plan must know of each, and then what bundled ones lack.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

use super::content::{Contents, Said};
use super::hub::{FetchEvent, HubError, HubOptions, Notices};
use super::{
    FetchError, HubModel, HubModels, HubModelsOptions, Lock, LockError, Mismatch, MlcCache, Remedy,
    WrongContent, known_tokenizers, local,
};
use crate::exit::Exit;
use crate::io::cancel::Cancel;
use crate::io::digest;
use crate::io::environment::Environment;
use crate::model::{
    ByteSize, Device, Digest, DownloadPolicy, FileCheck, HubRepo, ModelEntry, ModelFile,
    ModelFiles, ModelId, ModelSource, PackageConfig, ShardPath, loadable, total,
};
use crate::plan::{FoundModel, ModelFacts, PlannedBundle, PlannedFetch};
use crate::stage_error::StageError;
use crate::ui::{Transfer, Ui};

/// The branch that upstream's apps download weights from.
const APPS_REVISION: &str = "main";

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
    #[error("the bundled models need {needed} of disk space, but only {free} is available")]
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

impl StageError for ModelsError {
    fn exit(&self) -> Exit {
        let of_cache = |error: &HubError| matches!(error, HubError::Cache(_));
        match self {
            Self::NotInConfig { .. } => Exit::Usage,
            Self::Interrupted => Exit::Interrupted,
            Self::Hub(error) if of_cache(error) => Exit::Internal,
            Self::Model { source, .. } => match &**source {
                error if error.is_config() => Exit::Config,
                error if error.is_interrupted() => Exit::Interrupted,
                FetchError::Hub(error) if of_cache(error) => Exit::Internal,
                _ => Exit::Fetch,
            },
            Self::Hub(_) | Self::NoRoom { .. } | Self::Lock(_) => Exit::Fetch,
        }
    }

    fn help(&self) -> Option<String> {
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
}

impl ModelsError {
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
    /// What is said of the files of all bundled ones.
    said: BTreeMap<ModelId, (Arc<Contents>, Origin)>,
    /// The files that were downloaded again since they were damaged.
    replaced: Mutex<BTreeSet<Utf8PathBuf>>,
    cache_dir: Utf8PathBuf,
    cancel: Cancel,
}

/// Where the files of a bundled model are from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// A directory that the config names.
    Directory,
    /// MLC LLM's own cache.
    MlcCache,
    /// The Hub.
    Hub,
    /// A conversion of ours.
    Conversion,
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
        Ok(Self {
            files: BTreeMap::new(),
            fetch,
            hub,
            device: config.device,
            bundled: Vec::new(),
            said: BTreeMap::new(),
            replaced: Mutex::default(),
            cache_dir: request.cache_dir.to_owned(),
            cancel: cancel.clone(),
        })
    }

    /// Has what a plan must know of a model: two small files of one from the Hub.
    pub fn metadata(&mut self, entry: &ModelEntry, ui: &Ui) -> Result<FoundModel, ModelsError> {
        match &entry.source {
            ModelSource::Local(model) => {
                let files = local(&model.dir).map_err(of_model(&entry.model_id))?;
                let facts = facts(entry, &files, None, 0);
                if entry.bundle_weight {
                    let said = said_of_directory(&files);
                    self.expect(&entry.model_id, said, BY_BLOB, Origin::Directory);
                }
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
        // Upstream's apps have `resolve/main` in their code.
        let other = repo.revision().filter(|revision| revision.as_str() != APPS_REVISION);
        if let Some(revision) = other.filter(|_| !entry.bundle_weight) {
            ui.warn(&format!(
                "model `{}`: its library is for the revision `{}`, but the app downloads its \
                 weights from `{APPS_REVISION}`; bundle them to ship that revision",
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
        let nested = model.files.tensor_cache.nested();
        let nested = nested.filter(|_| !entry.bundle_weight && self.device == Device::Android);
        if let Some(shard) = nested {
            ui.warn(&format!(
                "model `{}`: its shard `{shard}` lies in a subdirectory, and the Android app of MLC \
                 LLM makes no directories for what it downloads; bundle its weights, or have the \
                 repository converted again",
                entry.model_id
            ));
        }
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
            let by = if model.is_locked { "mlc-package.lock" } else { "the Hub" };
            let origin = if model.commit.is_some() { Origin::Hub } else { Origin::MlcCache };
            self.expect(&entry.model_id, model.said(), by, origin);
            self.bundled.push((entry.model_id.clone(), repo.clone(), model));
        }
        Ok(FoundModel::Known(Box::new(facts)))
    }

    /// Says what the files of a converted model are.
    pub fn expect_converted(
        &mut self,
        model_id: &ModelId,
        digests: impl IntoIterator<Item = (ShardPath, Digest)>,
    ) {
        let said = digests.into_iter().map(|(path, digest)| {
            let converted = Some(digest);
            (path, Said { converted, ..Said::default() })
        });
        self.expect(model_id, said.collect(), "", Origin::Conversion);
    }

    fn expect(
        &mut self,
        model_id: &ModelId,
        said: BTreeMap<ShardPath, Said>,
        by: &'static str,
        origin: Origin,
    ) {
        let new = Contents::new(said, by, &self.cache_dir);
        // What is known of one entry's files is known of another's.
        let same = self.said.values().find(|(known, _)| known.is_same(&new));
        let contents = same.map_or_else(|| Arc::new(new), |(known, _)| Arc::clone(known));
        self.said.insert(model_id.clone(), (contents, origin));
    }

    /// Downloads what bundled models lack, and holds what was never read before against what is said of
    /// it.
    ///
    /// # Errors
    /// There is no room for it, or it cannot be had, or it is damaged.
    pub fn complete(&self, fetch: Option<PlannedFetch>, ui: &Ui) -> Result<(), ModelsError> {
        self.download(fetch, ui)?;
        self.verify_unknown(ui)?;
        // By now they are what is said of them.
        self.said.keys().try_for_each(|model_id| self.judge_tokenizer(model_id, ui))
    }

    /// Looks into the tokenizer of a model that is bundled, if that was never found good.
    ///
    /// # Errors
    /// It is no tokenizer.
    pub fn judge_tokenizer(&self, model_id: &ModelId, ui: &Ui) -> Result<(), ModelsError> {
        let Some(files) = self.files.get(model_id) else { return Ok(()) };
        let is_it = |file: &&ModelFile| file.path.as_str() == loadable::TOKENIZER_JSON;
        let Some(file) = files.files.iter().find(is_it) else { return Ok(()) };
        let said = self.said.get(model_id).and_then(|(said, _)| said.known(&file.path));
        let looking = || ui.detail("Verifying", &format!("{} of {model_id}", file.path));
        match known_tokenizers::fault(&file.source, said, &self.cache_dir, looking) {
            Ok(None) => Ok(()),
            Ok(Some(why)) => {
                let from_hub = self.bundled.iter().find(|(bundled, ..)| bundled == model_id);
                let model = from_hub.map_or(files.dir.to_string(), |(_, repo, _)| repo.to_string());
                Err(of_model(model_id)(FetchError::Unloadable { model, why }))
            }
            Err(error) => Err(of_model(model_id)(error.into())),
        }
    }

    fn download(&self, fetch: Option<PlannedFetch>, ui: &Ui) -> Result<(), ModelsError> {
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
                let bytes = ByteSize(model.missing_bytes);
                let files = match model.missing_files {
                    1 => "1 file".to_owned(),
                    files => format!("{files} files"),
                };
                ui.status("Downloading", &format!("{model_id}: {bytes} in {files}"));
            }
            let transfer = Transfer::new(ui, model.missing_bytes);
            hub.complete(repo, model, &|event| show(&transfer, event))
                .map_err(of_model(model_id))?;
        }
        Ok(())
    }

    /// Reads what is bundled and was never held against what is said of it, several files at a time.
    fn verify_unknown(&self, ui: &Ui) -> Result<(), ModelsError> {
        let mut unknown: Vec<(&ModelId, &ModelFile)> = Vec::new();
        let mut seen = BTreeSet::new();
        for (model_id, (contents, _)) in &self.said {
            let files = self.files.get(model_id).into_iter().flat_map(|files| &files.files);
            let new = files.filter(|file| contents.is_unknown(&file.path));
            unknown.extend(new.filter(|file| seen.insert(&file.source)).map(|f| (model_id, f)));
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let large = || unknown.iter().filter(|(_, file)| !Contents::is_small(file.bytes));
        let what = match large().count() {
            0 => None,
            1 => Some("1 file".to_owned()),
            count => Some(format!("{count} files")),
        };
        let bytes = ByteSize(total(large().map(|(_, file)| file.bytes)));
        let what = what.map(|files| format!("{bytes} in {files}"));
        if let Some(what) = &what {
            ui.detail("Verifying", what);
            ui.begin("Verifying", what);
        }
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<ModelsError>> = Mutex::new(None);
        let work = || {
            while let Some((model_id, file)) = unknown.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.verify(model_id, file, ui) {
                    next.store(unknown.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        std::thread::scope(|scope| {
            for _ in 1..threads.min(unknown.len()) {
                scope.spawn(work);
            }
            work();
        });
        if let Some(what) = &what {
            ui.end(what);
            self.said.values().for_each(|(contents, _)| contents.keep());
        }
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Reads a file until it is what is said of it.
    fn verify(&self, model_id: &ModelId, file: &ModelFile, ui: &Ui) -> Result<(), ModelsError> {
        let Some((contents, origin)) = self.said.get(model_id) else { return Ok(()) };
        loop {
            let read = contents.read(&file.path, &file.source, &self.cancel);
            if self.settle(model_id, *origin, file, read, ui)? == FileCheck::AsSaid {
                return Ok(());
            }
        }
    }

    /// Holds a file that is bundled, of which `found` is the BLAKE3, against what is said of it. What is
    /// damaged is downloaded again, if it may be.
    ///
    /// # Errors
    /// It is not what is said of it, and cannot be had from elsewhere.
    pub fn check(
        &self,
        model_id: &ModelId,
        file: &ModelFile,
        found: Digest,
        ui: &Ui,
    ) -> Result<FileCheck, ModelsError> {
        let Some((contents, origin)) = self.said.get(model_id) else {
            return Ok(FileCheck::AsSaid);
        };
        let checked = contents.check(&file.path, &file.source, found, &self.cancel);
        self.settle(model_id, *origin, file, checked, ui)
    }

    /// Reads all files of a model, and holds each against what is said of it, for who makes no copies.
    ///
    /// # Errors
    /// One is not what is said of it, and cannot be had from elsewhere.
    pub fn check_all(&self, model_id: &ModelId, ui: &Ui) -> Result<(), ModelsError> {
        for file in self.files.get(model_id).into_iter().flat_map(|files| &files.files) {
            let read = || digest::file(&file.source);
            let mut found = read().map_err(|error| of_model(model_id)(error.into()))?;
            while self.check(model_id, file, found.0, ui)? == FileCheck::Replaced {
                found = read().map_err(|error| of_model(model_id)(error.into()))?;
            }
        }
        Ok(())
    }

    fn settle(
        &self,
        model_id: &ModelId,
        origin: Origin,
        file: &ModelFile,
        checked: std::io::Result<Result<(), Mismatch>>,
        ui: &Ui,
    ) -> Result<FileCheck, ModelsError> {
        let mismatch = match checked {
            Ok(Ok(())) => return Ok(FileCheck::AsSaid),
            Ok(Err(mismatch)) => mismatch,
            Err(_) if self.cancel.is_cancelled() => return Err(ModelsError::Interrupted),
            Err(error) => return Err(of_model(model_id)(error.into())),
        };
        let of_hub = self.bundled.iter().find(|(bundled, ..)| bundled == model_id);
        let of_hub = self.hub.as_ref().zip(of_hub).filter(|_| matches!(origin, Origin::Hub));
        let damaged = |remedy| {
            let (path, mismatch) = (file.source.clone(), mismatch.clone());
            FetchError::Content(Box::new(WrongContent { path, mismatch, remedy }))
        };
        let remedy = match (origin, of_hub) {
            (Origin::Hub, _) if !mismatch.is_remote => Remedy::TellTheOwner,
            (Origin::Hub, Some((hub, (_, repo, model)))) if !hub.is_offline() => {
                let replaced = self.replaced.lock();
                let mut replaced = replaced.unwrap_or_else(PoisonError::into_inner);
                let is_first = replaced.insert(file.source.clone());
                drop(replaced);
                if is_first {
                    ui.warn(&format!(
                        "model `{model_id}`: {} is downloaded again: {}",
                        file.path,
                        damaged(Remedy::AskTheHub)
                    ));
                    let transfer = Transfer::new(ui, file.bytes);
                    hub.replace(repo, model, &file.path, &|event| show(&transfer, event))
                        .map_err(of_model(model_id))?;
                    return Ok(FileCheck::Replaced);
                }
                Remedy::LookForIt
            }
            (Origin::Hub, _) => Remedy::AskTheHub,
            (Origin::Directory, _) if mismatch.is_remote => Remedy::RemoveBlob(file.source.clone()),
            (Origin::Directory, _) => Remedy::GetItAgain,
            (Origin::MlcCache, _) => {
                let dir = self.files.get(model_id).map(|files| files.dir.clone());
                Remedy::RemoveModel(dir.unwrap_or_default())
            }
            (Origin::Conversion, _) => Remedy::RunAgain,
        };
        Err(of_model(model_id)(damaged(remedy)))
    }
}

/// Who says what a file of a directory is that is a snapshot in the Hub's cache.
const BY_BLOB: &str = "its name in the Hub's cache";

/// What is said of the files of a directory: by the tensor cache; and where the directory is a snapshot
/// in the Hub's cache, by the names of the blobs that its links lead to.
fn said_of_directory(files: &ModelFiles) -> BTreeMap<ShardPath, Said> {
    let mut said = Contents::by_tensor_cache(files);
    for file in files.files.iter().filter(|file| !file.source.starts_with(&files.dir)) {
        if let Some(Ok(digest)) = file.source.file_name().map(str::parse) {
            said.entry(file.path.clone()).or_default().remote = Some(digest);
        }
    }
    said
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
        FetchEvent::Damaged { file, why } => {
            transfer.warn(&format!("{file} is downloaded again: {why}"));
        }
        FetchEvent::Retry { file, why, after } => {
            transfer.retry(file.as_str(), &why, after);
        }
    }
}
