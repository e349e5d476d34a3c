//! What a check found, for people, programs and GitHub.

mod excerpt;
mod github;
mod human;
mod json;

use super::quote::{Count, visible};
use super::{Checked, Diagnostic, Span};

pub use github::{Repository, github};
pub use human::human;
pub use json::json;

/// One line: what the config packages, or how many problems it has.
pub fn summary(checked: &Checked) -> String {
    let (errors, warnings) = (checked.errors(), checked.warnings());
    let path = visible(checked.path().as_str());
    match checked.package() {
        Some(package) => {
            let remark = match warnings {
                0 => String::new(),
                count => format!(" with {}", Count(count, "warning")),
            };
            let models = Count(package.models.len(), "model");
            format!("ok{remark}: {models} for {} in {path}", package.device)
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
    fn of(checked: &Checked, span: Span) -> Self {
        let shown = checked.source.in_text(span);
        let start = checked.source.position(shown.start);
        let end = checked.source.position(shown.end);
        Self { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
    }
}

/// Whether `--strict` made an error of it.
fn is_denied_warning(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity != diagnostic.code.severity()
}
