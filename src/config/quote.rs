use std::fmt;

use camino::Utf8Path;

use crate::model;

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
    format!("`{}`", model::visible(text, most))
}

/// A text, a path for instance, on one line and with nothing in it that a terminal or a runner
/// obeys.
pub(super) fn visible(text: &str) -> String {
    model::visible(text, usize::MAX).into_owned()
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
