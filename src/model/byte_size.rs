use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A size in bytes, printed in binary units with one decimal: `38.2 MiB`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        // 1023.95 would print as "1024.0 KiB".
        while value >= 1023.95 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        f.pad(&format!("{value:.1} {}", UNITS[unit]))
    }
}

/// A text that is no size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a size such as 2GiB, 500M or 1.5GB")]
pub struct NotASize;

/// What [`Display`](fmt::Display) prints, with or without the space and in any case; a fraction; and
/// the decimal units too. `2G` is `2GiB`, as coreutils and container engines have it.
impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(NotASize)?;
        let (number, unit) = text.split_at(end);
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        let unit = bytes_of(unit).ok_or(NotASize)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.len() > 6 {
            return Err(NotASize);
        }
        let digits = |text: &str| text.parse::<u64>().map_err(|_| NotASize);
        let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| NotASize)?);
        let value = u128::from(digits(whole)?) * scale + u128::from(digits(fraction)?);
        u64::try_from(value * u128::from(unit) / scale).map(Self).map_err(|_| NotASize)
    }
}

/// The bytes of a unit.
fn bytes_of(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    if unit == "b" {
        return Some(1);
    }
    let (letter, rest) = unit.split_at_checked(1)?;
    let power = u32::try_from("kmgtp".find(letter)?).ok()? + 1;
    match rest {
        "" | "i" | "ib" => Some(1024_u64.pow(power)),
        "b" => Some(1000_u64.pow(power)),
        _ => None,
    }
}

impl std::iter::Sum for ByteSize {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        Self(total(iter.map(|size| size.0)))
    }
}

/// The sum of sizes that a stranger may have written: the largest number where it would be more.
pub fn total(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ByteSize, NotASize};

    #[test]
    fn prints_one_decimal_and_never_1024_of_a_unit() {
        let printed = |n| ByteSize(n).to_string();
        assert_eq!(printed(0), "0 B");
        assert_eq!(printed(1023), "1023 B");
        assert_eq!(printed(1024), "1.0 KiB");
        assert_eq!(printed(1_048_575), "1.0 MiB");
        assert_eq!(printed(40_055_603), "38.2 MiB");
        assert_eq!(printed(3 << 30), "3.0 GiB");
        assert_eq!(printed((1 << 50) - 1), "1.0 PiB");
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0B", 0),
            ("2GiB", 2 << 30),
            ("1.5 GiB", 3 << 29),
            ("500MB", 500_000_000),
            ("10kB", 10_000),
            ("0.25KiB", 256),
            ("1.0 PiB", 1 << 50),
            ("2G", 2 << 30),
            ("500M", 500 << 20),
            ("1 k", 1 << 10),
            ("2Gi", 2 << 30),
            ("2gib", 2 << 30),
            ("5mb", 5_000_000),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in [
            "",
            "2",
            "2Q",
            "2GG",
            "2GiBs",
            "GiB",
            "-1GiB",
            "+1GiB",
            "1.GiB",
            ".5GiB",
            "1.2.3GiB",
            "2  GiB",
            "2é",
            " 2GiB",
            "2GiB ",
            "1e3MiB",
            "99999999999999999999B",
            "99999999TiB",
            "١GiB",
        ] {
            assert_eq!(text.parse::<ByteSize>(), Err(NotASize), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(bytes in prop_oneof![0..=u64::MAX, 0..1_u64 << 50]) {
            let printed = ByteSize(bytes).to_string();
            let read: ByteSize = printed.parse().unwrap();
            prop_assert_eq!(read.to_string(), printed);
        }

        #[test]
        fn any_text_is_a_size_or_not(text in "[0-9.]{0,25} ?[kKMGTiB]{0,3}|\\PC{0,9}") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
