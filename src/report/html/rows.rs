//! The table of all models.

use serde::Serialize;

use super::super::foreign::visible;
use super::super::measured::{Measured, Signed};
use super::super::size::{ModelReport, PackageReport, SizeReport, Status};
use super::super::table::Mark;
use super::page::{class, direction, percent};
use crate::model::ByteSize;

#[derive(Serialize)]
pub(super) struct Column {
    title: &'static str,
    /// Whether its cells are numbers, to be sorted as such.
    number: bool,
}

#[derive(Serialize)]
pub(super) struct Row {
    class: &'static str,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    text: String,
    class: &'static str,
    /// What it is sorted by, where that is not its text.
    value: Option<f64>,
}

/// The columns, and a row for each model of each package.
pub(super) fn of(report: &SizeReport) -> (Vec<Column>, Vec<Row>) {
    let several = report.packages.len() > 1;
    let compared = is_compared(report);
    let mut columns = vec![Column { title: "Model", number: false }];
    columns.extend(several.then_some(Column { title: "Package", number: false }));
    columns.extend(compared.then_some(Column { title: "Status", number: false }));
    for (title, _) in sizes(report) {
        columns.push(Column { title, number: true });
        columns.extend(compared.then_some(Column { title: "Δ", number: true }));
    }
    for title in ["RAM needed", "RAM declared", "Budget"] {
        columns.push(Column { title, number: true });
    }
    let rows = report
        .packages
        .iter()
        .flat_map(|package| package.models.iter().map(|model| row(report, package, model)));
    (columns, rows.collect())
}

/// One size of a model.
type SizeOf = fn(&ModelReport) -> Measured;

/// The sizes that have columns: nobody needs one of zeros.
fn sizes(report: &SizeReport) -> Vec<(&'static str, SizeOf)> {
    let all: [(_, SizeOf); 3] = [
        ("Download", |model| model.sizes.download),
        ("Bundled", |model| model.sizes.bundled),
        ("Linked", |model| model.sizes.linked),
    ];
    let is_used = |of: SizeOf| {
        let mut models = report.packages.iter().flat_map(|package| &package.models);
        models.any(|model| of(model).bytes() > 0 || of(model).before.is_some_and(|it| it > 0))
    };
    all.into_iter().filter(|(_, of)| is_used(*of)).collect()
}

fn is_compared(report: &SizeReport) -> bool {
    report.packages.iter().any(|package| package.has_baseline)
}

fn row(report: &SizeReport, package: &PackageReport, model: &ModelReport) -> Row {
    let (several, compared) = (report.packages.len() > 1, is_compared(report));
    let mut cells = vec![text(visible(model.model_id.as_str()))];
    cells.extend(several.then(|| text(visible(&package.name))));
    cells.extend(compared.then(|| text(status(model.status).to_owned())));
    for (_, of) in sizes(report) {
        let size = of(model);
        cells.push(bytes(size.now));
        cells.extend(compared.then(|| delta(model.status, size)));
    }
    let needed = model.sizes.ram.now.filter(|_| model.ram_computed);
    cells.push(match (needed, model.sizes.ram.now) {
        (None, Some(_)) => number("unknown".to_owned(), -1.0),
        (needed, _) => bytes(needed),
    });
    cells.push(bytes(model.sizes.ram.now.map(|_| model.ram_declared)));
    cells.push(match &model.budget {
        Some(used) => number(format!("{} {}", percent(used), used.measure), used.ratio),
        None => number(String::new(), -1.0),
    });
    Row { class: class(Mark::of(model.budget.as_ref())), cells }
}

fn text(text: String) -> Cell {
    Cell { text, class: "", value: None }
}

fn number(text: String, value: f64) -> Cell {
    Cell { text, class: "number", value: Some(value) }
}

fn bytes(bytes: Option<u64>) -> Cell {
    match bytes {
        Some(bytes) => number(ByteSize(bytes).to_string(), bytes as f64),
        None => number("–".to_owned(), -1.0),
    }
}

fn delta(state: Status, size: Measured) -> Cell {
    let full = Measured::new(size.bytes(), size.before.unwrap_or_default());
    let delta = match state {
        Status::New | Status::Removed => full.delta(),
        _ => size.delta(),
    };
    let delta = delta.unwrap_or_default();
    let class = match direction(delta) {
        "grow" => "number grow",
        "shrink" => "number shrink",
        _ => "number",
    };
    Cell { text: Signed(delta).to_string(), class, value: Some(delta as f64) }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::New => "new",
        Status::Removed => "removed",
        Status::Changed => "changed",
        // No word that a search for `changed` finds.
        Status::Unchanged => "as before",
        Status::Unknown => "no baseline",
    }
}
