//! `config.json` before upstream's classes read it: what `transformers` 5 says elsewhere is put where
//! they look, null is "not given", and what the architecture does not compute is refused instead of
//! dropped.

use serde_json::{Map, Value};

/// The classes that read `rope_parameters` themselves (mlc-ai/mlc-llm 79d603f0).
const READ_ROPE_PARAMETERS: [&str; 3] = ["ministral3", "qwen3_5", "qwen3_5_text"];

/// The kinds of RoPE scaling that upstream computes, by architecture. Of Gemma 3, Ministral, Llama 4
/// and those whose configs have none, nothing is refused here. An older name of a kind stands beside
/// the newer one.
const SCALINGS: [(&str, &[&str]); 29] = [
    ("llama", &["llama3"]),
    ("mixtral", &["llama3"]),
    ("mistral", &[]),
    ("qwen", &[]),
    ("qwen2", &[]),
    ("qwen2_moe", &[]),
    ("qwen3", &[]),
    ("qwen3-embedding", &[]),
    ("qwen3_moe", &[]),
    ("gemma", &[]),
    ("gemma2", &[]),
    ("phi", &[]),
    ("phi3", &["longrope", "su"]),
    ("phi3_v", &["longrope", "su"]),
    ("gpt_neox", &[]),
    ("stablelm", &[]),
    ("baichuan", &[]),
    ("internlm", &[]),
    ("internlm2", &[]),
    ("minicpm", &[]),
    ("orion", &[]),
    ("cohere", &[]),
    ("deepseek", &[]),
    ("deepseek_v2", &["yarn"]),
    ("deepseek_v3", &["yarn"]),
    ("starcoder2", &[]),
    ("nemotron", &["llama3", "longrope", "yarn"]),
    ("olmo", &["llama3", "longrope", "yarn"]),
    ("olmo2", &["llama3", "longrope", "yarn"]),
];

/// The activations that upstream computes, and the field that names one. Gemma's classes refuse
/// others themselves; ChatGLM, Qwen 1 and RWKV have no such field.
const ACTIVATIONS: [(&str, &str, &[&str]); 34] = [
    ("llama", "hidden_act", SILU),
    ("llama4", "hidden_act", SILU),
    ("mistral", "hidden_act", SILU),
    ("mixtral", "hidden_act", SILU),
    ("phi3", "hidden_act", SILU),
    ("phi3_v", "hidden_act", SILU),
    ("stablelm", "hidden_act", SILU),
    ("internlm", "hidden_act", SILU),
    ("internlm2", "hidden_act", SILU),
    ("baichuan", "hidden_act", SILU),
    ("orion", "hidden_act", SILU),
    ("cohere", "hidden_act", SILU),
    // These three look for a function of the name, and then compute this one.
    ("deepseek", "hidden_act", SILU),
    ("deepseek_v2", "hidden_act", SILU),
    ("deepseek_v3", "hidden_act", SILU),
    ("minicpm", "hidden_act", SILU),
    ("nemotron", "hidden_act", &["relu2"]),
    ("gpt_neox", "hidden_act", GELU),
    ("phi", "hidden_act", GELU),
    ("starcoder2", "hidden_act", GELU),
    ("gpt2", "activation_function", GELU),
    ("gpt_bigcode", "activation_function", GELU),
    ("phi-msft", "activation_function", GELU),
    ("bert", "hidden_act", NAMED),
    ("bert-bge", "hidden_act", NAMED),
    ("ministral3", "hidden_act", NAMED),
    ("olmo", "hidden_act", NAMED),
    ("olmo2", "hidden_act", NAMED),
    ("qwen2", "hidden_act", NAMED),
    ("qwen2_moe", "hidden_act", NAMED),
    ("qwen3", "hidden_act", NAMED),
    ("qwen3-embedding", "hidden_act", NAMED),
    ("qwen3_moe", "hidden_act", NAMED),
    ("qwen3_5", "hidden_act", &["silu", "gelu", "relu"]),
];

/// Two names of one function.
const SILU: &[&str] = &["silu", "swish"];

/// One function, and ways to come near it: upstream takes one of them, whichever is named.
const GELU: &[&str] = &["gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh"];

/// What upstream looks up by its name (`ACT2FN`).
const NAMED: &[&str] = &["silu", "swish", "gelu", "gelu_new", "relu"];

/// Flags of biases and norms that upstream's model has no parameters for.
const LEFT_OUT: [(&str, &[&str]); 12] = [
    ("llama", &["attention_bias", "mlp_bias"]),
    ("mixtral", &["attention_bias", "mlp_bias"]),
    ("mistral", &["attention_bias", "mlp_bias"]),
    ("olmo", &["attention_bias"]),
    ("olmo2", &["attention_bias"]),
    ("phi3", &["attention_bias"]),
    ("cohere", &["attention_bias", "use_qk_norm"]),
    ("minicpm", &["attention_bias"]),
    ("nemotron", &["attention_bias"]),
    ("orion", &["attention_bias"]),
    ("phi", &["qk_layernorm"]),
    ("stablelm", &["qk_layernorm"]),
];

/// Puts fields where upstream looks for them. Whether the rotary embedding was among them.
pub(super) fn restate(fields: &mut Map<String, Value>, model_type: &str) -> bool {
    if fields.get("head_dim").is_some_and(Value::is_null) {
        fields.shift_remove("head_dim");
    }
    // Every class takes as many as there are heads, but some only where null is not said.
    if fields.get("num_key_value_heads").is_some_and(Value::is_null)
        && let Some(heads) = fields.get("num_attention_heads").cloned()
    {
        fields.insert("num_key_value_heads".to_owned(), heads);
    }
    let restated = !READ_ROPE_PARAMETERS.contains(&model_type) && restate_rope(fields);
    let is_default = fields.get("rope_scaling").and_then(kind) == Some("default");
    if is_default {
        fields.insert("rope_scaling".to_owned(), Value::Null);
    }
    restated
}

fn restate_rope(fields: &mut Map<String, Value>) -> bool {
    let Some(Value::Object(parameters)) = fields.get("rope_parameters").cloned() else {
        return false;
    };
    // Gemma 3 has one set for each kind of layer; upstream's base is that of the full attention.
    let mut scaling = match parameters.get("full_attention") {
        Some(Value::Object(full)) => full.clone(),
        _ => parameters,
    };
    let mut moved = false;
    for name in ["rope_theta", "partial_rotary_factor", "original_max_position_embeddings"] {
        let found = match name {
            // Llama 3's scaling needs it too.
            "original_max_position_embeddings" => scaling.get(name).cloned(),
            _ => scaling.shift_remove(name),
        };
        if let Some(value) = found
            && fields.get(name).is_none_or(Value::is_null)
        {
            fields.insert(name.to_owned(), value);
            moved |= name == "rope_theta";
        }
    }
    let given = fields.get("rope_scaling").is_some_and(|value| !value.is_null());
    let name = kind(&Value::Object(scaling.clone())).map(str::to_owned);
    if let Some(name) = name.filter(|name| !given && name != "default") {
        // Phi-3's class looks for `type`, the others for `rope_type`.
        scaling.insert("type".to_owned(), name.clone().into());
        scaling.insert("rope_type".to_owned(), name.into());
        fields.insert("rope_scaling".to_owned(), Value::Object(scaling));
        moved = true;
    }
    moved
}

/// The kind of a scaling, by its newer or its older name.
fn kind(scaling: &Value) -> Option<&str> {
    scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str)
}

/// What upstream would silently leave out.
pub(super) fn refuse(fields: &Map<String, Value>, model_type: &str) -> Result<(), String> {
    let inner = fields.get("text_config").and_then(Value::as_object);
    let field = |name: &str| inner.and_then(|inner| inner.get(name)).or_else(|| fields.get(name));
    // The text of a model that sees has the same model.
    let model_type = if model_type == "qwen3_5_text" { "qwen3_5" } else { model_type };
    let of = |table: &[(&str, &'static [&'static str])]| {
        table.iter().find(|(name, _)| *name == model_type).map(|(_, listed)| *listed)
    };
    if let Some(known) = of(&SCALINGS)
        && let Some(found) = field("rope_scaling").and_then(kind)
        && !known.contains(&found)
    {
        return Err(format!(
            "`rope_scaling` is of the kind `{found:.40}`, which MLC LLM does not compute for \
             {model_type}: it would leave the scaling out, and the model would answer worse the \
             longer the text"
        ));
    }
    if let Some((_, name, known)) = ACTIVATIONS.iter().find(|(name, ..)| *name == model_type)
        && let Some(found) = field(name).and_then(Value::as_str)
        && !known.contains(&found)
    {
        return Err(format!(
            "`{name}` is `{found:.40}`, and MLC LLM computes {} for {model_type} whatever it \
             says: the model would answer nonsense",
            known.join(", ")
        ));
    }
    for flag in of(&LEFT_OUT).into_iter().flatten() {
        if field(flag).and_then(Value::as_bool) == Some(true) {
            return Err(format!(
                "`{flag}` is true, and MLC LLM's {model_type} has no such tensors: it would leave \
                 the checkpoint's out"
            ));
        }
    }
    Ok(())
}

/// The method of a config's `quantization_config`, if it has one.
pub(super) fn quant_method(config: &Map<String, Value>) -> Option<String> {
    let found = config.get("quantization_config").filter(|found| !found.is_null())?;
    let method = found.get("quant_method").and_then(Value::as_str).unwrap_or("unknown");
    Some(method.chars().take(40).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{ACTIVATIONS, LEFT_OUT, SCALINGS, refuse, restate};
    use crate::convert::arch::Architecture;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("an object") };
        fields
    }

    fn restated(value: Value, model_type: &str) -> (Value, bool) {
        let mut fields = object(value);
        let moved = restate(&mut fields, model_type);
        (Value::Object(fields), moved)
    }

    #[test]
    fn the_rotary_embedding_of_transformers_5_is_found() {
        let llama3 = json!({"rope_theta": 5e5, "rope_type": "llama3", "factor": 32.0,
            "original_max_position_embeddings": 8192});
        let (fields, moved) = restated(json!({"rope_parameters": llama3}), "llama");
        assert!(moved);
        assert_eq!(fields["rope_theta"], 5e5);
        assert_eq!(fields["rope_scaling"]["rope_type"], "llama3");
        assert_eq!(fields["rope_scaling"]["original_max_position_embeddings"], 8192);
        assert!(fields["rope_scaling"].get("rope_theta").is_none());
        let partial = json!({"rope_theta": 1e4, "rope_type": "default",
            "partial_rotary_factor": 0.25});
        let (fields, moved) = restated(json!({"rope_parameters": partial}), "stablelm");
        assert!(moved);
        assert_eq!(fields["partial_rotary_factor"], 0.25);
        assert!(fields.get("rope_scaling").is_none());
        let layers = json!({"full_attention": {"rope_theta": 1e6, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"}});
        let (fields, _) = restated(json!({"rope_parameters": layers}), "gemma3_text");
        assert_eq!(fields["rope_theta"], 1e6);
    }

    #[test]
    fn what_is_said_the_old_way_wins_and_some_classes_read_it_themselves() {
        let both = json!({"rope_theta": 7, "rope_parameters": {"rope_theta": 8}});
        let (fields, moved) = restated(both.clone(), "llama");
        assert!(!moved);
        assert_eq!(fields["rope_theta"], 7);
        let own = json!({"rope_parameters": {"rope_theta": 8}});
        assert_eq!(restated(own.clone(), "ministral3"), (own, false));
    }

    #[test]
    fn null_is_not_given_and_default_is_no_scaling() {
        let source = json!({"head_dim": null, "num_key_value_heads": null,
            "num_attention_heads": 8, "rope_scaling": {"rope_type": "default"}});
        let (fields, _) = restated(source, "llama");
        assert_eq!(
            fields,
            json!({"num_key_value_heads": 8, "num_attention_heads": 8, "rope_scaling": null})
        );
    }

    #[test]
    fn what_upstream_would_leave_out_is_refused_by_its_field() {
        for (model_type, fields, field) in [
            ("llama", json!({"rope_scaling": {"type": "linear", "factor": 2.0}}), "rope_scaling"),
            ("qwen2", json!({"rope_scaling": {"rope_type": "yarn"}}), "rope_scaling"),
            ("gemma", json!({"rope_scaling": {"type": "dynamic"}}), "rope_scaling"),
            ("llama", json!({"hidden_act": "gelu"}), "hidden_act"),
            ("llama", json!({"mlp_bias": true}), "mlp_bias"),
            ("mistral", json!({"attention_bias": true}), "attention_bias"),
            ("internlm2", json!({"rope_scaling": {"type": "dynamic"}}), "rope_scaling"),
            ("deepseek_v2", json!({"rope_scaling": {"type": "linear"}}), "rope_scaling"),
            ("gpt2", json!({"activation_function": "relu"}), "activation_function"),
            ("nemotron", json!({"hidden_act": "silu"}), "hidden_act"),
            ("qwen2", json!({"hidden_act": "mish"}), "hidden_act"),
            ("llama4", json!({"text_config": {"hidden_act": "gelu"}}), "hidden_act"),
            ("qwen3_5_text", json!({"hidden_act": "swish"}), "hidden_act"),
            ("cohere", json!({"use_qk_norm": true}), "use_qk_norm"),
            ("stablelm", json!({"qk_layernorm": true}), "qk_layernorm"),
        ] {
            let why = refuse(&object(fields), model_type).unwrap_err();
            assert!(why.starts_with(&format!("`{field}`")), "{why}");
        }
        for (model_type, fields) in [
            (
                "llama",
                json!({"rope_scaling": {"rope_type": "llama3"}, "hidden_act": "silu",
                "mlp_bias": false}),
            ),
            ("phi3", json!({"rope_scaling": {"type": "su"}})),
            ("gemma3_text", json!({"rope_scaling": {"rope_type": "linear", "factor": 8.0}})),
            ("qwen3", json!({"attention_bias": true, "hidden_act": "gelu"})),
            ("qwen2", json!({"hidden_act": "swish"})),
            ("gpt_bigcode", json!({"activation_function": "gelu_pytorch_tanh"})),
            ("deepseek_v2", json!({"rope_scaling": {"type": "yarn"}, "hidden_act": "silu"})),
            ("chatglm", json!({"hidden_act": "whatever"})),
        ] {
            refuse(&object(fields), model_type).unwrap();
        }
    }

    #[test]
    fn the_tables_are_of_architectures() {
        let named = SCALINGS.iter().chain(&LEFT_OUT).map(|(name, _)| *name);
        for name in named.chain(ACTIVATIONS.iter().map(|(name, ..)| *name)) {
            assert!(Architecture::find(name).is_some(), "{name}");
        }
    }
}
