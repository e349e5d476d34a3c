//! What to compare with, and what cannot be compared with.

use serde_json::json;

use crate::packages::{changed, package};
use crate::scene::Scene;

#[test]
fn a_baseline_that_was_named_and_cannot_be_read_is_an_error() {
    let scene = Scene::new();
    scene
        .manifest("now.json", &package("android", 2))
        .manifest("ios.json", &package("iphone", 2))
        .write("garbage.json", "\u{0}{\"schema\": 1")
        .write("newer.json", r#"{"schema": 2, "tool": "9.1.0", "models": "many"}"#)
        .write("large.json", vec![b' '; (16 << 20) + 1]);
    for (baseline, code, why) in [
        ("garbage.json", 13, "`garbage.json` is not a manifest of a package"),
        ("newer.json", 13, "`newer.json` has schema 2, written by mlc-package 9.1.0"),
        ("large.json", 13, "it is larger than 16 MiB"),
        ("missing.json", 2, "there is no manifest `missing.json`"),
        ("http://127.0.0.1:9/m.json", 11, "127.0.0.1:9"),
    ] {
        // Limits on growth would hold no more, and nobody would know.
        let run = scene.report(code, &format!("--manifest now.json --baseline {baseline}"));
        let start = format!("error: the baseline `{baseline}` cannot be read: ");
        assert!(run.stderr.contains(&start), "{}", run.stderr);
        assert!(run.stderr.contains(why), "{why}\n{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    let run = scene.report(0, "--manifest now.json --baseline ios.json");
    let why = "warning: the baseline `ios.json` is of none of the packages";
    assert!(run.stderr.contains(why), "{}", run.stderr);
    assert!(run.stdout.contains("no baseline"), "{}", run.stdout);
}

#[test]
fn the_package_itself_must_be_one() {
    let scene = Scene::new();
    scene
        .write("garbage.json", "[]")
        .write("newer.json", r#"{"schema": 2, "tool": "9.1.0"}"#)
        .write("empty/other.txt", "");
    for (manifest, code, why, help) in [
        (
            "garbage.json",
            13,
            "`garbage.json` is not a manifest",
            "name a mlc-package-manifest.json",
        ),
        ("newer.json", 13, "this version reads up to 1", "update mlc-package"),
        ("missing.json", 2, "there is no manifest `missing.json`", "build the package first"),
        ("empty", 2, "`empty/mlc-package-manifest.json`", "build the package first"),
    ] {
        let run = scene.report(code, &format!("--manifest {manifest}"));
        assert!(run.stderr.contains(why) && run.stderr.contains(help), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn each_package_finds_its_baseline() {
    let scene = Scene::new();
    let (android, ios) = (package("android", 6), package("iphone", 2));
    // Two packages of one phone: their models tell them apart.
    let mut small = package("android", 1);
    small["models"][0]["model_id"] = "small".into();
    small["libraries"][0]["models"] = json!(["small"]);
    scene
        .manifest("big.json", &changed(&android))
        .manifest("small.json", &small)
        .manifest("ios.json", &ios)
        .manifest("was/big.json", &android)
        .manifest("was/small.json", &small)
        .manifest("was/ios.json", &ios);
    let found = scene.json(
        0,
        "--manifest big.json --manifest small.json --manifest ios.json --baseline was/ios.json \
         --baseline was/small.json --baseline was/big.json",
    );
    let packages = found["packages"].as_array().unwrap();
    let names: Vec<_> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["android (big.json)", "android (small.json)", "iphone"]);
    let statuses = |n: usize| {
        let models = packages[n]["models"].as_array().unwrap().iter();
        models.map(|model| model["status"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(statuses(0)[..4], ["removed", "new", "changed", "changed"]);
    assert_eq!(statuses(1), ["unchanged"]);
    assert_eq!(statuses(2), ["unchanged", "unchanged"]);
    // A name decides, whatever they have in common.
    let named = scene.json(0, "--manifest a=small.json --baseline a=was/big.json");
    assert_eq!(named["packages"][0]["name"], "a");
    assert_eq!(named["packages"][0]["models"].as_array().unwrap().len(), 7);
}

#[test]
fn the_commit_of_a_job_is_the_head() {
    let scene = Scene::new();
    scene.manifest("dist/mlc-package-manifest.json", &package("android", 1));
    let head = |variables: &[(&str, &str)]| {
        let run = scene.run(&["report", "--format", "json"], variables);
        let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        json["head"].clone()
    };
    assert_eq!(head(&[("GITHUB_SHA", "0123456789")]), "0123456789");
    assert_eq!(head(&[("GITHUB_SHA", "")]), json!(null));
    assert_eq!(head(&[]), json!(null));
}
