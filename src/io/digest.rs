//! Digests of files, in constant memory.

use std::io;

use blake3::Hasher;
use blake3::hazmat::{self, ChainingValue, HasherExt as _, Mode};
use camino::Utf8Path;

use crate::model::Digest;

/// Bytes that one processor reads and hashes at a time: they stay in its cache between the two.
const PIECE: u64 = 256 << 10;

/// Reads a file once, on all processors; gives its digest and its size in bytes. A file that
/// becomes shorter meanwhile is an error.
pub fn file(path: &Utf8Path) -> io::Result<(Digest, u64)> {
    let file = super::open::to_read(path)?;
    let len = file.metadata()?.len();
    if len <= PIECE {
        return Ok((Digest::of(&read(&file, 0, len)?), len));
    }
    let (left, right) = halves(&file, 0, len)?;
    Ok((hazmat::merge_subtrees_root(&left, &right, Mode::Hash).into(), len))
}

/// The two subtrees of BLAKE3's tree over a part of the file.
fn halves(file: &fs_err::File, at: u64, len: u64) -> io::Result<(ChainingValue, ChainingValue)> {
    let left = hazmat::left_subtree_len(len);
    let (left, right) =
        rayon_core::join(|| subtree(file, at, left), || subtree(file, at + left, len - left));
    Ok((left?, right?))
}

/// Hashes a part of the file that is a subtree of BLAKE3's tree.
fn subtree(file: &fs_err::File, at: u64, len: u64) -> io::Result<ChainingValue> {
    if len <= PIECE {
        let bytes = read(file, at, len)?;
        return Ok(Hasher::new().set_input_offset(at).update(&bytes).finalize_non_root());
    }
    let (left, right) = halves(file, at, len)?;
    Ok(hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash))
}

/// Reads a part of the file, at most a [`PIECE`].
fn read(file: &fs_err::File, at: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    read_at(file, &mut bytes, at).map_err(|error| {
        let path = file.path().display();
        io::Error::new(error.kind(), format!("failed to read `{path}`: {error}"))
    })?;
    Ok(bytes)
}

#[cfg(unix)]
fn read_at(file: &fs_err::File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file.file(), bytes, at)
}

/// Where reading moves the one position that a file has, each read has a file of its own.
#[cfg(not(unix))]
fn read_at(file: &fs_err::File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    use std::io::{Read as _, Seek as _};
    let mut own = fs_err::File::open(file.path())?;
    own.seek(io::SeekFrom::Start(at))?;
    own.read_exact(bytes)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use crate::model::Digest;

    #[test]
    fn pieces_do_not_change_a_digest() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("shard");
        let piece = super::PIECE;
        for len in [0, 1, 1024, piece - 1, piece, piece + 1, 2 * piece, 2 * piece + 1, 5 << 20] {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            fs_err::write(&path, &bytes).unwrap();
            assert_eq!(super::file(&path).unwrap(), (Digest::of(&bytes), len), "{len} bytes");
        }
    }
}
