//! FP8 quantizations: what they are for, and what is refused. Their bytes are compared by `upstream.rs`
//! and `fp8.py`.

use serde_json::{Value, json};

use crate::scene::{Scene, Tensor};

const BLOCKS: &str = "fp8_e4m3fn_bf16_block_scale";

/// A Qwen 3 whose linear layers are FP8 in blocks of 16 rows and 32 columns, with scales beside them.
fn in_blocks() -> Scene {
    let mut scene = Scene::new();
    let fields = json!({
        "model_type": "qwen3", "attention_bias": false, "head_dim": 16, "rope_theta": 1e4,
        "hidden_act": "silu",
        "quantization_config": {
            "quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3",
            "weight_block_size": [16, 32],
        },
    });
    let Value::Object(fields) = fields else { unreachable!() };
    scene.config.as_object_mut().unwrap().extend(fields);
    let mut scales = Vec::new();
    for tensor in scene.tensors.iter_mut().filter(|tensor| tensor.name.contains("_proj.")) {
        let [rows, columns] = tensor.shape[..] else { panic!("{}", tensor.name) };
        tensor.dtype = "F8_E4M3";
        // Every number but NaN.
        let number = |at: usize| (at as u8).wrapping_mul(37) & 0xf7;
        tensor.bytes = (0..rows * columns).map(number).collect();
        let shape = vec![rows.div_ceil(16), columns.div_ceil(32)];
        scales.push(Tensor::of_f32(format!("{}_scale_inv", tensor.name), shape));
    }
    scene.tensors.extend(scales);
    for norm in ["q_norm", "k_norm"] {
        let name = format!("model.layers.0.self_attn.{norm}.weight");
        scene.tensors.push(Tensor::of_f32(name, vec![16]));
    }
    scene
}

/// A DeepSeek whose keys and values come out of one vector, with heads of 16 and 24.
fn latent(model_type: &str) -> Scene {
    let mut scene = Scene::new();
    let fields = json!({
        "model_type": model_type, "num_key_value_heads": 4, "moe_intermediate_size": 32,
        "n_shared_experts": 1, "n_routed_experts": 2, "num_experts_per_tok": 1,
        "norm_topk_prob": true, "first_k_dense_replace": 1, "moe_layer_freq": 1,
        "routed_scaling_factor": 1.0, "scoring_func": "softmax", "topk_method": "greedy",
        "n_group": 1, "topk_group": 1, "attention_bias": false, "kv_lora_rank": 32,
        "qk_rope_head_dim": 8, "v_head_dim": 24, "qk_nope_head_dim": 16, "rope_theta": 10000,
    });
    let Value::Object(fields) = fields else { unreachable!() };
    scene.config.as_object_mut().unwrap().extend(fields);
    scene.tensors.retain(|tensor| !tensor.name.contains("self_attn"));
    for (name, shape) in [
        ("q_proj", vec![4 * 24, 64]),
        ("kv_a_proj_with_mqa", vec![40, 64]),
        ("kv_a_layernorm", vec![32]),
        ("kv_b_proj", vec![4 * 40, 32]),
        ("o_proj", vec![64, 4 * 24]),
    ] {
        let name = format!("model.layers.0.self_attn.{name}.weight");
        scene.tensors.push(Tensor::of_f32(name, shape));
    }
    scene
}

/// The records of the result by name: type, shape, bytes of its place in the file.
fn record(scene: &Scene, name: &str) -> (String, Value, Vec<u8>) {
    let read = |name: &str| fs_err::read(scene.output().join(name)).unwrap();
    let index: Value = serde_json::from_slice(&read("tensor-cache.json")).unwrap();
    let shards = index["records"].as_array().unwrap();
    let shard_of = |shard: &&Value| {
        shard["records"].as_array().unwrap().iter().any(|record| record["name"] == name)
    };
    let shard = shards.iter().find(shard_of).unwrap_or_else(|| panic!("no {name}"));
    let records = shard["records"].as_array().unwrap();
    let record = records.iter().find(|record| record["name"] == name).unwrap();
    let number = |field: &str| usize::try_from(record[field].as_u64().unwrap()).unwrap();
    let bytes = read(shard["dataPath"].as_str().unwrap());
    let place = number("byteOffset")..number("byteOffset") + number("nbytes");
    let dtype = record["dtype"].as_str().unwrap().to_owned();
    (dtype, record["shape"].clone(), bytes[place].to_vec())
}

#[test]
fn blocks_stay_as_they_are_and_the_rest_becomes_bf16() {
    let scene = in_blocks();
    let run = scene.write().convert(BLOCKS, &["--engine", "native"]);
    assert_eq!((run.exit, run.err.contains("warning")), (Some(0), false), "{run:?}");
    let bytes_of = |parts: &[&str]| -> Vec<u8> {
        let tensor = |part: &&str| {
            let name = format!("{part}_proj.weight");
            let mut tensors = scene.tensors.iter();
            tensors.find(|tensor| tensor.name.ends_with(&name)).unwrap().bytes.clone()
        };
        parts.iter().flat_map(tensor).collect()
    };
    let qkv = record(&scene, "model.layers.0.self_attn.c_attn.weight");
    assert_eq!((qkv.0.as_str(), qkv.1), ("float8_e4m3fn", json!([128, 64])));
    assert!(qkv.2 == bytes_of(&["q", "k", "v"]));
    let down = record(&scene, "model.layers.0.mlp.down_proj.weight");
    assert!(down.2 == bytes_of(&["down"]));
    let scales = record(&scene, "model.layers.0.self_attn.c_attn.weight_scale_inv");
    assert_eq!((scales.0.as_str(), scales.1, scales.2.len()), ("float32", json!([8, 2]), 32));
    for name in ["model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"] {
        assert_eq!(record(&scene, name).0, "bfloat16", "{name}");
    }
}

#[test]
fn a_block_that_would_go_from_one_tensor_into_the_next_is_refused() {
    let mut scene = in_blocks();
    scene.config["quantization_config"]["weight_block_size"] = json!([64, 32]);
    let message = scene.write().refuses(BLOCKS, 11);
    for part in ["blocks of 64 rows", "c_attn.weight`", "k_proj.weight` has 32"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn weights_that_are_not_in_blocks_are_told() {
    let mut scene = in_blocks();
    scene.config.as_object_mut().unwrap().shift_remove("quantization_config");
    let message = scene.write().refuses(BLOCKS, 11);
    assert!(message.contains("config.json does not say how large the blocks are"), "{message}");
    // The field was left over: the weights were made whole again.
    let mut scene = in_blocks();
    scene.tensors.retain(|tensor| !tensor.name.ends_with("_scale_inv"));
    for tensor in scene.tensors.iter_mut().filter(|tensor| tensor.name.contains("_proj.")) {
        *tensor = Tensor::of_f32(tensor.name.clone(), tensor.shape.clone());
    }
    let message = scene.write().refuses(BLOCKS, 11);
    let said = "is not FP8 in blocks, and fp8_e4m3fn_bf16_block_scale takes no others: it has no `";
    assert!(message.contains(said) && message.contains("_proj.weight_scale_inv`"), "{message}");
    // Scales without what they are for.
    let mut scene = in_blocks();
    let up = scene.tensor("up_proj.weight");
    *up = Tensor::of_f32(up.name.clone(), up.shape.clone());
    let message = scene.write().refuses(BLOCKS, 11);
    let said = "up_proj.weight` is F32, and only F8_E4M3 can be converted there";
    assert!(message.contains(said), "{message}");
}

#[test]
fn a_nan_is_found_in_fp8_too() {
    let mut scene = in_blocks();
    scene.tensor("down_proj.weight").bytes[96 + 5] = 0xff;
    let message = scene.write().refuses(BLOCKS, 11);
    assert!(message.contains("down_proj.weight: 1 value, NaN at [1, 5]"), "{message}");
    let mut scene = Scene::new();
    scene.tensor("down_proj").set(7, 61440.0);
    let message = scene.write().refuses("e5m2_e5m2_f16", 11);
    let said = "down_proj.weight: 1 value, 6.144e4, too large for float8_e5m2 at [0, 7]";
    assert!(message.contains(said), "{message}");
    // A scale has room for it.
    let run = scene.convert("e4m3_e4m3_f16_max_calibrate", &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let (dtype, shape, bytes) = record(&scene, "model.layers.0.mlp.down_proj.q_scale");
    // 61440 / 448 in half precision, and then in bf16.
    let scale = half::bf16::from_f32(137.125).to_le_bytes();
    assert_eq!((dtype.as_str(), shape, bytes), ("float32", json!([1]), scale.to_vec()));
    let (dtype, _, bytes) = record(&scene, "model.layers.0.mlp.down_proj.q_weight");
    assert_eq!((dtype.as_str(), bytes[7], bytes.len()), ("float8_e4m3fn", 0x7e, 64 * 96));
}

/// DeepSeek 3 takes a tensor apart by head, and a size that is cut within a block is named.
#[test]
fn heads_that_are_not_whole_blocks_are_refused() {
    let latent = |blocks: [u64; 2]| {
        let mut scene = latent("deepseek_v3");
        scene.config["quantization_config"] = json!({
            "quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3",
            "weight_block_size": blocks,
        });
        scene.write().refuses(BLOCKS, 11)
    };
    for (blocks, said) in [
        (
            [32, 16],
            "`qk_nope_head_dim` is 16, and MLC LLM needs a multiple of 32, which is the \
                    number of rows of a block in `weight_block_size` ([32, 16])",
        ),
        (
            [16, 16],
            "`v_head_dim` is 24, and MLC LLM needs a multiple of 16, which is the number of \
                    rows",
        ),
        // MLC LLM asks for this one too.
        (
            [8, 16],
            "`v_head_dim` is 24, and MLC LLM needs a multiple of 16, which is the number of \
                   columns",
        ),
        (
            [8, 12],
            "`kv_lora_rank` is 32, and MLC LLM needs a multiple of 12, which is the number of \
                   columns",
        ),
    ] {
        let message = latent(blocks);
        assert!(
            message.split_whitespace().collect::<Vec<_>>().join(" ").contains(said),
            "{message}"
        );
    }
    // These fit, and the checkpoint is another one.
    let message = latent([8, 8]);
    assert!(message.contains("is not FP8 in blocks"), "{message}");
}

/// Three parameters are made of one tensor, and two of them of parts of it.
#[test]
fn values_that_are_not_finite_are_counted_in_the_whole_tensor() {
    let mut scene = latent("deepseek_v2");
    let tensor = scene.tensor("kv_b_proj");
    tensor.set(5, f32::NAN);
    tensor.set(16 * 32 + 1, f32::NAN);
    let message = scene.write().refuses("q0f16", 11);
    assert!(message.contains("kv_b_proj.weight: 2 values, the first NaN at [0, 5]"), "{message}");
    assert_eq!(message.matches("kv_b_proj").count(), 1, "{message}");
}

/// A checkpoint of which the config says that it is FP8 in blocks, and so do its scales or its weights.
#[test]
fn scales_that_are_missing_are_named() {
    let mut scene = in_blocks();
    scene.tensors.retain(|tensor| !tensor.name.ends_with("up_proj.weight_scale_inv"));
    let message = scene.write().refuses(BLOCKS, 11);
    for part in ["has no scale", "up_proj.weight_scale_inv", "download it again"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    scene.tensors.retain(|tensor| !tensor.name.ends_with("_scale_inv"));
    let message = scene.write().refuses(BLOCKS, 11);
    for part in
        ["lacks 7 scales that", "down_proj.weight_scale_inv", "and 2 more", "download it again"]
    {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    // One layer was left out when the others became FP8.
    let mut scene = in_blocks();
    scene.tensors.retain(|tensor| !tensor.name.ends_with("up_proj.weight_scale_inv"));
    let up = scene.tensor("up_proj.weight");
    *up = Tensor::of_f32(up.name.clone(), up.shape.clone());
    let message = scene.write().refuses(BLOCKS, 11);
    let said = "up_proj.weight` is not FP8, and MLC LLM needs every linear layer in FP8";
    assert!(message.contains("has no scale") && message.contains(said), "{message}");
    // Each of these weights has one scale.
    let mut scene = in_blocks();
    for tensor in &mut scene.tensors {
        tensor.name = tensor.name.replace("_scale_inv", "_scale");
    }
    let message = scene.write().refuses(BLOCKS, 11);
    assert!(message.contains("is quantized already (FP8 or INT8)"), "{message}");
}

#[test]
fn fp8_in_blocks_is_offered_where_the_architecture_has_it() {
    let mut scene = in_blocks();
    for is_said_by_config in [true, false] {
        if !is_said_by_config {
            scene.config.as_object_mut().unwrap().shift_remove("quantization_config");
        }
        for (model_type, is_offered) in [("qwen3", true), ("llama", false)] {
            scene.config["model_type"] = model_type.into();
            let message = scene.write().refuses("q4f16_1", 11);
            assert!(message.contains("is quantized already (FP8 in blocks)"), "{message}");
            assert!(message.contains("convert the checkpoint that it was quantized from"));
            assert_eq!(message.contains(BLOCKS), is_offered, "{message}");
        }
    }
}

/// What the tables say of an architecture is said before anything is read.
#[test]
fn quantizations_that_mlc_llm_has_for_other_architectures_are_refused() {
    let awq = "q4f16_autoawq";
    for (model_type, quantization) in
        [("qwen2", "e5m2_e5m2_f16"), ("llama", BLOCKS), ("qwen2", awq)]
    {
        let mut scene = Scene::new();
        scene.config["model_type"] = model_type.into();
        for engine in ["native", "auto"] {
            let run = scene.write().convert(quantization, &["--engine", engine]);
            assert_eq!(run.exit, Some(11), "{run:?}");
            let said = format!(
                "MLC LLM as of 79d603f0 does not have the quantization `{quantization}` for the \
                 architecture `{model_type}`"
            );
            assert!(run.err.contains(&said) && run.err.contains("q4f16_1"), "{run:?}");
            assert_eq!(run.err.matches(quantization).count(), 1, "{run:?}");
        }
    }
}

/// MLC LLM has models of AWQ for few architectures.
#[test]
fn awq_is_offered_where_mlc_llm_takes_it() {
    let mut scene = Scene::new();
    for tensor in &mut scene.tensors {
        if let Some(name) = tensor.name.strip_suffix("o_proj.weight") {
            tensor.name = format!("{name}o_proj.qweight");
        }
    }
    for (model_type, is_offered) in [("llama", true), ("mistral", false)] {
        scene.config["model_type"] = model_type.into();
        let message = scene.write().refuses("q4f16_1", 11);
        assert!(message.contains("is quantized already (AWQ or GPTQ)"), "{message}");
        assert_eq!(message.contains("q4f16_autoawq"), is_offered, "{message}");
    }
}

/// One weight takes the range of a parameter.
#[test]
fn weights_that_become_0_beside_one_that_is_far_larger_are_told() {
    let quantization = "e4m3_e4m3_f16_max_calibrate";
    let mut scene = Scene::new();
    let run = scene.write().convert(quantization, &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(!run.err.contains("become 0"), "{run:?}");
    let name = "model.layers.0.mlp.down_proj.weight";
    let tensor = scene.tensor(name);
    let count = tensor.bytes.len() / 4;
    tensor.bytes = 1e-6_f32.to_le_bytes().repeat(count);
    tensor.bytes[..4].copy_from_slice(&60_000_f32.to_le_bytes());
    let run = scene.write().convert(quantization, &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let said = format!("{name}: {} of {count} weights become 0 in {quantization}", count - 1);
    assert!(run.err.contains(&said) && run.err.contains("follows its largest weight"), "{run:?}");
    let tensor = scene.tensor(name);
    tensor.bytes = 1e-6_f32.to_le_bytes().repeat(count);
    let run = scene.write().convert("e5m2_e5m2_f16", &[]);
    let said = format!("{count} of {count} weights become 0 in e5m2_e5m2_f16: they are too small");
    assert!(run.err.contains(&said), "{run:?}");
}

#[test]
fn what_only_mlc_llm_converts_is_left_to_it() {
    let mut scene = Scene::new();
    scene.config["model_type"] = "ministral3".into();
    let run = scene.write().convert(BLOCKS, &["--engine", "native"]);
    assert_eq!(run.exit, Some(2), "{run:?}");
    let said = "ministral3 is not converted to fp8_e4m3fn_bf16_block_scale by this program";
    assert!(run.err.contains(said) && run.err.contains("a scale for each tensor"), "{run:?}");
}
