//! Raw checkpoints of a config: converted once, bundled like any other model.

use camino::Utf8PathBuf;
use fs_err::os::unix::fs::symlink;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::call::{Call, wait_for};
use crate::hub::{COMMIT_ASKED, HubScene};
use crate::scene::{Scene, settle};
use crate::server::{COMMIT, File};
use crate::tree;

pub(crate) const RAW: &str = "app/models/raw";
const TOKENIZER: &str = r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
    "pre_tokenizer": null, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"}}"#;
pub(crate) const MODEL: &str = "raw";

/// A package of one model, a llama of one layer as Hugging Face has it.
pub(crate) fn scene(device: &str) -> Scene {
    let scene = Scene::with_models(device, &[]);
    scene.configure(|config| {
        config["model_list"] = json!([{
            "model": "models/raw",
            "quantization": "q0f16",
            "conv_template": "llama-3",
            "model_id": MODEL,
            "estimated_vram_bytes": 104_857_600,
            "bundle_weight": true,
            "model_lib": "one_layer",
            "overrides": {"context_window_size": 32},
        }]);
    });
    scene.write(
        &format!("{RAW}/config.json"),
        json!({
            "model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
            "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 1,
            "vocab_size": 50, "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
        })
        .to_string(),
    );
    scene.write(&format!("{RAW}/model.safetensors"), safetensors(&shapes(50), 1));
    scene.write(&format!("{RAW}/tokenizer.json"), TOKENIZER);
    scene
}

fn shapes(vocabulary: usize) -> Vec<(String, Vec<usize>)> {
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocabulary, 64]),
        (layer("self_attn.q_proj"), vec![64, 64]),
        (layer("self_attn.k_proj"), vec![32, 64]),
        (layer("self_attn.v_proj"), vec![32, 64]),
        (layer("self_attn.o_proj"), vec![64, 64]),
        (layer("mlp.gate_proj"), vec![96, 64]),
        (layer("mlp.up_proj"), vec![96, 64]),
        (layer("mlp.down_proj"), vec![64, 96]),
        (layer("input_layernorm"), vec![64]),
        (layer("post_attention_layernorm"), vec![64]),
        ("model.norm.weight".to_owned(), vec![64]),
        ("lm_head.weight".to_owned(), vec![vocabulary, 64]),
    ]
}

/// A file of these tensors, whose values `seed` decides.
fn safetensors(shapes: &[(String, Vec<usize>)], seed: u32) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape) in shapes {
        let start = data.len();
        for at in 0..shape.iter().product::<usize>() {
            let mixed = (at as u32).wrapping_add(seed).wrapping_mul(2_654_435_761);
            let value = (mixed >> 8) as f32 / (1 << 24) as f32 - 0.5;
            data.extend(value.to_le_bytes());
        }
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(name.clone(), entry);
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// The converted models in the cache.
pub(crate) fn converted(scene: &Scene) -> Vec<Utf8PathBuf> {
    let home = scene.cache().join("converted");
    let names = tree::names(&home).into_iter().filter(|name| !name.starts_with('.'));
    names.map(|name| home.join(name)).collect()
}

/// What is unfinished among them.
fn unfinished(scene: &Scene) -> Vec<String> {
    let names = tree::names(&scene.cache().join("converted")).into_iter();
    names.filter(|name| name.starts_with(".tmp-")).collect()
}

/// Builds with a compiler whose libraries say to be for the model that was asked for.
pub(crate) fn build<'a>(scene: &'a Scene, more: &[&str]) -> Call<'a> {
    scene.build(more).env("STAND_IN", "as-asked")
}

fn weights(scene: &Scene) -> String {
    tree::digest(scene.dist().join("bundle").join(MODEL).join("params_shard_0.bin"))
}

#[test]
fn a_checkpoint_is_converted_once_and_bundled() {
    let scene = scene("android");
    let plan = scene.plan(&[]).ok().says("to convert to q0f16, template llama-3");
    assert!(!scene.cache().join("converted").join(".locks").exists(), "{}", plan.shown());
    build(&scene, &["-v"])
        .ok()
        .says("Converting raw to q0f16, template llama-3 (native: nothing needs Python)")
        .says("Converted raw: ");

    let bundle = scene.dist().join("bundle").join(MODEL);
    let names = tree::names(&bundle);
    assert_eq!(
        names,
        ["mlc-chat-config.json", "params_shard_0.bin", "tensor-cache.json", "tokenizer.json"]
    );
    // What the verb makes is what the build bundles.
    let arguments = ["convert", "models/raw", "--quantization", "q0f16"];
    let more = ["--conv-template", "llama-3", "--overrides", "context_window_size=32"];
    scene.call(&[&arguments[..], &more[..], &["-o", "../alone"]].concat()).ok();
    assert_eq!(tree::state(&bundle).len(), names.len());
    for name in &names {
        let alone = tree::digest(scene.root.join("alone").join(name));
        assert_eq!(tree::digest(bundle.join(name)), alone, "{name}");
    }
    let config = scene.json(&format!("app/dist/bundle/{MODEL}/mlc-chat-config.json"));
    assert_eq!(config["context_window_size"], 32);
    assert_eq!(config["conv_template"]["name"], "llama-3");
    let app = scene.json("app/dist/bundle/mlc-app-config.json");
    assert_eq!(app["model_list"][0]["model_url"], MODEL);
    let model = &scene.json("app/dist/mlc-package-manifest.json")["models"][0];
    assert_eq!((&model["quantization"], &model["bundled"]), (&json!("q0f16"), &json!(true)));
    assert!(model["sizes"]["weights"].as_u64().unwrap() > 1000, "{model}");

    // The second run starts nothing.
    let (calls, probes) = (scene.compiled().len(), scene.probes());
    settle();
    scene.plan(&[]).ok().says("in 4 files, converted to q0f16, template llama-3");
    build(&scene, &["-v"]).ok().never_says("Converting").says("Converted raw: cached");
    build(&scene, &[]).ok().never_says("Convert");
    assert!(scene.compiled().len() == calls && scene.probes() <= probes + 1);
    assert_eq!((converted(&scene).len(), unfinished(&scene)), (1, vec![]));
    assert_eq!(scene.leftovers(), [""; 0]);
}

#[test]
fn a_message_of_several_lines_is_shown_in_lines() {
    let scene = scene("android");
    let weights = scene.root.join(RAW).join("model.safetensors");
    let mut bytes = fs_err::read(&weights).unwrap();
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs_err::write(&weights, bytes).unwrap();
    let run = build(&scene, &[]).fails(11).says("not finite").says("lm_head");
    assert!(!run.stderr.contains("\\n"), "{}", run.shown());
}

#[test]
fn what_changes_the_model_is_a_miss_and_what_does_not_is_none() {
    let scene = scene("iphone");
    build(&scene, &[]).ok();
    let first = weights(&scene);
    let misses = |scene: &Scene| {
        let before = converted(scene).len();
        build(scene, &[]).ok();
        converted(scene).len() - before
    };
    scene.write(&format!("{RAW}/README.md"), "text for people");
    scene.write(&format!("{RAW}/.git/HEAD"), "history");
    assert_eq!(misses(&scene), 0);
    scene.write(&format!("{RAW}/model.safetensors"), safetensors(&shapes(50), 2));
    assert_eq!(misses(&scene), 1);
    assert_ne!(weights(&scene), first);
    for (field, value) in [
        ("quantization", json!("q0f32")),
        ("conv_template", json!("chatml")),
        ("overrides", json!({"context_window_size": 16})),
    ] {
        scene.configure(|config| config["model_list"][0][field] = value);
        assert_eq!(misses(&scene), 1, "{field}");
    }
    // Of these the converted model knows nothing.
    scene.configure(|config| config["model_list"][0]["overrides"]["opt"] = "O1".into());
    scene.configure(|config| config["model_list"][0]["model_id"] = "other".into());
    assert_eq!(misses(&scene), 0);
}

#[test]
fn a_damaged_entry_is_made_again() {
    let scene = scene("android");
    build(&scene, &["--link-mode", "copy"]).ok();
    let (good, [entry]) = (weights(&scene), converted(&scene).try_into().unwrap());
    let model = entry.join("model");
    type Spoil = fn(&Utf8PathBuf);
    let ways: [(&str, Spoil); 5] = [
        ("of as many bytes", |model| {
            let mut bytes = fs_err::read(model.join("params_shard_0.bin")).unwrap();
            bytes[7] ^= 1;
            fs_err::write(model.join("params_shard_0.bin"), bytes).unwrap();
        }),
        ("missing", |model| fs_err::remove_file(model.join("params_shard_0.bin")).unwrap()),
        ("longer", |model| fs_err::write(model.join("tensor-cache.json"), "{}").unwrap()),
        ("more", |model| fs_err::write(model.join("secret.txt"), "x").unwrap()),
        ("record", |model| fs_err::write(model.join("../record.json"), "{").unwrap()),
    ];
    for (name, spoil) in ways {
        spoil(&model);
        let verdict = scene.call(&["cache", "verify"]).run();
        assert_ne!(verdict.status.code(), Some(0), "{name}: {}", verdict.shown());
        let run = build(&scene, &["--link-mode", "copy"]).ok();
        run.says("the converted model `raw` is made again").says("Converting");
        assert_eq!(weights(&scene), good, "{name}");
        scene.call(&["cache", "verify"]).ok().says("1 converted model");
        assert_eq!((converted(&scene).len(), unfinished(&scene)), (1, vec![]), "{name}");
    }
}

#[test]
fn what_killed_builds_leave_is_removed_and_ctrl_c_leaves_nothing() {
    let scene = scene("android");
    // Enough to be in the middle of.
    let vocabulary = 1 << 17;
    scene.edit(&format!("{RAW}/config.json"), "\"vocab_size\":50", "\"vocab_size\":131072");
    scene.write(&format!("{RAW}/model.safetensors"), safetensors(&shapes(vocabulary), 1));
    // First the one that cleans up: what the other leaves would be taken for the next one's.
    for signal in [Signal::TERM, Signal::KILL] {
        let run = build(&scene, &[]).spawn();
        wait_for("the conversion", || unfinished(&scene).pop());
        run.signal(signal);
        run.wait();
        if signal == Signal::TERM {
            assert_eq!(unfinished(&scene), [""; 0]);
        }
        assert!(!scene.dist().exists() || !converted(&scene).is_empty());
    }
    build(&scene, &[]).ok();
    let [entry] = converted(&scene).try_into().unwrap();
    assert_eq!((unfinished(&scene), scene.leftovers()), (vec![], vec![]));

    // What a dead one left of this very model does not stay, nor is it taken for the model.
    fs_err::remove_dir_all(&entry).unwrap();
    let name = entry.file_name().unwrap();
    scene.write(&format!("home/.cache/mlc-package/converted/.tmp-{name}-x/entry/model/a"), "a");
    build(&scene, &[]).ok().says("Converting");
    assert_eq!((converted(&scene).len(), unfinished(&scene)), (1, vec![]));

    // Somebody else makes it: waiting can be interrupted.
    fs_err::remove_dir_all(&entry).unwrap();
    let locks = scene.cache().join("converted/.locks");
    let lock = locks.join(format!("{}.lock", entry.file_name().unwrap()));
    let held = fs_err::File::open(lock).unwrap();
    held.file().lock().unwrap();
    let used = locks.join(format!("{}.used", entry.file_name().unwrap()));
    fs_err::remove_file(&used).unwrap();
    let run = build(&scene, &[]).spawn();
    wait_for("the other build", || used.exists().then_some(()));
    run.signal(Signal::INT);
    run.wait().code(130);
    assert_eq!((converted(&scene).len(), unfinished(&scene)), (0, vec![]));
}

#[test]
fn libraries_alone_and_dry_runs_convert_nothing() {
    let scene = scene("android");
    build(&scene, &["--dry-run"]).ok().says("to convert to q0f16");
    assert_eq!(scene.compiled(), [""; 0]);
    build(&scene, &["--libs-only"]).ok().never_says("Converting");
    assert_eq!(scene.compiled(), ["one_layer"]);
    assert_eq!(converted(&scene), [""; 0]);
    // The library that was made without the weights is the one for them.
    build(&scene, &[]).ok().says("Converting");
    assert_eq!(scene.compiled(), ["one_layer"]);
}

#[test]
fn prune_removes_converted_models() {
    let scene = scene("android");
    build(&scene, &[]).ok();
    scene.call(&["cache", "list"]).ok().says("models/raw").says("q0f16").says("llama-3");
    let json = scene.call(&["cache", "list", "--format", "json"]).ok().json();
    assert_eq!(json["converted"][0]["model"], "models/raw");
    let prune = ["cache", "prune", "--max-size", "1KiB"];
    scene.call(&[&prune[..], &["--dry-run"]].concat()).ok().says("models/raw in q0f16");
    assert_eq!(converted(&scene).len(), 1);
    scene.call(&prune).ok().says("converted model");
    assert_eq!(converted(&scene), [""; 0]);
    build(&scene, &[]).ok().says("Converting");
}

#[test]
fn what_is_wrong_with_the_fields_or_the_checkpoint_is_said() {
    let scene = scene("android");
    let original = scene.json("app/mlc-package-config.json")["model_list"][0].clone();
    for (field, value, code, why) in [
        (
            "quantization",
            json!("q4f16-1"),
            "invalid-choice",
            "did you mean `q4f16_1`? known are q0f16",
        ),
        ("quantization", json!(4), "wrong-type", "not a string"),
        (
            "quantization",
            json!("fp8_e4m3fn_bf16_block_scale"),
            "invalid-choice",
            "for the architecture `llama`",
        ),
        ("quantization", Value::Null, "missing-field", "without a `quantization`"),
        ("conv_template", json!("llama3"), "invalid-choice", "did you mean `llama-3`?"),
        ("conv_template", json!("auto"), "invalid-choice", "leave it out"),
        ("bundle_weight", json!(false), "unbundled-local-model", "is not bundled"),
    ] {
        scene.configure(|config| {
            let entry = &mut config["model_list"][0];
            *entry = original.clone();
            match value {
                Value::Null => drop(entry.as_object_mut().unwrap().remove(field)),
                ref value => entry[field] = value.clone(),
            }
        });
        scene.build(&[]).fails(10).says(code).says(why);
    }
    scene.configure(|config| config["model_list"][0] = original.clone());
    scene.write(&format!("{RAW}/mlc-chat-config.json"), "{}");
    scene.build(&[]).fails(10).says("already-converted");
    fs_err::remove_file(scene.root.join(RAW).join("mlc-chat-config.json")).unwrap();
    // Before anything is converted, `check` says what could not be.
    let config = "mlc-package-config.json";
    for (file, why) in [
        ("model.safetensors", "the model directory `models/raw` cannot be used: it has no weights"),
        ("tokenizer.json", "cannot be used: it has no tokenizer.json, and no other tokenizer"),
    ] {
        let path = scene.root.join(RAW).join(file);
        let aside = scene.root.join("aside");
        fs_err::rename(&path, &aside).unwrap();
        scene.call(&["check", config]).run().code(11).says("incomplete-model").says(why);
        fs_err::rename(&aside, &path).unwrap();
        scene.call(&["check", config]).ok();
    }
    // What a link leads to must not end up in the app.
    scene.write("secret", "token");
    symlink("../../../secret", scene.root.join(RAW).join("added_tokens.json")).unwrap();
    scene.build(&[]).fails(11).says("outside of the model directory").never_says("Converting");
    fs_err::remove_file(scene.root.join(RAW).join("added_tokens.json")).unwrap();
    assert_eq!(converted(&scene), [""; 0]);
}

#[test]
fn a_checkpoint_of_the_hub_is_pinned_fetched_and_converted_once() {
    let local = scene("android");
    let file = |name: &str| fs_err::read(local.root.join(RAW).join(name)).unwrap();
    let files = [
        ("config.json", File::small(&file("config.json"))),
        ("tokenizer.json", File::small(&file("tokenizer.json"))),
        ("pytorch_model.bin", File::lfs(vec![0; 100])),
        ("model.safetensors", File::lfs(file("model.safetensors"))),
    ];
    let hub = HubScene::raw(&files);
    let build = |more: &[&str]| hub.build(more).env("STAND_IN", "as-asked");
    hub.call(&["lock"]).ok().says(COMMIT);
    hub.asked();
    hub.plan(&["--no-binding", "--locked"]).ok().says("to convert to q0f16").says("to download");
    assert_eq!(hub.asked(), ["config.json", "tokenizer.json"].map(asked_for));
    build(&["--locked"]).ok().says("Downloading").says("Converted one-q0f16");
    assert_eq!(hub.asked(), ["model.safetensors"].map(asked_for));
    let bundled = hub.scene.dist().join("bundle/one-q0f16/params_shard_0.bin");
    self::build(&local, &[]).ok();
    assert_eq!(tree::digest(bundled), weights(&local));
    let app = hub.scene.json("app/dist/bundle/mlc-app-config.json");
    assert_eq!(app["model_list"][0]["model_url"], "one-q0f16");
    let manifest = hub.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["models"][0]["commit"], COMMIT);

    // What was converted needs no checkpoint any more.
    fs_err::remove_dir_all(hub.scene.root.join("home/.cache/huggingface")).unwrap();
    build(&["--locked", "--offline"]).ok().never_says("Convert");
    assert_eq!(hub.asked(), [""; 0]);
    fs_err::remove_dir_all(hub.scene.cache().join("converted")).unwrap();
    build(&["--locked", "--offline"]).fails(11).says("config.json");
    fs_err::remove_file(hub.scene.app().join("mlc-package.lock")).unwrap();
    build(&[]).ok().says("Downloading").says("Converted");
    assert!(hub.asked().contains(&COMMIT_ASKED.to_owned()));
}

#[test]
fn a_repository_without_safetensors_is_no_checkpoint() {
    let files = [("config.json", File::small(b"{}")), ("model.bin", File::lfs(vec![0; 9]))];
    let hub = HubScene::raw(&files);
    let run = hub.build(&[]).fails(11).says("has no safetensors and no pytorch_model.bin");
    run.says("config.json beside safetensors");
}

fn asked_for(name: &str) -> String {
    format!("GET file [COMMIT]/{name}")
}
