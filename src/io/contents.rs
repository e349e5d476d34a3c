//! Whole files in memory.

use std::io::{self, Read as _};

use camino::Utf8Path;
use memmap2::MmapMut;

use super::digest;
use crate::model::Digest;

/// From this size on, in bytes, the memory of a file is asked for in huge pages, of 2 MiB: the system
/// takes longer to hand out small ones than to read the file.
const LARGE: u64 = 2 << 20;

/// What a file held when it was opened. Read, not mapped: a map of a file that somebody cuts ends
/// the process by a signal.
pub struct Contents(Memory);

enum Memory {
    Small(Vec<u8>),
    /// Memory of no file.
    Large(MmapMut),
}

impl Contents {
    /// Reads a file. One that becomes shorter meanwhile is an error.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self::read(path, |mut file, bytes| file.read_exact(bytes))?.0)
    }

    /// The same on all processors, with its digest.
    pub fn open_digested(path: &Utf8Path) -> io::Result<(Self, Digest)> {
        Self::read(path, digest::reading)
    }

    /// Reads a file in some way, into memory that it fills.
    fn read<T>(
        path: &Utf8Path,
        read: impl FnOnce(&fs_err::File, &mut [u8]) -> io::Result<T>,
    ) -> io::Result<(Self, T)> {
        let file = super::open::to_read(path)?;
        let len = file.metadata()?.len();
        let size = usize::try_from(len).map_err(io::Error::other)?;
        let was_cut = || {
            let message = format!("failed to read `{path}`: it was cut while it was read");
            io::Error::new(io::ErrorKind::UnexpectedEof, message)
        };
        let mut memory = match len {
            0..LARGE => Memory::Small(vec![0; size]),
            _ => {
                let memory = MmapMut::map_anon(size)?;
                // Without them it is only slower.
                #[cfg(target_os = "linux")]
                let _ = memory.advise(memmap2::Advice::HugePage);
                Memory::Large(memory)
            }
        };
        let bytes: &mut [u8] = match &mut memory {
            Memory::Small(bytes) => bytes,
            Memory::Large(memory) => memory,
        };
        match read(&file, bytes) {
            Ok(read) => Ok((Self(memory), read)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(was_cut()),
            Err(error) => Err(error),
        }
    }
}

/// Only how long it is: nobody reads millions of bytes.
impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl std::ops::Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Memory::Small(bytes) => bytes,
            Memory::Large(memory) => memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::Contents;
    use crate::model::Digest;

    #[test]
    fn what_was_read_stays_when_the_file_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("lib.tar");
        let large = usize::try_from(super::LARGE).unwrap();
        for len in [0, 1 << 20, large - 1, large, large + 4097] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            fs_err::write(&path, &bytes).unwrap();
            let (digested, digest) = Contents::open_digested(&path).unwrap();
            assert_eq!((&*digested, digest), (&*bytes, Digest::of(&bytes)), "{len} bytes");
            let contents = Contents::open(&path).unwrap();
            fs_err::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
            assert_eq!(*contents, bytes, "{len} bytes");
        }
    }
}
