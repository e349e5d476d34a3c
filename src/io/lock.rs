//! Locks between processes: whoever dies, by any signal, has let go.

use std::fs::TryLockError;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::cancel::Cancel;

/// How often a lock that another process holds is tried again.
const POLL: Duration = Duration::from_millis(50);

/// An exclusive lock on a file, held until it is dropped. The file stays: removing it would
/// let two processes lock two files of one name.
#[derive(Debug)]
pub struct Lock {
    _file: fs_err::File,
    excludes: bool,
}

impl Lock {
    /// Whether it keeps others out. Where there are no locks, it does not.
    pub fn excludes(&self) -> bool {
        self.excludes
    }

    /// Takes the lock, waiting for as long as another process (or another `Lock` of this one)
    /// holds it; `waiting` is called once, if it has to wait. Gives `None` if the wait was
    /// cancelled. The file is created if there is none; its directory must exist.
    pub fn acquire(
        path: &Utf8Path,
        cancel: &Cancel,
        waiting: impl FnOnce(),
    ) -> io::Result<Option<Self>> {
        let mut waiting = Some(waiting);
        loop {
            if cancel.is_cancelled() {
                return Ok(None);
            }
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(Some(lock));
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            std::thread::sleep(POLL);
        }
    }

    /// Takes the lock together with any number of others that share it, if nobody holds it
    /// alone. The file is created if it can be; one that can only be read is locked all the same.
    pub fn try_share(path: &Utf8Path) -> io::Result<Option<Self>> {
        let mut options = fs_err::OpenOptions::new();
        let file = match options.create(true).truncate(false).write(true).open(path) {
            Ok(file) => file,
            Err(error) if is_read_only(&error) => fs_err::File::open(path)?,
            Err(error) => return Err(error),
        };
        Self::locked(path, file.try_lock_shared(), file)
    }

    /// Takes the lock if nobody holds it.
    pub fn try_acquire(path: &Utf8Path) -> io::Result<Option<Self>> {
        // Open for writing, since some network file systems lock nothing else.
        let file =
            fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        Self::locked(path, file.try_lock(), file)
    }

    fn locked(
        path: &Utf8Path,
        result: Result<(), TryLockError>,
        file: fs_err::File,
    ) -> io::Result<Option<Self>> {
        match result {
            // Other programs remove their lock files: then this is a lock on nothing.
            Ok(()) if !is_still_at(&file, path) => Ok(None),
            Ok(()) => Ok(Some(Self { _file: file, excludes: true })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if is_unlockable(&error) => {
                note_unlockable(path);
                Ok(Some(Self { _file: file, excludes: false }))
            }
            Err(TryLockError::Error(error)) => {
                Err(io::Error::new(error.kind(), format!("failed to lock `{path}`: {error}")))
            }
        }
    }
}

/// Waits for the lock on a directory, of which `dir` is open. Gives none where there are no locks.
pub(super) fn wait_for_dir(path: &Utf8Path, dir: fs_err::File) -> io::Result<Option<fs_err::File>> {
    match dir.file().lock() {
        Ok(()) => Ok(Some(dir)),
        Err(error) if is_unlockable(&error) => {
            note_unlockable(path);
            Ok(None)
        }
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("failed to lock `{path}`: {error}")))
        }
    }
}

/// The first path of this process that was used without a lock, since its file system has none.
pub fn unlockable() -> Option<&'static Utf8Path> {
    UNLOCKABLE.get().map(Utf8PathBuf::as_path)
}

static UNLOCKABLE: OnceLock<Utf8PathBuf> = OnceLock::new();

fn note_unlockable(path: &Utf8Path) {
    UNLOCKABLE.get_or_init(|| path.to_owned());
}

/// Whether an error says that there are no locks, as on some network file systems.
fn is_unlockable(error: &io::Error) -> bool {
    #[cfg(unix)]
    let none = error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error());
    #[cfg(not(unix))]
    let none = false;
    none || error.kind() == io::ErrorKind::Unsupported
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(unix)]
fn is_still_at(file: &fs_err::File, path: &Utf8Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = |(own, there): (std::fs::Metadata, std::fs::Metadata)| {
        (own.dev(), own.ino()) == (there.dev(), there.ino())
    };
    file.metadata().and_then(|own| Ok((own, fs_err::metadata(path)?))).is_ok_and(same)
}

#[cfg(not(unix))]
fn is_still_at(_: &fs_err::File, _: &Utf8Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use camino::Utf8Path;

    use super::{Cancel, Lock};

    #[test]
    fn the_second_waits_says_so_and_gets_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a.lock");
        let first = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(Lock::try_acquire(&path).unwrap().is_none());
        let waited = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                Lock::acquire(&path, &Cancel::default(), || waited.store(true, Ordering::SeqCst))
            });
            while !waited.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(!second.is_finished());
            drop(first);
            assert!(second.join().unwrap().unwrap().is_some());
        });
    }

    #[test]
    fn many_share_a_lock_that_one_cannot_have_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a.lock");
        let first = Lock::try_share(&path).unwrap().unwrap();
        let second = Lock::try_share(&path).unwrap().unwrap();
        drop(first);
        assert!(Lock::try_acquire(&path).unwrap().is_none());
        drop(second);
        let alone = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(Lock::try_share(&path).unwrap().is_none());
        drop(alone);
        assert!(Lock::try_share(&path.join("below")).is_err());
    }

    #[test]
    fn a_wait_can_be_cancelled() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a.lock");
        let _first = Lock::try_acquire(&path).unwrap().unwrap();
        let cancel = Cancel::default();
        assert!(Lock::acquire(&path, &cancel, || cancel.cancel()).unwrap().is_none());
    }
}
