//! Opening files to read them: whatever else has the name of one is an error, not a wait.

use std::io;

use camino::Utf8Path;

/// Opens a file to read it. In the place of a file, a pipe would wait for somebody to write, and a
/// device may have no end: both are refused, but under `/dev` and `/proc`, where whoever names one
/// means it (`/dev/stdin`).
pub(super) fn to_read(path: &Utf8Path) -> io::Result<fs_err::File> {
    let mut options = fs_err::OpenOptions::new();
    options.read(true);
    if path.starts_with("/dev") || path.starts_with("/proc") {
        return options.open(path);
    }
    // Opening a pipe waits as well, unless it is told not to.
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    }
    let file = options.open(path)?;
    let kind = file.metadata()?.file_type();
    // A directory is opened, and read with an error that says so.
    if kind.is_file() || kind.is_dir() {
        return Ok(file);
    }
    let message = format!("failed to read `{path}`: it is a pipe or a device, and not a file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Reads a file to its end; `len` is its length in bytes so far as that is known.
pub(super) fn read_all(file: &fs_err::File, len: u64) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut bytes = Vec::with_capacity(usize::try_from(len).map_err(io::Error::other)?);
    // `fs_err` reads into memory that is zeroed first; the standard library does not.
    file.file().read_to_end(&mut bytes).map_err(|error| {
        let path = file.path().display();
        io::Error::new(error.kind(), format!("failed to read from file `{path}`: {error}"))
    })?;
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use camino::Utf8Path;

    #[test]
    fn a_pipe_is_refused_at_once_and_standard_input_is_not() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        let pipe = home.join("pipe");
        assert_cmd::Command::new("mkfifo").arg(&pipe).assert().success();
        fs_err::os::unix::fs::symlink("/dev/zero", home.join("endless")).unwrap();
        for path in [&pipe, &home.join("endless")] {
            let error = super::to_read(path).unwrap_err().to_string();
            let said = format!("failed to read `{path}`: it is a pipe or a device, and not a file");
            assert_eq!(error, said);
        }
        super::to_read(Utf8Path::new("/dev/null")).unwrap();
        super::to_read(home).unwrap();
    }
}
