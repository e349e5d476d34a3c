//! Raw checkpoints of the Hub: what a conversion reads of a repository. A lock file pins them as it
//! pins models.

use camino::Utf8PathBuf;

use super::hub::{Commit, FetchEvent, Listing, RemoteFile};
use super::{Existing, FetchError, HubModels};
use crate::io::in_use::InUse;
use crate::model::{HubRepo, ShardPath, total};

/// A raw checkpoint of the Hub whose list of files is known.
#[derive(Debug)]
pub struct HubCheckpoint {
    /// Its commit.
    pub commit: Commit,
    /// What a conversion reads of it.
    files: Vec<RemoteFile>,
    /// While it is there, `cache prune` leaves the checkpoint alone.
    _in_use: Option<InUse>,
}

impl HubCheckpoint {
    /// The files that a conversion reads.
    pub fn paths(&self) -> impl Iterator<Item = &ShardPath> {
        self.files.iter().map(|file| &file.path)
    }
}

impl HubModels {
    /// Says which commit a checkpoint is, and which files that has.
    ///
    /// # Errors
    /// It has no `config.json`; or no weights, where they `must` be in it.
    pub fn checkpoint(&self, repo: &HubRepo, must: bool) -> Result<HubCheckpoint, FetchError> {
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
        if must && !files.iter().any(|file| is_weights(file.path.as_str())) {
            return Err(lacks("safetensors and no pytorch_model.bin"));
        }
        let in_use = self.hold(repo, &commit)?;
        Ok(HubCheckpoint { commit, files, _in_use: in_use })
    }

    /// The directory of a checkpoint's configs and tokenizer, downloaded if they are not here.
    pub fn checkpoint_configs(
        &self,
        repo: &HubRepo,
        checkpoint: &HubCheckpoint,
        events: &dyn Fn(FetchEvent),
    ) -> Result<Utf8PathBuf, FetchError> {
        let is_small = |file: &&RemoteFile| !is_weights(file.path.as_str());
        let small: Vec<_> = checkpoint.files.iter().filter(is_small).cloned().collect();
        self.fetch_of_checkpoint(repo, checkpoint, &small, events)
    }

    /// Some bytes of a file of a checkpoint, without the file: see [`Hub::piece`](super::hub::Hub::piece).
    /// Of a file that it does not have there are none.
    pub fn checkpoint_piece(
        &self,
        repo: &HubRepo,
        checkpoint: &HubCheckpoint,
        path: &str,
        range: (u64, u64),
    ) -> Result<Vec<u8>, FetchError> {
        let Some(file) = checkpoint.files.iter().find(|file| file.path.as_str() == path) else {
            return Ok(Vec::new());
        };
        let piece = self.hub.piece(repo, &checkpoint.commit, file, range);
        piece.map_err(|error| self.explained(repo, error.into()))
    }

    /// How many files of a checkpoint are not here, and their bytes.
    pub fn checkpoint_missing(&self, repo: &HubRepo, checkpoint: &HubCheckpoint) -> (u64, u64) {
        let missing = || {
            checkpoint.files.iter().filter(|file| !self.hub.cached(repo, &checkpoint.commit, file))
        };
        (missing().count() as u64, total(missing().map(|file| file.bytes)))
    }

    /// Downloads what is not here; gives the directory of all.
    pub fn fetch_checkpoint(
        &self,
        repo: &HubRepo,
        checkpoint: &HubCheckpoint,
        events: &dyn Fn(FetchEvent),
    ) -> Result<Utf8PathBuf, FetchError> {
        self.fetch_of_checkpoint(repo, checkpoint, &checkpoint.files, events)
    }

    fn fetch_of_checkpoint(
        &self,
        repo: &HubRepo,
        checkpoint: &HubCheckpoint,
        files: &[RemoteFile],
        events: &dyn Fn(FetchEvent),
    ) -> Result<Utf8PathBuf, FetchError> {
        let commit = &checkpoint.commit;
        let (cached, new): (Vec<_>, Vec<_>) =
            files.iter().partition(|file| self.hub.cached(repo, commit, file));
        let dir = self.hub.fetch(repo, commit, files, events);
        let dir = dir.map_err(|error| self.explained(repo, error.into()))?;
        self.note(repo, commit, &new);
        // What is converted of it is kept under the name of this commit.
        self.verify_cached(repo, commit, &cached, events)?;
        Ok(dir)
    }
}

/// Weights in the one format that is read, the configs and the tokenizer. Repositories hold the
/// same weights in several formats, and each is gigabytes.
fn needed(listing: &Listing) -> Vec<RemoteFile> {
    // Of subdirectories none is read: they hold other formats, `original/` for instance.
    let is_here = |path: &str| !path.contains('/') && !path.starts_with("consolidated");
    let is_safetensors = |path: &str| path.ends_with(".safetensors");
    let safe = |path: &str| is_here(path) && is_safetensors(path);
    let safe = listing.files.iter().any(|file| safe(file.path.as_str()));
    // The optimizer's state and the like are .bin too.
    let is_read: fn(&str) -> bool = if safe { is_safetensors } else { is_torch };
    let small = [".json", ".model", ".txt", ".tiktoken", ".jinja"];
    let is_needed = |file: &&RemoteFile| {
        let path = file.path.as_str();
        is_here(path) && (is_read(path) || small.iter().any(|ending| path.ends_with(ending)))
    };
    listing.files.iter().filter(is_needed).cloned().collect()
}

/// Whether a file that is [`needed`] holds weights.
fn is_weights(path: &str) -> bool {
    path.ends_with(".safetensors") || is_torch(path)
}

/// PyTorch's own format, by the name that `transformers` and MLC LLM look for.
fn is_torch(path: &str) -> bool {
    path.starts_with("pytorch_model") && path.ends_with(".bin")
}
