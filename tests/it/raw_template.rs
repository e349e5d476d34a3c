//! Raw checkpoints whose conversation template the config does not name.

use serde_json::{Value, json};

use crate::hub::HubScene;
use crate::raw::{MODEL, RAW, build, converted, scene};
use crate::scene::Scene;
use crate::server::{COMMIT, File, Server};
use crate::tree;

const CHATML: &str = "{{ '<|im_start|>' + role + content + '<|im_end|>' }}";

/// What the checkpoint says of conversations, as SmolLM2-Instruct does.
fn tokenizer_config() -> Value {
    json!({
        "chat_template": CHATML,
        "added_tokens_decoder": {
            "1": {"content": "<|im_start|>"}, "2": {"content": "<|im_end|>"},
        },
    })
}

/// A package of one model that names no template.
fn unnamed() -> Scene {
    let scene = scene("android");
    scene.configure(|config| {
        config["model_list"][0].as_object_mut().unwrap().remove("conv_template");
    });
    scene
}

fn instructed() -> Scene {
    let scene = unnamed();
    scene.write(&format!("{RAW}/tokenizer_config.json"), tokenizer_config().to_string());
    scene.write(&format!("{RAW}/generation_config.json"), json!({"eos_token_id": 2}).to_string());
    scene
}

#[test]
fn what_the_checkpoint_says_is_taken_and_said() {
    let scene = instructed();
    scene.call(&["check"]).ok();
    scene.plan(&[]).ok().says("to convert to q0f16, template chatml from the checkpoint");
    let plan = scene.plan(&["--format", "json"]).ok().json();
    let conversion = &plan["models"][0]["conversion"];
    assert_eq!(conversion["conv_template"], "chatml");
    assert_eq!(conversion["conv_template_from"], "checkpoint");
    build(&scene, &[]).ok().says("Converting raw to q0f16, template chatml from the checkpoint");
    let config = scene.json(&format!("app/dist/bundle/{MODEL}/mlc-chat-config.json"));
    assert_eq!(config["conv_template"]["name"], "chatml");
    let manifest = scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["models"][0]["conv_template"], "chatml");
    scene.write("before.json", manifest.to_string());
    build(&scene, &[]).ok().never_says("Converting");
    scene.call(&["cache", "list"]).ok().says("chatml");

    // Named, it is the same model.
    scene.configure(|config| config["model_list"][0]["conv_template"] = "chatml".into());
    build(&scene, &[]).ok().never_says("Converting");
    let plan = scene.plan(&["--format", "json"]).ok().json();
    assert_eq!(plan["models"][0]["conversion"]["conv_template_from"], "config");
    assert_eq!(converted(&scene).len(), 1);
    // And what is named counts, whatever the checkpoint says.
    scene.configure(|config| config["model_list"][0]["conv_template"] = "LM".into());
    build(&scene, &[]).ok().says("template LM (native");
    assert_eq!(converted(&scene).len(), 2);
    scene.call(&["report", "--baseline", "../before.json"]).ok().says("conversation template");
}

#[test]
fn what_is_not_certain_is_refused_with_what_was_seen() {
    let scene = unnamed();
    for verb in [&["check"][..], &["plan", "--no-binding"], &["build", "--no-binding"]] {
        let run = scene.call(verb).run().code(10);
        run.says(
            "`model_list[0].quantization` without a `conv_template`, and the checkpoint does not",
        )
        .says("it has no chat template")
        .says("the checkpoint is converted")
        .says("likely llama-3_1, llama-3, llama-2, tinyllama_v1_0, chatml; LM for a base model")
        .never_says("Converting");
    }
    assert!(!scene.dist().exists());
    // A base model that carries the chat template of the instructed one.
    let scene = instructed();
    scene.write(&format!("{RAW}/generation_config.json"), json!({"eos_token_id": 0}).to_string());
    build(&scene, &[]).fails(10).says("it may be a base model").says("eos_token_id is 0");
    assert_eq!(converted(&scene), [""; 0]);
    scene.configure(|config| config["model_list"][0]["conv_template"] = "LM".into());
    build(&scene, &[]).ok();
}

#[test]
fn the_hub_is_asked_for_the_small_files_only() {
    let local = instructed();
    let read = |name: &str| fs_err::read(local.root.join(RAW).join(name)).unwrap();
    let small = |name: &str| File::small(&read(name));
    let files = [
        ("config.json", small("config.json")),
        ("generation_config.json", small("generation_config.json")),
        ("tokenizer.json", small("tokenizer.json")),
        ("tokenizer_config.json", small("tokenizer_config.json")),
        ("model.safetensors", File::lfs(read("model.safetensors"))),
    ];
    let hub = HubScene::new(Server::sound(&files), true);
    hub.scene.configure(|config| config["model_list"][0]["quantization"] = "q0f16".into());
    hub.call(&["lock"]).ok().says(COMMIT);
    hub.asked();
    hub.plan(&["--no-binding", "--locked"]).ok().says("template chatml from the checkpoint");
    let asked = hub.asked();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(!asked.iter().any(|line| line.contains("safetensors")), "{asked:?}");
    hub.build(&["--locked"]).env("STAND_IN", "as-asked").ok().says("Converted one-q0f16");
    let config = hub.scene.json("app/dist/bundle/one-q0f16/mlc-chat-config.json");
    assert_eq!(config["conv_template"]["name"], "chatml");
    // A converted model needs no checkpoint to be found; one that is to be made does.
    hub.asked();
    let build = |more: &[&str]| hub.build(more).env("STAND_IN", "as-asked");
    fs_err::remove_dir_all(hub.scene.root.join("home/.cache/huggingface")).unwrap();
    build(&["--locked", "--offline"]).ok().never_says("Convert");
    assert_eq!(hub.asked(), [""; 0]);
    for note in tree::names(&hub.scene.cache().join("converted/.templates")) {
        hub.scene.write(&format!("home/.cache/mlc-package/converted/.templates/{note}"), "none");
    }
    build(&["--locked", "--offline"]).fails(11).says("config.json");
    build(&["--locked"]).ok().never_says("Convert");
}

#[test]
fn a_repository_that_does_not_tell_it_is_refused_before_its_weights_are_fetched() {
    let local = unnamed();
    let read = |name: &str| fs_err::read(local.root.join(RAW).join(name)).unwrap();
    let files = [
        ("config.json", File::small(&read("config.json"))),
        ("tokenizer.json", File::small(&read("tokenizer.json"))),
        ("model.safetensors", File::lfs(read("model.safetensors"))),
    ];
    let hub = HubScene::new(Server::sound(&files), true);
    hub.scene.configure(|config| config["model_list"][0]["quantization"] = "q0f16".into());
    hub.call(&["check"]).ok();
    hub.asked();
    hub.build(&[])
        .fails(11)
        .says("is not certain: it has no chat template")
        .says("`conv_template` in a package");
    let asked = hub.asked();
    assert!(asked.iter().any(|line| line.contains("config.json")), "{asked:?}");
    assert!(!asked.iter().any(|line| line.contains("safetensors")), "{asked:?}");
}
