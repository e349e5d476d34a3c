//! How much room a disk has.

use std::io;

use camino::Utf8Path;

/// The bytes that this user may still write where `dir` is, or will be once it is made.
#[cfg(unix)]
pub fn free_bytes(dir: &Utf8Path) -> io::Result<u64> {
    let disk = disk_of(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The same; none where the file system has no blocks, and so does not tell: `/proc`, and some
/// that are not on this machine.
#[cfg(unix)]
pub fn room(dir: &Utf8Path) -> io::Result<Option<u64>> {
    let disk = disk_of(dir)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    Ok((disk.f_blocks > 0).then_some(free))
}

#[cfg(unix)]
fn disk_of(dir: &Utf8Path) -> io::Result<rustix::fs::StatVfs> {
    let there = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(Utf8Path::new("."));
    rustix::fs::statvfs(there.as_std_path()).map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(
            error.kind(),
            format!("failed to ask for the free space of `{there}`: {error}"),
        )
    })
}

/// Elsewhere nobody asks: what does not fit fails when it is written.
#[cfg(not(unix))]
pub fn free_bytes(_: &Utf8Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

/// Elsewhere nobody asks.
#[cfg(not(unix))]
pub fn room(_: &Utf8Path) -> io::Result<Option<u64>> {
    Ok(None)
}

#[cfg(all(test, unix))]
mod tests {
    use camino::Utf8Path;

    #[test]
    fn a_directory_that_is_not_there_yet_has_its_parents_space() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        assert!(super::free_bytes(&dir.join("not/yet")).unwrap() > 0);
        assert_eq!(super::free_bytes(Utf8Path::new("/proc/self")).unwrap(), 0);
        assert!(super::room(&dir.join("not/yet")).unwrap().is_some());
        assert_eq!(super::room(Utf8Path::new("/proc/self")).unwrap(), None);
    }
}
