//! A file that several threads write and read at places of their own.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// A file without a cursor. Every error names its path.
#[derive(Debug)]
pub struct PositionedFile {
    file: std::fs::File,
    path: Utf8PathBuf,
}

impl PositionedFile {
    /// Opens a file for reading and writing, as it is; makes it if there is none. Its directory
    /// must exist.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        let file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        Ok(Self { file: file.into_parts().0, path: path.to_owned() })
    }

    /// Opens a file for reading.
    pub fn open_to_read(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self { file: super::open::to_read(path)?.into_parts().0, path: path.to_owned() })
    }

    /// Writes all bytes at an offset; what lies between the end and there becomes zeros.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        write_all_at(&self.file, bytes, offset).map_err(|error| self.named("write", error))
    }

    /// Fills the buffer from an offset.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        read_exact_at(&self.file, buffer, offset).map_err(|error| self.named("read", error))
    }

    /// The file's size in bytes.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata().map_err(|error| self.named("look at", error))?.len())
    }

    /// Cuts or lengthens the file.
    pub fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes).map_err(|error| self.named("resize", error))
    }

    /// Waits until its bytes are on the disk.
    pub fn sync(&self) -> io::Result<()> {
        super::sync::file(&self.file).map_err(|error| self.named("write", error))
    }

    fn named(&self, verb: &str, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("failed to {verb} `{}`: {error}", self.path))
    }
}

#[cfg(unix)]
fn write_all_at(file: &std::fs::File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_exact_at(file: &std::fs::File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn write_all_at(file: &std::fs::File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &std::fs::File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = buffer.get_mut(read..).unwrap_or_default();
        offset += read as u64;
    }
    Ok(())
}

/// Whether an error says that there is no room for a file: the disk, the quota or the limit of
/// a file's size is reached.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::PositionedFile;

    #[test]
    fn writes_land_where_they_are_meant_and_reopening_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("f");
        PositionedFile::open(&path).unwrap().write_all_at(b"cd", 2).unwrap();
        let file = PositionedFile::open(&path).unwrap();
        file.write_all_at(b"ab", 0).unwrap();
        let mut all = [0; 4];
        file.read_exact_at(&mut all, 0).unwrap();
        assert_eq!((&all, file.size().unwrap()), (b"abcd", 4));
        let error = file.read_exact_at(&mut all, 1).unwrap_err().to_string();
        assert!(error.contains(path.as_str()), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_known_as_one() {
        let full = PositionedFile::open(Utf8Path::new("/dev/full")).unwrap();
        let error = full.write_all_at(b"x", 0).unwrap_err();
        assert!(super::is_full(&error), "{error}");
    }
}
