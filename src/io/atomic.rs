//! Files that appear whole or not at all.

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};

use super::sync;

/// A file being written beside its place.
pub struct AtomicFile {
    file: tempfile::NamedTempFile,
    path: Utf8PathBuf,
}

impl AtomicFile {
    /// Begins a file that [`commit`](Self::commit) will put at `path`. Its directory must exist,
    /// and what is there must be [`replaceable`].
    pub fn create(path: &Utf8Path) -> io::Result<Self> {
        replaceable(path)?;
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

    /// Puts the file in its place, over one that may be there. A power cut leaves the old one or
    /// the new one, and after this returned the new one.
    pub fn commit(self) -> io::Result<()> {
        sync::file(self.file.as_file()).map_err(|error| named("write", &self.path, error))?;
        let dir = super::files::parent(&self.path).to_owned();
        self.commit_unsynced()?;
        sync::dir(&dir)
    }

    /// The same without waiting for the disk: for a file of a tree that is
    /// [synced as a whole](sync::tree), or one that can be made again.
    pub fn commit_unsynced(self) -> io::Result<()> {
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

/// Gives a file that was made on the same file system its name, over one that may be there; it is on
/// the disk then.
pub fn publish(made: &Utf8Path, path: &Utf8Path) -> io::Result<()> {
    sync::file(fs_err::File::open(made)?.file()).map_err(|error| named("write", path, error))?;
    fs_err::rename(made, path)?;
    sync::dir(super::files::parent(path))
}

/// Writes a whole file beside its place and renames it there; it is on the disk then.
pub fn write(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// The same without waiting for the disk: for a file of a tree that is
/// [synced as a whole](sync::tree), or a note that is made again if it is lost or torn.
pub fn write_unsynced(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit_unsynced()
}

/// Writes a file that a person named: through a symbolic link into the file that is meant, into a
/// device or pipe as it is, and any other as [`write`] does.
pub fn write_named(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    match fs_err::metadata(path) {
        Ok(there) if there.is_file() => write(&super::files::canonical(path)?, bytes),
        Ok(there) if !there.is_dir() => {
            let opened = fs_err::OpenOptions::new().write(true).open(path);
            opened?.write_all(bytes).map_err(|error| named("write", path, error))
        }
        _ => write(path, bytes),
    }
}

/// An error unless a file may be renamed to `path`: over a device or a pipe, that would be the
/// end of it for everybody.
pub fn replaceable(path: &Utf8Path) -> io::Result<()> {
    let what = match fs_err::metadata(path) {
        Ok(there) if there.is_dir() => "it is a directory",
        Ok(there) if !there.is_file() => "it is a device or a pipe",
        _ => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("cannot replace `{path}`: {what}")))
}

/// The same under a name of the caller's, for a file that only the holder of a lock writes: what a
/// killed writer leaves is one file that the next one knows.
pub fn write_by_way_of(beside: &Utf8Path, path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    fs_err::write(beside, bytes)?;
    fs_err::rename(beside, path)
}

fn named(verb: &str, path: &Utf8Path, error: io::Error) -> io::Error {
    let parent = super::files::parent(path);
    let message = match error.kind() {
        io::ErrorKind::NotFound if !parent.is_dir() => {
            format!("failed to {verb} `{path}`: there is no directory `{parent}`")
        }
        _ => format!("failed to {verb} `{path}`: {}", reason(&error)),
    };
    io::Error::new(error.kind(), message)
}

/// An error of a temporary file without that file's name, where its kind says enough.
pub(super) fn reason(error: &io::Error) -> String {
    use io::ErrorKind::{
        FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    match error.kind() {
        FileTooLarge | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull => {
            error.kind().to_string()
        }
        _ => error.to_string(),
    }
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
        assert_eq!(
            error.to_string(),
            "failed to create `/nonexistent/x.json`: there is no directory `/nonexistent`"
        );
    }
}
