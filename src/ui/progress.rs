//! How far something is that works through bytes.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use super::heartbeat::Said;
use super::{Ui, byte_bar};
use crate::model::ByteSize;

/// Work on a number of bytes: a bar with rate and time left on a terminal, elsewhere a line every
/// tenth of a big job.
pub struct Progress<'a> {
    ui: &'a Ui,
    verb: &'static str,
    what: String,
    bytes: u64,
    began: Instant,
    so_far: Mutex<u64>,
    bar: Option<indicatif::ProgressBar>,
    said: Said,
}

impl<'a> Progress<'a> {
    /// Below this it is over before anyone has read a line.
    const BIG: u64 = 4 << 30;

    /// Nothing is done yet: `Converting`, `tiny-llama`.
    pub fn new(ui: &'a Ui, verb: &'static str, what: &str, bytes: u64) -> Self {
        let what = what.to_owned();
        let bar = ui.is_animated().then(|| byte_bar(&format!("{verb} {what}"), bytes));
        Self {
            ui,
            verb,
            what,
            bytes,
            began: Instant::now(),
            so_far: Mutex::new(0),
            bar,
            said: Said::now(),
        }
    }

    /// So many bytes more are done.
    pub fn add(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
            return;
        }
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *so_far;
        *so_far = before.saturating_add(bytes);
        let tenths = |bytes: u64| bytes.saturating_mul(10).checked_div(self.bytes).unwrap_or(10);
        let is_tenth = self.bytes >= Self::BIG && tenths(*so_far) > tenths(before);
        if tenths(*so_far) < 10 && (is_tenth || self.said.is_due(self.ui)) {
            let seconds = self.began.elapsed().as_secs_f64().max(1e-3);
            let rate = *so_far as f64 / seconds;
            let left = self.bytes.saturating_sub(*so_far) as f64 / rate;
            let percent = so_far.saturating_mul(100) / self.bytes;
            let rate = ByteSize(rate as u64);
            let line = format!("{}: {percent} %, {rate}/s, {left:.0} s left", self.what);
            self.ui.status(self.verb, &line);
        }
    }
}

/// Done or not, no bar stays on the terminal.
impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
