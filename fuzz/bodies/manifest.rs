//! What the target `manifest` does with bytes: a stranger's `mlc-package-manifest.json`, and maybe
//! one it is compared with, as a size report in every format.

use camino::Utf8Path;
use mlc_package::manifest::{Manifest, outputs_of};
use mlc_package::model::{Budget, ByteSize, Levels, Limits, PackageBudgets, Tone};
use mlc_package::report::{
    Baseline, COMMENT_CHARS, PackageInput, ReportContext, SizeReport, html, markdown, pair,
    write_report, write_summary,
};
use mlc_package::stage_error::StageError as _;
use serde_json::Value;

use crate::harmless;
use crate::sections::Sections;

/// `now`, and `before` if the input has it. Says whether both could be read.
pub(crate) fn run(input: &[u8]) -> bool {
    let sections = Sections::of(input);
    let read = |name: &str| sections.get(name).and_then(manifest);
    let Some(now) = read("now") else { return false };
    let before = read("before");
    let unlimited = PackageBudgets::default();
    shown(&now, None, &unlimited);
    shown(&now, None, &tight());
    if let Some(before) = &before {
        let found = shown(&now, Some(before), &tight());
        assert_eq!(shown(&now, Some(before), &tight()), found, "the same twice");
        shown(before, Some(&now), &unlimited);
    }
    before.is_some()
}

fn manifest(bytes: &[u8]) -> Option<Manifest> {
    for path in outputs_of(bytes).into_keys() {
        assert!(path.is_relative() && !path.as_str().split('/').any(|part| part == ".."), "{path}");
    }
    match Manifest::read(Utf8Path::new("m.json"), bytes) {
        Ok(manifest) => Some(manifest),
        Err(error) => {
            let message = error.to_string();
            harmless::line(&format!("error: {message}"));
            harmless::line(&error.help().unwrap_or_default());
            assert!(message.len() < 1000, "{} bytes", message.len());
            None
        }
    }
}

/// Limits that a kilobyte breaks.
fn tight() -> PackageBudgets {
    let limits =
        Limits { max: Some(ByteSize(1000)), growth: Some(ByteSize(1)), growth_percent: Some(0.5) };
    let levels = Levels { warn: limits, fail: limits };
    let budget = Budget { shipped: levels, download: levels, ram: levels };
    PackageBudgets { package: budget, any_model: budget, ..PackageBudgets::default() }
}

/// Shows it in every format; gives the report.
fn shown(now: &Manifest, before: Option<&Manifest>, budgets: &PackageBudgets) -> SizeReport {
    let input = PackageInput {
        name: now.device.to_string(),
        called: None,
        manifest: now.clone(),
        baseline: None,
        budgets: budgets.clone(),
        config: None,
    };
    let mut packages = [input];
    let baselines = before.map(|manifest| Baseline { name: None, manifest: manifest.clone() });
    let left = pair(&mut packages, baselines.into_iter().collect());
    assert_eq!(left.is_empty(), before.is_none() || packages[0].baseline.is_some());
    let context = ReportContext {
        base: now.models.first().map(|model| model.model.clone()),
        head: now.models.first().and_then(|model| model.commit.clone()),
        ..ReportContext::default()
    };
    let report = SizeReport::new(&packages, &context);
    adds_up(&report, now);
    let mut human = Vec::new();
    write_report(&mut human, &report, None).expect("memory takes all");
    write_summary(&mut human, now, Utf8Path::new("dist"), Some(60)).expect("memory takes all");
    let human = String::from_utf8(human).expect("text");
    // Our own colours.
    let colours = Tone::ALL.map(|tone| tone.style().render().to_string());
    let human = colours.iter().fold(human, |text, colour| text.replace(colour, ""));
    harmless::lines(&human.replace("\u{1b}[0m", ""));
    harmless::line(&report.title());
    for over in &report.over_budget {
        harmless::line(&format!("error: {over}"));
    }
    for limit in [COMMENT_CHARS, 2000, 60, 0] {
        in_markdown(&markdown(&report, limit), limit);
    }
    in_html(&html(&report, std::time::UNIX_EPOCH).expect("a page"));
    let json = serde_json::to_string(&report).expect("numbers and texts");
    let json: Value = serde_json::from_str(&json).expect("our own JSON");
    assert_eq!(json["packages"][0]["models"].as_array().map(Vec::len), models(&report));
    report
}

fn models(report: &SizeReport) -> Option<usize> {
    Some(report.packages.first()?.models.len())
}

/// The models' sizes are those of the package; no sum has gone over the end of a number.
fn adds_up(report: &SizeReport, now: &Manifest) {
    for package in &report.packages {
        let of = |bytes: &dyn Fn(&mlc_package::report::ModelReport) -> Option<u64>| {
            package.models.iter().filter_map(bytes).map(u128::from).sum::<u128>()
        };
        let (download, bundled) = (package.sizes.download, package.sizes.bundled);
        assert_eq!(of(&|model| model.sizes.download.now), u128::from(download.bytes()));
        assert_eq!(of(&|model| model.sizes.bundled.now), u128::from(bundled.bytes()));
        let files: u128 = now.models.iter().map(|model| u128::from(model.sizes.total())).sum();
        assert_eq!(u128::from(download.bytes()) + u128::from(bundled.bytes()), files);
        assert!(download.bytes() <= i64::MAX as u64 && bundled.bytes() <= i64::MAX as u64);
    }
}

/// What strangers named is in code spans, each on its line; tables and blocks are whole.
fn in_markdown(text: &str, limit: usize) {
    assert!(text.chars().count() <= limit, "{} of {limit}", text.chars().count());
    harmless::lines(text);
    let (mut columns, mut open) = (None, 0);
    for line in text.lines() {
        let outside = without_code(line);
        open += outside.matches("<details>").count();
        open -= outside.matches("</details>").count();
        let ours = ["<details>", "</details>", "<summary>", "</summary>", "<br>"];
        let outside = ours.iter().fold(outside, |text, tag| text.replace(tag, ""));
        assert!(!outside.contains(['<', '>', '@', '{', '$']), "{line}");
        assert!(!outside.contains("](") && !outside.contains("//"), "{line}");
        let is_row = outside.starts_with('|');
        let cells = is_row.then(|| line.matches('|').count());
        assert!(!is_row || line.ends_with('|'), "{line}");
        assert!(!is_row || columns.is_none() || columns == cells, "{line}");
        columns = cells;
    }
    assert_eq!(open, 0, "blocks that do not end");
}

/// A line without its code spans: from a run of backticks to the next run as long.
fn without_code(line: &str) -> String {
    let run = |text: &str| text.len() - text.trim_start_matches('`').len();
    let (mut outside, mut rest) = (String::new(), line);
    while let Some(start) = rest.find('`') {
        outside.push_str(&rest[..start]);
        let fence = run(&rest[start..]);
        rest = &rest[start + fence..];
        let mut closed = None;
        let mut at = 0;
        while let Some(next) = rest[at..].find('`') {
            let length = run(&rest[at + next..]);
            if length == fence {
                closed = Some(at + next + length);
                break;
            }
            at += next + length;
        }
        rest = &rest[closed.unwrap_or_else(|| panic!("an open code span: {line}"))..];
    }
    outside + rest
}

/// The page has its own two scripts and no others, and its data is JSON.
fn in_html(page: &str) {
    harmless::lines(page);
    let small = page.to_ascii_lowercase();
    for (tag, count) in [("<script", 2), ("</script", 2), ("<!--", 0), ("<img", 0), ("<iframe", 0)]
    {
        assert_eq!(small.matches(tag).count(), count, "{tag}");
    }
    let (_, data) = page.split_once(r#"id="data">"#).expect("the data");
    let (data, _) = data.split_once('<').expect("its end");
    serde_json::from_str::<Value>(data).expect("JSON");
}
