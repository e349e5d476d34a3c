//! What a container sees of this machine: a few directories, by the same paths.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::files::{self, TreeKind};

/// Directories and files by their absolute paths, and whether they may be written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts(BTreeMap<Utf8PathBuf, bool>);

impl Mounts {
    /// A directory that is written to.
    pub fn writable(mut self, path: &Utf8Path) -> Self {
        self.0.insert(path.to_owned(), true);
        self
    }

    /// A directory or a file that is read.
    pub fn readable(mut self, path: &Utf8Path) -> Self {
        self.0.entry(path.to_owned()).or_insert(false);
        self
    }

    /// What the links in a directory lead to. A snapshot in the Hub's cache is such a directory.
    ///
    /// # Errors
    /// The directory cannot be listed, or a link leads nowhere.
    pub fn linked_from(mut self, directory: &Utf8Path) -> io::Result<Self> {
        for entry in files::tree(directory, |_| true)? {
            if entry.kind == TreeKind::Symlink {
                let target = files::canonical(&directory.join(&entry.path))?;
                // Of the directory and not of the file: a snapshot has hundreds of links.
                let home = if files::is_dir(&target) { &target } else { files::parent(&target) };
                self.0.entry(home.to_owned()).or_insert(false);
            }
        }
        Ok(self)
    }

    /// The arguments of `run`. What lies in another directory that is there in the same way is left
    /// out.
    pub(super) fn arguments(&self) -> Vec<String> {
        let covered = |path: &Utf8Path, writable: bool| {
            path.ancestors().skip(1).any(|above| self.0.get(above) == Some(&writable))
        };
        let mounted = self.0.iter().filter(|(path, writable)| !covered(path, **writable));
        mounted
            .flat_map(|(path, writable)| {
                let end = if *writable { "" } else { ",readonly" };
                let (source, target) = (field("source", path), field("target", path));
                ["--mount".to_owned(), format!("type=bind,{source},{target}{end}")]
            })
            .collect()
    }
}

/// A field of a line of CSV, which is what engines take.
fn field(name: &str, path: &Utf8Path) -> String {
    let text = format!("{name}={path}");
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::Mounts;

    #[test]
    fn each_directory_is_mounted_once_by_its_own_path() {
        let mounts = Mounts::default()
            .readable(Utf8Path::new("/cache/x/work/model"))
            .writable(Utf8Path::new("/cache/x/work"))
            .writable(Utf8Path::new("/cache/x/work/deep"))
            .readable(Utf8Path::new("/models/a,\"b\""));
        assert_eq!(
            mounts.arguments().join(" "),
            "--mount type=bind,source=/cache/x/work,target=/cache/x/work --mount \
             type=bind,source=/cache/x/work/model,target=/cache/x/work/model,readonly --mount \
             type=bind,\"source=/models/a,\"\"b\"\"\",\"target=/models/a,\"\"b\"\"\",readonly"
        );
    }

    #[cfg(unix)]
    #[test]
    fn what_links_lead_to_is_there_too() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        for name in ["view/deep", "blobs"] {
            fs_err::create_dir_all(root.join(name)).unwrap();
        }
        fs_err::write(root.join("blobs/1"), "").unwrap();
        fs_err::os::unix::fs::symlink("../../blobs/1", root.join("view/deep/a")).unwrap();
        let view = root.join("view");
        let mounts = Mounts::default().readable(&view).linked_from(&view).unwrap();
        assert_eq!(mounts, Mounts::default().readable(&view).readable(&root.join("blobs")));
        fs_err::remove_file(root.join("blobs/1")).unwrap();
        assert!(Mounts::default().linked_from(&view).is_err());
    }
}
