//! `explain`, and the words of upstream that are answered.

use crate::scene::Scene;

#[test]
fn a_code_is_explained_where_it_can_be_met() {
    let scene = Scene::with_models("android", &[]);
    let one = scene.call(&["explain", "vram-too-low"]).ok();
    insta::assert_snapshot!("explain_one", one.shown());
    // As it is copied from a message, and in each kind of file that has it.
    let both = scene.call(&["explain", "error[unreadable]"]).ok().stdout;
    assert_eq!(both.matches("unreadable: in ").count(), 3, "{both}");
    let exit = scene.call(&["explain", "20"]).ok().stdout;
    assert_eq!(exit, "exit code 20\n\nA size exceeds a budget of `mlc-package.yml`.\n");
    let codes = ["explain", "missing-field", "10"];
    let several = scene.call(&codes).ok().says("exit code 10");
    assert!(
        several.stdout.contains("\n    {\n      \"model\""),
        "code is indented: {}",
        several.stdout
    );
    let list = scene.call(&["explain"]).ok();
    assert!(list.stdout.lines().all(|line| line.chars().count() <= 80), "{}", list.stdout);
    insta::assert_snapshot!("explain_list", list.shown());
}

#[test]
fn an_unknown_code_has_near_ones() {
    let scene = Scene::with_models("android", &[]);
    let run = scene.call(&["explain", "unknwon-device"]).fails(2);
    run.says("did you mean `unknown-device` or ");
    scene.call(&["explain", "budget"]).fails(2).says("`invalid-budget`").says("`over-budget`");
    scene.call(&["explain", "99"]).fails(2).says("`mlc-package explain` lists all codes");
}

/// The last line of what a person reads is a command that works.
#[test]
fn problems_name_the_command_that_explains_them() {
    let scene = Scene::with_models("android", &[]);
    let config = r#"{"device": "ios", "model_list": [], "x": 1}"#;
    scene.write("app/mlc-package-config.json", config);
    let shown = scene.call(&["check"]).run().code(10).stdout;
    let (_, command) = shown.trim_end().rsplit_once("\nexplain: mlc-package ").unwrap();
    assert_eq!(command, "explain unknown-device no-models unknown-field");
    let words: Vec<_> = command.split(' ').collect();
    scene.call(&words).ok();
    for format in ["json", "github"] {
        let shown = scene.call(&["check", "--format", format]).run().code(10).stdout;
        assert!(!shown.contains("explain"), "{shown}");
    }
}

#[test]
fn what_is_known_is_explained_and_all_that_is_not_is_named() {
    let scene = Scene::with_models("android", &[]);
    let run = scene.call(&["explain", "10", "nosuch", "unknown-device", "255"]).fails(2);
    assert!(run.stdout.contains("exit code 10") && run.stdout.contains("unknown-device: "));
    let said = "error: `nosuch`, `255` are not codes that mlc-package prints";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);
}

#[test]
fn words_of_other_tools_are_answered() {
    let scene = Scene::with_models("android", &[]);
    let answer = |arguments: &[&str]| {
        let run = scene.call(arguments).fails(2);
        assert_eq!(run.stdout, "");
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        run.stderr.trim().strip_prefix("error: ").unwrap().to_owned()
    };
    for verb in ["gen_config", "gen-config", "convert_weight", "convert-weights"] {
        assert!(answer(&[verb, "phi"]).contains("use `mlc-package convert MODEL "), "{verb}");
    }
    assert_eq!(answer(&["clean"]), "there is no verb `clean`: use `mlc-package cache prune`");
    assert!(answer(&["serve"]).contains("`mlc_llm serve`"));
    assert_eq!(
        answer(&["convert", "phi", "--context-window-size", "2048"]),
        "`convert` has no `--context-window-size`: use `--overrides context_window_size=2048`"
    );
    assert_eq!(
        answer(&["compile", "phi", "--prefill-chunk-size=128", "--max-batch-size", "1"]),
        "`compile` has no `--prefill-chunk-size`: use \
         `--overrides 'prefill_chunk_size=128;max_batch_size=1'`"
    );
    assert_eq!(
        answer(&["build", "--sliding-window-size", "1024"]),
        "`build` has no `--sliding-window-size`: set `\"overrides\": { \"sliding_window_size\": \
         1024 }` in the model's entry of the package config"
    );
    assert!(answer(&["-v", "plan", "--json"]).ends_with("use `--format json`"));
    assert!(
        answer(&["build", "--device", "android"]).ends_with("set `device` in the package config")
    );
    assert!(answer(&["compile", "m", "--debug-dump", "d"]).contains("python -m mlc_llm compile"));
    // In a job it is on the page.
    let run = scene.call(&["plan", "--json"]).env("GITHUB_ACTIONS", "true").fails(2);
    run.says("::error title=mlc-package::`plan` has no `--json`");
    // What nobody knows is clap's.
    scene.call(&["build", "--nonsense"]).fails(2).says("unexpected argument");
    scene.call(&["nonsense"]).fails(2).says("unrecognized subcommand");
}
