//! What becomes of a `dist/` that is there already, and of its neighbours.

use fs_err::os::unix::fs::symlink;
use serde_json::json;

use crate::scene::{Scene, entry};
use crate::tree;

#[test]
fn foreign_files_stay_and_files_of_removed_models_go() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    for path in ["notes.md", "lib/theirs.a", "bundle/other-q0f16/mine.txt", "sub/dir/x"] {
        scene.write(&format!("app/dist/{path}"), path);
    }
    symlink("notes.md", scene.dist().join("link")).unwrap();
    fs_err::create_dir(scene.dist().join("empty")).unwrap();
    let before = tree::state(&scene.dist());
    scene.configure(|config| config["model_list"] = json!([entry("one")]));
    scene.build(&[]).ok();
    let after = tree::state(&scene.dist());
    let gone: Vec<_> = before.keys().filter(|path| !after.contains_key(*path)).collect();
    let expected =
        ["mlc-chat-config.json", "params_shard_0.bin", "tensor-cache.json", "tokenizer.json"];
    assert_eq!(
        gone,
        expected.map(|name| format!("bundle/other-q0f16/{name}")).iter().collect::<Vec<_>>()
    );
    for path in
        ["notes.md", "lib/theirs.a", "bundle/other-q0f16/mine.txt", "sub/dir/x", "link", "empty"]
    {
        assert_eq!(after.get(path), before.get(path), "{path}");
    }
    fs_err::remove_file(scene.dist().join("bundle/other-q0f16/mine.txt")).unwrap();
    scene.build(&[]).ok();
    assert!(scene.dist().join("bundle/one-q0f16").is_dir());
    assert_eq!(scene.leftovers(), [""; 0]);
}

#[test]
fn a_removed_models_directory_goes_with_its_files() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    scene.configure(|config| config["model_list"] = json!([entry("one")]));
    scene.build(&[]).ok();
    assert_eq!(tree::names(&scene.dist().join("bundle")), ["mlc-app-config.json", "one-q0f16"]);
}

#[test]
fn another_device_leaves_no_archive_of_the_first() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    scene.configure(|config| config["device"] = "iphone".into());
    scene.build(&[]).ok();
    assert_eq!(tree::names(&scene.dist().join("lib")), ["libmodel_iphone.a"]);
}

/// Whatever fails, the last good package stays as it is, to the inode.
#[test]
fn a_failed_build_leaves_dist_alone() {
    type Spoil = fn(&Scene);
    let ways: [(&str, Spoil, i32); 5] = [
        ("config", |scene| drop(scene.write("app/mlc-package-config.json", "{")), 10),
        ("no such shard", remove_shard, 11),
        ("compiler", |scene| scene.configure(|c| overriding(c, json!({"opt": "O1"}))), 12),
        ("validation", prepare_another, 13),
        ("a file in the way", |scene| drop(scene.write("app/dist/bundle/one-q0f16", "mine")), 14),
    ];
    for (what, spoil, code) in ways {
        let scene = Scene::new("android");
        scene.build(&[]).ok();
        if code == 14 {
            fs_err::remove_dir_all(scene.dist()).unwrap();
        }
        spoil(&scene);
        let before = tree::state(&scene.dist());
        let spoilt = scene.build(&[]).env("STAND_IN", "exit-1").run();
        assert_eq!(spoilt.status.code(), Some(code), "{what}: {}", spoilt.shown());
        assert_eq!(tree::state(&scene.dist()), before, "{what}");
        assert_eq!(scene.leftovers(), [""; 0], "{what}");
    }
}

fn overriding(config: &mut serde_json::Value, overrides: serde_json::Value) {
    config["model_list"][0]["overrides"] = overrides;
}

fn remove_shard(scene: &Scene) {
    fs_err::remove_file(scene.app().join("models/one/params_shard_0.bin")).unwrap();
}

fn prepare_another(scene: &Scene) {
    let path = scene.library("other-android", "app/prepared.tar");
    scene.configure(|config| {
        config["model_lib_path_for_prepare_libs"] = json!({"one_layer": path});
    });
}

#[test]
fn a_link_to_a_directory_stays_a_link() {
    let scene = Scene::with_models("android", &["one"]);
    fs_err::create_dir(scene.root.join("disk")).unwrap();
    symlink("../disk", scene.dist()).unwrap();
    scene.build(&[]).ok();
    scene.build(&[]).ok();
    assert_eq!(scene.dist().read_link_utf8().unwrap(), "../disk");
    assert!(scene.root.join("disk/lib/libmodel_android.a").is_file());
    assert_eq!(scene.leftovers(), [""; 0]);
}

#[test]
fn a_link_to_nothing_and_a_file_are_refused() {
    for (what, target) in [("file", None), ("dangling link", Some("absent"))] {
        let scene = Scene::with_models("android", &["one"]);
        match target {
            None => drop(scene.write("app/dist", "mine")),
            Some(target) => symlink(target, scene.dist()).unwrap(),
        }
        scene.build(&[]).fails(14).says("`dist`").says(what);
        assert_eq!(tree::names(&scene.app()), ["dist", "mlc-package-config.json", "models"]);
        assert_eq!(scene.leftovers(), [""; 0]);
    }
}

#[test]
fn directories_above_the_output_are_made() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&["--output", "a/b/dist"]).ok();
    assert!(scene.app().join("a/b/dist/lib/libmodel_android.a").is_file());
    scene.write("app/file", "");
    scene.build(&["-o", "file/dist"]).fails(14).says("file");
}

#[test]
fn paths_are_taken_from_the_configs_directory_and_the_output_from_the_working_one() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&["--package-config", "app/mlc-package-config.json"]).in_dir("").ok();
    assert!(scene.root.join("dist/bundle/one-q0f16/params_shard_0.bin").is_file());
    assert!(!scene.dist().exists());
}

/// The directory that somebody stands in, with all their work in it.
#[test]
fn the_working_directory_is_no_dist() {
    let scene = Scene::with_models("android", &["one"]);
    for output in [".", "..", ""] {
        let before = (tree::inode(scene.app()), tree::state(&scene.app()));
        scene.build(&["-o", output]).fails(2).says("--output");
        assert_eq!((tree::inode(scene.app()), tree::state(&scene.app())), before, "{output}");
    }
}

#[test]
fn two_builds_of_one_dist_end_with_a_whole_one() {
    let scene = Scene::new("android");
    let running: Vec<_> = (0..4).map(|_| scene.build(&[]).spawn()).collect();
    running.into_iter().for_each(|run| drop(run.wait().code(0)));
    assert_eq!(scene.leftovers(), [""; 0]);
    let manifest = scene.json("app/dist/mlc-package-manifest.json");
    for output in manifest["outputs"].as_array().unwrap() {
        let path = scene.dist().join(output["path"].as_str().unwrap());
        assert_eq!(output["digest"], tree::digest(path));
    }
    assert_eq!(scene.compiled(), ["one_layer", "other_layer"]);
}

#[test]
#[ignore = "needs the right to mount: cargo test --test it -- --ignored"]
fn a_mount_point_is_filled_and_what_is_in_it_stays() {
    let scene = Scene::new("android");
    let state = |script: &str| {
        fs_err::create_dir_all(scene.dist()).unwrap();
        let mount = "mount -t tmpfs tmpfs dist && echo mine > dist/notes.md";
        let script = format!("{mount} && \"$@\" >&2 && \"$@\" >&2 && {script}");
        scene.build(&[]).through_unshare(&script).ok().stdout
    };
    let listed = state("find dist -type f | sort");
    assert!(listed.contains("dist/lib/libmodel_android.a\n"), "{listed}");
    assert!(listed.contains("dist/notes.md\n"), "{listed}");
    assert!(!listed.contains("/."), "{listed}");
    assert_eq!(state("cat dist/notes.md"), "mine\n");
}

#[test]
#[ignore = "needs the right to mount: cargo test --test it -- --ignored"]
fn a_cache_on_a_small_mount_stops_the_build_before_it_compiles() {
    let scene = Scene::with_models("android", &["one"]);
    fs_err::create_dir_all(scene.root.join("home/.cache")).unwrap();
    let script = "mount -t tmpfs -o size=4m tmpfs ../home/.cache && exec \"$@\"";
    let run = scene.build(&[]).through_unshare(script).fails(14);
    let run = run.says("error: [disk] 4.0 MiB free for the cache ([ROOT]/home/.cache/mlc-package)");
    run.says("help: make room (`mlc-package cache prune`)");
    assert!(scene.compiled().is_empty() && !scene.dist().exists());
}
