//! `config.json` before upstream's classes read it: what `transformers` 5 says elsewhere is put where
//! they look, null is "not given", and what the architecture does not compute is refused instead of
//! dropped.

use serde_json::{Map, Value};

use crate::model::ConfigClass;

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

/// Those that need to be told how large a head is.
const TAKE_NO_HEAD_SIZE: [&str; 3] = ["qwen3", "qwen3-embedding", "qwen3_moe"];

/// Models of embeddings, which have no head to write with.
const EMBED: [&str; 3] = ["bert", "bert-bge", "qwen3-embedding"];

/// Ends of the names of classes that classify and do not write.
const WITHOUT_ANSWERS: [&str; 4] = [
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
];

/// What Llama 3's scaling is made of.
const LLAMA3: [&str; 4] =
    ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"];

/// Those that say by a field of another name which part of a head is rotated.
const ROTATE_A_PART: [&str; 3] = ["deepseek_v2", "deepseek_v3", "gpt_neox"];

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
    let inner = match fields.get_mut("text_config") {
        Some(Value::Object(text)) => restate_model(text, model_type),
        _ => false,
    };
    restate_model(fields, model_type) || inner
}

fn restate_model(fields: &mut Map<String, Value>, model_type: &str) -> bool {
    for name in ["head_dim", "rope_theta"] {
        if fields.get(name).is_some_and(Value::is_null) {
            fields.shift_remove(name);
        }
    }
    // Every class takes as many as there are heads, but some only where null is not said.
    if fields.get("num_key_value_heads").is_some_and(Value::is_null)
        && let Some(heads) = fields.get("num_attention_heads").cloned()
    {
        fields.insert("num_key_value_heads".to_owned(), heads);
    }
    let mut restated = false;
    if !READ_ROPE_PARAMETERS.contains(&model_type) {
        restated = restate_rope(fields, model_type);
        complete_llama3(fields);
    }
    let is_default = fields.get("rope_scaling").and_then(kind) == Some("default");
    if is_default {
        fields.insert("rope_scaling".to_owned(), Value::Null);
    }
    restated
}

fn restate_rope(fields: &mut Map<String, Value>, model_type: &str) -> bool {
    let mut moved = false;
    // What GPT-NeoX has called them; upstream takes 10000, whatever the first says.
    if model_type == "gpt_neox"
        && !fields.contains_key("rope_theta")
        && let Some(base) = fields.get("rotary_emb_base").filter(|base| base.as_f64() != Some(1e4))
    {
        fields.insert("rope_theta".to_owned(), base.clone());
        moved = true;
    }
    let parameters = fields.get("rope_parameters").and_then(Value::as_object);
    // Gemma 3 has one set for each kind of layer; upstream's base is that of the full attention.
    let full = parameters.and_then(|parameters| parameters.get("full_attention")?.as_object());
    let Some(mut scaling) = full.or(parameters).cloned() else {
        // Some have the base in the older place, beside the scaling.
        let base =
            fields.get("rope_scaling").and_then(|scaling| scaling.get("rope_theta")).cloned();
        if let Some(base) =
            base.filter(|base| !base.is_null() && !fields.contains_key("rope_theta"))
        {
            fields.insert("rope_theta".to_owned(), base);
            moved = true;
        }
        return moved;
    };
    for name in ["rope_theta", "partial_rotary_factor", "original_max_position_embeddings"] {
        let found = match name {
            // Llama 3's scaling needs it too.
            "original_max_position_embeddings" => scaling.get(name).cloned(),
            _ => scaling.shift_remove(name),
        };
        let name = match name {
            "partial_rotary_factor" if model_type == "gpt_neox" => "rotary_pct",
            name => name,
        };
        if let Some(value) = found.filter(|value| !value.is_null())
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

/// The number of positions before Llama 3's scaling may stand beside it.
fn complete_llama3(fields: &mut Map<String, Value>) {
    const POSITIONS: &str = "original_max_position_embeddings";
    let positions = fields.get(POSITIONS).filter(|value| value.is_u64()).cloned();
    if let Some(Value::Object(scaling)) = fields.get_mut("rope_scaling")
        && scaling.get("rope_type").and_then(Value::as_str) == Some("llama3")
        && !scaling.contains_key(POSITIONS)
    {
        scaling.extend(positions.map(|positions| (POSITIONS.to_owned(), positions)));
    }
}

/// The kind of a scaling, by its newer or its older name.
fn kind(scaling: &Value) -> Option<&str> {
    scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str)
}

/// What upstream would silently leave out.
pub(super) fn refuse(fields: &Map<String, Value>, model_type: &str) -> Result<(), String> {
    let inner = fields.get("text_config").and_then(Value::as_object);
    let field = |name: &str| inner.and_then(|inner| inner.get(name)).or_else(|| fields.get(name));
    for name in ["rope_parameters", "rope_scaling"] {
        if field(name).is_some_and(|value| !value.is_null() && !value.is_object()) {
            return Err(format!("`{name}` is not an object"));
        }
    }
    if let Some(base) = field("rope_theta").filter(|base| !base.is_number()) {
        return Err(format!("`rope_theta` is {:.40}, and a number is needed", base.to_string()));
    }
    // Upstream's model would take 0. transformers has a default in one version and derives it in others.
    if TAKE_NO_HEAD_SIZE.contains(&model_type)
        && field("hidden_size").is_some()
        && field("head_dim").is_none_or(Value::is_null)
    {
        return Err(format!(
            "it has no `head_dim`, and MLC LLM's {model_type} does not derive it: set it to the number \
             of weights in the tensor `model.layers.0.self_attn.q_norm.weight`"
        ));
    }
    let architectures = field("architectures").and_then(Value::as_array);
    let named = architectures.and_then(|names| names.first()?.as_str()).unwrap_or_default();
    if !EMBED.contains(&model_type) && WITHOUT_ANSWERS.iter().any(|end| named.ends_with(end)) {
        return Err(format!(
            "`architectures` says {named:.80}: that model classifies, and has no head that writes \
             text; converted, it would answer nonsense"
        ));
    }
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
    if let Some(scaling) = field("rope_scaling").and_then(Value::as_object)
        && of(&SCALINGS).is_some()
        && scaling.get("rope_type").and_then(Value::as_str) == Some("llama3")
        && let Some(lacking) =
            LLAMA3.iter().find(|name| !scaling.get(**name).is_some_and(Value::is_number))
    {
        return Err(format!(
            "`rope_scaling` is of the kind `llama3`, and has no `{lacking}`: MLC LLM's compiler \
             would fail"
        ));
    }
    let share = field("partial_rotary_factor").and_then(Value::as_f64);
    if let Some(share) = share.filter(|share| (share - 1.0).abs() > f64::EPSILON)
        && ConfigClass::of(model_type).is_some_and(|class| !class.has("partial_rotary_factor"))
        && of(&SCALINGS).is_some()
        && !ROTATE_A_PART.contains(&model_type)
    {
        return Err(format!(
            "`partial_rotary_factor` is {share}, and MLC LLM's {model_type} rotates whole heads: the \
             model would answer nonsense"
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
        let is_set =
            |value: &Value| value.as_bool().unwrap_or(value.as_f64().is_some_and(|n| n != 0.0));
        if field(flag).is_some_and(is_set) {
            return Err(format!(
                "`{flag}` is true, and MLC LLM's {model_type} has no such tensors: it would leave \
                 the checkpoint's out"
            ));
        }
    }
    Ok(())
}

/// The RoPE scaling that Gemma 3 is given and that upstream leaves out (79d603f0, `gemma3_model.py`).
pub(super) fn left_out_scaling(fields: &Map<String, Value>, model_type: &str) -> Option<String> {
    let inner = fields.get("text_config").filter(|_| model_type == "gemma3");
    let scaling = inner.and_then(|inner| inner.get("rope_scaling"));
    let scaling = scaling.or_else(|| fields.get("rope_scaling"))?;
    let is_gemma = ["gemma3", "gemma3_text"].contains(&model_type);
    let kind = kind(scaling).filter(|kind| is_gemma && *kind != "default")?;
    let factor = scaling.get("factor").and_then(Value::as_f64);
    let factor = factor.map_or_else(String::new, |factor| format!(" by {factor}"));
    Some(format!(
        "`rope_scaling` ({kind:.40}{factor}) is left out, as MLC LLM leaves it out of Gemma 3: the model \
         answers worse the longer the text"
    ))
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

    use super::{ACTIVATIONS, LEFT_OUT, SCALINGS, left_out_scaling, refuse, restate};
    use crate::convert::arch::Architecture;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("an object") };
        fields
    }

    #[test]
    fn a_classifier_is_refused_unless_its_encoder_is_what_is_wanted() {
        let classifies = object(json!({"architectures": ["XForSequenceClassification"]}));
        for name in Architecture::names() {
            let embeds = Architecture::find(name).is_some_and(|found| found.embeds.is_some());
            assert_eq!(refuse(&classifies, name).is_ok(), embeds, "{name}");
        }
    }

    #[test]
    fn the_scaling_that_gemma_3_loses_is_told() {
        let scaling = json!({"rope_type": "linear", "factor": 8.0});
        for (fields, model_type) in [
            (json!({"text_config": {"rope_scaling": scaling}}), "gemma3"),
            (json!({"rope_scaling": scaling}), "gemma3_text"),
        ] {
            let said = left_out_scaling(&object(fields), model_type).unwrap();
            assert!(said.contains("`rope_scaling` (linear by 8) is left out"), "{said}");
        }
        let none = json!({"rope_scaling": {"rope_type": "default"}});
        assert_eq!(left_out_scaling(&object(none), "gemma3_text"), None);
        assert_eq!(left_out_scaling(&object(json!({"rope_scaling": scaling})), "llama"), None);
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
    fn a_rotary_embedding_is_found_wherever_it_is() {
        // In the text model of one that sees.
        let text = json!({"head_dim": null, "rope_parameters": {"rope_theta": 5e5}});
        let (fields, moved) = restated(json!({"text_config": text}), "gemma3");
        assert!(moved && fields["text_config"].get("head_dim").is_none());
        assert_eq!(fields["text_config"]["rope_theta"], 5e5);
        // Beside the scaling, which stays as it is.
        let source = json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "rope_theta": 5e5},
            "original_max_position_embeddings": 32, "rope_theta": null});
        let (fields, moved) = restated(source, "llama");
        assert!(moved);
        assert_eq!(fields["rope_theta"], 5e5);
        assert_eq!(fields["rope_scaling"]["original_max_position_embeddings"], 32);
        let plain = json!({"rope_scaling": {"rope_type": "llama3",
            "original_max_position_embeddings": 32}});
        assert_eq!(restated(plain.clone(), "llama"), (plain, false));
        // By GPT-NeoX's own names.
        let source = json!({"rotary_emb_base": 50000, "rotary_pct": 0.25});
        let (fields, moved) = restated(source, "gpt_neox");
        assert!(moved && fields["rope_theta"] == 50000);
        let source = json!({"rotary_emb_base": 10000, "rotary_pct": 0.25});
        assert_eq!(restated(source.clone(), "gpt_neox"), (source, false));
        let source =
            json!({"rope_parameters": {"rope_theta": 10000, "partial_rotary_factor": 0.25}});
        let (fields, _) = restated(source, "gpt_neox");
        assert_eq!(fields["rotary_pct"], 0.25);
        let source = json!({"rope_parameters": {"rope_theta": null}});
        assert!(!restated(source, "llama").1);
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
            ("llama", json!({"attention_bias": 1}), "attention_bias"),
            ("llama", json!({"rope_parameters": [1]}), "rope_parameters"),
            ("llama", json!({"rope_theta": "1e6"}), "rope_theta"),
            ("mistral", json!({"partial_rotary_factor": 0.5}), "partial_rotary_factor"),
            (
                "llama",
                json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                    "original_max_position_embeddings": 32}}),
                "rope_scaling",
            ),
        ] {
            let why = refuse(&object(fields), model_type).unwrap_err();
            assert!(why.starts_with(&format!("`{field}`")), "{why}");
        }
        for (model_type, fields) in [
            (
                "llama",
                json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1,
                    "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
                    "hidden_act": "silu", "mlp_bias": false, "partial_rotary_factor": 1.0}),
            ),
            ("phi3", json!({"partial_rotary_factor": 0.75})),
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
