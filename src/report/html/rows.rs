//! The table of all models.

use serde::Serialize;

use super::page::{class, direction};
use crate::model::ByteSize;
use crate::report::harmless::visible;
use crate::report::measured::{Measured, Signed};
use crate::report::size::{ModelReport, PackageReport, SizeReport, Status};
use crate::report::table::{self, Mark};

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
    /// What stands below: how the value changed, or of what it is.
    remark: String,
    remark_class: &'static str,
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
    }
    columns.extend(["RAM needed", "RAM declared"].map(|title| Column { title, number: true }));
    columns.extend(has_budget(report).then_some(Column { title: "Budget", number: true }));
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

fn has_budget(report: &SizeReport) -> bool {
    let mut models = report.packages.iter().flat_map(|package| &package.models);
    models.any(|model| model.budget.is_some())
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
        let (remark, remark_class) =
            if compared { delta(model.status, size) } else { Default::default() };
        cells.push(Cell { remark, remark_class, ..bytes(size.now) });
    }
    let needed = model.sizes.ram.now.filter(|_| model.ram_computed);
    let ram = match (needed, model.sizes.ram.now) {
        (None, Some(_)) => number("unknown".to_owned(), -1.0),
        (needed, _) => bytes(needed),
    };
    let grown = table::ram(model).remark;
    let remark_class = direction(model.sizes.ram.delta().unwrap_or_default());
    cells.push(Cell { remark: grown, remark_class, ..ram });
    let declared = bytes(model.sizes.ram.now.map(|_| model.ram_declared));
    cells.push(Cell { remark: table::declared(model).remark, remark_class: "warned", ..declared });
    if has_budget(report) {
        cells.push(match &model.budget {
            Some(used) => {
                Cell { remark: table::of_what(used), ..number(table::percent(used), used.ratio) }
            }
            None => number(String::new(), -1.0),
        });
    }
    Row { class: class(Mark::of(model.budget.as_ref())), cells }
}

impl Cell {
    fn new(text: String, class: &'static str, value: Option<f64>) -> Self {
        Self { text, class, value, remark: String::new(), remark_class: "" }
    }
}

fn text(text: String) -> Cell {
    Cell::new(text, "", None)
}

fn number(text: String, value: f64) -> Cell {
    Cell::new(text, "number", Some(value))
}

fn bytes(bytes: Option<u64>) -> Cell {
    match bytes {
        Some(bytes) => number(ByteSize(bytes).to_string(), bytes as f64),
        None => number("–".to_owned(), -1.0),
    }
}

/// A difference and its colour.
fn delta(state: Status, size: Measured) -> (String, &'static str) {
    let full = Measured::new(size.bytes(), size.before.unwrap_or_default());
    let delta = match state {
        Status::New | Status::Removed => full.delta(),
        _ => size.delta(),
    };
    let delta = delta.unwrap_or_default();
    (Signed(delta).to_string(), direction(delta))
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
