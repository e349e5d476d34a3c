//! The check run of a size report: its verdict, and its notes at the models' lines.

use serde_json::{Value, json};

use super::github::{Fault, Github};
use super::scene::{HEAD, Run, Scene};
use super::sized::package;

/// More than one request's annotations.
const MODELS: usize = 60;

/// The line of the first model in the config; the others follow, one each.
const FIRST: usize = 4;

/// A pull request whose models are all too large.
fn scene(github: &Github) -> Scene {
    let mut scene = Scene::new(github);
    scene.of_pull_request();
    let root = scene.root.to_string();
    scene.set("GITHUB_WORKSPACE", &root);
    let manifest = package("android", MODELS);
    let entries: Vec<_> = manifest["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| {
            let (id, source) = (&model["model_id"], &model["model"]);
            json!({"model_id": id, "model": source, "estimated_vram_bytes": 1}).to_string()
        })
        .collect();
    let list = entries.join(",\n    ");
    let config =
        format!("{{\n  \"device\": \"android\",\n  \"model_list\": [\n    {list}\n  ]\n}}\n");
    scene.write("config.json", config.as_bytes());
    scene.write("manifest.json", manifest.to_string().as_bytes());
    scene.write("mlc-package.yml", b"budgets: {model: {download: {fail: {max: 1MiB}}}}\n");
    scene
}

fn report(scene: &Scene, config: &str, more: &[&str]) -> Run {
    let config = format!("--package-config={config}");
    let arguments = ["report", "--manifest=manifest.json", &config, "--check"];
    scene.run(&[&arguments[..], more].concat(), 20)
}

fn notes(github: &Github) -> Vec<Value> {
    let store = github.store();
    assert_eq!(store.checks.len(), 1);
    assert_eq!(
        (store.checks[0].head.as_str(), store.checks[0].conclusion.as_str()),
        (HEAD, "failure")
    );
    store.checks[0].annotations.clone()
}

#[test]
fn every_model_over_its_budget_is_a_note_at_its_line() {
    for format in ["--format=github", "--format=markdown"] {
        let github = Github::sound();
        let scene = scene(&github);
        let run = report(&scene, "./config.json", &[format]);
        let notes = notes(&github);
        let lines: Vec<_> =
            notes.iter().map(|note| note["start_line"].as_u64().unwrap() as usize).collect();
        assert_eq!(lines, (FIRST..FIRST + MODELS).collect::<Vec<_>>(), "{format}");
        for note in &notes {
            assert_eq!(note["path"], "config.json");
            assert_eq!(note["annotation_level"], "failure");
            let message = note["message"].as_str().unwrap();
            assert!(message.contains("download") && message.contains("help: "), "{message}");
        }
        // GitHub would show a command at the same line again. People read it in the log.
        assert!(!run.stdout.contains("::error"), "{}", run.stdout);
        assert_eq!(run.says("error: "), MODELS, "{}", run.stderr);
    }
}

#[test]
fn a_token_that_may_not_check_leaves_the_notes_to_commands() {
    let github = Github::new(|seen, _| {
        let message = "Resource not accessible by integration";
        seen.path.contains("/check-runs").then(|| Fault::Refuse(403, vec![], message))
    });
    let scene = scene(&github);
    let run = report(&scene, "config.json", &["--format=github"]);
    let command = format!("::error file=config.json,line={FIRST},");
    assert!(run.stdout.contains(&command), "{}", run.stdout);
    assert_eq!(run.stdout.matches("::error file=config.json,").count(), MODELS);
    assert_eq!(run.says("no check run:"), 1, "{}", run.stderr);
    assert!(github.store().checks.is_empty());
}

/// GitHub refuses a check run as a whole for one note of a file that is not in the repository.
#[test]
fn a_config_outside_the_repository_is_in_no_check_run() {
    let github = Github::sound();
    let mut scene = scene(&github);
    let inside = scene.root.join("repository");
    fs_err::create_dir(&inside).unwrap();
    scene.set("GITHUB_WORKSPACE", inside.as_str());
    let run = report(&scene, "config.json", &["--format=github"]);
    assert_eq!(notes(&github), [] as [Value; 0]);
    assert_eq!(run.stdout.matches("::error file=").count(), MODELS, "{}", run.stdout);
}
