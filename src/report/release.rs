//! A release as Markdown: a link, and its files.

use std::io::{self, Write};

use crate::model::ByteSize;

/// The most files that are listed.
const MOST: usize = 50;

/// A release.
#[derive(Clone, Debug)]
pub struct ReleaseSummary<'a> {
    /// Its tag.
    pub tag: &'a str,
    /// Its page.
    pub url: &'a str,
    /// Whether it is a draft.
    pub draft: bool,
    /// Its files: name, size in bytes, whether it was sent now.
    pub files: Vec<(&'a str, u64, bool)>,
}

/// Writes it as Markdown.
pub fn write_release(out: &mut dyn Write, release: &ReleaseSummary<'_>) -> io::Result<()> {
    let kind = if release.draft { "Draft of release" } else { "Release" };
    writeln!(out, "### {kind} [{}]({})\n", escaped(release.tag), address(release.url))?;
    writeln!(out, "| File | Size | |")?;
    writeln!(out, "|:--|--:|:--|")?;
    for (name, bytes, sent) in release.files.iter().take(MOST) {
        let what = if *sent { "new" } else { "as it was" };
        writeln!(out, "| {} | {} | {what} |", escaped(name), ByteSize(*bytes))?;
    }
    if let Some(more) = release.files.len().checked_sub(MOST).filter(|more| *more > 0) {
        writeln!(out, "| [{more} others] | | |")?;
    }
    Ok(())
}

/// Text in which nothing is Markdown.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => safe.push(' '),
            c if c.is_ascii_punctuation() && !matches!(c, '.' | '-' | '/' | ',') => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// An address that stays within its parentheses.
fn address(url: &str) -> String {
    url.replace('(', "%28").replace(')', "%29").replace(['\n', ' '], "")
}

#[cfg(test)]
mod tests {
    use super::{ReleaseSummary, write_release};

    #[test]
    fn a_release_lists_its_files() {
        let mut files =
            vec![("chat-android-lib.tar.zst", 8 << 20, true), ("SHA256SUMS", 210, false)];
        files.extend([("part", 1, true); 50]);
        let release = ReleaseSummary {
            tag: "v1|<b>",
            url: "https://github.com/o/r/releases/tag/v1",
            draft: false,
            files,
        };
        let mut out = Vec::new();
        write_release(&mut out, &release).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        insta::assert_snapshot!(lines[..6].join("\n"), @r"
        ### Release [v1\|\<b\>](https://github.com/o/r/releases/tag/v1)

        | File | Size | |
        |:--|--:|:--|
        | chat-android-lib.tar.zst | 8.0 MiB | new |
        | SHA256SUMS | 210 B | as it was |
        ");
        assert_eq!(*lines.last().unwrap(), "| [2 others] | | |");
    }
}
