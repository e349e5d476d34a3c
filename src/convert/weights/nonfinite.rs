//! Weights that are not finite, collected from all threads so that the report is the same on
//! every run.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use super::kernel::{Found, Stored, scan, scan_e4m3, scan_e5m2};
use super::plan::{Gather, Param, Plan, Segment, SourceTensor};
use crate::model::{E4M3, PerTensor};

/// What was found, by parameter and tensor.
#[derive(Default)]
pub(super) struct NonFinite(Mutex<BTreeMap<(usize, usize), Tensor>>);

/// Of one tensor.
struct Tensor {
    count: u64,
    /// The number of the first, and its value.
    first: u64,
    value: f32,
    /// The type that a value may be too large for.
    target: &'static str,
}

/// Weights that may hold some.
#[derive(Clone, Copy)]
pub(super) enum Suspect {
    /// Weights that are converted, to halves before they become FP8 with a scale.
    Stored(Stored),
    /// Halves that become FP8 without a scale.
    E5m2(Stored),
    /// FP8 that is copied.
    E4m3,
}

impl Suspect {
    /// Bytes of a weight.
    fn size(self) -> usize {
        match self {
            Self::Stored(stored) | Self::E5m2(stored) => stored.source.size(),
            Self::E4m3 => 1,
        }
    }

    /// The type that a weight may be too large for.
    fn target(self) -> &'static str {
        match self {
            Self::Stored(stored) => stored.target.name(),
            Self::E5m2(_) => PerTensor::E5m2.name(),
            Self::E4m3 => E4M3,
        }
    }

    fn scan(self, weights: &[u8]) -> Option<Found> {
        match self {
            Self::Stored(stored) => scan(stored, weights),
            Self::E5m2(stored) => scan_e5m2(stored, weights),
            Self::E4m3 => scan_e4m3(weights),
        }
    }
}

impl NonFinite {
    /// Weights of a parameter, of which the first has this number, are known to hold some.
    pub(super) fn note(
        &self,
        param: usize,
        plan: &Param,
        start: u64,
        suspect: Suspect,
        weights: &[u8],
    ) {
        match &plan.gather {
            Gather::Segments(segments) => {
                self.note_segments(param, segments, start, suspect, weights)
            }
            Gather::Transposed(blocks) => {
                // Value by value: each has a place of its own in the tensor.
                let values = weights.chunks_exact(suspect.size());
                for (at, weight) in (start..).zip(values) {
                    let (row, column) = (at / plan.columns, at % plan.columns);
                    let block = blocks.iter().rfind(|block| block.first <= row);
                    if let (Some(found), Some(block)) = (suspect.scan(weight), block) {
                        let within = column * block.rows + (row - block.first);
                        self.add((param, 0), block.first_of_part + within, found, suspect);
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
        suspect: Suspect,
        weights: &[u8],
    ) {
        let size = suspect.size() as u64;
        let end = start + weights.len() as u64 / size;
        let mut segment = segments.partition_point(|segment| segment.first <= start).max(1) - 1;
        let mut at = start;
        while let Some(from) = segments.get(segment)
            && at < end
        {
            segment += 1;
            let until = segments.get(segment).map_or(end, |next| next.first.min(end));
            let range = ((at - start) * size) as usize..((until - start) * size) as usize;
            if let Some(found) = suspect.scan(weights.get(range).unwrap_or_default()) {
                let before = from.first_of_part + (at - from.first);
                self.add((param, from.part), before, found, suspect);
            }
            at = until;
        }
    }

    fn add(&self, key: (usize, usize), before: u64, found: Found, suspect: Suspect) {
        let (first, target) = (before + found.first, suspect.target());
        let mut tensors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tensor =
            tensors.entry(key).or_insert(Tensor { count: 0, first, value: found.value, target });
        tensor.count += found.count;
        if first <= tensor.first {
            (tensor.first, tensor.value) = (first, found.value);
        }
    }

    /// A line for each tensor, in the order of the parameters.
    pub(super) fn lines(self, plan: &Plan) -> Vec<String> {
        let tensors = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<(&SourceTensor, Tensor)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for ((param, part), tensor) in tensors {
            let part = plan.params.get(param).and_then(|param| param.parts.get(part));
            let Some(part) = part else { continue };
            let place = *places.entry(part.name.as_str()).or_insert(found.len());
            // Several parameters may be made of one tensor, and some of only a part of it.
            match found.get_mut(place) {
                Some((_, known)) if known.count < tensor.count => *known = tensor,
                Some(_) => {}
                None => found.push((part, tensor)),
            }
        }
        found.into_iter().map(|(part, tensor)| line(part, &tensor)).collect()
    }
}

fn line(part: &SourceTensor, tensor: &Tensor) -> String {
    let at = match part.columns {
        Some(columns) => format!("[{}, {}]", tensor.first / columns, tensor.first % columns),
        None => format!("[{}]", tensor.first),
    };
    let count = match tensor.count {
        1 => format!("1 value, {}", what(tensor)),
        count => format!("{count} values, the first {}", what(tensor)),
    };
    format!("{}: {count} at {at}", part.name)
}

fn what(tensor: &Tensor) -> String {
    match tensor.value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value.is_infinite() => format!("{value}"),
        value => format!("{value:e}, too large for {}", tensor.target),
    }
}
