use std::fmt;
use std::str::FromStr;

/// How long ago something was, in seconds. Read as `30d`, printed as people say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(pub u64);

/// A text that is no age.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an age such as 30d, 12h, 45m or 2w")]
pub struct NotAnAge;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl FromStr for Age {
    type Err = NotAnAge;

    fn from_str(text: &str) -> Result<Self, NotAnAge> {
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(NotAnAge)?;
        let (number, unit) = text.split_at(end);
        let unit = match unit {
            "s" => 1,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            "w" => 7 * DAY,
            _ => return Err(NotAnAge),
        };
        let number: u64 = number.parse().map_err(|_| NotAnAge)?;
        number.checked_mul(unit).map(Self).ok_or(NotAnAge)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            seconds if seconds < MINUTE => return f.pad("just now"),
            seconds if seconds < 2 * HOUR => (seconds / MINUTE, "min"),
            seconds if seconds < 2 * DAY => (seconds / HOUR, "hours"),
            seconds => (seconds / DAY, "days"),
        };
        f.pad(&format!("{count} {unit} ago"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Age, NotAnAge};

    #[test]
    fn ages_are_read_with_their_unit() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("45m", 2700), ("12h", 43_200), ("30d", 2_592_000)]
        {
            assert_eq!(text.parse(), Ok(Age(seconds)), "{text}");
        }
        assert_eq!("2w".parse(), "14d".parse::<Age>());
        for text in [
            "",
            "30",
            "d",
            "-1d",
            "+1d",
            "1.5d",
            "30 d",
            " 30d",
            "30D",
            "30days",
            "1d12h",
            "99999999999999999999s",
            "9999999999999999999w",
            "١d",
        ] {
            assert_eq!(text.parse::<Age>(), Err(NotAnAge), "{text}");
        }
    }

    #[test]
    fn ages_are_said_in_one_unit() {
        for (seconds, text) in [
            (59, "just now"),
            (60, "1 min ago"),
            (7199, "119 min ago"),
            (7200, "2 hours ago"),
            (172_799, "47 hours ago"),
            (172_800, "2 days ago"),
            (40_000_000, "462 days ago"),
        ] {
            assert_eq!(Age(seconds).to_string(), text);
        }
    }
}
