/// The longest comment in characters; GitHub takes 65,536 and our marker is one of its lines.
pub const COMMENT_LIMIT: usize = 65_000;

/// The longest summary of a check run in characters; GitHub takes 65,535.
pub const CHECK_LIMIT: usize = 65_000;

/// Markdown that is not longer than `limit` characters. A longer one ends after a line, with what
/// was open closed and a sentence in its place.
pub fn cut(markdown: &str, limit: usize) -> String {
    if markdown.chars().count() <= limit {
        return markdown.to_owned();
    }
    const REST: &str = "\n_Cut here: the whole is in the summary of the job._\n";
    // What the ends of blocks that are open may need.
    let room = limit.saturating_sub(REST.len() + 256);
    let end = markdown.char_indices().nth(room).map_or(markdown.len(), |(at, _)| at);
    let kept = markdown.get(..end).unwrap_or_default();
    let kept = kept.rfind('\n').and_then(|line| kept.get(..=line)).unwrap_or(kept);
    let mut kept = kept.to_owned();
    if !kept.ends_with('\n') {
        kept.push('\n');
    }
    if kept.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1 {
        kept.push_str("```\n");
    }
    let open = kept.matches("<details").count();
    let closed = kept.matches("</details>").count();
    // Deeper than that nobody writes; a stranger's words may only look so.
    for _ in 0..open.saturating_sub(closed).min(16) {
        kept.push_str("\n</details>\n");
    }
    kept + REST
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::cut;

    #[test]
    fn what_fits_stays() {
        assert_eq!(cut("a\nb", 3), "a\nb");
    }

    #[test]
    fn a_cut_closes_what_is_open() {
        let row = "| a | b |\n".repeat(200);
        let text = format!("# Title\n<details><summary>x</summary>\n\n{row}</details>\n");
        let short = cut(&text, 1000);
        assert!(short.chars().count() <= 1000, "{short}");
        assert_eq!(short.matches("</details>").count(), 1);
        assert!(short.contains("| a | b |\n\n</details>\n\n_Cut here"), "{short}");
        let code = cut(&format!("```\n{}```\n", "x\n".repeat(900)), 1000);
        assert!(code.contains("x\n```\n\n_Cut here"), "{code}");
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_the_limit(
            text in "(<details>|</details>|```|[a-zäß🦀 |\n]){0,900}",
            limit in 400_usize..1200,
        ) {
            let short = cut(&text, limit);
            prop_assert!(short.chars().count() <= limit);
            if text.chars().count() <= limit {
                prop_assert_eq!(short, text);
            }
        }
    }
}
