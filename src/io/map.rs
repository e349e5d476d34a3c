//! Files seen as memory.
#![expect(
    unsafe_code,
    reason = "a map is unsafe because another process may cut the file while we look; the store \
              replaces files by rename and never writes into one, and a user who truncates a \
              library during a build gets a crash, not wrong output"
)]

use std::io;

use camino::Utf8Path;

/// A file's bytes, read as they are touched. Nothing is copied.
pub struct MappedFile(Option<memmap2::Mmap>);

impl MappedFile {
    /// Maps a file for reading.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        let file = fs_err::File::open(path)?;
        // An empty file cannot be mapped on every system.
        if file.metadata()?.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: see the module's reason.
        let map = unsafe { memmap2::Mmap::map(file.file()) }?;
        Ok(Self(Some(map)))
    }
}

impl std::ops::Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
