//! What a conversion reads of a checkpoint, as one digest.

use std::io;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::ConvertError;
use crate::io::cancel::Cancel;
use crate::io::digest;
use crate::io::file_stamp::{self, FileStamp, Moment};
use crate::model::{Digest, ShardPath};
use crate::store::Note;

/// What is remembered of one file: while the stamp is this, so is the digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct DigestNote {
    path: Utf8PathBuf,
    stamp: FileStamp,
    digest: Digest,
}

/// The digest of a checkpoint's files: their paths in it, and where they are. A shard may have any
/// name, if the index says so; only texts for people are left out. Weights are gigabytes: `note` is
/// is where digests are remembered by the stamps of what was read.
pub fn digest(
    found: &[(ShardPath, Utf8PathBuf)],
    note: &Note,
    cancel: &Cancel,
) -> Result<Digest, ConvertError> {
    let began = Moment::now();
    let remembered = recall(note);
    let (mut listing, mut kept) = (String::new(), Vec::new());
    for (name, path) in found.iter().filter(|(name, _)| !name.as_str().ends_with(".md")) {
        if cancel.is_cancelled() {
            return Err(ConvertError::Interrupted);
        }
        let failed = |source| ConvertError::Read { path: path.clone(), source };
        let gone = || failed(io::ErrorKind::NotFound.into());
        let stamp = file_stamp::of(path).map_err(failed)?.ok_or_else(gone)?;
        let known = remembered.iter().find(|known| known.path == *path && known.stamp == stamp);
        let digest = match known {
            Some(known) => known.digest,
            None => digest::file(path).map_err(failed)?.0,
        };
        // The name ends at a NUL, which no path holds.
        listing += &format!("{name}\0{digest}\n");
        if known.is_some() || stamp.is_settled(began) {
            kept.push(DigestNote { path: path.clone(), stamp, digest });
        }
    }
    // A cache that cannot be written to costs the next run its time, and nothing else.
    if let Ok(text) = serde_json::to_vec(&kept)
        && note.read().as_deref() != Some(text.as_slice())
    {
        let _ = note.write(&text);
    }
    Ok(Digest::of(listing.as_bytes()))
}

fn recall(note: &Note) -> Vec<DigestNote> {
    serde_json::from_slice(&note.read().unwrap_or_default()).unwrap_or_default()
}
