//! The cache of compiled libraries: what is compiled again, and why.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::scene::{Scene, settle};
use crate::tree;

/// What the plan says of each library: `hit`, or why not.
fn cached(scene: &Scene) -> Vec<Value> {
    let plan = scene.plan(&["--format", "json"]).ok().json();
    let libraries = plan["libraries"].as_array().unwrap().iter();
    libraries
        .map(|library| match library["cache"].as_str() {
            Some("hit") => "hit".into(),
            _ => library["reason"].clone(),
        })
        .collect()
}

#[test]
fn the_second_build_starts_no_python_at_all() {
    let scene = Scene::new("android");
    settle();
    scene.build(&[]).ok().says("2 compiled, 0 cached");
    assert_eq!(scene.compiled(), ["one_layer", "other_layer"]);
    assert_eq!(scene.probes(), 1);
    scene.build(&[]).ok().says("0 compiled, 2 cached");
    // Not even where there is none that works.
    scene.build(&[]).env("STAND_IN", "exit-1").ok();
    assert_eq!(scene.compiled(), ["one_layer", "other_layer"]);
    assert_eq!(scene.probes(), 1);
    assert_eq!(cached(&scene), ["hit", "hit"]);
}

#[test]
fn a_changed_override_recompiles_its_model_alone() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    scene.configure(|config| {
        config["model_list"][1]["overrides"] = json!({"context_window_size": 64});
    });
    assert_eq!(cached(&scene), ["hit", "changed"]);
    scene.plan(&[]).ok().says("compile: overrides changed: none -> context_window_size=64");
    scene.build(&[]).ok().says("1 compiled, 1 cached");
    assert_eq!(scene.compiled(), ["one_layer", "other_layer", "other_layer"]);
    // Both are kept: back to the first, nothing is compiled.
    scene.configure(|config| config["model_list"][1]["overrides"] = json!({}));
    scene.build(&[]).ok().says("0 compiled, 2 cached");
}

#[test]
fn a_changed_model_is_recompiled_unless_only_the_app_reads_the_change() {
    let scene = Scene::with_models("android", &["one"]);
    let config = "app/models/one/mlc-chat-config.json";
    scene.build(&[]).ok();
    scene.edit(config, "\"temperature\": 0.70", "\"temperature\": 0.1");
    assert_eq!(cached(&scene), ["hit"]);
    // Upstream's key forgets this one.
    scene.edit(config, "\"active_vocab_size\": 16", "\"active_vocab_size\": 15");
    scene.plan(&[]).ok().says("compile: active_vocab_size changed: 16 -> 15");
    scene.build(&[]).ok();
    let calls: Vec<_> = scene.compilations().iter().map(|call| call.active_vocab_size).collect();
    assert_eq!(calls, [16, 15]);
}

#[test]
fn another_compiler_recompiles() {
    let scene = Scene::with_models("android", &["one"]);
    scene.own_compiler();
    scene.build(&[]).ok();
    let info = "compiler/mlc_ai_nightly_cpu-0.26.0.dist-info/METADATA";
    scene.edit(info, "Version: 0.26.0", "Version: 0.27.0");
    scene.plan(&[]).ok().says("compile: tvm changed: 0.26.0 -> 0.27.0");
    scene.build(&[]).ok().says("1 compiled");
    assert_eq!(scene.compiled().len(), 2);
    // The name that apps know the library by stays the same, given or not.
    scene.configure(|config| {
        drop(config["model_list"][0].as_object_mut().unwrap().remove("model_lib"))
    });
    let name = |scene: &Scene| {
        scene.plan(&["--format", "json"]).ok().json()["libraries"][0]["model_lib"].clone()
    };
    let before = name(&scene);
    scene.edit(info, "Version: 0.27.0", "Version: 0.28.0");
    assert_eq!(name(&scene), before);
}

#[test]
fn a_compiler_without_versions_is_known_by_its_files() {
    let scene = Scene::with_models("android", &["one"]);
    scene.own_compiler();
    let info = scene.root.join("compiler/mlc_llm_nightly_cpu-0.20.0.dist-info");
    fs_err::remove_dir_all(info).unwrap();
    settle();
    scene.build(&[]).ok();
    assert_eq!(cached(&scene), ["hit"]);
    let probes = scene.probes();
    scene.edit("compiler/mlc_llm/__main__.py", "half a libr", "half a lib");
    scene.plan(&[]).ok().says("compile: mlc_llm changed: source ");
    scene.edit("compiler/mlc_llm/__main__.py", "half a lib", "half a libr");
    assert_eq!(cached(&scene), ["hit"]);
    assert_eq!(scene.probes(), probes, "files are looked at without asking Python");
}

#[test]
fn jit_policies_are_upstreams() {
    let scene = Scene::with_models("android", &["one"]);
    let with = |policy: &str| scene.build(&[]).env("MLC_JIT_POLICY", policy);
    insta::assert_snapshot!("readonly_miss", with("READONLY").fails(12).shown());
    insta::assert_snapshot!("off", with("OFF").fails(12).shown());
    assert_eq!(scene.compiled(), [""; 0]);
    with("ON").ok().says("1 compiled");
    with("READONLY").ok().says("0 compiled, 1 cached");
    with("REDO").ok().says("1 compiled, 0 cached");
    // Upstream leaves the cache out too.
    with("OFF").fails(12);
    assert_eq!(scene.compiled().len(), 2);
    scene.plan(&[]).env("MLC_JIT_POLICY", "REDO").ok().says("compile: MLC_JIT_POLICY=REDO");
    with("on").fails(2).says("MLC_JIT_POLICY").says("expected one of ON, OFF, REDO, READONLY");
    scene.build(&[]).env("MLC_JIT_POLICY", "").ok();
}

#[test]
fn a_plan_says_what_the_policy_refuses() {
    let scene = Scene::new("android");
    let with = |policy: &str| scene.plan(&[]).env("MLC_JIT_POLICY", policy);
    insta::assert_snapshot!("plan_readonly_miss", with("READONLY").ok().shown());
    scene.build(&["--only", "one-q0f16"]).ok();
    insta::assert_snapshot!("plan_off", with("OFF").ok().shown());
    let refused = |policy: &str| {
        let json = scene.plan(&["--format", "json"]).env("MLC_JIT_POLICY", policy).ok().json();
        assert_eq!(json["jit_policy"], policy);
        let build = scene.build(&[]).env("MLC_JIT_POLICY", policy).run();
        assert_eq!(json["refused"] == json!([]), build.status.success(), "{}", build.shown());
        json["refused"].clone()
    };
    assert_eq!(refused("READONLY"), json!(["other_layer"]));
    assert_eq!(refused("OFF"), json!(["one_layer", "other_layer"]));
    assert_eq!(refused("ON"), json!([]));
    assert_eq!(refused("REDO"), json!([]));
    // What is prepared needs no compiler.
    scene.library("android", "app/one.tar");
    scene.configure(|config| {
        config["model_list"].as_array_mut().unwrap().truncate(1);
        config["model_lib_path_for_prepare_libs"] = json!({"one_layer": "one.tar"});
    });
    assert_eq!(refused("OFF"), json!([]));
}

#[test]
fn a_damaged_entry_is_noticed_and_replaced() {
    type Damage = fn(&camino::Utf8Path);
    let damages: [(&str, Damage); 4] = [
        ("lib.tar", |path| fs_err::write(path, "short").unwrap()),
        ("lib.tar", |path| fs_err::remove_file(path).unwrap()),
        ("record.json", |path| fs_err::write(path, "{").unwrap()),
        ("record.json", |path| fs_err::remove_file(path).unwrap()),
    ];
    for (file, damage) in damages {
        let scene = Scene::with_models("android", &["one"]);
        scene.build(&[]).ok();
        damage(&scene.entries()[0].join(file));
        assert_eq!(cached(&scene), ["damaged"], "{file}");
        scene.plan(&[]).ok().says("compile: the cached library is damaged: ").says(file);
        scene.build(&[]).env("MLC_JIT_POLICY", "READONLY").fails(12).says("damaged");
        scene.build(&[]).ok().says("1 compiled");
        assert_eq!(cached(&scene), ["hit"], "{file}");
        assert_eq!(scene.leftovers(), [""; 0]);
    }
}

/// Of the same length: seen when the library is linked, before anything is written.
#[test]
fn a_library_that_rotted_in_the_store_never_reaches_dist() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    let before = tree::state(&scene.dist());
    let library = scene.entries()[0].join("lib.tar");
    let mut bytes = fs_err::read(&library).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs_err::write(&library, bytes).unwrap();
    scene.build(&[]).ok().says("1 compiled");
    assert_eq!(tree::digest(scene.dist().join("lib/libmodel_android.a")), {
        let crate::tree::Entry::File { digest, .. } = &before["lib/libmodel_android.a"] else {
            panic!("no file")
        };
        digest.clone()
    });
}

#[test]
fn two_builds_on_one_cache_compile_once() {
    let scene = Scene::with_models("android", &["one"]);
    let go = scene.root.join("go");
    let first = scene.build(&["-o", "a"]).env("STAND_IN_WAIT", &go).spawn();
    scene.waiting();
    let second = scene.build(&["-o", "b"]).through_shell("\"$@\" 2>../second").spawn();
    crate::call::wait_for("the second to wait", || {
        let said = fs_err::read_to_string(scene.root.join("second")).unwrap_or_default();
        said.contains("Waiting for another mlc-package that compiles one-q0f16").then_some(())
    });
    scene.write("go", "");
    first.wait().code(0).says("1 compiled, 0 cached");
    second.wait().code(0).says("0 compiled, 1 cached");
    assert_eq!(scene.compiled(), ["one_layer"]);
    let archive = |dist: &str| tree::digest(scene.app().join(dist).join("lib/libmodel_android.a"));
    assert_eq!(archive("a"), archive("b"));
}

#[test]
fn a_hit_writes_nothing_so_that_a_read_only_cache_serves() {
    let scene = Scene::new("android");
    settle();
    scene.build(&[]).ok();
    let before = tree::state(&scene.cache());
    let chmod = |mode| {
        for entry in walkdir::WalkDir::new(scene.cache()).contents_first(true) {
            let path = entry.unwrap().into_path();
            let mode = if path.is_dir() { mode } else { mode & 0o666 };
            fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    chmod(0o555);
    let run = scene.build(&[]).run();
    chmod(0o755);
    run.code(0).says("0 compiled, 2 cached");
    assert_eq!(tree::state(&scene.cache()), before);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let scene = Scene::with_models("android", &["one"]);
    scene.write("file", "mine");
    let file = scene.build(&["--cache-dir", "../file"]).fails(1);
    insta::assert_snapshot!("cache_is_a_file", file.shown());
    // Nobody may write there, root neither.
    let read_only = scene.build(&["--cache-dir", "/sys/mlc-package"]).fails(1);
    let read_only =
        read_only.says("error: the cache directory `/sys/mlc-package` cannot be written");
    read_only.says("help: choose another one with `--cache-dir`");
    assert!(!scene.dist().exists());
    assert_eq!(scene.read("file"), "mine");
    scene.build(&["--cache-dir", "../file/below"]).fails(1).says("is not a directory");
}

#[test]
fn a_full_disk_under_the_cache_is_one_exit_code_whoever_writes() {
    let scene = crate::raw::scene("android");
    let script = "trap '' XFSZ; ulimit -f 12; exec \"$@\"";
    let full = scene.build(&[]).through_shell(script).fails(1);
    let full = full.says("error: no space left for the cache directory `");
    full.says("[ROOT]/home/.cache/mlc-package`").says("help: make room (`mlc-package cache prune");
    assert!(!scene.dist().exists());
    let left = |name: &String| !name.starts_with(".sources") && name != ".locks";
    let left = tree::names(&scene.cache().join("converted")).into_iter().filter(left);
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_full_disk_is_named() {
    let scene = Scene::with_models("android", &["one"]);
    // Blocks of 512 bytes. Without the trap a signal would end whoever writes too much.
    let limited = |blocks: u32| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        scene.build(&[]).through_shell(&script)
    };
    let full = limited(12).fails(1);
    let full = full.says("File too large").says("help: the disk is full");
    full.says("`mlc-package cache prune").says("[ROOT]/home/.cache/mlc-package`");
    assert!(scene.entries().is_empty() && !scene.dist().exists());
    scene.build(&[]).ok();
    let before = tree::state(&scene.dist());
    // The archive does not fit any more.
    let run = limited(12).fails(14);
    insta::assert_snapshot!("full_while_assembling", run.shown());
    assert_eq!(tree::state(&scene.dist()), before);
    assert_eq!(scene.leftovers(), [""; 0]);
}
