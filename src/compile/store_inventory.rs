//! What the store holds: its entries and logs, and whether they are what was put there.

use camino::{Utf8Path, Utf8PathBuf};

use super::store::{LIBRARY, read_usable};
use super::{Store, StoreError};
use crate::io::files::{self, TreeKind};
use crate::io::{digest, dir};
use crate::model::CompileRecord;

/// An entry of the store, usable or not.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEntry {
    /// Its directory's name: that of the fingerprint.
    pub name: String,
    /// Its directory.
    pub path: Utf8PathBuf,
    /// What the library was made from, or why the entry cannot be used.
    pub record: Result<CompileRecord, String>,
    /// The bytes of all its files.
    pub bytes: u64,
    /// When a build used it last, in seconds since 1970.
    pub last_used: u64,
}

/// The log of a failed compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The file.
    pub path: Utf8PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was written, in seconds since 1970.
    pub written: u64,
}

impl Store {
    /// Every entry, by name. A store that does not exist has none.
    ///
    /// # Errors
    /// The cache directory cannot be listed.
    pub fn entries(&self) -> Result<Vec<StoredEntry>, StoreError> {
        let names = dir::names(&self.libs).map_err(|error| self.error(error))?;
        let entries = names.into_iter().filter(|name| !name.starts_with('.'));
        Ok(entries.map(|name| self.stored_entry(name)).collect())
    }

    fn stored_entry(&self, name: String) -> StoredEntry {
        let path = self.libs.join(&name);
        let record = read_usable(&path, |record| record.fingerprint.dir_name() == name);
        let made = record.as_ref().map_or_else(
            |_| files::modified(&path).ok().flatten().unwrap_or_default(),
            |record| record.created,
        );
        let stamp = files::modified(&self.use_lock(&name)).ok().flatten().unwrap_or_default();
        StoredEntry { bytes: bytes_in(&path), last_used: made.max(stamp), name, path, record }
    }

    /// Reads an entry's library whole and holds it against its record; says what is wrong.
    pub fn verify(&self, entry: &StoredEntry) -> Result<(), String> {
        let record = entry.record.as_ref().map_err(Clone::clone)?;
        let library = entry.path.join(LIBRARY);
        let (digest, _) = digest::file(&library).map_err(|error| error.to_string())?;
        if digest == record.digest {
            return Ok(());
        }
        Err(format!("its {LIBRARY} has the digest {digest}, and its record says {}", record.digest))
    }

    /// The logs of failed compilations.
    pub fn logs(&self) -> Vec<Log> {
        let logs = self.cache_dir.join("logs");
        let names = dir::names(&logs).unwrap_or_default();
        let paths = names.iter().filter(|name| name.ends_with(".log")).map(|name| logs.join(name));
        paths
            .filter_map(|path| {
                let (bytes, written) = (files::size(&path).ok()?, files::modified(&path).ok()??);
                Some(Log { path, bytes, written })
            })
            .collect()
    }
}

/// The bytes of the files below a directory, as far as it can be read.
pub(super) fn bytes_in(dir: &Utf8Path) -> u64 {
    let tree = files::tree(dir, |_| true).unwrap_or_default();
    tree.iter()
        .map(|entry| match entry.kind {
            TreeKind::File(bytes) => bytes,
            TreeKind::Dir | TreeKind::Symlink | TreeKind::Other => 0,
        })
        .sum()
}
