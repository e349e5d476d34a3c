//! What an entry was made from, and which files it has.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Bucket;
use crate::io::files::{self, TreeKind};
use crate::io::{atomic, digest};
use crate::model::{Digest, Fingerprint};

/// The most a record may hold in bytes; ours have a few thousand.
const LIMIT: u64 = 16 << 20;

/// What a stage keeps of something that it made. The store does all else.
pub trait Record: Clone + fmt::Debug + Serialize + DeserializeOwned {
    /// Where entries lie.
    const BUCKET: &'static Bucket;
    /// What an entry is, in a word.
    const NAME: &'static str;
    /// The record's file.
    const FILE: &'static str = "record.json";
    /// The file of the record's digest, where the record itself is not to be trusted by its form.
    const SEAL: Option<&'static str> = None;
    /// The directory of the entry that has the files, and no others; without one, the entry itself
    /// has, and may have more.
    const WHOLE_DIR: Option<&'static str> = None;
    /// Files of at most so many bytes are read whenever the entry is looked for: plans are made of
    /// them.
    const SMALL: u64 = 0;

    /// Everything that can change the entry: its address.
    fn fingerprint(&self) -> Fingerprint;

    /// When it was made, in seconds since 1970.
    fn created(&self) -> u64;

    /// Its files.
    fn files(&self) -> Vec<RecordedFile<'_>>;

    /// Why the entry must not be used, whatever its files are.
    fn refusal(&self) -> Option<String> {
        None
    }

    /// Why it is of no use on this machine.
    fn lacks(&self) -> Option<String> {
        None
    }

    /// What `cache verify` says of a file that is not what was stored.
    fn says_changed(&self, entry: &Utf8Path, changed: &Changed) -> String {
        format!("`{}` is not what was stored", entry.join(&changed.path))
    }
}

/// A file of an entry.
#[derive(Clone, Copy, Debug)]
pub struct RecordedFile<'a> {
    /// Its path in the entry, or in the directory that has the files.
    pub path: &'a Utf8Path,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: Digest,
}

/// A file that is not what was stored.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Its path in the entry.
    pub path: Utf8PathBuf,
    /// Its digest.
    pub found: Digest,
    /// The digest that it should have.
    pub recorded: Digest,
}

/// Why an entry cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A file cannot be read; the system's own words, with the path.
    #[error("{0}")]
    Unreadable(String),
    /// A record that is longer than any of ours.
    #[error("`{0}` is too long")]
    TooLong(Utf8PathBuf),
    /// A record whose form is not known.
    #[error("`{path}` is unreadable: {why}")]
    NotARecord {
        /// The record.
        path: Utf8PathBuf,
        /// What the parser says, with line and column.
        why: String,
    },
    /// The record of an entry with another address.
    #[error("`{path}` is about another {name}")]
    Another {
        /// The record.
        path: Utf8PathBuf,
        /// What the entry should be.
        name: &'static str,
    },
    /// A file of the right size with other bytes.
    #[error("`{0}` is not what was stored")]
    Changed(Utf8PathBuf),
    /// A file of another size.
    #[error("`{path}` has {found} bytes instead of {recorded}")]
    Size {
        /// The file.
        path: Utf8PathBuf,
        /// Its bytes.
        found: u64,
        /// The bytes that it should have.
        recorded: u64,
    },
    /// A directory in which files were added or removed.
    #[error("`{0}` has other files than were written")]
    OtherFiles(Utf8PathBuf),
    /// What the stage says of its own record.
    #[error("{0}")]
    Refused(String),
}

impl From<std::io::Error> for Unusable {
    fn from(error: std::io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// The directory of an entry that has its files.
pub(super) fn home<R: Record>(entry: &Utf8Path) -> Utf8PathBuf {
    R::WHOLE_DIR.map_or_else(|| entry.to_owned(), |dir| entry.join(dir))
}

/// Reads a record, and looks at nothing else.
pub(super) fn read<R: Record>(entry: &Utf8Path) -> Result<R, Unusable> {
    let path = entry.join(R::FILE);
    let text = text(&path)?;
    if let Some(name) = R::SEAL
        && self::text(&entry.join(name))? != seal(&text).as_bytes()
    {
        return Err(Unusable::Changed(path));
    }
    serde_json::from_slice(&text)
        .map_err(|error| Unusable::NotARecord { path, why: error.to_string() })
}

/// The record of an entry that can be used, as far as that is seen without reading its files.
pub(super) fn read_usable<R: Record>(entry: &Utf8Path, name: &str) -> Result<R, Unusable> {
    let record: R = read(entry)?;
    if record.fingerprint().dir_name() != name {
        return Err(Unusable::Another { path: entry.join(R::FILE), name: R::NAME });
    }
    let home = home::<R>(entry);
    if R::WHOLE_DIR.is_some() {
        let found = listed(&home)?;
        let wanted = record.files().into_iter().map(|file| (file.path.to_owned(), file.bytes));
        if !wanted.eq(found) {
            return Err(Unusable::OtherFiles(home));
        }
    } else {
        for file in record.files() {
            let path = home.join(file.path);
            let found = files::size(&path)?;
            if found != file.bytes {
                return Err(Unusable::Size { path, found, recorded: file.bytes });
            }
        }
    }
    record.refusal().map_or(Ok(record), |why| Err(Unusable::Refused(why)))
}

/// Reads an entry's files of at most `up_to` bytes; gives the first that is not what was stored.
pub(super) fn changed<R: Record>(
    entry: &Utf8Path,
    record: &R,
    up_to: u64,
) -> Result<Option<Changed>, Unusable> {
    for file in record.files().iter().filter(|file| file.bytes <= up_to) {
        let path = home::<R>(entry).join(file.path);
        let (found, _) = digest::file(&path)?;
        if found != file.digest {
            let path = path.strip_prefix(entry).unwrap_or(&path).to_owned();
            return Ok(Some(Changed { path, found, recorded: file.digest }));
        }
    }
    Ok(None)
}

pub(super) fn write<R: Record>(record: &R, entry: &Utf8Path) -> std::io::Result<()> {
    let text = serde_json::to_vec_pretty(record)?;
    atomic::write_unsynced(&entry.join(R::FILE), &text)?;
    match R::SEAL {
        Some(name) => atomic::write_unsynced(&entry.join(name), seal(&text).as_bytes()),
        None => Ok(()),
    }
}

/// Writes the record of an entry that is in the store; it is on the disk then. One with a seal is
/// written with its entry alone.
pub(super) fn write_synced<R: Record>(record: &R, entry: &Utf8Path) -> std::io::Result<()> {
    atomic::write(&entry.join(R::FILE), &serde_json::to_vec_pretty(record)?)
}

/// The files below a directory and their bytes, by path. A link is none of ours.
pub(super) fn listed(dir: &Utf8Path) -> std::io::Result<Vec<(Utf8PathBuf, u64)>> {
    let entries = files::tree(dir, |_| true)?.into_iter();
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

fn text(path: &Utf8Path) -> Result<Vec<u8>, Unusable> {
    files::read_at_most(path, LIMIT)?.ok_or_else(|| Unusable::TooLong(path.to_owned()))
}

fn seal(record: &[u8]) -> String {
    format!("{}\n", Digest::of(record))
}
