//! Whole files in memory.

use std::io;

use camino::Utf8Path;

/// What a file held when it was opened. Read, not mapped: a map of a file that somebody cuts ends
/// the process by a signal.
pub struct Contents(Vec<u8>);

impl Contents {
    /// Reads a file. One that becomes shorter meanwhile is an error.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        let (mut bytes, len) = super::open::read(path)?;
        bytes.truncate(usize::try_from(len).map_err(io::Error::other)?);
        if bytes.len() as u64 != len {
            let message = format!("failed to read `{path}`: it was cut while it was read");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        Ok(Self(bytes))
    }
}

impl std::ops::Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
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
        fs_err::write(&path, vec![7; 1 << 20]).unwrap();
        let contents = Contents::open(&path).unwrap();
        fs_err::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert!(contents.len() == 1 << 20 && contents.iter().all(|byte| *byte == 7));
    }
}
