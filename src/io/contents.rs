//! Whole files in memory.

use std::io::{self, Read as _};

use camino::Utf8Path;
use memmap2::MmapMut;

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
        let mut file = super::open::to_read(path)?;
        let len = file.metadata()?.len();
        let size = usize::try_from(len).map_err(io::Error::other)?;
        let was_cut = || {
            let message = format!("failed to read `{path}`: it was cut while it was read");
            io::Error::new(io::ErrorKind::UnexpectedEof, message)
        };
        if len < LARGE {
            let mut bytes = super::open::read_all(&file, len)?;
            bytes.truncate(size);
            return if bytes.len() == size {
                Ok(Self(Memory::Small(bytes)))
            } else {
                Err(was_cut())
            };
        }
        let mut memory = MmapMut::map_anon(size)?;
        // Without them it is only slower.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        match file.read_exact(&mut memory) {
            Ok(()) => Ok(Self(Memory::Large(memory))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(was_cut()),
            Err(error) => Err(error),
        }
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

    #[test]
    fn what_was_read_stays_when_the_file_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("lib.tar");
        let large = usize::try_from(super::LARGE).unwrap();
        for len in [0, 1 << 20, large - 1, large, large + 4097] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            fs_err::write(&path, &bytes).unwrap();
            let contents = Contents::open(&path).unwrap();
            fs_err::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
            assert_eq!(*contents, bytes, "{len} bytes");
        }
    }
}
