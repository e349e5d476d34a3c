//! `config.json` before upstream's classes read it: what `transformers` 5 says elsewhere is put where
//! they look, null is "not given", and what the architecture does not compute is refused instead of
//! dropped.

use serde_json::{Map, Value};

/// The classes that read `rope_parameters` themselves (mlc-ai/mlc-llm 79d603f0).
const READ_ROPE_PARAMETERS: [&str; 3] = ["ministral3", "qwen3_5", "qwen3_5_text"];

/// The kinds of RoPE scaling that upstream computes, by architecture: of Gemma 3, Ministral and
/// those of which the type is not listed, nothing is refused here. An older name of a kind stands
/// beside the newer one.
const SCALINGS: [(&str, &[&str]); 21] = [
    ("llama", &["llama3"]),
    ("mixtral", &["llama3"]),
    ("mistral", &[]),
    ("qwen", &[]),
    ("qwen2", &[]),
    ("qwen2_moe", &[]),
    ("qwen3", &[]),
    ("qwen3_moe", &[]),
    ("gemma", &[]),
    ("gemma2", &[]),
    ("phi", &[]),
    ("phi3", &["longrope", "su"]),
    ("phi3_v", &["longrope", "su"]),
    ("gpt_neox", &[]),
    ("stablelm", &[]),
    ("baichuan", &[]),
    ("orion", &[]),
    ("cohere", &[]),
    ("starcoder2", &[]),
    ("olmo", &["llama3", "longrope", "yarn"]),
    ("olmo2", &["llama3", "longrope", "yarn"]),
];

/// The activations that upstream computes, where it computes one, whatever `hidden_act` says.
const ACTIVATIONS: [(&str, &[&str]); 13] = [
    ("llama", SILU),
    ("mistral", SILU),
    ("mixtral", SILU),
    ("phi3", SILU),
    ("phi3_v", SILU),
    ("stablelm", SILU),
    ("internlm2", SILU),
    ("baichuan", SILU),
    ("orion", SILU),
    ("qwen2", &["silu", "gelu", "relu"]),
    ("qwen3", &["silu", "gelu", "relu"]),
    ("qwen2_moe", &["silu", "gelu", "relu"]),
    ("qwen3_moe", &["silu", "gelu", "relu"]),
];

/// Two names of one function.
const SILU: &[&str] = &["silu", "swish"];

/// Flags of biases that upstream's model has no parameters for.
const NO_BIASES: [(&str, &[&str]); 6] = [
    ("llama", &["attention_bias", "mlp_bias"]),
    ("mixtral", &["attention_bias", "mlp_bias"]),
    ("mistral", &["attention_bias", "mlp_bias"]),
    ("olmo", &["attention_bias"]),
    ("olmo2", &["attention_bias"]),
    ("phi3", &["attention_bias"]),
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
    let of = |table: &[(&str, &'static [&'static str])]| {
        table.iter().find(|(name, _)| *name == model_type).map(|(_, listed)| *listed)
    };
    if let Some(known) = of(&SCALINGS)
        && let Some(found) = fields.get("rope_scaling").and_then(kind)
        && !known.contains(&found)
    {
        return Err(format!(
            "`rope_scaling` is of the kind `{found:.40}`, which MLC LLM does not compute for \
             {model_type}: it would leave the scaling out, and the model would answer worse the \
             longer the text"
        ));
    }
    if let Some(known) = of(&ACTIVATIONS)
        && let Some(found) = fields.get("hidden_act").and_then(Value::as_str)
        && !known.contains(&found)
    {
        return Err(format!(
            "`hidden_act` is `{found:.40}`, and MLC LLM computes {} for {model_type} whatever it \
             says: the model would answer nonsense",
            known.join(", ")
        ));
    }
    for flag in of(&NO_BIASES).into_iter().flatten() {
        if fields.get(*flag).and_then(Value::as_bool) == Some(true) {
            return Err(format!(
                "`{flag}` is true, and MLC LLM's {model_type} has no such biases: it would leave \
                 the checkpoint's out"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{refuse, restate};

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
        ] {
            refuse(&object(fields), model_type).unwrap();
        }
    }
}
