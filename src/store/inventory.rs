//! What a store holds, whether it is what was put there, and removing it.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::record::{self, Record, Unusable};
use super::{Store, StoreError, TEMPORARY};
use crate::io::dir;
use crate::io::files;
use crate::io::lock::Lock;
use crate::io::marked::MarkedDir;

/// An entry of a store, usable or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<R> {
    /// Its directory's name: that of the fingerprint.
    pub name: String,
    /// Its directory.
    pub path: Utf8PathBuf,
    /// What it was made from, or why it cannot be used.
    pub record: Result<R, Unusable>,
    /// The bytes of all its files.
    pub bytes: u64,
    /// When a build used it last, in seconds since 1970.
    pub last_used: u64,
}

/// What became of something that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone; or would be, if nothing is to be removed.
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

impl<R: Record> Store<R> {
    /// Every entry, by name. A store that does not exist has none.
    ///
    /// # Errors
    /// The cache directory cannot be listed.
    pub fn entries(&self) -> Result<Vec<Entry<R>>, StoreError> {
        let names = self.names().map_err(|error| self.error(error))?;
        Ok(names.into_iter().map(|name| self.entry(name)).collect())
    }

    fn entry(&self, name: String) -> Entry<R> {
        let path = self.home.join(&name);
        let record: Result<R, _> = record::read_usable(&path, &name);
        let modified = |path: &Utf8Path| files::modified(path).ok().flatten().unwrap_or_default();
        let made = record.as_ref().map_or_else(|_| modified(&path), Record::created);
        let last_used = made.max(modified(&self.use_lock(&name)));
        Entry { bytes: files::bytes_below(&path), last_used, name, path, record }
    }

    /// Reads an entry whole and holds it against its record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, entry: &Entry<R>) -> Result<(), Unusable> {
        let record = entry.record.as_ref().map_err(Clone::clone)?;
        match record::changed(&entry.path, record, u64::MAX)? {
            None => Ok(()),
            Some(changed) => Err(Unusable::Refused(record.says_changed(&entry.path, &changed))),
        }
    }

    /// Removes an entry unless somebody makes or uses it; with `dry_run` it is only asked. It
    /// vanishes by one rename.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub fn remove(&self, entry: &Entry<R>, dry_run: bool) -> Result<Removal, StoreError> {
        let remove = || {
            let mut held = Vec::new();
            for path in [self.making_lock(&entry.name), self.use_lock(&entry.name)] {
                if dry_run && !files::is_file(&path) {
                    continue;
                }
                files::create_dir_all(files::parent(&path))?;
                let Some(lock) = Lock::try_acquire(&path)? else { return Ok(Removal::InUse) };
                held.push(lock);
            }
            if !dry_run {
                let prefix = format!("{TEMPORARY}{}-", entry.name);
                let space = MarkedDir::make(&self.home, &prefix)?;
                dir::rename(&entry.path, &space.path().join("removed"))?;
                space.remove()?;
            }
            Ok(Removal::Removed)
        };
        remove().map_err(|error| self.error(error))
    }

    /// What killed processes left behind. Where there are no locks, nobody can tell.
    pub fn leftovers(&self) -> Vec<Leftover> {
        let names = dir::names(&self.home).unwrap_or_default();
        let mut locks = BTreeMap::new();
        let temporary = names.iter().filter_map(|name| {
            let (fingerprint, _) = name.strip_prefix(TEMPORARY)?.split_once('-')?;
            let lock = locks.entry(fingerprint).or_insert_with(|| {
                let lock = Lock::try_acquire(&self.making_lock(fingerprint)).ok().flatten();
                lock.filter(Lock::excludes).map(Arc::new)
            });
            let path = self.home.join(name);
            Some(Leftover { bytes: files::bytes_below(&path), path, _lock: lock.clone()? })
        });
        temporary.collect()
    }
}
