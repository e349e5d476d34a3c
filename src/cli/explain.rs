//! `mlc-package explain`: the pages of the reference that say what a code means, in a terminal.

use std::io::{self, Write};

use clap::Args;

use super::Context;
use crate::config;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::Tone;

/// `docs/reference/codes.md`: a part for each kind of file, and in it a section for each code.
const CODES: &str = include_str!("../../docs/reference/codes.md");
/// `docs/reference/exit-codes.md`: a row of a table for each code.
const EXIT_CODES: &str = include_str!("../../docs/reference/exit-codes.md");
/// The columns of a text that no terminal makes narrower.
const WIDTH: usize = 80;

/// `mlc-package explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Codes such as unknown-device, checks of doctor such as ndk, or the exit code of a run
    /// [default: list all codes]
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
}

/// What a code means in one kind of file.
struct Section {
    /// `In a model library`.
    part: &'static str,
    code: &'static str,
    text: &'static str,
}

pub(super) fn run(args: &ExplainArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let width = context.width.map_or(WIDTH, |columns| columns.min(WIDTH));
    let all = sections();
    if args.codes.is_empty() {
        list(&all, width, context.out)?;
        return Ok(Exit::Ok);
    }
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for asked in &args.codes {
        let code = plain(asked);
        let before = found.len();
        found.extend(exit_code(&code));
        let of_it = all.iter().filter(|section| section.code == code);
        found.extend(of_it.map(|section| {
            (format!("{}: {}", section.code, lower_first(section.part)), section.text)
        }));
        if found.len() == before {
            unknown.push((asked, code));
        }
    }
    for (index, (heading, text)) in found.iter().enumerate() {
        if index > 0 {
            writeln!(context.out)?;
        }
        writeln!(context.out, "{}\n", Tone::Heading.paint(heading))?;
        write_markdown(text, width, context.out)?;
    }
    match unknown.as_slice() {
        [] => Ok(Exit::Ok),
        [(asked, code)] => Err(Error::usage(
            format!("`{asked}` is not a code that mlc-package prints"),
            suggestion(code, &all),
        )),
        several => {
            let names: Vec<_> = several.iter().map(|(asked, _)| format!("`{asked}`")).collect();
            Err(Error::usage(
                format!("{} are not codes that mlc-package prints", names.join(", ")),
                "`mlc-package explain` lists all codes",
            ))
        }
    }
}

/// Every code once, as a shell offers them.
pub(super) fn codes() -> Vec<&'static str> {
    let mut codes: Vec<_> = sections().iter().map(|section| section.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// A code as it is printed, without what is printed around it: `error[unknown-device]`.
fn plain(asked: &str) -> String {
    let inner = asked.split_once('[').map_or(asked, |(_, rest)| rest);
    inner.trim_end_matches([']', ':']).to_lowercase().replace('_', "-")
}

fn sections() -> Vec<Section> {
    let mut found = Vec::new();
    for part in CODES.split("\n## ").skip(1) {
        let (part, rest) = part.split_once('\n').unwrap_or((part, ""));
        for section in rest.split("\n### ").skip(1) {
            let (code, text) = section.split_once('\n').unwrap_or((section, ""));
            found.push(Section { part, code, text: text.trim() });
        }
    }
    found
}

fn exit_code(code: &str) -> Option<(String, &'static str)> {
    let rows = EXIT_CODES.lines().filter_map(|line| {
        let (number, text) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        Some((number, text))
    });
    let mut rows = rows.filter(|(number, _)| *number == code);
    rows.next().map(|(number, text)| (format!("exit code {number}"), text))
}

/// The codes that somebody may have meant.
fn suggestion(code: &str, all: &[Section]) -> String {
    /// More of them are a list, and there is one.
    const MOST: usize = 3;
    let nearest = config::nearest(code, all.iter().map(|section| section.code));
    let mut near = Vec::from_iter(nearest);
    let words = |text: &str| text.split('-').map(str::to_owned).collect::<Vec<_>>();
    for section in all {
        let shares = words(section.code).iter().any(|word| words(code).contains(word));
        if shares && !near.contains(&section.code) && near.len() < MOST {
            near.push(section.code);
        }
    }
    let near: Vec<_> = near.iter().map(|code| format!("`{code}`")).collect();
    match near.as_slice() {
        [] => "`mlc-package explain` lists all codes".to_owned(),
        near => {
            format!("did you mean {}? `mlc-package explain` lists all codes", near.join(" or "))
        }
    }
}

/// One line per code: its first sentence, which is continued below if it is long.
fn list(all: &[Section], width: usize, out: &mut dyn Write) -> io::Result<()> {
    let longest = all.iter().map(|section| section.code.len()).max().unwrap_or_default();
    let mut part = "";
    for section in all {
        if section.part != part {
            let before = if part.is_empty() { "" } else { "\n" };
            writeln!(out, "{before}{}\n", Tone::Heading.paint(section.part))?;
            part = section.part;
        }
        let first = section.text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        let sentence = first.split_inclusive(". ").next().unwrap_or_default();
        let sentence = sentence.trim_end().trim_end_matches(['.', ':']);
        let indent = " ".repeat(longest + 2);
        let lines = wrapped(&without_links(sentence), width.saturating_sub(indent.len()));
        for (index, line) in lines.iter().enumerate() {
            match index {
                0 => writeln!(out, "{:longest$}  {line}", section.code)?,
                _ => writeln!(out, "{indent}{line}")?,
            }
        }
    }
    Ok(())
}

/// Paragraphs are wrapped; code is indented and stays as it is.
fn write_markdown(text: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
    for (index, block) in text.split("\n\n").enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        if block.starts_with("```") {
            for line in block.lines().filter(|line| !line.starts_with("```")) {
                writeln!(out, "    {line}")?;
            }
        } else {
            for line in wrapped(&without_links(&block.replace('\n', " ")), width) {
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}

/// The text with the words of its links alone.
fn without_links(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, (words, after))) = rest.split_once('[').and_then(|(before, link)| {
        let (words, after) = link.split_once("](")?;
        Some((before, (words, after.split_once(')')?.1)))
    }) {
        shown.push_str(before);
        shown.push_str(words);
        rest = after;
    }
    shown + rest
}

/// Lines of at most `width` characters, unless a word is longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{sections, without_links, wrapped};

    #[test]
    fn words_of_links_stay_and_their_addresses_go() {
        assert_eq!(without_links("see [a b](c.md#d), and [e](f)."), "see a b, and e.");
        assert_eq!(without_links("a [ b and `[x]` (c)"), "a [ b and `[x]` (c)");
    }

    #[test]
    fn lines_end_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a-very-long-word b", 4), ["a-very-long-word", "b"]);
        assert_eq!(wrapped(" ", 4), [""; 0]);
    }

    /// A list of codes is one that is read at a glance, and a section is no essay.
    #[test]
    fn a_section_begins_with_a_short_sentence() {
        for section in sections() {
            let first = section.text.split(". ").next().unwrap_or_default();
            assert!(first.len() < 160, "{}: {first}", section.code);
            assert!(section.text.lines().count() <= 14, "{}", section.code);
        }
    }
}
