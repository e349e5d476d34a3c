use std::fmt;

use camino::Utf8Path;

/// A text from a config within a message: in backticks, on one line, cut when it is long, and
/// with nothing in it that a terminal obeys.
pub(super) fn quote(text: &str) -> String {
    quote_cut(text, 60)
}

/// A path within a message: as [`quote`], with the length that paths have.
pub(super) fn quote_path(path: &Utf8Path) -> String {
    quote_cut(path.as_str(), 300)
}

fn quote_cut(text: &str, most: usize) -> String {
    let mut quoted = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == most {
            quoted.push('…');
            break;
        }
        push_visible(&mut quoted, character);
    }
    quoted.push('`');
    quoted
}

/// A text, a path for instance, on one line and with nothing in it that a terminal obeys.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::new();
    text.chars().for_each(|character| push_visible(&mut shown, character));
    shown
}

fn push_visible(text: &mut String, character: char) {
    if character.is_control() || is_invisible(character) {
        text.extend(character.escape_default());
    } else {
        text.push(character);
    }
}

/// Characters that reorder or hide their neighbours.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{feff}')
}

/// `1 model`, `2 models`.
pub(super) struct Count(pub(super) usize, pub(super) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(quote("a\x1b[2J\n\0"), r"`a\u{1b}[2J\n\u{0}`");
        assert_eq!(quote("a\u{202e}b"), r"`a\u{202e}b`");
        assert_eq!(quote("模型"), "`模型`");
        assert_eq!(quote(&"x".repeat(70)), format!("`{}…`", "x".repeat(60)));
    }
}
