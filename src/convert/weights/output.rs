//! The shards while they are written: any place of any of them at any time, and each hashed from
//! its beginning as far as it is whole.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use fearless_simd::Level;

use super::error::WeightsError;
use super::kernel::md5;
use super::shards::{Place, ShardPlan};
use crate::io::positioned::PositionedFile;

/// What is left to be hashed of all shards before somebody begins. Of some shards at once that is
/// several times as fast as of one; so much is still in the system's cache.
const WAITING: i64 = 128 << 20;
/// The same where there are too few shards for that: then hashing goes on beside the conversion.
const WAITING_OF_FEW: i64 = 2 << 20;
/// Bytes of a shard that are read back and hashed at a time.
const PIECE: usize = 32 << 10;

/// All shards.
pub(super) struct Output {
    shards: Vec<OutputShard>,
    /// Bytes that are there and not hashed. It is below
    /// zero for a moment, where a thread hashes what another has written and not counted yet.
    waiting: AtomicI64,
    /// What is hashed at a time where somebody begins.
    step: i64,
    /// Told of each shard that is whole, hashed or not.
    whole: Sender<Utf8PathBuf>,
}

/// The shards that are whole, as they become so.
pub(super) struct Whole(Receiver<Utf8PathBuf>);

impl Whole {
    /// Syncs each, so that the disk writes while the next are made, and while what was made is hashed;
    /// ends with the output. More than time is not gained: what is made visible is synced before,
    /// as a whole.
    pub(super) fn sync(self) -> Result<(), WeightsError> {
        for path in self.0 {
            let file = PositionedFile::open(&path).map_err(WeightsError::Output)?;
            file.sync().map_err(WeightsError::Output)?;
        }
        Ok(())
    }
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

struct Hash {
    state: md5::State,
    hashed: u64,
    digest: Option<[u8; 16]>,
}

/// A shard that one thread hashes now.
struct Lane<'a> {
    shard: &'a OutputShard,
    hash: MutexGuard<'a, Hash>,
    file: Arc<PositionedFile>,
    /// How far it goes.
    end: u64,
}

impl Output {
    /// Shards to be made in a directory, and those that are whole.
    pub(super) fn new(dir: &Utf8Path, plans: &[ShardPlan]) -> (Self, Whole) {
        let shard = |plan: &ShardPlan| {
            let hash = Hash { state: md5::START, hashed: 0, digest: None };
            let (file, written) = Default::default();
            OutputShard {
                file,
                path: dir.join(plan.file_name()),
                nbytes: plan.nbytes,
                written,
                hash: Mutex::new(hash),
            }
        };
        let shards = plans.iter().map(shard).collect();
        let (whole, receiver) = mpsc::channel();
        let step = if plans.len() > 2 { WAITING } else { WAITING_OF_FEW };
        let output = Self { shards, waiting: AtomicI64::new(0), step, whole };
        (output, Whole(receiver))
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
        let mut written = lock(&shard.written);
        let more = written.add(start, start + len).cast_signed();
        if more > 0 && written.whole == shard.nbytes {
            // Nobody listens any more where the sync has failed, which is told.
            let _ = self.whole.send(shard.path.clone());
        }
        drop(written);
        match self.waiting.fetch_add(more, Ordering::Relaxed) + more {
            waiting if waiting >= self.step => self.hash(),
            _ => Ok(()),
        }
    }

    /// Hashes what is there. Several threads may do so at once.
    pub(super) fn hash(&self) -> Result<(), WeightsError> {
        let level = Level::new();
        let mut buffers = vec![[0; PIECE]; md5::LANES];
        let mut shards = self.shards.iter();
        let mut lanes = Vec::with_capacity(md5::LANES);
        loop {
            while lanes.len() < md5::LANES
                && let Some(shard) = shards.next()
            {
                lanes.extend(shard.lane(&self.waiting)?);
            }
            let mut ended = Vec::new();
            for lane in std::mem::take(&mut lanes) {
                match lane.left() {
                    left if left < md5::BLOCK as u64 => ended.push(lane),
                    _ => lanes.push(lane),
                }
            }
            for lane in ended {
                lane.end(&self.waiting)?;
            }
            let Some(left) = lanes.iter().map(Lane::left).min() else {
                match shards.len() {
                    0 => return Ok(()),
                    _ => continue,
                }
            };
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let length = length - length % md5::BLOCK;
            let mut states = [md5::START; md5::LANES];
            // Lanes of no shard hash what another one does.
            let mut streams: [&[[u8; md5::BLOCK]]; md5::LANES] = [&[]; md5::LANES];
            for (at, (lane, buffer)) in lanes.iter().zip(&mut buffers).enumerate() {
                let (piece, _) = buffer.split_at_mut(length);
                lane.file.read_exact_at(piece, lane.hash.hashed).map_err(WeightsError::Output)?;
                let (blocks, _) = piece.as_chunks();
                for (state, stream) in states.iter_mut().zip(&mut streams).skip(at) {
                    (*state, *stream) = (lane.hash.state, blocks);
                }
            }
            md5::blocks(level, &mut states, streams);
            for (lane, state) in lanes.iter_mut().zip(states) {
                lane.hash.state = state;
                lane.hash.hashed += length as u64;
            }
        }
    }

    /// The MD5 digests of the shards in hex, in the order of their plans, once all threads are
    /// done. A shard that is not whole is an error.
    pub(super) fn finish(self) -> Result<Vec<String>, WeightsError> {
        self.hash()?;
        let mut digests = Vec::with_capacity(self.shards.len());
        for shard in self.shards {
            let hash = shard.hash.into_inner().unwrap_or_else(PoisonError::into_inner);
            let Some(digest) = hash.digest else {
                let (path, found, wanted) = (shard.path, hash.hashed, shard.nbytes);
                return Err(WeightsError::Incomplete { path, found, wanted });
            };
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

    /// The shard, to be hashed as far as it is there; none where another thread is at it, or
    /// where there is nothing to do.
    fn lane(&self, waiting: &AtomicI64) -> Result<Option<Lane<'_>>, WeightsError> {
        let Ok(hash) = self.hash.try_lock() else { return Ok(None) };
        let end = lock(&self.written).whole;
        let is_some = end - hash.hashed >= md5::BLOCK as u64 || end == self.nbytes;
        if hash.digest.is_some() || !is_some {
            return Ok(None);
        }
        let file = self.open()?;
        waiting.fetch_sub((end - hash.hashed).cast_signed(), Ordering::Relaxed);
        Ok(Some(Lane { shard: self, hash, file, end }))
    }
}

impl Lane<'_> {
    fn left(&self) -> u64 {
        self.end - self.hash.hashed
    }

    /// What is left is less than a block: of a whole shard, its end.
    fn end(mut self, waiting: &AtomicI64) -> Result<(), WeightsError> {
        if self.end != self.shard.nbytes {
            waiting.fetch_add(self.left().cast_signed(), Ordering::Relaxed);
            return Ok(());
        }
        let mut rest = vec![0; usize::try_from(self.left()).unwrap_or_default()];
        self.file.read_exact_at(&mut rest, self.hash.hashed).map_err(WeightsError::Output)?;
        let (found, wanted) = (self.file.size().map_err(WeightsError::Output)?, self.shard.nbytes);
        if found != wanted {
            let path = self.shard.path.clone();
            return Err(WeightsError::Incomplete { path, found, wanted });
        }
        self.hash.digest = Some(md5::digest(self.hash.state, &rest, wanted));
        *lock(&self.shard.file) = None;
        Ok(())
    }
}

impl Written {
    /// Adds a piece; gives how much more of the shard is whole.
    fn add(&mut self, start: u64, end: u64) -> u64 {
        let before = self.whole;
        self.behind.insert(start, end);
        while let Some(first) = self.behind.first_entry()
            && *first.key() <= self.whole
        {
            self.whole = self.whole.max(first.remove());
        }
        self.whole - before
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use camino::Utf8Path;
    use md5::Digest as _;

    use super::Output;
    use crate::convert::weights::shards::{Place, ShardPlan};

    /// Shards of all lengths, more than are hashed at once, in pieces that come in any order from
    /// several threads: each digest is that of the whole file, nothing is left, and none is
    /// hashed before it is there.
    #[test]
    fn digests_are_those_of_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let lengths: Vec<u64> =
            (0..21).map(|at| if at % 5 == 0 { 64 * at } else { 40_000 * at + 55 }).collect();
        let byte = |shard: usize, at: u64| (at.wrapping_mul(37) >> 3) as u8 ^ shard as u8;
        let content = |shard: usize, range: std::ops::Range<u64>| -> Vec<u8> {
            range.map(|at| byte(shard, at)).collect()
        };
        let plan = |(number, nbytes): (usize, &u64)| {
            // An empty shard is none.
            let nbytes = (*nbytes).max(1);
            ShardPlan { number, nbytes, records: Vec::new() }
        };
        let plans: Vec<_> = lengths.iter().enumerate().map(plan).collect();
        for step in [1, 70_000, 1 << 20, i64::MAX] {
            let (output, whole) = Output::new(dir, &plans);
            let output = Output { step, ..output };
            let mut pieces = Vec::new();
            for plan in &plans {
                let starts = (0..plan.nbytes).step_by(9_999);
                let cut = |start: u64| start..(start + 9_999).min(plan.nbytes);
                pieces.extend(starts.map(|start| (plan.number, cut(start))));
            }
            pieces.sort_by_key(|(shard, range)| byte(*shard, range.start / 9_999));
            std::thread::scope(|scope| {
                for thread in 0..3 {
                    let (output, pieces) = (&output, &pieces);
                    scope.spawn(move || {
                        for (shard, range) in pieces.iter().skip(thread).step_by(3) {
                            let place = Place { shard: *shard, offset: 0 };
                            let bytes = content(*shard, range.clone());
                            output.write(place, range.start, &bytes).unwrap();
                            output.done(place, range.start, bytes.len() as u64).unwrap();
                        }
                        output.hash().unwrap();
                    });
                }
            });
            output.hash().unwrap();
            assert_eq!(output.waiting.load(Ordering::Relaxed), 0);
            let right = plans.iter().map(|plan| {
                let digest = md5::Md5::digest(content(plan.number, 0..plan.nbytes));
                digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            });
            assert_eq!(output.finish().unwrap(), right.collect::<Vec<_>>());
            // Each is told once.
            let mut told: Vec<_> = whole.0.iter().collect();
            told.sort_unstable();
            let mut paths: Vec<_> = plans.iter().map(|plan| dir.join(plan.file_name())).collect();
            paths.sort_unstable();
            assert_eq!(told, paths);
        }
    }

    #[test]
    fn a_shard_that_is_not_whole_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let plan = ShardPlan { number: 0, nbytes: 200, records: Vec::new() };
        let (output, whole) = Output::new(dir, &[plan]);
        let place = Place { shard: 0, offset: 0 };
        output.write(place, 0, &[1; 130]).unwrap();
        output.done(place, 0, 130).unwrap();
        let error = output.finish().unwrap_err().to_string();
        assert!(error.contains("200"), "{error}");
        assert!(whole.0.iter().next().is_none());
    }
}
