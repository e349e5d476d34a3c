//! A directory that is built beside its place and swapped in whole.

use std::collections::BTreeSet;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::files::{self, TreeKind};
use super::{dir, link};
use crate::model::LinkMode;

/// The next state of a directory, in the making. Dropped without
/// [`publish`](Self::publish), it leaves no trace.
pub struct Staging {
    dir: tempfile::TempDir,
    path: Utf8PathBuf,
    target: Utf8PathBuf,
    /// Held while the directory is in use, so that [`sweep`] can tell a dead one.
    _alive: fs_err::File,
    /// The target is a mount point: it cannot be renamed, only what is in it.
    inside: bool,
}

/// Marks staging directories, after the target's name.
const MARK: &str = ".mlc-package-";

impl Staging {
    /// Begins the next state of `target`, a directory that may not exist yet. What earlier runs
    /// left behind when they were killed is removed.
    pub fn beside(target: &Utf8Path) -> io::Result<Self> {
        files::create_dir_all(files::parent(target))?;
        let exists = target.exists();
        if exists && !target.is_dir() {
            let message = format!("`{target}` is a file, and a directory is needed there");
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        if !exists && target.is_symlink() {
            let message = format!("`{target}` is a dangling link, and a directory is needed there");
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        // A link to a directory stays a link.
        let target = if exists {
            files::canonical(target)?
        } else {
            files::canonical(files::parent(target))?.join(target.file_name().unwrap_or("dist"))
        };
        let inside = exists && is_mount_point(&target)?;
        let home = if inside { target.as_path() } else { files::parent(&target) };
        let prefix = format!(".{}{MARK}", target.file_name().unwrap_or("dist"));
        sweep(home, &prefix);
        let dir = new_dir(home, &prefix)?;
        let path =
            Utf8PathBuf::from_path_buf(dir.path().to_owned()).map_err(|path| not_utf8(&path))?;
        let alive = fs_err::File::open(&path)?;
        alive.file().lock()?;
        Ok(Self { dir, path, target, _alive: alive, inside })
    }

    /// Where the next state is built.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Puts the next state in the target's place. Files of the target that are neither in
    /// `previous` (relative paths of what an earlier run put there) nor built anew are kept.
    ///
    /// One rename exchanges the two directories, so that whoever looks sees the old state or
    /// the new one. Where the file system cannot exchange, two renames follow each other; in a
    /// mount point each entry is renamed.
    pub fn publish(self, previous: &BTreeSet<Utf8PathBuf>) -> io::Result<()> {
        let gate = fs_err::File::open(files::parent(&self.path))?;
        gate.file().lock()?;
        if self.target.exists() {
            self.keep_foreign(previous)?;
        }
        if self.inside {
            for entry in fs_err::read_dir(&self.path)? {
                let name = entry?.file_name();
                let target = self.target.as_std_path().join(&name);
                replace(&self.path.as_std_path().join(&name), &target)?;
            }
            for path in previous.iter().filter(|path| !self.replaces(path)) {
                files::remove_file(&self.target.join(path))?;
            }
        } else {
            replace(self.path.as_std_path(), self.target.as_std_path())?;
        }
        // What is now in the staging directory is the old state. It may be gone already, and
        // what cannot be removed is swept by the next run.
        let _ = dir::remove_all(&self.dir.keep());
        Ok(())
    }

    /// Whether publishing renames over this path of the target, or over a directory above it.
    fn replaces(&self, path: &Utf8Path) -> bool {
        !self.inside || self.path.join(path.iter().next().unwrap_or_default()).exists()
    }

    /// Links into the next state what others put into the target.
    fn keep_foreign(&self, previous: &BTreeSet<Utf8PathBuf>) -> io::Result<()> {
        for entry in files::tree(&self.target, |path| self.replaces(path))? {
            let (from, to) = (self.target.join(&entry.path), self.path.join(&entry.path));
            if !self.replaces(&entry.path) || previous.contains(&entry.path) {
                continue;
            }
            match (entry.kind, to.symlink_metadata()) {
                (TreeKind::Dir, Ok(there)) if there.is_dir() => {}
                (TreeKind::Dir, Err(_)) => {
                    // A directory that held only files of ours goes with them.
                    let mut held = previous.range(entry.path.clone()..);
                    if !held.next().is_some_and(|ours| ours.starts_with(&entry.path)) {
                        files::create_dir_all(&to)?;
                    }
                }
                (TreeKind::File(_) | TreeKind::Symlink | TreeKind::Other, Ok(there))
                    if !there.is_dir() => {}
                (_, Ok(_)) => {
                    return Err(io::Error::other(format!(
                        "`{from}` is in the way: it was not made by mlc-package, and what is \
                         built has something of another kind there"
                    )));
                }
                (TreeKind::File(_), Err(_)) => {
                    files::create_dir_all(files::parent(&to))?;
                    link::place(&from, &to, LinkMode::Hardlink)
                        .or_else(|_| link::place(&from, &to, LinkMode::Copy))?;
                }
                (TreeKind::Symlink, Err(_)) => {
                    files::create_dir_all(files::parent(&to))?;
                    copy_symlink(&from, &to)?;
                }
                (TreeKind::Other, Err(_)) => {
                    return Err(io::Error::other(format!(
                        "`{from}` is neither a file nor a directory and cannot be kept"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Puts `new` in the place of `target`, and what was there in the place of `new`.
fn replace(new: &std::path::Path, target: &std::path::Path) -> io::Result<()> {
    if target.symlink_metadata().is_err() {
        return fs_err::rename(new, target);
    }
    if exchange(new, target).is_ok() {
        return Ok(());
    }
    let mut aside = new.as_os_str().to_owned();
    aside.push(".old");
    fs_err::rename(target, &aside)?;
    if let Err(error) = fs_err::rename(new, target) {
        // The old state goes back; if even that fails it is still there under its other name.
        let _ = fs_err::rename(&aside, target);
        return Err(error);
    }
    fs_err::rename(&aside, new)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(a: &std::path::Path, b: &std::path::Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(_: &std::path::Path, _: &std::path::Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Removes staging directories whose owner is dead: nobody holds their lock.
fn sweep(home: &Utf8Path, prefix: &str) {
    let Ok(entries) = fs_err::read_dir(home) else { return };
    for entry in entries.flatten() {
        let dead = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix))
            && fs_err::File::open(entry.path()).is_ok_and(|dir| dir.file().try_lock().is_ok());
        if dead {
            // A leftover that cannot be removed harms nobody but the disk.
            let _ = dir::remove_all(&entry.path());
        }
    }
}

fn new_dir(home: &Utf8Path, prefix: &str) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    // It becomes the target: the umask decides who may read it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.tempdir_in(home).map_err(|error| {
        let reason = super::atomic::reason(&error);
        let message = format!("failed to make a directory in `{home}`: {reason}");
        io::Error::new(error.kind(), message)
    })
}

#[cfg(unix)]
fn is_mount_point(dir: &Utf8Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (own, above) = (fs_err::metadata(dir)?, fs_err::metadata(dir.join(".."))?);
    Ok(own.dev() != above.dev() || own.ino() == above.ino())
}

#[cfg(not(unix))]
fn is_mount_point(_: &Utf8Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(unix)]
fn copy_symlink(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs_err::os::unix::fs::symlink(fs_err::read_link(from)?, to)
}

#[cfg(not(unix))]
fn copy_symlink(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs_err::copy(from, to).map(|_| ())
}

fn not_utf8(path: &std::path::Path) -> io::Error {
    let message = format!("the path `{}` is not UTF-8", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use camino::{Utf8Path, Utf8PathBuf};

    use super::{Staging, files};

    fn list(dir: &Utf8Path) -> Vec<String> {
        files::tree(dir, |_| true).unwrap().into_iter().map(|entry| entry.path.into()).collect()
    }

    fn put(dir: &Utf8Path, path: &str, text: &str) {
        let path = dir.join(path);
        files::create_dir_all(files::parent(&path)).unwrap();
        fs_err::write(path, text).unwrap();
    }

    #[test]
    fn our_old_files_go_and_foreign_ones_stay() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        let target = home.join("dist");
        for path in ["lib/old.a", "lib/theirs.txt", "bundle/gone/x.bin", "notes/a.md"] {
            put(&target, path, "old");
        }
        let staging = Staging::beside(&target).unwrap();
        put(staging.path(), "lib/new.a", "new");
        let previous: BTreeSet<Utf8PathBuf> =
            ["lib/old.a", "bundle/gone/x.bin"].map(Utf8PathBuf::from).into();
        staging.publish(&previous).unwrap();
        assert_eq!(list(&target), ["lib", "lib/new.a", "lib/theirs.txt", "notes", "notes/a.md"]);
        assert_eq!(list(home).iter().filter(|path| path.starts_with('.')).count(), 0);
    }

    #[test]
    fn nothing_changes_unless_published() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        put(&home.join("dist"), "a", "old");
        let staging = Staging::beside(&home.join("dist")).unwrap();
        put(staging.path(), "a", "new");
        drop(staging);
        assert_eq!(list(home), ["dist", "dist/a"]);
        assert_eq!(fs_err::read_to_string(home.join("dist/a")).unwrap(), "old");
    }

    #[test]
    fn a_dead_run_is_swept_and_a_live_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        put(home, ".dist.mlc-package-dead/half", "x");
        let live = Staging::beside(&home.join("dist")).unwrap();
        let second = Staging::beside(&home.join("dist")).unwrap();
        assert!(!home.join(".dist.mlc-package-dead").exists());
        assert!(live.path().exists());
        assert!(second.path().exists());
    }

    #[test]
    fn a_foreign_file_in_the_way_is_named_and_nothing_is_lost() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        put(&home.join("dist"), "lib", "a file");
        let staging = Staging::beside(&home.join("dist")).unwrap();
        put(staging.path(), "lib/new.a", "new");
        let error = staging.publish(&BTreeSet::new()).unwrap_err();
        assert!(error.to_string().contains("dist/lib` is in the way"), "{error}");
        assert_eq!(list(home), ["dist", "dist/lib"]);
    }

    /// Root may remove anything; everybody else needs the right to.
    #[cfg(unix)]
    #[test]
    fn an_old_state_in_which_nothing_may_be_removed_is_removed() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        put(&home.join("dist"), "lib/old.a", "old");
        put(&home.join(".dist.mlc-package-dead"), "half/x", "x");
        for dir in ["dist/lib", "dist", ".dist.mlc-package-dead/half"] {
            let read_only = std::fs::Permissions::from_mode(0o500);
            fs_err::set_permissions(home.join(dir), read_only).unwrap();
        }
        let staging = Staging::beside(&home.join("dist")).unwrap();
        put(staging.path(), "lib/new.a", "new");
        staging.publish(&["lib/old.a".into()].into()).unwrap();
        assert_eq!(list(home), ["dist", "dist/lib", "dist/lib/new.a"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_directory_stays_a_link() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        put(&home.join("elsewhere"), "a", "old");
        fs_err::os::unix::fs::symlink("elsewhere", home.join("dist")).unwrap();
        let staging = Staging::beside(&home.join("dist")).unwrap();
        put(staging.path(), "b", "new");
        staging.publish(&BTreeSet::new()).unwrap();
        assert!(home.join("dist").symlink_metadata().unwrap().is_symlink());
        assert_eq!(list(&home.join("elsewhere")), ["a", "b"]);
    }
}
