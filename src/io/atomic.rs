//! Files that appear whole or not at all.

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};

/// A file being written beside its place.
pub struct AtomicFile {
    file: tempfile::NamedTempFile,
    path: Utf8PathBuf,
}

impl AtomicFile {
    /// Begins a file that [`commit`](Self::commit) will put at `path`. Its directory must exist.
    pub fn create(path: &Utf8Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or("file");
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.");
        builder.prefix(&prefix);
        // As any program would create it: the umask decides, not the 0600 of temporary files.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder
            .tempfile_in(super::files::parent(path))
            .map_err(|error| named("create", path, error))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Puts the file in its place, over one that may be there.
    pub fn commit(self) -> io::Result<()> {
        self.file.persist(&self.path).map_err(|failed| named("write", &self.path, failed.error))?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf).map_err(|error| named("write", &self.path, error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| named("write", &self.path, error))
    }
}

/// Writes a whole file beside its place and renames it there.
pub fn write(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// The same under a name of the caller's, for a file that only the holder of a lock writes: what a
/// killed writer leaves is one file that the next one knows.
pub fn write_by_way_of(beside: &Utf8Path, path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    fs_err::write(beside, bytes)?;
    fs_err::rename(beside, path)
}

fn named(verb: &str, path: &Utf8Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to {verb} `{path}`: {error}"))
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    #[test]
    fn a_file_replaces_the_old_one_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let path = dir.join("a.json");
        super::write(&path, b"old").unwrap();
        super::write(&path, b"new").unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"new");
        drop(super::AtomicFile::create(&path).unwrap());
        assert_eq!(fs_err::read_dir(dir).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs_err::metadata(&path).unwrap().permissions().mode();
            assert_ne!(mode & 0o044, 0, "others may read what we write: {mode:o}");
        }
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = super::write(Utf8Path::new("/nonexistent/x.json"), b"").unwrap_err();
        assert!(error.to_string().starts_with("failed to create `/nonexistent/x.json`"), "{error}");
    }
}
