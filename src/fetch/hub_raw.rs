//! Raw checkpoints of the Hub, for builds: pinned by the lock file as models are.

use camino::Utf8PathBuf;

use super::checkpoint::{is_weights, needed};
use super::hub::{Commit, FetchEvent, Listing, RemoteFile};
use super::{Existing, FetchError, HubModels};
use crate::io::in_use::InUse;
use crate::model::{HubRepo, ShardPath};

/// A raw checkpoint of the Hub whose list of files is known.
#[derive(Debug)]
pub struct HubRaw {
    /// Its commit.
    pub commit: Commit,
    /// What a conversion reads of it.
    files: Vec<RemoteFile>,
    /// While it is there, `cache prune` leaves the checkpoint alone.
    _in_use: Option<InUse>,
}

impl HubRaw {
    /// The files that a conversion reads.
    pub fn paths(&self) -> impl Iterator<Item = &ShardPath> {
        self.files.iter().map(|file| &file.path)
    }
}

impl HubModels {
    /// Says which commit a checkpoint is, and which files that has.
    pub fn raw(&self, repo: &HubRepo) -> Result<HubRaw, FetchError> {
        let pin = self.lock.as_ref().and_then(|lock| lock.find(repo));
        if self.locked && pin.is_none() {
            return Err(FetchError::NotLocked { repo: Box::new(repo.clone()) });
        }
        if matches!(self.mlc.find(repo), Existing::Refused) {
            return Err(FetchError::PolicyOff { repo: Box::new(repo.clone()) });
        }
        let (commit, listing) = match pin {
            Some(pin) => (pin.commit.clone(), Listing { files: pin.files.clone() }),
            None => self.resolve(repo).map_err(|error| self.explained(repo, error))?,
        };
        let files = needed(&listing);
        let lacks = |what| FetchError::NotACheckpoint { repo: Box::new(repo.clone()), what };
        if !files.iter().any(|file| file.path.as_str() == "config.json") {
            return Err(lacks("config.json"));
        }
        if !files.iter().any(|file| is_weights(file.path.as_str())) {
            return Err(lacks("safetensors and no pytorch_model.bin"));
        }
        let in_use = self.hold(repo, &commit)?;
        Ok(HubRaw { commit, files, _in_use: in_use })
    }

    /// The directory of a checkpoint's configs and tokenizer, downloaded if they are not here.
    pub fn raw_configs(
        &self,
        repo: &HubRepo,
        raw: &HubRaw,
        events: &dyn Fn(FetchEvent),
    ) -> Result<Utf8PathBuf, FetchError> {
        let is_small = |file: &&RemoteFile| !is_weights(file.path.as_str());
        let small: Vec<_> = raw.files.iter().filter(is_small).cloned().collect();
        self.raw_fetch(repo, raw, &small, events)
    }

    /// How many files of a checkpoint are not here, and their bytes.
    pub fn raw_missing(&self, repo: &HubRepo, raw: &HubRaw) -> (u64, u64) {
        let missing = || raw.files.iter().filter(|file| !self.hub.cached(repo, &raw.commit, file));
        (missing().count() as u64, missing().map(|file| file.bytes).sum())
    }

    /// Downloads what is not here; gives the directory of all.
    pub fn raw_complete(
        &self,
        repo: &HubRepo,
        raw: &HubRaw,
        events: &dyn Fn(FetchEvent),
    ) -> Result<Utf8PathBuf, FetchError> {
        self.raw_fetch(repo, raw, &raw.files, events)
    }

    fn raw_fetch(
        &self,
        repo: &HubRepo,
        raw: &HubRaw,
        files: &[RemoteFile],
        events: &dyn Fn(FetchEvent),
    ) -> Result<Utf8PathBuf, FetchError> {
        let new: Vec<_> =
            files.iter().filter(|file| !self.hub.cached(repo, &raw.commit, file)).collect();
        let dir = self.hub.fetch(repo, &raw.commit, files, events);
        let dir = dir.map_err(|error| self.explained(repo, error.into()))?;
        self.note(repo, &raw.commit, &new);
        Ok(dir)
    }
}
