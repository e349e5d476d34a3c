//! Removing from the Hugging Face cache what this tool downloaded, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::register::{Record, Register};
use super::weights::{self, CachedFile, Content};
use crate::io::lock::Lock;
use crate::io::outside::{holds_mount, leads_out};
use crate::io::{dir, files};

/// Removes snapshots, or says what that would free.
#[derive(Debug)]
pub struct Pruner<'a> {
    register: &'a Register,
    dry_run: bool,
    /// Links that a dry run has removed in thought.
    gone: BTreeSet<Utf8PathBuf>,
}

/// What became of a snapshot that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// What we downloaded of it is gone.
    Removed {
        /// The bytes that this freed: of contents that no other snapshot has.
        freed: u64,
    },
    /// A process uses it: it stays.
    InUse,
    /// This directory is a link out of the cache, or something is mounted there: it stays.
    Away(Utf8PathBuf),
}

/// What goes with a snapshot.
struct Parts {
    /// Names in the snapshot.
    names: Vec<Utf8PathBuf>,
    /// Contents that have no other name.
    blobs: BTreeMap<Utf8PathBuf, u64>,
    /// The bytes of files that are no links.
    inline: u64,
}

impl<'a> Pruner<'a> {
    /// Nothing is touched in a dry run.
    pub fn new(register: &'a Register, dry_run: bool) -> Self {
        Self { register, dry_run, gone: BTreeSet::new() }
    }

    /// Removes what was downloaded of one commit, and its record.
    ///
    /// # Errors
    /// The Hub's cache or the register cannot be read or written to. What was not removed is
    /// still in the register.
    pub fn remove(&mut self, record: &Record) -> io::Result<Pruned> {
        let repo_dir = weights::repo_dir(&record.hub_cache, &record.repo);
        let snapshot = repo_dir.join("snapshots").join(record.commit.as_str());
        if let Some(away) = away(&repo_dir, &snapshot)? {
            return Ok(Pruned::Away(away));
        }
        if self.dry_run {
            if self.register.is_in_use(record.key()) {
                return Ok(Pruned::InUse);
            }
            let parts = self.parts(record, &repo_dir, &snapshot)?;
            self.gone.extend(parts.names);
            return Ok(Pruned::Removed { freed: parts.inline + parts.blobs.values().sum::<u64>() });
        }
        let Some(_seized) = self.register.seize(record.key())? else { return Ok(Pruned::InUse) };
        let parts = self.parts(record, &repo_dir, &snapshot)?;
        for name in &parts.names {
            files::remove_file(name)?;
        }
        let mut freed = parts.inline;
        for (blob, bytes) in &parts.blobs {
            if remove_blob(&record.hub_cache, &repo_dir, blob)? {
                freed += bytes;
            }
        }
        tidy(&repo_dir, &snapshot, record.commit.as_str())?;
        self.register.forget(record.key())?;
        Ok(Pruned::Removed { freed })
    }

    fn parts(&self, record: &Record, repo_dir: &Utf8Path, own: &Utf8Path) -> io::Result<Parts> {
        let mut parts = Parts { names: vec![], blobs: BTreeMap::new(), inline: 0 };
        let mut others = BTreeSet::new();
        for (snapshot, file) in snapshots(repo_dir)? {
            let name = snapshot.join(&file.path);
            let is_ours =
                snapshot == own && record.files.keys().any(|path| path.as_path() == file.path);
            match file.content {
                Content::Blob { path, bytes } if is_ours => {
                    parts.blobs.insert(path, bytes);
                }
                Content::Inline { bytes } if is_ours => parts.inline += bytes,
                Content::Broken { .. } if is_ours => {}
                Content::Blob { path, .. } if !self.gone.contains(&name) => {
                    others.insert(path);
                }
                _ => {}
            }
            if is_ours {
                parts.names.push(name);
            }
        }
        parts.blobs.retain(|blob, _| !others.contains(blob));
        Ok(parts)
    }
}

/// The first directory of a snapshot that is somewhere else: people move models to other disks.
fn away(repo_dir: &Utf8Path, snapshot: &Utf8Path) -> io::Result<Option<Utf8PathBuf>> {
    let below = ["blobs", "refs", "snapshots"].map(|name| repo_dir.join(name));
    for dir in [repo_dir, snapshot].into_iter().chain(below.iter().map(Utf8PathBuf::as_path)) {
        if leads_out(dir)?.is_some() {
            return Ok(Some(dir.to_owned()));
        }
    }
    Ok(holds_mount(snapshot)?.then(|| snapshot.to_owned()))
}

/// Every file of every snapshot of a repository, with its snapshot.
fn snapshots(repo_dir: &Utf8Path) -> io::Result<Vec<(Utf8PathBuf, CachedFile)>> {
    let mut found = Vec::new();
    for name in dir::names(&repo_dir.join("snapshots"))? {
        let snapshot = repo_dir.join("snapshots").join(name);
        let files = weights::list(repo_dir, &snapshot)?;
        found.extend(files.into_iter().map(|file| (snapshot.clone(), file)));
    }
    Ok(found)
}

/// Removes a content under the lock that every Hugging Face tool takes to download or link it,
/// unless it has got a name since. Says whether it did.
fn remove_blob(hub_cache: &Utf8Path, repo_dir: &Utf8Path, blob: &Utf8Path) -> io::Result<bool> {
    let (Some(repo), Some(name)) = (repo_dir.file_name(), blob.file_name()) else {
        return Ok(false);
    };
    let lock = hub_cache.join(".locks").join(repo).join(format!("{name}.lock"));
    files::create_dir_all(files::parent(&lock))?;
    let Some(_lock) = Lock::try_acquire(&lock)? else { return Ok(false) };
    let is_named = |(_, file): &(_, CachedFile)| matches!(&file.content, Content::Blob { path, .. } if path == blob);
    if snapshots(repo_dir)?.iter().any(is_named) {
        return Ok(false);
    }
    files::remove_file(blob)?;
    Ok(true)
}

/// Removes directories that became empty, and what named the commit if nothing of it is left.
fn tidy(repo_dir: &Utf8Path, snapshot: &Utf8Path, commit: &str) -> io::Result<()> {
    dir::remove_empty(snapshot)?;
    if files::is_dir(snapshot) {
        return Ok(());
    }
    let refs = repo_dir.join("refs");
    for name in weights::refs_to(repo_dir, commit) {
        files::remove_file(&refs.join(name))?;
    }
    let snapshots = repo_dir.join("snapshots");
    dir::remove_empty(&snapshots)?;
    if files::is_dir(&snapshots) {
        return Ok(());
    }
    // Other files, an unfinished download for instance, keep it.
    dir::remove_empty(repo_dir)
}

#[cfg(test)]
#[path = "tests/prune.rs"]
mod tests;
