//! Sizes now and before, and how the difference is written.

use std::fmt;

use serde::Serialize;

use crate::model::ByteSize;

/// A difference of fewer bytes than this, and of a smaller share than [`NOTABLE_SHARE`], is not
/// worth a line.
const NOTABLE_BYTES: u64 = 64 << 10;

/// Half a percent.
const NOTABLE_SHARE: f64 = 0.005;

/// One size in bytes, now and in the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// The size now; none for what is no more.
    pub now: Option<u64>,
    /// The size in the baseline; none for what is new, or where there is no baseline.
    pub before: Option<u64>,
}

impl Measured {
    /// A size with a baseline, or without.
    pub fn new(now: impl Into<Option<u64>>, before: impl Into<Option<u64>>) -> Self {
        Self { now: now.into(), before: before.into() }
    }

    /// The size now, nothing for what is no more.
    pub fn bytes(self) -> u64 {
        self.now.unwrap_or_default()
    }

    /// The difference, where both are known. Sizes stay far below 2^63.
    pub fn delta(self) -> Option<i64> {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        Some(signed(self.now?) - signed(self.before?))
    }

    /// The difference as a share of the baseline; none where that is nothing.
    pub fn share(self) -> Option<f64> {
        let before = self.before.filter(|before| *before > 0)?;
        Some(self.delta()? as f64 / before as f64)
    }

    /// By how much it differs, whatever came or went.
    pub fn distance(self) -> u64 {
        self.bytes().abs_diff(self.before.unwrap_or_default())
    }

    /// Whether the difference is worth a line: 64 KiB or 0.5 %.
    pub fn is_notable(self) -> bool {
        let distance = self.delta().map_or(0, i64::unsigned_abs);
        let share = self.share().map_or(f64::INFINITY, f64::abs);
        distance > 0 && (distance >= NOTABLE_BYTES || share >= NOTABLE_SHARE)
    }
}

/// A difference in bytes with its sign: `+1.1 MiB`, `-12 B`, or nothing for none.
pub(super) struct Signed(pub(super) i64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.0 {
            0 => return f.pad(""),
            1.. => '+',
            _ => '-',
        };
        f.pad(&format!("{sign}{}", ByteSize(self.0.unsigned_abs())))
    }
}

/// A share of the baseline as percent: `+13.3 %`.
pub(super) struct Percent(pub(super) f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:+.1} %", self.0 * 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Measured, Percent, Signed};

    #[test]
    fn a_change_is_half_a_percent_or_64_kib() {
        let notable = |now: u64, before: u64| Measured::new(now, before).is_notable();
        assert!(!notable(1000, 1000));
        assert!(notable(1005, 1000));
        assert!(!notable(1004, 1000));
        assert!(notable(995, 1000));
        let gib = 1 << 30;
        assert!(!notable(gib + (64 << 10) - 1, gib));
        assert!(notable(gib + (64 << 10), gib));
        assert!(notable(gib - (64 << 10), gib));
        assert!(notable(1, 0));
        assert!(!Measured::new(1, None).is_notable());
        assert!(!Measured::new(None, 1).is_notable());
    }

    #[test]
    fn differences_have_a_sign_and_nothing_is_nothing() {
        let signed = [1_153_434, -12, 0].map(|bytes| Signed(bytes).to_string());
        assert_eq!(signed, ["+1.1 MiB", "-12 B", ""]);
        assert_eq!(Percent(0.1333).to_string(), "+13.3 %");
        assert_eq!(Percent(-0.005).to_string(), "-0.5 %");
        assert_eq!(Measured::new(5, 0).share(), None);
    }
}
