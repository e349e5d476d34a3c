//! Lines that fit a terminal.

/// What folded lines go on behind.
const INDENT: &str = "  ";

/// Folds a line where it would leave a terminal of `width` columns, of which `taken` are used before each
/// of its lines. Names between backticks and shapes in brackets stay
/// whole, so that they can be read, searched and copied: the terminal itself breaks longer ones.
pub(super) fn folded(line: &str, taken: usize, width: usize) -> Vec<String> {
    let text = line.trim_start_matches(' ');
    let begin = " ".repeat(line.len() - text.len());
    let mut lines = vec![begin.to_owned()];
    let mut column = taken + begin.len();
    for (index, word) in words(text).enumerate() {
        let Some(last) = lines.last_mut() else { break };
        let columns = word.chars().count();
        if index > 0 && column + 1 + columns > width {
            column = taken + begin.len() + INDENT.len() + columns;
            lines.push(format!("{begin}{INDENT}{word}"));
            continue;
        }
        if index > 0 {
            last.push(' ');
            column += 1;
        }
        last.push_str(word);
        column += columns;
    }
    lines
}

/// The parts of a line between which it may be folded.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let (mut in_name, mut depth) = (false, 0_usize);
    line.split(move |c: char| {
        match c {
            '`' => in_name ^= true,
            '[' if !in_name => depth += 1,
            ']' if !in_name => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ' ' && !in_name && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::folded;

    fn at(width: usize, line: &str) -> Vec<String> {
        folded(line, 4, width)
    }

    #[test]
    fn lines_are_folded_between_words() {
        assert_eq!(at(20, "a b c"), ["a b c"]);
        assert_eq!(at(20, "twelve chars four two"), ["twelve chars", "  four two"]);
        assert_eq!(at(20, "  indented and more"), ["  indented and", "    more"]);
        assert_eq!(at(20, ""), [""]);
    }

    #[test]
    fn names_and_shapes_are_whole() {
        let name = "`a name of many words`";
        assert_eq!(
            at(20, &format!("of {name}: x")),
            ["of".into(), format!("  {name}:"), "  x".into()]
        );
        assert_eq!(at(30, "uint32 [151936, 320], weights"), ["uint32 [151936, 320],", "  weights"]);
        // What ends nowhere is whole to its end.
        assert_eq!(at(20, "of `a b c d e f g"), ["of", "  `a b c d e f g"]);
    }
}
