//! Manifests and plans as people read them: pure, over any writer. [`SizeReport`] is what two
//! manifests differ in; each format is a renderer of it.

mod budget;
mod foreign;
mod html;
mod human;
mod inputs;
mod markdown;
mod measured;
mod pairing;
mod parts;
mod plan;
mod release;
mod size;
mod summary;
mod table;

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use crate::model::{visible, without_command};

pub use budget::{LimitKind, OverLimit, Use};
pub use html::{HtmlError, html};
pub use human::write_report;
pub use inputs::InputChange;
pub use markdown::{COMMENT_CHARS, markdown};
pub use measured::Measured;
pub use pairing::{Baseline, pair};
pub use parts::ModelParts;
pub use plan::write_plan;
pub use release::{ReleaseSummary, write_release};
pub use size::{
    ArtifactSize, LibraryParts, LinkedBy, ModelReport, PackageInput, PackageReport, ReportContext,
    SizeReport, Sizes, Status,
};
pub use summary::write_summary;

/// Columns without borders: a header, then rows. Columns whose header begins with `>` are
/// aligned to the right.
pub fn write_table(
    out: &mut dyn Write,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().map(|title| title.trim_start_matches('>')));
    table.add_rows(rows);
    for (column, title) in table.column_iter_mut().zip(header) {
        column.set_padding((0, 2));
        if title.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        // Cells may be strangers' names, also the first.
        let line = visible(line.trim_end(), usize::MAX);
        writeln!(out, "  {}", without_command(&line))?;
    }
    Ok(())
}

/// `1 model`, `2 models`.
pub fn count(n: usize, thing: &str, things: &str) -> String {
    format!("{n} {}", if n == 1 { thing } else { things })
}
