//! What a check found, for people, programs and GitHub.

mod excerpt;
mod github;
mod human;
mod json;

use super::quote::{Count, visible};
use super::{Checked, Diagnostic, Severity, Span};
use crate::model::{PackageConfig, Project};

pub use github::{Annotation, Repository, annotations, github};
pub use human::{explaining, human};
pub use json::json;

/// What a file says, in a few words.
pub trait Contents {
    /// `6 models for android`.
    fn in_short(&self) -> String;
}

impl Contents for PackageConfig {
    fn in_short(&self) -> String {
        format!("{} for {}", Count(self.models.len(), "model"), self.device)
    }
}

impl Contents for Project {
    fn in_short(&self) -> String {
        Count(self.packages.len(), "package").to_string()
    }
}

/// One line: what the file says, or how many problems it has.
pub fn summary<T: Contents>(checked: &Checked<T>) -> String {
    let (errors, warnings) = (checked.errors(), checked.warnings());
    let path = visible(checked.path().as_str());
    match checked.value() {
        Some(value) => {
            let remark = match warnings {
                0 => String::new(),
                count => format!(" with {}", Count(count, "warning")),
            };
            format!("ok{remark}: {} in {path}", value.in_short())
        }
        None if warnings == 0 => format!("{} in {path}", Count(errors, "error")),
        None => {
            format!("{}, {} in {path}", Count(errors, "error"), Count(warnings, "warning"))
        }
    }
}

/// Where a span begins and ends, for people: lines and columns from 1, the end exclusive.
#[derive(Clone, Copy, Debug)]
struct Region {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl Region {
    fn of<T>(checked: &Checked<T>, span: Span) -> Self {
        let shown = checked.source.in_text(span);
        let start = checked.source.position(shown.start);
        let end = checked.source.position(shown.end);
        Self { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
    }
}

/// Whether `--strict` made an error of it.
fn is_denied_warning(diagnostic: &Diagnostic) -> bool {
    (diagnostic.severity, diagnostic.code.severity()) == (Severity::Error, Severity::Warning)
}
