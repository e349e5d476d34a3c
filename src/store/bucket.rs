//! Everything that lies in a cache directory, in one table.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::StoreError;
use crate::io::{atomic, files, kept_log};

/// How often the time of a note's last use is written.
const USED_EVERY: Duration = Duration::from_secs(24 * 3600);

/// A directory of the cache in which things of one kind lie.
#[derive(Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Where it is in the cache directory.
    pub dir: &'static str,
    /// Counted up whenever the same inputs make something else, or what is written changes its form:
    /// what is older is of no use then.
    pub format: u32,
    /// What of it `cache prune` removes.
    pub prune: Prune,
}

/// What of a bucket may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Entries that nobody uses, and what killed processes left.
    Entries,
    /// Files and directories of their own rules.
    Items,
    /// Nothing: they are small.
    Nothing,
}

impl Bucket {
    /// Compiled model libraries.
    pub const LIBRARIES: Self = Self { dir: "libs", format: 1, prune: Prune::Entries };
    /// What platform bindings are linked out of.
    pub const KITS: Self = Self { dir: "kits", format: 2, prune: Prune::Entries };
    /// Models converted from raw checkpoints.
    pub const CONVERTED: Self = Self { dir: "converted", format: 1, prune: Prune::Entries };
    /// Directories in which platform bindings are built.
    pub const BUILD_DIRS: Self = Self { dir: "binding", format: 1, prune: Prune::Items };
    /// Logs of programs that failed.
    pub const LOGS: Self = Self { dir: kept_log::DIR, format: 1, prune: Prune::Items };
    /// What was downloaded into the Hugging Face cache.
    pub const WEIGHTS: Self = Self { dir: "weights", format: 1, prune: Prune::Items };
    /// Which files of models were found right.
    pub const VERIFIED: Self = Self { dir: "weights/.known", format: 1, prune: Prune::Items };
    /// Lists of the files of repositories, as the Hub sent them.
    pub const LISTINGS: Self = Self { dir: "hub-listings", format: 1, prune: Prune::Items };
    /// What Pythons said about the compiler that they have.
    pub const TOOLCHAINS: Self = Self { dir: "toolchain", format: 2, prune: Prune::Nothing };
    /// Versions of programs, and digests of trees, that kits depend on.
    pub const TOOLS: Self = Self { dir: "kits/.answers.json", format: 1, prune: Prune::Nothing };
    /// Digests of the files of local checkpoints.
    pub const SOURCES: Self = Self { dir: "converted/.sources", format: 1, prune: Prune::Nothing };
    /// Conversation templates that were derived.
    pub const TEMPLATES: Self =
        Self { dir: "converted/.templates", format: 1, prune: Prune::Nothing };

    /// All of them.
    pub const ALL: [&Self; 12] = [
        &Self::LIBRARIES,
        &Self::KITS,
        &Self::CONVERTED,
        &Self::BUILD_DIRS,
        &Self::LOGS,
        &Self::WEIGHTS,
        &Self::VERIFIED,
        &Self::LISTINGS,
        &Self::TOOLCHAINS,
        &Self::TOOLS,
        &Self::SOURCES,
        &Self::TEMPLATES,
    ];

    /// Where it is.
    pub fn path(&self, cache_dir: &Utf8Path) -> Utf8PathBuf {
        cache_dir.join(self.dir)
    }
}

/// Something small that was found out, and is found out again if it is lost.
#[derive(Clone, Debug)]
pub struct Note {
    path: Utf8PathBuf,
    /// The most that is read, in bytes.
    limit: u64,
}

impl Note {
    /// A note of at most so many bytes. Nothing is touched.
    pub fn new(path: Utf8PathBuf, limit: u64) -> Self {
        Self { path, limit }
    }

    /// Where it is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// What it says; none where it cannot be read, or is too long. This counts as a use.
    pub fn read(&self) -> Option<Vec<u8>> {
        let text = files::read_at_most(&self.path, self.limit).ok()??;
        // In a cache that cannot be written to, nothing is pruned either.
        let _ = files::touch(&self.path, USED_EVERY);
        Some(text)
    }

    /// Writes it anew. Nobody waits for the disk: it is found out again if it is lost or torn.
    ///
    /// # Errors
    /// The cache directory cannot be written to: the next run finds it out again, and that is all.
    pub fn write(&self, text: &[u8]) -> Result<(), StoreError> {
        let dir = files::parent(&self.path);
        files::create_dir_all(dir)
            .and_then(|()| atomic::write_unsynced(&self.path, text))
            .map_err(|source| StoreError::new(dir, source))
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn no_two_buckets_are_one() {
        let mut dirs = Bucket::ALL.map(|bucket| bucket.dir).to_vec();
        dirs.sort_unstable();
        dirs.dedup();
        assert_eq!(dirs.len(), Bucket::ALL.len());
    }
}
