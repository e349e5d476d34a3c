//! Columns without borders: a header, then rows. Where a terminal is too narrow for all columns,
//! those that matter least are left out, and then texts are wrapped.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

use crate::model::{Tone, verdict, visible, without_command};

/// Spaces before each line, and between two columns.
const INDENT: usize = 2;
const GAP: u16 = 2;

/// What stands over a column, and how the column is set.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    title: &'a str,
    is_number: bool,
    /// Columns of the highest rank are left out first; 0 is always shown.
    rank: u8,
}

impl<'a> Heading<'a> {
    /// A column of text, aligned to the left.
    pub fn text(title: &'a str) -> Self {
        Self { title, is_number: false, rank: 0 }
    }

    /// A column of numbers, aligned to the right. Its cells are never wrapped.
    pub fn number(title: &'a str) -> Self {
        Self { title, is_number: true, rank: 0 }
    }

    /// The column is left out before those of a lower rank, where not all fit.
    pub fn optional(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// The text in one place of a table.
#[derive(Clone, Debug, Default)]
pub struct Cell(String);

impl Cell {
    /// A text in a tone.
    pub fn in_tone(tone: Tone, text: &str) -> Self {
        Self(marked(tone, &visible(text, usize::MAX)))
    }

    /// A text that begins with its [`verdict`], which is in a tone.
    pub fn verdict(tone: Tone, text: &str) -> Self {
        let text = visible(text, usize::MAX);
        let (verdict, rest) = verdict(&text);
        Self(marked(tone, verdict) + rest)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        // What steers a terminal has no width, so it is made visible before anything is measured.
        Self(visible(&text, usize::MAX).into_owned())
    }
}

/// Ends what [`begin`] began. Like that, it has no width, and [`visible`] leaves it in no text.
const END: char = '\u{2060}';

/// Stands before a word in a tone, until lines are written.
fn begin(tone: Tone) -> char {
    match tone {
        Tone::Good => '\u{2061}',
        Tone::Warning => '\u{2062}',
        Tone::Bad => '\u{2063}',
        Tone::Heading => '\u{2064}',
    }
}

/// Each word apart, since a text may be wrapped between them.
fn marked(tone: Tone, text: &str) -> String {
    let words = text.split(' ').map(|word| match word {
        "" => String::new(),
        word => format!("{}{word}{END}", begin(tone)),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A line of a table with its tones as a terminal shows them.
fn painted(line: &str) -> String {
    let mut shown = String::new();
    let mut open = None;
    for character in line.chars().chain([END]) {
        if let Some(tone) = Tone::ALL.into_iter().find(|tone| begin(*tone) == character) {
            open = Some(tone);
            shown += &tone.style().render().to_string();
        } else if character != END {
            shown.push(character);
        } else if let Some(tone) = open.take() {
            shown += &tone.style().render_reset().to_string();
        }
    }
    shown
}

/// Writes a table. `width` is that of the terminal; none where nobody knows it, and then every
/// column is written.
pub fn write_table<C: Into<Cell>>(
    out: &mut dyn Write,
    width: Option<usize>,
    headings: &[Heading<'_>],
    rows: impl IntoIterator<Item = Vec<C>>,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings.iter().map(|heading| marked(Tone::Heading, heading.title)));
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(|cell| cell.into().0)));
    for (column, heading) in table.column_iter_mut().zip(headings) {
        column.set_padding((0, GAP));
        if heading.is_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let room = width.map(|width| width.saturating_sub(INDENT));
    let left_out = room.map(|room| fit(&mut table, room, headings)).unwrap_or_default();
    let lines = table.lines().chain(room.into_iter().flat_map(|room| listed(&left_out, room)));
    for line in lines {
        // Without colours the line may begin with another word.
        writeln!(out, "{:INDENT$}{}", "", painted(&without_command(line.trim_end())))?;
    }
    Ok(())
}

/// The lines that say which columns are left out.
fn listed(titles: &[&str], room: usize) -> Vec<String> {
    let Some((last, before)) = titles.split_last() else { return Vec::new() };
    let mut lines = vec!["not shown at this width:".to_owned()];
    for word in before.iter().map(|title| format!("{title},")).chain([(*last).to_owned()]) {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= room => *line += &format!(" {word}"),
            _ => lines.push(format!("  {word}")),
        }
    }
    lines
}

/// Leaves out what does not fit; gives the titles of that.
fn fit<'a>(table: &mut Table, room: usize, headings: &[Heading<'a>]) -> Vec<&'a str> {
    let widths: Vec<usize> =
        table.column_max_content_widths().into_iter().map(usize::from).collect();
    let mut is_shown = vec![true; headings.len()];
    let needed = |is_shown: &[bool]| {
        let columns = widths.iter().zip(is_shown).filter(|(_, is_shown)| **is_shown);
        columns.map(|(width, _)| width + usize::from(GAP)).sum::<usize>()
    };
    // The gap after the last column is never written.
    let room = room + usize::from(GAP);
    while needed(&is_shown) > room {
        let left =
            headings.iter().enumerate().filter(|(at, heading)| is_shown[*at] && heading.rank > 0);
        let Some((least, _)) = left.max_by_key(|(_, heading)| heading.rank) else { break };
        is_shown[least] = false;
    }
    let fits = needed(&is_shown) <= room;
    for ((column, heading), is_shown) in table.column_iter_mut().zip(headings).zip(&is_shown) {
        if !is_shown {
            column.set_constraint(ColumnConstraint::Hidden);
        } else if heading.is_number {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    if !fits {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(room).unwrap_or(u16::MAX));
    }
    let mut titles = Vec::new();
    for (heading, is_shown) in headings.iter().zip(is_shown) {
        if !is_shown && !heading.title.is_empty() && !titles.contains(&heading.title) {
            titles.push(heading.title);
        }
    }
    titles
}

#[cfg(test)]
mod tests {
    use super::{Cell, Heading, write_table};
    use crate::model::Tone;

    /// Without its colours.
    fn table(width: Option<usize>) -> String {
        anstream::adapter::strip_str(&coloured(width)).to_string()
    }

    fn coloured(width: Option<usize>) -> String {
        let headings = [
            Heading::text("model"),
            Heading::number("download").optional(1),
            Heading::number("kernels").optional(2),
            Heading::text("status"),
        ];
        let row = |cells: [&str; 3], last: Cell| {
            [cells.map(|cell| Cell::from(cell.to_owned())).to_vec(), vec![last]].concat()
        };
        let why = "to compile: hidden_size changed: 256 -> 512";
        let rows = [
            row(["Llama-3.2-1B", "680.1 MiB", "1.2 MiB"], Cell::in_tone(Tone::Good, "cached")),
            row(["Qwen3", "1.3 GiB", "900.0 KiB"], Cell::verdict(Tone::Warning, why)),
        ];
        let mut out = Vec::new();
        write_table(&mut out, width, &headings, rows).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap()
    }

    #[test]
    fn columns_are_left_out_by_their_rank_and_texts_are_wrapped_last() {
        let whole = table(None);
        assert_eq!(widest(&whole), 81, "{whole}");
        assert_eq!(table(Some(81)), whole);
        let narrow = table(Some(80));
        assert!(
            narrow.contains("  download ")
                && narrow.ends_with("  not shown at this width: kernels\n")
        );
        let narrower = table(Some(60));
        assert!(!narrower.contains("  download ") && narrower.contains("256 -> 512"), "{narrower}");
        assert!(
            narrower.ends_with("\n  not shown at this width: download, kernels\n"),
            "{narrower}"
        );
        assert_eq!(narrower.lines().count(), 4, "{narrower}");
        let least = table(Some(40));
        assert!(least.lines().count() > 3 && least.contains("Llama-3.2-1B  cached"), "{least}");
        for width in 40..120 {
            // Words that are wrapped keep their tone, and no tone reaches into the next column.
            for line in coloured(Some(width)).lines() {
                let count = |escape: &str| line.matches(escape).count();
                assert_eq!(count("\u{1b}[1m"), count("\u{1b}[0m"), "{line:?}");
            }
            assert!(widest(&table(Some(width))) <= width, "{width}: {}", table(Some(width)));
        }
    }

    #[test]
    fn tones_are_escape_sequences_around_words() {
        let shown = coloured(None);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[0].starts_with("  \u{1b}[1mmodel\u{1b}[0m "), "{lines:?}");
        assert!(lines[1].ends_with("  \u{1b}[1m\u{1b}[32mcached\u{1b}[0m"), "{lines:?}");
        let why = "\u{1b}[1m\u{1b}[33mto\u{1b}[0m \u{1b}[1m\u{1b}[33mcompile\u{1b}[0m: hidden_size";
        assert!(lines[2].contains(why), "{lines:?}");
    }

    #[test]
    fn a_text_of_a_stranger_has_no_tone() {
        let mut out = Vec::new();
        let name = "a\u{2063}b\u{2060}\u{1b}[31m".to_owned();
        write_table(&mut out, None, &[Heading::text("")], [vec![name]]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "  \n  a\\u{2063}b\\u{2060}\\u{1b}[31m\n");
    }
}
