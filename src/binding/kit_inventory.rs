//! What the store of kits holds, whether it is what was put there, and removing it.

use camino::{Utf8Path, Utf8PathBuf};

use super::kit_store::TEMPORARY;
use super::{KitRecord, KitStore};
use crate::io::dir::{self, TemporaryDir};
use crate::io::files::{self, TreeKind};
use crate::io::lock::Lock;

/// A kit of the store, usable or not.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKit {
    /// Its directory's name: that of the fingerprint.
    pub name: String,
    /// Its directory.
    pub path: Utf8PathBuf,
    /// What it is, or why it cannot be used.
    pub record: Result<KitRecord, String>,
    /// The bytes of all its files.
    pub bytes: u64,
    /// When a build used it last, in seconds since 1970.
    pub last_used: u64,
}

/// A directory of the cache that bindings are built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildDir {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: Utf8PathBuf,
    /// The bytes of all its files.
    pub bytes: u64,
    /// When something was built there last, in seconds since 1970.
    pub last_used: u64,
}

impl BuildDir {
    /// Removes it, or only looks whether it could be; gives false if somebody builds there.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub fn remove(&self, dry_run: bool) -> std::io::Result<bool> {
        let lock = self.path.join(super::build::LOCK);
        let held = if files::is_file(&lock) { Lock::try_acquire(&lock)?.is_some() } else { true };
        if held && !dry_run {
            files::remove_dir_all(&self.path)?;
        }
        Ok(held)
    }
}

impl KitStore {
    /// The directories that bindings are built in, unless the user names another.
    ///
    /// # Errors
    /// The cache directory cannot be listed.
    pub fn build_dirs(&self) -> std::io::Result<Vec<BuildDir>> {
        let home = files::parent(&self.kits).join(super::BUILD_DIRS);
        let dirs = dir::names(&home)?.into_iter().map(|name| {
            let path = home.join(&name);
            let log = path.join(super::build::LOG);
            let last_used = files::modified(&log).ok().flatten().unwrap_or_default();
            BuildDir { bytes: bytes_in(&path), last_used, name, path }
        });
        Ok(dirs.collect())
    }

    /// Every kit, by name. A store that does not exist has none.
    ///
    /// # Errors
    /// The cache directory cannot be listed.
    pub fn entries(&self) -> std::io::Result<Vec<StoredKit>> {
        let names = dir::names(&self.kits)?.into_iter().filter(|name| !name.starts_with('.'));
        Ok(names.map(|name| self.stored_kit(name)).collect())
    }

    fn stored_kit(&self, name: String) -> StoredKit {
        let path = self.kits.join(&name);
        let record = KitRecord::read(&path).and_then(|record| {
            if record.fingerprint.dir_name() == name {
                Ok(record)
            } else {
                Err("it is another one".to_owned())
            }
        });
        let made = record.as_ref().map_or_else(
            |_| files::modified(&path).ok().flatten().unwrap_or_default(),
            |record| record.created,
        );
        let stamp = files::modified(&self.use_lock(&name)).ok().flatten().unwrap_or_default();
        StoredKit { bytes: bytes_in(&path), last_used: made.max(stamp), name, path, record }
    }

    /// Reads a kit's files whole and holds them against its record; says what is wrong.
    pub fn verify(&self, kit: &StoredKit) -> Result<(), String> {
        kit.record.as_ref().map_err(Clone::clone)?.verify(&kit.path)
    }

    /// Removes a kit, by one rename; gives false if somebody makes or uses it.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub fn remove(&self, kit: &StoredKit) -> std::io::Result<bool> {
        let mut held = Vec::new();
        for path in [self.making_lock(&kit.name), self.use_lock(&kit.name)] {
            files::create_dir_all(files::parent(&path))?;
            let Some(lock) = Lock::try_acquire(&path)? else { return Ok(false) };
            held.push(lock);
        }
        let space = TemporaryDir::new_in(&self.kits, &format!("{TEMPORARY}{}-", kit.name))?;
        dir::rename(&kit.path, &space.path().join("removed"))?;
        space.remove()?;
        Ok(true)
    }

    /// Whether a process makes or uses a kit now.
    pub fn is_in_use(&self, kit: &StoredKit) -> bool {
        [self.making_lock(&kit.name), self.use_lock(&kit.name)]
            .iter()
            .any(|path| files::is_file(path) && matches!(Lock::try_acquire(path), Ok(None)))
    }

    /// What killed processes left behind and nobody works on: directories and their bytes.
    pub fn leftovers(&self) -> Vec<(Utf8PathBuf, u64)> {
        let names = dir::names(&self.kits).unwrap_or_default();
        let temporary = names.iter().filter_map(|name| {
            let (fingerprint, _) = name.strip_prefix(TEMPORARY)?.split_once('-')?;
            let idle = Lock::try_acquire(&self.making_lock(fingerprint)).ok().flatten().is_some();
            let path = self.kits.join(name);
            idle.then(|| (bytes_in(&path), path)).map(|(bytes, path)| (path, bytes))
        });
        temporary.collect()
    }
}

/// The bytes of the files below a directory, as far as it can be read.
fn bytes_in(dir: &Utf8Path) -> u64 {
    let tree = files::tree(dir, |_| true).unwrap_or_default();
    let sizes =
        tree.iter().map(|entry| if let TreeKind::File(bytes) = entry.kind { bytes } else { 0 });
    sizes.sum()
}
