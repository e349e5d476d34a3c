use super::{Code, Severity};
use crate::model::visible;

/// Bytes of a config file, as it is on disk: from `start` to before `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// One problem of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind it is.
    pub code: Code,
    /// How bad it is here: warnings may have been made errors.
    pub severity: Severity,
    /// Where it is; none if it concerns the file as a whole.
    pub span: Option<Span>,
    /// What is wrong, a sentence fragment.
    pub message: String,
    /// A word or two at the span.
    pub label: Option<String>,
    /// What to do.
    pub help: String,
    /// Other places that have to do with it, and what they are.
    pub related: Vec<(Span, String)>,
}

/// A sentence with words of the file in it, of which not all are quoted: names of fields may be
/// anything.
fn line(text: String) -> String {
    visible(&text, usize::MAX).into_owned()
}

impl Diagnostic {
    pub(super) fn new(
        code: Code,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: code.severity(),
            span: span.into(),
            message: line(message.into()),
            label: None,
            help: line(help.into()),
            related: Vec::new(),
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(line(label.into()));
        self
    }

    pub(super) fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, line(label.into())));
        self
    }
}

/// The most problems that are collected of one config. Who has more has another file.
pub const MAX_PROBLEMS: usize = 500;

/// Collects the problems of one config.
#[derive(Debug, Default)]
pub(super) struct Sink {
    diagnostics: Vec<Diagnostic>,
}

impl Sink {
    /// Adds a problem; one too many is replaced by a remark that ends the list.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_PROBLEMS {
            self.diagnostics.push(diagnostic);
        } else if !self.is_full() {
            self.diagnostics.push(Diagnostic::new(
                Code::TooManyProblems,
                None,
                format!("more than {MAX_PROBLEMS} problems; the rest of the file was not checked"),
                "is it a mlc-package-config.json?",
            ));
        }
    }

    /// Whether looking for more is in vain.
    pub(super) fn is_full(&self) -> bool {
        self.diagnostics.len() > MAX_PROBLEMS
    }

    /// The problems by their place in the file, those of the whole file last, with `skipped`
    /// bytes ahead of the text that the spans were made on.
    pub(super) fn finish(mut self, skipped: usize) -> Vec<Diagnostic> {
        for diagnostic in &mut self.diagnostics {
            let related = diagnostic.related.iter_mut().map(|(span, _)| span);
            for span in diagnostic.span.iter_mut().chain(related) {
                span.start += skipped;
                span.end += skipped;
            }
        }
        self.diagnostics.sort_by_key(|found| (found.span.is_none(), found.span, found.code));
        self.diagnostics
    }
}
