//! How a failed run is told.

use crate::binding::checks::LinkedError;
use crate::compile::CompileError;
use crate::doctor::DoctorError;
use crate::error::Error;
use crate::ui::Ui;

/// Says why a run failed: one error a problem, each with what to do.
pub(super) fn tell(error: &Error, ui: &Ui) {
    match error {
        Error::Compile(errors) => {
            for (models, error) in errors {
                tell_compile(models.as_deref(), error, ui);
            }
        }
        Error::Toolchain(error) => tell_compile(None, error, ui),
        // Its diagnostics were shown, and they end with their number.
        Error::Config(_) => {}
        Error::Validation(problems) => {
            for problem in problems {
                let message = format!("[{}] `{}`: {}", problem.code, problem.path, problem.message);
                ui.error(&message, Some(&problem.help));
            }
        }
        Error::Doctor(DoctorError::Needs(findings)) => {
            for finding in findings {
                let message = format!("[{}] {}", finding.check, finding.message);
                ui.error(&message, finding.help.as_deref());
            }
        }
        Error::Linked(LinkedError::Problems(problems)) => {
            for problem in problems {
                let message = format!("[{}] `{}`: {}", problem.code, problem.path, problem.message);
                ui.error(&message, Some(&problem.help));
            }
        }
        other => ui.error(&other.to_string(), other.help().as_deref()),
    }
}

fn tell_compile(models: Option<&str>, error: &CompileError, ui: &Ui) {
    match models {
        Some(models) => ui.error(&format!("model {models}: {error}"), None),
        None => ui.error(&error.to_string(), None),
    }
    for line in error.last_lines() {
        ui.note("|", line);
    }
    if let Some(log) = error.log() {
        ui.note("log", log.as_str());
    }
    if let Some(help) = error.help() {
        ui.note("help", &help);
    }
}
