//! What a line of ours may not be, whoever named what is in it.

/// A line that steers no terminal and no runner: no control characters, nothing that reorders its
/// neighbours, no workflow command of either form. The runner takes blanks off the beginning of a
/// line before it looks for `::`, and finds `##[` anywhere (actions/runner, `ActionCommand.cs`).
pub(crate) fn line(line: &str) {
    assert!(!line.chars().any(char::is_control), "{line:?}");
    assert!(!line.contains(['\u{200b}', '\u{202e}', '\u{2028}', '\u{feff}']), "{line:?}");
    assert!(!line.trim_start().starts_with("::"), "{line:?}");
    assert!(!line.contains("##["), "{line:?}");
}

/// The same of every line of a text.
pub(crate) fn lines(text: &str) {
    text.split('\n').for_each(line);
}
