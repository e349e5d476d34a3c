//! The store of compiled libraries, addressed by what they were made from.
//!
//! ```text
//! <cache-dir>/libs/<fingerprint>/lib.tar       the library
//!                               /record.json   what it was made from: CompileRecord
//!                               /compile.log   what the compiler said
//! <cache-dir>/libs/.locks/<fingerprint>.lock   held while an entry is made
//! <cache-dir>/libs/.locks/<fingerprint>.used   its time is that of the last use; shared as a lock
//!                                              by those who use the entry
//! <cache-dir>/libs/.tmp-<fingerprint>-…/       an entry in the making, or being removed
//! <cache-dir>/logs/<time>-<model_lib>.log      logs of failed compilations
//! ```
//!
//! An entry appears by one rename, so reading needs no lock and a read-only store can be used.
//! Who uses an entry shares a lock, where that can be had, and nobody removes the entry meanwhile.

use camino::{Utf8Path, Utf8PathBuf};

use super::StoreError;
use crate::io::dir::{self, TemporaryDir};
use crate::io::in_use::InUse;
use crate::io::lock::Lock;
use crate::io::process::Cancel;
use crate::io::{atomic, digest, files, kept_log, stamp, sync};
use crate::model::{CompileInputs, CompileRecord, Fingerprint, KernelsChecked, LibraryName};

pub(super) const LIBRARY: &str = "lib.tar";
const RECORD: &str = "record.json";
const LOG: &str = "compile.log";
pub(super) const TEMPORARY: &str = ".tmp-";
/// The most a record may hold in bytes; ours have a few thousand.
const RECORD_LIMIT: u64 = 16 << 20;

/// The compiled libraries of one cache directory.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) cache_dir: Utf8PathBuf,
    pub(super) libs: Utf8PathBuf,
}

/// A library in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredLibrary {
    /// What it was made from.
    pub record: CompileRecord,
    /// The library.
    pub library: Utf8PathBuf,
    /// What the compiler said; it may have been removed.
    pub log: Utf8PathBuf,
    /// Keeps it from being removed, if it was [taken](Store::take).
    pub(super) in_use: InUse,
}

/// What the store says about a fingerprint.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// It is there.
    Hit(Box<StoredLibrary>),
    /// It is not, or is of no use.
    Miss(MissReason),
}

/// Why the store has no library.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MissReason {
    /// No entry.
    #[error("not compiled yet")]
    Absent,
    /// An entry that cannot be used; it will be replaced.
    #[error("the stored library is damaged: {0}")]
    Damaged(String),
}

impl Store {
    /// The store of a cache directory, which need not exist. Nothing is touched.
    pub fn new(cache_dir: &Utf8Path) -> Self {
        Self { cache_dir: cache_dir.to_owned(), libs: cache_dir.join("libs") }
    }

    /// The cache directory.
    pub fn cache_dir(&self) -> &Utf8Path {
        &self.cache_dir
    }

    /// Looks for a library. The record must be about this fingerprint, and the library of the
    /// size it names.
    pub fn lookup(&self, fingerprint: Fingerprint) -> Lookup {
        let entry = self.entry(fingerprint);
        if !entry.exists() {
            return Lookup::Miss(MissReason::Absent);
        }
        match read_usable(&entry, |record| record.fingerprint == fingerprint) {
            Ok(record) => Lookup::Hit(Box::new(StoredLibrary {
                record,
                library: entry.join(LIBRARY),
                log: entry.join(LOG),
                in_use: InUse::default(),
            })),
            Err(why) => Lookup::Miss(MissReason::Damaged(why)),
        }
    }

    /// Looks for a library and reads it: what is no longer what was stored, though as long, is
    /// damaged too. Takes a millisecond for some megabytes.
    pub fn lookup_whole(&self, fingerprint: Fingerprint) -> Lookup {
        let found = self.lookup(fingerprint);
        let Lookup::Hit(stored) = &found else { return found };
        let why = match digest::file(&stored.library) {
            Ok((digest, _)) if digest == stored.record.digest => return found,
            Ok(_) => format!("`{}` is not what was stored", stored.library),
            Err(error) => error.to_string(),
        };
        Lookup::Miss(MissReason::Damaged(why))
    }

    /// The records of all entries that have a readable one: what a miss is compared with.
    pub fn records(&self) -> Vec<CompileRecord> {
        let names = dir::names(&self.libs).unwrap_or_default();
        let entries = names.iter().filter(|name| !name.starts_with('.'));
        entries.filter_map(|name| read_record(&self.libs.join(name)).ok()).collect()
    }

    /// Begins an entry. Another process that makes the same one is waited for; `waiting` is
    /// called with the lock's path in this case. Gives `None` if the wait was cancelled.
    pub(super) fn begin(
        &self,
        fingerprint: Fingerprint,
        cancel: &Cancel,
        waiting: impl FnOnce(&Utf8Path),
    ) -> Result<Option<NewEntry>, StoreError> {
        let begin = || {
            let name = fingerprint.dir_name();
            let lock_path = self.making_lock(&name);
            sync::create_dir_all(files::parent(&lock_path))?;
            let Some(lock) = Lock::acquire(&lock_path, cancel, || waiting(&lock_path))? else {
                return Ok(None);
            };
            let space = TemporaryDir::new_in(&self.libs, &format!("{TEMPORARY}{name}-"))?;
            dir::create(&space.path().join("entry"))?;
            dir::create(&space.path().join("work"))?;
            let store = self.clone();
            Ok(Some(NewEntry { store, fingerprint, space, _lock: lock }))
        };
        begin().map_err(|error| self.error(error))
    }

    /// Notes beside a library that its kernels compile. Where nothing can be written, or somebody has
    /// made the library anew, nothing is: the next run checks again.
    pub(super) fn note_kernels(&self, stored: &StoredLibrary, kernels: KernelsChecked) {
        let entry = self.entry(stored.record.fingerprint);
        let lock = Lock::try_acquire(&self.making_lock(&stored.record.fingerprint.dir_name()));
        if let (Ok(Some(_lock)), Ok(record)) = (lock, read_record(&entry))
            && record == stored.record
        {
            let record = CompileRecord { kernels: Some(kernels), ..record };
            if let Ok(text) = serde_json::to_vec_pretty(&record) {
                let _ = atomic::write(&entry.join(RECORD), &text);
            }
        }
    }

    pub(super) fn entry(&self, fingerprint: Fingerprint) -> Utf8PathBuf {
        self.libs.join(fingerprint.dir_name())
    }

    /// The lock of those who make or remove an entry.
    pub(super) fn making_lock(&self, name: &str) -> Utf8PathBuf {
        self.libs.join(".locks").join(format!("{name}.lock"))
    }

    pub(super) fn error(&self, source: std::io::Error) -> StoreError {
        StoreError::new(&self.cache_dir, source)
    }
}

/// An entry in the making. Dropped without [`commit`](Self::commit), it leaves no trace.
#[derive(Debug)]
pub(super) struct NewEntry {
    store: Store,
    fingerprint: Fingerprint,
    // Before the lock: whoever gets the lock next must not find the directory.
    space: TemporaryDir,
    _lock: Lock,
}

impl NewEntry {
    /// Where the library is to be written.
    pub(super) fn library(&self) -> Utf8PathBuf {
        self.space.path().join("entry").join(LIBRARY)
    }

    /// Where the compiler's log is to be written.
    pub(super) fn log(&self) -> Utf8PathBuf {
        self.space.path().join("entry").join(LOG)
    }

    /// An empty directory on the store's file system.
    pub(super) fn work(&self) -> Utf8PathBuf {
        self.space.path().join("work")
    }

    /// Puts the entry into the store, in the place of one that may be there.
    pub(super) fn commit(
        self,
        inputs: &CompileInputs,
        seconds: f64,
        kernels: Option<KernelsChecked>,
    ) -> Result<StoredLibrary, StoreError> {
        let commit = || {
            let (digest, bytes) = digest::file(&self.library())?;
            let created = stamp::seconds_since_1970();
            let fingerprint = self.fingerprint;
            let inputs = inputs.clone();
            let record =
                CompileRecord { fingerprint, inputs, seconds, bytes, digest, created, kernels };
            let new = self.space.path().join("entry");
            atomic::write_unsynced(&new.join(RECORD), &serde_json::to_vec_pretty(&record)?)?;
            let entry = self.store.entry(self.fingerprint);
            if entry.exists() {
                dir::rename(&entry, &self.space.path().join("replaced"))?;
            }
            dir::publish(&new, &entry)?;
            // Nobody removes it before: the lock of its makers is held.
            let in_use = self.store.hold(self.fingerprint).unwrap_or_default();
            let (library, log) = (entry.join(LIBRARY), entry.join(LOG));
            Ok(StoredLibrary { record, library, log, in_use })
        };
        commit().map_err(|error| self.store.error(error))
    }

    /// Keeps the log of a failed compilation; gives its new path, or none if it cannot be kept.
    pub(super) fn keep_log(&self, model_lib: &LibraryName) -> Option<Utf8PathBuf> {
        kept_log::keep(&self.log(), &self.store.cache_dir, model_lib.as_str())
    }
}

/// The record of an entry that can be used, as far as that is seen without reading the library.
pub(super) fn read_usable(
    entry: &Utf8Path,
    is_about: impl Fn(&CompileRecord) -> bool,
) -> Result<CompileRecord, String> {
    let record = read_record(entry)?;
    if !is_about(&record) {
        return Err(format!("`{}` is about another library", entry.join(RECORD)));
    }
    let library = entry.join(LIBRARY);
    let size = files::size(&library).map_err(|error| error.to_string())?;
    if size != record.bytes {
        return Err(format!("`{library}` has {size} bytes instead of {}", record.bytes));
    }
    Ok(record)
}

fn read_record(entry: &Utf8Path) -> Result<CompileRecord, String> {
    let path = entry.join(RECORD);
    let bytes = files::read_at_most(&path, RECORD_LIMIT).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| format!("`{path}` is too long"))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("`{path}` is unreadable: {error}"))
}

#[cfg(test)]
#[path = "tests/store.rs"]
mod tests;
