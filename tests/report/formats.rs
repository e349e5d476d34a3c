//! What people and programs read.

use serde_json::json;

use crate::packages::{add, changed, package};
use crate::scene::Scene;

const PROJECT: &str = "budgets:
  accept-label: size-increase-ok
  package: { shipped: { fail: { max: 40MiB } } }
  model:
    download: { warn: { growth: 50MiB }, fail: { max: 2GiB, growth-percent: 20 } }
";

/// Two packages: what a pull request changes, and one that is new.
fn scene() -> Scene {
    let scene = Scene::new();
    let before = package("android", 6);
    let mut ios = package("iphone", 3);
    ios["models"][1]["bundled"] = true.into();
    ios["models"][2]["memory"] = json!(null);
    scene
        .manifest("before.json", &before)
        .manifest("now.json", &changed(&before))
        .manifest("ios/mlc-package-manifest.json", &ios)
        .write("mlc-package.yml", PROJECT);
    scene
}

const COMMITS: &str = "--base a1b2c3d4e5f6 --head d4e5f6a7b8c9";

#[test]
fn a_person_reads_what_changed() {
    let one = scene().report(20, &format!("--manifest now.json --baseline before.json {COMMITS}"));
    insta::assert_snapshot!("human", one.stdout);
    let both = "--manifest now.json --manifest ios --baseline before.json";
    insta::assert_snapshot!("human_two", scene().report(20, both).stdout);
    insta::assert_snapshot!("human_unchanged", {
        scene().report(0, "--manifest before.json --baseline before.json").stdout
    });
}

#[test]
fn a_comment_has_tables_and_details() {
    let arguments = "--manifest now.json --baseline before.json --format markdown";
    let one = scene().report(20, &format!("{arguments} {COMMITS}"));
    insta::assert_snapshot!("markdown", one.stdout);
    let two = scene().report(20, &format!("--manifest ios {arguments}"));
    insta::assert_snapshot!("markdown_two", two.stdout);
    let alone = scene().report(20, "--manifest ios --format markdown");
    insta::assert_snapshot!("markdown_no_baseline", alone.stdout);
}

#[test]
fn programs_get_all_numbers() {
    let found = scene().json(20, "--manifest now.json --baseline before.json");
    insta::assert_json_snapshot!("json", found);
}

#[test]
fn the_page_is_one_file_without_a_way_out() {
    let scene = scene();
    let arguments = "--manifest now.json --manifest ios --baseline before.json --format html";
    let run = scene.report(20, &format!("{arguments} --output report.html"));
    assert!(run.stdout.is_empty());
    assert!(run.stderr.contains("Wrote report.html"), "{}", run.stderr);
    let page = scene.read("report.html");
    assert!(page.len() < 500_000);
    for way_out in ["http:", "https:", "src=", "url(", "@import", "<link", "<iframe"] {
        assert!(!page.contains(way_out), "{way_out}");
    }
    let start = page.find("<style>").unwrap();
    let end = page.find("</style>").unwrap();
    let script = page.rfind("<script>").unwrap();
    let shown = [&page[..start], &page[end..script]].concat();
    let shown = regex::Regex::new("'sha256-[^']*'").unwrap().replace_all(&shown, "[hash]");
    insta::assert_snapshot!("html", shown);
    assert_eq!(scene.report(20, arguments).stdout, page);
}

#[test]
fn annotations_are_at_the_lines_of_the_models() {
    let scene = scene();
    let id = "Qwen3-1.7B-q4f16_1";
    let config = format!(
        "{{\n  \"device\": \"android\",\n  \"model_list\": [\n    {{\"model\": \"HF://a/b\",\n     \
         \"model_id\": \"{id}\", \"estimated_vram_bytes\": 1}}\n  ]\n}}\n"
    );
    scene.write("app/config.json", config);
    let arguments = "--manifest now.json --baseline before.json --format github";
    let known = scene.report(20, &format!("{arguments} --package-config app/config.json"));
    insta::assert_snapshot!("github", known.stdout);
    assert_eq!(known.stderr, "");
    let unknown = scene.report(20, arguments);
    insta::assert_snapshot!("github_no_config", unknown.stdout);
    let several = format!("{arguments} --manifest ios --package-config app/config.json");
    let refused = scene.report(2, &several);
    assert!(refused.stderr.contains("--package-config is of one package"), "{}", refused.stderr);
}

#[test]
fn linked_code_is_the_bindings_library_where_both_have_one() {
    let scene = Scene::new();
    let so = |bytes: u64| {
        json!([{
            "path": "lib/mlc4j/output/arm64-v8a/libtvm4j_runtime_packed.so", "bytes": bytes,
            "digest": format!("blake3:{}", "0".repeat(64))
        }])
    };
    let plain = package("android", 1);
    let mut linked = plain.clone();
    linked["outputs"] = so(30 << 20);
    let mut before = plain.clone();
    before["outputs"] = so(29 << 20);
    scene
        .manifest("plain.json", &plain)
        .manifest("so.json", &linked)
        .manifest("so29.json", &before);
    for (baseline, by, now, was) in [
        ("", "binding", 30 << 20, None),
        ("--baseline so29.json", "binding", 30 << 20, Some(29 << 20)),
        ("--baseline plain.json", "archive", 2_997_152, Some(2_997_152)),
    ] {
        let found = scene.json(0, &format!("--manifest so.json {baseline}"));
        let package = &found["packages"][0];
        assert_eq!(package["linked_by"], by, "{baseline}");
        assert_eq!(package["sizes"]["linked"], json!({"now": now, "before": was}), "{baseline}");
    }
}

#[test]
fn a_shared_library_is_divided_and_nothing_is_lost() {
    let scene = Scene::new();
    let mut shared = package("android", 3);
    for n in 1..3 {
        shared["models"][n]["model_lib"] = "lib_0".into();
    }
    shared["libraries"].as_array_mut().unwrap().truncate(1);
    shared["libraries"][0]["models"] = json!(["a", "b", "c"]);
    add(&mut shared["libraries"][0]["sizes"]["archive"], 2);
    scene.manifest("m.json", &shared);
    let found = scene.json(0, "--manifest m.json");
    let whole = found["packages"][0]["sizes"]["linked"]["now"].as_u64().unwrap();
    let models = found["packages"][0]["models"].as_array().unwrap();
    let share = |model: &serde_json::Value| model["sizes"]["linked"]["now"].as_u64().unwrap();
    assert_eq!(models.iter().map(share).sum::<u64>(), whole);
    assert!(models.iter().all(|model| share(model).abs_diff(whole / 3) <= 1));
    let text = scene.report(0, "--manifest m.json --format markdown").stdout;
    assert!(text.contains("A library that several models load is divided among them."));
}

/// On a terminal of 60 columns the table has those that matter most, and no line is broken by the
/// terminal itself.
#[test]
#[cfg(target_os = "linux")]
fn a_narrow_terminal_gets_a_narrow_table() {
    let scene = Scene::new();
    let before = package("android", 6);
    scene.manifest("now.json", &changed(&before)).manifest("before.json", &before);
    let report = |columns: u32| {
        let program = env!("CARGO_BIN_EXE_mlc-package");
        let command = format!(
            "stty rows 24 cols {columns}; {program} report --manifest now.json --baseline before.json"
        );
        let output = assert_cmd::Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .current_dir(scene.path(""))
            .env_remove("GITHUB_ACTIONS")
            .env("NO_COLOR", "1")
            .write_stdin("")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap().replace('\r', "");
        let table: Vec<_> =
            text.lines().skip_while(|line| !line.trim_start().starts_with("model ")).collect();
        table.into_iter().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap();
    let (narrow, wide) = (report(60), report(200));
    assert!(widest(&narrow) <= 60, "{narrow}");
    let (heading, _) = narrow.split_once('\n').unwrap();
    assert!(heading.contains("download") && !heading.contains("RAM declared"), "{narrow}");
    assert!(
        narrow.ends_with("\n  not shown at this width: change, linked, RAM declared"),
        "{narrow}"
    );
    assert!(wide.contains("RAM declared") && widest(&wide) > 60, "{wide}");
}
