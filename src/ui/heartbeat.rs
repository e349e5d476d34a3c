//! Where nothing moves, a line now and then says that long work goes on.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Running, Ui};

/// How often a line is written, unless `MLC_PACKAGE_HEARTBEAT` says otherwise.
const USUAL: Duration = Duration::from_secs(60);

/// Lines from a thread of its own, until it is dropped.
pub(super) struct Heartbeat {
    _until: mpsc::Sender<()>,
}

impl Heartbeat {
    /// Begins to beat for what runs; it has to be said as this voice says it.
    pub(super) fn begin(ui: &Ui) -> Option<Self> {
        let every = ui.beat?;
        let (until, over) = mpsc::channel();
        let ui = ui.clone();
        let beat = move || {
            while over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let so_far = ui.running.lock().unwrap_or_else(PoisonError::into_inner).so_far();
                if let Some((verb, text)) = so_far {
                    ui.status(verb, &text);
                }
            }
        };
        // Without a thread there are no lines, and all else is done.
        std::thread::Builder::new().name("heartbeat".to_owned()).spawn(beat).ok()?;
        Some(Self { _until: until })
    }
}

/// How often lines are written: `seconds` is what the variable says; 0 turns them off.
pub fn every(seconds: Option<&str>) -> Option<Duration> {
    let seconds = seconds.and_then(|text| text.trim().parse().ok());
    let every = seconds.map_or(USUAL, Duration::from_secs);
    (!every.is_zero()).then_some(every)
}

/// When something was last said of work that is counted in bytes.
pub(super) struct Said(Mutex<Instant>);

impl Said {
    pub(super) fn now() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Whether it is time for another line; from then on it was said.
    pub(super) fn is_due(&self, ui: &Ui) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = ui.beat.is_some_and(|every| last.elapsed() >= every);
        if is_due {
            *last = Instant::now();
        }
        is_due
    }
}

/// A time, as a person counts it: `45 s`, `12 min`.
pub fn counted(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

impl Running {
    /// What is done to what, and for how long; nothing if nothing runs.
    fn so_far(&self) -> Option<(&'static str, String)> {
        let tasks = self.tasks.iter().map(|task| {
            let so_far = counted(task.since.elapsed());
            match task.expected.as_str() {
                "" => format!("{} ({so_far} so far)", task.name),
                expected => format!("{} ({expected}; {so_far} so far)", task.name),
            }
        });
        let tasks: Vec<_> = tasks.collect();
        (!tasks.is_empty()).then(|| (self.verb(), tasks.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{USUAL, counted, every};

    #[test]
    fn lines_can_be_turned_off() {
        assert_eq!(every(None), Some(USUAL));
        assert_eq!(every(Some("5")), Some(Duration::from_secs(5)));
        assert_eq!(every(Some("0")), None);
        assert_eq!(every(Some("often")), Some(USUAL));
    }

    #[test]
    fn times_are_counted_as_people_do() {
        let counted = |seconds| counted(Duration::from_secs(seconds));
        assert_eq!([counted(0), counted(119), counted(125)], ["0 s", "119 s", "2 min"]);
    }
}
