//! What steps of GitHub Actions get: outputs of `plan` and `build`, libraries without a package,
//! a cache that holds what is needed.

use serde_json::{Value, json};

use crate::scene::{Scene, entry};
use crate::tree;

/// The values of a file as GITHUB_OUTPUT names one; of each the last.
pub(crate) fn outputs(text: &str) -> serde_json::Map<String, Value> {
    let mut values = serde_json::Map::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, value) = match line.split_once("<<") {
            Some((name, word)) => {
                let value: Vec<_> = lines.by_ref().take_while(|line| *line != word).collect();
                (name, value.join("\n"))
            }
            None => line.split_once('=').map(|(name, value)| (name, value.to_owned())).unwrap(),
        };
        values.insert(name.to_owned(), value.into());
    }
    values
}

pub(crate) fn told(scene: &Scene, arguments: &[&str]) -> serde_json::Map<String, Value> {
    let file = scene.root.join("output");
    let _ = fs_err::remove_file(&file);
    scene.call(arguments).env("GITHUB_OUTPUT", &file).ok();
    outputs(&scene.read("output"))
}

pub(crate) const PLAN: &[&str] = &["plan", "--no-binding", "--format", "github"];

#[test]
fn a_plan_gives_keys_paths_and_a_matrix() {
    let scene = Scene::new("android");
    let values = told(&scene, PLAN);
    assert_eq!(values["device"], "android");
    assert_eq!(values["packages"], "");
    assert_eq!(values["manifest-restore-keys"], values["manifest-key"]);
    assert_eq!(values["libs-to-compile"], "2");
    assert_eq!(values["cache-hit"], "false");
    let matrix: Value = serde_json::from_str(values["matrix"].as_str().unwrap()).unwrap();
    let jobs = json!([
        {"name": "one-q0f16", "job": 1, "package": "", "only": "one-q0f16"},
        {"name": "other-q0f16", "job": 2, "package": "", "only": "other-q0f16"},
    ]);
    assert_eq!(matrix, json!({"include": jobs}));
    assert_eq!(values["libs-path"], scene.cache().join("libs").as_str());
    let key = values["libs-key"].as_str().unwrap();
    assert!(key.starts_with(values["libs-restore-keys"].as_str().unwrap()), "{key}");
    assert_eq!(values["fingerprints"].as_str().unwrap().lines().count(), 2);
    for absent in ["weights-key", "weights-path", "kit-key", "kit-path"] {
        assert_eq!(values[absent], "", "{absent}");
    }

    let own = told(&scene, &[PLAN, &["--prefix-key", "mine", "--matrix-jobs", "1"]].concat());
    assert!(own["libs-key"].as_str().unwrap().starts_with("mine-libs-android-"));
    assert!(own["matrix"].as_str().unwrap().contains("one-q0f16 and 1 more"));

    // The same without a job.
    let run = scene.call(PLAN).ok();
    assert_eq!(outputs(&run.stdout), values);
}

#[test]
fn a_key_changes_with_a_library_and_with_nothing_else() {
    let scene = Scene::new("android");
    let key = || told(&scene, PLAN)["libs-key"].clone();
    let first = key();
    scene.configure(|config| config["model_list"][0]["estimated_vram_bytes"] = 5.into());
    assert_eq!(key(), first);
    scene.configure(|config| {
        config["model_list"][0]["overrides"] = json!({"context_window_size": 64});
    });
    assert_ne!(key(), first);
}

#[test]
fn packages_of_one_repository_have_baselines_of_their_own() {
    let scene = Scene::new("android");
    let key = |config: &str| {
        let arguments = [PLAN, &["--package-config", config]].concat();
        let file = scene.root.join("output");
        let _ = fs_err::remove_file(&file);
        let call = scene.call(&arguments).env("GITHUB_OUTPUT", &file);
        call.env("GITHUB_WORKSPACE", &scene.root).ok();
        outputs(&scene.read("output"))["manifest-key"].clone()
    };
    let usual = key("mlc-package-config.json");
    assert_eq!(key("./mlc-package-config.json"), usual);
    assert_eq!(key(scene.app().join("mlc-package-config.json").as_str()), usual);
    let text = scene.read("app/mlc-package-config.json");
    scene.write("app/other.json", text);
    assert_ne!(key("other.json"), usual);
}

#[test]
fn libraries_are_compiled_without_a_package() {
    let scene = Scene::new("android");
    scene.write("app/dist/mine.txt", "stays");
    let build = ["build", "--libs-only", "--only", "other-q0f16", "--format", "github"];
    let values = told(&scene, &build);
    assert_eq!(values["libs-compiled"], "1");
    assert_eq!(values["cache-hit"], "false");
    assert!(!values.contains_key("dist"));
    assert_eq!(scene.compiled(), ["other_layer"]);
    assert_eq!(tree::names(&scene.dist()), ["mine.txt"]);
    assert_eq!(told(&scene, &build)["cache-hit"], "true");

    let run = scene.call(&["build", "--libs-only"]).ok();
    insta::assert_snapshot!(scene.placeholders(&run.stdout), @r"
    android: 2 libraries in the cache (1 compiled now, 1 before)

      library      models           size  origin
      one_layer    one-q0f16    50.0 KiB  compiled
      other_layer  other-q0f16  50.0 KiB  cached
    ");
    let json = scene.call(&["build", "--libs-only", "--format", "json"]).ok();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["libraries"][0]["origin"], "cached");
    assert_eq!(scene.compiled().len(), 2);
    scene.call(&["build", "--libs-only", "--dry-run"]).fails(2);
}

#[test]
fn a_build_says_what_it_made() {
    let scene = Scene::new("android");
    let arguments = ["build", "--no-binding", "--format", "github", "-o", "out/android"];
    let values = told(&scene, &arguments);
    assert_eq!(values["libs-compiled"], "2");
    assert_eq!(values["dist"], "out/android");
    assert_eq!(values["manifest"], "out/android/mlc-package-manifest.json");
    assert!(scene.app().join(values["manifest"].as_str().unwrap()).is_file());
    let again = told(&scene, &arguments);
    assert_eq!((&again["libs-compiled"], &again["libs-cached"]), (&"0".into(), &"2".into()));
}

#[test]
fn names_that_look_like_commands_are_shown_and_not_obeyed() {
    let scene = Scene::new("android");
    scene.configure(|config| {
        config["model_list"] = json!([entry("one"), entry("other")]);
        config["model_list"][0]["model_id"] = "::error::mine".into();
    });
    let file = scene.root.join("output");
    let run = scene.call(PLAN).env("GITHUB_OUTPUT", &file).env("GITHUB_ACTIONS", "true").ok();
    let lines: Vec<_> = run.stdout.lines().collect();
    let word = lines[0].strip_prefix("::stop-commands::").unwrap();
    assert_eq!(lines.last().unwrap(), &format!("::{word}::"));
    assert!(run.stdout.contains(r"\u{3a}:error::mine"), "{}", run.stdout);
}

#[test]
fn a_prefix_that_github_would_not_take_is_refused() {
    let scene = Scene::new("android");
    for prefix in ["a,b", "", "a b", "a\nb", &"x".repeat(101)] {
        let arguments = [PLAN, &["--prefix-key", prefix]].concat();
        let run = scene.call(&arguments).fails(2);
        assert!(run.stderr.contains("1 to 100 characters"), "{}", run.stderr);
    }
}

#[test]
fn a_cache_is_left_with_what_a_plan_needs() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    scene.configure(|config| {
        config["model_list"][0]["overrides"] = json!({"context_window_size": 64});
    });
    scene.build(&[]).ok();
    assert_eq!(scene.entries().len(), 3);
    let needed = told(&scene, PLAN)["fingerprints"].as_str().unwrap().to_owned();
    let mut arguments = vec!["cache", "prune", "--only", "libraries"];
    for name in needed.lines() {
        arguments.extend(["--keep", name]);
    }
    scene.call(&arguments).ok().says("one_layer");
    let mut left: Vec<_> =
        scene.entries().iter().map(|dir| dir.file_name().unwrap().to_owned()).collect();
    let mut expected: Vec<_> = needed.lines().map(str::to_owned).collect();
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
    scene.call(&["cache", "prune", "--keep", "../libs"]).fails(2);
    assert_eq!(told(&scene, PLAN)["cache-hit"], "true");
}
