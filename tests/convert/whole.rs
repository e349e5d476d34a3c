//! Checkpoints that are whole, and other than their config says: each is told as what it is, and
//! nobody is sent to download it again.

use serde_json::{Value, json};

use crate::scene::{Scene, Tensor};

/// The checkpoint is refused with all of these in the message.
fn refused(scene: &Scene, parts: &[&str]) {
    let message = scene.refuses("q4f16_1", 11);
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    assert!(!message.contains("download it again"), "{message}");
}

fn renamed(from: &str, to: &str) -> Scene {
    let mut scene = Scene::new();
    for tensor in &mut scene.tensors {
        if let Some(rest) = tensor.name.strip_prefix(from) {
            tensor.name = format!("{to}{rest}");
        }
    }
    scene
}

#[test]
fn names_with_another_prefix_are_told_by_it() {
    for (from, to, help) in [
        ("", "_orig_mod.", "torch.compile"),
        ("", "base_model.model.", "merge_and_unload"),
        ("", "module.", "several GPUs"),
        ("", "_fsdp_wrapped_module.", "full state dict"),
        ("", "language_model.", "sees or hears"),
        ("model.", "model.language_model.", "sees or hears"),
        ("", "_orig_mod.module.", "torch.compile"),
        ("model.", "transformer.", "rename the tensors"),
        ("", "llm.", "rename the tensors"),
    ] {
        let norm = "model.norm.weight".strip_prefix(from).unwrap();
        let example = format!("`{to}{norm}`");
        let said = format!("with the prefix `{to}`");
        let scene = renamed(from, to);
        let embedding = example.replace("norm", "embed_tokens");
        refused(scene.write(), &[&said, &embedding, "`model.embed_tokens.weight`", help]);
    }
    let scene = renamed("model.", "");
    let parts = ["without the prefix `model.`: `embed_tokens.weight` should be", "AutoModel"];
    refused(scene.write(), &parts);
    let mut scene = renamed("model.", "");
    scene.tensors.retain(|tensor| tensor.name != "lm_head.weight");
    refused(scene.write(), &[parts[0], "and it lacks `lm_head.weight`"]);
}

#[test]
fn a_missing_head_is_told_by_what_the_config_says_of_it() {
    let mut scene = Scene::new();
    scene.tensors.retain(|tensor| tensor.name != "lm_head.weight");
    let parts = ["has no `lm_head.weight`", "`tie_word_embeddings` is not true", "set"];
    refused(scene.write(), &parts);
    scene.config["tie_word_embeddings"] = true.into();
    let run = scene.write().convert("q4f16_1", &[]);
    assert_eq!((run.exit, run.err.contains("warning")), (Some(0), false), "{run:?}");
    // Upstream's Mistral has a head of its own, whatever its config says.
    let mut scene = Scene::new();
    scene.tensors.retain(|tensor| tensor.name != "lm_head.weight");
    for (is_tied, said) in [(true, "though `tie_word_embeddings` is true"), (false, "always has")] {
        scene.config["model_type"] = "mistral".into();
        scene.config["tie_word_embeddings"] = is_tied.into();
        refused(
            scene.write(),
            &["`lm_head.weight`", said, "a copy of `model.embed_tokens.weight`"],
        );
    }
}

#[test]
fn a_head_beside_a_tied_embedding_is_told_if_it_is_another_one() {
    let mut scene = Scene::new();
    scene.config["tie_word_embeddings"] = true.into();
    let run = scene.write().convert("q4f16_1", &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let said = "`lm_head.weight` is left out: MLC LLM's llama takes the embedding for its head, \
                since `tie_word_embeddings` is true, and the two differ";
    assert!(run.err.contains(said), "{run:?}");
    let before = scene.result();
    let bytes = scene.tensor("embed_tokens").bytes.clone();
    scene.tensor("lm_head").bytes = bytes;
    let run = scene.write().convert("q4f16_1", &[]);
    assert_eq!((run.exit, run.err.contains("warning")), (Some(0), false), "{run:?}");
    assert_eq!(scene.result(), before);
}

#[test]
fn quantized_weights_are_told_without_a_config_too() {
    for (parts, method) in [
        (&[("qweight", "I32"), ("qzeros", "I32"), ("scales", "F16"), ("g_idx", "I32")][..], "GPTQ"),
        (&[("qweight", "I32"), ("qzeros", "I32"), ("scales", "F16")], "AWQ or GPTQ"),
        (&[("weight_packed", "I32"), ("weight_scale", "F16")], "compressed-tensors"),
        (&[("weight", "F8_E4M3"), ("weight_scale_inv", "F32")], "FP8 in blocks"),
        (&[("weight", "U8"), ("weight.absmax", "F32")], "bitsandbytes"),
        (&[("weight", "I8"), ("SCB", "F32")], "bitsandbytes"),
        (&[("weight", "U32"), ("scales", "F16"), ("biases", "F16")], "MLX"),
        (&[("weight", "F8_E4M3")], "integers or FP8"),
    ] {
        let mut scene = Scene::new();
        let is_linear = |tensor: &Tensor| tensor.name.contains("_proj");
        let (linear, mut tensors): (Vec<_>, Vec<_>) =
            scene.tensors.into_iter().partition(is_linear);
        for tensor in linear {
            let stem = tensor.name.trim_end_matches("weight");
            for (end, dtype) in parts {
                let bytes = match *dtype {
                    "F8_E4M3" | "U8" | "I8" => 1,
                    "F16" => 2,
                    _ => 4,
                };
                let mut part = Tensor::of_f32(format!("{stem}{end}"), vec![8]);
                part.dtype = dtype;
                part.bytes.truncate(8 * bytes);
                tensors.push(part);
            }
        }
        scene.tensors = tensors;
        let said = format!("is quantized already ({method}), though config.json has no");
        refused(scene.write(), &[&said, "_proj"]);
        // With a config it is the checkpoint's fault too, whoever is to convert.
        scene.config["quantization_config"] = json!({"quant_method": "some"});
        let said = format!("is quantized already ({method}), as `quantization_config` says (some)");
        refused(scene.write(), &[&said, "_proj", "convert the checkpoint that it was quantized"]);
        assert!(scene.convert("q4f16_1", &["--engine", "native"]).err.contains(&said));
    }
}

#[test]
fn a_field_that_was_left_over_from_a_quantization_is_named_and_not_heeded() {
    let mut scene = Scene::new();
    let template = ["--conv-template", "LM"];
    assert_eq!(scene.write().convert("q4f16_1", &template).exit, Some(0));
    let before = scene.result();
    for method in ["bitsandbytes", "gptq", "fp8"] {
        scene.config["quantization_config"] = json!({"quant_method": method, "bits": 4});
        let run = scene.write().convert("q4f16_1", &template);
        assert_eq!(run.exit, Some(0), "{run:?}");
        let said = format!("`quantization_config` ({method}), but the weights are not quantized");
        assert!(run.err.contains(&said), "{run:?}");
        assert_eq!(scene.result(), before);
    }
    // So may a scale be.
    scene
        .tensors
        .push(Tensor::of_f32("model.layers.0.mlp.up_proj.weight_scale".to_owned(), vec![1]));
    let run = scene.write().convert("q4f16_1", &template);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(run.err.contains("remove the field, which is left over"), "{run:?}");
}

#[test]
fn layers_that_are_not_there_are_told_by_their_number() {
    let mut scene = Scene::new();
    scene.config["num_hidden_layers"] = 3.into();
    refused(scene.write(), &["has tensors of 1 layer,", "`num_hidden_layers` is 3"]);
}

#[test]
fn keys_of_fewer_heads_than_the_config_says_are_told_by_their_number() {
    let mut scene = Scene::new();
    let fields = scene.config.as_object_mut().unwrap();
    fields.shift_remove("num_key_value_heads");
    let said = ["k_proj.weight` is [32, 64]", "set `num_key_value_heads` to 2"];
    refused(scene.write(), &said);
    scene.config["num_key_value_heads"] = serde_json::Value::Null;
    scene.config["head_dim"] = serde_json::Value::Null;
    refused(scene.write(), &said);
    scene.config["num_key_value_heads"] = 1.into();
    refused(scene.write(), &["k_proj.weight` is [32, 64]", "another checkpoint, or was edited"]);
}

/// Also where only weights are converted.
#[test]
fn what_upstream_would_leave_out_is_refused_by_its_field() {
    for (model_type, field, value) in [
        ("llama", "mlp_bias", json!(true)),
        ("llama", "hidden_act", json!("gelu")),
        ("llama", "rope_scaling", json!({"type": "linear", "factor": 2.0})),
        ("orion", "attention_bias", json!(true)),
    ] {
        let mut scene = Scene::new();
        scene.config["model_type"] = model_type.into();
        scene.config[field] = value;
        refused(scene.write(), &[&format!("`{field}` is "), "MLC LLM", model_type]);
    }
}

#[test]
fn an_adapter_is_told() {
    let mut scene = Scene::new();
    let name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight".to_owned();
    scene.tensors = vec![Tensor::of_f32(name.clone(), vec![8, 64])];
    refused(scene.write(), &["a LoRA adapter that is not merged", &name, "merge_and_unload"]);
}

/// What lies there under names that are not read.
#[test]
fn weights_in_other_files_are_told_by_these() {
    let scene = Scene::new();
    scene.write();
    let file = scene.source().join("model.safetensors");
    let whole = fs_err::read(&file).unwrap();
    fs_err::remove_file(&file).unwrap();
    let cases: [(&[&str], &[&str]); 6] = [
        (
            &["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            &["has 2 files of weights", "no `model.safetensors.index.json`"],
        ),
        (
            &["pytorch_model-00001-of-00003.bin"],
            &["has 1 of 3 files of weights", "no `pytorch_model.bin.index.json`"],
        ),
        (&["consolidated.safetensors"], &["only as `consolidated.safetensors`", "Mistral"]),
        (&["consolidated.00.pth"], &["only as `consolidated.00.pth`", "transformers"]),
        (&["adapter_model.safetensors"], &["is a LoRA adapter", "--lora-adapter"]),
        (&["llama-q4_k_m.gguf"], &["llama.cpp's format", "safetensors"]),
    ];
    for (names, parts) in cases {
        for name in names {
            fs_err::write(scene.source().join(name), &whole).unwrap();
        }
        refused(&scene, parts);
        for name in names {
            fs_err::remove_file(scene.source().join(name)).unwrap();
        }
    }
}

#[test]
fn null_is_as_if_the_field_were_not_there() {
    let mut scene = Scene::new();
    scene.config["num_key_value_heads"] = Value::Null;
    scene.config["head_dim"] = Value::Null;
    let shape = vec![64, 64];
    for name in ["k_proj", "v_proj"] {
        let tensor = scene.tensor(name);
        *tensor = Tensor::of_f32(tensor.name.clone(), shape.clone());
    }
    let run = scene.write().convert("q4f16_1", &["--conv-template", "LM"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let before = scene.result();
    for field in ["num_key_value_heads", "head_dim"] {
        scene.config.as_object_mut().unwrap().remove(field);
    }
    let run = scene.write().convert("q4f16_1", &["--conv-template", "LM"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(scene.result(), before);
}

/// NumPy fuses tensors of different types in the type that has all of their values.
#[test]
fn parts_of_different_types_are_fused_in_f32() {
    let mut scene = Scene::new();
    let narrowed = |scene: &mut Scene, name: &str, dtype: &'static str, keep: bool| {
        let tensor = scene.tensor(name);
        let values: Vec<f32> = tensor
            .bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let half = |value: f32| match dtype {
            "F16" => half::f16::from_f32(value).to_le_bytes(),
            _ => half::bf16::from_f32(value).to_le_bytes(),
        };
        let wide = |value: f32| match dtype {
            "F16" => half::f16::from_f32(value).to_f32(),
            _ => half::bf16::from_f32(value).to_f32(),
        };
        if keep {
            tensor.dtype = dtype;
            tensor.bytes = values.into_iter().flat_map(half).collect();
        } else {
            tensor.bytes = values.into_iter().flat_map(|value| wide(value).to_le_bytes()).collect();
        }
    };
    let all = [("k_proj", "BF16"), ("v_proj", "BF16"), ("up_proj", "F16")];
    for quantization in ["q0f16", "q0f32", "q4f16_1", "q4f16_0", "q3f16_1", "q4bf16_1"] {
        let mut same = Scene::new();
        for (name, dtype) in all {
            narrowed(&mut same, name, dtype, false);
        }
        assert_eq!(same.write().convert(quantization, &[]).exit, Some(0));
        let mut mixed = Scene::new();
        for (name, dtype) in all {
            narrowed(&mut mixed, name, dtype, true);
        }
        let run = mixed.write().convert(quantization, &[]);
        assert_eq!(run.exit, Some(0), "{run:?}");
        assert_eq!(same.result(), mixed.result(), "{quantization}");
    }
    // NumPy has no type for these two.
    let mut mixed = Scene::new();
    for (name, dtype) in [("k_proj", "BF16"), ("v_proj", "F16")] {
        narrowed(&mut mixed, name, dtype, true);
    }
    let message = mixed.write().refuses("q4f16_1", 11);
    assert!(message.contains("v_proj.weight`, which is F16, is fused with `"), "{message}");
    assert!(message.contains("k_proj.weight`, which is BF16"), "{message}");
    // The place of what is not finite is that in its own tensor.
    narrowed(&mut scene, "k_proj", "BF16", true);
    scene.tensor("k_proj").bytes[10..12].copy_from_slice(&half::bf16::INFINITY.to_le_bytes());
    let message = scene.write().refuses("q4f16_1", 11);
    assert!(message.contains("k_proj.weight: 1 value, inf at [0, 5]"), "{message}");
}

/// What a config says by its class, its numbers or its first bytes is told as that.
#[test]
fn configs_that_cannot_mean_a_model_that_answers_are_told_apart() {
    let mut scene = Scene::new();
    let original = scene.config.clone();
    scene.config["architectures"] = json!(["LlamaForSequenceClassification"]);
    let message = scene.write().refuses("q4f16_1", 11);
    assert!(
        message.contains("that model judges texts, and has no head that writes any"),
        "{message}"
    );
    scene.config = original.clone();
    scene.config["model_type"] = "qwen3".into();
    for head_dim in [json!(null), json!("absent")] {
        let fields = scene.config.as_object_mut().unwrap();
        match head_dim.is_null() {
            true => drop(fields.insert("head_dim".to_owned(), head_dim)),
            false => drop(fields.shift_remove("head_dim")),
        }
        let message = scene.write().refuses("q4f16_1", 11);
        assert!(message.contains("MLC LLM's qwen3 does not derive it"), "{message}");
        assert!(message.contains("set it to the number of weights in the tensor"), "{message}");
    }
    scene.config = original;
    scene.write();
    let path = scene.source().join("config.json");
    let text = fs_err::read_to_string(&path).unwrap();
    for (text, says) in [
        (format!("\u{feff}{text}"), "it begins with a byte-order mark"),
        (text.replacen('{', "{\"x\": NaN,", 1), "it says NaN, which is not JSON"),
        (text.replacen('{', "{\"x\": -Infinity,", 1), "it says -Infinity, which is not JSON"),
        (text.replacen('{', "{\"x\": ,", 1), "else it is damaged or was not downloaded whole"),
    ] {
        fs_err::write(&path, text).unwrap();
        let message = scene.refuses("q4f16_1", 11);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn experts_in_one_tensor_are_told_as_such() {
    let mut scene = Scene::new();
    scene.config["model_type"] = "mixtral".into();
    scene.config["num_local_experts"] = 2.into();
    scene.config["num_experts_per_tok"] = 1.into();
    let name = "model.layers.0.mlp.experts.gate_up_proj";
    scene.tensors.push(Tensor::of_f32(name.to_owned(), vec![2, 2, 2]));
    let message = scene.write().refuses("q4f16_1", 11);
    let says = format!("has the experts of a layer in one tensor: `{name}`");
    assert!(message.contains(&says), "{message}");
}

/// Qwen 3 with experts, as far as names go.
fn with_experts(count: u64) -> Scene {
    let mut scene = Scene::new();
    let more = json!({"model_type": "qwen3_moe", "head_dim": 16, "num_experts": count,
        "num_experts_per_tok": 1, "moe_intermediate_size": 32, "attention_bias": false,
        "decoder_sparse_step": 1, "norm_topk_prob": true, "rope_theta": 1e4,
        "hidden_act": "silu"});
    let (Value::Object(fields), Value::Object(more)) = (&mut scene.config, more) else { panic!() };
    fields.extend(more);
    scene.tensors.retain(|tensor| !tensor.name.contains(".mlp."));
    let layer = "model.layers.0.";
    let mut add = |name: String, shape: &[usize]| {
        scene.tensors.push(Tensor::of_f32(format!("{layer}{name}"), shape.to_vec()));
    };
    add("self_attn.q_norm.weight".to_owned(), &[16]);
    add("self_attn.k_norm.weight".to_owned(), &[16]);
    add("mlp.gate.weight".to_owned(), &[2, 64]);
    for expert in 0..2 {
        for (name, shape) in [("gate", [32, 64]), ("up", [32, 64]), ("down", [64, 32])] {
            add(format!("mlp.experts.{expert}.{name}_proj.weight"), &shape);
        }
    }
    scene
}

#[test]
fn experts_that_are_not_there_are_told_by_their_number_and_layers_without_any_by_a_tensor() {
    let run = with_experts(2).write().convert("q4f16_1", &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    refused(
        with_experts(4).write(),
        &["has tensors of 2 experts in each layer", "`num_experts` is 4"],
    );
    let mut dense = with_experts(2);
    dense.tensors.retain(|tensor| !tensor.name.contains(".mlp."));
    let names = ["gate", "up", "down"].map(|it| format!("model.layers.0.mlp.{it}_proj.weight"));
    dense.tensors.extend(names.map(|name| Tensor::of_f32(name, vec![2, 2])));
    let said = ["has a layer without experts (`model.layers.0.mlp.down_proj.weight`)", "qwen3_moe"];
    refused(dense.write(), &said);
}

#[test]
fn tensors_that_are_fused_or_not_and_biases_that_are_not_there_are_told() {
    let mut scene = Scene::new();
    let layer = "model.layers.0.self_attn.";
    scene.tensors.retain(|tensor| {
        !["q_proj", "k_proj", "v_proj"].iter().any(|part| tensor.name.contains(part))
    });
    let fused = format!("{layer}qkv_proj.weight");
    scene.tensors.push(Tensor::of_f32(fused.clone(), vec![128, 64]));
    let parts = [
        &format!("has `{fused}`"),
        "but a llama has tensors such as `model.layers.0.self_attn.k_proj",
    ];
    refused(scene.write(), &parts);
    // The reverse: Phi-3 has these in one.
    let mut scene = Scene::new();
    scene.config["model_type"] = "phi3".into();
    scene
        .tensors
        .push(Tensor::of_f32("model.layers.0.mlp.gate_up_proj.weight".to_owned(), vec![192, 64]));
    refused(scene.write(), &["has `model.layers.0.self_attn.k_proj.weight`", "qkv_proj.weight"]);
    // Qwen 2 always has biases, Qwen 3 where its config says so.
    let mut scene = Scene::new();
    scene.config["model_type"] = "qwen2".into();
    scene.config["hidden_act"] = "silu".into();
    scene.config["rope_theta"] = 1e4.into();
    refused(scene.write(), &["MLC LLM's qwen2 always has these biases", "another architecture"]);
    let mut scene = with_experts(2);
    scene.config["attention_bias"] = true.into();
    let parts = ["by config.json `attention_bias` is true", "set `attention_bias` to false"];
    refused(scene.write(), &parts);
}

/// Llama's tensors and two more: Qwen 3's.
#[test]
fn norms_that_an_architecture_does_not_have_are_another_architectures() {
    let mut scene = Scene::new();
    let name = "model.layers.0.self_attn.q_norm.weight";
    scene.tensors.push(Tensor::of_f32(name.to_owned(), vec![16]));
    let says = format!("has `{name}`, and MLC LLM's llama has no such tensor");
    refused(scene.write(), &[&says, "another architecture"]);
    // What lies beside the text's layers has its own.
    scene.tensor("q_norm").name = "model.vision.layers.0.self_attn.q_norm.weight".to_owned();
    // An architecture that is named by hand need not be in the config.
    scene.config.as_object_mut().unwrap().shift_remove("model_type");
    let help = "name its architecture: --model-type llama";
    assert!(scene.write().refuses("q4f16_1", 11).contains(help));
    let run = scene.convert("q4f16_1", &["--model-type", "llama"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(run.err.contains("llama has no use for tensor `model.vision."), "{run:?}");
}

/// The vectors of tokens become that of a text in more than one way.
#[test]
fn embeddings_that_are_made_otherwise_are_told() {
    let mut scene = with_experts(2);
    scene.config["model_type"] = "qwen3".into();
    scene.config["tie_word_embeddings"] = true.into();
    scene.tensors.retain(|tensor| tensor.name != "lm_head.weight");
    for tensor in &mut scene.tensors {
        tensor.name = tensor.name.replacen("model.", "", 1);
    }
    scene.tensors.retain(|tensor| !tensor.name.contains(".mlp."));
    for (name, shape) in [("gate", [96, 64]), ("up", [96, 64]), ("down", [64, 96])] {
        let name = format!("layers.0.mlp.{name}_proj.weight");
        scene.tensors.push(Tensor::of_f32(name, shape.to_vec()));
    }
    scene.write();
    let model = json!({"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"});
    let tokenizer = json!({"version": "1.0", "model": model}).to_string();
    fs_err::write(scene.source().join("tokenizer.json"), tokenizer).unwrap();
    let pooling = scene.source().join("1_Pooling");
    fs_err::create_dir(&pooling).unwrap();
    let told = |mode: &str| {
        fs_err::write(pooling.join("config.json"), json!({mode: true}).to_string()).unwrap();
        let more = ["--model-type", "qwen3-embedding", "--conv-template", "LM"];
        let run = scene.convert("q4f16_1", &more);
        assert_eq!(run.exit, Some(0), "{run:?}");
        run.err.contains("1_Pooling says `mean`, and MLC LLM writes `last`")
    };
    assert!(told("pooling_mode_mean_tokens"));
    assert!(!told("pooling_mode_lasttoken"));
}

#[test]
fn an_architecture_that_was_asked_for_and_is_not_the_configs_is_named() {
    let mut scene = Scene::new();
    scene.config["attention_bias"] = false.into();
    scene.config["head_dim"] = 16.into();
    scene.config["hidden_activation"] = "gelu".into();
    scene.config["sliding_window"] = 32.into();
    scene.config["query_pre_attn_scalar"] = 16.into();
    let run = scene.write().convert("q4f16_1", &["--model-type", "gemma2", "--engine", "native"]);
    assert_eq!(run.exit, Some(11), "{run:?}");
    let said = "--model-type gemma2 was given, and config.json says `llama`";
    assert!(run.err.contains(said), "{run:?}");
}

/// The names that transformers 5 gives Gemma 3 when it saves it again.
#[test]
fn gemma_3_under_its_newer_names_is_told() {
    let mut scene = renamed("model.", "model.language_model.");
    scene.config = json!({"model_type": "gemma3", "text_config": {"hidden_size": 64,
        "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 32, "vocab_size": 50}});
    let said = "with the prefix `model.language_model.` instead of `language_model.model.`";
    refused(scene.write(), &[said, "transformers 5 names them so"]);
}
