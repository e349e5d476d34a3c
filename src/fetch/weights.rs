//! The models of MLC in the Hugging Face cache, whoever downloaded them.
//!
//! ```text
//! <hub-cache>/models--<user>--<repo>/refs/<branch or tag>       a commit
//!                                   /snapshots/<commit>/<file>  a link to a blob
//!                                   /blobs/<sha256 or Git's sha1 of the content>
//! ```
//!
//! The layout is that of `huggingface_hub`. What is read here was written by other programs too:
//! names that do not fit are passed over.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::hub::RemoteDigest;
use crate::io::cancel::Cancel;
use crate::io::dir;
use crate::io::files::{self, TreeKind};
use crate::model::{ChatConfig, HubRepo, Revision};

/// One snapshot of a model in the Hub's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedModel {
    /// The repository.
    pub repo: HubRepo,
    /// The commit.
    pub commit: Revision,
    /// The branches and tags that are that commit, as far as the cache knows.
    pub refs: Vec<String>,
    /// `<hub-cache>/models--<user>--<repo>`.
    pub repo_dir: Utf8PathBuf,
    /// The snapshot's files, by path.
    pub files: Vec<CachedFile>,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedFile {
    /// Its path in the repository.
    pub path: Utf8PathBuf,
    /// Where its bytes are.
    pub content: Content,
}

/// Where the bytes of a snapshot's file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A blob of the repository.
    Blob {
        /// Its path.
        path: Utf8PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// In the snapshot itself, as on file systems without links.
    Inline {
        /// The file's size.
        bytes: u64,
    },
    /// Nowhere: a link to nothing, or to somewhere else than the repository's blobs.
    Broken {
        /// Why.
        why: String,
    },
}

impl CachedModel {
    /// `<hub-cache>/models--<user>--<repo>/snapshots/<commit>`.
    pub fn snapshot(&self) -> Utf8PathBuf {
        self.repo_dir.join("snapshots").join(self.commit.as_str())
    }

    /// The bytes of the snapshot's files, each blob once.
    pub fn bytes(&self) -> u64 {
        let mut blobs = BTreeMap::new();
        let mut inline = 0;
        for file in &self.files {
            match &file.content {
                Content::Blob { path, bytes } => drop(blobs.insert(path, *bytes)),
                Content::Inline { bytes } => inline += bytes,
                Content::Broken { .. } => {}
            }
        }
        blobs.values().sum::<u64>() + inline
    }
}

/// The directory of a repository in the Hub's cache.
pub fn repo_dir(hub_cache: &Utf8Path, repo: &HubRepo) -> Utf8PathBuf {
    hub_cache.join(format!("models--{}--{}", repo.user(), repo.repo()))
}

/// What is in the Hub's cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Every snapshot with a `mlc-chat-config.json`, by repository and commit.
    pub models: Vec<CachedModel>,
    /// Why others could not be looked at.
    pub unreadable: Vec<String>,
}

/// Looks through the Hub's cache. One that does not exist holds nothing.
///
/// # Errors
/// It cannot be listed.
pub fn scan(hub_cache: &Utf8Path) -> std::io::Result<Scan> {
    let mut found = Scan::default();
    for name in dir::names(hub_cache)? {
        let Some(repo) = repo_of(&name) else { continue };
        let repo_dir = hub_cache.join(&name);
        let refs = refs(&repo_dir);
        for commit in dir::names(&repo_dir.join("snapshots")).unwrap_or_default() {
            let Some(commit) = commit.parse().ok().filter(Revision::is_commit) else { continue };
            let refs = refs.get(&commit).cloned().unwrap_or_default();
            let repo_dir = repo_dir.clone();
            let model = CachedModel { repo: repo.clone(), commit, refs, repo_dir, files: vec![] };
            match list(&model.repo_dir, &model.snapshot()) {
                Ok(files) if files.iter().any(|file| file.path == ChatConfig::FILE_NAME) => {
                    found.models.push(CachedModel { files, ..model });
                }
                Ok(_) => {}
                Err(error) => found.unreadable.push(error.to_string()),
            }
        }
    }
    Ok(found)
}

/// The repository that a directory of the cache is about. The Hub allows no `--` in names.
fn repo_of(name: &str) -> Option<HubRepo> {
    let (user, repo) = name.strip_prefix("models--")?.split_once("--")?;
    format!("HF://{user}/{repo}").parse().ok()
}

/// The branches and tags of each commit.
fn refs(repo_dir: &Utf8Path) -> BTreeMap<Revision, Vec<String>> {
    let dir = repo_dir.join("refs");
    let mut refs: BTreeMap<Revision, Vec<String>> = BTreeMap::new();
    for entry in files::tree(&dir, |_| true).unwrap_or_default() {
        let text = files::read_at_most(&dir.join(&entry.path), 256).ok().flatten();
        let commit = text.and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
        if let (TreeKind::File(_), Some(commit)) = (entry.kind, commit) {
            refs.entry(commit).or_default().push(entry.path.into_string());
        }
    }
    refs
}

/// The branches and tags that are a commit.
pub(super) fn refs_to(repo_dir: &Utf8Path, commit: &str) -> Vec<String> {
    let refs = refs(repo_dir).into_iter().find(|(known, _)| known.as_str() == commit);
    refs.map(|(_, names)| names).unwrap_or_default()
}

/// The files of a snapshot.
pub(super) fn list(repo_dir: &Utf8Path, snapshot: &Utf8Path) -> std::io::Result<Vec<CachedFile>> {
    let blobs = files::canonical(&repo_dir.join("blobs"));
    let mut found = Vec::new();
    for entry in files::tree(snapshot, |_| true)? {
        let content = match entry.kind {
            TreeKind::Dir => continue,
            TreeKind::File(bytes) => Content::Inline { bytes },
            TreeKind::Other => Content::Broken { why: "it is not a regular file".to_owned() },
            TreeKind::Symlink => match files::canonical(&snapshot.join(&entry.path)) {
                Ok(path) if blobs.as_ref().is_ok_and(|blobs| path.parent() == Some(blobs)) => {
                    Content::Blob { bytes: files::size(&path)?, path }
                }
                Ok(path) => Content::Broken {
                    why: format!("it is a link to `{path}`, which is not a blob"),
                },
                Err(_) => Content::Broken { why: "its blob is missing".to_owned() },
            },
        };
        found.push(CachedFile { path: entry.path, content });
    }
    Ok(found)
}

/// A blob that is not what its name says, or a file without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Its path in the repository.
    pub path: Utf8PathBuf,
    /// The file to remove to have it downloaded again: the blob, or a link to nothing.
    pub culprit: Utf8PathBuf,
    /// What is wrong.
    pub why: String,
}

/// What a look at every byte of a snapshot found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The files that are as they were downloaded.
    pub good: usize,
    /// Files of which the cache does not say what they should be.
    pub unnamed: usize,
    /// Those that are not.
    pub bad: Vec<BadFile>,
}

/// Reads every blob of a snapshot and holds it against its name.
///
/// # Errors
/// `cancel` was set: [`std::io::ErrorKind::Interrupted`]. What cannot be read is a bad file.
pub fn verify(model: &CachedModel, cancel: &Cancel) -> std::io::Result<Verified> {
    let mut verified = Verified::default();
    let mut seen: BTreeMap<&Utf8Path, Option<String>> = BTreeMap::new();
    for file in &model.files {
        let link = || model.snapshot().join(&file.path);
        let (culprit, fault) = match &file.content {
            Content::Inline { .. } => {
                verified.unnamed += 1;
                continue;
            }
            Content::Broken { why } => (link(), Some(why.clone())),
            Content::Blob { path, .. } => {
                let name = path.file_name().and_then(|name| name.parse::<RemoteDigest>().ok());
                let Some(name) = name else {
                    verified.unnamed += 1;
                    continue;
                };
                let fault = match seen.get(&**path) {
                    Some(fault) => fault.clone(),
                    None => {
                        let fault = fault(path, name, cancel)?;
                        seen.insert(path, fault.clone());
                        fault
                    }
                };
                (path.clone(), fault)
            }
        };
        match fault {
            None => verified.good += 1,
            Some(why) => verified.bad.push(BadFile { path: file.path.clone(), culprit, why }),
        }
    }
    Ok(verified)
}

/// What is wrong with a blob, whose name is its digest.
fn fault(blob: &Utf8Path, name: RemoteDigest, cancel: &Cancel) -> std::io::Result<Option<String>> {
    match name.of_file(blob, cancel) {
        Ok(found) if found == name => Ok(None),
        Ok(found) => Ok(Some(format!("its content has the digest {found}"))),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    }
}

#[cfg(test)]
#[path = "tests/weights.rs"]
mod tests;
