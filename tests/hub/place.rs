//! A cache of one's own, and a client of a server of one's own.

use std::cell::RefCell;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::fetch::hub::{
    Commit, FetchEvent, Hub, HubError, HubOptions, RemoteFile, RetryPolicy,
};
use mlc_package::io::cancel::Cancel;
use mlc_package::model::HubRepo;

use super::server::{COMMIT, File, REPO};

pub struct Place {
    pub cancel: Cancel,
    pub options: HubOptions,
    pub events: RefCell<Vec<FetchEvent>>,
    /// Removed with the place.
    _dir: Option<tempfile::TempDir>,
}

pub fn repo() -> HubRepo {
    format!("HF://{REPO}").parse().unwrap()
}

pub fn commit() -> Commit {
    COMMIT.parse().unwrap()
}

/// Bytes that no two places of a file have in common.
pub fn weights(len: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64 ^ len as u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

impl Place {
    pub fn new(endpoint: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        Self { _dir: Some(dir), ..Self::at(endpoint, &root) }
    }

    /// In a directory that another process knows too.
    pub fn at(endpoint: &str, root: &Utf8Path) -> Self {
        let endpoint = endpoint.parse().unwrap();
        let mut options = HubOptions::new(endpoint, root.join("hub"), root.join("listings"));
        // Long enough for a machine that is busy with other tests.
        options.stall = Duration::from_secs(10);
        options.system_proxy = false;
        options.range_bytes = 100_000;
        options.connections = 4;
        options.retry = RetryPolicy {
            attempts: 4,
            attempts_in_trouble: 4,
            first: Duration::from_millis(1),
            longest: Duration::from_millis(5),
            longest_asked: Duration::from_secs(3),
            ..RetryPolicy::default()
        };
        Self { cancel: Cancel::default(), options, events: RefCell::default(), _dir: None }
    }

    pub fn hub(&self) -> Hub {
        Hub::new(self.options.clone(), self.cancel.clone())
    }

    /// What a build does: the commit of `main`, its files, all of them fetched.
    pub fn fetch(&self) -> Result<Utf8PathBuf, HubError> {
        let hub = self.hub();
        let commit = hub.commit(&repo(), "main")?;
        let listing = hub.listing(&repo(), &commit)?;
        self.fetch_files(&hub, &commit, &listing.files)
    }

    pub fn fetch_files(
        &self,
        hub: &Hub,
        commit: &Commit,
        files: &[RemoteFile],
    ) -> Result<Utf8PathBuf, HubError> {
        hub.fetch(&repo(), commit, files, &|event| self.events.borrow_mut().push(event))
    }

    pub fn repo_dir(&self) -> Utf8PathBuf {
        self.options.cache_dir.join(format!("models--{}", REPO.replace('/', "--")))
    }

    /// The names of the blobs that are there, whole or not.
    pub fn blobs(&self) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.repo_dir().join("blobs")) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Fails unless every blob's name says what is in it, and every file that has a name in the
    /// snapshot is right.
    pub fn assert_sound(&self, files: &[(&str, File)]) {
        for name in self.blobs().iter().filter(|name| !name.contains(".mlc-package.")) {
            let bytes = fs_err::read(self.repo_dir().join("blobs").join(name)).unwrap();
            let etag =
                if name.len() == 64 { File::lfs(bytes).etag } else { File::small(&bytes).etag };
            assert_eq!(*name, etag, "a wrong byte under a right name");
        }
        let snapshot = self.repo_dir().join("snapshots").join(COMMIT);
        for (path, file) in files {
            if let Ok(found) = fs_err::read(snapshot.join(path)) {
                assert!(found == **file.bytes, "{path} is wrong");
            }
        }
    }

    /// Fails unless all files are there, and nothing else.
    pub fn assert_complete(&self, files: &[(&str, File)]) {
        self.assert_sound(files);
        let snapshot = self.repo_dir().join("snapshots").join(COMMIT);
        for (path, file) in files {
            assert!(fs_err::read(snapshot.join(path)).unwrap() == **file.bytes, "{path} is wrong");
        }
        let mut etags: Vec<_> = files.iter().map(|(_, file)| file.etag.clone()).collect();
        etags.sort();
        etags.dedup();
        assert_eq!(self.blobs(), etags, "something is left over, or missing");
    }

    pub fn retries(&self) -> Vec<String> {
        let events = self.events.borrow();
        let why = |event: &FetchEvent| match event {
            FetchEvent::Retry { why, .. } => Some(why.clone()),
            _ => None,
        };
        events.iter().filter_map(why).collect()
    }
}
