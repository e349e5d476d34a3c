//! Looking for entries, holding and making them.

use std::io;
use std::marker::PhantomData;

use camino::{Utf8Path, Utf8PathBuf};

use super::record::{self, Record, Unusable};
use super::{StoreError, TEMPORARY};
use crate::io::cancel::Cancel;
use crate::io::contents::Contents;
use crate::io::dir;
use crate::io::in_use::InUse;
use crate::io::lock::Lock;
use crate::io::marked::{self, MarkedDir};
use crate::io::{digest, files, kept_log, sync};
use crate::model::{Digest, Fingerprint};

/// The entries of one kind in one cache directory.
#[derive(Clone, Debug)]
pub struct Store<R> {
    pub(super) cache_dir: Utf8PathBuf,
    pub(super) home: Utf8PathBuf,
    kind: PhantomData<fn() -> R>,
}

/// An entry of the store that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<R> {
    /// Its directory.
    pub dir: Utf8PathBuf,
    /// What it was made from.
    pub record: R,
    /// Keeps it from being removed, if it is [held](Store::hold).
    pub in_use: InUse,
}

impl<R: Record> Stored<R> {
    /// Reads its files, in the order of its record, and holds them against that: for somebody who
    /// goes on with what was read.
    ///
    /// # Errors
    /// What of it is not what was stored.
    pub fn read(&self) -> Result<Vec<Contents>, Unusable> {
        let home = record::home::<R>(&self.dir);
        let files = self.record.files();
        let read = files.iter().map(|file| {
            let path = home.join(file.path);
            let (contents, found) = Contents::open_digested(&path)?;
            if found == file.digest { Ok(contents) } else { Err(Unusable::Changed(path)) }
        });
        read.collect()
    }

    /// Reads it whole and holds it against its record.
    ///
    /// # Errors
    /// What of it is not what was stored.
    pub fn verify(&self) -> Result<(), Unusable> {
        match record::changed(&self.dir, &self.record, u64::MAX)? {
            Some(file) => Err(Unusable::Changed(self.dir.join(file.path))),
            None => Ok(()),
        }
    }
}

/// What the store says about a fingerprint.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup<R> {
    /// It is there.
    Hit(Box<Stored<R>>),
    /// It is not, or is of no use.
    Miss(Miss),
}

/// Why the store has no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// There is none.
    Absent,
    /// One that cannot be used, and why; it will be replaced.
    Damaged(Unusable),
}

impl<R: Record> Store<R> {
    /// The store of a cache directory, which need not exist. Nothing is touched.
    pub fn new(cache_dir: &Utf8Path) -> Self {
        let home = R::BUCKET.path(cache_dir);
        Self { cache_dir: cache_dir.to_owned(), home, kind: PhantomData }
    }

    /// The cache directory.
    pub fn cache_dir(&self) -> &Utf8Path {
        &self.cache_dir
    }

    /// Where an entry is, or will be.
    pub fn path(&self, fingerprint: Fingerprint) -> Utf8PathBuf {
        self.home.join(fingerprint.dir_name())
    }

    /// Looks for an entry without reading its files, but for [small](Record::SMALL) ones.
    pub fn lookup(&self, fingerprint: Fingerprint) -> Lookup<R> {
        self.look(fingerprint, R::SMALL)
    }

    /// Looks for an entry and reads it whole: what is no longer what was stored, though as long, is
    /// damaged too.
    pub fn lookup_whole(&self, fingerprint: Fingerprint) -> Lookup<R> {
        self.look(fingerprint, u64::MAX)
    }

    /// The same for somebody who will use the entry: it stays until the result and its clones are
    /// dropped, and this counts as a use. What killed processes left in the store goes.
    pub fn hold(&self, fingerprint: Fingerprint) -> Lookup<R> {
        self.hold_as(|| self.lookup_whole(fingerprint), fingerprint)
    }

    /// The same for somebody who [verifies](Stored::verify) it while it is used, and throws away what
    /// came of it if it is not what was stored.
    pub fn hold_unread(&self, fingerprint: Fingerprint) -> Lookup<R> {
        self.hold_as(|| self.lookup(fingerprint), fingerprint)
    }

    fn hold_as(&self, look: impl Fn() -> Lookup<R>, fingerprint: Fingerprint) -> Lookup<R> {
        // Looking into a store that is not there leaves no trace.
        if !files::exists(&self.home) {
            return Lookup::Miss(Miss::Absent);
        }
        self.sweep();
        // The lock first: what is found afterwards is there to stay. Whoever has it alone is about
        // to remove the entry.
        let Some(in_use) = InUse::hold(&self.use_lock(&fingerprint.dir_name())) else {
            return Lookup::Miss(Miss::Absent);
        };
        match look() {
            Lookup::Hit(stored) => Lookup::Hit(Box::new(Stored { in_use, ..*stored })),
            miss @ Lookup::Miss(_) => miss,
        }
    }

    fn look(&self, fingerprint: Fingerprint, up_to: u64) -> Lookup<R> {
        let dir = self.path(fingerprint);
        if !files::exists(&dir) {
            return Lookup::Miss(Miss::Absent);
        }
        let usable = record::read_usable(&dir, &fingerprint.dir_name()).and_then(|record: R| {
            if let Some(why) = record.lacks() {
                return Err(Unusable::Refused(why));
            }
            match record::changed(&dir, &record, up_to)? {
                Some(file) => Err(Unusable::Changed(dir.join(file.path))),
                None => Ok(record),
            }
        });
        match usable {
            Ok(record) => Lookup::Hit(Box::new(Stored { dir, record, in_use: InUse::default() })),
            Err(why) => Lookup::Miss(Miss::Damaged(why)),
        }
    }

    /// The record of an entry that is there, whose files are not read.
    pub fn record(&self, fingerprint: Fingerprint) -> Option<R> {
        record::read_usable(&self.path(fingerprint), &fingerprint.dir_name()).ok()
    }

    /// All records that can be read: what a miss is compared with.
    pub fn records(&self) -> Vec<R> {
        let names = self.names().unwrap_or_default();
        names.iter().filter_map(|name| record::read(&self.home.join(name)).ok()).collect()
    }

    /// Begins an entry. Another process that makes the same one is waited for; `waiting` is called
    /// with the lock's path in this case. Gives `None` if the wait was cancelled.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub fn begin(
        &self,
        fingerprint: Fingerprint,
        cancel: &Cancel,
        waiting: impl FnOnce(&Utf8Path),
    ) -> Result<Option<NewEntry<R>>, StoreError> {
        let begin = || {
            let name = fingerprint.dir_name();
            let path = self.making_lock(&name);
            sync::create_dir_all(files::parent(&path))?;
            let Some(lock) = Lock::acquire(&path, cancel, || waiting(&path))? else {
                return Ok(None);
            };
            // Whoever made these had the lock: they are dead.
            if lock.excludes() {
                for left in self.temporary_of(&name) {
                    let _ = files::remove_dir_all(&left);
                }
            }
            let space = MarkedDir::make(&self.home, &format!("{TEMPORARY}{name}-"))?;
            for dir in ["entry", "work"] {
                dir::create(&space.path().join(dir))?;
            }
            if let Some(whole) = R::WHOLE_DIR {
                dir::create(&space.path().join("entry").join(whole))?;
            }
            let store = self.clone();
            Ok(Some(NewEntry { store, fingerprint, space, _lock: lock }))
        };
        begin().map_err(|error| self.error(error))
    }

    /// Adds to the record of an entry, whose files stay. Where nothing can be written, or somebody has
    /// made the entry anew, nothing is: it is found out again.
    pub fn amend(&self, stored: &Stored<R>, record: R)
    where
        R: PartialEq,
    {
        let lock = Lock::try_acquire(&self.making_lock(&record.fingerprint().dir_name()));
        let unchanged = || record::read::<R>(&stored.dir).is_ok_and(|now| now == stored.record);
        if matches!(lock, Ok(Some(_))) && unchanged() {
            let _ = record::write_synced(&record, &stored.dir);
        }
    }

    /// What an error means that happened in the store.
    pub fn error(&self, source: io::Error) -> StoreError {
        StoreError::new(&self.cache_dir, source)
    }

    /// Removes what killed processes left, which is known by our mark. It harms nobody but the disk, so
    /// that a failure is none.
    pub fn sweep(&self) {
        marked::sweep_dead(&self.home, TEMPORARY);
    }

    /// The lock of those who make or remove an entry.
    pub(super) fn making_lock(&self, name: &str) -> Utf8PathBuf {
        self.home.join(".locks").join(format!("{name}.lock"))
    }

    /// The lock that those share who use an entry.
    pub(super) fn use_lock(&self, name: &str) -> Utf8PathBuf {
        self.home.join(".locks").join(format!("{name}.used"))
    }

    /// The names of all entries.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = dir::names(&self.home)?;
        names.retain(|name| !name.starts_with('.'));
        Ok(names)
    }

    fn temporary_of(&self, name: &str) -> Vec<Utf8PathBuf> {
        let prefix = format!("{TEMPORARY}{name}-");
        let names = dir::names(&self.home).unwrap_or_default().into_iter();
        names.filter(|name| name.starts_with(&prefix)).map(|name| self.home.join(name)).collect()
    }
}

/// An entry in the making. Dropped without [`commit`](Self::commit), it leaves no trace.
#[derive(Debug)]
pub struct NewEntry<R> {
    store: Store<R>,
    fingerprint: Fingerprint,
    // Before the lock: whoever gets the lock next must not find the directory.
    space: MarkedDir,
    _lock: Lock,
}

impl<R: Record> NewEntry<R> {
    /// The directory that becomes the entry.
    pub fn dir(&self) -> Utf8PathBuf {
        self.space.path().join("entry")
    }

    /// An empty directory on the store's file system, which does not become a part of the entry.
    pub fn work(&self) -> Utf8PathBuf {
        self.space.path().join("work")
    }

    /// The place of something else that does not; nothing is there.
    pub fn beside(&self, name: &str) -> Utf8PathBuf {
        self.space.path().join(name)
    }

    /// The digest and the bytes of a file of the entry.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn measure(&self, path: &str) -> Result<(Digest, u64), StoreError> {
        digest::file(&self.dir().join(path)).map_err(|error| self.store.error(error))
    }

    /// All files below a directory of the entry, with their bytes and digests, by path.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn measure_all(&self, dir: &str) -> Result<Vec<(Utf8PathBuf, u64, Digest)>, StoreError> {
        let home = self.dir().join(dir);
        let found = record::listed(&home).map_err(|error| self.store.error(error))?.into_iter();
        let measured = found.map(|(path, bytes)| {
            let (digest, _) = digest::file(&home.join(&path))?;
            Ok((path, bytes, digest))
        });
        measured.collect::<io::Result<_>>().map_err(|error| self.store.error(error))
    }

    /// Keeps a log of the entry, whose making failed; gives its new path, or none if it cannot be
    /// kept.
    pub fn keep_log(&self, log: &str, name: &str) -> Option<Utf8PathBuf> {
        kept_log::keep(&self.dir().join(log), &self.store.cache_dir, name)
    }

    /// The cache directory.
    pub fn cache_dir(&self) -> &Utf8Path {
        &self.store.cache_dir
    }

    /// Its address.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Puts the entry into the store, in the place of one that may be there, and holds it.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub fn commit(self, record: R) -> Result<Stored<R>, StoreError> {
        let commit = || {
            let new = self.dir();
            record::write(&record, &new)?;
            let dir = self.store.path(self.fingerprint);
            if files::exists(&dir) {
                dir::rename(&dir, &self.beside("replaced"))?;
            }
            dir::publish(&new, &dir)?;
            // Nobody removes it before: the lock of its makers is held.
            let lock = self.store.use_lock(&self.fingerprint.dir_name());
            Ok(Stored { dir, record, in_use: InUse::hold(&lock).unwrap_or_default() })
        };
        commit().map_err(|error| self.store.error(error))
    }
}
