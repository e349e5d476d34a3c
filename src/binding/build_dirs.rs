//! The directories of the cache in which bindings are built.

use camino::{Utf8Path, Utf8PathBuf};

use super::build::{LOCK, LOG};
use crate::io::lock::Lock;
use crate::io::{dir, files};
use crate::store::{Bucket, Removal, StoreError};

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
    /// Removes it unless somebody builds there; with `dry_run` it is only asked.
    ///
    /// # Errors
    /// The cache directory cannot be written to.
    pub fn remove(&self, dry_run: bool) -> std::io::Result<Removal> {
        let lock = self.path.join(LOCK);
        // A link is removed as such, and what it leads to is not entered.
        let _held = match !files::is_symlink(&self.path) && files::is_file(&lock) {
            true => match Lock::try_acquire(&lock)? {
                Some(held) => Some(held),
                None => return Ok(Removal::InUse),
            },
            false => None,
        };
        if !dry_run {
            files::remove_dir_all(&self.path)?;
        }
        Ok(Removal::Removed)
    }
}

/// The directories that bindings are built in, unless the user names another.
///
/// # Errors
/// The cache directory cannot be listed.
pub fn build_dirs(cache_dir: &Utf8Path) -> Result<Vec<BuildDir>, StoreError> {
    let home = Bucket::BUILD_DIRS.path(cache_dir);
    let names = dir::names(&home).map_err(|error| StoreError::new(cache_dir, error))?;
    let dirs = names.into_iter().map(|name| {
        let path = home.join(&name);
        let last_used = files::modified(&path.join(LOG)).ok().flatten().unwrap_or_default();
        BuildDir { bytes: files::bytes_below(&path), last_used, name, path }
    });
    Ok(dirs.collect())
}
