//! The Hugging Face Hub: what a repository holds, and its files, verified, in the Hub's own
//! cache.
//!
//! Its HTTP API: `GET /api/models/{id}/revision/{revision}` says the commit,
//! `GET /api/models/{id}/tree/{commit}?recursive=true` the files with their sizes and digests,
//! in pages, and `GET /{id}/resolve/{commit}/{path}` gives a file, mostly by a redirect.

mod commit;
mod digest;
mod download;
mod error;
mod layout;
mod listing;
mod listing_store;
mod options;
mod piece;
mod requests;
mod tree;

use std::sync::{Mutex, PoisonError};

use camino::Utf8PathBuf;

pub use self::commit::{Commit, NotACommit};
pub(super) use self::digest::Hasher;
pub use self::digest::{NotADigest, RemoteDigest};
pub use self::download::FetchEvent;
pub use self::error::HubError;
pub use self::listing::{Listing, ListingError, RemoteFile, TreePage};
pub use self::options::{HubOptions, Notices};
pub use crate::io::retry::RetryPolicy;
pub use crate::io::secret::Secret;

use self::layout::RepoCache;
use self::listing_store::ListingStore;
use self::requests::Asker;
use crate::io::cancel::Cancel;
use crate::io::http::session::Session;
use crate::io::http::{Client, ClientOptions};
use crate::model::{HubRepo, ShardPath};

/// The Hub and its cache, as one user sees them.
pub struct Hub {
    options: HubOptions,
    cancel: Cancel,
    listings: ListingStore,
    /// Clients that nobody uses now; their connections are open.
    idle: Mutex<Vec<Client>>,
    /// The revisions asked for so far, to be noted in the cache with the first file.
    asked: Mutex<Vec<(HubRepo, ShardPath, Commit)>>,
}

impl Hub {
    /// A client of the Hub. Nothing is asked yet.
    pub fn new(options: HubOptions, cancel: Cancel) -> Self {
        let listings = ListingStore::new(&options.listings_dir, options.endpoint.as_str());
        let (idle, asked) = (Mutex::default(), Mutex::default());
        Self { options, cancel, listings, idle, asked }
    }

    /// The commit that a branch or tag is now. One small request, but none for a commit, and
    /// none offline, where it is what the cache says it was.
    pub fn commit(&self, repo: &HubRepo, revision: &str) -> Result<Commit, HubError> {
        if let Ok(commit) = revision.parse() {
            return Ok(commit);
        }
        // It becomes a file name in the cache, and a part of an address.
        let name: ShardPath = revision
            .parse()
            .map_err(|why| HubError::Revision { revision: revision.to_owned(), why })?;
        if self.options.offline {
            return self.cache(repo).reference(&name).ok_or_else(|| HubError::Offline {
                repo: Box::new(repo.clone()),
                what: format!("the revision `{revision}`"),
            });
        }
        let commit = self.with_client(&self.cancel, |asker| tree::commit(asker, repo, revision))?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push((repo.clone(), name, commit.clone()));
        Ok(commit)
    }

    /// The files of a commit, with sizes and digests. Asked for once: then it is kept.
    pub fn listing(&self, repo: &HubRepo, commit: &Commit) -> Result<Listing, HubError> {
        if let Some(listing) = self.listings.load(repo, commit) {
            return Ok(listing);
        }
        if self.options.offline {
            let what = format!("the list of files at {commit}");
            return Err(HubError::Offline { repo: Box::new(repo.clone()), what });
        }
        let listing = self.with_client(&self.cancel, |asker| tree::listing(asker, repo, commit))?;
        self.listings.save(repo, commit, &listing)?;
        Ok(listing)
    }

    /// Whether a file is in the cache, whole: fetching it asks nothing.
    pub fn cached(&self, repo: &HubRepo, commit: &Commit, file: &RemoteFile) -> bool {
        let cache = self.cache(repo);
        cache.has_pointer(commit, file) || cache.has_blob(file)
    }

    /// Removes files from the cache, so that they are fetched again.
    pub fn forget(
        &self,
        repo: &HubRepo,
        commit: &Commit,
        files: &[RemoteFile],
    ) -> Result<(), HubError> {
        let cache = self.cache(repo);
        for file in files {
            cache.remove(commit, file)?;
        }
        Ok(())
    }

    /// The directory that a commit's files are in, whether they are there or not.
    pub fn snapshot_dir(&self, repo: &HubRepo, commit: &Commit) -> Utf8PathBuf {
        self.cache(repo).snapshot(commit)
    }

    /// Gets files that are not in the cache: several at once, big ones in several pieces at
    /// once. What an earlier run left is gone on with. A file appears under its name when its
    /// digest has been verified, and not before. Gives the directory they are in.
    pub fn fetch(
        &self,
        repo: &HubRepo,
        commit: &Commit,
        files: &[RemoteFile],
        events: &dyn Fn(FetchEvent),
    ) -> Result<Utf8PathBuf, HubError> {
        download::fetch(self, repo, commit, files, events)?;
        self.note_references(repo, commit)?;
        Ok(self.snapshot_dir(repo, commit))
    }

    /// Reads a cached file and says whether its digest is right; `None` if it is not cached.
    pub fn verify(
        &self,
        repo: &HubRepo,
        commit: &Commit,
        file: &RemoteFile,
    ) -> Result<Option<bool>, HubError> {
        let cache = self.cache(repo);
        let path = if cache.has_pointer(commit, file) {
            cache.snapshot(commit).join(file.path.as_path())
        } else if cache.has_blob(file) {
            cache.blob(file.digest)
        } else {
            return Ok(None);
        };
        match file.digest.of_file(&path, &self.cancel) {
            Ok(found) => Ok(Some(found == file.digest)),
            Err(_) if self.cancel.is_cancelled() => Err(HubError::Cancelled),
            Err(error) => Err(error.into()),
        }
    }

    fn cache(&self, repo: &HubRepo) -> RepoCache {
        RepoCache::new(&self.options.cache_dir, repo)
    }

    /// Notes the revisions that were found to be this commit, as the Hub's tools do once there
    /// are files of it.
    fn note_references(&self, repo: &HubRepo, commit: &Commit) -> Result<(), HubError> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        for (of, revision, was) in asked.iter() {
            if of == repo && was == commit {
                self.cache(repo).set_reference(revision, commit)?;
            }
        }
        Ok(())
    }

    /// Does something with a client of one's own.
    fn with_client<T>(
        &self,
        cancel: &Cancel,
        action: impl FnOnce(&Asker<'_>) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let client = match idle {
            Some(client) => client,
            None => Client::new(&ClientOptions {
                stall: self.options.stall,
                system_proxy: self.options.system_proxy,
                clock: self.options.retry.clock.clone(),
            })
            .map_err(|error| HubError::Client(error.to_string()))?,
        };
        let session = Session {
            client: &client,
            home: &self.options.endpoint,
            token: self.options.token.as_ref(),
            cancel,
            retry: &self.options.retry,
            on_wait: &|why, time| self.options.notices.tell(why, time),
        };
        let done = action(&Asker { session, token_from: &self.options.token_from });
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        done
    }
}
