//! What the template is given.

use std::time::SystemTime;

use serde::Serialize;

use crate::model::{self, ByteSize, CompilerIdentity, Measure};
use crate::report::budget::Use;
use crate::report::count;
use crate::report::harmless::visible;
use crate::report::human::{ANSWER, describe_kind, short};
use crate::report::measured::{Measured, Percent, Signed};
use crate::report::size::{ArtifactSize, LinkedBy, ModelReport, PackageReport, SizeReport};
use crate::report::table::{self, Mark};

/// More bars than this say less.
const MOST_BARS: usize = 12;

/// More problems than this are in the table.
const MOST_ALERTS: usize = 20;

#[derive(Serialize)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) version: &'static str,
    pub(super) base: Option<String>,
    pub(super) head: Option<String>,
    made: String,
    has_failures: bool,
    over: Vec<Alert>,
    packages: Vec<Section>,
    columns: Vec<super::rows::Column>,
    rows: Vec<super::rows::Row>,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) style_hash: String,
    pub(super) script_hash: String,
    pub(super) data: String,
}

#[derive(Serialize)]
struct Alert {
    class: &'static str,
    word: &'static str,
    whose: String,
    message: String,
}

#[derive(Serialize)]
struct Section {
    name: String,
    about: String,
    compiler: Option<String>,
    tiles: Vec<Tile>,
    answers: Vec<Answer>,
    differences: Vec<Bar>,
    other_differences: Option<String>,
    inputs: Vec<Input>,
    duplicates: Vec<Duplicate>,
}

#[derive(Serialize)]
struct Answer {
    model: String,
    asked: String,
    answered: String,
    perplexity: String,
}

#[derive(Serialize)]
struct Tile {
    title: &'static str,
    size: String,
    change: String,
    class: &'static str,
    remark: String,
    budget: Option<Meter>,
}

#[derive(Serialize)]
struct Meter {
    class: &'static str,
    /// Of 100.
    width: f64,
    text: String,
}

#[derive(Serialize)]
struct Bar {
    model: String,
    measure: &'static str,
    class: &'static str,
    x: f64,
    width: f64,
    change: String,
}

#[derive(Serialize)]
struct Input {
    model: String,
    what: String,
    before: String,
    now: String,
}

#[derive(Serialize)]
struct Duplicate {
    name: String,
    kind: &'static str,
    wasted: String,
    owners: String,
}

impl Page {
    pub(super) fn of(report: &SizeReport, made: SystemTime, data: String) -> Self {
        let commit = |commit: &Option<String>| commit.as_deref().map(short);
        let over = report.over_budget.iter().take(MOST_ALERTS).map(|over| {
            let mark = Mark::of(Some(&over.used));
            Alert {
                class: class(mark),
                word: match mark {
                    Mark::Fail => "over budget",
                    Mark::Accepted => "accepted",
                    _ => "warning",
                },
                whose: visible(&report.whose(over)),
                message: over.message.clone(),
            }
        });
        let (columns, rows) = super::rows::of(report);
        Self {
            title: report.title(),
            version: env!("CARGO_PKG_VERSION"),
            base: commit(&report.base),
            head: commit(&report.head),
            made: httpdate::fmt_http_date(made),
            has_failures: report.fails(),
            over: over.collect(),
            packages: report.packages.iter().map(Section::of).collect(),
            columns,
            rows,
            style: super::STYLE,
            script: super::SCRIPT,
            style_hash: super::source_hash(super::STYLE),
            script_hash: super::source_hash(super::SCRIPT),
            data,
        }
    }
}

impl Section {
    fn of(package: &PackageReport) -> Self {
        let (differences, others) = differences(package);
        let baseline = if package.has_baseline { "" } else { " · no baseline" };
        let models =
            count(package.models.iter().filter(|m| m.parts.is_some()).count(), "model", "models");
        Self {
            name: visible(&package.name),
            about: {
                let device = Some(package.device.as_str()).filter(|device| package.name != *device);
                let models = format!("{models}{baseline}");
                let kernels = package.kernels_note();
                let parts = [device, Some(&models), package.metal_note(), kernels.as_deref()];
                parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
            },
            compiler: package.compiler.as_ref().map(compiler),
            tiles: {
                let sizes = Measure::ALL.into_iter().map(|measure| Tile::of(package, measure));
                sizes.chain(package.artifact.as_ref().map(Tile::of_artifact)).collect()
            },
            answers: package.models.iter().filter_map(Answer::of).collect(),
            differences,
            other_differences: (others > 0).then(|| {
                format!("and {}", count(others, "smaller difference", "smaller differences"))
            }),
            inputs: package
                .inputs
                .iter()
                .map(|change| {
                    let value =
                        |text: &Option<String>| text.as_deref().map_or("none".into(), visible);
                    Input {
                        model: change
                            .model
                            .as_ref()
                            .map_or("all".into(), |it| visible(it.as_str())),
                        what: visible(&change.what),
                        before: value(&change.before),
                        now: value(&change.now),
                    }
                })
                .collect(),
            duplicates: package
                .duplicates
                .iter()
                .map(|part| Duplicate {
                    name: visible(&part.name),
                    kind: describe_kind(part.kind),
                    wasted: ByteSize(part.wasted()).to_string(),
                    owners: part.owners.iter().map(|it| visible(it)).collect::<Vec<_>>().join(", "),
                })
                .collect(),
        }
    }
}

impl Answer {
    fn of(model: &ModelReport) -> Option<Self> {
        let answer = model.answer.as_ref()?;
        let text = |text: &str| model::visible(text, ANSWER).into_owned();
        Some(Self {
            model: visible(model.model_id.as_str()),
            asked: text(&answer.now.prompt),
            answered: text(&answer.now.text),
            perplexity: answer.perplexity(),
        })
    }
}

fn compiler(compiler: &CompilerIdentity) -> String {
    let CompilerIdentity { mlc_llm, tvm, tvm_ffi, .. } = compiler;
    visible(&format!("mlc_llm {mlc_llm}, tvm {tvm}, tvm_ffi {tvm_ffi}"))
}

impl Tile {
    fn of_artifact(artifact: &ArtifactSize) -> Self {
        Self {
            title: "Artifact",
            size: ByteSize(artifact.size.bytes()).to_string(),
            change: change(artifact.size),
            class: direction(artifact.size.delta().unwrap_or_default()),
            remark: visible(&artifact.name),
            budget: None,
        }
    }

    fn of(package: &PackageReport, measure: Measure) -> Self {
        let size = package.sizes.of(measure);
        let (title, remark) = match measure {
            Measure::Shipped => {
                let by = match package.linked_by {
                    LinkedBy::Binding => " in libtvm4j_runtime_packed.so",
                    LinkedBy::Archive => "",
                };
                let linked = ByteSize(package.sizes.linked.bytes());
                let bundled = ByteSize(package.sizes.bundled.bytes());
                ("Ships in the app", format!("linked code {linked}{by}, bundled {bundled}"))
            }
            Measure::Download => ("Download", "what the phone loads later".to_owned()),
            Measure::Ram => ("RAM", "of the largest model".to_owned()),
        };
        let used = package.budget.as_ref().filter(|used| used.measure == measure);
        Self {
            title,
            size: ByteSize(size.bytes()).to_string(),
            change: change(size),
            class: direction(size.delta().unwrap_or_default()),
            remark,
            budget: used.map(Meter::of),
        }
    }
}

impl Meter {
    fn of(used: &Use) -> Self {
        Self {
            class: class(Mark::of(Some(used))),
            width: (used.ratio * 100.0).clamp(0.0, 100.0),
            text: table::of_limit(used),
        }
    }
}

pub(super) fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::None => "",
        Mark::Warn => "warn",
        Mark::Accepted => "accepted",
        Mark::Fail => "fail",
    }
}

/// The colour of a difference.
pub(super) fn direction(delta: i64) -> &'static str {
    match delta {
        1.. => "grow",
        0 => "",
        _ => "shrink",
    }
}

fn change(size: Measured) -> String {
    match (size.delta(), size.share()) {
        (None | Some(0), _) => String::new(),
        (Some(delta), Some(share)) => format!("{} ({})", Signed(delta), Percent(share)),
        (Some(delta), None) => Signed(delta).to_string(),
    }
}

/// A bar for every size that differs, the largest first, and how many more there are.
fn differences(package: &PackageReport) -> (Vec<Bar>, usize) {
    if !package.has_baseline {
        return (Vec::new(), 0);
    }
    let of = |model: &ModelReport, measure: Measure| {
        let size = model.sizes.of(measure);
        // What came or went differs by all of it.
        let full = Measured::new(size.bytes(), size.before.unwrap_or_default());
        full.delta().unwrap_or_default()
    };
    let mut all: Vec<_> = package
        .models
        .iter()
        .flat_map(|model| {
            let shown = [(Measure::Shipped, "in the app"), (Measure::Download, "download")];
            shown.map(|(measure, name)| (model, name, of(model, measure)))
        })
        .filter(|(.., delta)| *delta != 0)
        .collect();
    all.sort_by_key(|(model, name, delta)| {
        (std::cmp::Reverse(delta.unsigned_abs()), model.model_id.clone(), *name)
    });
    let most = all.first().map_or(1, |(.., delta)| delta.unsigned_abs()).max(1);
    let bars = all.iter().take(MOST_BARS).map(|(model, measure, delta)| {
        // Thinner than this, nobody would see it.
        let width = (100.0 * delta.unsigned_abs() as f64 / most as f64).max(0.8);
        Bar {
            model: visible(model.model_id.as_str()),
            measure,
            class: direction(*delta),
            x: if *delta < 0 { -width } else { 0.0 },
            width,
            change: Signed(*delta).to_string(),
        }
    });
    (bars.collect(), all.len().saturating_sub(MOST_BARS))
}
