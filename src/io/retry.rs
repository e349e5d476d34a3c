//! How long to wait before asking again, and when to give up.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cancel::Cancel;

/// How a request that failed is repeated.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// How often something is tried without getting further.
    pub attempts: u32,
    /// The wait after the first failure; it doubles with each.
    pub first: Duration,
    /// The longest wait of our own.
    pub longest: Duration,
    /// The longest wait that a server may ask for.
    pub longest_asked: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            first: Duration::from_millis(400),
            longest: Duration::from_secs(20),
            longest_asked: Duration::from_secs(120),
        }
    }
}

/// The failures of one request so far.
#[derive(Debug)]
pub struct Backoff<'p> {
    policy: &'p RetryPolicy,
    failures: u32,
}

impl<'p> Backoff<'p> {
    /// No failures yet.
    pub fn new(policy: &'p RetryPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// Something was achieved: the count begins anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How often it failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure. Gives the time to wait, as long as the server asked (up to a limit) or
    /// twice as long as the last time, less up to a half by chance; `None` is the time to give
    /// up.
    pub fn failed(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.failures += 1;
        if self.failures >= self.policy.attempts {
            return None;
        }
        Some(match asked {
            Some(asked) => asked.min(self.policy.longest_asked),
            None => {
                let doubled = self.policy.first.saturating_mul(1 << (self.failures - 1).min(20));
                doubled.min(self.policy.longest).mul_f64(0.5 + chance() / 2.0)
            }
        })
    }
}

/// Waits, unless somebody asks to stop; says whether the wait came to its end.
pub fn wait(time: Duration, cancel: &Cancel) -> bool {
    const TICK: Duration = Duration::from_millis(50);
    let end = std::time::Instant::now() + time;
    loop {
        if cancel.is_cancelled() {
            return false;
        }
        let rest = end.saturating_duration_since(std::time::Instant::now());
        if rest.is_zero() {
            return true;
        }
        std::thread::sleep(rest.min(TICK));
    }
}

/// Reads a `Retry-After` header (RFC 9110, 10.2.3): seconds, or a date.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = UNIX_EPOCH + Duration::from_secs(http_date(value)?);
    Some(then.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Seconds since 1970 of an IMF-fixdate, the one form that may be sent (RFC 9110, 5.6.7):
/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let fields: Vec<&str> = rest.split([' ', ':']).collect();
    let [day, month, year, hour, minute, second, "GMT"] = fields[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let number = |text: &str, limit: u64| text.parse().ok().filter(|n: &u64| *n <= limit);
    let (day, year) = (number(day, 31)?, number(year, 9999).filter(|year| *year >= 1970)?);
    let (hour, minute, second) = (number(hour, 23)?, number(minute, 59)?, number(second, 60)?);
    // Days since 1970 of a date, by the count of leap days; the year begins in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// A number from 0 to 1, of no use but to spread clients over time.
fn chance() -> f64 {
    // Its keys are random.
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::{Backoff, RetryPolicy, http_date, retry_after};

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 5,
        first: Duration::from_millis(100),
        longest: Duration::from_millis(300),
        longest_asked: Duration::from_secs(9),
    };

    #[test]
    fn waits_double_within_limits_and_end() {
        let mut backoff = Backoff::new(&POLICY);
        for longest in [100, 200, 300, 300] {
            let wait = backoff.failed(None).unwrap().as_millis();
            assert!((longest / 2..=longest).contains(&wait), "{wait} of {longest}");
        }
        assert_eq!(backoff.failed(None), None);
        backoff.reset();
        assert_eq!(backoff.failed(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(backoff.failed(Some(Duration::from_secs(70))), Some(Duration::from_secs(9)));
    }

    #[test]
    fn dates_are_counted_as_the_calendar_has_them() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200),
            ("Fri, 31 Dec 2100 23:59:59 GMT", 4_133_980_799),
        ] {
            assert_eq!(http_date(text), Some(seconds), "{text}");
        }
        for text in ["", "Sun, ", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 28:49:37 GMT"]
        {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(date, now + Duration::from_secs(60)), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    proptest! {
        #[test]
        fn any_header_is_a_time_that_can_be_waited_or_none(
            value in "[0-9]{0,25}|[A-Z][a-z]{2}, [0-9+]{1,3} (Feb|Dec|Mai) [0-9]{1,5} [0-9:]{5,9} GMT|\\PC{0,40}",
        ) {
            let mut backoff = Backoff::new(&POLICY);
            let asked = retry_after(&value, UNIX_EPOCH);
            let wait = backoff.failed(asked).unwrap();
            prop_assert!(wait <= POLICY.longest_asked.max(POLICY.longest), "{wait:?}");
            if let Ok(seconds) = value.parse() {
                prop_assert_eq!(asked, Some(Duration::from_secs(seconds)));
            } else if let Some(until) = asked {
                // A day of four digits' years at the most.
                prop_assert!(until.as_secs() < 253_402_387_200, "{until:?}");
            }
        }
    }
}
