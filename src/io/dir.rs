//! Directories: what is in them, making and moving them.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// Makes a directory of a new name that begins with `prefix`, and stays. The umask decides who may
/// read it.
pub(super) fn new_in(home: &Utf8Path, prefix: &str) -> io::Result<Utf8PathBuf> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let dir = builder.tempdir_in(home).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::NotFound if home.exists() => {
                "the file system takes no directories there".to_owned()
            }
            io::ErrorKind::NotFound => "it is not there".to_owned(),
            _ => super::atomic::reason(&error),
        };
        let message = format!("failed to make a directory in `{home}`: {reason}");
        io::Error::new(error.kind(), message)
    })?;
    Utf8PathBuf::from_path_buf(dir.keep()).map_err(|path| {
        let message = format!("the path `{}` is not UTF-8", path.display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// The names in a directory, sorted. Names that are not UTF-8 are left out; a directory that
/// is not there holds none.
pub fn names(dir: &Utf8Path) -> io::Result<Vec<String>> {
    let entries = match fs_err::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes a directory and all in it, also where nothing may be removed from a directory in it.
pub fn remove_all(dir: &std::path::Path) -> io::Result<()> {
    match fs_err::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(dir)?;
            fs_err::remove_dir_all(dir)
        }
        removed => removed,
    }
}

/// Lets the owner remove what is in a directory and below it. Links are not followed.
#[cfg(unix)]
fn open_up(dir: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let mode = fs_err::symlink_metadata(&dir)?.permissions().mode();
        fs_err::set_permissions(&dir, std::fs::Permissions::from_mode(mode | 0o700))?;
        for entry in fs_err::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn open_up(_: &std::path::Path) -> io::Result<()> {
    Ok(())
}

/// Makes one directory, whose parent must exist.
pub fn create(dir: &Utf8Path) -> io::Result<()> {
    fs_err::create_dir(dir)
}

/// Removes every directory of a tree that holds no file, itself included; content with none
/// being there. Links are not followed, and count as files.
pub fn remove_empty(dir: &Utf8Path) -> io::Result<()> {
    for entry in super::files::tree_dirs(dir)?.iter().rev() {
        match fs_err::remove_dir(entry) {
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
                ) =>
            {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives a directory that was built beside its place, and all in it, its name there, where nothing
/// is. A power cut leaves nothing there or all of it, and after this returned all of it.
pub fn publish(built: &Utf8Path, place: &Utf8Path) -> io::Result<()> {
    super::sync::tree(built)?;
    fs_err::rename(built, place)?;
    super::sync::dir(super::files::parent(place))
}

/// Gives a file or a directory another name on the same file system. A file of that name is
/// replaced.
pub fn rename(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs_err::rename(from, to)
}

/// Makes an empty file whose name nobody could know before, in a directory that others may write
/// to, and leaves it there.
pub fn new_file(home: &Utf8Path, begin: &str, end: &str) -> io::Result<Utf8PathBuf> {
    super::files::create_dir_all(home)?;
    let made = tempfile::Builder::new().prefix(begin).suffix(end).tempfile_in(home)?;
    let (_, path) = made.keep().map_err(|error| error.error)?;
    Utf8PathBuf::from_path_buf(path).map_err(|path| {
        io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is not UTF-8", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{names, remove_empty};

    #[test]
    fn only_empty_directories_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(home.path()).unwrap().join("root");
        for path in ["a/b/c", "d/e", "f"] {
            fs_err::create_dir_all(root.join(path)).unwrap();
        }
        fs_err::write(root.join("d/file"), "").unwrap();
        remove_empty(&root).unwrap();
        assert_eq!(names(&root).unwrap(), ["d"]);
        assert_eq!(names(&root.join("d")).unwrap(), ["file"]);
        fs_err::remove_file(root.join("d/file")).unwrap();
        remove_empty(&root).unwrap();
        assert!(!root.exists());
        remove_empty(&root).unwrap();
        assert_eq!(names(&root).unwrap(), [""; 0]);
    }
}
