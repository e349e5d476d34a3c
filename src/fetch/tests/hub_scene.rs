//! A Hugging Face cache for tests, as `huggingface_hub` lays it out.

use camino::{Utf8Path, Utf8PathBuf};
use sha2::Digest as _;

use super::{Register, SnapshotKey};
use crate::model::{HubRepo, Revision};

pub(super) struct HubScene {
    _temp: tempfile::TempDir,
    pub(super) hub: Utf8PathBuf,
    pub(super) register: Register,
}

/// The commit of forty times a digit.
pub(super) fn commit(digit: char) -> Revision {
    digit.to_string().repeat(40).parse().unwrap()
}

pub(super) fn repo(name: &str) -> HubRepo {
    format!("HF://{name}").parse().unwrap()
}

impl HubScene {
    pub(super) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temp.path()).unwrap().canonicalize_utf8().unwrap();
        Self { _temp: temp, hub: root.join("hub"), register: Register::new(&root.join("ours")) }
    }

    pub(super) fn repo_dir(&self, name: &str) -> Utf8PathBuf {
        self.hub.join(format!("models--{}", name.replace('/', "--")))
    }

    pub(super) fn snapshot(&self, name: &str, commit: &Revision) -> Utf8PathBuf {
        self.repo_dir(name).join("snapshots").join(commit.as_str())
    }

    /// Puts a file into a snapshot; gives its blob.
    pub(super) fn put(&self, name: &str, commit: &Revision, file: &str, text: &str) -> Utf8PathBuf {
        let digest = sha2::Sha256::digest(text);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let blob = self.repo_dir(name).join("blobs").join(&digest);
        let link = self.snapshot(name, commit).join(file);
        for path in [&blob, &link] {
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        }
        fs_err::write(&blob, text).unwrap();
        let up = "../".repeat(file.split('/').count() + 1);
        fs_err::os::unix::fs::symlink(format!("{up}blobs/{digest}"), link).unwrap();
        blob
    }

    pub(super) fn set_ref(&self, name: &str, branch: &str, commit: &Revision) {
        let path = self.repo_dir(name).join("refs").join(branch);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, commit.as_str()).unwrap();
    }

    /// Says that files of a snapshot were downloaded by us.
    pub(super) fn note(&self, name: &str, commit: &Revision, files: &[&str], now: u64) {
        let repo = repo(name);
        let paths: Vec<_> = files.iter().map(|file| file.parse().unwrap()).collect();
        let size =
            |file: &str| fs_err::metadata(self.snapshot(name, commit).join(file)).unwrap().len();
        let sizes = files.iter().map(|file| size(file));
        let key = SnapshotKey { hub_cache: &self.hub, repo: &repo, commit };
        self.register.note(key, paths.iter().zip(sizes), now).unwrap();
    }
}
