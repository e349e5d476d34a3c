//! The store of converted models, addressed by what they were made from.
//!
//! ```text
//! <cache-dir>/converted/<fingerprint>/model/        the model directory
//!                                    /record.json   what it was made from, and its files
//!                                    /convert.log   what Python said, if it converted
//! <cache-dir>/converted/.locks/<fingerprint>.lock   held while an entry is made
//! <cache-dir>/converted/.locks/<fingerprint>.used   its time is that of the last use; shared as a
//!                                                   lock by those who use the entry
//! <cache-dir>/converted/.tmp-<fingerprint>-…/       an entry in the making, or being removed
//! <cache-dir>/converted/.sources/<digest>.json      digests of a local checkpoint's files
//! ```
//!
//! An entry appears by one rename, as libraries do.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::ConvertError;
pub use super::new_model::{Made, NewModel, Part};
use crate::io::cancel::Cancel;
use crate::io::digest;
use crate::io::dir::{self, TemporaryDir};
use crate::io::files::{self, TreeKind};
use crate::io::in_use::InUse;
use crate::io::lock::Lock;
use crate::io::sync;
use crate::model::{Digest, Fingerprint, ShardPath};

pub(super) const MODEL: &str = "model";
pub(super) const LOG: &str = "convert.log";
pub(super) const RECORD: &str = "record.json";
const TEMPORARY: &str = ".tmp-";
/// The most a record may hold in bytes; ours have a few thousand.
const RECORD_LIMIT: u64 = 16 << 20;
/// Configs and indexes have fewer bytes, shards of real models more.
const SMALL: u64 = 1 << 20;

/// The converted models of one cache directory.
#[derive(Clone, Debug)]
pub struct ConvertedStore {
    home: Utf8PathBuf,
}

/// What an entry was made from, and what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvertedRecord {
    /// Everything that can change it.
    pub fingerprint: Fingerprint,
    /// Whether it is all of a model.
    #[serde(default)]
    pub part: Part,
    /// The checkpoint, as the config or the command line names it.
    pub model: String,
    /// The quantization's name.
    pub quantization: String,
    /// The conversation template's name; none if only weights were converted.
    pub conv_template: Option<String>,
    /// Who converted, `native` or `mlc`.
    #[serde(default)]
    pub engine: String,
    /// Why that one did.
    #[serde(default)]
    pub why: String,
    /// When it was converted, in seconds since 1970.
    pub created: u64,
    /// How long that took.
    pub seconds: f64,
    pub(super) files: Vec<RecordedFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RecordedFile {
    pub(super) path: Utf8PathBuf,
    pub(super) bytes: u64,
    pub(super) digest: Digest,
}

impl ConvertedRecord {
    /// The digests of its files. All of them have names that a model's files can have.
    pub fn into_digests(self) -> BTreeMap<ShardPath, Digest> {
        let files = self.files.into_iter();
        files.filter_map(|file| Some((file.path.as_str().parse().ok()?, file.digest))).collect()
    }
}

/// What the store says about a fingerprint.
#[derive(Debug)]
pub enum Lookup {
    /// It is there.
    Hit,
    /// It is not.
    Absent,
    /// It cannot be used, and why.
    Damaged(String),
}

/// An entry of the store, usable or not.
#[derive(Clone, Debug)]
pub struct StoredModel {
    /// Its directory's name: that of the fingerprint.
    pub name: String,
    /// Its directory.
    pub path: Utf8PathBuf,
    /// What it was made from, or why it cannot be used.
    pub record: Result<ConvertedRecord, String>,
    /// The bytes of all its files.
    pub bytes: u64,
    /// When a build used it last, in seconds since 1970.
    pub last_used: u64,
}

impl ConvertedStore {
    /// The store of a cache directory, which need not exist. Nothing is touched.
    pub fn new(cache_dir: &Utf8Path) -> Self {
        Self { home: cache_dir.join("converted") }
    }

    /// Where the model of a fingerprint is, or will be.
    pub fn model_dir(&self, fingerprint: Fingerprint) -> Utf8PathBuf {
        self.entry(fingerprint).join(MODEL)
    }

    /// What the program said that converted the model, if it was one.
    pub fn log(&self, fingerprint: Fingerprint) -> Utf8PathBuf {
        self.entry(fingerprint).join(LOG)
    }

    /// Where the digests of a local checkpoint are remembered.
    pub fn source_note(&self, checkpoint: &Utf8Path) -> Utf8PathBuf {
        let mut name = Digest::of(checkpoint.as_str().as_bytes()).to_hex();
        name.truncate(32);
        self.home.join(".sources").join(format!("{name}.json"))
    }

    /// Looks for a model, by the names and sizes of its files; small ones, of which plans are
    /// made, are read.
    pub fn lookup(&self, fingerprint: Fingerprint) -> Lookup {
        let entry = self.entry(fingerprint);
        if !files::exists(&entry) {
            return Lookup::Absent;
        }
        match verify(&entry, &fingerprint.dir_name(), SMALL) {
            Ok(()) => Lookup::Hit,
            Err(why) => Lookup::Damaged(why),
        }
    }

    /// What is noted of a model that is there.
    pub fn record(&self, fingerprint: Fingerprint) -> Option<ConvertedRecord> {
        read_usable(&self.entry(fingerprint), &fingerprint.dir_name()).ok()
    }

    /// Looks for a model, reads all of it, and keeps it from being removed.
    pub fn take(&self, fingerprint: Fingerprint) -> (Lookup, InUse) {
        let Some(in_use) = self.hold(fingerprint) else {
            return (Lookup::Absent, InUse::default());
        };
        let mut found = self.lookup(fingerprint);
        if let Lookup::Hit = found
            && let Err(why) = verify(&self.entry(fingerprint), &fingerprint.dir_name(), u64::MAX)
        {
            found = Lookup::Damaged(why);
        }
        (found, in_use)
    }

    /// Begins an entry. Another process that makes the same one is waited for; `waiting` is
    /// called then. Gives `None` if the wait was cancelled.
    pub fn begin(
        &self,
        fingerprint: Fingerprint,
        cancel: &Cancel,
        waiting: impl FnOnce(),
    ) -> Result<Option<NewModel>, ConvertError> {
        let begin = || {
            let name = fingerprint.dir_name();
            let path = self.lock(&name, "lock");
            sync::create_dir_all(files::parent(&path))?;
            let Some(lock) = Lock::acquire(&path, cancel, waiting)? else { return Ok(None) };
            // Whoever made these had the lock: they are dead.
            for left in self.temporary(&name)? {
                files::remove_dir_all(&left)?;
            }
            let space = TemporaryDir::new_in(&self.home, &format!("{TEMPORARY}{name}-"))?;
            NewModel::new(self, fingerprint, space, lock).map(Some)
        };
        begin().map_err(|source| self.error(source))
    }

    /// Every entry, by name. A store that does not exist has none.
    pub fn entries(&self) -> Result<Vec<StoredModel>, ConvertError> {
        let names = dir::names(&self.home).map_err(|source| self.error(source))?;
        let entries = names.into_iter().filter(|name| !name.starts_with('.'));
        Ok(entries.map(|name| self.stored(name)).collect())
    }

    /// Holds every byte of an entry against its record; says what is wrong.
    pub fn verify(&self, entry: &StoredModel) -> Result<(), String> {
        verify(&entry.path, &entry.name, u64::MAX)
    }

    /// Removes an entry by one rename, unless somebody makes or uses it: then it is `false`.
    /// With `dry_run` it is only asked.
    pub fn remove(&self, entry: &StoredModel, dry_run: bool) -> Result<bool, ConvertError> {
        let remove = || {
            let mut held = Vec::new();
            for kind in ["lock", "used"] {
                let path = self.lock(&entry.name, kind);
                if dry_run && !files::is_file(&path) {
                    continue;
                }
                files::create_dir_all(files::parent(&path))?;
                let Some(lock) = Lock::try_acquire(&path)? else { return Ok(false) };
                held.push(lock);
            }
            if !dry_run {
                let prefix = format!("{TEMPORARY}{}-", entry.name);
                let space = TemporaryDir::new_in(&self.home, &prefix)?;
                dir::rename(&entry.path, &space.path().join("removed"))?;
                space.remove()?;
            }
            Ok(true)
        };
        remove().map_err(|source| self.error(source))
    }

    /// What killed processes left behind, with the locks that say that nobody works on it.
    pub fn leftovers(&self) -> Vec<(Utf8PathBuf, u64, Lock)> {
        let names = dir::names(&self.home).unwrap_or_default();
        let temporary = names.iter().filter_map(|name| {
            let (fingerprint, _) = name.strip_prefix(TEMPORARY)?.split_once('-')?;
            let lock = Lock::try_acquire(&self.lock(fingerprint, "lock")).ok()??;
            let path = self.home.join(name);
            Some((path.clone(), bytes_in(&path), lock))
        });
        temporary.collect()
    }

    /// Holds an entry. Gives `None` if somebody removes it just now.
    pub(super) fn hold(&self, fingerprint: Fingerprint) -> Option<InUse> {
        InUse::hold(&self.lock(&fingerprint.dir_name(), "used"))
    }

    fn stored(&self, name: String) -> StoredModel {
        let path = self.home.join(&name);
        let record = read_usable(&path, &name);
        let modified = |path: &Utf8Path| files::modified(path).ok().flatten().unwrap_or_default();
        let made = record.as_ref().map_or_else(|_| modified(&path), |record| record.created);
        let last_used = made.max(modified(&self.lock(&name, "used")));
        StoredModel { bytes: bytes_in(&path), last_used, name, path, record }
    }

    /// The directory of all.
    pub(super) fn home(&self) -> &Utf8Path {
        &self.home
    }

    pub(super) fn entry(&self, fingerprint: Fingerprint) -> Utf8PathBuf {
        self.home.join(fingerprint.dir_name())
    }

    fn lock(&self, name: &str, kind: &str) -> Utf8PathBuf {
        self.home.join(".locks").join(format!("{name}.{kind}"))
    }

    fn temporary(&self, fingerprint: &str) -> io::Result<Vec<Utf8PathBuf>> {
        let prefix = format!("{TEMPORARY}{fingerprint}-");
        let names = dir::names(&self.home)?.into_iter();
        Ok(names.filter(|name| name.starts_with(&prefix)).map(|n| self.home.join(n)).collect())
    }

    pub(super) fn error(&self, source: io::Error) -> ConvertError {
        ConvertError::Cache { dir: self.home.clone(), source }
    }
}

/// The record of an entry whose files are those it names, as far as that is seen without reading.
fn read_usable(entry: &Utf8Path, name: &str) -> Result<ConvertedRecord, String> {
    let path = entry.join(RECORD);
    let text = files::read_at_most(&path, RECORD_LIMIT).map_err(|error| error.to_string())?;
    let text = text.ok_or_else(|| format!("`{path}` is too long"))?;
    let record: ConvertedRecord = serde_json::from_slice(&text)
        .map_err(|error| format!("`{path}` is unreadable: {error}"))?;
    if record.fingerprint.dir_name() != name {
        return Err(format!("`{path}` is about another model"));
    }
    let found = listed(&entry.join(MODEL)).map_err(|error| error.to_string())?;
    let wanted = record.files.iter().map(|file| (&file.path, file.bytes));
    if !wanted.eq(found.iter().map(|(path, bytes)| (path, *bytes))) {
        return Err(format!("`{}` has other files than were written", entry.join(MODEL)));
    }
    Ok(record)
}

fn verify(entry: &Utf8Path, name: &str, up_to: u64) -> Result<(), String> {
    let record = read_usable(entry, name)?;
    for file in record.files.iter().filter(|file| file.bytes <= up_to) {
        // The path is one that was found below the directory.
        let path = entry.join(MODEL).join(&file.path);
        let (digest, _) = digest::file(&path).map_err(|error| error.to_string())?;
        if digest != file.digest {
            return Err(format!("`{path}` is not what was written"));
        }
    }
    Ok(())
}

/// The files of a model directory and their bytes, by path. A link is none of ours.
pub(super) fn listed(home: &Utf8Path) -> io::Result<Vec<(Utf8PathBuf, u64)>> {
    let entries = files::tree(home, |_| true)?.into_iter();
    let mut found: Vec<_> = entries
        .filter_map(|entry| match entry.kind {
            TreeKind::Dir => None,
            TreeKind::File(bytes) => Some((entry.path, bytes)),
            TreeKind::Symlink | TreeKind::Other => Some((entry.path, u64::MAX)),
        })
        .collect();
    found.sort();
    Ok(found)
}

fn bytes_in(home: &Utf8Path) -> u64 {
    let listed = listed(home).unwrap_or_default();
    listed.iter().map(|(_, bytes)| bytes).filter(|bytes| **bytes != u64::MAX).sum()
}
