use std::ops::Range;

use crate::config::{Checked, Diagnostic, Span};

/// More of a config than this is not shown for one diagnostic: the renderer takes its time by
/// the text it is given, and nobody reads it.
const MOST_BYTES: usize = 64 << 10;

/// On one line, marks farther apart than this many bytes are not shown together.
const APART: usize = 60;

/// The lines of a config that a diagnostic is about.
pub(super) struct Excerpt<'a> {
    pub(super) text: &'a str,
    /// The number of its first line, from 1.
    pub(super) first_line: usize,
    /// Where the problem is in `text`.
    pub(super) primary: Range<usize>,
    /// Other places in `text`, and what they are.
    pub(super) related: Vec<(Range<usize>, &'a str)>,
}

impl<'a> Excerpt<'a> {
    /// The lines from the first place of a diagnostic to its last. None if they are too long.
    /// Related places that are too far to be shown are left in `far`.
    pub(super) fn of<T>(
        checked: &'a Checked<T>,
        diagnostic: &'a Diagnostic,
        far: &mut Vec<(Span, &'a str)>,
    ) -> Option<Self> {
        let source = &checked.source;
        let primary = on_one_line(checked, diagnostic.span?);
        let mut lines = source.line_index(primary.start)..source.line_index(primary.start) + 1;
        let mut near = Vec::new();
        for (span, label) in &diagnostic.related {
            let range = on_one_line(checked, *span);
            let line = source.line_index(range.start);
            let wider = lines.start.min(line)..lines.end.max(line + 1);
            let distance = range.start.abs_diff(primary.start);
            let together = line != source.line_index(primary.start) || distance <= APART;
            if together && bytes(checked, &wider).len() <= MOST_BYTES {
                lines = wider;
                near.push((range, label.as_str()));
            } else {
                far.push((*span, label.as_str()));
            }
        }
        let bytes = bytes(checked, &lines);
        if bytes.len() > MOST_BYTES {
            return None;
        }
        let inside = |range: Range<usize>| range.start - bytes.start..range.end - bytes.start;
        Some(Self {
            text: source.text().get(bytes.clone())?,
            first_line: lines.start + 1,
            primary: inside(primary),
            related: near.into_iter().map(|(range, label)| (inside(range), label)).collect(),
        })
    }
}

/// The bytes of some lines, without the last line's break.
fn bytes<T>(checked: &Checked<T>, lines: &Range<usize>) -> Range<usize> {
    let (start, _) = checked.source.line(lines.start);
    let (last, text) = checked.source.line(lines.end - 1);
    start..last + text.len()
}

/// A span of the file as a range of the text that ends on the line it begins on.
fn on_one_line<T>(checked: &Checked<T>, span: Span) -> Range<usize> {
    let shown = checked.source.in_text(span);
    let (start, line) = checked.source.line(checked.source.line_index(shown.start));
    let end = start + line.len();
    shown.start.min(end)..shown.end.min(end)
}
