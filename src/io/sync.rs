//! What is written comes to rest on the disk, so that a power cut loses neither bytes nor names.
//!
//! A file is synced before the rename that makes it visible, and the directory after it. What a
//! file system cannot sync (some have no notion of a directory's) is no reason to fail.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::{Utf8Path, Utf8PathBuf};

use super::files::{self, TreeKind};

/// Threads that wait for the disk: file systems write what several wait for at once.
const THREADS: usize = 8;

/// Waits until a file's bytes are on the disk.
pub(super) fn file(file: &std::fs::File) -> io::Result<()> {
    tolerate(file.sync_all())
}

/// Waits until a file that will be synced with all others is on the disk, so that less is left to wait
/// for then. What fails here fails again then, and is told.
pub fn early(path: &Utf8Path) {
    if let Ok(opened) = fs_err::File::open(path) {
        let _ = part(opened.file());
    }
}

/// Waits until the names in a directory are on the disk.
#[cfg(unix)]
pub fn dir(path: &Utf8Path) -> io::Result<()> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("failed to sync the directory `{path}`: {error}"))
    };
    match fs_err::File::open(path) {
        Ok(dir) => file(dir.file()).map_err(named),
        // Names can be made in a directory that must not be listed.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// Directories cannot be synced here; their file system writes names by itself.
#[cfg(not(unix))]
pub fn dir(_: &Utf8Path) -> io::Result<()> {
    Ok(())
}

/// Waits until all files below a directory, and their names, are on the disk. Links are not
/// followed.
pub fn tree(root: &Utf8Path) -> io::Result<()> {
    let entries = files::tree(root, |_| true)?;
    let below = |kind: fn(TreeKind) -> bool| -> Vec<Utf8PathBuf> {
        let found = entries.iter().filter(|entry| kind(entry.kind));
        found.map(|entry| root.join(&entry.path)).collect()
    };
    each(&below(|kind| matches!(kind, TreeKind::File(_))), |path| {
        match fs_err::File::open(path) {
            Ok(opened) => part(opened.file()).map_err(|error| {
                io::Error::new(error.kind(), format!("failed to write `{path}`: {error}"))
            }),
            // Somebody else's, which was kept: whoever wrote it could read it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            Err(error) => Err(error),
        }
    })?;
    each(&below(|kind| kind == TreeKind::Dir), dir_part)?;
    dir(root)
}

/// Makes a directory and all above it, whose names are on the disk afterwards.
pub fn create_dir_all(path: &Utf8Path) -> io::Result<()> {
    let absent = path
        .ancestors()
        .take_while(|above| !above.as_str().is_empty() && fs_err::symlink_metadata(above).is_err());
    let absent: Vec<_> = absent.map(Utf8Path::to_owned).collect();
    files::create_dir_all(path)?;
    absent.iter().rev().try_for_each(|made| dir(files::parent(made)))
}

/// One of many files: where a disk's own cache is emptied by a command of its own, that is done
/// once, with the directory of all.
#[cfg(target_vendor = "apple")]
fn part(file: &std::fs::File) -> io::Result<()> {
    tolerate(rustix::fs::fsync(file).map_err(Into::into))
}

#[cfg(not(target_vendor = "apple"))]
fn part(opened: &std::fs::File) -> io::Result<()> {
    file(opened)
}

#[cfg(target_vendor = "apple")]
fn dir_part(path: &Utf8Path) -> io::Result<()> {
    fs_err::File::open(path).and_then(|dir| part(dir.file()))
}

#[cfg(not(target_vendor = "apple"))]
fn dir_part(path: &Utf8Path) -> io::Result<()> {
    dir(path)
}

fn each(
    paths: &[Utf8PathBuf],
    sync: impl Fn(&Utf8Path) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = sync(path) {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..THREADS.min(paths.len()) {
            scope.spawn(work);
        }
        work();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn tolerate(synced: io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, ReadOnlyFilesystem, Unsupported};
    match synced {
        Err(error) if matches!(error.kind(), InvalidInput | Unsupported | ReadOnlyFilesystem) => {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    #[test]
    fn a_tree_with_links_and_pipes_is_synced_without_opening_them() {
        let home = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(home.path()).unwrap().join("a/b");
        super::create_dir_all(&root).unwrap();
        for n in 0..20 {
            fs_err::write(root.join(n.to_string()), "x").unwrap();
        }
        #[cfg(unix)]
        {
            fs_err::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
            let pipe = root.join("pipe");
            assert_cmd::Command::new("mkfifo").arg(&pipe).assert().success();
        }
        super::tree(&root).unwrap();
        let error = super::tree(&root.join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent"), "{error}");
    }
}
