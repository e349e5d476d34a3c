//! Directories: what is in them, whether it changed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};

/// What is at a path, as far as tests compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Dir,
    Link(Utf8PathBuf),
    File { inode: u64, digest: String },
}

/// Everything below a directory, by relative path.
pub(crate) fn state(dir: &Utf8Path) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    for entry in walkdir::WalkDir::new(dir).min_depth(1) {
        let entry = entry.unwrap();
        let path = Utf8Path::from_path(entry.path()).unwrap();
        let file_type = entry.file_type();
        let found = if file_type.is_dir() {
            Entry::Dir
        } else if file_type.is_symlink() {
            Entry::Link(path.read_link_utf8().unwrap())
        } else {
            Entry::File { inode: inode(path), digest: digest(path) }
        };
        entries.insert(path.strip_prefix(dir).unwrap().to_string(), found);
    }
    entries
}

/// The files below a directory, by relative path, without the directories.
pub(crate) fn files(dir: &Utf8Path) -> Vec<String> {
    let entries = state(dir).into_iter();
    entries.filter(|(_, entry)| *entry != Entry::Dir).map(|(path, _)| path).collect()
}

/// The names in a directory, sorted; none if it is not there.
pub(crate) fn names(dir: &Utf8Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn inode(path: impl AsRef<Utf8Path>) -> u64 {
    fs_err::metadata(path.as_ref()).unwrap().ino()
}

/// As the manifest has it.
pub(crate) fn digest(path: impl AsRef<Utf8Path>) -> String {
    format!("blake3:{}", blake3::hash(&fs_err::read(path.as_ref()).unwrap()))
}

/// Copies a directory and all in it.
pub(crate) fn copy(from: impl AsRef<Utf8Path>, to: impl AsRef<Utf8Path>) {
    let (from, to) = (from.as_ref(), to.as_ref());
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let path = to.as_std_path().join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(path).unwrap();
        } else {
            fs_err::copy(entry.path(), path).unwrap();
        }
    }
}
