//! Checkpoints that are not what they should be: each is named, and nothing is left behind.

use serde_json::{Value, json};

use crate::scene::{Scene, Tensor, safetensors, with_header};

/// The message has all of these in it.
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn missing_tensors_are_named() {
    let mut scene = Scene::new();
    scene
        .tensors
        .retain(|tensor| !tensor.name.contains("up_proj") && tensor.name != "lm_head.weight");
    let message = scene.write().refuses("q4f16_1", 11);
    let names = "lm_head.weight, model.layers.0.mlp.up_proj.weight";
    says(
        &message,
        &["`checkpoint` lacks 2 tensors that the model needs", names, "download it again"],
    );
}

#[test]
fn an_index_that_names_a_tensor_of_another_file_is_no_index() {
    let scene = Scene::new();
    scene.write_sharded();
    let mut index = scene.index();
    index["weight_map"]["model.norm.weight"] = "a.safetensors".into();
    scene.write_index(&index);
    let said = ["`checkpoint` has no tensor `model.norm.weight`, which the model needs"];
    says(&scene.refuses("q4f16_1", 11), &said);
}

#[test]
fn tensors_of_another_shape_are_named() {
    for (name, shape) in [
        ("k_proj", vec![64, 32]),
        ("norm.weight", vec![1, 64]),
        ("embed_tokens", vec![64, 50]),
        ("down_proj", vec![96 * 64]),
    ] {
        let mut scene = Scene::new();
        scene.tensor(name).shape = shape.clone();
        let name = scene.tensor(name).name.clone();
        let message = scene.write().refuses("q4f16_1", 11);
        says(
            &message,
            &[&format!("tensor `{name}` is {shape:?}"), "by config.json it should be ["],
        );
    }
}

/// Whatever upstream's architecture says of its embedding: the runtime compares the two numbers.
#[test]
fn a_vocabulary_of_another_size_is_named_by_field_and_number() {
    for (model_type, rows) in
        [("llama", 40), ("gemma", 60), ("mistral", 40), ("qwen2", 60), ("orion", 0)]
    {
        let mut scene = Scene::new();
        scene.config["model_type"] = model_type.into();
        scene.config["head_dim"] = 16.into();
        scene.config["hidden_act"] = if model_type == "gemma" { "gelu" } else { "silu" }.into();
        scene.config["attention_bias"] = false.into();
        scene.config["rope_theta"] = 1e4.into();
        for bias in ["q_proj", "k_proj", "v_proj"] {
            let rows = scene.tensor(bias).shape[0];
            let name = format!("model.layers.0.self_attn.{bias}.bias");
            scene.tensors.push(Tensor::of_f32(name, vec![rows]));
        }
        for norm in ["layers.0.input_layernorm", "layers.0.post_attention_layernorm", "norm"] {
            scene.tensors.push(Tensor::of_f32(format!("model.{norm}.bias"), vec![64]));
        }
        let embedding = scene.tensor("embed_tokens");
        *embedding = Tensor::of_f32(embedding.name.clone(), vec![rows, 64]);
        let message = scene.write().refuses("q4f16_1", 11);
        let found = format!("tensor `model.embed_tokens.weight` has {rows} rows");
        says(&message, &["`vocab_size` is 50", &found, &format!("set `vocab_size` to {rows}")]);
    }
}

#[test]
fn types_that_are_not_converted_are_named() {
    let mut scene = Scene::new();
    scene.tensor("o_proj").dtype = "I32";
    says(&scene.write().refuses("q0f16", 11), &["o_proj.weight` is I32", "F32, F16 and BF16"]);
    // Also where it is the second of what is fused.
    let mut scene = Scene::new();
    scene.tensor("v_proj").dtype = "I32";
    says(&scene.write().refuses("q0f16", 11), &["v_proj.weight` is I32", "F32, F16 and BF16"]);
}

#[test]
fn weights_that_are_not_finite_are_refused_by_name_unless_allowed() {
    let mut scene = Scene::new();
    scene.tensor("down_proj").set(3 * 96 + 17, f32::NAN);
    scene.tensor("down_proj").set(3 * 96 + 19, f32::NAN);
    scene.tensor("k_proj").set(5, f32::NEG_INFINITY);
    scene.tensor("model.norm").set(7, 70000.0);
    let message = scene.write().refuses("q4f16_1", 11);
    let lines = [
        "3 of the model's tensors hold values that are not finite",
        "model.layers.0.mlp.down_proj.weight: 2 values, the first NaN at [3, 17]",
        "model.layers.0.self_attn.k_proj.weight: 1 value, -inf at [0, 5]",
        "model.norm.weight: 1 value, 7e4, too large for float16 at [7]",
        "--allow-nonfinite",
    ];
    says(&message, &lines);
    assert_eq!(message.lines().filter(|line| line.starts_with("  | model.")).count(), 3);
    let run = scene.convert("q4f16_1", &["--allow-nonfinite"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    says(&run.err, &lines[1..4]);
    // A type that has it takes it.
    scene.tensor("down_proj").set(3 * 96 + 17, 0.0);
    scene.tensor("down_proj").set(3 * 96 + 19, 0.0);
    scene.tensor("k_proj").set(5, 0.0);
    let run = scene.write().convert("q4bf16_1", &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
}

#[test]
fn tensors_without_use_are_a_warning() {
    let mut scene = Scene::new();
    for name in ["score.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"] {
        scene.tensors.push(Tensor::of_f32(name.to_owned(), vec![3]));
    }
    let run = scene.write().convert("q4f16_1", &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    says(&run.err, &["warning: llama has no use for tensor `score.weight`\n"]);
}

#[test]
fn a_file_that_is_cut_off_is_named() {
    let scene = Scene::new();
    scene.write();
    let path = scene.source().join("model.safetensors");
    let whole = fs_err::read(&path).unwrap();
    for length in [0, 7, 8, 100, whole.len() - 1] {
        fs_err::write(&path, &whole[..length]).unwrap();
        says(&scene.refuses("q4f16_1", 11), &["model.safetensors`: ", "download it again"]);
    }
    fs_err::write(&path, [whole.as_slice(), b"x"].concat()).unwrap();
    says(&scene.refuses("q4f16_1", 11), &["by its header it has"]);
}

#[test]
fn headers_that_lie_are_refused() {
    let scene = Scene::new();
    scene.write();
    let path = scene.source().join("model.safetensors");
    let entry =
        |start: u64, end: u64| json!({"dtype": "F32", "shape": [16], "data_offsets": [start, end]});
    let mut claims_much = u64::MAX.to_le_bytes().to_vec();
    claims_much.extend([b' '; 200]);
    let overflow =
        json!({"a": {"dtype": "F32", "shape": [1_u64 << 62, 8], "data_offsets": [0, 0]}});
    let bodies = [
        ("overlapping", with_header(&json!({"a": entry(0, 64), "b": entry(32, 96)}))),
        ("a hole", with_header(&json!({"a": entry(0, 64), "b": entry(96, 160)}))),
        ("out of range", with_header(&json!({"a": entry(1 << 40, (1 << 40) + 64)}))),
        ("backwards", with_header(&json!({"a": entry(64, 0)}))),
        ("a size that overflows", with_header(&overflow)),
        ("not JSON", [&16_u64.to_le_bytes()[..], &[b'{'; 16]].concat()),
        ("a header of 16 EiB", claims_much),
    ];
    for (what, body) in bodies {
        fs_err::write(&path, [body, vec![0; 256]].concat()).unwrap();
        let message = scene.refuses("q4f16_1", 11);
        assert!(message.contains("checkpoint/model.safetensors`: "), "{what}: {message}");
    }
}

#[test]
fn an_index_that_leaves_the_checkpoint_is_refused() {
    let scene = Scene::new();
    scene.write_sharded();
    fs_err::write(scene.root.join("checkpoint/secret"), safetensors(&scene.tensors)).unwrap();
    let whole = scene.index();
    for (file, parts) in [
        ("../checkpoint/a.safetensors", ["model.norm.weight", "a `.` or `..`"]),
        ("/etc/passwd", ["model.norm.weight", "an absolute path"]),
        ("c.safetensors", ["checkpoint/c.safetensors`", "it is not there"]),
    ] {
        let mut index = whole.clone();
        index["weight_map"]["model.norm.weight"] = file.into();
        scene.write_index(&index);
        says(&scene.refuses("q4f16_1", 11), &parts);
    }
    for index in [json!([]), json!({}), json!({"weight_map": {"a": 1}}), Value::Null] {
        scene.write_index(&index);
        says(&scene.refuses("q4f16_1", 11), &["model.safetensors.index.json`"]);
    }
}

#[test]
fn configs_that_cannot_be_used_name_the_field() {
    for (field, value, parts) in [
        ("hidden_size", Value::Null, ["`hidden_size` is null, not a whole number", "config.json"]),
        ("hidden_size", json!(-1), ["`hidden_size` is -1", "config.json"]),
        ("num_hidden_layers", json!(1_u64 << 60), ["`num_hidden_layers` is 1152", "positive"]),
        ("rms_norm_eps", json!("x"), ["`rms_norm_eps` is \"x\"", "a number above 0 is needed"]),
        (
            "max_position_embeddings",
            json!(-1),
            ["`max_position_embeddings` is -1", "a whole number above 0 is needed"],
        ),
        ("tie_word_embeddings", json!("no"), ["`tie_word_embeddings` is \"no\"", "true or false"]),
    ] {
        let mut scene = Scene::new();
        scene.config[field] = value;
        says(&scene.write().refuses("q4f16_1", 11), &parts);
    }
}

#[test]
fn what_is_not_native_lists_what_is() {
    let mut scene = Scene::new();
    scene.write();
    let run = scene.convert("q4f16_ft", &["--engine", "native"]);
    assert_eq!(run.exit, Some(2), "{run:?}");
    says(&run.err, &["`q4f16_ft`", "q4f16_1"]);
    scene.config["model_type"] = "llava".into();
    let run = scene.write().convert("q4f16_1", &["--engine", "native"]);
    assert_eq!(run.exit, Some(2), "{run:?}");
    says(&run.err, &["`llava` is converted by MLC LLM alone", "use --engine mlc"]);
    scene.config["model_type"] = "gptj".into();
    let run = scene.write().convert("q4f16_1", &["--engine", "native"]);
    says(&run.err, &["its own loader fails", "choose another model"]);
    assert!(!run.err.contains("--engine mlc"), "{run:?}");
    let asked = ["--engine", "native", "--model-type", "LLAMA"];
    let run = scene.convert("q4f16_1", &asked);
    says(&run.err, &["did you mean `--model-type llama`?", "gpt_neox"]);
    // A config's architecture is no slip of the pen, but may have a text model that is known.
    scene.config["model_type"] = "cohere2".into();
    let run = scene.write().convert("q4f16_1", &["--engine", "native"]);
    assert!(!run.err.contains("did you mean"), "{run:?}");
    scene.config["model_type"] = "mistral3".into();
    scene.config["text_config"] = json!({"model_type": "ministral3"});
    let run = scene.write().convert("q4f16_1", &["--engine", "native"]);
    says(&run.err, &["did you mean `--model-type ministral3`?"]);
}

#[test]
fn a_directory_without_weights_is_no_checkpoint() {
    let scene = Scene::new();
    scene.write();
    fs_err::remove_file(scene.source().join("model.safetensors")).unwrap();
    let run = scene.convert("q4f16_1", &["--engine", "native"]);
    assert_ne!(run.exit, Some(0), "{run:?}");
    says(&run.err, &["safetensors"]);
    let run = scene.run(&["nowhere", "--quantization", "q4f16_1", "-o", "model"]);
    assert_eq!(run.exit, Some(2), "{run:?}");
    says(&run.err, &["there is no directory `nowhere`"]);
}

#[test]
fn a_git_lfs_pointer_is_named_as_what_it_is() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n";
    for name in [
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer.model",
        "vocab.json",
    ] {
        let scene = Scene::new();
        scene.write();
        if name.starts_with("pytorch_model.bin") {
            fs_err::remove_file(scene.source().join("model.safetensors")).unwrap();
        }
        fs_err::write(scene.source().join(name), pointer).unwrap();
        let run = scene.convert("q0f32", &["--conv-template", "LM", "--engine", "native"]);
        assert_eq!(run.exit, Some(11), "{name}: {run:?}");
        let said = format!("{name}`");
        assert!(run.err.contains(&said) && run.err.contains("git lfs pull"), "{name}: {run:?}");
    }
}
