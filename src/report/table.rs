//! The table of a package's models: what its columns are and what is in a row, whatever it is
//! rendered to.

use super::budget::{LimitKind, Use};
use super::measured::{Measured, Signed};
use super::size::{ModelReport, PackageReport, Status};
use crate::model::{ByteSize, Level, ModelId, Tone};

/// A table of models.
pub(super) struct ModelTable<'r> {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row<'r>>,
    /// How many models have no row.
    pub(super) others: usize,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Download,
    Bundled,
    Linked,
    Ram,
    Declared,
    Budget,
}

/// One model, its cells in the order of the columns.
pub(super) struct Row<'r> {
    pub(super) mark: Mark,
    pub(super) model: &'r ModelId,
    pub(super) cells: Vec<Cell>,
}

/// A value, and what is to be said of it: how it changed, or of what it is.
#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) value: String,
    pub(super) remark: String,
}

/// What stands before a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    None,
    Warn,
    Accepted,
    Fail,
}

impl Mark {
    pub(super) fn of(used: Option<&Use>) -> Self {
        match used.filter(|used| used.is_over()) {
            None => Self::None,
            Some(used) if used.accepted => Self::Accepted,
            Some(used) if used.level == Level::Fail => Self::Fail,
            Some(_) => Self::Warn,
        }
    }

    /// For a terminal.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Warn => "warn",
            Self::Accepted => "accepted",
            Self::Fail => "over",
        }
    }

    /// In which tone a terminal shows that word.
    pub(super) fn tone(self) -> Option<Tone> {
        match self {
            Self::None => None,
            Self::Warn => Some(Tone::Warning),
            Self::Accepted => Some(Tone::Heading),
            Self::Fail => Some(Tone::Bad),
        }
    }

    /// For Markdown.
    pub(super) fn emoji(self) -> &'static str {
        match self {
            Self::None => " ",
            Self::Warn => "⚠️",
            Self::Accepted => "🏷️",
            Self::Fail => "❌",
        }
    }
}

impl Column {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Download => "Download",
            Self::Bundled => "Bundled",
            Self::Linked => "Linked",
            Self::Ram => "RAM needed",
            Self::Declared => "RAM declared",
            Self::Budget => "Budget",
        }
    }

    fn cell(self, model: &ModelReport) -> Cell {
        let sizes = &model.sizes;
        match self {
            Self::Download => size(model.status, sizes.download),
            Self::Bundled => size(model.status, sizes.bundled),
            Self::Linked => size(model.status, sizes.linked),
            Self::Ram => ram(model),
            Self::Declared => declared(model),
            Self::Budget => model.budget.as_ref().map(budget).unwrap_or_default(),
        }
    }
}

/// The models of a package that a predicate chooses, at most so many of them.
pub(super) fn of_models<'r>(
    package: &'r PackageReport,
    most: usize,
    is_wanted: impl Fn(&ModelReport) -> bool,
) -> ModelTable<'r> {
    let columns = columns(package);
    let wanted: Vec<_> = package.models.iter().filter(|model| is_wanted(model)).collect();
    let rows = wanted.iter().take(most).map(|model| Row {
        mark: Mark::of(model.budget.as_ref()),
        model: &model.model_id,
        cells: columns.iter().map(|column| column.cell(model)).collect(),
    });
    ModelTable { rows: rows.collect(), others: wanted.len().saturating_sub(most), columns }
}

/// Whether a model is worth a row of the main table.
pub(super) fn is_news(package: &PackageReport, model: &ModelReport) -> bool {
    !package.has_baseline
        || !matches!(model.status, Status::Unchanged)
        || Mark::of(model.budget.as_ref()) != Mark::None
}

/// Nobody needs to see differences to nothing, or a column of zeros.
fn columns(package: &PackageReport) -> Vec<Column> {
    let any = |of: fn(&ModelReport) -> Measured| {
        package.models.iter().any(|model| {
            let size = of(model);
            size.bytes() > 0 || size.before.is_some_and(|before| before > 0)
        })
    };
    let bundles = any(|model| model.sizes.bundled);
    let downloads = any(|model| model.sizes.download) || !bundles;
    let mut columns = Vec::new();
    columns.extend(downloads.then_some(Column::Download));
    columns.extend(bundles.then_some(Column::Bundled));
    columns.extend([Column::Linked, Column::Ram, Column::Declared]);
    let has_budget = package.models.iter().any(|model| model.budget.is_some());
    columns.extend(has_budget.then_some(Column::Budget));
    columns
}

fn size(status: Status, size: Measured) -> Cell {
    let value = size.now.map_or("–".to_owned(), |bytes| ByteSize(bytes).to_string());
    let remark = match status {
        Status::New => "new".to_owned(),
        Status::Removed => "removed".to_owned(),
        _ => size.delta().map_or_else(String::new, |delta| Signed(delta).to_string()),
    };
    // What is not there, and was not, is neither new nor removed.
    let is_nothing = size.bytes() == 0 && size.before.unwrap_or_default() == 0;
    Cell { value, remark: if is_nothing { String::new() } else { remark } }
}

/// The memory that a model needs, and by how much that changed.
pub(super) fn ram(model: &ModelReport) -> Cell {
    if model.status == Status::Removed {
        return Cell { value: "–".to_owned(), remark: String::new() };
    }
    if !model.ram_computed {
        return Cell { value: "unknown".to_owned(), remark: String::new() };
    }
    let delta = model.sizes.ram.delta().filter(|_| model.sizes.ram.is_notable());
    Cell {
        value: ByteSize(model.sizes.ram.bytes()).to_string(),
        remark: delta.map_or_else(String::new, |delta| Signed(delta).to_string()),
    }
}

/// The memory that the config declares, and whether it is too little.
pub(super) fn declared(model: &ModelReport) -> Cell {
    if model.status == Status::Removed {
        return Cell { value: "–".to_owned(), remark: String::new() };
    }
    let too_little = model.ram_computed && model.ram_declared < model.sizes.ram.bytes();
    Cell {
        value: ByteSize(model.ram_declared).to_string(),
        remark: if too_little { "too little" } else { "" }.to_owned(),
    }
}

fn budget(used: &Use) -> Cell {
    Cell { value: percent(used), remark: of_what(used) }
}

/// `131 %`. What is over never looks as if it were not.
pub(super) fn percent(used: &Use) -> String {
    let percent = (used.ratio * 100.0).round();
    format!("{} %", if used.is_over() { percent.max(101.0) } else { percent })
}

/// `download`, or `download growth`: what a limit limits; and whether a label lifts it.
pub(super) fn of_what(used: &Use) -> String {
    let growth = if used.limit == LimitKind::Max { "" } else { " growth" };
    let accepted = if used.accepted { ", accepted" } else { "" };
    format!("{}{growth}{accepted}", used.measure)
}

/// `▓▓▓▓░░░░░░ 42 % of the download limit`: how much of the tightest limit is used.
pub(super) fn bar(used: &Use) -> String {
    const TENTHS: usize = 10;
    // A ratio is at most 999, so that nothing is cut off.
    let filled = ((used.ratio * TENTHS as f64).floor() as usize).min(TENTHS);
    format!("{}{} {}", "▓".repeat(filled), "░".repeat(TENTHS - filled), of_limit(used))
}

/// `42 % of the download growth limit`.
pub(super) fn of_limit(used: &Use) -> String {
    let growth = if used.limit == LimitKind::Max { "" } else { "growth " };
    let accepted = if used.accepted { ", accepted" } else { "" };
    format!("{} of the {} {growth}limit{accepted}", percent(used), used.measure)
}
