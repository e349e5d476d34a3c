//! Limits of sizes, and the label that accepts a growth.

use crate::packages::{add, package};
use crate::scene::Scene;

/// One model that grew by 10 % from 700 MiB, and a project with one limit.
fn scene(limit: &str) -> Scene {
    let scene = Scene::new();
    let mut before = package("android", 1);
    before["models"][0]["sizes"] =
        serde_json::json!({"weights": 700 << 20, "tokenizer": 0, "other": 0});
    let mut now = before.clone();
    add(&mut now["models"][0]["sizes"]["weights"], 70 << 20);
    scene.manifest("now.json", &now).manifest("before.json", &before);
    scene.write("mlc-package.yml", format!("budgets: {{accept-label: ok, {limit}}}"));
    scene
}

const COMPARED: &str = "--manifest now.json --baseline before.json";

#[test]
fn each_limit_holds_at_its_edge() {
    for (limit, over) in [
        ("model: {download: {fail: {max: 770MiB}}}", false),
        ("model: {download: {fail: {max: 769.9MiB}}}", true),
        ("package: {download: {fail: {max: 769.9MiB}}}", true),
        ("model: {download: {fail: {growth: 70MiB}}}", false),
        ("model: {download: {fail: {growth: 69MiB}}}", true),
        ("model: {download: {fail: {growth-percent: 10}}}", false),
        ("model: {download: {fail: {growth-percent: 9.9}}}", true),
        ("package: {download: {fail: {growth-percent: 0}}}", true),
        ("model: {download: {warn: {max: 0B}}}", false),
        ("model: {ram: {fail: {max: 1MiB}}}", true),
        ("model: {ram: {fail: {growth: 0B}}}", false),
        ("package: {shipped: {fail: {max: 1MiB}}}", true),
        ("package: {shipped: {fail: {growth-percent: 0}}}", false),
    ] {
        let scene = scene(limit);
        let found = scene.json(if over { 20 } else { 0 }, COMPARED);
        let failing = found["over_budget"].as_array().unwrap().iter();
        let failing = failing.filter(|over| over["level"] == "fail").count();
        assert_eq!(failing, usize::from(over), "{limit}: {}", found["over_budget"]);
    }
}

#[test]
fn a_label_accepts_growth_but_no_maximum() {
    let growth = "model: {download: {fail: {growth: 1MiB}}}";
    for (limit, label, code) in [
        (growth, "", 20),
        (growth, "--label bug", 20),
        (growth, "--label bug --label ok", 0),
        ("model: {download: {fail: {max: 1MiB}}}", "--label ok", 20),
    ] {
        let scene = scene(limit);
        let found = scene.json(code, &format!("{COMPARED} {label}"));
        assert_eq!(found["over_budget"][0]["accepted"], code == 0, "{limit} {label}");
        let text = scene.report(code, &format!("{COMPARED} {label} --format markdown")).stdout;
        assert_eq!(text.contains("1 accepted"), code == 0, "{text}");
        assert_eq!(text.contains("1 over budget"), code == 20, "{text}");
    }
}

#[test]
fn growth_is_nothing_to_what_is_new_or_not_compared() {
    let scene = scene("model: {download: {fail: {growth: 0B, growth-percent: 0}}}");
    scene.report(20, COMPARED);
    let alone = scene.report(0, "--manifest now.json");
    assert!(alone.stdout.contains("no baseline"), "{}", alone.stdout);
    let mut renamed: serde_json::Value = serde_json::from_str(&scene.read("now.json")).unwrap();
    renamed["models"][0]["model_id"] = "other".into();
    scene.manifest("renamed.json", &renamed);
    scene.report(0, "--manifest renamed.json --baseline before.json");
}

/// From bundled to downloaded, a size grows from nothing: no percentage can be named, and none is
/// within the limit.
#[test]
fn growth_from_nothing_is_over_any_percentage() {
    let scene = scene("model: {download: {fail: {growth-percent: 100000}}}");
    let mut bundled: serde_json::Value = serde_json::from_str(&scene.read("before.json")).unwrap();
    bundled["models"][0]["bundled"] = true.into();
    scene.manifest("before.json", &bundled);
    let run = scene.report(20, COMPARED);
    assert!(run.stdout.contains("download grew from nothing to 770.0 MiB"), "{}", run.stdout);
}

#[test]
fn a_package_of_the_project_is_known_by_its_place_its_name_or_its_config() {
    let scene = Scene::new();
    let config = r#"{"device": "android", "model_list": []}"#;
    let mut manifest = package("android", 1);
    let digest = blake3::hash(config.as_bytes()).to_hex().to_string();
    manifest["config"]["digest"] = format!("blake3:{digest}").into();
    scene
        .write("app/mlc-package-config.json", config)
        .write("lib/c.json", "{}")
        .manifest("app/dist/mlc-package-manifest.json", &manifest)
        .manifest("elsewhere/m.json", &manifest)
        .write(
            "mlc-package.yml",
            "packages:\n  - {name: other, config: lib/c.json}\n  - name: mine\n    config: \
             app/mlc-package-config.json\n    budgets: {download: {fail: {max: 1B}}}\n",
        );
    // A name that the file does not list is the device's, where `config` names what it does.
    for manifest in [
        "app/dist",
        "app/../app/dist/",
        "mine=elsewhere/m.json",
        "elsewhere/m.json",
        "android=elsewhere/m.json",
        "android=app/dist",
    ] {
        let found = scene.json(20, &format!("--manifest {manifest}"));
        assert_eq!(found["packages"][0]["name"], "mine", "{manifest}");
        assert_eq!(found["packages"][0]["config"], "app/mlc-package-config.json");
    }
    // Its baseline has the same name.
    let paired = scene.json(20, "--manifest android=elsewhere/m.json --baseline android=app/dist");
    assert_eq!(paired["packages"][0]["models"][0]["status"], "unchanged");
    // What is nowhere in the file keeps its name, which is said: its budgets would be missed.
    manifest["config"]["digest"] = format!("blake3:{}", "0".repeat(64)).into();
    scene.manifest("elsewhere/m.json", &manifest);
    let unlisted = scene.report(0, "--manifest main=elsewhere/m.json --format json");
    let report: serde_json::Value = serde_json::from_str(&unlisted.stdout).unwrap();
    assert_eq!(report["packages"][0]["name"], "main");
    let said = "lists no package `main`: it is held against the budgets of all packages alone (listed: other, mine)";
    assert!(unlisted.stderr.contains(said), "{}", unlisted.stderr);
    // Without a manifest it is every package, and one of them is not built.
    let missing = scene.report(2, "");
    assert!(missing.stderr.contains("there is no manifest `lib/dist`"), "{}", missing.stderr);
    scene.write("mlc-package.yml", "packages: [{name: mine, config: app/missing.json}]");
    let refused = scene.report(10, "");
    assert!(refused.stderr.contains("error[missing-path]"), "{}", refused.stderr);
}

#[test]
fn a_budget_of_a_model_that_is_not_there_is_said() {
    let scene = Scene::new();
    scene.write("c.json", "{}").manifest("dist/mlc-package-manifest.json", &package("android", 1));
    scene.write(
        "mlc-package.yml",
        "packages:\n  - name: a\n    config: c.json\n    budgets: {models: {phi: {ram: {fail: {max: \
         1B}}}}}\n",
    );
    let run = scene.report(0, "");
    assert!(run.stderr.contains("the budget of `phi`: the package a has no such model"));
}
