//! Reading and making files and directories. Every error names its path.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};

/// Reads a whole file.
pub fn read(path: &Utf8Path) -> io::Result<Vec<u8>> {
    let file = super::open::to_read(path)?;
    super::open::read_all(&file, file.metadata()?.len())
}

/// Reads at most `limit` bytes of a file; gives `None` where it is longer.
pub fn read_at_most(path: &Utf8Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    use io::Read as _;
    let file = super::open::to_read(path)?;
    let len = file.metadata()?.len().min(limit);
    // Room for one byte more: the end is found without growing.
    let mut bytes = Vec::with_capacity(usize::try_from(len + 1).unwrap_or_default());
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > limit { None } else { Some(bytes) })
}

/// Opens a file, to read parts of it.
pub fn open(path: &Utf8Path) -> io::Result<fs_err::File> {
    super::open::to_read(path)
}

/// Reads the first bytes of a file, at most `count`.
pub fn start(path: &Utf8Path, count: u64) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut bytes = Vec::new();
    super::open::to_read(path)?.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file; gives `None` where there is none.
pub fn read_if_there(path: &Utf8Path) -> io::Result<Option<Vec<u8>>> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is a file, links followed.
pub fn is_file(path: &Utf8Path) -> bool {
    path.is_file()
}

/// Whether there is a directory, links followed.
pub fn is_dir(path: &Utf8Path) -> bool {
    path.is_dir()
}

/// Why it cannot be told what is at a path; none where something or nothing is.
pub fn unreadable(path: &Utf8Path) -> Option<String> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let error = fs_err::metadata(path).err()?;
    (!matches!(error.kind(), NotFound | NotADirectory)).then(|| error.kind().to_string())
}

/// Whether there is anything, a link to nothing included.
pub fn exists(path: &Utf8Path) -> bool {
    fs_err::symlink_metadata(path).is_ok()
}

/// What is at a path, links not followed; none where nothing is.
pub fn kind(path: &Utf8Path) -> io::Result<Option<TreeKind>> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(TreeKind::of(&metadata))),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What a symbolic link says.
pub fn read_link(path: &Utf8Path) -> io::Result<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(fs_err::read_link(path)?).map_err(|path| not_utf8(&path))
}

/// Whether there is a symbolic link, wherever it leads.
pub fn is_symlink(path: &Utf8Path) -> bool {
    path.is_symlink()
}

/// A file's size in bytes, links followed.
pub fn size(path: &Utf8Path) -> io::Result<u64> {
    Ok(fs_err::metadata(path)?.len())
}

/// When a file or directory was written last, in seconds since 1970, links followed; none where
/// nothing is.
pub fn modified(path: &Utf8Path) -> io::Result<Option<u64>> {
    let time = match fs_err::metadata(path) {
        Ok(metadata) => metadata.modified()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()))
}

/// Sets the time of a file to now, unless that was done less than `interval` ago. The file is
/// made if there is none; its directory must exist.
pub fn touch(path: &Utf8Path, interval: Duration) -> io::Result<()> {
    let now = SystemTime::now();
    match fs_err::metadata(path).and_then(|metadata| metadata.modified()) {
        // A time that lies ahead is no reason to leave it there.
        Ok(time) if now.duration_since(time).is_ok_and(|age| age < interval) => return Ok(()),
        _ => {}
    }
    let file = fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.file().set_modified(now)
}

/// Adds to the end of a file, which is made if there is none.
pub fn append(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    fs_err::OpenOptions::new().create(true).append(true).open(path)?.write_all(bytes)
}

/// Writes a file that must not be there yet.
pub fn create_new(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    fs_err::OpenOptions::new().create_new(true).write(true).open(path)?.write_all(bytes)
}

/// Makes a directory and all above it.
pub fn create_dir_all(path: &Utf8Path) -> io::Result<()> {
    fs_err::create_dir_all(path)
}

/// Removes a directory and all in it; content with none being there.
pub fn remove_dir_all(path: &Utf8Path) -> io::Result<()> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a file; content with none being there.
pub fn remove_file(path: &Utf8Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Renames a file, over one that may be there.
pub fn rename(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs_err::rename(from, to)
}

/// Makes a symbolic link to a file; fails where there are none.
pub fn symlink(target: &Utf8Path, link: &Utf8Path) -> io::Result<()> {
    #[cfg(unix)]
    return fs_err::os::unix::fs::symlink(target, link);
    #[cfg(windows)]
    return fs_err::os::windows::fs::symlink_file(target, link);
}

/// The path with links, `.` and `..` resolved.
pub fn canonical(path: &Utf8Path) -> io::Result<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(fs_err::canonicalize(path)?).map_err(|path| not_utf8(&path))
}

/// The directory a path is in: `.` for a bare name.
pub fn parent(path: &Utf8Path) -> &Utf8Path {
    match path.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent,
        _ => Utf8Path::new("."),
    }
}

/// What a directory tree holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path, relative to the tree's root.
    pub path: Utf8PathBuf,
    /// What it is.
    pub kind: TreeKind,
}

/// The kinds of entries that a tree may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// A directory.
    Dir,
    /// A regular file and its size in bytes.
    File(u64),
    /// A symbolic link, not followed.
    Symlink,
    /// A socket, a device and their kin.
    Other,
}

impl TreeKind {
    fn of(metadata: &std::fs::Metadata) -> Self {
        let file_type = metadata.file_type();
        if file_type.is_dir() {
            Self::Dir
        } else if file_type.is_symlink() {
            Self::Symlink
        } else if file_type.is_file() {
            Self::File(metadata.len())
        } else {
            Self::Other
        }
    }
}

/// Everything below a directory, sorted by path, links not followed. `enter` says of each
/// directory (by its relative path) whether to look inside and list it.
pub fn tree(root: &Utf8Path, enter: impl Fn(&Utf8Path) -> bool) -> io::Result<Vec<TreeEntry>> {
    let relative = |path: &std::path::Path| -> io::Result<Utf8PathBuf> {
        let inner = path.strip_prefix(root).unwrap_or(path);
        Utf8PathBuf::from_path_buf(inner.to_owned()).map_err(|path| not_utf8(&path))
    };
    let wanted = |entry: &walkdir::DirEntry| {
        !entry.file_type().is_dir() || relative(entry.path()).map_or(true, |path| enter(&path))
    };
    let mut entries = Vec::new();
    let walk = walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(wanted) {
        let entry = entry?;
        let kind = TreeKind::of(&entry.metadata()?);
        entries.push(TreeEntry { path: relative(entry.path())?, kind });
    }
    Ok(entries)
}

/// The directories of a tree, its root first, each before those below it; none where no
/// directory is. Links are not followed.
pub(super) fn tree_dirs(root: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let below = tree(root, |_| true)?.into_iter().filter(|entry| entry.kind == TreeKind::Dir);
    let below = below.map(|entry| root.join(entry.path));
    Ok(std::iter::once(root.to_owned()).chain(below).collect())
}

fn not_utf8(path: &std::path::Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the file name `{}` is not UTF-8", path.display()),
    )
}

/// The part of an absolute path that is Git's or GitHub's: what lies there is run, by either.
pub fn reserved(path: &Utf8Path) -> Option<&str> {
    let is_reserved =
        |part: &&str| [".git", ".github"].iter().any(|name| part.eq_ignore_ascii_case(name));
    path.components().map(|part| part.as_str()).find(is_reserved)
}

/// The path without links, as far as it is there; absolute.
pub fn real(path: &Utf8Path) -> Utf8PathBuf {
    let mut missing = Utf8PathBuf::new();
    let mut there = path;
    loop {
        if let Ok(found) = canonical(if there == "" { Utf8Path::new(".") } else { there }) {
            return found.join(missing);
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing = match missing.as_str() {
                    "" => name.into(),
                    _ => Utf8Path::new(name).join(missing),
                };
                there = parent;
            }
            _ => return path.to_owned(),
        }
    }
}

/// The bytes of the files below a directory, as far as it can be read. A link in its
/// place has none.
pub fn bytes_below(dir: &Utf8Path) -> u64 {
    if !matches!(kind(dir), Ok(Some(TreeKind::Dir))) {
        return 0;
    }
    let tree = tree(dir, |_| true).unwrap_or_default();
    let sizes =
        tree.iter().map(|entry| if let TreeKind::File(bytes) = entry.kind { bytes } else { 0 });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::TreeKind;

    #[test]
    fn a_tree_is_sorted_and_skips_what_is_not_entered() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for path in ["b/x", "a", ".git/objects/y"] {
            fs_err::create_dir_all(super::parent(&root.join(path))).unwrap();
            fs_err::write(root.join(path), "12").unwrap();
        }
        let found = super::tree(root, |path| path != ".git").unwrap();
        let found: Vec<_> = found.iter().map(|entry| (entry.path.as_str(), entry.kind)).collect();
        assert_eq!(
            found,
            [("a", TreeKind::File(2)), ("b", TreeKind::Dir), ("b/x", TreeKind::File(2))]
        );
    }

    #[test]
    fn a_file_is_touched_at_most_once_an_interval() {
        use std::time::{Duration, SystemTime, UNIX_EPOCH};
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("f");
        let hour = Duration::from_secs(3600);
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let set = |seconds: u64| {
            let file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
            file.file().set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        };
        assert_eq!(super::modified(&path).unwrap(), None);
        super::touch(&path, hour).unwrap();
        for (age, touched) in [(1800, false), (4000, true)] {
            let before = now() - age;
            set(before);
            super::touch(&path, hour).unwrap();
            assert_eq!(super::modified(&path).unwrap() != Some(before), touched, "{age}");
        }
        set(now() + 1_000_000);
        super::touch(&path, hour).unwrap();
        assert!(super::modified(&path).unwrap().unwrap() <= now());
    }

    #[test]
    fn a_limit_on_reading_is_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("f");
        fs_err::write(&path, "12345").unwrap();
        assert_eq!(super::read_at_most(&path, 5).unwrap().as_deref(), Some(&b"12345"[..]));
        assert_eq!(super::read_at_most(&path, 4).unwrap(), None);
    }
}
