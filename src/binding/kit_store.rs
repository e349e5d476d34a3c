//! The kits of a cache directory, addressed by what they were made from.
//!
//! ```text
//! <cache-dir>/kits/<fingerprint>/kit.json      what it is: KitRecord
//!                               /kit.digest    the digest of that
//!                               /files/…       what the linker reads
//!                               /output/…      what goes into dist/ as it is
//! <cache-dir>/kits/.locks/<fingerprint>.lock   held while a kit is made
//! <cache-dir>/kits/.locks/<fingerprint>.used   its time is that of the last use; shared as a lock
//! <cache-dir>/kits/.tmp-<fingerprint>-…/       a kit in the making, or being removed
//! <cache-dir>/binding/<target>-<source>/       where upstream's scripts run, unless told otherwise
//! ```
//!
//! A kit appears by one rename, so that reading needs no lock.

use camino::{Utf8Path, Utf8PathBuf};

use super::{BindingError, Kit, KitRecord};
use crate::io::cancel::Cancel;
use crate::io::dir::{self, TemporaryDir};
use crate::io::files;
use crate::io::in_use::InUse;
use crate::io::lock::Lock;
use crate::io::sync;
use crate::model::Fingerprint;

pub(super) const TEMPORARY: &str = ".tmp-";

/// The kits of one cache directory.
#[derive(Clone, Debug)]
pub struct KitStore {
    pub(super) kits: Utf8PathBuf,
}

/// What the store says about a fingerprint.
#[derive(Clone, Debug)]
pub enum KitLookup {
    /// It is there.
    Hit(Box<Kit>),
    /// It is not, or is of no use.
    Miss(KitMiss),
}

/// Why the store has no kit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KitMiss {
    /// There is none.
    Absent,
    /// One that cannot be used, and why; it will be replaced.
    Unusable(String),
}

impl KitStore {
    /// The store of a cache directory, which need not exist. Nothing is touched.
    pub fn new(cache_dir: &Utf8Path) -> Self {
        Self { kits: cache_dir.join("kits") }
    }

    /// Looks for a kit, without reading its files.
    pub fn lookup(&self, fingerprint: Fingerprint) -> KitLookup {
        let dir = self.kits.join(fingerprint.dir_name());
        if !files::exists(&dir) {
            return KitLookup::Miss(KitMiss::Absent);
        }
        let record = match KitRecord::read(&dir) {
            Ok(record) if record.fingerprint == fingerprint => record,
            Ok(_) => return unusable("it is another one".to_owned()),
            Err(why) => return unusable(why),
        };
        let needs = record.link.iter().flat_map(|link| &link.command.needs);
        if let Some(absent) = needs.into_iter().find(|path| !files::exists(path)) {
            return unusable(format!("it is linked with `{absent}`, which is not there"));
        }
        KitLookup::Hit(Box::new(Kit { dir, record, _in_use: InUse::default() }))
    }

    /// Looks for a kit and reads its files, for somebody who will link it: it stays until the
    /// result is dropped, and this counts as a use.
    pub fn take(&self, fingerprint: Fingerprint) -> KitLookup {
        if !files::exists(&self.kits.join(fingerprint.dir_name())) {
            return KitLookup::Miss(KitMiss::Absent);
        }
        // The lock first: what is found afterwards is there to stay.
        let Some(in_use) = self.hold(fingerprint) else {
            return KitLookup::Miss(KitMiss::Absent);
        };
        match self.lookup(fingerprint) {
            KitLookup::Hit(kit) => match kit.record.verify(&kit.dir) {
                Ok(()) => KitLookup::Hit(Box::new(Kit { _in_use: in_use, ..*kit })),
                Err(why) => unusable(why),
            },
            miss @ KitLookup::Miss(_) => miss,
        }
    }

    /// The records of all kits that can be read: what a miss is compared with.
    pub fn records(&self) -> Vec<KitRecord> {
        let names = dir::names(&self.kits).unwrap_or_default();
        let kits = names.iter().filter(|name| !name.starts_with('.'));
        kits.filter_map(|name| KitRecord::read(&self.kits.join(name)).ok()).collect()
    }

    /// Begins a kit. Another process that makes the same one is waited for; `waiting` is called in
    /// this case.
    pub(super) fn begin(
        &self,
        fingerprint: Fingerprint,
        cancel: &Cancel,
        waiting: impl FnOnce(),
    ) -> Result<NewKit, BindingError> {
        let name = fingerprint.dir_name();
        let path = self.making_lock(&name);
        sync::create_dir_all(files::parent(&path))?;
        let lock = Lock::acquire(&path, cancel, waiting)?.ok_or(BindingError::Interrupted)?;
        // Whoever died while making it left this.
        for leftover in self.leftovers_of(&name) {
            let _ = files::remove_dir_all(&leftover);
        }
        let space = TemporaryDir::new_in(&self.kits, &format!("{TEMPORARY}{name}-"))?;
        dir::create(&space.path().join("kit"))?;
        Ok(NewKit { store: self.clone(), name, space, _lock: lock })
    }

    /// Holds a kit. Gives `None` if somebody removes it just now.
    fn hold(&self, fingerprint: Fingerprint) -> Option<InUse> {
        InUse::hold(&self.use_lock(&fingerprint.dir_name()))
    }

    /// The lock of those who make or remove a kit.
    pub(super) fn making_lock(&self, name: &str) -> Utf8PathBuf {
        self.kits.join(".locks").join(format!("{name}.lock"))
    }

    pub(super) fn use_lock(&self, name: &str) -> Utf8PathBuf {
        self.kits.join(".locks").join(format!("{name}.used"))
    }

    fn leftovers_of(&self, name: &str) -> Vec<Utf8PathBuf> {
        let prefix = format!("{TEMPORARY}{name}-");
        let names = dir::names(&self.kits).unwrap_or_default();
        let leftovers = names.iter().filter(|name| name.starts_with(&prefix));
        leftovers.map(|name| self.kits.join(name)).collect()
    }
}

fn unusable(why: String) -> KitLookup {
    KitLookup::Miss(KitMiss::Unusable(why))
}

/// A kit in the making. Dropped without [`commit`](Self::commit), it leaves no trace.
#[derive(Debug)]
pub(super) struct NewKit {
    store: KitStore,
    name: String,
    // Before the lock: whoever gets the lock next must not find the directory.
    space: TemporaryDir,
    _lock: Lock,
}

impl NewKit {
    /// Where its files are to be put.
    pub(super) fn dir(&self) -> Utf8PathBuf {
        self.space.path().join("kit")
    }

    /// Puts the kit into the store, in the place of one that may be there.
    pub(super) fn commit(self, record: KitRecord) -> Result<Kit, BindingError> {
        record.write(&self.dir())?;
        let dir = self.store.kits.join(&self.name);
        if files::exists(&dir) {
            dir::rename(&dir, &self.space.path().join("replaced"))?;
        }
        dir::publish(&self.dir(), &dir)?;
        // Nobody removes it before: the lock of its makers is held.
        let in_use = self.store.hold(record.fingerprint).unwrap_or_default();
        Ok(Kit { dir, record, _in_use: in_use })
    }
}
