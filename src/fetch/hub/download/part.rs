//! One file while it is downloaded, shared by the threads that do it.

mod hashing;
mod on_disk;
mod open;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::open::Open;
use super::ranges::Ranges;
use crate::fetch::hub::layout::RepoCache;
use crate::fetch::hub::{Commit, HubError, RemoteFile};
use crate::io::files;
use crate::io::http::Url;
use crate::io::http::address::printable;
use crate::io::lock::Lock;
use crate::io::positioned::{self, PositionedFile};
use crate::model::HubRepo;

/// How much a kill may cost of each range.
const SAVE_EVERY: u64 = 8 << 20;

/// How often progress is told of one file.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// One file that is not in the cache.
pub(super) struct PartialFile {
    pub(super) repo: HubRepo,
    pub(super) commit: Commit,
    /// The file, under the first of its names.
    pub(super) file: RemoteFile,
    /// Every name that the repository has for this content.
    pub(super) names: Vec<RemoteFile>,
    /// Where it is asked for.
    pub(super) url: Url,
    pub(super) cache: RepoCache,
    pub(super) range_bytes: u64,
    stage: Mutex<Stage>,
}

enum Stage {
    Untouched,
    Open(Box<Open>),
    Finished,
}

/// A piece of work that one thread has.
pub(super) struct Claim {
    pub(super) disk: Arc<PositionedFile>,
    /// The range; none for the whole file.
    pub(super) range: Option<usize>,
    /// What was there before, if this is the first claim.
    pub(super) begins: Option<u64>,
}

/// What a thread gets when it asks for work.
pub(super) enum Claimed {
    Work(Claim),
    /// Others are at it: threads of ours, or another process.
    Busy,
    Finished,
}

/// What became of a file when a thread was done with its part.
pub(super) enum Ended {
    /// Other threads go on with it.
    Open,
    /// Verified, and under its name.
    Verified,
    /// The digest was wrong: it begins anew.
    Again(String),
}

/// What the progress of a range came to.
pub(super) struct Advanced {
    /// Somebody found that the file must begin anew.
    pub(super) stop: bool,
    /// All bytes that are there, if it is time to tell.
    pub(super) tell: Option<u64>,
}

impl PartialFile {
    pub(super) fn new(
        repo: &HubRepo,
        commit: &Commit,
        file: &RemoteFile,
        url: Url,
        cache: &RepoCache,
        range_bytes: u64,
    ) -> Self {
        Self {
            repo: repo.clone(),
            commit: commit.clone(),
            file: file.clone(),
            names: vec![file.clone()],
            url,
            cache: cache.clone(),
            range_bytes,
            stage: Mutex::new(Stage::Untouched),
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state of a file that is open; it is while somebody has a claim.
    fn with<T>(&self, look: impl FnOnce(&mut Open) -> T) -> Option<T> {
        match &mut *self.stage() {
            Stage::Open(open) => Some(look(open)),
            Stage::Untouched | Stage::Finished => None,
        }
    }

    pub(super) fn is_untouched(&self) -> bool {
        matches!(*self.stage(), Stage::Untouched)
    }

    pub(super) fn range_count(&self) -> usize {
        Ranges::new(self.file.bytes, self.range_bytes).count()
    }

    /// Names the directory if the disk is full.
    pub(super) fn disk_error(&self, why: std::io::Error) -> HubError {
        if !positioned::is_full(&why) {
            return HubError::Io(why);
        }
        let (repo, file) = (Box::new(self.repo.clone()), self.file.path.clone());
        HubError::DiskFull { repo, file, dir: self.cache.blobs(), why }
    }

    /// Asks for work.
    pub(super) fn claim(&self) -> Result<Claimed, HubError> {
        let mut stage = self.stage();
        if matches!(*stage, Stage::Untouched) {
            let Some(lock) = Lock::try_acquire(&self.cache.lock(self.file.digest))? else {
                return Ok(Claimed::Busy);
            };
            if self.cache.has_blob(&self.file) {
                // Another process was at it.
                self.point()?;
                *stage = Stage::Finished;
                return Ok(Claimed::Finished);
            }
            let open = self.open(lock).map_err(|error| self.disk_error(error))?;
            let begins = Some(open.ranges.total());
            let mut open = Box::new(open);
            let claim = open.claim(begins);
            *stage = Stage::Open(open);
            return Ok(claim.map_or(Claimed::Busy, Claimed::Work));
        }
        match &mut *stage {
            Stage::Open(open) => {
                if open.restart_wanted && open.active == 0 {
                    self.restart(open).map_err(|error| self.disk_error(error))?;
                }
                Ok(open.claim(None).map_or(Claimed::Busy, Claimed::Work))
            }
            Stage::Untouched => Ok(Claimed::Busy),
            Stage::Finished => Ok(Claimed::Finished),
        }
    }

    /// What is missing of a claim; nothing if it is done or must be let go.
    pub(super) fn missing(&self, claim: &Claim) -> Option<(u64, u64)> {
        self.with(|open| {
            let missing = match claim.range {
                Some(index) => open.ranges.missing(index),
                None => (0, if open.ranges.all_whole() { 0 } else { self.file.bytes }),
            };
            (missing.0 < missing.1 && !open.restart_wanted).then_some(missing)
        })
        .flatten()
    }

    /// Where to ask.
    pub(super) fn location(&self) -> Url {
        self.with(|open| open.location.clone()).flatten().unwrap_or_else(|| self.url.clone())
    }

    /// Keeps where the Hub redirected to, or forgets it.
    pub(super) fn set_location(&self, location: Option<Url>) {
        self.with(|open| open.location = location);
    }

    /// From now on it is asked for as a whole.
    pub(super) fn set_whole_only(&self) {
        self.with(|open| open.whole_only = true);
    }

    /// Compares the ETag of an answer with that of the answers before; gives whether the file
    /// is to begin anew if it is another, and an error if it did so before.
    pub(super) fn is_changed(&self, etag: Option<&str>) -> Result<bool, HubError> {
        let Some(etag) = etag.filter(|etag| !etag.starts_with("W/")) else { return Ok(false) };
        let changed = self.with(|open| match &open.ranges.etag {
            None => {
                open.ranges.etag = Some(etag.to_owned());
                Ok(false)
            }
            Some(before) if before == etag => Ok(false),
            Some(_) if open.restart_wanted => Ok(true),
            Some(_) if open.restarts > 0 => Err(()),
            Some(_) => {
                (open.restarts, open.restart_wanted) = (open.restarts + 1, true);
                Ok(true)
            }
        });
        changed.unwrap_or(Ok(true)).map_err(|()| HubError::Changed {
            repo: Box::new(self.repo.clone()),
            file: self.file.path.clone(),
            url: printable(&self.url),
        })
    }

    /// Notes bytes that are on disk.
    pub(super) fn advance(&self, index: usize, bytes: u64) -> Result<Advanced, HubError> {
        let advanced = self.with(|open| {
            open.ranges.advance(index, bytes);
            open.unsaved += bytes;
            if open.unsaved >= SAVE_EVERY {
                open.unsaved = 0;
                self.save(&open.ranges)?;
            }
            let now = Instant::now();
            let due = open.told.is_none_or(|told| now - told >= TELL_EVERY);
            if due {
                open.told = Some(now);
            }
            let tell = due.then(|| open.ranges.total());
            Ok(Advanced { stop: open.restart_wanted, tell })
        });
        let gone = Ok(Advanced { stop: true, tell: None });
        advanced.unwrap_or(gone).map_err(|error| self.disk_error(error))
    }

    /// The parts of a piece of the whole file that are missing: range, and from where to where.
    pub(super) fn missing_in(&self, start: u64, end: u64) -> Vec<(usize, u64, u64)> {
        self.with(|open| {
            let touched = open.ranges.touched(start, end).map(|index| {
                let (from, to) = open.ranges.missing(index);
                (index, from.max(start), to.min(end))
            });
            touched.filter(|(_, from, to)| from < to).collect()
        })
        .unwrap_or_default()
    }

    /// Gives a claim back. The last one verifies the file and gives it its name.
    pub(super) fn release(&self, claim: &Claim) -> Result<Ended, HubError> {
        let mut stage = self.stage();
        let Stage::Open(open) = &mut *stage else { return Ok(Ended::Open) };
        open.active -= 1;
        match claim.range {
            Some(index) => {
                if let Some(claimed) = open.claimed.get_mut(index) {
                    *claimed = false;
                }
            }
            None => open.claimed.fill(false),
        }
        if open.restart_wanted {
            return Ok(Ended::Open);
        }
        if open.active > 0 || !open.ranges.all_whole() || open.hashed < self.file.bytes {
            if open.unsaved > 0 {
                open.unsaved = 0;
                // Without it the next run asks for more than it must: no reason to fail.
                let _ = self.save(&open.ranges);
            }
            return Ok(Ended::Open);
        }
        let Some(hasher) = open.hasher.take() else { return Ok(Ended::Open) };
        let found = hasher.finish();
        if found == self.file.digest {
            self.publish(&open.disk)?;
            *stage = Stage::Finished;
            return Ok(Ended::Verified);
        }
        let why = format!("the digest is {found}, not {}", self.file.digest);
        if open.restarts == 0 {
            (open.restarts, open.restart_wanted) = (1, true);
            return Ok(Ended::Again(why));
        }
        files::remove_file(&self.incomplete())?;
        self.remove_sidecar()?;
        Err(HubError::Digest {
            repo: Box::new(self.repo.clone()),
            file: self.file.path.clone(),
            found: found.to_string(),
            expected: self.file.digest.to_string(),
        })
    }

    fn point(&self) -> Result<(), HubError> {
        for name in &self.names {
            self.cache.point(&self.commit, name).map_err(|error| self.disk_error(error))?;
        }
        Ok(())
    }
}
