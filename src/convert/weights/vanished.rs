//! Weights that FP8 has nothing for but 0, collected from all threads: one weight that is far larger
//! than the others takes the range of a whole parameter.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::kernel::{self, Stored};
use super::plan::{Param, Plan};

/// How many there are, by parameter.
#[derive(Default)]
pub(super) struct Vanished(Mutex<BTreeMap<usize, u64>>);

impl Vanished {
    /// Looks at weights of a parameter, and at what they became.
    pub(super) fn note(&self, param: usize, stored: Stored, weights: &[u8], fp8: &[u8]) {
        let zeros = fp8.iter().filter(|weight| **weight & 0x7f == 0).count();
        let vanished = zeros.saturating_sub(kernel::zeros(stored.source, weights));
        if vanished > 0 {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *counts.entry(param).or_default() += vanished as u64;
        }
    }

    /// A line for each parameter that lost at least half of its weights.
    pub(super) fn lines(self, plan: &Plan) -> Vec<String> {
        let counts = self.0.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter();
        let lost = counts.filter_map(|(param, count)| Some((plan.params.get(param)?, count)));
        lost.filter_map(|(param, count)| line(param, count)).collect()
    }
}

fn line(param: &Param, count: u64) -> Option<String> {
    let all = param.rows * param.columns;
    let names: Vec<_> = param.parts.iter().map(|part| part.name.as_str()).collect();
    (2 * count >= all).then(|| format!("{}: {count} of {all} weights", names.join(", ")))
}
