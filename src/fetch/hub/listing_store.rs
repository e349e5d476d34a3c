use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Commit, Listing, RemoteFile};
use crate::model::{Digest, HubRepo};
use crate::store::{Bucket, Note, StoreError};

/// The largest listing that is read back: what the Hub may send at most becomes no larger.
const MAX_BYTES: u64 = 128 << 20;

/// Listings on disk, a file a commit. A commit does not change, so neither do they.
#[derive(Debug)]
pub(super) struct ListingStore {
    dir: Utf8PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    version: u32,
    repo: std::borrow::Cow<'a, str>,
    commit: Commit,
    files: std::borrow::Cow<'a, [RemoteFile]>,
}

impl ListingStore {
    /// The listings of one Hub: what a mirror says is not taken for the Hub's word.
    pub(super) fn new(dir: &Utf8Path, endpoint: &str) -> Self {
        let mut of_endpoint = Digest::of(endpoint.as_bytes()).to_hex();
        of_endpoint.truncate(16);
        Self { dir: dir.join(of_endpoint) }
    }

    /// A listing that was kept. One that cannot be used is none.
    pub(super) fn load(&self, repo: &HubRepo, commit: &Commit) -> Option<Listing> {
        let bytes = self.note(repo, commit).read()?;
        let stored: Stored<'_> = serde_json::from_slice(&bytes).ok()?;
        let same = stored.version == Bucket::LISTINGS.format
            && stored.repo == repo.to_string()
            && stored.commit == *commit;
        if same { Listing::new(stored.files.into_owned()).ok() } else { None }
    }

    /// Keeps a listing.
    pub(super) fn save(
        &self,
        repo: &HubRepo,
        commit: &Commit,
        listing: &Listing,
    ) -> Result<(), StoreError> {
        let stored = Stored {
            version: Bucket::LISTINGS.format,
            repo: repo.to_string().into(),
            commit: commit.clone(),
            files: (&listing.files[..]).into(),
        };
        let note = self.note(repo, commit);
        // Paths, digits and digests always serialize.
        note.write(&serde_json::to_vec(&stored).unwrap_or_default())
    }

    fn note(&self, repo: &HubRepo, commit: &Commit) -> Note {
        let dir = self.dir.join(format!("{}--{}", repo.user(), repo.repo()));
        Note::new(dir.join(format!("{commit}.json")), MAX_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{Listing, ListingStore, RemoteFile};

    #[test]
    fn a_listing_comes_back_for_its_commit_and_hub_only() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (repo, other) = ("HF://a/b".parse().unwrap(), "HF://a/c".parse().unwrap());
        let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let later = "1123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let file = RemoteFile {
            path: "x/y.bin".parse().unwrap(),
            bytes: 1 << 47,
            digest: "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0".parse().unwrap(),
        };
        let listing = Listing::new(vec![file]).unwrap();
        let store = ListingStore::new(dir, "https://huggingface.co");
        store.save(&repo, &commit, &listing).unwrap();
        assert_eq!(store.load(&repo, &commit), Some(listing));
        assert_eq!(store.load(&repo, &later), None);
        assert_eq!(store.load(&other, &commit), None);
        assert_eq!(ListingStore::new(dir, "https://mirror").load(&repo, &commit), None);
        // Moved by hand to another commit's name, or damaged.
        let path = store.note(&repo, &commit).path().to_owned();
        fs_err::copy(&path, store.note(&repo, &later).path()).unwrap();
        assert_eq!(store.load(&repo, &later), None);
        let text = fs_err::read_to_string(&path).unwrap().replace("x/y.bin", "../y.bin");
        fs_err::write(&path, text).unwrap();
        assert_eq!(store.load(&repo, &commit), None);
    }
}
