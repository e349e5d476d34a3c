//! What the cache has noted of models' files: which were found right, and the Hub's lists of them. All
//! of it is found out again if it is lost.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::outside::leads_out;
use crate::io::{dir, files};
use crate::store::Bucket;

/// What a note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// Which files were read and found right.
    Verified,
    /// Which files a commit of a repository has.
    Listing,
}

/// A note in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedNote {
    /// What it says.
    pub kind: NoteKind,
    /// The file.
    pub path: Utf8PathBuf,
    /// What a person calls it.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was used last, in seconds since 1970, to a day.
    pub last_used: u64,
    /// Whether it is about a commit that is in none of the Hub's caches any more.
    pub is_orphan: bool,
}

/// The notes on files that were found right. They are about content, wherever that lies.
///
/// # Errors
/// The cache cannot be listed.
pub fn verified(cache_dir: &Utf8Path) -> io::Result<Vec<CachedNote>> {
    let dir = Bucket::VERIFIED.path(cache_dir);
    let notes = json_files(&dir)?.into_iter();
    Ok(notes.filter_map(|name| note(NoteKind::Verified, dir.join(&name), name, false)).collect())
}

/// The Hub's lists, whose commits are looked for in these caches of the Hub.
///
/// # Errors
/// The cache cannot be listed.
pub fn listings(cache_dir: &Utf8Path, hub_caches: &[&Utf8Path]) -> io::Result<Vec<CachedNote>> {
    let mut found = Vec::new();
    for endpoint in directories(&Bucket::LISTINGS.path(cache_dir))? {
        for repo_dir in directories(&endpoint)? {
            let repo = repo_dir.file_name().unwrap_or_default();
            for file in json_files(&repo_dir)? {
                let commit = file.trim_end_matches(".json");
                let snapshot = format!("models--{repo}/snapshots/{commit}");
                let is_there = hub_caches.iter().any(|hub| files::is_dir(&hub.join(&snapshot)));
                let name = format!(
                    "{} at {}",
                    repo.replacen("--", "/", 1),
                    commit.get(..12).unwrap_or(commit)
                );
                found.extend(note(NoteKind::Listing, repo_dir.join(&file), name, !is_there));
            }
        }
    }
    Ok(found)
}

fn note(kind: NoteKind, path: Utf8PathBuf, name: String, is_orphan: bool) -> Option<CachedNote> {
    let bytes = files::size(&path).ok()?;
    let last_used = files::modified(&path).ok()??;
    Some(CachedNote { kind, path, name, bytes, last_used, is_orphan })
}

/// The directories in one. Links are somebody else's.
fn directories(home: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    for path in dir::names(home)?.iter().map(|name| home.join(name)) {
        if files::is_dir(&path) && leads_out(&path)?.is_none() {
            found.push(path);
        }
    }
    Ok(found)
}

fn json_files(home: &Utf8Path) -> io::Result<Vec<String>> {
    let mut names = dir::names(home)?;
    names.retain(|name| name.ends_with(".json") && files::is_file(&home.join(name)));
    Ok(names)
}
