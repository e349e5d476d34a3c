//! `mlc-package.lock`: what is pinned, when it moves, and when it cannot be used.

use serde_json::json;

use crate::hub::{COMMIT_ASKED, HubScene, LATER, entry};
use crate::server::COMMIT;

const LOCK: &str = "app/mlc-package.lock";

fn commits(hub: &HubScene) -> Vec<String> {
    let lock = hub.scene.json(LOCK);
    let of = |model: &serde_json::Value| model["commit"].as_str().unwrap().to_owned();
    lock["models"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_build_is_of_the_pinned_commit_until_the_pin_is_moved() {
    let hub = HubScene::sound(true);
    let run = hub.call(&["lock"]).ok();
    assert_eq!(run.stdout, format!("one-q0f16  {COMMIT} (new)\n"));
    let lock = hub.scene.read(LOCK);
    hub.push();
    hub.asked();
    hub.build(&["--locked"]).ok();
    let manifest = hub.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["models"][0]["commit"], COMMIT);
    let tokenizer = || hub.scene.read("app/dist/bundle/one-q0f16/tokenizer.json");
    assert!(!tokenizer().contains("later"));
    assert!(!hub.asked().contains(&COMMIT_ASKED.to_owned()));

    assert_eq!(hub.call(&["lock"]).ok().stdout, format!("one-q0f16  {COMMIT}\n"));
    assert_eq!(hub.scene.read(LOCK), lock);
    assert_eq!(hub.asked(), [""; 0]);
    let moved = format!("one-q0f16  {COMMIT} -> {LATER}\n");
    assert_eq!(hub.call(&["lock", "--update"]).ok().stdout, moved);
    assert_eq!(commits(&hub), [LATER]);
    hub.build(&["--locked"]).ok();
    assert!(tokenizer().contains("later"));

    // A link, as several apps of one repository may have it, stays one.
    fs_err::rename(hub.scene.root.join(LOCK), hub.scene.root.join("shared.lock")).unwrap();
    fs_err::os::unix::fs::symlink("../shared.lock", hub.scene.root.join(LOCK)).unwrap();
    hub.scene.edit("shared.lock", LATER, COMMIT);
    hub.call(&["lock", "--update"]).ok().says(LATER);
    assert!(hub.scene.read("shared.lock").contains(LATER));
    assert!(hub.scene.root.join(LOCK).is_symlink());

    // The same commit is the same text, whatever was there before.
    let later = hub.scene.read(LOCK);
    fs_err::remove_file(hub.scene.root.join(LOCK)).unwrap();
    hub.call(&["lock"]).ok();
    assert_eq!(hub.scene.read(LOCK), later);
}

#[test]
fn one_pin_moves_and_pins_nobody_needs_are_dropped() {
    let hub = HubScene::sound(false);
    hub.scene.configure(|config| {
        let mut other = entry("other");
        other["revision"] = "refs/pr/1".into();
        config["model_list"].as_array_mut().unwrap().push(other);
    });
    hub.call(&["lock"]).ok();
    assert_eq!(commits(&hub), [COMMIT, COMMIT]);
    hub.push();
    let run = hub.call(&["lock", "--update", "other-q0f16"]).ok();
    assert_eq!(run.stdout, format!("one-q0f16  {COMMIT}\nother-q0f16  {COMMIT} -> {LATER}\n"));
    assert_eq!(commits(&hub), [COMMIT, LATER]);
    let run = hub.call(&["lock", "--update", "nobody"]).fails(2);
    run.says("one-q0f16, other-q0f16");

    // What `--only` leaves out is still in the config.
    hub.call(&["lock", "--only", "one-q0f16", "--update"]).ok().never_says("dropped");
    assert_eq!(commits(&hub), [LATER, LATER]);

    hub.scene.configure(|config| drop(config["model_list"].as_array_mut().unwrap().pop()));
    let run = hub.call(&["lock"]).ok();
    run.says("user/model@refs/pr/1  dropped: the config does not have it");
    assert_eq!(commits(&hub), [LATER]);
}

#[test]
fn packages_of_one_lock_file_keep_each_others_pins() {
    let hub = HubScene::sound(false);
    let mut other = entry("other");
    other["revision"] = "refs/pr/1".into();
    for (name, entry) in [("one", entry("one")), ("other", other)] {
        let config = json!({"device": "android", "model_list": [entry]});
        hub.scene.write(&format!("app/{name}.json"), config.to_string());
    }
    let packages = "packages: [{name: a, config: one.json, output: a}, \
                    {name: b, config: other.json, output: b}]";
    hub.scene.write("app/mlc-package.yml", packages);
    for verb in [&["lock"][..], &["lock", "--package=a"], &["lock", "--package=b"]] {
        hub.call(verb).ok().never_says("dropped");
        assert_eq!(commits(&hub), [COMMIT, COMMIT], "{verb:?}");
    }
    hub.scene.write("app/mlc-package.yml", "packages: [{name: a, config: one.json}]");
    hub.call(&["lock"]).ok().says("user/model@refs/pr/1  dropped");
}

#[test]
fn locked_means_that_every_model_is_in_the_lock() {
    let hub = HubScene::sound(false);
    let verbs =
        [hub.build(&["--locked"]), hub.plan(&["--locked"]), hub.call(&["lock", "--locked"])];
    for verb in verbs {
        let run = verb.fails(11);
        run.says("model `one-q0f16`: `user/model` is not in mlc-package.lock")
            .says("help: run `mlc-package lock`");
    }
    assert!(!hub.scene.root.join(LOCK).exists());
    hub.call(&["lock", "--locked", "--update"]).fails(2);
    assert_eq!(hub.asked(), [""; 0]);
    hub.call(&["lock"]).ok();
    hub.build(&["--locked"]).ok();
    hub.call(&["lock", "--locked"]).ok();
    hub.scene.configure(|config| config["model_list"][0]["revision"] = "v1".into());
    hub.build(&["--locked"]).fails(11).says("`user/model` at `v1` is not in mlc-package.lock");
    assert!(!hub.asked().contains(&"GET api/revision/v1".to_owned()));
}

#[test]
fn a_revision_of_the_config_is_what_is_packaged() {
    let hub = HubScene::sound(false);
    hub.scene.configure(|config| config["model_list"][0]["revision"] = "v1".into());
    hub.push();
    hub.build(&[]).ok().says("the app downloads its weights from `main`");
    let manifest = hub.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["models"][0]["commit"], COMMIT);
    assert!(hub.asked().contains(&"GET api/revision/v1".to_owned()));
    hub.scene.configure(|config| config["model_list"][0]["revision"] = "v2".into());
    let run = hub.build(&[]).fails(11);
    run.says("no such repository or revision: `user/model` at `v2`").says("help: ");
}

#[test]
fn a_lock_that_cannot_be_used_is_an_error_with_a_way_out() {
    let hub = HubScene::sound(false);
    let newer = json!({"schema": 2, "models": [], "more": true}).to_string();
    hub.call(&["lock"]).ok();
    let hostile = hub.scene.read(LOCK).replace("tokenizer.json", "../evil.json");
    let twice = hub.scene.read(LOCK).replace("\"README.md\"", "\"Tokenizer.json\"");
    hub.asked();
    for (text, why) in [
        ("<<<<<<< HEAD", "is not a lock file"),
        (newer.as_str(), "has schema 2, and this version knows schema 1"),
        (hostile.as_str(), "is not a lock file"),
        (twice.as_str(), "`Tokenizer.json` and `tokenizer.json` are one name"),
    ] {
        hub.scene.write(LOCK, text);
        for verb in [hub.build(&[]), hub.plan(&[])] {
            let run = verb.fails(11);
            run.says(why).says("help: ");
        }
        assert_eq!(hub.asked(), [""; 0]);
    }
}
