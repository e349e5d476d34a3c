//! How long compiling will take, by what was compiled here before.

use std::fmt;

use serde::Serialize;

use super::change::shape;
use crate::model::{CompileInputs, CompileRecord};

/// A time that is expected, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Estimate(pub f64);

impl Estimate {
    /// How long one compiler takes for all of these libraries, by the median time of those of the same
    /// architecture, sizes and quantization, or else of all for the same device; none where nothing
    /// was compiled for that device.
    pub fn of<'a>(
        libraries: impl IntoIterator<Item = &'a CompileInputs>,
        records: &[CompileRecord],
    ) -> Option<Self> {
        let mut all = 0.0;
        let mut known = false;
        for inputs in libraries {
            all += one(inputs, records)?;
            known = true;
        }
        known.then_some(Self(all))
    }
}

fn one(inputs: &CompileInputs, records: &[CompileRecord]) -> Option<f64> {
    let of_device = records.iter().filter(|record| record.inputs.device == inputs.device);
    let alike = of_device.clone().filter(|record| {
        let old = &record.inputs;
        old.model_type == inputs.model_type
            && old.quantization == inputs.quantization
            && shape(old) == shape(inputs)
    });
    median(alike).or_else(|| median(of_device))
}

fn median<'a>(records: impl Iterator<Item = &'a CompileRecord>) -> Option<f64> {
    let mut times: Vec<_> = records.map(|record| record.seconds).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

impl Estimate {
    /// Shorter times are over before anyone has read them.
    const WORTH_A_WORD: f64 = 10.0;

    /// It, where it is worth a word; shared among so many compilers at a time.
    pub fn words(estimate: Option<Self>, at_a_time: usize) -> Option<String> {
        let shared = Self(estimate?.0 / at_a_time.max(1) as f64);
        (shared.0 >= Self::WORTH_A_WORD).then(|| shared.to_string())
    }

    /// The same in parentheses, behind something else.
    pub fn shown(estimate: Option<Self>, at_a_time: usize) -> String {
        Self::words(estimate, at_a_time).map_or_else(String::new, |time| format!(" ({time})"))
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds < 90.0 => write!(f, "about {:.0} s", seconds),
            seconds => write!(f, "about {:.0} min", seconds / 60.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Estimate;

    #[test]
    fn short_times_are_not_shown() {
        let shown = |seconds, at_a_time| Estimate::shown(Some(Estimate(seconds)), at_a_time);
        assert_eq!(shown(9.0, 1), "");
        assert_eq!(shown(42.4, 1), " (about 42 s)");
        assert_eq!(shown(360.0, 2), " (about 3 min)");
        assert_eq!(Estimate::shown(None, 2), "");
    }
}
