//! Names that strangers chose, and reports that are too long.

use mlc_package::manifest::Manifest;
use mlc_package::model::{PackageBudgets, Tone};
use mlc_package::report::{
    COMMENT_CHARS, PackageInput, ReportContext, SizeReport, html, markdown, write_report,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::packages::{changed, library, model, package};
use crate::scene::Scene;

fn input(now: &Value, before: Option<&Value>) -> PackageInput {
    let manifest =
        |value: &Value| Manifest::read("m.json".into(), value.to_string().as_bytes()).unwrap();
    PackageInput {
        name: now["device"].as_str().unwrap().to_owned(),
        called: None,
        manifest: manifest(now),
        baseline: before.map(manifest),
        budgets: PackageBudgets::default(),
        config: None,
    }
}

fn report(packages: &[PackageInput]) -> SizeReport {
    SizeReport::new(packages, &ReportContext::default())
}

/// A package in which everything that may be a name is the text.
fn named(name: &str) -> (Value, Value) {
    let mut before = package("android", 2);
    if name.parse::<mlc_package::model::ModelId>().is_ok() {
        before["models"][0]["model_id"] = name.into();
    }
    let mut now = before.clone();
    now["models"][0]["quantization"] = name.into();
    now["models"][0]["commit"] = name.into();
    now["models"][0]["model"] = name.into();
    now["models"][0]["largest_tensors"][0]["name"] = name.into();
    now["libraries"][0]["largest_kernels"][0]["name"] = name.into();
    now["config"]["name"] = name.into();
    now["compiler"]["tvm"]["version"] = name.into();
    now["compiler"]["tools"] = json!({ name: name });
    now["duplicates"] =
        json!([{"kind": "shard", "name": name, "bytes": 1, "owners": [name, name]}]);
    now["models"][0]["sizes"]["weights"] = 1.into();
    (now, before)
}

const NAMES: [&str; 15] = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "\"'><b>",
    "&lt;b&gt;",
    "a | b || c \\| d",
    "`code` ``more`` ```",
    "[link](https://example.com) @octocat #1",
    "</details>\n\n# heading",
    "\u{1b}[31m\u{7}\r\n::error::mine",
    "\u{202e}\u{200b}\u{2028}",
    "{{ 7 * 7 }}{% raw %}",
    "::error title=a::mine",
    "\u{a0}::add-mask::mine",
    "a ##[set-output name=report]mine",
];

/// The cells of a table row: its code spans hold no bar, so that bars divide cells alone.
fn cells(row: &str) -> usize {
    row.matches('|').count() - 1
}

#[test]
fn a_name_is_neither_markup_nor_code_nor_a_command() {
    for name in NAMES {
        let (now, before) = named(name);
        let report = report(&[input(&now, Some(&before))]);
        let page = html(&report, std::time::UNIX_EPOCH).unwrap();
        assert_eq!(page.matches("<script").count(), 2, "{name}");
        assert_eq!(page.matches("</script>").count(), 2, "{name}");
        for markup in ["<img", "<b>", "<!--", "\u{202e}", "\u{1b}"] {
            assert_eq!(page.matches(markup).count(), plain(markup), "{markup} of {name}");
        }
        assert!(page.contains("{{ 7") || !name.contains("{{"), "{name}");

        let text = markdown(&report, COMMENT_CHARS);
        let outside = without_code(&text);
        for markup in ["<script", "<img", "<b>", "<!--", "@octocat", "](", "# heading", "{{"] {
            assert!(!outside.contains(markup), "{markup} of {name}\n{outside}");
        }
        is_well_formed(&outside);
        let mut human = Vec::new();
        write_report(&mut human, &report, None).unwrap();
        let human = String::from_utf8(human).unwrap();
        // Our own colours.
        let colours = Tone::ALL.map(|tone| tone.style().render().to_string());
        let human = colours.iter().fold(human, |text, colour| text.replace(colour, ""));
        let human = human.replace("\u{1b}[0m", "");
        for shown in [&text, &human] {
            assert!(!shown.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}', '\u{200b}']), "{shown}");
            // The runner takes blanks off a line before it looks for a command, and finds those of
            // its old form anywhere.
            assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown}");
            assert!(!shown.contains("##["), "{shown}");
        }
    }
}

/// GitHub's runner reads both streams of the program, and obeys `##[…]` anywhere in a line.
#[test]
fn a_name_over_its_limit_is_no_command_in_the_log() {
    let scene = Scene::new();
    let mut now = package("android", 2);
    now["models"][0]["model_id"] = "a ##[set-output name=report]b".into();
    now["models"][1]["model_id"] = "::add-mask::a".into();
    scene.manifest("dist/mlc-package-manifest.json", &now);
    let limits = "budgets: {model: {download: {warn: {max: 2B}, fail: {max: 1B}}}}";
    scene.write("mlc-package.yml", limits);
    for format in ["human", "markdown", "github", "html"] {
        let run = scene.report(20, &format!("--format {format}"));
        let ours =
            |line: &&str| format == "github" && line.starts_with("::error title=over-budget::");
        let (commands, lines): (Vec<_>, Vec<_>) =
            run.stdout.lines().chain(run.stderr.lines()).partition(ours);
        assert_eq!(commands.len(), if format == "github" { 2 } else { 0 }, "{}", run.stdout);
        for line in lines {
            assert!(!line.contains("##[") && !line.trim_start().starts_with("::"), "{line}");
        }
    }
    now["device"] = "##[error]x\n::error::y".into();
    scene.manifest("dist/mlc-package-manifest.json", &now);
    let run = scene.report(13, "");
    assert!(
        run.stderr.contains(r"unknown variant `##\u{5b}error]x\n::error::y`"),
        "{}",
        run.stderr
    );
}

/// Markdown without its code spans, as CommonMark finds them: from a run of backticks to the next
/// run as long. None goes over the end of a line here.
fn without_code(text: &str) -> String {
    let mut outside = String::new();
    let runs = regex::Regex::new("`+").unwrap();
    for line in text.lines() {
        let mut rest = line;
        while let Some(start) = rest.find('`') {
            outside.push_str(&rest[..start]);
            rest = &rest[start..];
            let fence = rest.len() - rest.trim_start_matches('`').len();
            let inside = &rest[fence..];
            let closing = runs.find_iter(inside).find(|run| run.len() == fence);
            let closing = closing.unwrap_or_else(|| panic!("an open code span: {line}"));
            outside.push_str("CODE");
            rest = &inside[closing.end()..];
        }
        outside.push_str(rest);
        outside.push('\n');
    }
    outside
}

/// How often the page itself has it.
fn plain(markup: &str) -> usize {
    let (mut now, mut before) = named("plain");
    for manifest in [&mut now, &mut before] {
        manifest["models"][0]["model_id"] = "plain".into();
    }
    html(&report(&[input(&now, Some(&before))]), std::time::UNIX_EPOCH)
        .unwrap()
        .matches(markup)
        .count()
}

/// A comment is cut by rows, and never within a table or a block.
fn is_well_formed(text: &str) {
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    let mut wanted = None;
    for line in text.lines() {
        if line.starts_with('|') {
            let of_first = *wanted.get_or_insert(cells(line));
            assert_eq!(cells(line), of_first, "{line}");
            assert!(line.ends_with('|'), "{line}");
        } else {
            wanted = None;
        }
    }
}

#[test]
fn a_long_comment_is_cut_by_rows() {
    let before = package("android", 300);
    let mut now = before.clone();
    for n in 0..300 {
        now["models"][n]["sizes"]["weights"] = ((n as u64 + 1) << 21).into();
        now["models"][n]["model_id"] = format!("{:x<200}", format!("model-{n}-")).into();
        now["libraries"][n]["models"] = json!([now["models"][n]["model_id"]]);
    }
    let large = input(&now, Some(&before));
    let small = input(&package("iphone", 4), None);
    let reports = [
        report(std::slice::from_ref(&large)),
        report(&[large.clone(), large.clone(), large]),
        report(&vec![small; 200]),
    ];
    for report in &reports {
        for limit in [COMMENT_CHARS, 20_000, 3_000, 500, 100, 20, 0] {
            let text = markdown(report, limit);
            assert!(text.chars().count() <= limit, "{} of {limit}", text.chars().count());
            is_well_formed(&text);
            if limit >= 100 {
                assert!(text.starts_with("### Model package size: "), "{text}");
            }
        }
        let whole = markdown(report, COMMENT_CHARS);
        assert!(whole.len() > 1000, "{}", whole.len());
    }
    // Of one package all that there is room for is there: 20 rows, and how many more there are.
    let one = markdown(&reports[0], COMMENT_CHARS);
    assert!(one.contains("\\[580 others\\]"), "{one}");
}

#[test]
fn fifty_models_make_a_small_page() {
    let before = package("android", 50);
    let report = report(&[input(&changed(&before), Some(&before))]);
    let page = html(&report, std::time::UNIX_EPOCH).unwrap();
    assert!(page.len() < 500_000, "{}", page.len());
}

#[test]
fn a_package_of_nothing_is_reported_too() {
    let scene = Scene::new();
    scene.manifest("dist/mlc-package-manifest.json", &package("android", 0));
    for format in ["human", "markdown", "json", "html", "github"] {
        scene.report(0, &format!("--baseline dist --format {format}"));
    }
}

proptest! {
    /// Whatever the names and the sizes, every format can be made, and the comment stays in its
    /// limit with its tables whole.
    #[test]
    fn any_package_can_be_shown(
        names in proptest::collection::vec("\\PC{1,30}|[`|<>&\\\\*_\\[\\]]{1,12}", 1..6),
        sizes in proptest::collection::vec(0..1_u64 << 50, 12),
        limit in 0_usize..6000,
        has_baseline: bool,
    ) {
        let mut now = package("android", 0);
        let mut models = Vec::new();
        let mut libraries = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let mut record = model(n);
            if name.parse::<mlc_package::model::ModelId>().is_ok() {
                record["model_id"] = format!("{n}{name}").into();
            }
            record["sizes"]["weights"] = sizes[2 * n].into();
            record["bundled"] = (n % 2 == 0).into();
            let mut linked = library(n, &record);
            linked["sizes"]["archive"] = sizes[2 * n + 1].into();
            linked["largest_kernels"][0]["name"] = name.as_str().into();
            models.push(record);
            libraries.push(linked);
        }
        now["models"] = models.into();
        now["libraries"] = libraries.into();
        let before = package("android", 3);
        let report = report(&[input(&now, has_baseline.then_some(&before))]);
        let text = markdown(&report, limit);
        prop_assert!(text.chars().count() <= limit);
        is_well_formed(&text);
        html(&report, std::time::UNIX_EPOCH).unwrap();
        write_report(&mut Vec::new(), &report, None).unwrap();
        serde_json::to_string(&report).unwrap();
    }
}
