//! Whole files in memory.

use std::io::{self, Read as _};

use camino::Utf8Path;

/// What a file held when it was opened. Read, not mapped: a map of a file that somebody cuts ends
/// the process by a signal.
pub struct Contents(Vec<u8>);

impl Contents {
    /// Reads a file. One that becomes shorter meanwhile is an error.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        let file = super::open::to_read(path)?;
        let len = file.metadata()?.len();
        let mut bytes = Vec::with_capacity(usize::try_from(len).map_err(io::Error::other)?);
        file.take(len).read_to_end(&mut bytes)?;
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
