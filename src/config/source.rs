use super::Span;

/// The UTF-8 byte order mark, which some editors put first.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The bytes of a config as text to be shown: without its byte order mark, and with U+FFFD where
/// they are not UTF-8. Spans count the bytes of the file as it is on disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    text: String,
    /// Bytes on disk ahead of `text`.
    skipped: usize,
    /// Where each line of `text` begins.
    line_starts: Vec<usize>,
}

/// A place in a text. Both numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    /// In characters.
    pub(super) column: usize,
}

impl Source {
    /// Takes the bytes of a file. The second value says where they cease to be UTF-8.
    pub(super) fn new(bytes: &[u8]) -> (Self, Option<Span>) {
        let skipped = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
        let body = bytes.get(skipped..).unwrap_or_default();
        let (text, fault) = match str::from_utf8(body) {
            Ok(text) => (text.to_owned(), None),
            Err(error) => {
                let start = skipped + error.valid_up_to();
                let end = error.error_len().map_or(bytes.len(), |length| start + length);
                (String::from_utf8_lossy(body).into_owned(), Some(Span { start, end }))
            }
        };
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        (Self { text, skipped, line_starts }, fault)
    }

    /// The text, without the byte order mark.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// How many bytes of the file come ahead of the text.
    pub(super) fn skipped(&self) -> usize {
        self.skipped
    }

    /// A span of the file as a span of the text, on character boundaries.
    pub(super) fn in_text(&self, span: Span) -> Span {
        let inside = |offset: usize| offset.saturating_sub(self.skipped).min(self.text.len());
        let (mut start, mut end) = (inside(span.start), inside(span.end).max(inside(span.start)));
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Span { start, end }
    }

    /// A span of the file made one of whole characters that are there.
    pub(super) fn whole_characters(&self, span: Span) -> Span {
        let shown = self.in_text(span);
        Span { start: shown.start + self.skipped, end: shown.end + self.skipped }
    }

    /// The index of the line that an offset into the text is on, from 0.
    pub(super) fn line_index(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// One line by its index from 0, without its line break: its offset and its text.
    pub(super) fn line(&self, index: usize) -> (usize, &str) {
        let start = self.line_starts.get(index).copied().unwrap_or(self.text.len());
        let end = self.line_starts.get(index + 1).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end).unwrap_or_default();
        let line = line.strip_suffix('\n').unwrap_or(line);
        (start, line.strip_suffix('\r').unwrap_or(line))
    }

    /// Where an offset into the text is, for people.
    pub(super) fn position(&self, offset: usize) -> Position {
        let index = self.line_index(offset);
        let start = self.line_starts.get(index).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { line: index + 1, column: before.chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, Source, Span};

    #[test]
    fn columns_count_characters_and_a_byte_order_mark_is_none() {
        let bytes = "\u{feff}{\r\n  \"模型\": 1\r\n}".as_bytes();
        let (source, fault) = Source::new(bytes);
        assert_eq!(fault, None);
        let at = bytes.iter().position(|byte| *byte == b'1').unwrap();
        let span = source.in_text(Span { start: at, end: at + 1 });
        assert_eq!(source.text().get(span.start..span.end), Some("1"));
        assert_eq!(source.position(span.start), Position { line: 2, column: 9 });
        assert_eq!(source.line(1).1, "  \"模型\": 1");
        assert_eq!(source.position(source.text().len()), Position { line: 3, column: 2 });
    }

    #[test]
    fn what_is_not_utf8_is_found_and_still_shown() {
        let bytes = b"\xef\xbb\xbf{\n \"a\xff\": 1}";
        let (source, fault) = Source::new(bytes);
        let fault = fault.unwrap();
        assert_eq!(bytes[fault.start], 0xff);
        let shown = source.in_text(fault);
        assert_eq!(source.text().get(shown.start..shown.end), Some("\u{fffd}"));
        assert_eq!(source.position(shown.start), Position { line: 2, column: 4 });
    }

    #[test]
    fn any_offset_is_on_some_line() {
        for text in ["", "\n", "a\n\n", "é"] {
            let (source, _) = Source::new(text.as_bytes());
            for offset in 0..=text.len() + 2 {
                let span = source.in_text(Span { start: offset, end: offset + 1 });
                assert!(text.get(span.start..span.end).is_some());
                let (start, _) = source.line(source.line_index(span.start));
                assert!(start <= span.start);
            }
        }
    }
}
