//! The size report as GitHub's Markdown: the body of comments, of check runs, and the summary of
//! a job.

use std::fmt::{self, Write as _};

use super::count;
use super::harmless::{code, code_up_to};
use super::human::{ANSWER, describe, in_brackets, short};
use super::measured::Measured;
use super::size::{LinkedBy, ModelReport, PackageReport, SizeReport};
use super::table::{self, Column, Mark, ModelTable};
use crate::manifest::PartRecord;
use crate::model::ByteSize;

/// What a comment holds at the most, in characters: GitHub refuses one of more than 65,536, and
/// who sends it may want to add to it.
pub const COMMENT_CHARS: usize = 60_000;

/// How much is said. Each is less than the one before.
#[derive(Clone, Copy, Debug)]
struct Room {
    packages: usize,
    rows: usize,
    details: usize,
}

const ROOMS: [Room; 8] = [
    Room { packages: 100, rows: 20, details: 100 },
    Room { packages: 100, rows: 20, details: 20 },
    Room { packages: 100, rows: 20, details: 5 },
    Room { packages: 100, rows: 20, details: 0 },
    Room { packages: 100, rows: 5, details: 0 },
    Room { packages: 20, rows: 5, details: 0 },
    Room { packages: 20, rows: 0, details: 0 },
    Room { packages: 1, rows: 0, details: 0 },
];

/// The report in at most so many characters. It is cut by rows, never within a table. Where not
/// even the first package's sizes fit, there is the title alone.
pub fn markdown(report: &SizeReport, limit_chars: usize) -> String {
    let fits = |text: &String| text.chars().count() <= limit_chars;
    let whole = ROOMS.iter().map(|room| body(report, *room)).find(fits);
    whole.unwrap_or_else(|| title(report).chars().take(limit_chars).collect())
}

fn title(report: &SizeReport) -> String {
    format!("### {}\n", report.title())
}

fn body(report: &SizeReport, room: Room) -> String {
    let mut out = title(report);
    // Writing to a string cannot fail.
    let _ = write_body(&mut out, report, room);
    out
}

fn write_body(out: &mut String, report: &SizeReport, room: Room) -> fmt::Result {
    write_over(out, report, room)?;
    for package in report.packages.iter().take(room.packages) {
        if report.packages.len() > 1 {
            write!(out, "\n#### {}\n", code(&package.name))?;
        }
        write_sizes(out, report, package)?;
        write_main(out, package, room)?;
        if room.details > 0 {
            write_unchanged(out, package, room)?;
            write_parts(out, package, room)?;
            write_answers(out, package, room)?;
            write_inputs(out, package, room)?;
        }
    }
    match report.packages.len().saturating_sub(room.packages) {
        0 => Ok(()),
        n => write!(out, "\n\\[{}\\]\n", count(n, "other package", "other packages")),
    }
}

fn write_over(out: &mut String, report: &SizeReport, room: Room) -> fmt::Result {
    let most = room.rows.min(10);
    if report.over_budget.is_empty() || most == 0 {
        return Ok(());
    }
    writeln!(out)?;
    for over in report.over_budget.iter().take(most) {
        let mark = match (over.fails(), over.used.accepted) {
            (true, _) => Mark::Fail,
            (false, true) => Mark::Accepted,
            (false, false) => Mark::Warn,
        };
        let whose = report.whose(over);
        writeln!(out, "- {} {}: {}", mark.emoji(), code(&whose), over.message)?;
    }
    write_others(out, report.over_budget.len().saturating_sub(most), "- ")
}

/// Two paragraphs: GitHub breaks a line within one in comments, but not in the summary of a job.
fn write_sizes(out: &mut String, report: &SizeReport, package: &PackageReport) -> fmt::Result {
    let sizes = &package.sizes;
    let size = |name: &str, size: Measured| {
        format!("{name} **{}**{}", ByteSize(size.bytes()), in_brackets(size))
    };
    let line = [
        size("Linked code", sizes.linked),
        size("Bundled", sizes.bundled),
        size("Download", sizes.download),
    ];
    writeln!(out, "\n{}", line.join(" · "))?;
    let mut about = vec![package.device.to_string()];
    if package.has_baseline {
        for (what, commit) in [("base", &report.base), ("head", &report.head)] {
            about.extend(commit.as_ref().map(|commit| format!("{what} {}", code(&short(commit)))));
        }
    } else {
        about.push("no baseline, absolute sizes".to_owned());
    }
    about.push(match package.linked_by {
        LinkedBy::Binding => "linked code is `libtvm4j_runtime_packed.so`".to_owned(),
        LinkedBy::Archive => "linked code is the model libraries".to_owned(),
    });
    about.extend(package.artifact.as_ref().map(|artifact| {
        let size = ByteSize(artifact.size.bytes());
        format!("artifact {} {size}{}", code(&artifact.name), in_brackets(artifact.size))
    }));
    about.extend(package.metal_note().map(str::to_owned));
    about.extend(package.kernels_note());
    writeln!(out, "\n{}", about.join(" · "))?;
    match &package.budget {
        Some(used) => writeln!(out, "\nBudget of the package: {}", table::bar(used)),
        None => Ok(()),
    }
}

fn write_main(out: &mut String, package: &PackageReport, room: Room) -> fmt::Result {
    if room.rows == 0 {
        return Ok(());
    }
    let news = table::of_models(package, room.rows, |model| table::is_news(package, model));
    if news.rows.is_empty() {
        return writeln!(out, "\nNo model changed by 64 KiB or 0.5 %.");
    }
    writeln!(out)?;
    write_table(out, &news)
}

/// The table has few columns, so that it fits a comment and, for the most part, a phone: a change
/// stands below its size, and the declared memory is there only where it is too little.
fn write_table(out: &mut String, table: &ModelTable<'_>) -> fmt::Result {
    let columns = || table.columns.iter().enumerate().filter(|(_, it)| **it != Column::Declared);
    let titles: Vec<_> = columns().map(|(_, column)| column.title()).collect();
    writeln!(out, "| Model | {} |", titles.join(" | "))?;
    writeln!(out, "|:--|{}", "--:|".repeat(titles.len()))?;
    let declared = table.columns.iter().position(|column| *column == Column::Declared);
    for row in &table.rows {
        let cell = |at: usize, column: Column| {
            let mut lines = vec![row.cells[at].value.clone(), row.cells[at].remark.clone()];
            let declared = declared.map(|at| &row.cells[at]).filter(|it| !it.remark.is_empty());
            if let Some(declared) = declared.filter(|_| column == Column::Ram) {
                lines.push(format!("declared {}: {}", declared.value, declared.remark));
            }
            lines.retain(|line| !line.is_empty());
            lines.join("<br>")
        };
        let cells: Vec<_> = columns().map(|(at, column)| cell(at, *column)).collect();
        let mark = if row.mark == Mark::None { "" } else { row.mark.emoji() };
        let model = format!("{mark} {}", code(row.model.as_str()));
        writeln!(out, "| {} | {} |", model.trim_start(), cells.join(" | "))?;
    }
    if table.others > 0 {
        let empty = " |".repeat(titles.len());
        writeln!(out, "| \\[{}\\] |{empty}", count(table.others, "other", "others"))?;
    }
    Ok(())
}

fn write_unchanged(out: &mut String, package: &PackageReport, room: Room) -> fmt::Result {
    let is_unchanged = |model: &ModelReport| !table::is_news(package, model);
    let unchanged = table::of_models(package, room.details, is_unchanged);
    if unchanged.rows.is_empty() {
        return Ok(());
    }
    let all = unchanged.rows.len() + unchanged.others;
    open(out, &format!("Unchanged ({all})"))?;
    write_table(out, &unchanged)?;
    close(out)
}

fn write_parts(out: &mut String, package: &PackageReport, room: Room) -> fmt::Result {
    let with_parts =
        || package.models.iter().filter_map(|model| Some((&model.model_id, model.parts?)));
    if with_parts().next().is_none() {
        return Ok(());
    }
    open(out, "Where the bytes are")?;
    writeln!(out, "| Model | Weights | Tokenizer | Other files | Kernels | Host code | Data |")?;
    writeln!(out, "|:--|--:|--:|--:|--:|--:|--:|")?;
    for (model, parts) in with_parts().take(room.details) {
        let cells = parts.named().map(|(_, bytes)| ByteSize(bytes).to_string());
        writeln!(out, "| {} | {} |", code(model.as_str()), cells.join(" | "))?;
    }
    let others = with_parts().count().saturating_sub(room.details);
    if others > 0 {
        writeln!(out, "| \\[{}\\] | | | | | | |", count(others, "other", "others"))?;
    }
    if package.libraries.iter().any(|library| library.models.len() > 1) {
        writeln!(out, "\nA library that several models load is divided among them.")?;
    }
    write_largest(out, package, room)?;
    if !package.duplicates.is_empty() {
        writeln!(out, "\nIn the package more than once:\n")?;
        for duplicate in package.duplicates.iter().take(room.details.min(10)) {
            writeln!(out, "- {}", describe(duplicate, &code))?;
        }
        write_others(out, package.duplicates.len().saturating_sub(room.details.min(10)), "- ")?;
    }
    close(out)
}

/// The largest kernels and tensors of the package, and the models that have them: the name of a
/// library says nothing to a reader.
fn write_largest(out: &mut String, package: &PackageReport, room: Room) -> fmt::Result {
    let most = room.details.min(5);
    let kernels = package.libraries.iter().flat_map(|library| {
        let owner = match library.models.as_slice() {
            [] => format!("{}, which no model loads", code(library.model_lib.as_str())),
            [model] => code(model.as_str()),
            [model, others @ ..] => format!("{} and {} more", code(model.as_str()), others.len()),
        };
        library.largest_kernels.iter().map(move |part| ("kernel", part, owner.clone()))
    });
    let tensors = package.models.iter().flat_map(|model| {
        let owner = code(model.model_id.as_str());
        model.largest_tensors.iter().map(move |part| ("tensor", part, owner.clone()))
    });
    let mut rows = largest(kernels.collect(), most);
    rows.extend(largest(tensors.collect(), most));
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| Largest parts | Size | In |\n|:--|--:|:--|")?;
    for (kind, part, owner) in rows {
        writeln!(out, "| {kind} {} | {} | {owner} |", code(&part.name), ByteSize(part.bytes))?;
    }
    Ok(())
}

/// A part, what it is, and who has it.
type Part<'r> = (&'static str, &'r PartRecord, String);

fn largest(mut parts: Vec<Part<'_>>, most: usize) -> Vec<Part<'_>> {
    parts.sort_by(|(_, a, of_a), (_, b, of_b)| {
        (b.bytes, of_a, &a.name).cmp(&(a.bytes, of_b, &b.name))
    });
    parts.truncate(most);
    parts
}

fn write_answers(out: &mut String, package: &PackageReport, room: Room) -> fmt::Result {
    let tried = || package.models.iter().filter_map(|model| Some((model, model.answer.as_ref()?)));
    if tried().next().is_none() {
        return Ok(());
    }
    open(out, "What the models answered")?;
    out.push_str("| Model | Asked | Answered | Perplexity |\n|:--|:--|:--|--:|\n");
    for (model, answer) in tried().take(room.details) {
        let cell = |text: &str| code_up_to(text, ANSWER);
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            code(model.model_id.as_str()),
            cell(&answer.now.prompt),
            cell(&answer.now.text),
            answer.perplexity()
        )?;
    }
    write_others(out, tried().count().saturating_sub(room.details), "\n")?;
    close(out)
}

fn write_inputs(out: &mut String, package: &PackageReport, room: Room) -> fmt::Result {
    if package.inputs.is_empty() {
        return Ok(());
    }
    open(out, "What changed in the inputs")?;
    for change in package.inputs.iter().take(room.details) {
        let whose = change.model.as_ref().map(|model| format!("{}: ", code(model.as_str())));
        let value = |value: &Option<String>| value.as_deref().map_or("none".into(), code);
        writeln!(
            out,
            "- {}{} {} → {}",
            whose.unwrap_or_default(),
            code(&change.what),
            value(&change.before),
            value(&change.now)
        )?;
    }
    write_others(out, package.inputs.len().saturating_sub(room.details), "- ")?;
    close(out)
}

fn write_others(out: &mut String, others: usize, before: &str) -> fmt::Result {
    match others {
        0 => Ok(()),
        n => writeln!(out, "{before}\\[{}\\]", count(n, "other", "others")),
    }
}

fn open(out: &mut String, summary: &str) -> fmt::Result {
    write!(out, "\n<details><summary>{summary}</summary>\n\n")
}

fn close(out: &mut String) -> fmt::Result {
    write!(out, "\n</details>\n")
}
