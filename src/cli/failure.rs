//! How a failed run is told.

use camino::Utf8Path;

use crate::binding::checks::LinkedError;
use crate::compile::CompileError;
use crate::convert::ConvertError;
use crate::convert::weights::WeightsError;
use crate::doctor::DoctorError;
use crate::error::Error;
use crate::ui::Ui;

/// Says why a run failed: one error a problem, each with what to do.
pub(super) fn tell(error: &Error, ui: &Ui) {
    match error {
        Error::Compile(errors) => {
            let (interrupted, failed): (Vec<_>, Vec<_>) =
                errors.iter().partition(|(_, error)| error.is_interrupted());
            for (models, error) in failed {
                tell_compile(models.as_deref(), error, ui);
            }
            // Of however many compilations.
            if let Some((_, error)) = interrupted.first() {
                tell_compile(None, error, ui);
            }
        }
        Error::Toolchain(error) => {
            tell_program(&error.to_string(), error.last_lines(), None, error.help(), ui);
        }
        Error::Binding(error) => {
            tell_program(&error.to_string(), error.last_lines(), error.log(), error.help(), ui)
        }
        Error::Package { source, .. } => {
            tell(source, ui);
            ui.error(&error.to_string(), None);
        }
        // Its diagnostics were shown, and they end with their number.
        Error::Config(_) | Error::Project(_) => {}
        Error::Validation(problems) => {
            for problem in problems {
                let message = format!("[{}] `{}`: {}", problem.code, problem.path, problem.message);
                ui.error(&message, Some(&problem.help));
            }
        }
        Error::Convert(error) => tell_convert(error, ui),
        Error::Weights(weights) => match &**weights {
            WeightsError::NonFinite { tensors } => tell_nonfinite(weights, tensors, ui),
            _ => ui.error(&error.to_string(), error.help().as_deref()),
        },
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

/// A line a tensor.
fn tell_nonfinite(error: &WeightsError, tensors: &[String], ui: &Ui) {
    let message = error.to_string();
    ui.error(message.lines().next().unwrap_or_default(), None);
    tensors.iter().for_each(|tensor| ui.note("|", tensor));
    if let Some(help) = error.help() {
        ui.note("help", &help);
    }
}

fn tell_convert(error: &ConvertError, ui: &Ui) {
    ui.error(&error.to_string(), None);
    if let Some(failed) = error.python() {
        for line in &failed.last_lines {
            ui.note("|", line);
        }
        if let Some(log) = &failed.log {
            ui.note("log", log.as_str());
        }
    }
    if let Some(help) = error.help() {
        ui.note("help", &help);
    }
}

fn tell_compile(models: Option<&str>, error: &CompileError, ui: &Ui) {
    let message = match models {
        Some(models) => format!("model {models}: {error}"),
        None => error.to_string(),
    };
    tell_program(&message, error.last_lines(), error.log(), error.help(), ui);
}

/// An error of a program that was run: what it printed last, and where the rest is.
fn tell_program(
    message: &str,
    last_lines: &[String],
    log: Option<&Utf8Path>,
    help: Option<String>,
    ui: &Ui,
) {
    ui.error(message, None);
    for line in last_lines {
        ui.note("|", line);
    }
    if let Some(log) = log {
        ui.note("log", log.as_str());
    }
    if let Some(help) = help {
        ui.note("help", &help);
    }
}
