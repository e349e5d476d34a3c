//! How a failed run is told.

use crate::compile::CompileError;
use crate::convert::ConvertError;
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
        Error::Convert(error) => tell_convert(error, ui),
        other => ui.error(&other.to_string(), other.help().as_deref()),
    }
}

fn tell_convert(error: &ConvertError, ui: &Ui) {
    ui.error(&error.to_string(), None);
    if let Some(failed) = error.python() {
        for line in &failed.last_lines {
            ui.note("|", line);
        }
        ui.note("log", failed.log.as_str());
    }
    if let Some(help) = error.help() {
        ui.note("help", &help);
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
