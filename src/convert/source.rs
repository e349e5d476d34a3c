//! What a conversion reads of a checkpoint, as one digest.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::ConvertError;
use crate::io::stamp::{self, FileStamp, Moment};
use crate::io::{atomic, digest, files};
use crate::model::Digest;

/// What no conversion reads: the same weights in other formats, and texts for people. A shard may
/// have any other name, if the index says so.
const UNREAD: [&str; 8] = [".bin", ".pt", ".pth", ".gguf", ".onnx", ".h5", ".msgpack", ".md"];

/// The most a note may hold in bytes: a checkpoint has some hundred files.
const NOTE_LIMIT: u64 = 16 << 20;

/// What is remembered of one file: while the stamp is this, so is the digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remembered {
    name: Utf8PathBuf,
    stamp: FileStamp,
    digest: Digest,
}

/// The digest of a checkpoint's files. Weights are gigabytes: `note` is the file where digests
/// are remembered by the stamps of what was read.
pub fn digest(checkpoint: &Utf8Path, note: &Utf8Path) -> Result<Digest, ConvertError> {
    let failed = |source| ConvertError::Read { path: checkpoint.to_owned(), source };
    let began = Moment::now();
    let wanted = |name: &str| !UNREAD.iter().any(|end| name.ends_with(end));
    let found = stamp::files_below(checkpoint, &[], wanted).map_err(failed)?;
    let remembered = recall(note);
    let (mut listing, mut kept) = (String::new(), Vec::new());
    for (name, stamp) in found {
        let known = remembered.iter().find(|known| known.name == name && known.stamp == stamp);
        let digest = match known {
            Some(known) => known.digest,
            None => digest::file(&checkpoint.join(&name)).map_err(failed)?.0,
        };
        // The name ends at a NUL, which no path holds.
        listing += &format!("{name}\0{digest}\n");
        if known.is_some() || stamp.is_settled(began) {
            kept.push(Remembered { name, stamp, digest });
        }
    }
    // A cache that cannot be written to costs the next run its time, and nothing else.
    if let Ok(text) = serde_json::to_vec(&kept)
        && files::read_at_most(note, NOTE_LIMIT).ok().flatten().as_deref() != Some(text.as_slice())
        && files::create_dir_all(files::parent(note)).is_ok()
    {
        let _ = atomic::write(note, &text);
    }
    Ok(Digest::of(listing.as_bytes()))
}

fn recall(note: &Utf8Path) -> Vec<Remembered> {
    let text = files::read_at_most(note, NOTE_LIMIT).ok().flatten().unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}
