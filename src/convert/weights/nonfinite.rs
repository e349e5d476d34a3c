//! Weights that are not finite, collected from all threads so that the report is the same on
//! every run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::kernel::{Found, Stored, scan};
use super::plan::{Gather, Param, Plan, Segment};

/// What was found, by parameter and tensor.
#[derive(Default)]
pub(super) struct NonFinite(Mutex<BTreeMap<(usize, usize), Tensor>>);

/// Of one tensor.
struct Tensor {
    count: u64,
    /// The number of the first, and its value.
    first: u64,
    value: f32,
    stored: Stored,
}

impl NonFinite {
    /// Weights of a parameter, of which the first has this number, are known to hold some.
    pub(super) fn note(
        &self,
        param: usize,
        plan: &Param,
        start: u64,
        stored: Stored,
        weights: &[u8],
    ) {
        match &plan.gather {
            Gather::Segments(segments) => {
                self.note_segments(param, segments, start, stored, weights)
            }
            Gather::Transposed(blocks) => {
                // Value by value: each has a place of its own in the tensor.
                let values = weights.chunks_exact(stored.source.size());
                for (at, weight) in (start..).zip(values) {
                    let (row, column) = (at / plan.columns, at % plan.columns);
                    let block = blocks.iter().rfind(|block| block.first <= row);
                    if let (Some(found), Some(block)) = (scan(stored, weight), block) {
                        let within = column * block.rows + (row - block.first);
                        self.add((param, 0), block.first_of_part + within, found, stored);
                    }
                }
            }
        }
    }

    fn note_segments(
        &self,
        param: usize,
        segments: &[Segment],
        start: u64,
        stored: Stored,
        weights: &[u8],
    ) {
        let size = stored.source.size() as u64;
        let end = start + weights.len() as u64 / size;
        let mut segment = segments.partition_point(|segment| segment.first <= start).max(1) - 1;
        let mut at = start;
        while let Some(from) = segments.get(segment)
            && at < end
        {
            segment += 1;
            let until = segments.get(segment).map_or(end, |next| next.first.min(end));
            let range = ((at - start) * size) as usize..((until - start) * size) as usize;
            if let Some(found) = scan(stored, weights.get(range).unwrap_or_default()) {
                let before = from.first_of_part + (at - from.first);
                self.add((param, from.part), before, found, stored);
            }
            at = until;
        }
    }

    fn add(&self, key: (usize, usize), before: u64, found: Found, stored: Stored) {
        let first = before + found.first;
        let mut tensors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tensor =
            tensors.entry(key).or_insert(Tensor { count: 0, first, value: found.value, stored });
        tensor.count += found.count;
        if first <= tensor.first {
            (tensor.first, tensor.value) = (first, found.value);
        }
    }

    /// A line for each tensor, in the order of the parameters.
    pub(super) fn lines(self, plan: &Plan) -> Vec<String> {
        let tensors = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut said = BTreeSet::new();
        let line = |((param, part), tensor): ((usize, usize), Tensor)| {
            let part = plan.params.get(param)?.parts.get(part)?;
            let name = &part.name;
            // A tensor that several parameters are made of is said once.
            if !said.insert(name.clone()) {
                return None;
            }
            let at = match part.columns {
                Some(columns) => {
                    format!("[{}, {}]", tensor.first / columns, tensor.first % columns)
                }
                None => format!("[{}]", tensor.first),
            };
            let count = match tensor.count {
                1 => format!("1 value, {}", what(&tensor)),
                count => format!("{count} values, the first {}", what(&tensor)),
            };
            Some(format!("{name}: {count} at {at}"))
        };
        tensors.into_iter().filter_map(line).collect()
    }
}

fn what(tensor: &Tensor) -> String {
    match tensor.value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value.is_infinite() => format!("{value}"),
        value => format!("{value:e}, too large for {}", tensor.stored.target.name()),
    }
}
