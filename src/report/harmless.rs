//! Names that strangers chose (of kernels, tensors, models), made harmless for a reader.

use crate::model;

/// More of a name than this is not shown.
const MOST: usize = 80;

/// The name on one line, cut when it is long, with nothing in it that a terminal or a runner obeys.
pub(super) fn visible(name: &str) -> String {
    model::visible(name, MOST).into_owned()
}

/// The name as a code span of GitHub's Markdown: nothing in it is markup, a link or a mention.
/// `|` ends a cell of a table even there, so that a broken bar stands for it.
pub(super) fn code(name: &str) -> String {
    code_up_to(name, MOST)
}

/// The same of a text that may be longer.
pub(super) fn code_up_to(text: &str, most: usize) -> String {
    let shown = model::visible(text, most).replace('|', "¦");
    let longest = shown.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    match shown.starts_with(['`', ' ']) || shown.ends_with(['`', ' ']) || shown.is_empty() {
        true => format!("{fence} {shown} {fence}"),
        false => format!("{fence}{shown}{fence}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{code, visible};

    #[test]
    fn a_name_stays_in_its_cell_and_its_code_span() {
        assert_eq!(code("fused_matmul"), "`fused_matmul`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`x``"), "``` `x`` ```");
        assert_eq!(code("a|b\n\u{1b}[2J"), r"`a¦b\n\u{1b}[2J`");
        assert_eq!(code(""), "`  `");
        assert_eq!(visible(&"x".repeat(81)), format!("{}…", "x".repeat(80)));
        assert_eq!(visible("\u{202e}evil"), r"\u{202e}evil");
    }
}
