//! A directory for the time of one input, and what is in it.

#![allow(dead_code, clippy::allow_attributes, reason = "not every target looks at what is in it")]

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

/// What a path is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file and its bytes.
    File(Vec<u8>),
    /// A directory.
    Dir,
    /// A link and where it leads.
    Link(Utf8PathBuf),
}

/// Everything below a directory, by path.
pub(crate) type Tree = BTreeMap<String, Kind>;

/// It goes with everything in it.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    /// With empty directories of these names in it.
    pub(crate) fn with(names: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        for name in names {
            fs_err::create_dir(place.path(name)).expect("a directory");
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.0.path()).expect("UTF-8").join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs_err::write(self.path(name), bytes).expect("a file");
    }
}

/// What is in a directory; links are not followed.
pub(crate) fn tree(dir: &Utf8Path) -> Tree {
    let mut tree = Tree::new();
    let mut left = vec![Utf8PathBuf::new()];
    while let Some(inner) = left.pop() {
        for entry in fs_err::read_dir(dir.join(&inner)).expect("a directory") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("UTF-8");
            let (path, kind) = (inner.join(name), entry.file_type().expect("a kind"));
            let full = dir.join(&path);
            let found = if kind.is_dir() {
                left.push(path.clone());
                Kind::Dir
            } else if kind.is_symlink() {
                let target = fs_err::read_link(&full).expect("a link");
                Kind::Link(Utf8PathBuf::from_path_buf(target).expect("UTF-8"))
            } else {
                assert!(kind.is_file(), "{full}");
                Kind::File(fs_err::read(&full).expect("a file"))
            };
            tree.insert(path.into_string(), found);
        }
    }
    tree
}
