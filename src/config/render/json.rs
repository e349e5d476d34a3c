use std::io::{self, Write};

use serde::Serialize;

use super::Region;
use crate::config::{Checked, Code, Severity};

/// One config of `mlc-package check --format json`.
#[derive(Serialize)]
struct Report<'a> {
    config: &'a str,
    diagnostics: Vec<Entry<'a>>,
    errors: usize,
    warnings: usize,
}

/// One problem. Lines and columns count from 1, columns in characters, and the end is exclusive;
/// `offset` counts the bytes of the file. All are null where the problem is the whole file's.
#[derive(Serialize)]
struct Entry<'a> {
    code: Code,
    severity: Severity,
    message: &'a str,
    help: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    offset: Option<usize>,
    related: Vec<Related<'a>>,
}

/// Another place that has to do with it.
#[derive(Serialize)]
struct Related<'a> {
    message: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    offset: usize,
}

/// Writes one JSON object on one line: several configs make a stream of lines.
pub fn json<T>(checked: &Checked<T>, out: &mut dyn Write) -> io::Result<()> {
    let report = Report {
        config: checked.path().as_str(),
        diagnostics: checked.diagnostics().iter().map(|found| entry(checked, found)).collect(),
        errors: checked.errors(),
        warnings: checked.warnings(),
    };
    serde_json::to_writer(&mut *out, &report)?;
    writeln!(out)
}

fn entry<'a, T>(checked: &Checked<T>, found: &'a super::Diagnostic) -> Entry<'a> {
    let region = found.span.map(|span| Region::of(checked, span));
    let related = found.related.iter().map(|(span, message)| {
        let region = Region::of(checked, *span);
        Related {
            message,
            line: region.line,
            column: region.column,
            end_line: region.end_line,
            end_column: region.end_column,
            offset: span.start,
        }
    });
    Entry {
        code: found.code,
        severity: found.severity,
        message: &found.message,
        help: &found.help,
        line: region.map(|at| at.line),
        column: region.map(|at| at.column),
        end_line: region.map(|at| at.end_line),
        end_column: region.map(|at| at.end_column),
        offset: found.span.map(|span| span.start),
        related: related.collect(),
    }
}
