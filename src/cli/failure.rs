//! How a failed run is told: on standard error, in a job of GitHub Actions on its page too, and by
//! copies of the logs.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::binding::checks::LinkedError;
use crate::compile::CompileError;
use crate::convert::ConvertError;
use crate::convert::weights::WeightsError;
use crate::doctor::DoctorError;
use crate::error::Error;
use crate::exit::Exit;
use crate::io::kept_log;
use crate::ui::{self, Ui};

/// Says why a run failed. In a job, one annotation says it on the job's page; the logs of what
/// failed are copied into `log_dir`.
pub(super) fn tell(error: &Error, ui: &Ui, log_dir: Option<&Utf8Path>) {
    let mut telling = Telling { ui, annotation: String::new(), logs: Vec::new() };
    telling.error(error);
    let Telling { annotation, logs, .. } = telling;
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

/// A failed run that is being told.
struct Telling<'a> {
    ui: &'a Ui,
    /// What the job's page will say: a line a problem.
    annotation: String,
    /// The logs of what failed.
    logs: Vec<Utf8PathBuf>,
}

impl Telling<'_> {
    /// One error a problem, each with what to do.
    fn error(&mut self, error: &Error) {
        match error {
            Error::Compile(errors) => {
                let (interrupted, others): (Vec<_>, Vec<_>) =
                    errors.0.iter().partition(|failed| failed.error.is_interrupted());
                for failed in others {
                    self.compile(failed.models.as_deref(), &failed.error);
                }
                // Of however many compilations.
                if let Some(failed) = interrupted.first() {
                    self.compile(None, &failed.error);
                }
            }
            Error::Toolchain(error) => {
                self.program(&error.to_string(), None, error.last_lines(), None, error.help());
            }
            Error::Binding(error) => {
                let (lines, log) = (error.last_lines(), error.log());
                self.program(&error.to_string(), None, lines, log, error.help());
            }
            Error::Packages(failed) => {
                for (name, why) in failed {
                    if failed.len() > 1 {
                        self.ui.status("Failed", name);
                        self.annotate(&format!("package {name}:"));
                    }
                    self.error(why);
                }
                self.say(&error.to_string(), None);
            }
            // Each is an error of its own.
            Error::Unfetched(models) => {
                let last = models.len().saturating_sub(1);
                for (index, model) in models.iter().enumerate() {
                    let message = format!("model `{}`: {}", model.model_id, model.why);
                    self.say(&message, error.help().filter(|_| index == last).as_deref());
                }
            }
            // Its diagnostics were shown, and they end with their number.
            Error::Config(_) | Error::Project(_) => self.annotate(&error.to_string()),
            Error::Validation(problems) => {
                for problem in problems {
                    let message =
                        format!("[{}] `{}`: {}", problem.code, problem.path, problem.message);
                    self.say(&message, Some(&problem.help));
                }
            }
            Error::Answer { source, .. } => {
                let (lines, log) = (source.last_lines(), source.log());
                self.program(&error.to_string(), None, lines, log, error.help());
            }
            Error::Verdict(verdicts) => {
                for (model, verdict) in verdicts {
                    for failure in &verdict.failures {
                        self.say(&format!("model `{model}`: {}", failure.message), None);
                    }
                }
            }
            Error::Convert(error) => self.convert(error),
            Error::Weights(weights) => match &**weights {
                WeightsError::NonFinite { tensors } => self.nonfinite(weights, tensors),
                _ => self.say(&error.to_string(), error.help().as_deref()),
            },
            Error::Doctor(DoctorError::Needs(findings)) => {
                for finding in findings {
                    let message = format!("[{}] {}", finding.check, finding.message);
                    self.say(&message, finding.help.as_deref());
                }
            }
            Error::Linked(LinkedError::Problems(problems)) => {
                for problem in problems {
                    let message =
                        format!("[{}] `{}`: {}", problem.code, problem.path, problem.message);
                    self.say(&message, Some(&problem.help));
                }
            }
            other => self.say(&other.to_string(), other.help().as_deref()),
        }
    }

    /// One problem, and what to do.
    fn say(&mut self, message: &str, help: Option<&str>) {
        self.ui.error(message, help);
        self.annotate(message);
        if let Some(help) = help {
            self.annotate(&format!("help: {help}"));
        }
    }

    fn annotate(&mut self, text: &str) {
        for line in ui::split(text, LONGEST) {
            // A String takes everything.
            let _ = writeln!(self.annotation, "{line}");
        }
    }

    /// A line a tensor.
    fn nonfinite(&mut self, error: &WeightsError, tensors: &[String]) {
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default();
        self.ui.error(first, None);
        self.annotate(first);
        tensors.iter().for_each(|tensor| self.ui.note("|", tensor));
        self.help(error.help());
    }

    fn convert(&mut self, error: &ConvertError) {
        let Some(failed) = error.python() else {
            return self.say(&error.to_string(), error.help().as_deref());
        };
        let (exception, log) = (failed.exception.as_deref(), failed.log.as_deref());
        self.program(&error.to_string(), exception, &failed.last_lines, log, error.help());
    }

    fn compile(&mut self, models: Option<&str>, error: &CompileError) {
        let message = match models {
            Some(models) => format!("model {models}: {error}"),
            None => error.to_string(),
        };
        let (lines, log) = (error.last_lines(), error.log());
        self.program(&message, error.exception(), lines, log, error.help());
    }

    /// An error of a program that was run: the exception that ended it, what it printed, and where
    /// the rest is.
    fn program(
        &mut self,
        message: &str,
        exception: Option<&str>,
        lines: &[String],
        log: Option<&Utf8Path>,
        help: Option<String>,
    ) {
        let because = |line: Option<&str>| match line {
            Some(line) => format!("{message}: {line}"),
            None => message.to_owned(),
        };
        self.ui.error(&because(exception), None);
        // What the message quotes is not said again.
        let is_new = |line: &&str| !message.contains(line.trim());
        // The lines themselves are in the job's log.
        let last = lines.last().map(String::as_str).filter(is_new);
        self.annotate(&because(exception.or(last)));
        if lines.iter().any(|line| is_new(&line.as_str())) {
            for line in lines {
                self.ui.note("|", line);
            }
        }
        if let Some(log) = log {
            self.ui.note("log", log.as_str());
            self.logs.push(log.to_owned());
        }
        self.help(help);
    }

    fn help(&mut self, help: Option<String>) {
        if let Some(help) = help {
            self.ui.note("help", &help);
            self.annotate(&format!("help: {help}"));
        }
    }
}
