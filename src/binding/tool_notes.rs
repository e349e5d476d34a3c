//! What was found out once, in `<cache-dir>/kits/.answers.json`: versions of programs and digests
//! of trees, each under a key that names all it depends on.

use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::model::Digest;
use crate::store::{Bucket, Note};

/// The most the file may have in bytes.
const LIMIT: u64 = 1 << 20;
/// Programs come and go: a file with more notes than this is emptied.
const KEPT: usize = 512;

/// The notes by their key.
#[derive(Debug)]
pub(super) struct ToolNotes {
    note: Note,
    known: BTreeMap<String, String>,
    changed: bool,
}

impl ToolNotes {
    /// What earlier runs found out; nothing where that cannot be read.
    pub(super) fn load(cache_dir: &Utf8Path) -> Self {
        let note = Note::new(Bucket::TOOLS.path(cache_dir), LIMIT);
        let text = note.read().unwrap_or_default();
        let mut known: BTreeMap<_, _> = serde_json::from_slice(&text).unwrap_or_default();
        if known.len() > KEPT {
            known.clear();
        }
        Self { note, known, changed: false }
    }

    /// The answer that is kept under the digest of these parts.
    pub(super) fn get(&self, key: Digest) -> Option<String> {
        self.known.get(&key.to_hex()).cloned()
    }

    pub(super) fn remember(&mut self, key: Digest, answer: &str) {
        self.known.insert(key.to_hex(), answer.to_owned());
        self.changed = true;
    }

    /// Writes down what is new. A cache that cannot be written to is asked again, no more.
    pub(super) fn store(&self) {
        if !self.changed {
            return;
        }
        if let Ok(text) = serde_json::to_vec(&self.known) {
            let _ = self.note.write(&text);
        }
    }
}

/// One digest of several parts, none of which can look like two.
pub(super) fn key(parts: &[&[u8]]) -> Digest {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    Digest::of(&bytes)
}
