//! Sizes held against their limits.

use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;

use super::measured::Measured;
use super::size::{ModelReport, PackageInput, Sizes};
use crate::model::{Budget, ByteSize, Level, Limits, Measure, ModelId, visible};

/// A use of more than this many times the limit is shown as this: the limit was nothing.
const MOST_USE: f64 = 999.0;

/// The label that accepts a growth, and whether the pull request has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Acceptance {
    pub(super) label: Option<String>,
    pub(super) given: bool,
}

/// What a limit limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitKind {
    /// The size itself.
    Max,
    /// The growth in bytes.
    Growth,
    /// The growth in percent.
    GrowthPercent,
}

/// A limit, and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Use {
    /// Of which size.
    pub measure: Measure,
    /// What it limits.
    pub limit: LimitKind,
    /// What being over it means.
    pub level: Level,
    /// The share that is used; more than 1 is over.
    pub ratio: f64,
    /// Whether a label accepts that it is over.
    pub accepted: bool,
}

impl Use {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.ratio > 1.0
    }

    /// 2 for over a limit that fails, 1 for over one that does not, 0 within.
    pub(super) fn rank(&self) -> u8 {
        match (self.is_over(), self.level, self.accepted) {
            (false, ..) => 0,
            (true, Level::Fail, false) => 2,
            (true, ..) => 1,
        }
    }
}

/// A size that is over a limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OverLimit {
    /// The package.
    pub package: String,
    /// The model; none where it is the size of the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The limit.
    #[serde(flatten)]
    pub used: Use,
    /// What is allowed: bytes, or percent.
    pub allowed: f64,
    /// The size now, in bytes.
    pub now: u64,
    /// The size in the baseline, in bytes.
    pub before: Option<u64>,
    /// The same in words.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl OverLimit {
    /// Whether it fails the run.
    pub fn fails(&self) -> bool {
        self.used.rank() == 2
    }

    /// What it means: what a label accepts is only said.
    pub fn level(&self) -> Level {
        if self.fails() { Level::Fail } else { Level::Warn }
    }

    /// The order of a list: what fails, then by how far it is over.
    pub(super) fn worst_first(&self, other: &Self) -> Ordering {
        let rank = other.used.rank().cmp(&self.used.rank());
        rank.then(other.used.ratio.total_cmp(&self.used.ratio))
            .then_with(|| (&self.package, &self.model).cmp(&(&other.package, &other.model)))
    }
}

/// Holds a package and its models against their limits. Each model gets the limit that it is
/// nearest to, or farthest beyond; returned are that of the package, and all that are broken.
pub(super) fn hold(
    package: &str,
    sizes: &Sizes,
    models: &mut [ModelReport],
    input: &PackageInput,
    accept: &Acceptance,
) -> (Option<Use>, Vec<OverLimit>) {
    let mut over = Vec::new();
    let mut check = |model: Option<&ModelId>, sizes: &Sizes, budget: &Budget| {
        let held: Vec<_> = Measure::ALL
            .into_iter()
            .flat_map(|measure| uses(measure, sizes.of(measure), budget, accept.given))
            .collect();
        let whose = |(used, allowed): &(Use, f64)| {
            let size = sizes.of(used.measure);
            OverLimit {
                package: package.to_owned(),
                model: model.cloned(),
                used: *used,
                allowed: *allowed,
                now: size.bytes(),
                before: size.before,
                message: message(used, *allowed, size),
                help: help(used, accept),
            }
        };
        over.extend(held.iter().filter(|(used, _)| used.is_over()).map(whose));
        nearest(held.into_iter().map(|(used, _)| used))
    };
    let own = check(None, sizes, &input.budgets.package);
    for model in models {
        // What is no more is over nothing.
        if model.sizes.linked.now.is_some() {
            let budget = input.budgets.of_model(&model.model_id);
            model.budget = check(Some(&model.model_id), &model.sizes, &budget);
        }
    }
    (own, over)
}

/// Every limit of a measure, with what is allowed. A warning gives way to a failure of its kind.
fn uses(measure: Measure, size: Measured, budget: &Budget, accepted: bool) -> Vec<(Use, f64)> {
    let levels = budget.of(measure);
    let at = |level: Level, limits: &Limits| {
        let found = ratios(limits, size).into_iter().map(move |(limit, ratio, allowed)| {
            // The label is about growth: a maximum is not lifted by it.
            let accepted = accepted && limit != LimitKind::Max && ratio > 1.0;
            (Use { measure, limit, level, ratio: ratio.min(MOST_USE), accepted }, allowed)
        });
        found.collect::<Vec<_>>()
    };
    let mut all = at(Level::Fail, &levels.fail);
    let broken: Vec<_> =
        all.iter().filter(|(used, _)| used.is_over()).map(|(used, _)| used.limit).collect();
    let warnings = at(Level::Warn, &levels.warn).into_iter();
    all.extend(warnings.filter(|(used, _)| !broken.contains(&used.limit)));
    all
}

/// Of each limit that is set and can be held against: the share that is used, and what is allowed.
/// Growth is nothing to what is new, or where there is no baseline.
fn ratios(limits: &Limits, size: Measured) -> Vec<(LimitKind, f64, f64)> {
    let ratio = |used: f64, allowed: f64| match (used <= 0.0, allowed > 0.0) {
        (true, _) => 0.0,
        (false, true) => used / allowed,
        (false, false) => f64::INFINITY,
    };
    let mut found = Vec::new();
    if let Some(max) = limits.max {
        let allowed = max.0 as f64;
        found.push((LimitKind::Max, ratio(size.bytes() as f64, allowed), allowed));
    }
    let Some(delta) = size.delta() else { return found };
    if let Some(growth) = limits.growth {
        let allowed = growth.0 as f64;
        found.push((LimitKind::Growth, ratio(delta as f64, allowed), allowed));
    }
    if let Some(allowed) = limits.growth_percent {
        let percent = match size.share() {
            Some(share) => share * 100.0,
            None if delta > 0 => f64::INFINITY,
            None => 0.0,
        };
        found.push((LimitKind::GrowthPercent, ratio(percent, allowed), allowed));
    }
    found
}

/// The limit to show: the worst that is broken, else the fullest, whatever it means to break it.
fn nearest(uses: impl Iterator<Item = Use>) -> Option<Use> {
    uses.max_by(|a, b| {
        let then = |used: &Use| used.level == Level::Fail;
        a.rank().cmp(&b.rank()).then(a.ratio.total_cmp(&b.ratio)).then(then(a).cmp(&then(b)))
    })
}

fn help(used: &Use, accept: &Acceptance) -> String {
    match &accept.label {
        Some(label) if used.limit != LimitKind::Max && !accept.given => format!(
            "make it smaller, give the pull request the label `{label}`, or raise the limit in \
             mlc-package.yml"
        ),
        _ => "make it smaller, or raise the limit in mlc-package.yml".to_owned(),
    }
}

fn message(used: &Use, allowed: f64, size: Measured) -> String {
    let (measure, grown) = (used.measure, size.delta().unwrap_or_default().unsigned_abs());
    let now = ByteSize(size.bytes());
    // Limits were read as bytes, so nothing is lost.
    let limit = allowed as u64;
    // How far it is over is said too: both may look alike, rounded.
    let over = |bytes: u64| {
        let more = ByteSize(bytes.saturating_sub(limit));
        format!("{more} over its limit of {}", ByteSize(limit))
    };
    match used.limit {
        LimitKind::Max => format!("{measure} is {now}, {}", over(size.bytes())),
        LimitKind::Growth => {
            format!("{measure} grew by {} to {now}, {}", ByteSize(grown), over(grown))
        }
        LimitKind::GrowthPercent => match size.share() {
            Some(share) => {
                let percent = share * 100.0;
                let digits = if percent - allowed < 0.1 { 4 } else { 1 };
                format!("{measure} grew by {percent:.digits$} % to {now}; its limit is {allowed} %")
            }
            None => format!("{measure} grew from nothing to {now}; its limit is {allowed} %"),
        },
    }
}

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "{}: {}", visible(model.as_str(), usize::MAX), self.message),
            None => write!(f, "{}: {}", self.package, self.message),
        }
    }
}
