//! Model directories: faults, links, and what is left out.

use fs_err::os::unix::fs::symlink;
use serde_json::json;

use crate::scene::{DATA, Scene};
use crate::tree;

const MODEL: &str = "app/models/one";

#[test]
fn incomplete_directories_are_refused_before_anything_is_compiled() {
    type Spoil = fn(&Scene);
    let ways: [(&str, Spoil); 11] = [
        ("missing-shard", |scene| {
            fs_err::remove_file(scene.root.join(MODEL).join("params_shard_0.bin")).unwrap();
        }),
        ("short-shard", |scene| drop(scene.write(&file("params_shard_0.bin"), [0; 511]))),
        ("lfs-shard", |scene| drop(scene.write(&file("params_shard_0.bin"), LFS))),
        ("lfs-tokenizer", |scene| drop(scene.write(&file("tokenizer.json"), LFS))),
        ("link-outside", |scene| link(scene, "/etc/hostname", "secret.txt")),
        ("broken-link", |scene| link(scene, "absent", "broken.txt")),
        ("cache-is-garbage", |scene| drop(scene.write(&file("tensor-cache.json"), "{}"))),
        ("hostile-path", |scene| {
            scene.edit(&file("tensor-cache.json"), "params_shard_0.bin", "../../secret.bin");
        }),
        ("shard-twice", |scene| {
            let path = file("tensor-cache.json");
            let mut cache = scene.json(&path);
            let mut again = cache["records"][0].clone();
            again["records"] = serde_json::json!([]);
            cache["records"].as_array_mut().unwrap().push(again);
            scene.write(&path, cache.to_string());
        }),
        ("tensor-format", |scene| {
            scene.edit(&file("tensor-cache.json"), "\"f32-to-bf16\"", "\"int4-packed\"");
        }),
        ("tensor-outside", |scene| {
            scene.edit(&file("tensor-cache.json"), "\"byteOffset\": 0", "\"byteOffset\": 1");
        }),
    ];
    for (name, spoil) in ways {
        let scene = Scene::with_models("android", &["one"]);
        scene.write("app/secret.bin", [0; 512]);
        spoil(&scene);
        let run = scene.build(&[]).fails(11);
        insta::assert_snapshot!(format!("model_{name}"), run.shown());
        assert_eq!((scene.compiled().len(), scene.probes()), (0, 0), "{name}");
        assert!(!scene.dist().exists());
    }
}

const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 512\n";

fn file(name: &str) -> String {
    format!("{MODEL}/{name}")
}

fn link(scene: &Scene, target: &str, name: &str) {
    symlink(target, scene.root.join(MODEL).join(name)).unwrap();
}

#[test]
fn a_models_own_config_that_is_wrong_is_an_error_of_the_config() {
    for (text, why) in [("{", "EOF"), (r#"{"model_type": "x"}"#, "quantization")] {
        let scene = Scene::with_models("android", &["one"]);
        scene.write(&file("mlc-chat-config.json"), text);
        scene.build(&[]).fails(10).says("mlc-chat-config.json").says(why);
        assert_eq!(scene.probes(), 0);
    }
}

#[test]
fn a_snapshot_of_the_hugging_face_cache_is_a_model_and_its_blobs_are_linked() {
    let scene = Scene::with_models("iphone", &["one"]);
    let repo = scene.root.join("hub/models--me--one");
    fs_err::create_dir_all(repo.join("blobs")).unwrap();
    fs_err::create_dir_all(repo.join("snapshots/0123")).unwrap();
    for name in tree::names(&scene.root.join(MODEL)) {
        let bytes = fs_err::read(scene.root.join(MODEL).join(&name)).unwrap();
        fs_err::write(repo.join("blobs").join(format!("{name}-blob")), bytes).unwrap();
        symlink(format!("../../blobs/{name}-blob"), repo.join("snapshots/0123").join(name))
            .unwrap();
    }
    scene.configure(|config| {
        config["model_list"][0]["model"] = "../hub/models--me--one/snapshots/0123".into();
    });
    scene.build(&["--link-mode", "hardlink"]).ok();
    let bundled = scene.dist().join("bundle/one-q0f16/params_shard_0.bin");
    assert!(bundled.symlink_metadata().unwrap().is_file());
    let blob = repo.join("blobs/params_shard_0.bin-blob");
    assert_eq!(tree::inode(bundled), tree::inode(blob));
}

#[test]
fn a_clones_history_is_no_part_of_a_model_and_everything_else_is() {
    let scene = Scene::with_models("android", &["one"]);
    for path in [".git/HEAD", ".git/objects/ab/cdef", "README.md", "sub/adapter.bin"] {
        scene.write(&file(path), path);
    }
    scene.build(&[]).ok();
    let files = tree::files(&scene.dist().join("bundle/one-q0f16"));
    assert!(!files.iter().any(|path| path.contains(".git")), "{files:?}");
    assert_eq!(files.len(), 4 + 2, "{files:?}");
    assert_eq!(scene.read("app/dist/bundle/one-q0f16/sub/adapter.bin"), "sub/adapter.bin");
}

#[test]
fn the_old_name_of_the_tensor_cache_is_known() {
    let scene = Scene::with_models("android", &["one"]);
    let dir = scene.root.join(MODEL);
    fs_err::rename(dir.join("tensor-cache.json"), dir.join("ndarray-cache.json")).unwrap();
    scene.build(&[]).ok();
    assert!(scene.dist().join("bundle/one-q0f16/ndarray-cache.json").is_file());
}

#[test]
fn hub_models_that_are_not_here_are_planned_and_not_built() {
    for name in
        ["engine-example-android", "engine-example-iphone", "mlcchat-android", "mlcchat-iphone"]
    {
        let scene = Scene::with_models("android", &[]);
        let text = fs_err::read(format!("{DATA}/configs/good/{name}.json")).unwrap();
        scene.write("app/mlc-package-config.json", text);
        let none = |verb: &[&str]| {
            scene.call(verb).env("MLC_PACKAGE_PYTHON", "/nonexistent").env("HF_HUB_OFFLINE", "1")
        };
        none(&["check", "--strict"]).ok();
        insta::assert_snapshot!(
            format!("plan_{name}"),
            none(&["plan", "--no-binding"]).ok().shown()
        );
        let plan = none(&["plan", "--no-binding", "--format", "json"]).ok().json();
        assert!(!plan["unfetched"].as_array().unwrap().is_empty());
        none(&["build", "--no-binding"]).fails(11).says("is not in the cache").says("--offline");
        assert_eq!(tree::names(&scene.app()), ["mlc-package-config.json", "models"][..1]);
    }
}

#[test]
fn a_local_model_beside_hub_models_can_be_built_alone() {
    let scene = Scene::with_models("android", &["one"]);
    scene.configure(|config| {
        config["model_list"].as_array_mut().unwrap().push(json!({
            "model": "https://huggingface.co/mlc-ai/phi-2-q4f16_1-MLC",
            "model_id": "phi-2",
            "estimated_vram_bytes": 1,
        }));
    });
    let run = scene.build(&["--offline"]).fails(11);
    run.says("model `phi-2`: the revision `main` of `mlc-ai/phi-2-q4f16_1-MLC` is not in");
    assert_eq!(scene.compiled(), [""; 0]);
    // Each model in a line of its own.
    scene.configure(|config| {
        let mut second = config["model_list"][1].clone();
        second["model_id"] = "phi-3".into();
        config["model_list"].as_array_mut().unwrap().push(second);
    });
    let run = scene.build(&["--offline"]).fails(11);
    let run = run.says("\nerror: model `phi-3`: ");
    assert!(!run.stderr.contains("\\n"), "{}", run.shown());
    scene.build(&["--only", "one-q0f16"]).ok();
}

#[test]
fn a_bundled_tensor_cache_of_the_older_name_gets_the_name_that_apps_open() {
    let scene = Scene::with_models("iphone", &["one"]);
    let dir = scene.root.join(MODEL);
    fs_err::rename(dir.join("tensor-cache.json"), dir.join("ndarray-cache.json")).unwrap();
    scene.build(&[]).ok();
    let bundle = scene.dist().join("bundle/one-q0f16");
    let read = |name: &str| fs_err::read(bundle.join(name)).unwrap();
    assert_eq!(read("tensor-cache.json"), read("ndarray-cache.json"));
    // The manifest knows both.
    let manifest = scene.read("app/dist/mlc-package-manifest.json");
    assert!(manifest.contains("bundle/one-q0f16/tensor-cache.json"), "{manifest}");
    scene.call(&["inspect", "dist"]).ok();
}

#[test]
fn a_tokenizer_file_that_apps_would_look_for_in_vain_is_an_error() {
    let scene = Scene::with_models("android", &["one"]);
    scene.edit(
        &file("mlc-chat-config.json"),
        r#"["tokenizer.json"]"#,
        r#"["tokenizer.json", "vocab.json"]"#,
    );
    scene.build(&[]).fails(11).says("`tokenizer_files`").says("`vocab.json`");
    assert_eq!(scene.compiled().len(), 0);
}

#[test]
fn what_no_app_can_load_is_an_error_of_build_and_check() {
    const TOKENIZERS: &str = r#""tokenizer_files": ["tokenizer.json"]"#;
    type Spoil = fn(&Scene);
    let ways: [(Spoil, i32, &str, &str); 11] = [
        (
            |scene| drop(scene.write(&file("tokenizer.json"), "")),
            11,
            "incomplete-model",
            "its tokenizer.json is not a tokenizer: it is empty",
        ),
        (
            |scene| drop(scene.write(&file("tokenizer.json"), "{}")),
            11,
            "incomplete-model",
            "its tokenizer.json is not a tokenizer: it has no object `model`",
        ),
        (
            |scene| drop(scene.write(&file("tokenizer.json"), "<html>")),
            11,
            "incomplete-model",
            "its tokenizer.json is not a tokenizer: it is not JSON",
        ),
        (
            |scene| {
                let no_tokens = r#"{"model": {"type": "BPE", "vocab": {}, "merges": []}}"#;
                scene.write(&file("tokenizer.json"), no_tokens);
            },
            11,
            "incomplete-model",
            "the `vocab` of its `model` lists no tokens",
        ),
        (
            |scene| {
                fs_err::remove_file(scene.root.join(file("tokenizer.json"))).unwrap();
                scene.edit(&file("mlc-chat-config.json"), TOKENIZERS, r#""tokenizer_files": []"#);
            },
            11,
            "incomplete-model",
            "it has no tokenizer that an app opens",
        ),
        (
            |scene| {
                let named = r#""tokenizer_files": ["tokenizer.json", "vocab.json"]"#;
                scene.edit(&file("mlc-chat-config.json"), TOKENIZERS, named);
            },
            11,
            "incomplete-model",
            "names `vocab.json`, which it does not have",
        ),
        (
            |scene| template(scene, "\"chatml\""),
            10,
            "invalid-chat-config",
            "`conv_template` of its mlc-chat-config.json is the name `chatml`",
        ),
        (
            |scene| template(scene, "\"nobody knows it\""),
            10,
            "invalid-chat-config",
            "is the name `nobody knows it`",
        ),
        (
            |scene| template(scene, r#"{"name": "chatml", "roles": {"user": "u"}}"#),
            10,
            "invalid-chat-config",
            "`conv_template.system_template` of its mlc-chat-config.json is missing",
        ),
        (
            |scene| scene.edit(&file("mlc-chat-config.json"), r#""seps": ["\n"]"#, r#""seps": []"#),
            10,
            "invalid-chat-config",
            "`conv_template.seps` of its mlc-chat-config.json is not a list of one or two strings",
        ),
        (
            |scene| {
                let (from, to) = (r#"  "vocab_size": 16,"#, r#"  "vocab_size": "16","#);
                scene.edit(&file("mlc-chat-config.json"), from, to);
            },
            10,
            "invalid-chat-config",
            "`vocab_size` of its mlc-chat-config.json is not a positive integer",
        ),
    ];
    for (spoil, exit, code, said) in ways {
        let scene = Scene::with_models("android", &["one"]);
        spoil(&scene);
        scene.build(&[]).fails(exit).says("model `one-q0f16`: no app can load").says(said);
        // Large files are read after all that is told by small ones.
        let probes =
            usize::from(said.contains("tokenizer.json is not") || said.contains("vocab` of"));
        assert_eq!((scene.compiled().len(), scene.probes()), (0, probes), "{said}");
        let run = scene.call(&["check", "mlc-package-config.json"]).run().code(exit);
        run.says(&format!("error[{code}]")).says(said);
        scene.call(&["try", "models/one"]).fails(exit).says("no app can load").says(said);
    }
}

/// Another conversation template in the model's config.
fn template(scene: &Scene, text: &str) {
    let path = file("mlc-chat-config.json");
    let whole = scene.read(&path);
    let (before, _) = whole.split_once("\"conv_template\":").unwrap();
    scene.write(&path, format!("{before}\"conv_template\": {text}\n}}\n"));
}

#[test]
fn a_bundled_shard_may_lie_in_a_subdirectory() {
    let scene = Scene::with_models("android", &["one"]);
    let dir = scene.root.join(MODEL);
    fs_err::create_dir(dir.join("sub")).unwrap();
    let shard = "params_shard_0.bin";
    fs_err::rename(dir.join(shard), dir.join("sub").join(shard)).unwrap();
    scene.edit(&file("tensor-cache.json"), shard, "sub/params_shard_0.bin");
    let run = scene.build(&[]).ok();
    assert!(!run.stderr.contains("warning"), "{}", run.shown());
    assert!(scene.dist().join("bundle/one-q0f16/sub").join(shard).is_file());
    let run = scene.call(&["check", "mlc-package-config.json"]).ok();
    assert!(!run.stdout.contains("warning"), "{}", run.shown());
}

#[test]
fn check_says_of_a_local_model_what_a_build_would_refuse() {
    type Spoil = fn(&Scene);
    let ways: [(Spoil, &str); 4] = [
        (
            |scene| drop(scene.write(&file("params_shard_0.bin"), [0; 511])),
            "has 511 bytes, and the tensor cache says 512",
        ),
        (|scene| drop(scene.write(&file("tokenizer.json"), LFS)), "is a git-lfs pointer"),
        (|scene| drop(scene.write(&file("tensor-cache.json"), "{}")), "it is not a tensor cache"),
        (|scene| link(scene, "/etc/hostname", "secret.txt"), "outside of the model directory"),
    ];
    for (spoil, said) in ways {
        let scene = Scene::with_models("android", &["one"]);
        spoil(&scene);
        let run = scene.call(&["check", "mlc-package-config.json"]).run().code(11);
        run.says("error[incomplete-model]: the model directory `models/one` cannot be used")
            .says(said);
        scene.build(&[]).fails(11).says(said);
        scene.call(&["try", "models/one"]).fails(11).says(said);
    }
}

/// What every verb says of a file that is gone, or that is not what it was.
#[test]
fn one_fault_has_one_exit_code_whoever_finds_it() {
    const DIST: &str = "app/dist/bundle/one-q0f16";
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&["--link-mode", "copy"]).ok();
    for (name, text, exit) in [
        ("tensor-cache.json", None, 11),
        ("tensor-cache.json", Some("{}"), 11),
        ("params_shard_0.bin", None, 11),
        ("params_shard_0.bin", Some("short"), 11),
        ("tokenizer.json", None, 11),
        ("tokenizer.json", Some("{}"), 11),
        ("mlc-chat-config.json", Some("{}"), 10),
        ("mlc-chat-config.json", None, 11),
    ] {
        let spoil = |dir: &str| {
            let path = scene.root.join(dir).join(name);
            let sound = fs_err::read(&path).unwrap();
            match text {
                Some(text) => fs_err::write(&path, text).unwrap(),
                None => fs_err::remove_file(&path).unwrap(),
            }
            (path, sound)
        };
        let spoilt = [spoil(MODEL), spoil(DIST)];
        for verb in [&["check"][..], &["try", "models/one"], &["try", "dist"], &["inspect", "dist"]]
        {
            let run = scene.call(verb).run().code(exit);
            assert!(run.shown().contains(name), "{verb:?}: {}", run.shown());
        }
        scene.build(&[]).fails(exit).says(name);
        for (path, sound) in spoilt {
            fs_err::write(path, sound).unwrap();
        }
    }
    scene.build(&[]).ok();
}

#[test]
fn check_finds_what_a_local_model_lacks() {
    let scene = Scene::with_models("android", &["one"]);
    scene.call(&["check", "mlc-package-config.json"]).ok();
    for name in ["params_shard_0.bin", "tokenizer.json", "tensor-cache.json"] {
        let path = scene.root.join(MODEL).join(name);
        let bytes = fs_err::read(&path).unwrap();
        fs_err::remove_file(&path).unwrap();
        let run = scene.call(&["check", "mlc-package-config.json"]).run().code(11);
        run.says("error[incomplete-model]").says(name);
        fs_err::write(path, bytes).unwrap();
    }
    let dir = scene.root.join(MODEL);
    fs_err::remove_file(dir.join("params_shard_0.bin")).unwrap();
    fs_err::remove_file(dir.join("tokenizer.json")).unwrap();
    let run = scene.call(&["check", "mlc-package-config.json"]).run().code(11);
    insta::assert_snapshot!("check_incomplete", run.shown());
}
