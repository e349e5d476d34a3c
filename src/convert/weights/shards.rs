//! Which tensor lies in which shard, as upstream's `tvmjs` dump decides it.

/// A shard that would reach this many bytes is ended before.
const CAP: u64 = 32 << 20;

/// A tensor of the result.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    pub(super) dtype: &'static str,
    pub(super) nbytes: u64,
    /// Where it begins in its shard.
    pub(super) offset: u64,
}

/// One file of weights.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShardPlan {
    /// Its place in `tensor-cache.json`, and in its name.
    pub(super) number: usize,
    pub(super) nbytes: u64,
    pub(super) records: Vec<Record>,
}

impl ShardPlan {
    /// The name of its file.
    pub(super) fn file_name(&self) -> String {
        format!("params_shard_{}.bin", self.number)
    }
}

/// Where a tensor begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the shards of [`Sharding::finish`].
    pub(super) shard: usize,
    pub(super) offset: u64,
}

/// Tensors on their way into shards.
///
/// Big tensors get shards of their own at once, and get their numbers before the pending shard
/// does. So that the place of a tensor is known when it is added, shards are kept in the order in
/// which they began, and get their numbers when they end.
#[derive(Default)]
pub(super) struct Sharding {
    begun: Vec<ShardPlan>,
    /// The one that is not full.
    pending: Option<usize>,
    ended: usize,
}

impl Sharding {
    /// Adds a tensor.
    pub(super) fn add(&mut self, record: Record) -> Place {
        let pending = self.pending.and_then(|at| self.begun.get(at));
        let pending_bytes = pending.map_or(0, |shard| shard.nbytes);
        if pending_bytes + record.nbytes >= CAP {
            if record.nbytes * 2 >= CAP {
                let at = self.begin();
                self.put(at, record);
                self.end(at);
                return Place { shard: at, offset: 0 };
            }
            self.end_pending();
        }
        let at = match self.pending {
            Some(at) => at,
            None => {
                let at = self.begin();
                self.pending = Some(at);
                at
            }
        };
        Place { shard: at, offset: self.put(at, record) }
    }

    /// The shards, in the order in which they began.
    pub(super) fn finish(mut self) -> Vec<ShardPlan> {
        self.end_pending();
        self.begun
    }

    fn begin(&mut self) -> usize {
        self.begun.push(ShardPlan { number: 0, nbytes: 0, records: Vec::new() });
        self.begun.len() - 1
    }

    fn put(&mut self, at: usize, mut record: Record) -> u64 {
        let Some(shard) = self.begun.get_mut(at) else { return 0 };
        let offset = shard.nbytes;
        record.offset = offset;
        shard.nbytes += record.nbytes;
        shard.records.push(record);
        offset
    }

    fn end(&mut self, at: usize) {
        if let Some(shard) = self.begun.get_mut(at) {
            shard.number = self.ended;
            self.ended += 1;
        }
    }

    fn end_pending(&mut self) {
        if let Some(at) = self.pending.take() {
            self.end(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, Sharding};

    const MIB: u64 = 1 << 20;

    /// Numbers and records of the shards for tensors of these sizes.
    fn shards(sizes: &[u64]) -> Vec<(usize, Vec<String>)> {
        let mut sharding = Sharding::default();
        for (at, nbytes) in sizes.iter().enumerate() {
            let (name, shape) = (at.to_string(), vec![*nbytes]);
            sharding.add(Record { name, shape, dtype: "uint8", nbytes: *nbytes, offset: 0 });
        }
        let mut shards = sharding.finish();
        shards.sort_by_key(|shard| shard.number);
        let names = |records: Vec<Record>| records.into_iter().map(|record| record.name).collect();
        shards.into_iter().map(|shard| (shard.number, names(shard.records))).collect()
    }

    #[test]
    fn a_big_tensor_goes_ahead_of_those_that_wait() {
        assert_eq!(
            shards(&[MIB, 31 * MIB, 2 * MIB]),
            [(0, vec!["1".to_owned()]), (1, vec!["0".to_owned(), "2".to_owned()])]
        );
    }

    #[test]
    fn a_small_tensor_begins_a_new_shard() {
        assert_eq!(
            shards(&[15 * MIB, 15 * MIB, 2 * MIB, 16 * MIB - 1]),
            [(0, vec!["0".to_owned(), "1".to_owned()]), (1, vec!["2".to_owned(), "3".to_owned()])]
        );
    }

    #[test]
    fn a_tensor_of_sixteen_mebibytes_waits_while_there_is_room() {
        assert_eq!(
            shards(&[16 * MIB, 16 * MIB - 1, 1]),
            [(0, vec!["0".to_owned(), "1".to_owned()]), (1, vec!["2".to_owned()])]
        );
        assert_eq!(shards(&[32 * MIB]), [(0, vec!["0".to_owned()])]);
    }
}
