//! `mlc-package.lock`: which commit every hub model of a config is, and the digest of each of
//! its files. With it a build asks the Hub nothing that it does not have to download.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::hub::{Commit, Listing, ListingError, RemoteFile};
use crate::io::{atomic, files};
use crate::model::HubRepo;

/// What a lock file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The version of the format.
    schema: u32,
    /// The models, sorted by repository and revision.
    models: Vec<LockedModel>,
}

/// One hub model, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedModel {
    /// `user/repo`.
    repo: String,
    /// The config's revision; none for the repository's main branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// What it is pinned to.
    pub commit: Commit,
    /// The commit's files.
    pub files: Vec<RemoteFile>,
}

/// Why a lock file cannot be used. Exit 11.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not what this tool writes.
    #[error("`{path}` is not a lock file: {why}")]
    Format {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: serde_json::Error,
    },
    /// Files that no repository can have.
    #[error("`{path}` cannot be used: {why}")]
    Files {
        /// The lock file.
        path: Utf8PathBuf,
        /// What is wrong with them.
        why: ListingError,
    },
    /// Of a later version of this tool.
    #[error("`{path}` has schema {found}, and this version knows schema {}", Lock::SCHEMA)]
    Schema {
        /// The file.
        path: Utf8PathBuf,
        /// Its schema.
        found: u32,
    },
}

impl LockError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Io(_) => None,
            Self::Format { .. } | Self::Files { .. } => {
                Some("restore it from version control, or remove it and run `mlc-package lock`")
            }
            Self::Schema { .. } => Some("install a newer mlc-package, which wrote it"),
        }
    }
}

impl Lock {
    /// The version of the format that this tool reads and writes.
    pub const SCHEMA: u32 = 1;

    /// A lock without models.
    pub fn new() -> Self {
        Self { schema: Self::SCHEMA, models: Vec::new() }
    }

    /// The lock file of a config: `mlc-package.lock` beside it.
    pub fn path_for(config: &Utf8Path) -> Utf8PathBuf {
        config.with_file_name("mlc-package.lock")
    }

    /// Reads a lock file; none where there is none.
    pub fn read(path: &Utf8Path) -> Result<Option<Self>, LockError> {
        let Some(text) = files::read_if_there(path)? else { return Ok(None) };
        let mut lock: Self = serde_json::from_slice(&text)
            .map_err(|why| LockError::Format { path: path.to_owned(), why })?;
        if lock.schema != Self::SCHEMA {
            return Err(LockError::Schema { path: path.to_owned(), found: lock.schema });
        }
        for model in &mut lock.models {
            let listing = Listing::new(std::mem::take(&mut model.files));
            model.files =
                listing.map_err(|why| LockError::Files { path: path.to_owned(), why })?.files;
        }
        Ok(Some(lock))
    }

    /// Writes a lock file, whole or not at all. The same lock is the same text.
    pub fn write(&self, path: &Utf8Path) -> Result<(), LockError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|why| LockError::Format { path: path.to_owned(), why })?;
        atomic::write_named(path, format!("{text}\n").as_bytes())?;
        Ok(())
    }

    /// The pin of a model.
    pub fn find(&self, repo: &HubRepo) -> Option<&LockedModel> {
        self.models.iter().find(|model| model.is_of(repo))
    }

    /// Pins a model, in place of an earlier pin.
    pub fn pin(&mut self, repo: &HubRepo, commit: Commit, listing: Listing) {
        self.models.retain(|model| !model.is_of(repo));
        self.models.push(LockedModel {
            repo: repo.to_string(),
            revision: revision_of(repo),
            commit,
            files: listing.files,
        });
        self.models.sort_by(|a, b| (&a.repo, &a.revision).cmp(&(&b.repo, &b.revision)));
    }

    /// Drops the pins of all other models; gives their names.
    pub fn keep_only(&mut self, repos: &[&HubRepo]) -> Vec<String> {
        let models = std::mem::take(&mut self.models);
        let wanted = |model: &LockedModel| repos.iter().any(|repo| model.is_of(repo));
        let (kept, dropped): (Vec<_>, Vec<_>) = models.into_iter().partition(wanted);
        self.models = kept;
        dropped.iter().map(LockedModel::name).collect()
    }

    /// The models in order.
    pub fn models(&self) -> &[LockedModel] {
        &self.models
    }
}

impl LockedModel {
    fn is_of(&self, repo: &HubRepo) -> bool {
        self.repo == repo.to_string() && self.revision == revision_of(repo)
    }

    /// `user/repo`, with `@revision` where the config gives one.
    pub fn name(&self) -> String {
        match &self.revision {
            Some(revision) => format!("{}@{revision}", self.repo),
            None => self.repo.clone(),
        }
    }
}

fn revision_of(repo: &HubRepo) -> Option<String> {
    repo.revision().map(|revision| revision.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{Lock, LockError};
    use crate::fetch::hub::Listing;
    use crate::model::HubRepo;

    #[test]
    fn a_lock_round_trips_sorted_and_pins_by_repository_and_revision() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("mlc-package.lock");
        assert_eq!(Lock::read(&path).unwrap(), None);
        let repo = |name: &str| format!("HF://a/{name}").parse::<HubRepo>().unwrap();
        let listing = || Listing { files: Vec::new() };
        let mut lock = Lock::new();
        lock.pin(&repo("z"), "0".repeat(40).parse().unwrap(), listing());
        lock.pin(&repo("b"), "1".repeat(40).parse().unwrap(), listing());
        lock.pin(&repo("z"), "2".repeat(40).parse().unwrap(), listing());
        lock.write(&path).unwrap();
        let read = Lock::read(&path).unwrap().unwrap();
        assert_eq!(read, lock);
        let names: Vec<_> = read.models().iter().map(|model| model.name()).collect();
        assert_eq!(names, ["a/b", "a/z"]);
        assert_eq!(read.find(&repo("z")).unwrap().commit.as_str(), "2".repeat(40));
        assert!(read.find(&repo("c")).is_none());
        assert_eq!(lock.keep_only(&[&repo("b")]), ["a/z"]);
        assert_eq!(lock.models().len(), 1);
    }

    #[test]
    fn what_is_no_lock_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("mlc-package.lock");
        fs_err::write(&path, "[]").unwrap();
        assert!(matches!(Lock::read(&path), Err(LockError::Format { .. })));
        fs_err::write(&path, r#"{"schema": 9, "models": []}"#).unwrap();
        let error = Lock::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("has schema 9, and this version knows schema 1"), "{error}");
        // What added up would end the process, or be small.
        for bytes in [u64::MAX, 1 << 63] {
            let file =
                format!(r#"{{"path": "a", "bytes": {bytes}, "digest": "{}"}}"#, "0".repeat(40));
            let commit = "1".repeat(40);
            let model = format!(r#"{{"repo": "a/b", "commit": "{commit}", "files": [{file}]}}"#);
            fs_err::write(&path, format!(r#"{{"schema": 1, "models": [{model}]}}"#)).unwrap();
            let error = Lock::read(&path).unwrap_err().to_string();
            assert!(error.contains(&bytes.to_string()), "{error}");
        }
    }
}
