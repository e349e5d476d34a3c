//! Models of the Hub -> files on this machine: first what is needed to know a model (two small
//! files), then, for a bundled one, everything else.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::cached_listing::cached_listing;
use super::content::{Contents, Said};
use super::hub::{Commit, FetchEvent, Hub, HubError, HubOptions, Listing, RemoteFile};
use super::local::{self, read_chat_config, read_tensor_cache};
use super::lock::Lock;
use super::{
    Existing, FetchError, Mismatch, MlcCache, Otherwise, Register, Remedy, SnapshotKey,
    WrongContent, weights,
};
use crate::io::cancel::Cancel;
use crate::io::in_use::InUse;
use crate::io::{clock, space};
use crate::model::loadable::{self, Unloadable};
use crate::model::{
    ChatConfig, DownloadPolicy, FileRole, HubRepo, ModelFile, ModelFiles, ShardPath, TensorCache,
    total,
};

/// How the models of the Hub are had.
pub struct HubModels {
    pub(super) hub: Hub,
    hub_cache: Utf8PathBuf,
    pub(super) mlc: MlcCache,
    pub(super) lock: Option<Lock>,
    pub(super) locked: bool,
    offline: bool,
    /// Tells `cache prune` what is used, and what this tool downloaded.
    register: Register,
    cancel: Cancel,
}

/// What may be had, and from where.
pub struct HubModelsOptions {
    /// The Hub and its cache.
    pub hub: HubOptions,
    /// This tool's own cache.
    pub cache_dir: Utf8PathBuf,
    /// MLC LLM's own caches, and its policy.
    pub mlc: MlcCache,
    /// The lock file's content, where there is one.
    pub lock: Option<Lock>,
    /// Whether every model must be in the lock.
    pub locked: bool,
}

/// A model of the Hub whose config and tensor cache are on this machine.
#[derive(Debug)]
pub struct HubModel {
    /// Its files, those included that are not here yet.
    pub files: ModelFiles,
    /// Its commit; none for one that MLC LLM downloaded, which does not record it.
    pub commit: Option<Commit>,
    /// What an app that downloads it cannot load of it, as far as the Hub's list tells.
    pub unloadable: Vec<Unloadable>,
    /// Its files as the Hub lists them.
    remote: Vec<RemoteFile>,
    /// Whether the lock file says which they are.
    pub(super) is_locked: bool,
    /// How many of them are not on this machine.
    pub missing_files: u64,
    /// Their bytes.
    pub missing_bytes: u64,
    /// While it is there, `cache prune` leaves the model alone.
    _in_use: Option<InUse>,
}

impl HubModels {
    /// Ready to be asked; nothing is read or requested yet.
    pub fn new(mut options: HubModelsOptions, cancel: Cancel) -> Self {
        let hub_cache = options.hub.cache_dir.clone();
        if options.mlc.policy == DownloadPolicy::ReadOnly {
            options.hub.offline = true;
        }
        let offline = options.hub.offline;
        Self {
            hub: Hub::new(options.hub, cancel.clone()),
            hub_cache,
            mlc: options.mlc,
            lock: options.lock,
            locked: options.locked,
            offline,
            register: Register::new(&options.cache_dir),
            cancel,
        }
    }

    /// Whether nothing may be asked of the Hub.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// Has a model's config and tensor cache, downloading the two if they are not here. With a
    /// lock nothing else is asked; without, the commit is, in one small request. A model that is
    /// not bundled needs no tensor cache: the app downloads it, and MLC LLM takes it too.
    pub fn metadata(
        &self,
        repo: &HubRepo,
        bundled: bool,
        events: &dyn Fn(FetchEvent),
    ) -> Result<HubModel, FetchError> {
        self.find(repo, bundled, events).map_err(|error| self.explained(repo, error))
    }

    fn find(
        &self,
        repo: &HubRepo,
        bundled: bool,
        events: &dyn Fn(FetchEvent),
    ) -> Result<HubModel, FetchError> {
        let pin = self.lock.as_ref().and_then(|lock| lock.find(repo));
        if self.locked && pin.is_none() {
            return Err(FetchError::NotLocked { repo: Box::new(repo.clone()) });
        }
        match self.mlc.find(repo) {
            Existing::Refused => {
                return Err(FetchError::PolicyOff { repo: Box::new(repo.clone()) });
            }
            // A pin is for a certain commit, and nobody knows theirs.
            Existing::Found(dir) if pin.is_none() => {
                let files = local::local(&dir)?;
                return Ok(HubModel {
                    files,
                    commit: None,
                    unloadable: Vec::new(),
                    remote: Vec::new(),
                    is_locked: false,
                    missing_files: 0,
                    missing_bytes: 0,
                    _in_use: None,
                });
            }
            Existing::Found(_) | Existing::Missing { .. } => {}
        }
        let (commit, listing) = match pin {
            Some(pin) => (pin.commit.clone(), Listing { files: pin.files.clone() }),
            None => self.resolve_or_cached(repo)?,
        };
        let is_locked = pin.is_some();
        let model = self.read(repo, commit, &listing, bundled, events)?;
        Ok(HubModel { is_locked, ..model })
    }

    /// The commit that a model is now, and the commit's files.
    pub fn resolve(&self, repo: &HubRepo) -> Result<(Commit, Listing), FetchError> {
        let commit = self.commit(repo)?;
        let listing = self.hub.listing(repo, &commit)?;
        Ok((commit, listing))
    }

    fn commit(&self, repo: &HubRepo) -> Result<Commit, FetchError> {
        let revision = repo.revision().map_or("main", |revision| revision.as_str());
        Ok(self.hub.commit(repo, revision)?)
    }

    /// The same; offline also by what another tool downloaded, which keeps no lists.
    fn resolve_or_cached(&self, repo: &HubRepo) -> Result<(Commit, Listing), FetchError> {
        let commit = self.commit(repo)?;
        let listing = self.hub.listing(repo, &commit).or_else(|error| {
            let cached = match &error {
                HubError::Offline { .. } => {
                    cached_listing(&self.hub_cache, repo, &commit, &self.cancel)
                }
                _ => None,
            };
            cached.ok_or(error)
        })?;
        Ok((commit, listing))
    }

    /// Downloads what is missing of a model. The disk is looked at first.
    pub fn complete(
        &self,
        repo: &HubRepo,
        model: &HubModel,
        events: &dyn Fn(FetchEvent),
    ) -> Result<(), FetchError> {
        let Some(commit) = &model.commit else { return Ok(()) };
        let (needed, free) = (model.missing_bytes, self.free_bytes()?);
        if needed > free {
            let dir = self.hub_cache.clone();
            return Err(FetchError::NoRoom { repo: Box::new(repo.clone()), needed, free, dir });
        }
        let missing: Vec<_> =
            model.remote.iter().filter(|file| self.is_to_come(repo, commit, file)).collect();
        if self.is_redo() {
            let large: Vec<_> = missing.iter().copied().cloned().collect();
            self.hub.forget(repo, commit, &large)?;
        }
        // Those that are here get their names, if another commit has them too.
        let fetched = self.hub.fetch(repo, commit, &model.remote, events);
        fetched.map_err(|error| self.explained(repo, error.into()))?;
        self.note(repo, commit, &missing);
        Ok(())
    }

    /// Downloads a file of a model again, which is not what it should be.
    pub(super) fn replace(
        &self,
        repo: &HubRepo,
        model: &HubModel,
        path: &ShardPath,
        events: &dyn Fn(FetchEvent),
    ) -> Result<(), FetchError> {
        let Some(commit) = &model.commit else { return Ok(()) };
        let file: Vec<_> = model.remote.iter().filter(|file| file.path == *path).cloned().collect();
        self.fetch_again(repo, commit, &file, events)
    }

    /// Downloads files again that are here.
    fn fetch_again(
        &self,
        repo: &HubRepo,
        commit: &Commit,
        files: &[RemoteFile],
        events: &dyn Fn(FetchEvent),
    ) -> Result<(), FetchError> {
        self.hub.forget(repo, commit, files)?;
        self.hub.fetch(repo, commit, files, events)?;
        self.note(repo, commit, &files.iter().collect::<Vec<_>>());
        Ok(())
    }

    /// Reads files that were here before, and holds them against their digests. What is damaged is
    /// downloaded again.
    ///
    /// # Errors
    /// What is damaged must not be asked for.
    pub(super) fn verify_cached(
        &self,
        repo: &HubRepo,
        commit: &Commit,
        files: &[&RemoteFile],
        events: &dyn Fn(FetchEvent),
    ) -> Result<(), FetchError> {
        for file in files.iter().copied() {
            if self.hub.verify(repo, commit, file)? != Some(false) {
                continue;
            }
            let path = self.hub.snapshot_dir(repo, commit).join(file.path.as_path());
            let found = file.digest.of_file(&path, &self.cancel)?;
            let mismatch = Mismatch {
                kind: file.digest.kind(),
                by: "the Hub",
                is_remote: true,
                found: found.to_string(),
                expected: file.digest.to_string(),
            };
            let damaged = WrongContent { path, mismatch, remedy: Remedy::AskTheHub };
            if self.offline {
                return Err(FetchError::Content(Box::new(damaged)));
            }
            events(FetchEvent::Damaged { file: file.path.clone(), why: damaged.to_string() });
            self.fetch_again(repo, commit, std::slice::from_ref(file), events)?;
        }
        Ok(())
    }

    /// What cannot be downloaded again is not thrown away.
    fn is_redo(&self) -> bool {
        self.mlc.policy == DownloadPolicy::Redo && !self.offline
    }

    /// Says of what READONLY forbids to download that it is READONLY which does.
    pub(super) fn explained(&self, repo: &HubRepo, error: FetchError) -> FetchError {
        match (error, self.mlc.find(repo)) {
            (
                FetchError::Hub(HubError::Offline { repo, what }),
                Existing::Missing { mut looked, otherwise: Otherwise::CacheOnly, .. },
            ) => {
                looked.push(weights::repo_dir(&self.hub_cache, &repo));
                FetchError::ReadOnly { repo, what, looked }
            }
            (error, _) => error,
        }
    }

    /// Whether a file has to be downloaded once the two small ones are here.
    fn is_to_come(&self, repo: &HubRepo, commit: &Commit, file: &RemoteFile) -> bool {
        match self.is_redo() {
            true => !is_metadata(&file.path),
            false => !self.hub.cached(repo, commit, file),
        }
    }

    fn is_missing(&self, repo: &HubRepo, commit: &Commit, file: &RemoteFile) -> bool {
        self.is_redo() || !self.hub.cached(repo, commit, file)
    }

    /// The free bytes where models are kept.
    pub fn free_bytes(&self) -> Result<u64, FetchError> {
        Ok(space::free_bytes(&self.hub_cache)?)
    }

    fn read(
        &self,
        repo: &HubRepo,
        commit: Commit,
        listing: &Listing,
        bundled: bool,
        events: &dyn Fn(FetchEvent),
    ) -> Result<HubModel, FetchError> {
        let lacks = |file: &str| FetchError::NotAModel {
            repo: Box::new(repo.clone()),
            file: file.to_owned(),
        };
        let [newer, _] = TensorCache::FILE_NAMES;
        let chat_config =
            listing.file(ChatConfig::FILE_NAME).ok_or_else(|| lacks(ChatConfig::FILE_NAME))?;
        let tensor_cache = TensorCache::FILE_NAMES.iter().find_map(|name| listing.file(name));
        if tensor_cache.is_none() && bundled {
            return Err(lacks(newer));
        }
        let has_tensor_cache = tensor_cache.is_some();
        let small: Vec<_> =
            [Some(chat_config), tensor_cache].into_iter().flatten().cloned().collect();
        let in_use = self.hold(repo, &commit)?;
        let new: Vec<_> =
            small.iter().filter(|file| self.is_missing(repo, &commit, file)).collect();
        if self.is_redo() {
            self.hub.forget(repo, &commit, &small)?;
        }
        let cached: Vec<_> = small.iter().filter(|file| !new.contains(file)).collect();
        let dir = self.hub.fetch(repo, &commit, &small, events)?;
        self.note(repo, &commit, &new);
        // All that is planned follows from these.
        self.verify_cached(repo, &commit, &cached, events)?;
        let chat_config = read_chat_config(&dir)?;
        let (cache_name, tensor_cache) = match has_tensor_cache {
            true => read_tensor_cache(&dir)?,
            false => (newer, TensorCache { shards: Vec::new() }),
        };
        for shard in &tensor_cache.shards {
            let file =
                listing.file(shard.path.as_str()).ok_or_else(|| lacks(shard.path.as_str()))?;
            if file.bytes != shard.nbytes {
                return Err(FetchError::Size {
                    path: Utf8Path::new(&repo.url()).join(shard.path.as_path()),
                    found: file.bytes,
                    expected: shard.nbytes,
                });
            }
        }
        let has = |name: &str| listing.file(name).is_some();
        let unloadable = match bundled {
            true => loadable::bundled(&chat_config, has),
            // Offline the list may be of what another tool downloaded, and the Hub have more.
            false => loadable::downloaded(&chat_config, |name| self.offline || has(name)),
        };
        if let Some(why) = unloadable.iter().find(|_| bundled) {
            return Err(FetchError::Unloadable { model: repo.to_string(), why: why.clone() });
        }
        // Git's own files are of no use to an app.
        let useful: Vec<_> =
            listing.files.iter().filter(|file| !is_gits(&file.path)).cloned().collect();
        let files = {
            let role_of = local::roles(&chat_config, cache_name, &tensor_cache);
            let model_file = |file: &RemoteFile| ModelFile {
                path: file.path.clone(),
                source: dir.join(file.path.as_path()),
                bytes: file.bytes,
                role: match role_of(&file.path) {
                    // Nothing else says which files are its weights.
                    FileRole::Other if !has_tensor_cache && is_shard(&file.path) => {
                        FileRole::Weights
                    }
                    role => role,
                },
            };
            useful.iter().map(model_file).collect()
        };
        let missing = || {
            let large = useful.iter().filter(|file| !small.contains(file));
            large.filter(|file| self.is_missing(repo, &commit, file))
        };
        let missing_files = missing().count() as u64;
        let missing_bytes = total(missing().map(|file| file.bytes));
        let files = ModelFiles { dir, chat_config, tensor_cache, files };
        Ok(HubModel {
            files,
            commit: Some(commit),
            unloadable,
            remote: useful,
            is_locked: false,
            missing_files,
            missing_bytes,
            _in_use: in_use,
        })
    }

    /// Keeps `cache prune` away from a model, whose removal may have to be waited for.
    pub(super) fn hold(
        &self,
        repo: &HubRepo,
        commit: &Commit,
    ) -> Result<Option<InUse>, FetchError> {
        let Ok(commit) = commit.as_str().parse() else { return Ok(None) };
        let key = SnapshotKey { hub_cache: &self.hub_cache, repo, commit: &commit };
        match self.register.hold(key, &self.cancel) {
            None => Err(HubError::Cancelled.into()),
            held => Ok(held),
        }
    }

    /// Notes for `cache prune` what was downloaded. Where no notes can be kept nothing is pruned.
    pub(super) fn note(&self, repo: &HubRepo, commit: &Commit, new: &[&RemoteFile]) {
        let Ok(commit) = commit.as_str().parse() else { return };
        if !new.is_empty() {
            let key = SnapshotKey { hub_cache: &self.hub_cache, repo, commit: &commit };
            let files = new.iter().map(|file| (&file.path, file.bytes));
            let _ = self.register.note(key, files, clock::seconds_since_1970());
        }
    }
}

impl HubModel {
    /// What the Hub or the lock file says of its files, and the tensor cache of its shards.
    pub(super) fn said(&self) -> BTreeMap<ShardPath, Said> {
        let mut said = Contents::by_tensor_cache(&self.files);
        for file in &self.remote {
            said.entry(file.path.clone()).or_default().remote = Some(file.digest);
        }
        said
    }
}

/// Whether it is read to know a model, and so is here before the others.
fn is_metadata(path: &ShardPath) -> bool {
    let [newer, older] = TensorCache::FILE_NAMES;
    [ChatConfig::FILE_NAME, newer, older].contains(&path.as_str())
}

/// Whether a file has the name that MLC LLM gives to shards.
fn is_shard(path: &ShardPath) -> bool {
    path.as_str().starts_with("params_shard_") && path.as_str().ends_with(".bin")
}

fn is_gits(path: &ShardPath) -> bool {
    matches!(path.as_str(), ".gitattributes" | ".gitignore")
}
