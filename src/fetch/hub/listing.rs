use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RemoteDigest;
use crate::model::{ShardPath, ShardPathError, folded};

/// More files than any model has.
pub(super) const MAX_FILES: usize = 100_000;

/// The files of a repository at one commit, by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The files. No two of them are one on a file system that ignores case, and none is
    /// another's directory.
    pub files: Vec<RemoteFile>,
}

/// One file of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Its path in the repository.
    pub path: ShardPath,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: RemoteDigest,
}

/// The largest file that there can be, in bytes: offsets in files are signed. Sums of such sizes do not
/// fit, and are made by [`total`](crate::model::total).
const LARGEST: u64 = i64::MAX.unsigned_abs();

/// Why a list of files must not be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// A name that leads out of the directory.
    #[error("the file name {0:?} has {1}")]
    Name(String, ShardPathError),
    /// Two names that some file systems take for one, or a file that is also a directory.
    #[error(
        "`{0}` and `{1}` are one name on a file system that ignores case, or the form of accents"
    )]
    Collision(String, String),
    /// No digest of either kind.
    #[error("`{0}` has no digest")]
    Digest(String),
    /// More than any file can have.
    #[error("`{0}` is said to have {1} bytes, which no file has")]
    Size(String, u64),
    /// Too many.
    #[error("there are more than {MAX_FILES} files")]
    TooMany,
    /// Pages without an end.
    #[error("the list goes on after {0} pages")]
    TooManyPages(u32),
    /// Pages beyond all measure.
    #[error("the list has more than {0} bytes")]
    TooLong(u64),
}

/// A page of the Hub's answer to `GET /api/models/{id}/tree/{commit}?recursive=true`.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct TreePage(Vec<TreeEntry>);

impl TreePage {
    /// Reads the body of an answer.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// Whether nothing is on it, not even a directory.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The files on it.
    pub fn files(self) -> impl Iterator<Item = Result<RemoteFile, ListingError>> {
        self.0.into_iter().filter_map(|entry| entry.into_file().transpose())
    }
}

/// What is said of one file or directory.
#[derive(Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl TreeEntry {
    /// The file, if it is one.
    fn into_file(self) -> Result<Option<RemoteFile>, ListingError> {
        if self.kind != "file" {
            return Ok(None);
        }
        let path: ShardPath = match self.path.parse() {
            Ok(path) => path,
            Err(why) => return Err(ListingError::Name(self.path, why)),
        };
        let (oid, bytes) = self.lfs.map_or((self.oid, self.size), |lfs| (lfs.oid, lfs.size));
        match oid.parse() {
            Ok(digest) => Ok(Some(RemoteFile { path, bytes, digest })),
            Err(_) => Err(ListingError::Digest(self.path)),
        }
    }
}

impl Listing {
    /// Checks files that were listed.
    pub fn new(mut files: Vec<RemoteFile>) -> Result<Self, ListingError> {
        if files.len() > MAX_FILES {
            return Err(ListingError::TooMany);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut names = BTreeMap::new();
        for file in &files {
            let path = file.path.as_str();
            if file.bytes > LARGEST {
                return Err(ListingError::Size(path.to_owned(), file.bytes));
            }
            if let Some(other) = names.insert(folded(path), path) {
                return Err(ListingError::Collision(other.to_owned(), path.to_owned()));
            }
        }
        for file in &files {
            let lower = folded(file.path.as_str());
            for (at, _) in lower.match_indices('/') {
                if let Some(other) = names.get(&lower[..at]) {
                    let path = file.path.as_str().to_owned();
                    return Err(ListingError::Collision((*other).to_owned(), path));
                }
            }
        }
        Ok(Self { files })
    }

    /// A file by its path.
    pub fn file(&self, path: &str) -> Option<&RemoteFile> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(at)
    }

    /// The size of all files in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Listing, ListingError, RemoteFile, ShardPathError, TreeEntry};

    const OID: &str = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";

    fn read(json: &str) -> Result<Option<RemoteFile>, ListingError> {
        serde_json::from_str::<TreeEntry>(json).unwrap().into_file()
    }

    fn listing(paths: &[&str]) -> Result<Listing, ListingError> {
        let file = |path: &&str| RemoteFile {
            path: path.parse().unwrap(),
            bytes: 1,
            digest: OID.parse().unwrap(),
        };
        Listing::new(paths.iter().map(file).collect())
    }

    #[test]
    fn lfs_files_have_the_sha256_and_the_size_of_their_content() {
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let json = format!(
            r#"{{"type": "file", "path": "a.bin", "size": 5, "oid": "{OID}",
                "lfs": {{"oid": "{sha256}", "size": 5, "pointerSize": 130}}, "xetHash": "x"}}"#
        );
        let file = read(&json).unwrap().unwrap();
        assert_eq!((file.bytes, file.digest.to_string().as_str()), (5, sha256));
        let json = format!(r#"{{"type": "file", "path": "a.json", "size": 5, "oid": "{OID}"}}"#);
        assert_eq!(read(&json).unwrap().unwrap().digest.to_string(), OID);
        assert_eq!(read(r#"{"type": "directory", "path": "..", "oid": "x"}"#), Ok(None));
    }

    #[test]
    fn names_that_lead_out_and_files_without_digest_are_refused() {
        for (path, why) in [
            ("../x", ShardPathError::Dots),
            ("/etc/passwd", ShardPathError::Absolute),
            ("a\\\\b", ShardPathError::Character),
        ] {
            let json = format!(r#"{{"type": "file", "path": "{path}", "oid": "{OID}"}}"#);
            let name = path.replace("\\\\", "\\");
            assert_eq!(read(&json), Err(ListingError::Name(name, why)));
        }
        let json = r#"{"type": "file", "path": "a", "oid": "../../../../../../../../../x"}"#;
        assert_eq!(read(json), Err(ListingError::Digest("a".to_owned())));
    }

    #[test]
    fn no_two_files_share_a_place() {
        assert!(listing(&["a/b", "a/c", "ab"]).is_ok());
        for paths in [
            ["A", "a"],
            ["a", "a"],
            ["a/B", "A/b"],
            ["a", "A/b"],
            ["Ä", "ä"],
            ["\u{e9}", "e\u{301}"],
        ] {
            assert!(matches!(listing(&paths), Err(ListingError::Collision(..))), "{paths:?}");
        }
    }

    #[test]
    fn a_size_that_no_file_has_is_refused() {
        let file =
            |bytes| RemoteFile { path: "a".parse().unwrap(), bytes, digest: OID.parse().unwrap() };
        for bytes in [u64::MAX, 1 << 63] {
            let refused = Listing::new(vec![file(bytes)]).unwrap_err();
            assert_eq!(refused, ListingError::Size("a".to_owned(), bytes));
        }
        assert!(Listing::new(vec![file(super::LARGEST)]).is_ok());
    }

    #[test]
    fn files_are_found_by_path() {
        let listing = listing(&["b", "a/c"]).unwrap();
        assert_eq!(listing.file("a/c").unwrap().path.as_str(), "a/c");
        assert_eq!(listing.file("a"), None);
        assert_eq!(listing.bytes(), 2);
    }
}
