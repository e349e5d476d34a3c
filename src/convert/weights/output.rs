//! The shards while they are written: any place of any of them at any time, and each hashed from
//! its beginning as far as it is whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use camino::{Utf8Path, Utf8PathBuf};
use md5::Digest as _;

use super::error::WeightsError;
use super::shards::{Place, ShardPlan};
use crate::io::positioned::PositionedFile;

/// What is left to be hashed of a shard before somebody begins: less is not worth the lock.
const STEP: u64 = 1 << 20;
/// Bytes that are read back and hashed at a time.
const PIECE: usize = 128 << 10;

/// All shards.
pub(super) struct Output {
    shards: Vec<OutputShard>,
}

struct OutputShard {
    /// Open from the first write until it is whole: a model may have more shards than a process
    /// may have files.
    file: Mutex<Option<Arc<PositionedFile>>>,
    path: Utf8PathBuf,
    nbytes: u64,
    written: Mutex<Written>,
    hash: Mutex<Hash>,
}

/// What there is of a shard: all up to `whole`, and pieces behind it.
#[derive(Default)]
struct Written {
    whole: u64,
    behind: BTreeMap<u64, u64>,
}

#[derive(Default)]
struct Hash {
    md5: md5::Md5,
    hashed: u64,
}

impl Output {
    /// Shards to be made in a directory.
    pub(super) fn new(dir: &Utf8Path, plans: &[ShardPlan]) -> Self {
        let shard = |plan: &ShardPlan| {
            let (file, written, hash) = Default::default();
            OutputShard {
                file,
                path: dir.join(plan.file_name()),
                nbytes: plan.nbytes,
                written,
                hash,
            }
        };
        Self { shards: plans.iter().map(shard).collect() }
    }

    /// Writes bytes of a tensor; [`done`](Self::done) says later that they are there.
    pub(super) fn write(&self, place: Place, at: u64, bytes: &[u8]) -> Result<(), WeightsError> {
        let Some(shard) = self.shards.get(place.shard) else { return Ok(()) };
        let file = shard.open()?;
        file.write_all_at(bytes, place.offset + at).map_err(WeightsError::Output)
    }

    /// These bytes of a tensor are written.
    pub(super) fn done(&self, place: Place, at: u64, len: u64) -> Result<(), WeightsError> {
        let Some(shard) = self.shards.get(place.shard) else { return Ok(()) };
        let start = place.offset + at;
        let whole = lock(&shard.written).add(start, start + len);
        let hash = match shard.hash.try_lock() {
            Ok(hash) => hash,
            // Another thread is at it, and goes on as long as there is something.
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
        };
        // Others may have hashed more meanwhile than this thread knew of.
        if whole.saturating_sub(hash.hashed) < STEP && whole < shard.nbytes {
            return Ok(());
        }
        shard.hash_what_is_there(hash)
    }

    /// Hashes what is left. Several threads may do so at once.
    pub(super) fn hash_rest(&self) -> Result<(), WeightsError> {
        for shard in &self.shards {
            if let Ok(hash) = shard.hash.try_lock() {
                shard.hash_what_is_there(hash)?;
            }
        }
        Ok(())
    }

    /// The MD5 digests of the shards in hex, in the order of their plans, once all threads are
    /// done. A shard that is not whole is an error.
    pub(super) fn finish(self) -> Result<Vec<String>, WeightsError> {
        let mut digests = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            shard.hash_what_is_there(lock(&shard.hash))?;
        }
        for shard in self.shards {
            let hash = shard.hash.into_inner().unwrap_or_else(PoisonError::into_inner);
            if hash.hashed != shard.nbytes {
                let (path, found, wanted) = (shard.path, hash.hashed, shard.nbytes);
                return Err(WeightsError::Incomplete { path, found, wanted });
            }
            let digest = hash.md5.finalize();
            digests.push(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        Ok(digests)
    }
}

impl OutputShard {
    fn open(&self) -> Result<Arc<PositionedFile>, WeightsError> {
        let mut file = lock(&self.file);
        match file.as_ref() {
            Some(file) => Ok(Arc::clone(file)),
            None => {
                let opened = PositionedFile::open(&self.path).map_err(WeightsError::Output)?;
                Ok(Arc::clone(file.insert(Arc::new(opened))))
            }
        }
    }

    fn hash_what_is_there(&self, mut hash: MutexGuard<'_, Hash>) -> Result<(), WeightsError> {
        let mut buffer = [0; PIECE];
        loop {
            let left = lock(&self.written).whole - hash.hashed;
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let (piece, _) = buffer.split_at_mut(length);
            if piece.is_empty() {
                return Ok(());
            }
            let file = self.open()?;
            file.read_exact_at(piece, hash.hashed).map_err(WeightsError::Output)?;
            hash.md5.update(&*piece);
            hash.hashed += length as u64;
            if hash.hashed == self.nbytes {
                let found = file.size().map_err(WeightsError::Output)?;
                if found != self.nbytes {
                    let (path, wanted) = (self.path.clone(), self.nbytes);
                    return Err(WeightsError::Incomplete { path, found, wanted });
                }
                *lock(&self.file) = None;
            }
        }
    }
}

impl Written {
    /// Adds a piece; gives how far the shard is whole.
    fn add(&mut self, start: u64, end: u64) -> u64 {
        self.behind.insert(start, end);
        while let Some(first) = self.behind.first_entry()
            && *first.key() <= self.whole
        {
            self.whole = self.whole.max(first.remove());
        }
        self.whole
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
