//! A raw checkpoint of the Hub: what a conversion reads of its repository.

use camino::Utf8PathBuf;

use super::hub::{Commit, FetchEvent, Hub, HubError, Listing, RemoteFile};
use crate::model::{HubRepo, ShardPath};

/// A checkpoint of the Hub, as far as its list of files is known.
pub struct HubCheckpoint<'a> {
    hub: &'a Hub,
    repo: &'a HubRepo,
    /// Its commit.
    pub commit: Commit,
    files: Vec<RemoteFile>,
}

impl<'a> HubCheckpoint<'a> {
    /// Asks which files a checkpoint has.
    pub fn find(hub: &'a Hub, repo: &'a HubRepo) -> Result<Self, HubError> {
        let revision = repo.revision().map_or("main", |revision| revision.as_str());
        let commit = hub.commit(repo, revision)?;
        let listing = hub.listing(repo, &commit)?;
        let files = needed(&listing);
        Ok(Self { hub, repo, commit, files })
    }

    /// The files that a conversion reads.
    pub fn paths(&self) -> impl Iterator<Item = &ShardPath> {
        self.files.iter().map(|file| &file.path)
    }

    /// How many files are not in the cache, and their bytes.
    pub fn missing(&self) -> (u64, u64) {
        let missing = self.lacking(|_| true);
        (missing.len() as u64, missing.iter().map(|file| file.bytes).sum())
    }

    /// Gets the configs and the tokenizer; gives the directory of all.
    pub fn configs(&self, events: &dyn Fn(FetchEvent)) -> Result<Utf8PathBuf, HubError> {
        self.have(&self.lacking(|file| !is_weights(file.path.as_str())), events)
    }

    /// Gets all files; gives their directory.
    pub fn fetch(&self, events: &dyn Fn(FetchEvent)) -> Result<Utf8PathBuf, HubError> {
        self.have(&self.lacking(|_| true), events)
    }

    fn lacking(&self, wanted: impl Fn(&RemoteFile) -> bool) -> Vec<RemoteFile> {
        let missing =
            |file: &&RemoteFile| wanted(file) && !self.hub.cached(self.repo, &self.commit, file);
        self.files.iter().filter(missing).cloned().collect()
    }

    fn have(
        &self,
        missing: &[RemoteFile],
        events: &dyn Fn(FetchEvent),
    ) -> Result<Utf8PathBuf, HubError> {
        if missing.is_empty() {
            return Ok(self.hub.snapshot_dir(self.repo, &self.commit));
        }
        self.hub.fetch(self.repo, &self.commit, missing, events)
    }
}

/// Weights in the one format that is read, the configs and the tokenizer. Repositories hold the
/// same weights in several formats, and each is gigabytes.
pub(super) fn needed(listing: &Listing) -> Vec<RemoteFile> {
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
pub(super) fn is_weights(path: &str) -> bool {
    path.ends_with(".safetensors") || is_torch(path)
}

/// PyTorch's own format, by the name that `transformers` and MLC LLM look for.
fn is_torch(path: &str) -> bool {
    path.starts_with("pytorch_model") && path.ends_with(".bin")
}
