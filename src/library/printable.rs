use std::borrow::Cow;

use crate::model;

/// The longest foreign text that is shown whole, in characters.
const LONGEST: usize = 300;

/// A name out of a foreign file as it may be shown: it can neither steer a terminal nor begin a
/// line of its own, is no command to GitHub's runner where it begins one of ours, and has an end.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    match model::visible(text, LONGEST) {
        Cow::Borrowed(text) => model::without_command(text),
        Cow::Owned(text) => Cow::Owned(model::without_command(&text).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn foreign_names_stay_on_their_line() {
        assert_eq!(printable("lib0.o"), "lib0.o");
        assert_eq!(printable("a\n::error::b\u{1b}[2J\u{9b}"), "a\\n::error::b\\u{1b}[2J\\u{9b}");
        assert_eq!(printable("模型"), "模型");
        let long = printable(&"é".repeat(100_000)).into_owned();
        assert_eq!(long.chars().count(), 301);
        assert!(long.ends_with("é…"));
        assert_eq!(printable(&"é".repeat(300)), "é".repeat(300));
    }
}
