//! A directory that is built beside its place and swapped in whole.
//!
//! ```text
//! .dist.mlc-package-…/.mlc-package   the mark: this is ours, and removed when its process is dead
//!                    /new/           the next state, in the making
//!                    /old/           the state before, where the two cannot be exchanged at once
//! ```
//!
//! In a mount point, which cannot be renamed, this lies inside, `new` and `old` have the entries
//! that are renamed, and each is exchanged by itself.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::files::{self, TreeKind};
use super::marked::{self, MarkedDir};
use super::{digest, dir, link, lock, sync};
use crate::model::{Digest, LinkMode};

/// What an earlier run put into a directory: relative paths, and how each is known.
pub type Previous = BTreeMap<Utf8PathBuf, KnownBy>;

/// How a file is known to be of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// Its name, which is nobody else's.
    Name,
    /// A record, which can be wrong or a stranger's: only a file of this size in bytes and this
    /// digest is removed.
    Content(u64, Digest),
}

/// The next state of a directory, in the making. Dropped without
/// [`publish`](Self::publish), it leaves no trace.
pub struct Staging {
    // Locked while it is in use, so that later runs can tell a dead one.
    space: MarkedDir,
    path: Utf8PathBuf,
    target: Utf8PathBuf,
    /// The target is a mount point: it cannot be renamed, only what is in it.
    inside: bool,
}

/// In the names of staging directories, after the target's name.
const INFIX: &str = ".mlc-package-";
const NEW: &str = "new";
const OLD: &str = "old";

impl Staging {
    /// Begins the next state of `target`, a directory that may not exist yet. What earlier runs
    /// left behind when they were killed is removed; an exchange that one did not come to the end
    /// of is undone.
    pub fn beside(target: &Utf8Path) -> io::Result<Self> {
        sync::create_dir_all(files::parent(target))?;
        // A link to a directory stays a link.
        let place = followed(target)?;
        if !place.exists() {
            rescue(files::parent(&place), &place, false)?;
        }
        let exists = place.exists();
        if exists && !place.is_dir() {
            let message = format!("`{target}` is a file, and a directory is needed there");
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        if !exists && target.is_symlink() {
            let message = format!("`{target}` is a dangling link, and a directory is needed there");
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        if let Some(part) = files::reserved(&place) {
            let message =
                format!("`{place}` is in `{part}`, where Git and GitHub look for programs");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let inside = exists && is_mount_point(&place)?;
        let home = if inside { place.as_path() } else { files::parent(&place) };
        rescue(home, &place, inside)?;
        let space = MarkedDir::make(home, &prefix(&place))?;
        let path = space.path().join(NEW);
        dir::create(&path)?;
        Ok(Self { space, path, target: place, inside })
    }

    /// Where the next state is built.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Puts the next state in the target's place; it is on the disk when this returns. Files of
    /// the target that are neither built again nor what the record that `read` gives says an earlier run put there
    /// are kept. `read` gets the target, and is asked when nobody else can change it.
    ///
    /// One rename exchanges the two directories, so that whoever looks sees the old state or
    /// the new one. Where the file system cannot exchange, two renames follow each other; in a
    /// mount point each entry is renamed.
    pub fn publish(self, read: impl FnOnce(&Utf8Path) -> Previous) -> io::Result<()> {
        // What takes long comes before the others have to wait.
        sync::tree(&self.path)?;
        let home = files::parent(self.space.path());
        let _gate = lock::wait_for_dir(home, fs_err::File::open(home)?)?;
        let mut previous = Previous::new();
        if self.target.exists() {
            previous = read(&self.target);
            self.keep_foreign(&previous)?;
        }
        let old = self.space.path().join(OLD);
        if self.inside {
            dir::create(&old)?;
            for entry in fs_err::read_dir(&self.path)? {
                let name = entry?.file_name();
                let target = self.target.as_std_path().join(&name);
                let old = old.as_std_path().join(&name);
                replace(&self.path.as_std_path().join(&name), &target, &old)?;
            }
            sync::dir(home)?;
            for path in previous.keys().filter(|path| !self.replaces(path)) {
                if is_of(&previous, &self.target, path)? {
                    files::remove_file(&self.target.join(path))?;
                }
            }
        } else {
            let target = self.target.as_std_path();
            replace(self.path.as_std_path(), target, old.as_std_path())?;
            sync::dir(home)?;
        }
        // The old state goes with the space.
        Ok(())
    }

    /// Whether publishing renames over this path of the target, or over a directory above it.
    fn replaces(&self, path: &Utf8Path) -> bool {
        !self.inside || self.path.join(path.iter().next().unwrap_or_default()).exists()
    }

    /// Links into the next state what others put into the target.
    fn keep_foreign(&self, previous: &Previous) -> io::Result<()> {
        let mut changed = Vec::new();
        for entry in files::tree(&self.target, |path| self.replaces(path))? {
            let (from, to) = (self.target.join(&entry.path), self.path.join(&entry.path));
            if !self.replaces(&entry.path) {
                continue;
            }
            match (entry.kind, to.symlink_metadata()) {
                (TreeKind::Dir, Ok(there)) if there.is_dir() => {}
                (TreeKind::Dir, Err(_)) => {
                    // A directory that held only files of ours goes with them.
                    let mut held = previous.range(entry.path.clone()..);
                    if !held.next().is_some_and(|(ours, _)| ours.starts_with(&entry.path)) {
                        files::create_dir_all(&to)?;
                        changed.push(to);
                    }
                }
                (TreeKind::File(_) | TreeKind::Symlink | TreeKind::Other, Ok(there))
                    if !there.is_dir() => {}
                (TreeKind::File(_), _) if is_of(previous, &self.target, &entry.path)? => {}
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
                    changed.push(to);
                }
                (TreeKind::Symlink, Err(_)) => {
                    files::create_dir_all(files::parent(&to))?;
                    copy_symlink(&from, &to)?;
                    changed.push(to);
                }
                (TreeKind::Other, Err(_)) => {
                    return Err(io::Error::other(format!(
                        "`{from}` is neither a file nor a directory and cannot be kept"
                    )));
                }
            }
        }
        // What was synced before does not have them yet.
        if changed.is_empty() { Ok(()) } else { sync::tree(&self.path) }
    }
}

/// Whether a file of the target is what an earlier run put there. No link on the way to it is
/// followed: what a mount or a link leads to is somebody else's.
fn is_of(previous: &Previous, target: &Utf8Path, path: &Utf8Path) -> io::Result<bool> {
    let Some(known_by) = previous.get(path) else { return Ok(false) };
    let mut above = path.ancestors().skip(1).filter(|above| !above.as_str().is_empty());
    let is_dir =
        |above: &Utf8Path| files::kind(&target.join(above)).ok().flatten() == Some(TreeKind::Dir);
    if !above.all(is_dir) {
        return Ok(false);
    }
    let path = target.join(path);
    Ok(match (files::kind(&path)?, known_by) {
        (Some(TreeKind::File(_)), KnownBy::Name) => true,
        (Some(TreeKind::File(bytes)), KnownBy::Content(recorded, digest)) => {
            bytes == *recorded && digest::file(&path)?.0 == *digest
        }
        _ => false,
    })
}

/// The directory that is meant, whether it exists or not.
fn followed(target: &Utf8Path) -> io::Result<Utf8PathBuf> {
    if target.exists() {
        return files::canonical(target);
    }
    let link = if target.is_symlink() { files::read_link(target)? } else { Utf8PathBuf::new() };
    let named =
        if link.as_str().is_empty() { target.to_owned() } else { files::parent(target).join(link) };
    let Ok(parent) = files::canonical(files::parent(&named)) else { return Ok(named) };
    Ok(parent.join(named.file_name().unwrap_or("dist")))
}

fn prefix(target: &Utf8Path) -> String {
    format!(".{}{INFIX}", target.file_name().unwrap_or("dist"))
}

/// Removes what killed runs left in `home`, and puts back what they had put aside for a next state
/// that did not get its name any more.
fn rescue(home: &Utf8Path, target: &Utf8Path, inside: bool) -> io::Result<()> {
    marked::sweep(home, &prefix(target), |space| {
        let (new, old) = (space.join(NEW), space.join(OLD));
        if !inside {
            return undo(&old, target, &new);
        }
        for name in dir::names(&old)? {
            undo(&old.join(&name), &target.join(&name), &new.join(&name))?;
        }
        Ok(())
    })
}

/// Gives what was put aside its name again, unless what was to have the name has it.
fn undo(old: &Utf8Path, target: &Utf8Path, new: &Utf8Path) -> io::Result<()> {
    if !files::exists(old) {
        return Ok(());
    }
    match (files::exists(target), files::exists(new)) {
        (false, _) => {
            fs_err::rename(old, target)?;
            sync::dir(files::parent(target))
        }
        (true, false) => Ok(()),
        (true, true) => Err(io::Error::other(format!(
            "`{old}` is what an interrupted run took out of the way, and `{target}` is something \
             else by now: move or remove one of them"
        ))),
    }
}

/// Puts `new` in the place of `target`. What was there is in the place of `new` afterwards, or in
/// that of `old`.
fn replace(
    new: &std::path::Path,
    target: &std::path::Path,
    old: &std::path::Path,
) -> io::Result<()> {
    if target.symlink_metadata().is_err() {
        return fs_err::rename(new, target);
    }
    if exchange(new, target).is_ok() {
        return Ok(());
    }
    fs_err::rename(target, old)?;
    if let Err(error) = fs_err::rename(new, target) {
        // The old state goes back; if even that fails, the next run does it.
        let _ = fs_err::rename(old, target);
        return Err(error);
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{KnownBy, Previous, Staging, files};
    use crate::model::Digest;

    fn list(dir: &Utf8Path) -> Vec<String> {
        files::tree(dir, |_| true).unwrap().into_iter().map(|entry| entry.path.into()).collect()
    }

    fn put(dir: &Utf8Path, path: &str, text: &str) {
        let path = dir.join(path);
        files::create_dir_all(files::parent(&path)).unwrap();
        fs_err::write(path, text).unwrap();
    }

    /// The record of files whose text is `old`.
    fn recorded(paths: &[&str]) -> Previous {
        paths.iter().map(|path| ((*path).into(), KnownBy::Content(3, Digest::of(b"old")))).collect()
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
        staging.publish(|_| recorded(&["lib/old.a", "bundle/gone/x.bin"])).unwrap();
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
        put(home, ".dist.mlc-package-dead/.mlc-package", "");
        put(home, ".dist.mlc-package-theirs/diary.txt", "x");
        let live = Staging::beside(&home.join("dist")).unwrap();
        let second = Staging::beside(&home.join("dist")).unwrap();
        assert!(!home.join(".dist.mlc-package-dead").exists());
        assert!(home.join(".dist.mlc-package-theirs/diary.txt").exists());
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
        let error = staging.publish(|_| Previous::new()).unwrap_err();
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
        put(&home.join(".dist.mlc-package-dead"), ".mlc-package", "");
        for dir in ["dist/lib", "dist", ".dist.mlc-package-dead/half"] {
            let read_only = std::fs::Permissions::from_mode(0o500);
            fs_err::set_permissions(home.join(dir), read_only).unwrap();
        }
        let staging = Staging::beside(&home.join("dist")).unwrap();
        put(staging.path(), "lib/new.a", "new");
        staging.publish(|_| recorded(&["lib/old.a"])).unwrap();
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
        staging.publish(|_| Previous::new()).unwrap();
        assert!(home.join("dist").symlink_metadata().unwrap().is_symlink());
        assert_eq!(list(&home.join("elsewhere")), ["a", "b"]);
    }

    #[test]
    fn an_exchange_that_was_cut_off_is_undone_and_one_that_was_not_is_left() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        let dead = ".dist.mlc-package-dead";
        for done in [false, true] {
            put(home, &format!("{dead}/.mlc-package"), "");
            put(home, &format!("{dead}/old/theirs"), "kept");
            put(home, &if done { "dist/theirs".into() } else { format!("{dead}/new/x") }, "kept");
            drop(Staging::beside(&home.join("dist")).unwrap());
            assert_eq!(list(home), ["dist", "dist/theirs"], "{done}");
        }
        // Somebody made another one meanwhile: nobody can know which is meant.
        put(home, &format!("{dead}/.mlc-package"), "");
        put(home, &format!("{dead}/old/theirs"), "kept");
        put(home, &format!("{dead}/new/x"), "new");
        let error = Staging::beside(&home.join("dist")).err().unwrap().to_string();
        assert!(error.contains(&format!("{dead}/old` is what an interrupted run")), "{error}");
        assert!(home.join(dead).join("old/theirs").exists());
    }

    #[test]
    fn a_record_removes_only_what_it_describes() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        put(home, "dist/ours", "old");
        put(home, "dist/as_long", "abc");
        put(home, "dist/dir/longer", "older");
        let staging = Staging::beside(&home.join("dist")).unwrap();
        put(staging.path(), "x", "new");
        let paths = ["ours", "as_long", "dir/longer", "absent"];
        staging.publish(|_| recorded(&paths)).unwrap();
        assert_eq!(list(&home.join("dist")), ["as_long", "dir", "dir/longer", "x"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_record_leads_nobody_through_a_link() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        put(home, "dist/a", "old");
        put(home, "outside/b", "old");
        fs_err::os::unix::fs::symlink("../outside", home.join("dist/out")).unwrap();
        let of = |path: &str| {
            super::is_of(&recorded(&["a", "out/b"]), &home.join("dist"), path.into()).unwrap()
        };
        assert!(of("a") && !of("out/b") && !of("c"));
    }
}
