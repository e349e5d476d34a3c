//! The config and the command line, through `build`: what stops before anything is started.

use serde_json::json;

use crate::scene::Scene;
use crate::tree;

#[test]
fn a_bad_config_starts_nothing() {
    let scene = Scene::new("android");
    scene.configure(|config| {
        config["device"] = "ios".into();
        config["model_list"][0]["model_id"] = "../evil".into();
        config["model_list"][1]["estimated_vram_bytes"] = "3 GB".into();
    });
    let before = tree::state(&scene.root);
    let run = scene.build(&[]).fails(10);
    for code in ["unknown-device", "invalid-model-id", "invalid-vram-estimate"] {
        assert!(run.stderr.contains(&format!("error[{code}]")), "{}", run.shown());
    }
    insta::assert_snapshot!("bad_config", run.shown());
    // Quiet is not silent about errors.
    scene.build(&["-q"]).fails(10).says("error[unknown-device]");
    assert_eq!(tree::state(&scene.root), before);
}

#[test]
fn a_config_that_is_not_there_is_said() {
    let scene = Scene::new("android");
    let run = scene.build(&["--package-config", "absent.json"]).fails(10);
    insta::assert_snapshot!("absent_config", run.shown());
}

#[test]
fn strict_takes_warnings_for_errors() {
    let scene = Scene::with_models("android", &["one"]);
    scene.configure(|config| config["model_list"][0]["overides"] = json!({}));
    scene.build(&["--strict"]).fails(10).says("error[unknown-field]");
    scene.plan(&["--strict"]).fails(10);
    assert_eq!((scene.probes(), scene.dist().exists()), (0, false));
    scene.build(&[]).ok().says("warning[unknown-field]").says("did you mean `overrides`?");
}

#[test]
fn only_the_models_that_are_asked_for() {
    let scene = Scene::new("android");
    scene.build(&["--only", "other-q0f16"]).ok();
    assert_eq!(scene.compiled(), ["other_layer"]);
    assert_eq!(tree::names(&scene.dist().join("bundle")), ["mlc-app-config.json", "other-q0f16"]);
    let app = scene.json("app/dist/bundle/mlc-app-config.json");
    assert_eq!(app["model_list"].as_array().unwrap().len(), 1);
    let run = scene.build(&["--only", "one-q0f16", "--only", "onee"]).fails(2);
    insta::assert_snapshot!("only_unknown", run.shown());
    scene.build(&["--only", "../evil"]).fails(2).says("--only");
    scene.build(&["--only", "one-q0f16", "--only", "other-q0f16"]).ok().says("2 models");
}

#[test]
fn a_dry_run_writes_nothing_and_says_the_plan() {
    let scene = Scene::new("android");
    let before = tree::state(&scene.root);
    let run = scene.build(&["--dry-run", "--python", crate::scene::python().as_str()]).ok();
    let plan = scene.plan(&[]).ok();
    assert_eq!(run.stdout, plan.stdout);
    let mut after = tree::state(&scene.root);
    // What Python answered is remembered; that it was asked is the test's own note.
    after.retain(|path, _| !path.starts_with("home/.cache") && path != "probe-calls");
    assert_eq!(after, before);
    assert_eq!(scene.compiled(), [""; 0]);
    let json = scene.call(&["build", "--dry-run", "--format", "json"]).ok().json();
    assert_eq!(json["libraries"][0]["reason"], "new");
}

#[test]
fn upstreams_name_for_build_works() {
    let scene = Scene::new("android");
    scene.call(&["package", "--no-binding"]).ok();
    assert_eq!(scene.compiled(), ["one_layer", "other_layer"]);
}

#[test]
fn a_source_tree_in_mlc_llm_home_is_told_from_a_cache() {
    let scene = Scene::with_models("android", &["one"]);
    for dir in ["android/mlc4j", "ios", "python/mlc_llm"] {
        fs_err::create_dir_all(scene.root.join("mlc-llm").join(dir)).unwrap();
    }
    let home = scene.root.join("mlc-llm");
    let run = scene.plan(&[]).env("MLC_LLM_HOME", &home).ok();
    insta::assert_snapshot!(
        "mlc_llm_home",
        run.stderr.lines().map(|line| scene.placeholders(line)).collect::<Vec<_>>().join("\n")
    );
    fs_err::create_dir(scene.root.join("cache")).unwrap();
    let quiet = |call: crate::call::Call<'_>| assert_eq!(call.ok().stderr, "");
    quiet(scene.plan(&[]).env("MLC_LLM_HOME", scene.root.join("cache")));
    quiet(scene.plan(&["--mlc-llm-home", home.as_str()]));
    quiet(scene.plan(&["--mlc-llm-source-dir", home.as_str()]).env("MLC_LLM_HOME", &home));
    quiet(scene.plan(&[]).env("MLC_LLM_SOURCE_DIR", &home));
}

#[test]
fn the_cache_is_where_it_is_asked_for() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).env("XDG_CACHE_HOME", scene.root.join("xdg")).ok();
    assert_eq!(tree::names(&scene.root.join("xdg/mlc-package")), ["libs", "toolchain"]);
    scene.build(&[]).env("MLC_PACKAGE_CACHE_DIR", "relative").ok().says("1 compiled");
    assert!(scene.app().join("relative/libs").is_dir());
    scene.build(&["--cache-dir", "other"]).env("MLC_PACKAGE_CACHE_DIR", "relative").ok();
    assert!(scene.app().join("other/libs").is_dir());
    assert!(!scene.root.join("home/.cache").exists());
    scene.build(&[]).without("HOME").fails(2).says("--cache-dir");
}

#[test]
fn hostile_configs_cost_little_and_stop_nothing_else() {
    let scene = Scene::new("android");
    let deep = "[".repeat(100_000);
    let long = format!("{{\"device\": \"{}\"}}", "x".repeat(50 << 20));
    let latin: &[u8] = b"{\"device\": \"\xe9\"}";
    for (what, text) in [
        ("empty", b"".as_slice()),
        ("deep", deep.as_bytes()),
        ("long", long.as_bytes()),
        ("latin", latin),
    ] {
        scene.write("app/mlc-package-config.json", text);
        let run = scene.build(&[]).fails(10);
        assert!(run.stderr.len() < 4000, "{what}: {} bytes", run.stderr.len());
    }
    let id = |id: &str| {
        scene.configure(|config| config["model_list"][0]["model_id"] = json!(id));
        scene.build(&[]).fails(10).says("error[invalid-model-id]").never_says("\u{0}");
    };
    ["../evil", "a/b", ".", "..", "", "a\0b", &"x".repeat(300)].iter().for_each(|name| id(name));
    assert_eq!(tree::names(&scene.app()), ["mlc-package-config.json", "models"]);
}
