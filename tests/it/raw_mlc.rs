//! Raw checkpoints that MLC LLM converts: once, and into the same cache.

use camino::Utf8PathBuf;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::call::{Call, wait_for};
use crate::hub::HubScene;
use crate::scene::{Scene, is_alive, settle};
use crate::server::{COMMIT, File};
use crate::tree;

const RAW: &str = "app/models/awq";
const TOKENIZER: &str = r#"{"model": {"vocab": {"a": 0}}}"#;
const MODEL: &str = "awq";
const WHY: &str = "the quantization `q4f16_autoawq` is done by MLC LLM alone: its weights are those that \
                   AWQ has quantized";

/// A package of one model, which AWQ has quantized already.
fn scene() -> Scene {
    let scene = Scene::with_models("android", &[]);
    scene.configure(|config| config["model_list"] = json!([entry("q4f16_autoawq")]));
    scene.write(&format!("{RAW}/config.json"), config("llama").to_string());
    scene.write(&format!("{RAW}/model.safetensors"), "quantized weights");
    scene.write(&format!("{RAW}/tokenizer.json"), TOKENIZER);
    scene
}

fn entry(quantization: &str) -> Value {
    json!({
        "model": "models/awq",
        "quantization": quantization,
        "conv_template": "llama-3",
        "model_id": MODEL,
        "estimated_vram_bytes": 104_857_600,
        "bundle_weight": true,
        "model_lib": "one_layer",
        "overrides": {"context_window_size": 32},
    })
}

fn config(model_type: &str) -> Value {
    json!({
        "model_type": model_type, "hidden_size": 64, "vocab_size": 50,
        "quantization_config": {"quant_method": "awq"},
    })
}

fn build<'a>(scene: &'a Scene, more: &[&str]) -> Call<'a> {
    scene.build(more).env("STAND_IN", "as-asked")
}

/// Which of MLC LLM's verbs ran so far.
fn verbs(scene: &Scene) -> Vec<String> {
    let verb = |call: Value| call["verb"].as_str().unwrap().to_owned();
    scene.conversions().into_iter().map(verb).collect()
}

/// The entries of the cache, whole or in the making.
fn cached(scene: &Scene) -> Vec<Utf8PathBuf> {
    let home = scene.cache().join("converted");
    let own = |name: &String| !name.starts_with('.') || name.starts_with(".tmp-");
    tree::names(&home).into_iter().filter(own).map(|name| home.join(name)).collect()
}

fn weights(scene: &Scene) -> String {
    tree::digest(scene.dist().join("bundle").join(MODEL).join("params_shard_0.bin"))
}

#[test]
fn a_checkpoint_that_needs_python_is_converted_once_and_bundled() {
    let scene = scene();
    let source = tree::state(&scene.root.join(RAW));
    let plan = scene.plan(&[]).ok().says("to convert to q4f16_autoawq, template llama-3 (python");
    plan.says(WHY);
    // For the library's name, small files are enough.
    assert_eq!(verbs(&scene), ["gen_config"]);
    let mut files = scene.conversions()[0]["files"].as_array().unwrap().clone();
    files.sort_by_key(ToString::to_string);
    assert_eq!(files, ["config.json", "tokenizer.json"]);
    let json = scene.plan(&["--format", "json"]).ok().json();
    let conversion = &json["models"][0]["conversion"];
    assert_eq!((&conversion["engine"], &conversion["cache"]), (&json!("mlc"), &json!("miss")));
    assert_eq!(conversion["why"], WHY);
    assert_eq!(verbs(&scene), ["gen_config"]);

    let line =
        format!("Converting awq to q4f16_autoawq, template llama-3 (python -m mlc_llm: {WHY})");
    build(&scene, &[]).ok().says(&line).says("Converted awq in ");
    assert_eq!(verbs(&scene), ["gen_config", "convert_weight"]);
    let call = scene.conversions().pop().unwrap();
    // Of this format, MLC LLM has to be told the file.
    assert_eq!(call["source_format"], "awq");
    assert!(call["source"].as_str().unwrap().ends_with("/checkpoint/model.safetensors"), "{call}");
    assert_eq!(call["directory"], json!([]));
    let bundle = scene.dist().join("bundle").join(MODEL);
    assert_eq!(
        tree::names(&bundle),
        ["mlc-chat-config.json", "params_shard_0.bin", "tensor-cache.json", "tokenizer.json"]
    );
    let config = scene.json(&format!("app/dist/bundle/{MODEL}/mlc-chat-config.json"));
    assert_eq!(
        (&config["context_window_size"], &config["quantization"]),
        (&json!(32), &json!("q4f16_autoawq"))
    );
    let model = &scene.json("app/dist/mlc-package-manifest.json")["models"][0];
    assert_eq!(model["quantization"], "q4f16_autoawq");
    // MLC LLM writes an index beside what it reads; that is not the checkpoint.
    assert_eq!(tree::state(&scene.root.join(RAW)), source);

    settle();
    let calls = (verbs(&scene).len(), scene.compiled().len());
    scene.plan(&[]).ok().says("in 4 files, converted to q4f16_autoawq");
    build(&scene, &["-v"]).ok().never_says("Converting").says("Converted awq: cached");
    assert_eq!((verbs(&scene).len(), scene.compiled().len()), calls);
    scene.call(&["cache", "list"]).ok().says("llama-3, config only");
    scene.call(&["cache", "verify"]).ok().says("2 converted models");
    assert_eq!(scene.leftovers(), [""; 0]);
}

#[test]
fn what_changes_the_model_is_a_miss() {
    let scene = scene();
    build(&scene, &[]).ok();
    let first = weights(&scene);
    let runs = || {
        let before = verbs(&scene).len();
        build(&scene, &[]).ok();
        verbs(&scene).split_off(before)
    };
    scene.write(&format!("{RAW}/README.md"), "text for people");
    assert_eq!(runs(), [""; 0]);
    // Of other weights the config is the same.
    scene.write(&format!("{RAW}/model.safetensors"), "other weights");
    assert_eq!(runs(), ["convert_weight"]);
    assert_ne!(weights(&scene), first);
    scene.write(&format!("{RAW}/tokenizer.json"), format!("{TOKENIZER} "));
    assert_eq!(runs(), ["gen_config", "convert_weight"]);
    for (field, value) in [
        ("quantization", json!("q4f16_ft")),
        ("conv_template", json!("chatml")),
        ("overrides", json!({"context_window_size": 16})),
    ] {
        scene.configure(|config| config["model_list"][0][field] = value);
        assert_eq!(runs(), ["gen_config", "convert_weight"], "{field}");
    }
    // Another MLC LLM converts otherwise.
    scene.own_compiler();
    assert_eq!(runs(), [""; 0]);
    let metadata = "compiler/mlc_llm_nightly_cpu-0.20.0.dist-info/METADATA";
    scene.edit(metadata, "Version: 0.20.0", "Version: 0.20.1");
    assert_eq!(runs(), ["gen_config", "convert_weight"]);
    // And so does another `transformers`, of tokenizers; torch only reads.
    let library = |name: &str, version: &str| {
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        scene.write(&format!("compiler/{name}-{version}.dist-info/METADATA"), metadata);
    };
    library("torch", "2.9.0");
    assert_eq!(runs(), [""; 0]);
    library("transformers", "4.57.0");
    assert_eq!(runs(), ["gen_config", "convert_weight"]);
    // Upstream's own variable has weights cut for several GPUs.
    let before = verbs(&scene).len();
    build(&scene, &[]).env("MLC_INTERNAL_PRESHARD_NUM", "2").ok();
    assert_eq!(verbs(&scene).split_off(before), ["convert_weight"]);
}

#[test]
fn whatever_python_does_instead_is_said_and_nothing_of_it_is_kept() {
    let scene = scene();
    let plan = scene.plan(&[]).env("STAND_IN_CONVERT", "exit-1").fails(12);
    plan.says("model `awq`: `mlc_llm gen_config` failed: it exited with code 1").says("log: ");
    assert_eq!((cached(&scene).len(), verbs(&scene).len()), (0, 1));
    scene.plan(&[]).ok();
    let there = cached(&scene).len();
    for (behaviour, why) in [
        ("exit-1", "`mlc_llm convert_weight` failed: it exited with code 1"),
        ("no-output", "reported success but wrote no tensor-cache.json"),
        ("half", "params_shard_0.bin has 32759 bytes instead of 32768"),
    ] {
        let run = build(&scene, &[]).env("STAND_IN_CONVERT", behaviour).fails(12).says(why);
        if behaviour == "exit-1" {
            let run = run.says("| KeyError: 'hidden_size'");
            let log =
                run.stderr.lines().find_map(|line| line.trim().strip_prefix("log: ")).unwrap();
            let text = fs_err::read_to_string(log).unwrap();
            assert!(text.starts_with("convert_weight with q4f16_autoawq\n"), "{text}");
        }
        assert_eq!(cached(&scene).len(), there, "{behaviour}");
        assert!(!scene.dist().exists());
    }
    let call = build(&scene, &["--compile-timeout", "1"]).env("STAND_IN_CONVERT", "hang");
    call.fails(12).says("it did not finish within 1 s").says("--compile-timeout <seconds>");
    for pid in scene.waiting() {
        assert!(!is_alive(pid));
    }
    assert_eq!((cached(&scene).len(), scene.leftovers()), (there, vec![]));
    build(&scene, &[]).ok().says("Converted awq");
}

#[test]
fn a_killed_conversion_leaves_nothing_that_is_taken_for_one() {
    let scene = scene();
    scene.plan(&[]).ok();
    for signal in [Signal::TERM, Signal::KILL] {
        let run = build(&scene, &[]).env("STAND_IN_CONVERT", "hang").spawn();
        let [pid] = scene.waiting().try_into().unwrap();
        run.signal(signal);
        let run = run.wait();
        if signal == Signal::TERM {
            run.code(130);
            assert!(!is_alive(pid));
            assert_eq!(cached(&scene).len(), 1);
        } else {
            // The stand-in ends with who called it.
            wait_for("the end of MLC LLM", || (!is_alive(pid)).then_some(()));
        }
        assert!(!scene.dist().exists());
    }
    wait_for("the dead process", || (cached(&scene).len() == 2).then_some(()));
    build(&scene, &[]).ok().says("Converting awq");
    let left = cached(&scene).into_iter().filter(|path| path.as_str().contains(".tmp-"));
    assert_eq!(left.count(), 0);
}

#[test]
fn without_mlc_llm_it_is_said_what_is_needed_and_why() {
    let scene = scene();
    for call in [scene.plan(&[]), build(&scene, &[])] {
        let run = call.env("PYTHONPATH", "").env("PYTHONNOUSERSITE", "1").fails(12);
        let run = run.says("`models/awq` is converted by `python -m mlc_llm`, since the qu");
        run.says("has no module `mlc_llm`").says("pip install");
    }
    let missing = scene.build(&["--python", "/nonexistent/python"]).fails(12);
    missing.says(WHY).says("/nonexistent/python");
    assert_eq!(cached(&scene).len(), 0);
}

#[test]
fn other_architectures_and_tokenizers_are_mlc_llms_too() {
    let scene = scene();
    for (model_type, quantization, why) in [
        ("llava", "q4f16_1", "the architecture `llava` is converted by MLC LLM alone"),
        ("eagle", "q4f16_1", "the architecture `eagle` is converted by MLC LLM alone"),
    ] {
        scene.write(&format!("{RAW}/config.json"), config(model_type).to_string());
        scene.configure(|config| config["model_list"] = json!([entry(quantization)]));
        build(&scene, &[]).ok().says(&format!("(python -m mlc_llm: {why}: "));
        scene.call(&["check"]).ok();
        let call = scene.conversions().pop().unwrap();
        assert_eq!((&call["source"], &call["source_format"]), (&json!("auto"), &json!("auto")));
    }
}

#[test]
fn quantized_weights_are_the_models_fault_before_anything_is_built() {
    let scene = scene();
    let header = r#"{"a.qweight":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend([0; 4]);
    scene.write(&format!("{RAW}/model.safetensors"), file);
    scene.configure(|config| config["model_list"] = json!([entry("q4f16_1")]));
    for call in [scene.plan(&[]), build(&scene, &[])] {
        let run = call.fails(11).says("`models/awq` is quantized already (AWQ or GPTQ), as `quan");
        run.says("`a.qweight`").says("--quantization q4f16_autoawq");
    }
    assert!(scene.conversions().is_empty());
}

#[test]
fn a_tokenizer_that_could_not_be_converted_is_missed() {
    let scene = scene();
    fs_err::remove_file(scene.root.join(RAW).join("tokenizer.json")).unwrap();
    let run = build(&scene, &[]).fails(11).says("it has no tokenizer that an app opens");
    let run = run.says("awq: gen_config wrote no tokenizer, see `[ROOT]");
    let log = run.stderr.split('`').find(|part| part.ends_with("convert.log")).unwrap();
    assert_eq!(fs_err::read_to_string(log).unwrap(), "gen_config with q4f16_autoawq\n");
}

#[test]
fn a_checkpoint_that_changes_meanwhile_is_not_kept() {
    let scene = scene();
    scene.plan(&[]).ok();
    let go = scene.root.join("go");
    let run = build(&scene, &[]).env("STAND_IN_CONVERT", "slow").env("STAND_IN_GO", &go).spawn();
    scene.waiting();
    scene.write(&format!("{RAW}/model.safetensors"), "written meanwhile");
    scene.write("go", "");
    run.wait().code(11).says("`[ROOT]/app/models/awq` was changed while it was converted");
    assert_eq!((cached(&scene).len(), scene.leftovers()), (1, vec![]));
    build(&scene, &[]).ok().says("Converting awq");
}

#[test]
fn the_verb_and_the_build_share_what_was_converted() {
    let scene = scene();
    let arguments = ["convert", "models/awq", "--quantization", "q4f16_autoawq"];
    let more = ["--conv-template", "llama-3", "--overrides", "context_window_size=32"];
    let convert = |output: &str, further: &[&str]| {
        scene.call(&[&arguments[..], &more[..], &["-o", output], further].concat())
    };
    convert("../alone", &[]).ok().says(&format!("by python -m mlc_llm: {WHY}"));
    assert_eq!(verbs(&scene), ["gen_config", "convert_weight"]);
    build(&scene, &[]).ok().never_says("Converting");
    assert_eq!(verbs(&scene).len(), 2);
    let alone = scene.root.join("alone");
    let bundle = scene.dist().join("bundle").join(MODEL);
    for name in tree::names(&bundle) {
        assert_eq!(tree::digest(bundle.join(&name)), tree::digest(alone.join(&name)), "{name}");
    }
    // Whoever edits the output does not edit the cache.
    fs_err::write(alone.join("mlc-chat-config.json"), "{}").unwrap();
    fs_err::write(alone.join("notes.txt"), "mine").unwrap();
    scene.call(&["cache", "verify"]).ok();
    let run =
        convert("../alone", &[]).ok().says("out of the cache, converted by python -m mlc_llm");
    run.never_says("Converting");
    assert_eq!(
        tree::digest(alone.join("mlc-chat-config.json")),
        tree::digest(bundle.join("mlc-chat-config.json"))
    );
    assert_eq!(tree::digest(alone.join("notes.txt")), tree::digest(alone.join("notes.txt")));
    let json = convert("../alone", &["--format", "json"]).ok().json();
    assert_eq!((&json["cached"], &json["weights"]), (&json!(true), &Value::Null));
    assert_eq!(json["chat"]["context_window_size"], 32);
    assert_eq!(verbs(&scene).len(), 2);
}

#[test]
fn upstreams_further_arguments_reach_it_and_count() {
    let scene = scene();
    scene.write("adapter/adapter_config.json", "{}");
    scene.write("adapter/adapter_model.safetensors", "adapter");
    scene.write("weights/pytorch_model.bin", "elsewhere");
    let convert = |more: &[&str]| {
        let arguments = ["convert", "models/awq", "--quantization", "q4f16_ft", "-o", "../out"];
        scene.call(&[&arguments[..], &["--weights-only"], more].concat())
    };
    let all: [&[&str]; 6] = [
        &[],
        &["--model-type", "mistral"],
        &["--device", "cpu"],
        &["--source-format", "huggingface-safetensor"],
        &["--source", "../weights"],
        &["--lora-adapter", "../adapter"],
    ];
    for (index, more) in all.iter().enumerate() {
        convert(more).ok().says("weights only");
        assert_eq!(verbs(&scene).len(), index + 1, "{more:?}");
        convert(more).ok().says("out of the cache");
        assert_eq!(verbs(&scene).len(), index + 1, "{more:?}");
    }
    let calls = scene.conversions();
    assert_eq!(calls[1]["model_type"], "mistral");
    assert_eq!(calls[2]["device"], "cpu");
    assert_eq!(calls[3]["source_format"], "huggingface-safetensor");
    assert!(calls[4]["source"].as_str().unwrap().ends_with("/source"), "{}", calls[4]);
    assert_eq!(calls[5]["lora_adapter"], scene.root.join("adapter").as_str());
    // An adapter and weights elsewhere are known by their content.
    let before = tree::digest(scene.root.join("out/params_shard_0.bin"));
    scene.write("adapter/adapter_config.json", "{\"r\": 8}");
    convert(all[5]).ok().says("converted in");
    assert_ne!(tree::digest(scene.root.join("out/params_shard_0.bin")), before);
    scene.write("weights/pytorch_model.bin", "others");
    convert(all[4]).ok().says("converted in");

    let native = convert(&["--engine", "native", "--device", "cpu"]).fails(2);
    native.says("--engine native: --device is for MLC LLM's own conversion");
    convert(&["--lora-adapter", "../nowhere"]).fails(2).says("there is no directory `../nowhere`");
    convert(&["--source-format", "gguf"]).fails(2).says("huggingface-torch");
    let typo = scene.call(&["convert", "models/awq", "--quantization", "q4f16awq", "-o", "../out"]);
    typo.fails(2).says("there is no quantization `q4f16awq`").says("mean `q4f16_autoawq`?");
}

#[test]
fn a_checkpoint_of_the_hub_in_pytorchs_format_is_fetched_and_converted() {
    let files = [
        ("config.json", File::small(br#"{"model_type": "llava", "vocab_size": 50}"#)),
        ("tokenizer.json", File::small(TOKENIZER.as_bytes())),
        ("pytorch_model.bin", File::lfs(b"pickled weights".to_vec())),
        ("training_args.bin", File::lfs(vec![0; 50])),
        ("original/consolidated.00.pth", File::lfs(vec![0; 60])),
    ];
    let hub = HubScene::raw(&files);
    let build = |more: &[&str]| hub.build(more).env("STAND_IN", "as-asked");
    hub.plan(&["--no-binding"]).ok().says("(python -m mlc_llm: the architecture `llava`");
    let asked = |names: &[&str]| {
        let asked = hub.asked();
        let files = asked
            .into_iter()
            .filter_map(|asked| asked.strip_prefix("GET file [COMMIT]/").map(str::to_owned));
        assert_eq!(files.collect::<Vec<_>>(), names);
    };
    asked(&["config.json", "tokenizer.json"]);
    build(&[]).ok().says("Downloading").says("Converted one-q0f16");
    asked(&["pytorch_model.bin"]);
    assert_eq!(verbs(&hub.scene), ["gen_config", "convert_weight"]);
    let manifest = hub.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["models"][0]["commit"], COMMIT);

    // What was converted needs no checkpoint any more, and the verb finds it too.
    let model = format!("HF://{}", crate::server::REPO);
    let arguments = ["convert", &model, "--quantization", "q0f16", "--conv-template", "llama-3"];
    let convert = hub.call(&[&arguments[..], &["-o", "../alone"]].concat());
    convert.ok().says("out of the cache");
    hub.asked();
    fs_err::remove_dir_all(hub.scene.root.join("home/.cache/huggingface")).unwrap();
    hub.call(&["lock"]).ok();
    hub.asked();
    build(&["--locked", "--offline"]).ok().never_says("Convert");
    assert_eq!(verbs(&hub.scene).len(), 2);
    asked(&[]);
}
