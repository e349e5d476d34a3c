//! How a program ended, in words.

use std::fmt;
use std::time::Duration;

/// A duration in the largest unit that says it exactly.
pub struct Limit(pub Duration);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => write!(f, "{} ms", self.0.as_millis()),
            seconds if seconds % 3600 == 0 => write!(f, "{} h", seconds / 3600),
            seconds if seconds % 60 == 0 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{seconds} s"),
        }
    }
}

/// A signal as people know it; the numbers are those that all systems share.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL (a processor instruction this machine lacks)",
        6 => "SIGABRT (an internal error)",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV (a crash)",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}
