//! What a line of ours may not be, whoever named what is in it.

/// A line that steers no terminal and no runner, and hides nothing.
pub(crate) fn line(line: &str) {
    excerpt(line);
    assert!(!line.contains(['\u{200b}', '\u{2028}', '\u{feff}']), "{line:?}");
}

/// The same of every line of a text.
#[allow(dead_code, clippy::allow_attributes, reason = "not every target has texts of lines")]
pub(crate) fn lines(text: &str) {
    text.split('\n').for_each(line);
}

/// A line that shows one of a file: no control characters, nothing that reorders its neighbours,
/// no workflow command of either form. The runner takes blanks off the beginning of a line before
/// it looks for `::`, and finds `##[` anywhere (actions/runner, `ActionCommand.cs`).
pub(crate) fn excerpt(line: &str) {
    assert!(!line.chars().any(char::is_control), "{line:?}");
    assert!(!line.contains(['\u{202a}', '\u{202e}', '\u{2066}']), "{line:?}");
    assert!(!line.trim_start().starts_with("::"), "{line:?}");
    assert!(!line.contains("##["), "{line:?}");
}
