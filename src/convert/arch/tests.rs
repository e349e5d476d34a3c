use std::collections::BTreeSet;

use super::hf_config::HfConfig;
use super::{ALL, Architecture, Change, Kind};

fn config(model_type: &str) -> HfConfig {
    let text = format!(
        r#"{{"model_type": "{model_type}", "hidden_size": 64, "intermediate_size": 96,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24,
        "num_hidden_layers": 3, "vocab_size": 50, "attention_bias": true, "use_qkv_bias": true}}"#
    );
    HfConfig::parse(text.as_bytes()).unwrap()
}

/// A name twice, or a layer's tensor in every layer's parameter, is a mistake in a table.
#[test]
fn no_tensor_and_no_parameter_is_there_twice() {
    for architecture in ALL {
        let parameters = architecture.parameters(&config(architecture.model_type)).unwrap();
        let mut names = BTreeSet::new();
        let mut tensors = BTreeSet::new();
        for parameter in &parameters {
            assert!(names.insert(&parameter.name), "{}", parameter.name);
            for (tensor, _) in &parameter.parts {
                assert!(tensors.insert(tensor), "{tensor}");
                assert!(!tensor.contains("{}") && !architecture.ignores(tensor), "{tensor}");
            }
            let is_matrix = parameter.columns.is_some();
            assert_eq!(is_matrix, parameter.kind != Kind::Plain, "{}", parameter.name);
            assert!(!is_matrix || parameter.name.ends_with(".weight"), "{}", parameter.name);
        }
    }
}

#[test]
fn sizes_come_from_the_config() {
    let find = |architecture: &str, name: &str| {
        let parameters =
            Architecture::find(architecture).unwrap().parameters(&config(architecture));
        let mut parameters = parameters.unwrap().into_iter();
        parameters.find(|parameter| parameter.name == name).unwrap()
    };
    let qkv = find("llama", "model.layers.2.self_attn.qkv_proj.weight");
    let rows: Vec<_> = qkv.parts.iter().map(|(_, rows)| *rows).collect();
    assert_eq!((rows, qkv.columns), (vec![Some(96), Some(48), Some(48)], Some(64)));
    let qkv = find("phi3", "transformer.h.0.mixer.qkv_proj.weight");
    assert_eq!(qkv.parts, [("model.layers.0.self_attn.qkv_proj.weight".to_owned(), Some(192))]);
    let qkv = find("gpt_neox", "gpt_neox.layers.1.attention.query_key_value.bias");
    assert_eq!(qkv.change, Change::SplitQkv { heads: 4, head_dim: 24 });
    assert_eq!(find("llama", "lm_head.weight").parts, [("lm_head.weight".to_owned(), None)]);
    assert_eq!(find("qwen2", "lm_head.weight").parts, [("lm_head.weight".to_owned(), Some(50))]);
    let norm = find("gemma3_text", "language_model.model.norm.weight");
    assert_eq!((norm.change, norm.parts[0].0.as_str()), (Change::PlusOne, "model.norm.weight"));
}

#[test]
fn needless_tensors_are_those_of_layers() {
    let llama = Architecture::find("llama").unwrap();
    assert!(llama.ignores("model.layers.17.self_attn.rotary_emb.inv_freq"));
    for name in ["model.layers..self_attn.rotary_emb.inv_freq", "model.layers.x", "inv_freq"] {
        assert!(!llama.ignores(name), "{name}");
    }
}
