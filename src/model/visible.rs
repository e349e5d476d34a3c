use std::borrow::Cow;

use super::portable::is_invisible;

/// What begins a command of the runner's old form, wherever in a line it is.
const OLD_COMMAND: &str = "##[";

/// A text that a stranger wrote, as it may be shown within a line: what steers a terminal, ends
/// the line or hides its neighbours is escaped, and of more than `most` characters the rest is
/// left out. GitHub's runner finds no command of its old form in it
/// ([`ActionCommand.cs`](https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs)).
pub fn visible(text: &str, most: usize) -> Cow<'_, str> {
    let is_plain = |c: char| !c.is_control() && !is_invisible(c);
    // A character has a byte at least.
    let fits = text.len() <= most || text.chars().nth(most).is_none();
    if fits && text.chars().all(is_plain) && !text.contains(OLD_COMMAND) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == most {
            shown.push('…');
            break;
        }
        if !is_plain(character) {
            shown.extend(character.escape_default());
        } else if character == '[' && shown.ends_with("##") {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// A line that may begin with a stranger's word. The runner takes blanks off a line and obeys it
/// if it begins with `::` then; within a line that is harmless.
pub fn without_command(line: &str) -> Cow<'_, str> {
    match line.find("::") {
        // Whatever is no letter, digit or sign may be a blank to somebody.
        Some(at) if !line[..at].contains(|c: char| c.is_ascii_graphic()) => {
            Cow::Owned(format!("{}\\u{{3a}}{}", &line[..at], &line[at + 1..]))
        }
        _ => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{visible, without_command};

    #[test]
    fn what_somebody_would_obey_is_escaped() {
        assert!(matches!(visible("a::b 模型 #[x] ##", 99), Cow::Borrowed(_)));
        assert_eq!(visible("a\x1b[2J\n\0\u{202e}b", 99), r"a\u{1b}[2J\n\u{0}\u{202e}b");
        assert_eq!(visible("a##[error]b ###[x]", 99), r"a##\u{5b}error]b ###\u{5b}x]");
        assert_eq!(visible("éééé", 3), "ééé…");
        assert_eq!(visible("ééé", 3), "ééé");
    }

    #[test]
    fn no_line_begins_with_a_command() {
        for (line, shown) in [
            ("::error::x", r"\u{3a}:error::x"),
            ("  \u{a0}::error::x", "  \u{a0}\\u{3a}:error::x"),
            ("", ""),
            ("  a::b", "  a::b"),
            (": ::x", ": ::x"),
        ] {
            assert_eq!(without_command(line), shown);
        }
    }
}
