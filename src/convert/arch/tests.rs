use std::collections::BTreeSet;

use super::hf_config::HfConfig;
use super::{ALL, Architecture, Change, Kind, LEFT_TO_MLC};
use crate::model::ConfigClass;

/// A config with every size that some architecture asks for.
fn config(model_type: &str) -> HfConfig {
    let sizes = r#""hidden_size": 96, "intermediate_size": 160, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 24, "num_hidden_layers": 3, "vocab_size": 50,
        "rms_norm_eps": 1e-5, "layer_norm_eps": 1e-5, "attention_bias": true, "use_qkv_bias": true,
        "max_position_embeddings": 64, "rope_theta": 5, "sliding_window": 32,
        "hidden_act": "silu", "num_local_experts": 3, "num_experts": 3, "num_experts_per_tok": 2,
        "moe_intermediate_size": 40, "decoder_sparse_step": 1, "use_cache": true"#;
    let others = match model_type {
        "gemma" | "gemma2" => r#", "attention_bias": false, "hidden_activation": "gelu""#,
        "gemma3" | "gemma3_text" => {
            r#", "attention_bias": false, "hidden_activation": "gelu", "text_config": null"#
        }
        "gpt_neox" => r#", "use_parallel_residual": true, "rotary_pct": 1"#,
        "stablelm" => r#", "partial_rotary_factor": 0.5"#,
        "gpt2" | "gpt_bigcode" | "phi-msft" => {
            r#", "n_embd": 96, "n_inner": 160, "n_head": 4, "n_layer": 3, "n_positions": 64,
            "layer_norm_epsilon": 1e-5"#
        }
        "phi3_v" => r#", "img_processor": {"image_dim_out": 1024}"#,
        "qwen" => {
            r#", "layer_norm_epsilon": 1e-5, "scale_attn_weights": true, "kv_channels": 24,
            "rotary_emb_base": 10000"#
        }
        "deepseek" | "deepseek_v2" | "deepseek_v3" => {
            r#", "n_shared_experts": 2, "n_routed_experts": 3, "moe_layer_freq": 1,
            "first_k_dense_replace": 1, "norm_topk_prob": true, "bos_token_id": 1,
            "eos_token_id": 2, "routed_scaling_factor": 1, "scoring_func": "sigmoid",
            "topk_method": "noaux_tc", "n_group": 1, "topk_group": 1, "kv_lora_rank": 32,
            "qk_rope_head_dim": 8, "v_head_dim": 12, "qk_nope_head_dim": 16, "q_lora_rank": 48"#
        }
        "baichuan" => {
            r#", "initializer_range": 0.1, "pad_token_id": 0, "bos_token_id": 1,
            "eos_token_id": 2, "tie_word_embeddings": false"#
        }
        "internlm" | "internlm2" => {
            r#", "bias": true, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2"#
        }
        "starcoder2" => {
            r#", "norm_epsilon": 1e-5, "use_bias": true, "bos_token_id": 1, "eos_token_id": 2"#
        }
        "minicpm" => {
            r#", "scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 256, "bos_token_id": 1,
            "eos_token_id": 2"#
        }
        "chatglm" => {
            r#", "num_layers": 3, "kv_channels": 24, "ffn_hidden_size": 160,
            "layernorm_epsilon": 1e-5, "post_layer_norm": true, "rmsnorm": false,
            "add_bias_linear": true, "add_qkv_bias": true, "apply_query_key_layer_scaling": true,
            "multi_query_attention": true, "multi_query_group_num": 2"#
        }
        "rwkv5" => r#", "model_version": "5_2", "head_size": 24, "rescale_every": 1"#,
        "rwkv6" => r#", "head_size": 24, "rescale_every": 1"#,
        _ => "",
    };
    let text = match model_type {
        "llama4" => format!(
            r#"{{"model_type": "llama4", "text_config": {{{sizes}, "use_qk_norm": true,
            "interleave_moe_layer_step": 1, "rope_scaling": {{"rope_type": "llama3"}}}}}}"#
        ),
        // The last of two fields of one name counts.
        _ => format!(r#"{{"model_type": "{model_type}", {sizes}{others}}}"#),
    };
    HfConfig::parse(text.as_bytes(), None).unwrap()
}

/// A name twice, or a layer's tensor in every layer's parameter, is a mistake in a table. A few
/// tensors become several parameters.
#[test]
fn no_tensor_and_no_parameter_is_there_twice() {
    for architecture in ALL {
        let model_type = architecture.model_type;
        let mapping = architecture.mapping(&config(model_type)).unwrap();
        let mut names = BTreeSet::new();
        let mut tensors = BTreeSet::new();
        for parameter in &mapping.parameters {
            assert!(names.insert(&parameter.name), "{model_type}: {}", parameter.name);
            for (tensor, _) in &parameter.parts {
                let again = ["wte.weight", "kv_b_proj.weight", "model.embed_tokens.weight"];
                let is_new = tensors.insert(tensor);
                assert!(is_new || again.iter().any(|end| tensor.ends_with(end)), "{tensor}");
                assert!(!tensor.contains('{') && !mapping.ignores(tensor), "{tensor}");
            }
            assert!(!parameter.name.contains('{'), "{}", parameter.name);
            let is_quantized = parameter.kind != Kind::Plain;
            assert!(!is_quantized || parameter.columns.is_some(), "{}", parameter.name);
            assert!(!is_quantized || parameter.name.ends_with(".weight"), "{}", parameter.name);
        }
    }
}

#[test]
fn what_is_left_to_mlc_llm_is_upstreams_and_says_why() {
    let left = LEFT_TO_MLC.map(|(name, _)| name);
    for name in left {
        assert!(ConfigClass::of(name).is_some() && Architecture::find(name).is_none(), "{name}");
    }
    let mut all: Vec<_> = ConfigClass::names().filter(|name| !left.contains(name)).collect();
    all.sort_unstable();
    let mut native = Architecture::names();
    native.sort_unstable();
    assert_eq!(native, all);
}

#[test]
fn every_architecture_has_a_configuration_class() {
    for architecture in ALL {
        assert!(ConfigClass::of(architecture.model_type).is_some(), "{}", architecture.model_type);
    }
}

#[test]
fn sizes_come_from_the_config() {
    let find = |architecture: &str, name: &str| {
        let mapping = Architecture::find(architecture).unwrap().mapping(&config(architecture));
        let mut parameters = mapping.unwrap().parameters.into_iter();
        parameters.find(|parameter| parameter.name == name).unwrap()
    };
    let qkv = find("llama", "model.layers.2.self_attn.qkv_proj.weight");
    let rows: Vec<_> = qkv.parts.iter().map(|(_, rows)| *rows).collect();
    assert_eq!((rows, qkv.columns), (vec![96, 48, 48], Some(96)));
    let qkv = find("phi3", "transformer.h.0.mixer.qkv_proj.weight");
    assert_eq!(qkv.parts, [("model.layers.0.self_attn.qkv_proj.weight".to_owned(), 192)]);
    let qkv = find("gpt_neox", "gpt_neox.layers.1.attention.query_key_value.bias");
    let Change::Regroup(by_head) = qkv.change else { panic!("{:?}", qkv.change) };
    assert_eq!((by_head.groups, by_head.rows, by_head.taken), (4, 72, vec![0..24, 24..48, 48..72]));
    let head = find("llama", "lm_head.weight");
    assert_eq!((head.parts, head.is_vocab), (vec![("lm_head.weight".to_owned(), 50)], true));
    let norm = find("gemma3_text", "language_model.model.norm.weight");
    assert_eq!((norm.change, norm.parts[0].0.as_str()), (Change::PlusOne, "model.norm.weight"));
}

#[test]
fn needless_tensors_are_those_of_the_models_layers() {
    let llama = Architecture::find("llama").unwrap().mapping(&config("llama")).unwrap();
    assert!(llama.ignores("model.layers.2.self_attn.rotary_emb.inv_freq"));
    for layer in ["", "x", "17"] {
        let name = format!("model.layers.{layer}.self_attn.rotary_emb.inv_freq");
        assert!(!llama.ignores(&name) && llama.counts(&name), "{name}");
    }
}
