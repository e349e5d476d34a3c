//! Removing entries of the store, and what dead processes left in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;

use super::store::TEMPORARY;
use super::store_inventory::bytes_in;
use super::{Store, StoreError, StoredEntry};
use crate::io::dir::{self, TemporaryDir};
use crate::io::files;
use crate::io::lock::Lock;

/// What became of an entry that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// A process makes or uses it: it stays.
    InUse,
}

/// An entry in the making, or being removed, that nobody works on.
#[derive(Debug)]
pub struct Leftover {
    /// Its directory.
    pub path: Utf8PathBuf,
    /// The bytes of its files.
    pub bytes: u64,
    // Whoever makes this entry next waits until we are done.
    _lock: Arc<Lock>,
}

impl Leftover {
    /// Removes it.
    ///
    /// # Errors
    /// It cannot be removed; it harms nobody but the disk.
    pub fn remove(&self) -> std::io::Result<()> {
        files::remove_dir_all(&self.path)
    }
}

impl Store {
    /// Removes an entry unless somebody makes or uses it. It vanishes by one rename.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub fn remove(&self, entry: &StoredEntry) -> Result<Removal, StoreError> {
        let remove = || {
            let locks = [self.making_lock(&entry.name), self.use_lock(&entry.name)];
            let mut held = Vec::new();
            for path in &locks {
                files::create_dir_all(files::parent(path))?;
                let Some(lock) = Lock::try_acquire(path)? else { return Ok(Removal::InUse) };
                held.push(lock);
            }
            let space = TemporaryDir::new_in(&self.libs, &format!("{TEMPORARY}{}-", entry.name))?;
            dir::rename(&entry.path, &space.path().join("removed"))?;
            space.remove()?;
            Ok(Removal::Removed)
        };
        remove().map_err(|error| self.error(error))
    }

    /// Whether a process makes or uses an entry now.
    pub fn is_in_use(&self, entry: &StoredEntry) -> bool {
        [self.making_lock(&entry.name), self.use_lock(&entry.name)]
            .iter()
            .any(|path| files::is_file(path) && matches!(Lock::try_acquire(path), Ok(None)))
    }

    /// What killed processes left behind.
    pub fn leftovers(&self) -> Vec<Leftover> {
        let names = dir::names(&self.libs).unwrap_or_default();
        let mut locks = BTreeMap::new();
        let temporary = names.iter().filter_map(|name| {
            let (fingerprint, _) = name.strip_prefix(TEMPORARY)?.split_once('-')?;
            let lock = locks.entry(fingerprint).or_insert_with(|| {
                Lock::try_acquire(&self.making_lock(fingerprint)).ok().flatten().map(Arc::new)
            });
            let path = self.libs.join(name);
            Some(Leftover { bytes: bytes_in(&path), path, _lock: lock.clone()? })
        });
        temporary.collect()
    }

    /// Removes what killed processes left behind.
    pub(super) fn sweep(&self) {
        for leftover in self.leftovers() {
            let _ = leftover.remove();
        }
    }
}
