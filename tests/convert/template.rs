//! `--conv-template auto`.

use serde_json::{Value, json};

use crate::scene::{Run, Scene, names};

const LLAMA_3: &str = "<|start_header_id|><|end_header_id|><|eot_id|>";

/// What Llama 3.1's instructed models say of conversations.
fn instructed(scene: &Scene) {
    scene.write();
    let tokens = json!({
        "128000": {"content": "<|begin_of_text|>"}, "128001": {"content": "<|end_of_text|>"},
        "128008": {"content": "<|eom_id|>"}, "128009": {"content": "<|eot_id|>"},
    });
    let tokenizer = json!({"chat_template": LLAMA_3, "added_tokens_decoder": tokens});
    let generation = json!({"eos_token_id": [128_001, 128_008, 128_009]});
    for (name, value) in
        [("tokenizer_config.json", tokenizer), ("generation_config.json", generation)]
    {
        fs_err::write(scene.source().join(name), value.to_string()).unwrap();
    }
}

#[test]
fn auto_takes_what_the_checkpoint_says() {
    let scene = Scene::new();
    instructed(&scene);
    let auto = ["--conv-template", "auto"];
    let run = scene.convert("q4f16_1", &auto);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(run.err.contains("Template llama-3_1, from the checkpoint"), "{run:?}");
    assert!(run.out.contains("mlc-chat-config.json with the template llama-3_1"), "{run:?}");
    let derived = scene.result();
    let run = scene.convert("q4f16_1", &[&auto[..], &["--format", "json"]].concat());
    let printed: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(printed["chat"]["conv_template"], json!("llama-3_1"));
    let run = scene.convert("q4f16_1", &["--conv-template", "llama-3_1"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(!run.err.contains("Template"), "{run:?}");
    assert_eq!(scene.result(), derived);
    // It is the default.
    fs_err::remove_dir_all(scene.output()).unwrap();
    let arguments = ["checkpoint", "--quantization", "q4f16_1", "-o", "model"];
    let run = Run::of(&scene.whole_command(&arguments).output().unwrap());
    assert!(run.err.contains("Template llama-3_1, from the checkpoint"), "{run:?}");
    let next = "next:  mlc-package compile model --device android -o model.tar\n\
                or:    mlc-package build, with model in `model_list` of its config\n";
    assert!(run.out.ends_with(next), "{run:?}");
    assert_eq!(scene.result(), derived);
    // For weights alone nothing is derived, and there is nothing to go on with.
    let weights = ["checkpoint", "--quantization", "q4f16_1", "-o", "weights", "--weights-only"];
    let run = Run::of(&scene.whole_command(&weights).output().unwrap());
    assert!(!run.out.contains("next:"), "{run:?}");
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(!names(&scene.root.join("weights")).contains(&"mlc-chat-config.json".to_owned()));
}

#[test]
fn auto_is_refused_where_it_is_not_certain() {
    let scene = Scene::new();
    scene.write();
    let run = scene.convert("q4f16_1", &["--conv-template", "auto"]);
    assert_eq!(run.exit, Some(11), "{run:?}");
    assert!(run.err.contains("it has no chat template"), "{run:?}");
    assert!(run.err.contains("likely llama-3_1, llama-3, llama-2"), "{run:?}");
    assert!(run.err.contains("`convert --weights-only` needs none"), "{run:?}");
    assert!(!scene.output().exists());
    for more in [&["--conv-template", "auto"][..], &["--overrides", "context_window_size=2"]] {
        let run = scene.convert("q4f16_1", &[more, &["--weights-only"]].concat());
        assert_eq!(run.exit, Some(2), "{run:?}");
        assert!(run.err.contains("cannot be used with"), "{run:?}");
    }
}

#[test]
fn mlc_llm_is_told_what_was_derived() {
    let scene = Scene::new();
    instructed(&scene);
    let compiler = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/compiler");
    let arguments = ["checkpoint", "--quantization", "q4f16_ft", "-o", "model"];
    let mut command = scene.command(&[&arguments[..], &["--conv-template", "auto"]].concat());
    let run = Run::of(&command.env("PYTHONPATH", compiler).output().unwrap());
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(run.err.contains("Template llama-3_1, from the checkpoint"), "{run:?}");
    let config = fs_err::read(scene.output().join("mlc-chat-config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["given"]["conv_template"], json!("llama-3_1"));
}
