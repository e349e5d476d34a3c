//! Whether the files of a model hold what is said of them: by the Hub's list or the lock file, and by
//! the tensor cache.
//!
//! ```text
//! <cache-dir>/weights/.known/<digest of what is said>.json   the BLAKE3 of what was found right
//! ```
//!
//! What is said is in SHA-256, Git's SHA-1 and MD5: each has to be made by one processor, from the
//! start to the end. So a file is held against them once, and known by its BLAKE3 from then on, which a
//! build makes of each file that it bundles anyway. A note is about content, wherever that lies.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::hub::RemoteDigest;
use crate::io::cancel::Cancel;
use crate::io::positioned::PositionedFile;
use crate::model::{Digest, ModelFiles, ShardPath};
use crate::store::{self, Bucket};

/// Bytes in memory at once.
const BLOCK: usize = 1 << 20;

/// Files of fewer bytes are read each time: that takes as long as reading a note.
const SMALL: u64 = 64 << 10;

/// The most a note may hold in bytes: 100,000 files fit.
const NOTE_LIMIT: u64 = 64 << 20;

/// What is said of one file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// By the Hub's list or the lock file, or by the name of a blob in the Hub's cache.
    pub(super) remote: Option<RemoteDigest>,
    /// By the tensor cache, in hex.
    pub(super) md5: Option<String>,
    /// By the record of a conversion.
    pub(super) converted: Option<Digest>,
}

impl Said {
    /// What a note has the file under: nothing of a file of which nothing is said, or which is known by
    /// its BLAKE3 already.
    fn key(&self) -> Option<String> {
        let remote = self.remote.map(|digest| format!("{digest:?}"));
        let md5 = self.md5.as_ref().map(|hex| format!("md5:{}", hex.to_ascii_lowercase()));
        let parts: Vec<_> = remote.into_iter().chain(md5).collect();
        (!parts.is_empty() && self.converted.is_none()).then(|| parts.join(" "))
    }
}

/// A file that is not what is said of it.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` has the {} digest {}, and {} says {}", .mismatch.kind, .mismatch.found, .mismatch.by, .mismatch.expected)]
pub struct WrongContent {
    /// The file.
    pub path: Utf8PathBuf,
    /// What it is, and what it should be.
    pub mismatch: Mismatch,
    /// How to get the right one.
    pub remedy: Remedy,
}

/// What a file is, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The kind of digest.
    pub kind: &'static str,
    /// Who says what the file is.
    pub by: &'static str,
    /// Whether that is what the Hub's list, the lock file or the name of a blob says: the file is not
    /// what it was when it came.
    pub is_remote: bool,
    /// What it is, in hex.
    pub found: String,
    /// What it should be, in hex.
    pub expected: String,
}

/// How to get a file that is what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Remedy {
    /// From the Hub, which must not be asked now.
    #[error(
        "run it once without --offline and HF_HUB_OFFLINE, and with MLC_DOWNLOAD_CACHE_POLICY=ON: \
         the file is downloaded again"
    )]
    AskTheHub,
    /// The right file came from the Hub just now, and is another one again.
    #[error("something writes to the cache while it is used: look for it")]
    LookForIt,
    /// The Hub's file is whole, and not the one that its tensor cache describes.
    #[error("the repository contradicts itself: tell its owner")]
    TellTheOwner,
    /// By whoever put it into a directory.
    #[error(
        "get the file again; if it was changed under dist/bundle, which shares it with the model's \
         directory, build with `--link-mode copy`"
    )]
    GetItAgain,
    /// From the Hub, by whichever program filled its cache.
    #[error("remove `{0}`, and download the model again")]
    RemoveBlob(Utf8PathBuf),
    /// In MLC LLM's own cache.
    #[error("remove `{0}`: then the model is downloaded again")]
    RemoveModel(Utf8PathBuf),
    /// By a conversion.
    #[error("run it again: a converted model that is damaged is made again")]
    RunAgain,
}

/// What is said of a model's files, and what is known of those that were held against it.
#[derive(Debug)]
pub(super) struct Contents {
    said: BTreeMap<ShardPath, Said>,
    /// Who says it, where it is not the tensor cache.
    by: &'static str,
    note: store::Note,
    known: Mutex<Known>,
}

/// What is said of files, and the BLAKE3 of what was found to be it.
#[derive(Debug, Default)]
struct Known {
    /// What a note has.
    noted: BTreeMap<String, Digest>,
    /// Of small files, in this run.
    seen: BTreeMap<String, Digest>,
}

impl Known {
    fn get(&self, key: &str) -> Option<Digest> {
        self.noted.get(key).or_else(|| self.seen.get(key)).copied()
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    format: u32,
    /// What is said of a file, and the BLAKE3 of what was found to be it.
    files: BTreeMap<String, Digest>,
}

impl Contents {
    /// What is said of these files, `by` whom where it is not the tensor cache. What is known of them is
    /// read from the cache.
    pub(super) fn new(
        said: BTreeMap<ShardPath, Said>,
        by: &'static str,
        cache_dir: &Utf8Path,
    ) -> Self {
        let mut keys: Vec<_> = said.values().filter_map(Said::key).collect();
        keys.sort();
        let mut name = Digest::of(keys.join("\n").as_bytes()).to_hex();
        name.truncate(32);
        let path = Bucket::VERIFIED.path(cache_dir).join(format!("{name}.json"));
        let note = store::Note::new(path, NOTE_LIMIT);
        let text = match keys.is_empty() {
            true => None,
            false => note.read(),
        };
        let read = text.and_then(|text| serde_json::from_slice::<Note>(&text).ok());
        let noted =
            read.filter(|note| note.format == Bucket::VERIFIED.format).map(|note| note.files);
        let known = Known { noted: noted.unwrap_or_default(), ..Known::default() };
        Self { said, by, note, known: Mutex::new(known) }
    }

    /// What the tensor cache says of a model's shards.
    pub(super) fn by_tensor_cache(files: &ModelFiles) -> BTreeMap<ShardPath, Said> {
        let shards = files.tensor_cache.shards.iter();
        let said = shards.filter_map(|shard| {
            let md5 = Some(shard.md5.clone()?);
            Some((shard.path.clone(), Said { md5, ..Said::default() }))
        });
        said.collect()
    }

    /// Whether it is read each time.
    pub(super) fn is_small(bytes: u64) -> bool {
        bytes < SMALL
    }

    /// Whether the same is said of the same files.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.said == other.said && self.by == other.by
    }

    /// Whether something is said of a file that it was never held against.
    pub(super) fn is_unknown(&self, path: &ShardPath) -> bool {
        let key = self.said.get(path).and_then(Said::key);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        key.is_some_and(|key| known.get(&key).is_none())
    }

    /// The BLAKE3 of a file that is what is said of it; none if that is not known.
    pub(super) fn known(&self, path: &ShardPath) -> Option<Digest> {
        let said = self.said.get(path)?;
        let known = || {
            let key = said.key()?;
            self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
        };
        said.converted.or_else(known)
    }

    /// Holds a file, of which `found` is the BLAKE3, against what is said of it. It is read if that
    /// is not known to be the right one.
    ///
    /// # Errors
    /// It cannot be read, or `cancel` was set: [`io::ErrorKind::Interrupted`].
    pub(super) fn check(
        &self,
        path: &ShardPath,
        place: &Utf8Path,
        found: Digest,
        cancel: &Cancel,
    ) -> io::Result<Result<(), Mismatch>> {
        let Some(said) = self.said.get(path) else { return Ok(Ok(())) };
        if let Some(expected) = said.converted {
            if found == expected {
                return Ok(Ok(()));
            }
            return Ok(Err(Mismatch {
                kind: "BLAKE3",
                by: "the record of its conversion",
                is_remote: false,
                found: found.to_hex(),
                expected: expected.to_hex(),
            }));
        }
        let Some(key) = said.key() else { return Ok(Ok(())) };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key);
        if known == Some(found) {
            return Ok(Ok(()));
        }
        // The note may be what is damaged.
        let read = self.read(path, place, cancel)?;
        if read.is_ok() {
            self.keep();
        }
        Ok(read)
    }

    /// Reads a file, and holds it against what is said of it.
    pub(super) fn read(
        &self,
        path: &ShardPath,
        place: &Utf8Path,
        cancel: &Cancel,
    ) -> io::Result<Result<(), Mismatch>> {
        let Some((said, key)) = self.said.get(path).and_then(|said| Some((said, said.key()?)))
        else {
            return Ok(Ok(()));
        };
        let read = digests(place, said, cancel)?;
        if let (Some(expected), Some(found)) = (said.remote, read.remote)
            && found != expected
        {
            return Ok(Err(Mismatch {
                kind: expected.kind(),
                by: self.by,
                is_remote: true,
                found: found.to_string(),
                expected: expected.to_string(),
            }));
        }
        if let (Some(expected), Some(found)) = (&said.md5, read.md5)
            && !found.eq_ignore_ascii_case(expected)
        {
            let (kind, by, expected) = ("MD5", "the tensor cache", expected.clone());
            return Ok(Err(Mismatch { kind, by, is_remote: false, found, expected }));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match read.bytes {
            ..SMALL => known.seen.insert(key, read.own),
            SMALL.. => known.noted.insert(key, read.own),
        };
        Ok(Ok(()))
    }

    /// Keeps what is known. A cache that cannot be written to costs the next run its time, and nothing
    /// else.
    pub(super) fn keep(&self) {
        let files = self.known.lock().unwrap_or_else(PoisonError::into_inner).noted.clone();
        if files.is_empty() {
            return;
        }
        if let Ok(text) = serde_json::to_vec(&Note { format: Bucket::VERIFIED.format, files }) {
            let _ = self.note.write(&text);
        }
    }
}

struct Digests {
    bytes: u64,
    own: Digest,
    remote: Option<RemoteDigest>,
    md5: Option<String>,
}

/// Reads a file once, for every digest that something is said in.
fn digests(place: &Utf8Path, said: &Said, cancel: &Cancel) -> io::Result<Digests> {
    use md5::Digest as _;
    let file = PositionedFile::open_to_read(place)?;
    let bytes = file.size()?;
    let mut own = blake3::Hasher::new();
    let mut remote = said.remote.map(|digest| digest.hasher(bytes));
    let mut md5 = said.md5.as_ref().map(|_| md5::Md5::new());
    let (mut block, mut at) = (vec![0; BLOCK], 0);
    while at < bytes {
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        block.truncate(usize::try_from(bytes - at).map_or(BLOCK, |rest| rest.min(BLOCK)));
        file.read_exact_at(&mut block, at)?;
        own.update(&block);
        if let Some(hasher) = &mut remote {
            hasher.update(&block);
        }
        if let Some(hasher) = &mut md5 {
            hasher.update(&block);
        }
        at += block.len() as u64;
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(Digests {
        bytes,
        own: own.finalize().into(),
        remote: remote.map(super::hub::Hasher::finish),
        md5: md5.map(|hasher| hex(&hasher.finalize())),
    })
}
