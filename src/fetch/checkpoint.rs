//! A raw checkpoint of the Hub: what a conversion reads of its repository.

use camino::Utf8PathBuf;

use super::hub::{FetchEvent, Hub, HubError, Listing, RemoteFile};
use crate::model::HubRepo;

/// A checkpoint of the Hub, as far as its list of files is known.
pub struct HubCheckpoint<'a> {
    hub: &'a Hub,
    repo: &'a HubRepo,
    commit: super::hub::Commit,
    missing: Vec<RemoteFile>,
}

impl<'a> HubCheckpoint<'a> {
    /// Asks which files a checkpoint has.
    pub fn find(hub: &'a Hub, repo: &'a HubRepo) -> Result<Self, HubError> {
        let revision = repo.revision().map_or("main", |revision| revision.as_str());
        let commit = hub.commit(repo, revision)?;
        let listing = hub.listing(repo, &commit)?;
        let mut missing = needed(&listing);
        missing.retain(|file| !hub.cached(repo, &commit, file));
        Ok(Self { hub, repo, commit, missing })
    }

    /// Bytes that are not in the cache.
    pub fn missing_bytes(&self) -> u64 {
        self.missing.iter().map(|file| file.bytes).sum()
    }

    /// Files that are not in the cache.
    pub fn missing_files(&self) -> usize {
        self.missing.len()
    }

    /// Gets them; gives the directory of all.
    pub fn fetch(&self, events: &dyn Fn(FetchEvent)) -> Result<Utf8PathBuf, HubError> {
        if self.missing.is_empty() {
            return Ok(self.hub.snapshot_dir(self.repo, &self.commit));
        }
        self.hub.fetch(self.repo, &self.commit, &self.missing, events)
    }
}

/// Weights in the one format that is read, the configs and the tokenizer. Repositories hold the
/// same weights in several formats, and each is gigabytes.
pub(super) fn needed(listing: &Listing) -> Vec<RemoteFile> {
    // Of subdirectories none is read: they hold other formats, `original/` for instance.
    let is_here = |path: &str| !path.contains('/') && !path.starts_with("consolidated");
    let is_safetensors = |path: &str| is_here(path) && path.ends_with(".safetensors");
    let safe = listing.files.iter().any(|file| is_safetensors(file.path.as_str()));
    let weights = if safe { ".safetensors" } else { ".bin" };
    let small = [".json", ".model", ".txt", ".tiktoken", ".jinja"];
    let is_needed = |file: &&RemoteFile| {
        let path = file.path.as_str();
        is_here(path)
            && (path.ends_with(weights) || small.iter().any(|ending| path.ends_with(ending)))
    };
    listing.files.iter().filter(is_needed).cloned().collect()
}
