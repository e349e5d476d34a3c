use super::Span;

/// How deep arrays and objects may be nested. A package config needs three levels.
pub const MAX_DEPTH: usize = 128;

/// What is not JSON below the level of brackets and commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A string without an end on its line.
    OpenString,
    /// A control character in a string.
    Control(char),
    /// White space other than blank, tab and line breaks.
    Space(char),
    /// A bracket more than [`MAX_DEPTH`].
    Depth,
}

/// Finds the first thing that the parser lets through and JSON does not, and nesting too deep
/// for it. Whatever follows another error of syntax may be misread: the earlier one counts.
pub(super) fn first_fault(text: &str) -> Option<(Span, Fault)> {
    let mut depth = 0_usize;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        let here = Span { start: at, end: at + character.len_utf8() };
        match character {
            '"' => {
                if let Some(fault) = string_fault(at, &mut characters) {
                    return Some(fault);
                }
            }
            '{' | '[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some((here, Fault::Depth));
                }
            }
            '}' | ']' => depth = depth.saturating_sub(1),
            ' ' | '\t' | '\n' | '\r' => {}
            other if other.is_whitespace() => return Some((here, Fault::Space(other))),
            _ => {}
        }
    }
    None
}

/// Reads to the end of a string that begins at `start`.
fn string_fault(start: usize, characters: &mut std::str::CharIndices) -> Option<(Span, Fault)> {
    let mut escaped = false;
    for (at, character) in characters.by_ref() {
        match character {
            '\n' | '\r' => return Some((Span { start, end: at }, Fault::OpenString)),
            control if control < ' ' => {
                return Some((Span { start: at, end: at + 1 }, Fault::Control(control)));
            }
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return None,
            _ => {}
        }
    }
    // Where the text ends within a string, the parser says so.
    None
}

#[cfg(test)]
mod tests {
    use super::{Fault, MAX_DEPTH, Span, first_fault};

    #[test]
    fn finds_what_the_parser_would_let_through() {
        let fault = |text| first_fault(text).map(|(span, fault)| (span.start, span.end, fault));
        assert_eq!(fault("{\"a\n\": 1}"), Some((1, 3, Fault::OpenString)));
        assert_eq!(fault(r#"{"a\"": "\\", "b\\\"": 1}"#), None);
        assert_eq!(fault("\"a\\\"\n"), Some((0, 4, Fault::OpenString)));
        assert_eq!(fault("[\"a\tb\"]"), Some((3, 4, Fault::Control('\t'))));
        assert_eq!(fault("{\u{a0}}"), Some((1, 3, Fault::Space('\u{a0}'))));
        assert_eq!(fault("[\u{b}]"), Some((1, 2, Fault::Space('\u{b}'))));
        assert_eq!(fault("[\"\u{a0}\"]"), None);
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(first_fault(&deep(MAX_DEPTH)), None);
        let span = Span { start: MAX_DEPTH, end: MAX_DEPTH + 1 };
        assert_eq!(first_fault(&deep(MAX_DEPTH + 1)), Some((span, Fault::Depth)));
        assert_eq!(first_fault(&deep(1_000_000)), Some((span, Fault::Depth)));
        assert_eq!(first_fault(&format!("[\"{}\"]", "[".repeat(1000))), None);
        assert_eq!(first_fault(&"[],".repeat(1000)), None);
    }
}
