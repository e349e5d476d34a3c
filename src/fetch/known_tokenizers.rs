//! Which tokenizers were looked into and found good, so that a build reads the megabytes of a
//! `tokenizer.json` as JSON once.
//!
//! ```text
//! <cache-dir>/weights/.known/tokenizer-<start of its BLAKE3>.json   the BLAKE3 of one that is good
//! ```

use std::io;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use super::content::Contents;
use crate::io::{digest, files};
use crate::model::loadable::Unloadable;
use crate::model::{Digest, tokenizer_json};
use crate::store::{self, Bucket};

/// The most a note may hold in bytes.
const NOTE_LIMIT: u64 = 1 << 10;

#[derive(Serialize, Deserialize)]
struct Note {
    format: u32,
    tokenizer: Digest,
}

/// Why a file is no tokenizer, looked into if it was never found good. `said` is its BLAKE3 where that
/// is known: what is bundled is held against it later. `looking` is called before it is looked into.
///
/// # Errors
/// It cannot be read.
pub(super) fn fault(
    path: &Utf8Path,
    said: Option<Digest>,
    cache_dir: &Utf8Path,
    looking: impl FnOnce(),
) -> io::Result<Option<Unloadable>> {
    let is_small = Contents::is_small(files::size(path)?);
    if !is_small {
        let found = said.map_or_else(|| digest::file(path).map(|(found, _)| found), Ok)?;
        if is_good(cache_dir, found) {
            return Ok(None);
        }
        looking();
    }
    let text = files::read(path)?;
    match tokenizer_json::judge(&text) {
        Err(why) => return Ok(Some(Unloadable::TokenizerContent(why))),
        Ok(()) if is_small => {}
        Ok(()) => keep(cache_dir, Digest::of(&text)),
    }
    Ok(None)
}

fn note(cache_dir: &Utf8Path, tokenizer: Digest) -> store::Note {
    let mut name = tokenizer.to_hex();
    name.truncate(32);
    let path = Bucket::VERIFIED.path(cache_dir).join(format!("tokenizer-{name}.json"));
    store::Note::new(path, NOTE_LIMIT)
}

fn is_good(cache_dir: &Utf8Path, tokenizer: Digest) -> bool {
    let text = note(cache_dir, tokenizer).read();
    let read = text.and_then(|text| serde_json::from_slice::<Note>(&text).ok());
    read.is_some_and(|it| it.format == Bucket::VERIFIED.format && it.tokenizer == tokenizer)
}

/// A cache that cannot be written to costs the next run its time, and nothing else.
fn keep(cache_dir: &Utf8Path, tokenizer: Digest) {
    if let Ok(text) = serde_json::to_vec(&Note { format: Bucket::VERIFIED.format, tokenizer }) {
        let _ = note(cache_dir, tokenizer).write(&text);
    }
}
