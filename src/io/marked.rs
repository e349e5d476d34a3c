//! Directories of ours among those of others: each has a mark of ours in it, and is locked while
//! its process lives. What a killed process left is known by both, and swept by the next one.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::{dir, files, lock};

/// The file that says whose a directory is.
const MARK: &str = ".mlc-package";
const TEXT: &[u8] = b"mlc-package works here. When none runs, this directory can be removed.\n";
/// A directory that is swept while it is being made is made again.
const TRIES: usize = 10;

/// A directory that is removed with all in it when this is dropped, or by a later run.
#[derive(Debug)]
pub struct MarkedDir {
    path: Utf8PathBuf,
    _alive: Option<fs_err::File>,
}

impl MarkedDir {
    /// Makes a directory of a new name that begins with `prefix`, and removes those that killed
    /// processes left. The umask decides who may read it.
    pub fn new_in(home: &Utf8Path, prefix: &str) -> io::Result<Self> {
        sweep_dead(home, prefix);
        Self::make(home, prefix)
    }

    /// The same without sweeping.
    pub fn make(home: &Utf8Path, prefix: &str) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            tries += 1;
            let path = dir::new_in(home, prefix)?;
            // The lock before the mark: what is marked and not locked is dead.
            let made = fs_err::File::open(&path).and_then(|opened| {
                let alive = lock::wait_for_dir(&path, opened)?;
                fs_err::write(path.join(MARK), TEXT)?;
                Ok(alive)
            });
            match made {
                Ok(alive) => return Ok(Self { path, _alive: alive }),
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                Err(error) => {
                    let _ = remove(&path);
                    return Err(error);
                }
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Removes it now, and tells if that fails.
    pub fn remove(self) -> io::Result<()> {
        remove(&self.path)
    }
}

impl Drop for MarkedDir {
    fn drop(&mut self) {
        // What cannot be removed is swept by the next run.
        let _ = remove(&self.path);
    }
}

/// Removes directories of ours whose names begin with `prefix` and whose process is dead, as far as
/// that can be: what stays harms nobody but the disk.
pub fn sweep_dead(home: &Utf8Path, prefix: &str) {
    let _ = sweep(home, prefix, |_| Ok(()));
}

/// Removes directories of ours whose process is dead: they have the mark, and nobody holds their
/// lock. `rescue` takes out of each what must not be lost; where it fails, the directory stays.
pub(super) fn sweep(
    home: &Utf8Path,
    prefix: &str,
    rescue: impl Fn(&Utf8Path) -> io::Result<()>,
) -> io::Result<()> {
    let names = dir::names(home).unwrap_or_default();
    for name in names.iter().filter(|name| name.starts_with(prefix)) {
        let path = home.join(name);
        if !matches!(files::kind(&path), Ok(Some(files::TreeKind::Dir))) {
            continue;
        }
        let Ok(opened) = fs_err::File::open(&path) else { continue };
        if opened.file().try_lock().is_err() {
            continue;
        }
        if !matches!(files::kind(&path.join(MARK)), Ok(Some(files::TreeKind::File(_)))) {
            // Killed before it was marked, or after it was emptied. Of others only what is empty
            // could be meant, and that holds nothing.
            let _ = fs_err::remove_dir(&path);
            continue;
        }
        rescue(&path)?;
        let _ = remove(&path);
    }
    Ok(())
}

/// Removes a directory of ours, its mark last.
fn remove(path: &Utf8Path) -> io::Result<()> {
    for name in dir::names(path)?.iter().filter(|name| *name != MARK) {
        let path = path.join(name);
        match files::kind(&path)? {
            Some(files::TreeKind::Dir) => dir::remove_all(path.as_std_path())?,
            _ => files::remove_file(&path)?,
        }
    }
    files::remove_file(&path.join(MARK))?;
    fs_err::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{MARK, MarkedDir, dir};

    #[test]
    fn only_what_is_marked_and_dead_is_swept() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        for (name, marked) in [("p-dead", true), ("p-theirs", false), ("q-other", true)] {
            fs_err::create_dir_all(home.join(name).join("sub")).unwrap();
            fs_err::write(home.join(name).join("sub/file"), "text").unwrap();
            if marked {
                fs_err::write(home.join(name).join(MARK), "").unwrap();
            }
        }
        fs_err::create_dir(home.join("p-empty")).unwrap();
        fs_err::write(home.join("p-file"), "").unwrap();
        let live = MarkedDir::new_in(home, "p-").unwrap();
        let second = MarkedDir::new_in(home, "p-").unwrap();
        assert!(live.path().is_dir() && second.path().is_dir());
        drop((live, second));
        assert_eq!(dir::names(home).unwrap(), ["p-file", "p-theirs", "q-other"]);
        assert!(home.join("p-theirs/sub/file").is_file());
    }
}
