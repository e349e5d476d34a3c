//! The table of a package's models: what its columns are and what is in a row, whatever it is
//! rendered to.

use super::budget::Use;
use super::measured::{Measured, Signed};
use super::size::{ModelReport, PackageReport, Status};
use crate::model::{ByteSize, Level, ModelId};

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
    DownloadDelta,
    Bundled,
    BundledDelta,
    Linked,
    LinkedDelta,
    Ram,
    Declared,
    Budget,
}

/// One model, its cells in the order of the columns.
pub(super) struct Row<'r> {
    pub(super) mark: Mark,
    pub(super) model: &'r ModelId,
    pub(super) cells: Vec<String>,
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
            Self::DownloadDelta | Self::BundledDelta | Self::LinkedDelta => "Δ",
            Self::Ram => "RAM est.",
            Self::Declared => "Declared",
            Self::Budget => "Budget",
        }
    }

    /// Whether numbers line up at its right.
    pub(super) fn is_number(self) -> bool {
        self != Self::Budget
    }

    fn cell(self, model: &ModelReport) -> String {
        let sizes = &model.sizes;
        match self {
            Self::Download => now(sizes.download),
            Self::DownloadDelta => delta(model.status, sizes.download),
            Self::Bundled => now(sizes.bundled),
            Self::BundledDelta => delta(model.status, sizes.bundled),
            Self::Linked => now(sizes.linked),
            Self::LinkedDelta => delta(model.status, sizes.linked),
            Self::Ram => ram(model),
            Self::Declared => declared(model),
            Self::Budget => model.budget.as_ref().map(bar).unwrap_or_default(),
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
    for (is_used, size, delta) in [
        (downloads, Column::Download, Column::DownloadDelta),
        (bundles, Column::Bundled, Column::BundledDelta),
        (true, Column::Linked, Column::LinkedDelta),
    ] {
        if is_used {
            columns.push(size);
            columns.extend(package.has_baseline.then_some(delta));
        }
    }
    columns.extend([Column::Ram, Column::Declared]);
    let has_budget = package.models.iter().any(|model| model.budget.is_some());
    columns.extend(has_budget.then_some(Column::Budget));
    columns
}

fn now(size: Measured) -> String {
    size.now.map_or("–".to_owned(), |bytes| ByteSize(bytes).to_string())
}

fn delta(status: Status, size: Measured) -> String {
    match status {
        Status::New => "new".to_owned(),
        Status::Removed => "removed".to_owned(),
        _ => size.delta().map_or_else(String::new, |delta| Signed(delta).to_string()),
    }
}

fn ram(model: &ModelReport) -> String {
    if model.status == Status::Removed {
        return "–".to_owned();
    }
    if !model.ram_computed {
        return "unknown".to_owned();
    }
    match model.sizes.ram.delta().filter(|_| model.sizes.ram.is_notable()) {
        Some(delta) => format!("{} ({})", now(model.sizes.ram), Signed(delta)),
        None => now(model.sizes.ram),
    }
}

fn declared(model: &ModelReport) -> String {
    if model.status == Status::Removed {
        return "–".to_owned();
    }
    let declared = ByteSize(model.ram_declared);
    let too_little = model.ram_computed && model.ram_declared < model.sizes.ram.bytes();
    if too_little { format!("{declared} (too little)") } else { declared.to_string() }
}

/// `▓▓▓▓░░░░░░ 42 % download`: how much of the tightest limit is used.
pub(super) fn bar(used: &Use) -> String {
    const TENTHS: usize = 10;
    // A ratio is at most 999, so that nothing is cut off.
    let filled = ((used.ratio * TENTHS as f64).floor() as usize).min(TENTHS);
    let percent = (used.ratio * 100.0).round();
    // 100.4 % is over, and must not look as if it were not.
    let percent = if used.is_over() { percent.max(101.0) } else { percent };
    let accepted = if used.accepted { ", accepted" } else { "" };
    format!(
        "{}{} {percent} % {}{accepted}",
        "▓".repeat(filled),
        "░".repeat(TENTHS - filled),
        used.measure
    )
}
