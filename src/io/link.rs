//! Getting a file to a second place without its bytes being there twice.

use std::io;

use camino::Utf8Path;

use crate::model::LinkMode;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// The file system shares the blocks until one side is changed.
    Reflink,
    /// Both names are one file.
    Hardlink,
    /// The bytes are there twice.
    Copy,
}

/// Makes `to`, which must not exist, hold what the file `from` holds. With
/// [`LinkMode::Auto`] the first way that works is taken; any other mode is that way or an
/// error.
pub fn place(from: &Utf8Path, to: &Utf8Path, mode: LinkMode) -> io::Result<Linked> {
    // A link to a link would leave the tree it is in; link the file that is meant.
    let from = &super::files::canonical(from)?;
    match mode {
        LinkMode::Reflink => reflink(from, to).map_err(|error| hint("reflink", from, error)),
        LinkMode::Hardlink => hardlink(from, to).map_err(|error| hint("hard-link", from, error)),
        LinkMode::Copy => copy(from, to),
        LinkMode::Auto => {
            reflink(from, to).or_else(|_| hardlink(from, to)).or_else(|_| copy(from, to))
        }
    }
}

/// Makes `to`, which must not exist, a file of its own that holds what `from` holds: what is done
/// to the one is not seen in the other.
pub fn copy_of(from: &Utf8Path, to: &Utf8Path) -> io::Result<Linked> {
    reflink(from, to).or_else(|_| copy(from, to))
}

fn reflink(from: &Utf8Path, to: &Utf8Path) -> io::Result<Linked> {
    reflink_copy::reflink(from, to).map(|()| Linked::Reflink)
}

fn hardlink(from: &Utf8Path, to: &Utf8Path) -> io::Result<Linked> {
    fs_err::hard_link(from, to).map(|()| Linked::Hardlink)
}

fn copy(from: &Utf8Path, to: &Utf8Path) -> io::Result<Linked> {
    fs_err::copy(from, to).map(|_| Linked::Copy)
}

fn hint(way: &str, from: &Utf8Path, error: io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::CrossesDevices => "it is on another file system".to_owned(),
        io::ErrorKind::Unsupported => "the file system cannot do that".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("failed to {way} `{from}` into the package: {why}"))
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{LinkMode, Linked, copy_of, place};

    #[test]
    fn every_mode_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let from = dir.join("shard");
        fs_err::write(&from, "weights").unwrap();
        assert_eq!(place(&from, &dir.join("copy"), LinkMode::Copy).unwrap(), Linked::Copy);
        assert_eq!(place(&from, &dir.join("hard"), LinkMode::Hardlink).unwrap(), Linked::Hardlink);
        assert_ne!(place(&from, &dir.join("auto"), LinkMode::Auto).unwrap(), Linked::Copy);
        copy_of(&from, &dir.join("own")).unwrap();
        for name in ["copy", "hard", "auto", "own"] {
            assert_eq!(fs_err::read(dir.join(name)).unwrap(), b"weights");
        }
        fs_err::write(dir.join("own"), "other").unwrap();
        assert_eq!(fs_err::read(&from).unwrap(), b"weights");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_symbolic_link_means_is_linked() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        fs_err::write(dir.join("blob"), "weights").unwrap();
        fs_err::os::unix::fs::symlink("blob", dir.join("name")).unwrap();
        place(&dir.join("name"), &dir.join("out"), LinkMode::Hardlink).unwrap();
        assert!(fs_err::symlink_metadata(dir.join("out")).unwrap().is_file());
    }
}
