//! The size report for a terminal.

use std::io::{self, Write};

use super::harmless::visible;
use super::measured::{Measured, Percent, Signed};
use super::size::{LinkedBy, PackageReport, SizeReport};
use super::table::{self, Column, Mark, ModelTable};
use super::{Cell, Heading, count, write_table};
use crate::manifest::{DuplicateKind, DuplicateRecord};
use crate::model;
use crate::model::{ByteSize, Tone, without_command};

/// More rows than this are for the other formats.
const MOST_ROWS: usize = 20;
/// More of an answer than this, in characters, is not for a report.
pub(super) const ANSWER: usize = 300;

/// Writes the report for people at a terminal of some width.
pub fn write_report(
    out: &mut dyn Write,
    report: &SizeReport,
    width: Option<usize>,
) -> io::Result<()> {
    let tone = if report.fails() { Tone::Bad } else { Tone::Heading };
    writeln!(out, "{}", tone.paint(&report.title()))?;
    for package in &report.packages {
        writeln!(out)?;
        write_package(out, report, package, width)?;
    }
    if !report.over_budget.is_empty() {
        writeln!(out)?;
    }
    for over in report.over_budget.iter().take(MOST_ROWS) {
        let (tone, word) = match (over.fails(), over.used.accepted) {
            (true, _) => (Tone::Bad, "over budget"),
            (false, true) => (Tone::Heading, "accepted"),
            (false, false) => (Tone::Warning, "warning"),
        };
        let text = format!("{}: {}", report.whose(over), over.message);
        writeln!(out, "{}: {}", tone.paint(word), visible_line(&text))?;
    }
    others(out, report.over_budget.len().saturating_sub(MOST_ROWS), "")
}

fn write_package(
    out: &mut dyn Write,
    report: &SizeReport,
    package: &PackageReport,
    width: Option<usize>,
) -> io::Result<()> {
    let sizes = &package.sizes;
    write!(out, "{}", Tone::Heading.paint(&visible(&package.name)))?;
    if package.name != package.device.as_str() {
        write!(out, " for {}", package.device)?;
    }
    match (package.has_baseline, &report.base, &report.head) {
        (false, ..) => write!(out, ", no baseline")?,
        (true, base, head) => {
            for (what, commit) in [("base", base), ("head", head)] {
                if let Some(commit) = commit {
                    write!(out, ", {what} {}", short(commit))?;
                }
            }
        }
    }
    writeln!(out)?;
    let by = match package.linked_by {
        LinkedBy::Binding => "model libraries and runtime in libtvm4j_runtime_packed.so",
        LinkedBy::Archive => "model libraries in the static archive",
    };
    for (what, size, remark) in [
        ("linked code", sizes.linked, by),
        ("bundled", sizes.bundled, ""),
        ("download", sizes.download, ""),
        ("RAM", sizes.ram, "of the largest model"),
    ] {
        let change = in_brackets(size);
        let line = format!("  {what:<12}{:>10}{change}  {remark}", ByteSize(size.bytes()));
        writeln!(out, "{}", line.trim_end())?;
    }
    if let Some(artifact) = &package.artifact {
        let (size, change) = (ByteSize(artifact.size.bytes()), in_brackets(artifact.size));
        let name = visible(&artifact.name);
        writeln!(out, "  {:<12}{size:>10}{change}  {name}", "artifact")?;
    }
    if let Some(note) = package.metal_note() {
        writeln!(out, "  {note}")?;
    }
    if let Some(note) = package.kernels_note() {
        writeln!(out, "  {note}")?;
    }
    if let Some(used) = package.budget.as_ref() {
        let bar = table::bar(used);
        let bar = Mark::of(Some(used)).tone().map_or(bar.clone(), |tone| tone.paint(&bar));
        writeln!(out, "  {:<12}{bar}", "budget")?;
    }
    let news = table::of_models(package, MOST_ROWS, |model| table::is_news(package, model));
    let unchanged = package.models.len() - news.rows.len() - news.others;
    if !news.rows.is_empty() {
        writeln!(out)?;
        write_models(out, &news, width)?;
    }
    if unchanged > 0 {
        writeln!(out, "\n  {} unchanged", count(unchanged, "model", "models"))?;
    }
    write_answers(out, package)?;
    write_inputs(out, package)?;
    write_duplicates(out, &package.duplicates)
}

/// A column of values, and one of remarks where there is any.
fn write_models(
    out: &mut dyn Write,
    table: &ModelTable<'_>,
    width: Option<usize>,
) -> io::Result<()> {
    let marked = table.rows.iter().any(|row| row.mark != Mark::None);
    let remarked = |at: usize| table.rows.iter().any(|row| !row.cells[at].remark.is_empty());
    let titles: Vec<_> = table.columns.iter().map(|column| column.title()).collect();
    let titles: Vec<_> = titles.iter().map(|title| lower(title)).collect();
    let mut headings = Vec::new();
    headings.extend(marked.then_some(Heading::text("")));
    headings.push(Heading::text("model"));
    for (at, column) in table.columns.iter().enumerate() {
        let (rank, remark, remark_rank) = match column {
            Column::Budget => (0, Heading::text("of the limit on"), 0),
            Column::Download | Column::Bundled => (0, Heading::number("change"), 3),
            Column::Ram => (1, Heading::number("change"), 4),
            Column::Linked => (2, Heading::number("change"), 5),
            Column::Declared => (6, Heading::text(""), 6),
        };
        headings.push(Heading::number(&titles[at]).optional(rank));
        headings.extend(remarked(at).then(|| remark.optional(remark_rank)));
    }
    let rows = table.rows.iter().map(|row| {
        let mut cells = Vec::new();
        cells.extend(marked.then(|| in_tone(row.mark.tone(), row.mark.word())));
        cells.push(visible(row.model.as_str()).into());
        for (at, cell) in row.cells.iter().enumerate() {
            let tone = match table.columns[at] {
                Column::Budget => row.mark.tone(),
                // What is said of it is that it is too little.
                Column::Declared => Some(Tone::Warning),
                _ => None,
            };
            let value_tone = tone.filter(|_| table.columns[at] == Column::Budget);
            cells.push(in_tone(value_tone, &cell.value));
            cells.extend(remarked(at).then(|| in_tone(tone, &cell.remark)));
        }
        cells
    });
    write_table(out, width, &headings, rows)?;
    others(out, table.others, "  ")
}

fn in_tone(tone: Option<Tone>, text: &str) -> Cell {
    tone.map_or_else(|| text.to_owned().into(), |tone| Cell::in_tone(tone, text))
}

/// A title in the middle of a line; `RAM` stays as it is.
fn lower(title: &str) -> String {
    title.to_lowercase().replace("ram ", "RAM ")
}

/// What models answered that were tried.
fn write_answers(out: &mut dyn Write, package: &PackageReport) -> io::Result<()> {
    let tried = || package.models.iter().filter_map(|model| Some((model, model.answer.as_ref()?)));
    if tried().next().is_some() {
        writeln!(out, "\n  answers")?;
    }
    for (model, answer) in tried().take(MOST_ROWS) {
        let id = visible(model.model_id.as_str());
        let line = format!("{id}, perplexity {}", answer.perplexity());
        writeln!(out, "    {}", without_command(&line))?;
        for (who, text) in [("asked", &answer.now.prompt), ("answered", &answer.now.text)] {
            writeln!(out, "      {who:<8} {}", visible_line(&model::visible(text, ANSWER)))?;
        }
    }
    others(out, tried().count().saturating_sub(MOST_ROWS), "    ")
}

fn write_inputs(out: &mut dyn Write, package: &PackageReport) -> io::Result<()> {
    if package.inputs.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  changed in what went in:")?;
    for change in package.inputs.iter().take(MOST_ROWS) {
        let whose = change.model.as_ref().map(|model| format!("{}: ", visible(model.as_str())));
        let value = |value: &Option<String>| value.as_deref().map_or("none".into(), visible);
        let line = format!(
            "{}{} {} -> {}",
            whose.unwrap_or_default(),
            visible(&change.what),
            value(&change.before),
            value(&change.now)
        );
        writeln!(out, "    {}", without_command(&line))?;
    }
    others(out, package.inputs.len().saturating_sub(MOST_ROWS), "    ")
}

fn write_duplicates(out: &mut dyn Write, duplicates: &[DuplicateRecord]) -> io::Result<()> {
    const MOST: usize = 5;
    if duplicates.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  in the package more than once:")?;
    for duplicate in duplicates.iter().take(MOST) {
        writeln!(out, "    {}", visible_line(&describe(duplicate, &visible)))?;
    }
    others(out, duplicates.len().saturating_sub(MOST), "    ")
}

/// `kernel x: 12.0 KiB duplicated, in a and b`.
pub(super) fn describe(duplicate: &DuplicateRecord, name: &dyn Fn(&str) -> String) -> String {
    const MOST: usize = 4;
    let kind = describe_kind(duplicate.kind);
    let mut owners: Vec<_> = duplicate.owners.iter().take(MOST).map(|owner| name(owner)).collect();
    let rest = duplicate.owners.len().saturating_sub(MOST);
    owners.extend((rest > 0).then(|| format!("{rest} more")));
    format!(
        "{kind} {}: {} duplicated, in {}",
        name(&duplicate.name),
        ByteSize(duplicate.wasted()),
        owners.join(", ")
    )
}

pub(super) fn describe_kind(kind: DuplicateKind) -> &'static str {
    match kind {
        DuplicateKind::Kernel => "kernel",
        DuplicateKind::Shard => "shard",
    }
}

fn others(out: &mut dyn Write, others: usize, indent: &str) -> io::Result<()> {
    match others {
        0 => Ok(()),
        n => writeln!(out, "{indent}[{}]", count(n, "other", "others")),
    }
}

/// ` (+1.1 MiB, +3.0 %)`, or nothing for no difference.
pub(super) fn in_brackets(size: Measured) -> String {
    match (size.delta(), size.share()) {
        (None | Some(0), _) => String::new(),
        (Some(delta), Some(share)) => format!(" ({}, {})", Signed(delta), Percent(share)),
        (Some(delta), None) => format!(" ({})", Signed(delta)),
    }
}

/// The first digits of a commit.
pub(super) fn short(commit: &str) -> String {
    visible(commit.get(..7).unwrap_or(commit))
}

/// A sentence with names in it.
fn visible_line(text: &str) -> String {
    model::visible(text, usize::MAX).into_owned()
}
