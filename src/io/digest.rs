//! Digests of files, in constant memory.

use std::cell::RefCell;
use std::io;

use blake3::Hasher;
use blake3::hazmat::{self, ChainingValue, HasherExt as _, Mode};
use camino::Utf8Path;

use crate::model::Digest;

/// Bytes that one processor reads and hashes at a time: they stay in its cache between the two.
const PIECE: u64 = 256 << 10;

thread_local! {
    /// A buffer for bytes that are hashed and not kept: a new one for each piece would be zeroed first.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads a file once, on all processors; gives its digest and its size in bytes. A file that
/// becomes shorter meanwhile is an error.
pub fn file(path: &Utf8Path) -> io::Result<(Digest, u64)> {
    let file = super::open::to_read(path)?;
    let len = file.metadata()?.len();
    Ok((whole(&file, Part { at: 0, len, kept: None })?, len))
}

/// The same of a file that fills these bytes, which are kept.
pub(super) fn reading(file: &fs_err::File, bytes: &mut [u8]) -> io::Result<Digest> {
    whole(file, Part { at: 0, len: bytes.len() as u64, kept: Some(bytes) })
}

/// A part of a file, and where it is kept, if it is.
struct Part<'a> {
    at: u64,
    len: u64,
    kept: Option<&'a mut [u8]>,
}

impl Part<'_> {
    /// Its two subtrees in BLAKE3's tree.
    fn halves(self) -> (Self, Self) {
        let Self { at, len, kept } = self;
        let left = hazmat::left_subtree_len(len);
        let (ours, others) = match kept.map(|kept| kept.split_at_mut(left as usize)) {
            Some((ours, others)) => (Some(ours), Some(others)),
            None => (None, None),
        };
        let right = Self { at: at + left, len: len - left, kept: others };
        (Self { at, len: left, kept: ours }, right)
    }

    /// Reads it, and gives it to a hasher.
    fn hash(self, file: &fs_err::File, mut hasher: Hasher) -> io::Result<Hasher> {
        let read = |bytes: &mut [u8]| {
            read_at(file, bytes, self.at).map_err(|error| {
                let path = file.path().display();
                io::Error::new(error.kind(), format!("failed to read `{path}`: {error}"))
            })
        };
        if let Some(kept) = self.kept {
            read(kept)?;
            hasher.update(kept);
            return Ok(hasher);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let len = usize::try_from(self.len).map_err(io::Error::other)?;
            if scratch.len() < len {
                scratch.resize(len, 0);
            }
            let bytes = scratch.get_mut(..len).unwrap_or_default();
            read(bytes)?;
            hasher.update(bytes);
            Ok(hasher)
        })
    }
}

fn whole(file: &fs_err::File, part: Part<'_>) -> io::Result<Digest> {
    if part.len <= PIECE {
        return Ok(part.hash(file, Hasher::new())?.finalize().into());
    }
    let (left, right) = both(file, part)?;
    Ok(hazmat::merge_subtrees_root(&left, &right, Mode::Hash).into())
}

fn both(file: &fs_err::File, part: Part<'_>) -> io::Result<(ChainingValue, ChainingValue)> {
    let (left, right) = part.halves();
    let (left, right) = rayon_core::join(|| subtree(file, left), || subtree(file, right));
    Ok((left?, right?))
}

/// Hashes a part of the file that is a subtree of BLAKE3's tree.
fn subtree(file: &fs_err::File, part: Part<'_>) -> io::Result<ChainingValue> {
    if part.len <= PIECE {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(part.at);
        return Ok(part.hash(file, hasher)?.finalize_non_root());
    }
    let (left, right) = both(file, part)?;
    Ok(hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash))
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
