//! Whether a place of ours leads out of the directory that it is in: what is there then is somebody
//! else's, and is not removed.

use std::fmt;
use std::io;

use camino::Utf8Path;

use super::files::{self, TreeKind};

/// How a place leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadsOut {
    /// It is a symbolic link.
    Link,
    /// Another file system, or another directory, is mounted there.
    Mount,
}

impl fmt::Display for LeadsOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "a symbolic link",
            Self::Mount => "a mount point",
        })
    }
}

/// How a path leads out of the directory that it is in, if it does; where nothing is, it does not.
///
/// # Errors
/// It cannot be told what is there.
pub fn leads_out(path: &Utf8Path) -> io::Result<Option<LeadsOut>> {
    match files::kind(path)? {
        Some(TreeKind::Symlink) => Ok(Some(LeadsOut::Link)),
        Some(TreeKind::Dir) => Ok(is_mount_point(path)?.then_some(LeadsOut::Mount)),
        _ => Ok(None),
    }
}

/// Whether something is mounted at a directory, or at one below it. Links are not followed: they
/// are removed as links.
///
/// # Errors
/// The directory cannot be looked through.
pub fn holds_mount(dir: &Utf8Path) -> io::Result<bool> {
    match leads_out(dir)? {
        Some(LeadsOut::Mount) => return Ok(true),
        None if files::is_dir(dir) => {}
        _ => return Ok(false),
    }
    let found = std::cell::Cell::new(false);
    // What cannot be told is not entered either.
    files::tree(dir, |below| {
        let is_mount = is_mount_point(&dir.join(below)).unwrap_or(true);
        found.set(found.get() || is_mount);
        !found.get()
    })?;
    Ok(found.get())
}

#[cfg(target_os = "linux")]
fn is_mount_point(dir: &Utf8Path) -> io::Result<bool> {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    match statx(CWD, dir.as_std_path(), AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
        // A directory of the same file system that is mounted there is told by this alone.
        Ok(there) if there.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            Ok(there.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
        _ => is_on_another_device(dir),
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn is_mount_point(dir: &Utf8Path) -> io::Result<bool> {
    is_on_another_device(dir)
}

#[cfg(unix)]
fn is_on_another_device(dir: &Utf8Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path| Ok::<_, io::Error>(fs_err::symlink_metadata(path)?.dev());
    Ok(device(dir)? != fs_err::metadata(files::parent(dir))?.dev())
}

#[cfg(not(unix))]
fn is_mount_point(_: &Utf8Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use camino::Utf8Path;

    use super::{LeadsOut, holds_mount, leads_out};

    #[test]
    fn links_and_mount_points_lead_out_and_nothing_else_does() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        fs_err::create_dir(home.join("dir")).unwrap();
        fs_err::write(home.join("file"), "").unwrap();
        fs_err::os::unix::fs::symlink("dir", home.join("link")).unwrap();
        fs_err::os::unix::fs::symlink("nowhere", home.join("broken")).unwrap();
        for (name, leads) in [
            ("dir", None),
            ("file", None),
            ("absent", None),
            ("link", Some(LeadsOut::Link)),
            ("broken", Some(LeadsOut::Link)),
        ] {
            assert_eq!(leads_out(&home.join(name)).unwrap(), leads, "{name}");
        }
        // Every machine has one.
        assert_eq!(leads_out(Utf8Path::new("/proc")).unwrap(), Some(LeadsOut::Mount));
        assert!(holds_mount(Utf8Path::new("/proc")).unwrap());
        assert!(!holds_mount(home).unwrap());
    }
}
