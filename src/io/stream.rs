//! Files that are read from start to end, and new ones that are written so. Every error names
//! the path.

use std::io::{self, Read, Write};

use camino::Utf8Path;

/// Opens a file to read it once.
pub fn open(path: &Utf8Path) -> io::Result<impl Read + use<>> {
    super::open::to_read(path)
}

/// Makes a file that is not there yet; whatever has its name is an error. The umask decides who
/// may read it, and execute it if it is to be `executable`.
pub fn create_new(path: &Utf8Path, executable: bool) -> io::Result<impl Write + Send + use<>> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(if executable { 0o777 } else { 0o666 });
    }
    #[cfg(not(unix))]
    let _ = executable;
    options.open(path)
}

/// Whether somebody may execute a file; nobody where files have no such mark.
#[cfg(unix)]
pub fn is_executable(path: &Utf8Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs_err::metadata(path)?.permissions().mode() & 0o111 != 0)
}

/// Whether somebody may execute a file; nobody where files have no such mark.
#[cfg(not(unix))]
pub fn is_executable(_: &Utf8Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use camino::Utf8Path;

    #[test]
    fn a_new_file_is_new_and_as_executable_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        for (name, executable) in [("plain", false), ("script", true)] {
            let path = dir.join(name);
            super::create_new(&path, executable).unwrap().write_all(b"x").unwrap();
            assert_eq!(super::is_executable(&path).unwrap(), executable && cfg!(unix));
            let mut text = String::new();
            super::open(&path).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "x");
            let error = super::create_new(&path, executable).err().unwrap();
            assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
            assert!(error.to_string().contains(path.as_str()), "{error}");
        }
    }
}
