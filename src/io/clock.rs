//! Time as requests see it. A test has a clock of its own, and so waits for nothing.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::cancel::Cancel;

/// How often a wait looks whether somebody asked to stop.
const TICK: Duration = Duration::from_millis(50);

/// Seconds since 1970. A clock before that is no reason to fail.
pub fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A source of time.
pub trait Time: Send + Sync {
    /// The time since some moment in the past, the same one at each call.
    fn elapsed(&self) -> Duration;

    /// The date, for headers that name one.
    fn date(&self) -> SystemTime;

    /// Waits, unless somebody asks to stop; says whether the wait came to its end.
    fn wait(&self, time: Duration, cancel: &Cancel) -> bool;
}

/// A source of time that several threads share.
#[derive(Clone)]
pub struct Clock(Arc<dyn Time>);

impl Clock {
    /// Another source than the machine.
    pub fn new(time: impl Time + 'static) -> Self {
        Self(Arc::new(time))
    }
}

impl std::ops::Deref for Clock {
    type Target = dyn Time;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Machine { begun: Instant::now() })
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

struct Machine {
    begun: Instant,
}

impl Time for Machine {
    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn date(&self) -> SystemTime {
        SystemTime::now()
    }

    fn wait(&self, time: Duration, cancel: &Cancel) -> bool {
        let begun = Instant::now();
        loop {
            if cancel.is_cancelled() {
                return false;
            }
            let rest = time.saturating_sub(begun.elapsed());
            if rest.is_zero() {
                return true;
            }
            std::thread::sleep(rest.min(TICK));
        }
    }
}
