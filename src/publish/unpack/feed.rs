//! From the assets to the thread that unpacks them.

use std::io::{self, Read, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use camino::Utf8Path;
use sha2::Digest as _;

use super::{Assets, Events, Sink, UnpackError, UnpackEvent};
use crate::io::{files, stream};
use crate::model::{Digest, Sha256};
use crate::publish::pack::assets::{ArchiveRecord, PartRecord, PlainRecord};

/// Pieces on their way; none is larger than 256 KiB.
const PIECES: usize = 16;

/// The end that pieces are given to.
pub(super) struct Sender(SyncSender<Vec<u8>>);

/// The end that they are read from, as one stream. A stream that ends too early is for the
/// reader to notice.
pub(super) struct Stream {
    pieces: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

pub(super) fn pipe() -> (Sender, Stream) {
    let (sender, pieces) = sync_channel(PIECES);
    (Sender(sender), Stream { pieces, piece: Vec::new(), at: 0 })
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            let Ok(piece) = self.pieces.recv() else { return Ok(0) };
            (self.piece, self.at) = (piece, 0);
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        let (Some(to), Some(from)) = (buf.get_mut(..count), rest.get(..count)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        self.at += count;
        Ok(count)
    }
}

/// Reads the parts of an archive, and holds them against their digests. Ends early, with
/// [`UnpackError::Interrupted`], once `hopeless` is set.
pub(super) fn read(
    assets: &dyn Assets,
    archive: &ArchiveRecord,
    sender: Sender,
    hopeless: &AtomicBool,
    events: Events<'_>,
) -> Result<(), UnpackError> {
    let mut sender = Some(sender);
    let mut take = |piece: &[u8]| {
        if sender.as_ref().is_some_and(|sender| sender.0.send(piece.to_vec()).is_err()) {
            // What is no archive may have been damaged on its way: its digest tells.
            sender = None;
        }
        match hopeless.load(Ordering::Relaxed) {
            true => Err(UnpackError::Interrupted),
            false => Ok(()),
        }
    };
    archive.parts.iter().try_for_each(|part| verified(assets, part, events, &mut take))
}

/// Reads an asset that is a file of `dist/` as it is into its place.
pub(super) fn file(
    assets: &dyn Assets,
    plain: &PlainRecord,
    staging: &Utf8Path,
    events: Events<'_>,
) -> Result<(), UnpackError> {
    let PlainRecord { asset, file } = plain;
    let place = staging.join(file.path.as_path());
    let failed = |error| UnpackError::write(file.path.as_path(), error);
    files::create_dir_all(files::parent(&place)).map_err(failed)?;
    let mut out = stream::create_new(&place, file.executable).map_err(failed)?;
    let mut hasher = blake3::Hasher::new();
    let mut so_far = 0;
    verified(assets, asset, events, &mut |piece| {
        so_far += piece.len() as u64;
        // What nobody listed does not fill a disk.
        if so_far > file.bytes {
            let (name, listed) = (asset.name.clone(), file.bytes);
            return Err(UnpackError::Size { name, found: so_far, listed });
        }
        hasher.update(piece);
        out.write_all(piece).map_err(failed)
    })?;
    out.flush().map_err(failed)?;
    let found: Digest = hasher.finalize().into();
    match found == file.digest {
        true => Ok(()),
        false => Err(UnpackError::Digest {
            name: asset.name.to_string(),
            found: found.to_string(),
            listed: file.digest.to_string(),
            list: "the list",
        }),
    }
}

/// Reads an asset, and holds it against its size and digest.
fn verified(
    assets: &dyn Assets,
    part: &PartRecord,
    events: Events<'_>,
    take: Sink<'_>,
) -> Result<(), UnpackError> {
    let name = &part.name;
    events(UnpackEvent::Started { name, bytes: part.bytes });
    let mut hasher = sha2::Sha256::new();
    let mut so_far = 0;
    assets.read(part, &mut |piece| {
        hasher.update(piece);
        so_far += piece.len() as u64;
        take(piece)?;
        events(UnpackEvent::Progress { name, bytes_so_far: so_far });
        Ok(())
    })?;
    if so_far != part.bytes {
        return Err(UnpackError::Size { name: name.clone(), found: so_far, listed: part.bytes });
    }
    let found = Sha256::finish(hasher);
    if found != part.sha256 {
        return Err(UnpackError::Digest {
            name: name.to_string(),
            found: found.to_string(),
            listed: part.sha256.to_string(),
            list: "the list",
        });
    }
    events(UnpackEvent::Verified { name });
    Ok(())
}
