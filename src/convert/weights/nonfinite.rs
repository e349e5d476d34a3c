//! Weights that are not finite, collected from all threads so that the report is the same on
//! every run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::kernel::{Found, Stored, scan};
use super::plan::{Param, Plan};

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
        let size = stored.source.size() as u64;
        let end = start + weights.len() as u64 / size;
        let mut segment =
            plan.segments.partition_point(|segment| segment.first <= start).max(1) - 1;
        let mut at = start;
        while let Some(from) = plan.segments.get(segment)
            && at < end
        {
            segment += 1;
            let until = plan.segments.get(segment).map_or(end, |next| next.first.min(end));
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
        let line = |((param, part), tensor): ((usize, usize), Tensor)| {
            let param = plan.params.get(param)?;
            let name = param.parts.get(part)?;
            let (row, column) = (tensor.first / param.columns, tensor.first % param.columns);
            let at = match param.is_vector {
                false => format!("[{row}, {column}]"),
                true => format!("[{}]", tensor.first),
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
