//! What was measured, in lines of equal shape.

use std::io::{self, Write as _};

use crate::measure::Sample;

/// The lines, and whether a target was missed.
pub(crate) struct Table {
    lines: Vec<String>,
    missed: bool,
}

impl Table {
    pub(crate) fn new(machine: String) -> Self {
        Self { lines: vec![machine], missed: false }
    }

    pub(crate) fn section(&mut self, title: String) {
        self.lines.push(format!("\n{title}"));
    }

    /// A time: the median and the least of all runs.
    pub(crate) fn time(&mut self, what: &str, sample: Sample) {
        let (median, least) = (sample.median * 1e3, sample.least * 1e3);
        self.line(what, &format!("{median:>9.1} ms  (least {least:.1})"));
    }

    /// A number that no target is set for.
    pub(crate) fn value(&mut self, what: &str, value: f64) {
        self.line(what, &format!("{value:>9.1}"));
    }

    /// How often one number is another.
    pub(crate) fn ratio(&mut self, what: &str, value: f64) {
        self.line(what, &format!("{value:>9.2} x"));
    }

    /// A number that may not be greater than the target.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, target: f64) {
        self.verdict(what, value, "at most", target, value <= target);
    }

    /// A number that may not be less than the target.
    pub(crate) fn at_least(&mut self, what: &str, value: f64, target: f64) {
        self.verdict(what, value, "at least", target, value >= target);
    }

    pub(crate) fn missed(&self) -> bool {
        self.missed
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for line in &self.lines {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn verdict(&mut self, what: &str, value: f64, bound: &str, target: f64, met: bool) {
        self.missed |= !met;
        let word = if met { "ok" } else { "MISSED" };
        self.line(what, &format!("{value:>9.1}     target: {bound} {target:.0}  {word}"));
    }

    fn line(&mut self, what: &str, rest: &str) {
        self.lines.push(format!("  {what:<42}{rest}"));
    }
}
