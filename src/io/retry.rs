//! How long to wait before asking again, and when to give up.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, SystemTime};

use super::clock::Clock;

/// How a request that failed is repeated.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// How often something is tried without getting further.
    pub attempts: u32,
    /// The same where a server answers that it is in trouble, or asks to wait: it is there, and
    /// most such troubles end within minutes.
    pub attempts_in_trouble: u32,
    /// The wait after the first failure; it doubles with each.
    pub first: Duration,
    /// The longest wait of our own.
    pub longest: Duration,
    /// The longest wait that a server may ask for.
    pub longest_asked: Duration,
    /// How time passes.
    pub clock: Clock,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            // With the waits below, one to two minutes.
            attempts_in_trouble: 12,
            first: Duration::from_millis(400),
            longest: Duration::from_secs(20),
            longest_asked: Duration::from_secs(120),
            clock: Clock::default(),
        }
    }
}

/// A failure that may not be one next time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// What happened.
    pub why: String,
    /// How long the server asks to wait.
    pub after: Option<Duration>,
    /// Whether a server said it: it is there, and in trouble.
    pub in_trouble: bool,
}

impl Passing {
    /// Of the way to the server.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), after: None, in_trouble: false }
    }

    /// Of a server that answers, and asks to wait so long.
    pub fn in_trouble(why: impl Into<String>, after: Option<Duration>) -> Self {
        Self { why: why.into(), after, in_trouble: true }
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
    pub fn failed(&mut self, passing: &Passing) -> Option<Duration> {
        self.failures += 1;
        let attempts = match passing.in_trouble {
            true => self.policy.attempts.max(self.policy.attempts_in_trouble),
            false => self.policy.attempts,
        };
        if self.failures >= attempts {
            return None;
        }
        Some(match passing.after {
            Some(asked) => asked.min(self.policy.longest_asked),
            None => {
                let doubled = self.policy.first.saturating_mul(1 << (self.failures - 1).min(20));
                doubled.min(self.policy.longest).mul_f64(0.5 + chance() / 2.0)
            }
        })
    }
}

/// Reads a `Retry-After` header (RFC 9110, 10.2.3): seconds, or a date.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    Some(then.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Reads a `RateLimit` header (draft-ietf-httpapi-ratelimit-headers), as the Hub sends it:
/// `"resolvers";r=0;t=280`. Gives the time until the limits that are used up are lifted; several
/// limits are separated by commas.
pub fn rate_limit(value: &str) -> Option<Duration> {
    let used_up = value.split(',').filter_map(|limit| {
        let number = |name: &str| {
            let mut parameters = limit.split(';').skip(1).filter_map(|text| text.split_once('='));
            let (_, value) = parameters.find(|(key, _)| key.trim() == name)?;
            value.trim().parse::<u64>().ok()
        };
        let (left, seconds) = (number("r")?, number("t")?);
        (left == 0).then_some(Duration::from_secs(seconds))
    });
    used_up.max()
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

    use super::{Backoff, Passing, RetryPolicy, rate_limit, retry_after};

    fn policy() -> RetryPolicy {
        RetryPolicy {
            attempts: 5,
            attempts_in_trouble: 8,
            first: Duration::from_millis(100),
            longest: Duration::from_millis(300),
            longest_asked: Duration::from_secs(9),
            ..RetryPolicy::default()
        }
    }

    fn asked(after: Option<Duration>) -> Passing {
        Passing { after, ..Passing::new("") }
    }

    #[test]
    fn waits_double_within_limits_and_end() {
        let policy = policy();
        let mut backoff = Backoff::new(&policy);
        for longest in [100, 200, 300, 300] {
            let wait = backoff.failed(&asked(None)).unwrap().as_millis();
            assert!((longest / 2..=longest).contains(&wait), "{wait} of {longest}");
        }
        assert_eq!(backoff.failed(&asked(None)), None);
        backoff.reset();
        let mut failed = |seconds| backoff.failed(&asked(Some(Duration::from_secs(seconds))));
        assert_eq!(failed(7), Some(Duration::from_secs(7)));
        assert_eq!(failed(70), Some(Duration::from_secs(9)));
    }

    #[test]
    fn a_server_in_trouble_is_given_minutes() {
        let policy = RetryPolicy::default();
        let mut backoff = Backoff::new(&policy);
        let trouble = Passing::in_trouble("503", None);
        let waited: Duration = std::iter::from_fn(|| backoff.failed(&trouble)).sum();
        assert!(waited > Duration::from_secs(50), "{waited:?}");
        assert!(waited < Duration::from_secs(300), "{waited:?}");
        let mut backoff = Backoff::new(&policy);
        let waited: Duration = std::iter::from_fn(|| backoff.failed(&asked(None))).sum();
        assert!(waited < Duration::from_secs(15), "{waited:?}");
    }

    #[test]
    fn a_rate_limit_is_the_time_of_what_is_used_up() {
        let seconds = |text: &str| rate_limit(text).map(|limit| limit.as_secs());
        assert_eq!(seconds(r#""resolvers";r=0;t=280"#), Some(280));
        assert_eq!(seconds(r#""api"; r=12; t=300, "resolvers"; r=0; t=17"#), Some(17));
        assert_eq!(seconds(r#""resolvers";t=5;r=0"#), Some(5));
        for text in ["", r#""resolvers";r=3;t=280"#, r#""resolvers";r=0"#, "r=0;t=x", ";;,="] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_rate_limit_is_a_time_or_none(
            left in 0..3_u64, seconds: u64, noise in "[\"a-z;=,rt0-9 ]{0,40}|\\PC{0,20}",
        ) {
            let header = format!("\"x\";r={left};t={seconds}");
            let expected = (left == 0).then(|| Duration::from_secs(seconds));
            prop_assert_eq!(rate_limit(&header), expected);
            if rate_limit(&noise).is_some() {
                prop_assert!(noise.contains("r=") && noise.contains("t="), "{}", noise);
            }
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
            let policy = policy();
            let mut backoff = Backoff::new(&policy);
            let asked = retry_after(&value, UNIX_EPOCH);
            let wait = backoff.failed(&super::Passing { after: asked, ..Passing::new("") }).unwrap();
            prop_assert!(wait <= policy.longest_asked.max(policy.longest), "{wait:?}");
            if let Ok(seconds) = value.parse() {
                prop_assert_eq!(asked, Some(Duration::from_secs(seconds)));
            } else if let Some(until) = asked {
                // A day of four digits' years at the most.
                prop_assert!(until.as_secs() < 253_402_387_200, "{until:?}");
            }
        }
    }
}
