//! The Hub's cache on disk, as `huggingface_hub` lays it out:
//!
//! ```text
//! models--user--repo/blobs/<etag>
//! models--user--repo/snapshots/<commit>/<path>  ->  ../../blobs/<etag>
//! models--user--repo/refs/<revision>            (the commit)
//! .locks/models--user--repo/<etag>.lock
//! ```

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Commit, RemoteDigest, RemoteFile};
use crate::io::{atomic, files, link, sync};
use crate::model::{Digest, HubRepo, LinkMode, ShardPath};

/// One repository's part of the cache.
#[derive(Clone, Debug)]
pub(super) struct RepoCache {
    root: Utf8PathBuf,
    name: String,
}

impl RepoCache {
    pub(super) fn new(root: &Utf8Path, repo: &HubRepo) -> Self {
        Self { root: root.to_owned(), name: format!("models--{}--{}", repo.user(), repo.repo()) }
    }

    fn dir(&self) -> Utf8PathBuf {
        self.root.join(&self.name)
    }

    /// Where the blobs are.
    pub(super) fn blobs(&self) -> Utf8PathBuf {
        self.dir().join("blobs")
    }

    /// A file's content.
    pub(super) fn blob(&self, digest: RemoteDigest) -> Utf8PathBuf {
        self.blobs().join(digest.to_string())
    }

    /// The lock under which a blob is downloaded.
    pub(super) fn lock(&self, digest: RemoteDigest) -> Utf8PathBuf {
        self.root.join(".locks").join(&self.name).join(format!("{digest}.lock"))
    }

    /// The files of one commit, under their names.
    pub(super) fn snapshot(&self, commit: &Commit) -> Utf8PathBuf {
        self.dir().join("snapshots").join(commit.as_str())
    }

    /// Whether a file is there under its name, with its size.
    pub(super) fn has_pointer(&self, commit: &Commit, file: &RemoteFile) -> bool {
        has_size(&self.snapshot(commit).join(file.path.as_path()), file.bytes)
    }

    /// Whether a file's content is there, with its size.
    pub(super) fn has_blob(&self, file: &RemoteFile) -> bool {
        has_size(&self.blob(file.digest), file.bytes)
    }

    /// The bytes of what is there in a file's place.
    pub(super) fn bytes_there(&self, commit: &Commit, file: &RemoteFile) -> Option<u64> {
        let pointer = self.snapshot(commit).join(file.path.as_path());
        files::size(&pointer).or_else(|_| files::size(&self.blob(file.digest))).ok()
    }

    /// Gives a blob its name in a commit's snapshot: by a link, or where none can be made as a
    /// copy.
    pub(super) fn point(&self, commit: &Commit, file: &RemoteFile) -> io::Result<()> {
        let pointer = self.snapshot(commit).join(file.path.as_path());
        sync::create_dir_all(files::parent(&pointer))?;
        let up = "../".repeat(file.path.as_str().split('/').count() + 1);
        let target = format!("{up}blobs/{}", file.digest);
        let beside = beside(&pointer);
        files::remove_file(&beside)?;
        files::symlink(Utf8Path::new(&target), &beside).or_else(|_| {
            link::place(&self.blob(file.digest), &beside, LinkMode::Auto).map(|_| ())
        })?;
        // A copy comes to rest before it has its name; through a link, the blob has.
        atomic::publish(&beside, &pointer)
    }

    /// Removes a file's content and its name in a commit's snapshot.
    pub(super) fn remove(&self, commit: &Commit, file: &RemoteFile) -> io::Result<()> {
        files::remove_file(&self.snapshot(commit).join(file.path.as_path()))?;
        files::remove_file(&self.blob(file.digest))
    }

    /// The commit that a revision was when it was last asked for.
    pub(super) fn reference(&self, revision: &ShardPath) -> Option<Commit> {
        let path = self.dir().join("refs").join(revision.as_path());
        let bytes = files::read_at_most(&path, 100).ok()??;
        std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
    }

    /// Notes what commit a revision is.
    pub(super) fn set_reference(&self, revision: &ShardPath, commit: &Commit) -> io::Result<()> {
        if self.reference(revision).as_ref() == Some(commit) {
            return Ok(());
        }
        let path = self.dir().join("refs").join(revision.as_path());
        sync::create_dir_all(files::parent(&path))?;
        atomic::write(&path, commit.as_str().as_bytes())
    }

    /// Makes the directories that a download needs, and marks the cache as one that backups may
    /// leave out (<https://bford.info/cachedir/>).
    pub(super) fn prepare(&self) -> io::Result<()> {
        sync::create_dir_all(&self.blobs())?;
        files::create_dir_all(&self.root.join(".locks").join(&self.name))?;
        let tag = self.root.join("CACHEDIR.TAG");
        if !files::is_file(&tag) {
            let text = "Signature: 8a477f597d28d172789f06886806bc55\n\
                        # A cache of the Hugging Face Hub.\n";
            atomic::write(&tag, text.as_bytes())?;
        }
        Ok(())
    }
}

fn has_size(path: &Utf8Path, bytes: u64) -> bool {
    files::is_file(path) && files::size(path).is_ok_and(|size| size == bytes)
}

/// A name for something that is about to be renamed, of this process and thread alone.
fn beside(path: &Utf8Path) -> Utf8PathBuf {
    let mark = format!("{}{:?}", std::process::id(), std::thread::current().id());
    let name = Digest::of(format!("{path}{mark}").as_bytes()).to_hex();
    path.with_file_name(format!(".{}.tmp", name.get(..16).unwrap_or(&name)))
}
