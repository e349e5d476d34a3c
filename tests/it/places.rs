//! Where a package must not be made, and models that cannot be looked at.

use crate::scene::Scene;
use crate::tree;

#[test]
fn a_package_is_made_neither_in_a_model_nor_over_the_cache() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    let refused = |output: &str, what: &str| {
        let before = (tree::state(&scene.app()), tree::state(&scene.cache()));
        let run = scene.build(&["--output", output]).fails(2);
        run.says(what).says("help: name one that holds the package alone, `dist`");
        scene.plan(&["--output", output]).fails(2).says(what);
        assert_eq!((tree::state(&scene.app()), tree::state(&scene.cache())), before);
    };
    let in_model = "this is in the directory of `one-q0f16`";
    refused("models/one", in_model);
    refused("models/one/dist/android", in_model);
    let cache = scene.cache();
    refused(cache.as_str(), "the cache is in this directory");
    refused(cache.parent().unwrap().as_str(), "the cache is in this directory");
    let hub = scene.root.join("home/.cache/huggingface/hub");
    fs_err::create_dir_all(&hub).unwrap();
    refused(hub.as_str(), "the cache is in this directory");
    for reserved in [".git", ".github", ".github/workflows", "x/.GIT/hooks"] {
        refused(reserved, "is not for packages");
    }
    fs_err::os::unix::fs::symlink("models/one", scene.app().join("link")).unwrap();
    refused("link", in_model);
    // MLC LLM's own documentation has models in dist/.
    scene.configure(|config| config["model_list"][0]["model"] = "dist/one".into());
    fs_err::rename(scene.app().join("models/one"), scene.dist().join("one")).unwrap();
    scene.build(&[]).ok();
    assert!(scene.dist().join("one/tokenizer.json").is_file());
    // In the cache's directory, beside what is in it.
    let beside = scene.cache().join("dist");
    scene.build(&["--output", beside.as_str()]).ok();
}

#[test]
fn a_model_that_cannot_be_looked_at_is_not_said_to_be_absent() {
    let scene = Scene::with_models("android", &["one"]);
    fs_err::os::unix::fs::symlink("round", scene.app().join("models/round")).unwrap();
    scene.configure(|config| config["model_list"][0]["model"] = "models/round".into());
    let run = scene.call(&["check"]).run().code(10);
    run.says("error[missing-model]: the model directory `models/round` cannot be read: ")
        .never_says("there is no directory");
}

#[test]
fn a_link_mode_that_the_file_system_cannot_do_says_what_can_be_done() {
    let shared = std::path::Path::new("/dev/shm");
    let scene = Scene::with_models("android", &["one"]);
    let Ok(other) = tempfile::tempdir_in(shared) else { return };
    let other = camino::Utf8Path::from_path(other.path()).unwrap();
    let output = other.join("dist");
    let run = scene.build(&["--link-mode", "hardlink", "--output", output.as_str()]).run();
    // Where /dev/shm is on the same file system, there is nothing to be said.
    if run.status.success() {
        return;
    }
    let run = run.code(14).says("mlc-chat-config.json` into the package: it is on another file");
    run.says("help: leave `--link-mode` out");
    assert_eq!(tree::names(other), [""; 0]);
}

#[test]
fn a_package_without_models_is_a_package() {
    let scene = Scene::with_models("android", &[]);
    let run = scene.build(&[]).ok().says("warning[no-models]: `model_list` is empty");
    run.says("dist: 0 models for android").never_says("RAM declared");
    let run = scene.call(&["inspect", "dist"]).fails(2);
    run.says("`dist/lib/libmodel_android.a` holds no libraries: the package has no models");
    let run = scene.call(&["inspect", "dist", "--chat-config", "absent.json"]).fails(2);
    run.says("help: ");
}

#[test]
fn nothing_to_pin_makes_no_lock_file() {
    let scene = Scene::with_models("android", &["one"]);
    let run = scene.call(&["lock"]).ok();
    assert_eq!(run.stdout, "no models of the Hub in mlc-package-config.json\n");
    assert_eq!(run.stderr, "");
    assert!(!scene.app().join("mlc-package.lock").exists());
    let run = scene.call(&["lock", "--update", "one-q0f16"]).fails(2);
    run.says("help: it has none at all: there is nothing to pin\n");
}

#[test]
fn a_config_that_is_confined_names_nothing_outside() {
    let scene = Scene::with_models("android", &["one"]);
    let root = scene.app();
    let confined =
        |arguments: &[&str]| scene.call(arguments).env("MLC_PACKAGE_CONFINE_TO", root.as_str());
    confined(&["build", "--no-binding"]).ok();
    // A model that a cache on the runner holds, by its path and through a link.
    let elsewhere = scene.root.join("private");
    fs_err::rename(scene.app().join("models/one"), &elsewhere).unwrap();
    fs_err::os::unix::fs::symlink(&elsewhere, scene.app().join("models/one")).unwrap();
    for model in [elsewhere.as_str(), "../private", "models/one"] {
        scene.configure(|config| config["model_list"][0]["model"] = model.into());
        for arguments in [&["check"][..], &["plan", "--no-binding"], &["build", "--no-binding"]] {
            let run = confined(arguments).run().code(10);
            let shown = format!("{}{}", run.stdout, run.stderr);
            assert!(shown.contains("[confined]") && shown.contains("is not in"), "{shown}");
        }
    }
    scene.build(&[]).ok();
    scene.configure(|config| {
        config["model_lib_path_for_prepare_libs"] =
            serde_json::json!({ "mine": "../private/mlc-chat-config.json" });
        config["model_list"][0]["model"] = "HF://user/model".into();
    });
    let run = confined(&["check"]).run().code(10);
    assert!(run.stdout.contains("[confined]"), "{}", run.shown());
}
