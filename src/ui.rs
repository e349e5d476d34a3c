//! What a person sees while the work is done: one line a stage on standard error.

mod fold;
pub mod heartbeat;
mod progress;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use camino::Utf8Path;

use self::heartbeat::{Heartbeat, Said};
use crate::io::files;
use crate::model::{self, Tone};

pub use self::heartbeat::counted;
pub use self::progress::Progress;

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// A line a stage.
    #[default]
    Normal,
    /// Details too.
    Verbose,
}

/// Standard error, in lines with an aligned first word, as cargo writes them. Clones are one voice.
#[derive(Clone)]
pub struct Ui {
    verbosity: Verbosity,
    github: bool,
    animated: bool,
    /// Whether a person reads on a terminal.
    watched: bool,
    /// How often it is said that long work goes on, where nothing moves; none for never.
    beat: Option<Duration>,
    running: Arc<Mutex<Running>>,
}

/// What runs, and since when. A spinner shows it on a terminal, a line now and then elsewhere.
#[derive(Default)]
struct Running {
    bar: Option<indicatif::ProgressBar>,
    heartbeat: Option<Heartbeat>,
    tasks: Vec<RunningTask>,
}

/// Something that takes its time.
struct RunningTask {
    /// What is done to it.
    verb: &'static str,
    name: String,
    /// What is known of its time beforehand, as it is shown; empty where nothing is.
    expected: String,
    since: Instant,
}

/// More of a message than this, in characters, is some file's: names in it may have any length.
const LONGEST: usize = 8000;
/// No more lines of one either.
const MOST_LINES: usize = 60;
/// GitHub shows 4096 bytes of an annotation; in UTF-8 a character may take four.
const ANNOTATION: usize = 1000;

const GOOD: Style = Tone::Good.style();
const WARNING: Style = Tone::Warning.style();
const ERROR: Style = Tone::Bad.style();
const HELP: Style = AnsiColor::Cyan.on_default().bold();

impl Ui {
    /// A voice for this process. `github`: long logs are folded as GitHub Actions folds them.
    pub fn new(verbosity: Verbosity, github: bool) -> Self {
        let watched = !github && std::io::stderr().is_terminal();
        Self {
            verbosity,
            github,
            animated: watched && verbosity == Verbosity::Normal,
            watched,
            beat: None,
            running: Arc::default(),
        }
    }

    /// The same with a line each time that this much of long work is done, where nothing moves.
    pub fn beating(self, every: Option<Duration>) -> Self {
        Self { beat: every.filter(|_| self.verbosity >= Verbosity::Normal), ..self }
    }

    /// The same without anything that moves: nobody watches, and on a terminal it would be mixed
    /// with the lines of a job's log.
    pub fn still(self) -> Self {
        Self { animated: false, ..self }
    }

    /// Whether a person watches a terminal: then there are bars and spinners.
    fn is_animated(&self) -> bool {
        self.animated
    }

    /// Says what was or is being done: `   Compiling phi-2`.
    pub fn status(&self, verb: &str, message: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.lines(&format!("{GOOD}{verb:>12}{GOOD:#} "), message);
        }
    }

    /// Says a detail.
    pub fn detail(&self, verb: &str, message: &str) {
        if self.verbosity >= Verbosity::Verbose {
            self.status(verb, message);
        }
    }

    /// Says something that is not as it should be.
    pub fn warn(&self, message: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.lines(&format!("{WARNING}warning{WARNING:#}: "), message);
        }
    }

    /// Says why something is asked for again, and when.
    pub fn retrying(&self, why: &str, after: Duration) {
        self.warn(&format!("{why}; retrying in {}", seconds(after)));
    }

    /// Says why the run failed, and what to do.
    pub fn error(&self, message: &str, help: Option<&str>) {
        self.lines(&format!("{ERROR}error{ERROR:#}: "), message);
        if let Some(help) = help {
            self.note("help", help);
        }
    }

    /// Adds something to an error.
    pub fn note(&self, what: &str, text: &str) {
        match what {
            "|" => self.lines(&format!("  {HELP}|{HELP:#} "), text),
            what => self.lines(&format!("  {HELP}{what}{HELP:#}: "), text),
        }
    }

    /// Writes a text behind what a line begins with. If it has several lines (a server's or a parser's
    /// words do), the others follow as notes: none of them can be taken for a command.
    fn lines(&self, begin: &str, text: &str) {
        let mut lines = split(text, LONGEST).into_iter();
        self.folded(begin, None, &lines.next().unwrap_or_default());
        let bar = format!("  {HELP}|{HELP:#} ");
        for line in lines {
            self.folded(&bar, Some(&bar), &line);
        }
    }

    /// Writes a line so that it fits the terminal, and goes on behind `again`, or below its own text.
    /// Elsewhere it stays whole, for those who search it.
    fn folded(&self, begin: &str, again: Option<&str>, line: &str) {
        if !self.watched {
            return self.line(&format!("{begin}{line}"));
        }
        let taken = anstream::adapter::strip_str(begin).to_string().chars().count();
        let below = " ".repeat(taken);
        let mut before = begin;
        for line in fold::folded(line, taken, width()) {
            self.line(&format!("{before}{line}"));
            before = again.unwrap_or(&below);
        }
    }

    /// Lets somebody write lines of their own, which fit the given width. Quiet or not, they are
    /// shown if they are about an `error`.
    pub fn block(
        &self,
        error: bool,
        write: impl FnOnce(usize, &mut dyn std::io::Write) -> std::io::Result<()>,
    ) {
        if error || self.verbosity >= Verbosity::Normal {
            // As with lines: a closed standard error is no reason to stop a build.
            let _ = write(width(), &mut anstream::stderr().lock());
        }
    }

    /// Whether this is a job of GitHub Actions.
    pub fn in_github(&self) -> bool {
        self.github
    }

    /// Puts an error on the page of a job of GitHub Actions.
    pub fn annotate(&self, message: &str) {
        let cut: String = message.chars().take(ANNOTATION).collect();
        // What is in it may be foreign; a command ends with its line.
        self.line(&format!("::error title=mlc-package::{}", crate::github::escape_data(&cut)));
    }

    /// A program's log: folded in a job of GitHub Actions, plain lines for whoever asks for
    /// details, nothing else.
    pub fn log(&self, title: &str, text: &str) {
        if self.github && self.verbosity >= Verbosity::Normal {
            // The log of the job is the last place to complain about the log of the job.
            let _ = crate::github::group(&mut std::io::stderr().lock(), title, text);
        } else if self.verbosity >= Verbosity::Verbose {
            for line in text.lines() {
                self.line(&format!("{:>12} {line}", "|"));
            }
        }
    }

    /// A program's log that lies in a file. Whoever cannot read it is told its path by the error, or
    /// does not need it.
    pub fn log_file(&self, title: &str, path: &Utf8Path) {
        if let Ok(text) = files::read(path) {
            self.log(title, &String::from_utf8_lossy(&text));
        }
    }

    /// Shows that something is running, until [`end`](Self::end): `verb` says what is done to it.
    pub fn begin(&self, verb: &'static str, name: &str) {
        self.begin_expected(verb, name, "");
    }

    /// The same with what is known of it beforehand: `2 of 6, about 3 min`.
    pub fn begin_expected(&self, verb: &'static str, name: &str, expected: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.tasks.push(RunningTask {
            verb,
            name: name.to_owned(),
            expected: expected.to_owned(),
            since: Instant::now(),
        });
        if running.bar.is_none() && self.is_animated() {
            running.bar = Some(spinner());
        } else if running.heartbeat.is_none() && !self.is_animated() {
            running.heartbeat = Heartbeat::begin(self);
        }
        running.show();
    }

    /// Ends what [`begin`](Self::begin) began.
    pub fn end(&self, name: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.tasks.retain(|running| running.name != name);
        running.show();
    }

    fn line(&self, text: &str) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed standard error is no reason to stop a build.
        let write = || drop(writeln!(anstream::stderr().lock(), "{text}"));
        match &running.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// Files on their way: a bar each and one for all on a terminal, a line every tenth of a big
/// file elsewhere.
pub struct Transfer<'a> {
    ui: &'a Ui,
    /// What is being done and what was done, as lines begin with it.
    verbs: [&'static str; 2],
    bars: Option<Bars>,
    files: Mutex<BTreeMap<String, File>>,
    said: Said,
}

struct Bars {
    all: indicatif::MultiProgress,
    /// Of everything that is to come.
    total: indicatif::ProgressBar,
}

struct File {
    bytes: u64,
    so_far: u64,
    bar: Option<indicatif::ProgressBar>,
}

impl<'a> Transfer<'a> {
    /// Below this, only that a file has come is said, in bytes.
    const BIG: u64 = 64 << 20;

    /// Nothing is on its way yet; so many bytes are to come.
    pub fn new(ui: &'a Ui, bytes: u64) -> Self {
        Self::named(ui, bytes, ["Downloading", "Downloaded"])
    }

    /// The same in the other direction.
    pub fn sending(ui: &'a Ui, bytes: u64) -> Self {
        Self::named(ui, bytes, ["Uploading", "Uploaded"])
    }

    /// The same into archives.
    pub fn packing(ui: &'a Ui) -> Self {
        Self::named(ui, 0, ["Packing", "Packed"])
    }

    fn named(ui: &'a Ui, bytes: u64, verbs: [&'static str; 2]) -> Self {
        let bars = ui.is_animated().then(|| {
            let all = indicatif::MultiProgress::new();
            let total = all.add(byte_bar("all files", bytes));
            Bars { all, total }
        });
        Self { ui, verbs, bars, files: Mutex::default(), said: Said::now() }
    }

    /// A file begins.
    pub fn begin(&self, name: &str, bytes: u64) {
        let bar = self
            .bars
            .as_ref()
            .map(|bars| bars.all.insert_before(&bars.total, byte_bar(name, bytes)));
        self.files().insert(name.to_owned(), File { bytes, so_far: 0, bar });
    }

    /// So many bytes of it are here.
    pub fn at(&self, name: &str, so_far: u64) {
        let mut files = self.files();
        let Some(file) = files.get_mut(name) else { return };
        let before = std::mem::replace(&mut file.so_far, so_far);
        if let (Some(bar), Some(bars)) = (&file.bar, &self.bars) {
            bar.set_position(so_far);
            // It goes back when a file begins anew.
            bars.total.set_position((bars.total.position() + so_far).saturating_sub(before));
            return;
        }
        let tenths = |bytes: u64| bytes.saturating_mul(10).checked_div(file.bytes).unwrap_or(10);
        let is_tenth = file.bytes >= Self::BIG && tenths(so_far) > tenths(before);
        if tenths(so_far) < 10 && (is_tenth || self.said.is_due(self.ui)) {
            let percent = match is_tenth {
                true => tenths(so_far) * 10,
                false => so_far.saturating_mul(100).checked_div(file.bytes).unwrap_or(100),
            };
            self.ui.status(self.verbs[0], &format!("{name}: {percent} %"));
        }
    }

    /// It is whole.
    pub fn end(&self, name: &str) {
        let Some(file) = self.files().remove(name) else { return };
        if let (Some(bar), Some(bars)) = (file.bar, &self.bars) {
            bar.finish_and_clear();
            bars.total.inc(file.bytes.saturating_sub(file.so_far));
            if bars.total.position() >= bars.total.length().unwrap_or_default() {
                bars.total.finish_and_clear();
            }
        }
        let line = format!("{name} ({})", crate::model::ByteSize(file.bytes));
        match file.bytes >= Self::BIG {
            true => self.ui.status(self.verbs[1], &line),
            false => self.ui.detail(self.verbs[1], &line),
        }
    }

    /// It is not coming, for now.
    pub fn forget(&self, name: &str) {
        let Some(file) = self.files().remove(name) else { return };
        if let (Some(bar), Some(bars)) = (file.bar, &self.bars) {
            bar.finish_and_clear();
            bars.total.set_position(bars.total.position().saturating_sub(file.so_far));
        }
    }

    /// It has to be asked for again.
    pub fn retry(&self, name: &str, why: &str, after: Duration) {
        self.between(|| self.ui.retrying(&format!("{name}: {why}"), after));
    }

    /// Says something that is not as it should be.
    pub fn warn(&self, message: &str) {
        self.between(|| self.ui.warn(message));
    }

    /// Writes a line where the bars are.
    fn between(&self, say: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.all.suspend(say),
            None => say(),
        }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After a failure no half bar stays on the terminal.
impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            // A terminal that is gone needs no clearing.
            let _ = bars.all.clear();
        }
    }
}

impl Running {
    /// What is done to all that runs.
    fn verb(&self) -> &'static str {
        let mut verbs = self.tasks.iter().map(|task| task.verb);
        match verbs.next() {
            Some(first) if verbs.all(|verb| verb == first) => first,
            _ => "Running",
        }
    }

    fn show(&mut self) {
        if self.tasks.is_empty() {
            self.heartbeat = None;
            if let Some(bar) = self.bar.take() {
                bar.finish_and_clear();
            }
        } else if let Some(bar) = &self.bar {
            let tasks = self.tasks.iter().map(|task| match task.expected.as_str() {
                "" => task.name.clone(),
                expected => format!("{} ({expected})", task.name),
            });
            let tasks = tasks.collect::<Vec<_>>().join(", ");
            bar.set_message(format!("{} {tasks}", self.verb()));
        }
    }
}

/// The lines of a text, each as it may be shown, with so many characters at most. Those that are empty are left out, and so are the last
/// of very many. What stands between backticks is a name: an end of a line in it is shown as `\n`.
pub(crate) fn split(text: &str, most: usize) -> Vec<String> {
    let mut left = most;
    let mut shown = Vec::new();
    let mut in_name = false;
    let ends = |c: char| {
        in_name ^= c == '`';
        c == '\n' && !in_name
    };
    for line in text.split(ends).map(str::trim_end).filter(|line| !line.is_empty()) {
        if left == 0 || shown.len() == MOST_LINES {
            shown.push("…".to_owned());
            break;
        }
        let line = model::visible(line, left);
        left = left.saturating_sub(line.chars().count());
        shown.push(line.into_owned());
    }
    shown
}

/// A wait, as a person counts it.
fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{seconds} s"),
    }
}

/// The width of the terminal, or what is read well where there is none.
fn width() -> usize {
    match terminal_size::terminal_size_of(std::io::stderr()) {
        Some((terminal_size::Width(columns), _)) => usize::from(columns).clamp(40, 140),
        None => 100,
    }
}

fn byte_bar(name: &str, bytes: u64) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(bytes).with_message(name.to_owned());
    let template = "   {wide_msg} {binary_bytes:>10} of {binary_total_bytes:>10} \
                    {binary_bytes_per_sec:>12} {eta:>4}";
    // A fixed template; should it ever not parse, the default is as good.
    if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn spinner() -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new_spinner();
    // A fixed template; should it ever not parse, the default is as good.
    if let Ok(style) = indicatif::ProgressStyle::with_template("   {spinner} {elapsed} {wide_msg}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, MOST_LINES};

    fn split(text: &str) -> Vec<String> {
        super::split(text, LONGEST)
    }

    #[test]
    fn a_message_is_lines_with_an_end() {
        assert_eq!(split("a\n\nb \r\n  c\n"), ["a", "b", "  c"]);
        assert_eq!(split("`a\nb` is\nwrong, `c"), [r"`a\nb` is", "wrong, `c"]);
        assert_eq!(split("a\rb\x1b[2J\n##[error]x"), [r"a\rb\u{1b}[2J", r"##\u{5b}error]x"]);
        assert_eq!(split(""), [""; 0]);
        let shown = |text: &str| split(text).concat().chars().count();
        assert_eq!(shown(&"é".repeat(LONGEST)), LONGEST);
        assert!(split(&"é".repeat(1 << 20)).concat().ends_with("é…"));
        assert!(
            shown(&"é\n".repeat(1 << 20)) <= LONGEST
                && split(&"é\n".repeat(99)).len() <= MOST_LINES + 1
        );
    }
}
