//! Files as a tar: sorted, without times and owners, each held against its digest on the way.

use std::io::{self, Read as _, Write};

use camino::Utf8Path;

use super::PackError;
use super::assets::FileRecord;
use crate::io::cancel::Cancel;
use crate::io::stream;
use crate::model::Digest;

/// Bytes that are read, digested and compressed at a time.
const BLOCK: usize = 1 << 20;

/// The unit of a tar, in bytes.
const UNIT: u64 = 512;

/// Writes the files into `out` as a tar. `progress` gets the bytes of files so far.
pub(super) fn write_tar<W: Write>(
    dist: &Utf8Path,
    files: &[FileRecord],
    out: W,
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64),
) -> Result<W, TarError> {
    let mut tar = tar::Builder::new(out);
    let mut block = vec![0; BLOCK];
    let mut so_far = 0;
    for file in files {
        // Empty for now: its data goes through larger blocks than the crate's own.
        tar.append_data(&mut header(file), file.path.as_path(), io::empty())
            .map_err(TarError::Write)?;
        let mut told = |bytes| progress(so_far + bytes);
        copy(dist, file, tar.get_mut(), &mut block, cancel, &mut told)?;
        so_far += file.bytes;
        let rest = (UNIT - file.bytes % UNIT) % UNIT;
        let zeros = [0; UNIT as usize];
        let padding = zeros.get(..rest as usize).unwrap_or_default();
        tar.get_mut().write_all(padding).map_err(TarError::Write)?;
    }
    tar.into_inner().map_err(TarError::Write)
}

/// Whose fault it was: the package's, or the archive's.
pub(super) enum TarError {
    Package(PackError),
    Write(io::Error),
}

fn header(file: &FileRecord) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(file.bytes);
    header.set_mode(if file.executable { 0o755 } else { 0o644 });
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Copies a file, which must be what its record says.
fn copy(
    dist: &Utf8Path,
    file: &FileRecord,
    out: &mut dyn Write,
    block: &mut [u8],
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TarError> {
    let path = dist.join(file.path.as_path());
    let read = |error| TarError::Package(PackError::Read(error));
    let changed = || TarError::Package(PackError::Changed(path.clone()));
    let mut reader = stream::open(&path).map_err(read)?;
    let mut hasher = blake3::Hasher::new();
    let mut copied = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(TarError::Package(PackError::Interrupted));
        }
        let bytes = match reader.read(block) {
            Ok(0) => break,
            Ok(count) => block.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read(error)),
        };
        copied += bytes.len() as u64;
        if copied > file.bytes {
            return Err(changed());
        }
        hasher.update(bytes);
        out.write_all(bytes).map_err(TarError::Write)?;
        progress(copied);
    }
    if copied != file.bytes || Digest::from(hasher.finalize()) != file.digest {
        return Err(changed());
    }
    Ok(())
}
