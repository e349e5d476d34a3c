//! How a failed run is told: on standard error, in a job of GitHub Actions on its page too, and by
//! copies of the logs.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::config::render::explaining;
use crate::error::Error;
use crate::exit::Exit;
use crate::io::kept_log;
use crate::stage_error::Message;
use crate::ui::{self, Ui};

/// Says why a run failed. In a job, one annotation says it on the job's page; the logs of what
/// failed are copied into `log_dir`.
pub(super) fn tell(error: &Error, ui: &Ui, log_dir: Option<&Utf8Path>) {
    let mut telling =
        Telling { ui, annotation: String::new(), logs: Vec::new(), codes: Vec::new() };
    telling.error(error);
    let Telling { annotation, logs, codes, .. } = telling;
    if let Some((name, command)) = explaining(codes.iter().map(String::as_str), WIDTH) {
        ui.note(&name, &command);
    }
    for log in log_dir.iter().flat_map(|dir| logs.iter().map(move |log| (dir, log))) {
        if let Err(why) = kept_log::copy_into(log.1, log.0) {
            ui.warn(&format!("the log `{}` could not be copied: {why}", log.1));
        }
    }
    if ui.in_github() && !matches!(error.exit(), Exit::Interrupted) {
        ui.annotate(annotation.trim_end());
    }
}

/// More of a message than this, in characters, is some file's: names in it may have any length.
const LONGEST: usize = 1000;

/// The columns that a list of codes may take.
const WIDTH: usize = 80;

/// A failed run that is being told.
struct Telling<'a> {
    ui: &'a Ui,
    /// What the job's page will say: a line a problem.
    annotation: String,
    /// The logs of what failed.
    logs: Vec<Utf8PathBuf>,
    /// The codes of the problems.
    codes: Vec<String>,
}

impl Telling<'_> {
    /// One error a problem, each with what to do.
    fn error(&mut self, error: &Error) {
        if let Error::Packages(failed) = error {
            for (name, why) in failed {
                if failed.len() > 1 {
                    self.ui.status("Failed", name);
                    self.annotate(&format!("package {name}:"));
                }
                self.error(why);
            }
        }
        error.messages().iter().for_each(|message| self.message(message));
    }

    fn message(&mut self, message: &Message<'_>) {
        let Message { text, code, items, exception, output, log, help, is_shown } = message;
        let text = &match code {
            Some(code) => format!("[{code}] {text}"),
            None => text.clone(),
        };
        self.codes.extend(code.clone());
        if *is_shown {
            return self.annotate(text);
        }
        let because = |line: Option<&str>| match line {
            Some(line) => format!("{text}: {line}"),
            None => text.clone(),
        };
        self.ui.error(&because(*exception), None);
        // What the message quotes is not said again.
        let is_new = |line: &&str| !text.contains(line.trim());
        // The lines themselves are in the job's log.
        let last = output.last().map(String::as_str).filter(is_new);
        self.annotate(&because(exception.or(last)));
        let says_more = output.iter().any(|line| is_new(&line.as_str()));
        let output = output.iter().filter(|_| says_more);
        items.iter().chain(output).for_each(|line| self.ui.note("|", line));
        if let Some(log) = log {
            self.ui.note("log", log.as_str());
            self.logs.push(log.to_path_buf());
        }
        if let Some(help) = help {
            self.ui.note("help", help);
            self.annotate(&format!("help: {help}"));
        }
    }

    fn annotate(&mut self, text: &str) {
        for line in ui::split(text, LONGEST) {
            // A String takes everything.
            let _ = writeln!(self.annotation, "{line}");
        }
    }
}
