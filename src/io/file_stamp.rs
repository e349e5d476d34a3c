//! Whether a file is still the one that was read, without reading it again.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// What a file system says of a file, links followed: while it stays the same, so does the
/// content, if the stamp was [settled](Self::is_settled) when the content was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    size: u64,
    /// When the content was written, in nanoseconds since 1970.
    modified: i64,
    /// When content or name was changed last: it cannot be set back, as archivers do with
    /// `modified`.
    changed: i64,
    /// The file's number: another one after a rename over it.
    inode: u64,
}

/// A moment that stamps are compared with, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Moment(i64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl FileStamp {
    /// Whether no change made after `moment` could bear this very stamp. The clock of a file
    /// system ticks every few milliseconds, on some every second or two: of a file that was
    /// changed just before it was read, a change just after it may go unseen.
    pub fn is_settled(&self, moment: Moment) -> bool {
        const SECOND: i64 = 1_000_000_000;
        let last = self.modified.max(self.changed);
        let tick = if last % SECOND == 0 { 3 * SECOND } else { SECOND / 10 };
        last.saturating_add(tick) <= moment.0
    }

    /// The stamp as bytes, for digests.
    pub fn to_bytes(self) -> [u8; 32] {
        let parts = [
            self.size.to_le_bytes(),
            self.modified.to_le_bytes(),
            self.changed.to_le_bytes(),
            self.inode.to_le_bytes(),
        ];
        let mut bytes = [0; 32];
        for (place, part) in bytes.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part);
        }
        bytes
    }

    #[cfg(unix)]
    fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let nanoseconds = |seconds: i64, rest| seconds.saturating_mul(1_000_000_000) + rest;
        Self {
            size: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &std::fs::Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |at| i64::try_from(at.as_nanos()).unwrap_or(i64::MAX));
        Self { size: metadata.len(), modified, changed: modified, inode: 0 }
    }
}

/// The stamp of a file or directory; none where nothing is.
pub fn of(path: &Utf8Path) -> io::Result<Option<FileStamp>> {
    match fs_err::metadata(path) {
        Ok(metadata) => Ok(Some(FileStamp::of(&metadata))),
        // Below a file there is nothing either.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The files below a directory whose name is `wanted`, with their stamps: relative paths, in
/// their order. Links are followed; directories that are hidden or named in `skipped` are not
/// entered.
pub fn files_below(
    root: &Utf8Path,
    skipped: &[&str],
    wanted: impl Fn(&str) -> bool,
) -> io::Result<Vec<(Utf8PathBuf, FileStamp)>> {
    let name = |entry: &walkdir::DirEntry| entry.file_name().to_str().map(str::to_owned);
    let enter = |entry: &walkdir::DirEntry| {
        let skip = |name: &str| name.starts_with('.') || skipped.contains(&name);
        entry.depth() == 0
            || !entry.file_type().is_dir()
            || !name(entry).is_some_and(|name| skip(&name))
    };
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(root).follow_links(true).into_iter().filter_entry(enter) {
        let entry = match entry {
            // A link to a directory above it holds nothing that is not seen anyway, and a
            // link to nothing holds nothing.
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error)
                if error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound)
                    && error.depth() > 0 =>
            {
                continue;
            }
            entry => entry?,
        };
        if !entry.file_type().is_file() || !name(&entry).is_some_and(|name| wanted(&name)) {
            continue;
        }
        let stamp = FileStamp::of(&entry.metadata()?);
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let relative = Utf8PathBuf::from_path_buf(relative.to_owned()).map_err(|path| {
            let message = format!("the file name `{}` is not UTF-8", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        found.push((relative, stamp));
    }
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{FileStamp, Moment, files_below, of};

    #[test]
    fn a_file_is_settled_only_when_its_clock_has_ticked() {
        let stamp = FileStamp { size: 1, modified: 5, changed: 1_000_000_001, inode: 1 };
        assert!(!stamp.is_settled(Moment(1_000_000_002)));
        assert!(!stamp.is_settled(Moment(1_100_000_000)));
        assert!(stamp.is_settled(Moment(1_100_000_001)));
        let whole_seconds = FileStamp { changed: 1_000_000_000, ..stamp };
        assert!(!whole_seconds.is_settled(Moment(3_000_000_000)));
        assert!(whole_seconds.is_settled(Moment(4_000_000_000)));
        let from_the_future = FileStamp { modified: i64::MAX, ..stamp };
        assert!(!from_the_future.is_settled(Moment::now()));
    }

    #[test]
    fn what_was_just_written_is_not_settled_and_every_change_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a");
        assert_eq!(of(&path).unwrap(), None);
        assert_eq!(of(&path.join("below")).unwrap(), None);
        fs_err::write(&path, "one").unwrap();
        assert_eq!(of(&path.join("below")).unwrap(), None);
        let first = of(&path).unwrap().unwrap();
        assert!(!first.is_settled(Moment::now()));
        std::thread::sleep(std::time::Duration::from_millis(120));
        assert!(first.is_settled(Moment::now()));
        // Same size, and the time set back.
        let time = fs_err::metadata(&path).unwrap().modified().unwrap();
        fs_err::write(&path, "two").unwrap();
        let file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
        file.file().set_modified(time).unwrap();
        let second = of(&path).unwrap().unwrap();
        assert_eq!((first.size, first.modified), (second.size, second.modified));
        assert_ne!(first, second);
        assert_ne!(first.to_bytes(), second.to_bytes());
    }

    #[test]
    fn links_are_followed_and_loops_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for path in ["b/x.py", "a/y.py", "a/y.txt", "a/__pycache__/z.py", ".git/w.py"] {
            fs_err::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs_err::write(root.join(path), path).unwrap();
        }
        for (target, link) in [("b", "c"), ("..", "b/up"), ("nothing", "gone.py")] {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        let found = files_below(root, &["__pycache__"], |name| name.ends_with(".py")).unwrap();
        let names: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["a/y.py", "b/x.py", "c/x.py"]);
        assert!(files_below(&root.join("absent"), &[], |_| true).is_err());
    }
}
