//! What this tool downloaded into the Hugging Face cache, which it shares with others: nothing
//! else of it is ever removed.
//!
//! ```text
//! <cache-dir>/weights/<user>--<repo>@<commit>.json         a Record
//! <cache-dir>/weights/.used/<user>--<repo>@<commit>        its time is that of the last use;
//!                                                          shared as a lock by who uses the files
//! ```

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::weights;
use crate::io::cancel::Cancel;
use crate::io::in_use::InUse;
use crate::io::lock::Lock;
use crate::io::{atomic, dir, files};
use crate::model::{HubRepo, Revision, ShardPath};
use crate::store::Bucket;

/// The most a record may hold in bytes: a repository of 100,000 files fits.
const RECORD_LIMIT: u64 = 64 << 20;

/// The register of one cache directory.
#[derive(Clone, Debug)]
pub struct Register {
    dir: Utf8PathBuf,
}

/// One commit of a repository in the Hub's cache.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotKey<'a> {
    /// The Hub's cache.
    pub hub_cache: &'a Utf8Path,
    /// The repository.
    pub repo: &'a HubRepo,
    /// The commit.
    pub commit: &'a Revision,
}

/// What was downloaded of one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The Hub's cache that it was downloaded into.
    pub hub_cache: Utf8PathBuf,
    /// The repository.
    pub repo: HubRepo,
    /// The commit.
    pub commit: Revision,
    /// The files that were downloaded, with their bytes: not those that were there before.
    pub files: BTreeMap<ShardPath, u64>,
    /// The bytes of the files.
    pub bytes: u64,
    /// When it was used last, in seconds since 1970.
    pub last_used: u64,
}

impl Record {
    /// The bytes of those of its files that are still there: other tools may have removed some.
    pub fn bytes_there(&self) -> u64 {
        let repo_dir = weights::repo_dir(&self.hub_cache, &self.repo);
        let snapshot = repo_dir.join("snapshots").join(self.commit.as_str());
        let there = |path: &ShardPath| files::size(&snapshot.join(path.as_path())).unwrap_or(0);
        self.files.keys().map(there).sum()
    }

    /// The snapshot that it is about.
    pub fn key(&self) -> SnapshotKey<'_> {
        SnapshotKey { hub_cache: &self.hub_cache, repo: &self.repo, commit: &self.commit }
    }
}

impl Register {
    /// The register of a cache directory, which need not exist. Nothing is touched.
    pub fn new(cache_dir: &Utf8Path) -> Self {
        Self { dir: Bucket::WEIGHTS.path(cache_dir) }
    }

    /// Says that a snapshot is used from now on, until the result is dropped: to be called before
    /// anything of it is looked for or downloaded. Waits for a process that is removing it; gives
    /// `None` if the wait was cancelled. A cache directory that cannot be written to is no error:
    /// who removes things cannot do so there either.
    pub fn hold(&self, key: SnapshotKey<'_>, cancel: &Cancel) -> Option<InUse> {
        let path = self.use_lock(&name(key));
        loop {
            match InUse::hold(&path) {
                Some(held) => return Some(held),
                None if cancel.is_cancelled() => return None,
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Writes down what was just downloaded of a snapshot, beside what was before. The snapshot
    /// is [held](Self::hold) meanwhile.
    ///
    /// # Errors
    /// The cache directory cannot be written to. The files are there all the same; they are only
    /// never removed by `cache prune`.
    pub fn note<'f>(
        &self,
        key: SnapshotKey<'_>,
        downloaded: impl IntoIterator<Item = (&'f ShardPath, u64)>,
        now: u64,
    ) -> io::Result<()> {
        let name = name(key);
        files::create_dir_all(&self.dir)?;
        // Two processes may have downloaded two halves.
        let writing = self.dir.join(".lock");
        let _writing = Lock::acquire(&writing, &Cancel::default(), || {})?;
        let before = self.read(&name).filter(|record| record.hub_cache == key.hub_cache);
        let mut files = before.map(|record| record.files).unwrap_or_default();
        files.extend(downloaded.into_iter().map(|(path, bytes)| (path.clone(), bytes)));
        let record = Record {
            hub_cache: key.hub_cache.to_owned(),
            repo: key.repo.clone(),
            commit: key.commit.clone(),
            bytes: files.values().sum(),
            files,
            last_used: now,
        };
        atomic::write(&self.path(&name), &serde_json::to_vec_pretty(&record)?)
    }

    /// The records, by repository and commit. Files that are none are passed over.
    pub fn records(&self) -> Vec<Record> {
        let names = dir::names(&self.dir).unwrap_or_default();
        let names = names.iter().filter(|name| !name.starts_with('.'));
        let mut found = Vec::new();
        for name in names.filter_map(|name| name.strip_suffix(".json")) {
            let Some(mut record) = self.read(name) else { continue };
            record.last_used = record.last_used.max(self.last_used(record.key()).unwrap_or(0));
            found.push(record);
        }
        found
    }

    /// When a snapshot was used last, in seconds since 1970, downloaded by us or not.
    pub fn last_used(&self, key: SnapshotKey<'_>) -> Option<u64> {
        files::modified(&self.use_lock(&name(key))).ok()?
    }

    /// Takes a snapshot away from everybody, if nobody uses it.
    pub(super) fn seize(&self, key: SnapshotKey<'_>) -> io::Result<Option<Lock>> {
        let path = self.use_lock(&name(key));
        files::create_dir_all(files::parent(&path))?;
        Lock::try_acquire(&path)
    }

    /// Whether somebody uses a snapshot now. Nothing is touched: a lock that is made is a use to
    /// whoever looks at its time.
    pub(super) fn is_in_use(&self, key: SnapshotKey<'_>) -> bool {
        let path = self.use_lock(&name(key));
        files::is_file(&path) && matches!(Lock::try_acquire(&path), Ok(None))
    }

    /// Forgets a snapshot. It has been [seized](Self::seize).
    pub(super) fn forget(&self, key: SnapshotKey<'_>) -> io::Result<()> {
        files::remove_file(&self.path(&name(key)))
    }

    fn read(&self, name: &str) -> Option<Record> {
        let bytes = files::read_at_most(&self.path(name), RECORD_LIMIT).ok()??;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        // A record that somebody renamed or wrote by hand is about nothing of ours.
        let is_ours = record.commit.is_commit() && self::name(record.key()) == name;
        is_ours.then_some(record)
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    fn use_lock(&self, name: &str) -> Utf8PathBuf {
        self.dir.join(".used").join(name)
    }
}

/// A revision becomes a part of a file's name only if it is a commit; `/` cannot be in it then.
fn name(key: SnapshotKey<'_>) -> String {
    let commit = key.commit.as_str().replace('/', "_");
    format!("{}--{}@{commit}", key.repo.user(), key.repo.repo())
}
