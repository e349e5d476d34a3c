//! Configs that are refused: what upstream would silently leave out of the model, and values that no
//! model has.

use serde_json::{Map, Value};

use super::{Fields, kind};
use crate::model::{ConfigClass, Refused};

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

/// Numbers above 0.
const POSITIVE: [&str; 6] = [
    "rope_theta",
    "rms_norm_eps",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "norm_eps",
    "layernorm_epsilon",
];

/// Whole numbers above 0.
const COUNTS: [&str; 4] =
    ["max_position_embeddings", "max_sequence_length", "n_positions", "seq_length"];

/// What the experts are called of which each token takes some.
pub(in crate::convert) const EXPERTS: [&str; 3] =
    ["num_experts", "num_local_experts", "n_routed_experts"];

/// Models of embeddings, which have no head to write with.
const EMBED: [&str; 3] = ["bert", "bert-bge", "qwen3-embedding"];

/// Ends of the names of classes that judge or classify texts, and do not write any.
const WITHOUT_ANSWERS: [&str; 6] = [
    "ForRewardModel",
    "ForProcessRewardModel",
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

/// What upstream computes whatever a field says.
const FIXED: [(&str, &str, Fixed); 10] = [
    ("stablelm", "use_parallel_residual", Fixed::Flag(false)),
    ("chatglm", "rope_ratio", Fixed::One),
    ("chatglm", "apply_residual_connection_post_layernorm", Fixed::Flag(false)),
    ("gpt_bigcode", "multi_query", Fixed::Flag(true)),
    ("deepseek", "scoring_func", Fixed::Text("softmax")),
    ("bert", "position_embedding_type", Fixed::Text("absolute")),
    ("bert-bge", "position_embedding_type", Fixed::Text("absolute")),
    ("gemma3", "use_bidirectional_attention", Fixed::Flag(false)),
    ("gemma3_text", "use_bidirectional_attention", Fixed::Flag(false)),
    ("internlm", "rotary", Fixed::Base),
];

/// What a field has to be.
enum Fixed {
    Flag(bool),
    Text(&'static str),
    /// The number 1.
    One,
    /// An object whose `base`, if it has one, is 10000.
    Base,
}

/// Fields that upstream's model needs and its class does not require, and another name of each.
const NEEDED: [(&str, &str, &str); 4] = [
    ("gemma2", "sliding_window", ""),
    ("gemma2", "query_pre_attn_scalar", ""),
    ("gemma3", "sliding_window", "sliding_window_size"),
    ("gemma3_text", "sliding_window", "sliding_window_size"),
];

/// Why a config is not converted, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    pub(in crate::convert) why: String,
    pub(in crate::convert) help: Option<String>,
}

/// What to do where MLC LLM computes another model than the config says.
const ANOTHER_MODEL: &str =
    "MLC LLM cannot run this model; if the field is wrong, correct it in config.json";

/// What to do where a field is not there.
const ADD: &str = "add it to config.json with the value that the model was trained with: \
                   transformers omits values that equal its own defaults";

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let help = refused.is_missing().then(|| ADD.to_owned());
        Self { why: refused.to_string(), help }
    }
}

/// What upstream would silently leave out, and values that no model has.
pub(in crate::convert) fn refuse(
    fields: &Map<String, Value>,
    model_type: &str,
) -> Result<(), Refusal> {
    let fields = Fields::new(fields);
    let refused = |why: String, help: &str| Err(Refusal { why, help: Some(help.to_owned()) });
    if let Some(why) = odd_value(fields) {
        return refused(why, "config.json is damaged, or was edited");
    }
    // Upstream's model would take 0. transformers has a default in one version and derives it in others.
    if TAKE_NO_HEAD_SIZE.contains(&model_type)
        && fields.get("hidden_size").is_some()
        && fields.get("head_dim").is_none()
    {
        return refused(
            format!("it has no `head_dim`, and MLC LLM's {model_type} does not derive it"),
            "set it to the number of weights in the tensor \
             `model.layers.0.self_attn.q_norm.weight`",
        );
    }
    let architectures = fields.get("architectures").and_then(Value::as_array);
    let named = architectures.and_then(|names| names.first()?.as_str()).unwrap_or_default();
    if !EMBED.contains(&model_type) && WITHOUT_ANSWERS.iter().any(|end| named.ends_with(end)) {
        return refused(
            format!(
                "`architectures` says {named:.80}: that model judges texts, and has no head that \
                 writes any; converted, it would answer nonsense"
            ),
            "name the checkpoint of a model that writes text",
        );
    }
    // The text of a model that sees has the same model.
    let model_type = if model_type == "qwen3_5_text" { "qwen3_5" } else { model_type };
    refuse_rope(fields, model_type)?;
    if let Some((_, name, known)) = ACTIVATIONS.iter().find(|(name, ..)| *name == model_type)
        && let Some(found) = fields.get(name).and_then(Value::as_str)
        && !known.contains(&found)
    {
        let computes = match known {
            [one] | [one, "swish"] => format!("always computes `{one}`"),
            _ if *known == GELU => "always computes `gelu`".to_owned(),
            _ => format!("computes only {}", known.join(", ")),
        };
        return refused(
            format!(
                "`{name}` is `{found:.40}`, but MLC LLM's {model_type} {computes}: the model would \
                 answer nonsense"
            ),
            ANOTHER_MODEL,
        );
    }
    refuse_fixed(fields, model_type)?;
    for flag in of(&LEFT_OUT, model_type).into_iter().flatten() {
        let is_set =
            |value: &Value| value.as_bool().unwrap_or(value.as_f64().is_some_and(|n| n != 0.0));
        if fields.get(flag).is_some_and(is_set) {
            return refused(
                format!(
                    "`{flag}` is true, but MLC LLM's {model_type} has no such tensors: those of the \
                     checkpoint would be left out"
                ),
                &format!(
                    "MLC LLM cannot run this model; if the checkpoint has no such tensors, set \
                     `{flag}` to false in config.json"
                ),
            );
        }
    }
    Ok(())
}

fn refuse_fixed(fields: Fields<'_>, model_type: &str) -> Result<(), Refusal> {
    let needs = NEEDED.iter().filter(|(name, ..)| *name == model_type);
    let mut lacking = needs
        .filter(|(_, field, other)| fields.get(field).is_none() && fields.get(other).is_none());
    if let Some((_, field, _)) = lacking.next().filter(|_| fields.get("hidden_size").is_some()) {
        let why = format!("it has no `{field}`, which MLC LLM's {model_type} needs");
        return Err(Refusal { why, help: Some(ADD.to_owned()) });
    }
    let fixed = FIXED.iter().filter(|(name, ..)| *name == model_type);
    for (field, value, fixed) in
        fixed.filter_map(|(_, field, fixed)| Some((field, fields.get(field)?, fixed)))
    {
        let (is_right, computes) = match fixed {
            Fixed::Flag(flag) => (value.as_bool() == Some(*flag), format!("it were {flag}")),
            Fixed::Text(text) => (value.as_str() == Some(text), format!("it were `{text}`")),
            Fixed::One => (value.as_f64() == Some(1.0), "it were 1".to_owned()),
            Fixed::Base => {
                let base = value.get("base").and_then(Value::as_f64);
                (
                    base.is_none_or(|base| (base - 1e4).abs() < f64::EPSILON),
                    "its `base` were 10000".to_owned(),
                )
            }
        };
        if !is_right {
            let why = format!(
                "`{field}` is {:.60}, but MLC LLM's {model_type} computes as if {computes}: the model \
                 would answer nonsense",
                value.to_string()
            );
            return Err(Refusal { why, help: Some(ANOTHER_MODEL.to_owned()) });
        }
    }
    Ok(())
}

/// What a table says of an architecture.
fn of(
    table: &[(&str, &'static [&'static str])],
    model_type: &str,
) -> Option<&'static [&'static str]> {
    table.iter().find(|(name, _)| *name == model_type).map(|(_, listed)| *listed)
}

/// A value that no model has.
fn odd_value(fields: Fields<'_>) -> Option<String> {
    let said = |name: &str, value: &Value, wanted: &str| {
        Some(format!("`{name}` is {:.40}, and {wanted} is needed", value.to_string()))
    };
    let find = |names: &[&'static str], is_right: fn(&Value) -> bool| {
        let given = names.iter().filter_map(|name| Some((*name, fields.get(name)?)));
        given.into_iter().find(|(_, value)| !is_right(value))
    };
    if let Some((name, value)) = find(&["rope_parameters", "rope_scaling"], Value::is_object) {
        return said(name, value, "an object");
    }
    let is_positive = |value: &Value| value.as_f64().is_some_and(|value| value > 0.0);
    if let Some((name, value)) = find(&POSITIVE, is_positive) {
        return said(name, value, "a number above 0");
    }
    let is_count = |value: &Value| value.as_u64().is_some_and(|count| count > 0);
    if let Some((name, value)) = find(&COUNTS, is_count) {
        return said(name, value, "a whole number above 0");
    }
    const TAKEN: &str = "num_experts_per_tok";
    let experts = EXPERTS.iter().find_map(|name| Some((*name, fields.get(name)?.as_u64()?)));
    let taken = fields.get(TAKEN)?;
    match experts.filter(|(_, count)| *count > 0) {
        Some((_, count)) if taken.as_u64().is_some_and(|taken| (1..=count).contains(&taken)) => {
            None
        }
        Some((name, count)) => said(TAKEN, taken, &format!("1 to {count} (`{name}`)")),
        None => None,
    }
}

/// What upstream's rotary embedding does not do.
fn refuse_rope(fields: Fields<'_>, model_type: &str) -> Result<(), Refusal> {
    let refused = |why: String, help: Option<String>| Err(Refusal { why, help });
    let Some(known) = of(&SCALINGS, model_type) else { return Ok(()) };
    if let Some(scaling) = fields.get("rope_scaling")
        && let Some(found) = kind(scaling)
    {
        if !known.contains(&found) {
            return refused(
                format!(
                    "`rope_scaling` is of the kind `{found:.40}`, which MLC LLM does not compute for \
                     {model_type}: it would leave the scaling out, and the model would answer worse \
                     the longer the text"
                ),
                Some(without_scaling(fields, scaling, found)),
            );
        }
        let is_number = |name: &&&str| scaling.get(**name).is_some_and(Value::is_number);
        let lacking = LLAMA3.iter().find(|name| !is_number(name));
        if let Some(lacking) = lacking.filter(|_| found == "llama3") {
            return refused(
                format!(
                    "`rope_scaling` is of the kind `llama3`, and has no `{lacking}`: MLC LLM's \
                     compiler would fail"
                ),
                Some("config.json is damaged, or was edited".to_owned()),
            );
        }
    }
    const TRAINED: &str = "original_max_position_embeddings";
    let scaling = fields.get("rope_scaling").and_then(kind);
    if ["phi3", "phi3_v"].contains(&model_type)
        && scaling.is_some()
        && fields.get("hidden_size").is_some()
        && fields.get(TRAINED).is_none()
    {
        return refused(
            format!(
                "it has no `{TRAINED}`, which its `rope_scaling` needs: MLC LLM's compiler would fail"
            ),
            Some(ADD.to_owned()),
        );
    }
    let share = fields.get("partial_rotary_factor").and_then(Value::as_f64);
    if let Some(share) = share.filter(|share| (share - 1.0).abs() > f64::EPSILON)
        && ConfigClass::of(model_type).is_some_and(|class| !class.has("partial_rotary_factor"))
        && !ROTATE_A_PART.contains(&model_type)
    {
        return refused(
            format!(
                "`partial_rotary_factor` is {share}, but MLC LLM's {model_type} rotates whole heads: \
                 the model would answer nonsense"
            ),
            Some(ANOTHER_MODEL.to_owned()),
        );
    }
    Ok(())
}

/// What to do about a scaling that upstream does not compute. Two kinds change nothing up to the
/// length that the model was trained with: `dynamic`, and YaRN unless the model was trained on with it.
fn without_scaling(fields: Fields<'_>, scaling: &Value, kind: &str) -> String {
    let is_finetuned = scaling.get("finetuned").and_then(Value::as_bool) == Some(true);
    if !(kind == "dynamic" || kind == "yarn" && !is_finetuned) {
        return ANOTHER_MODEL.to_owned();
    }
    let count = |value: Option<&Value>| value.and_then(Value::as_u64);
    let trained = count(scaling.get("original_max_position_embeddings"))
        .or_else(|| count(fields.get("original_max_position_embeddings")));
    let positions = count(fields.get("max_position_embeddings"));
    match if kind == "dynamic" { trained.or(positions) } else { trained } {
        Some(positions) => {
            format!(
                "the model does not need it for up to {positions} tokens: remove `rope_scaling` from \
                 config.json, and set `max_position_embeddings` to {positions} there"
            )
        }
        None => "the model does not need it up to the length that it was trained with: remove `rope_scaling` \
              from config.json, and set `max_position_embeddings` to that length there"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{ACTIVATIONS, FIXED, LEFT_OUT, NEEDED, SCALINGS, refuse};
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
            ("llama", json!({"rms_norm_eps": "x"}), "rms_norm_eps"),
            ("stablelm", json!({"use_parallel_residual": true}), "use_parallel_residual"),
            ("chatglm", json!({"rope_ratio": 50}), "rope_ratio"),
            ("gpt_bigcode", json!({"multi_query": false}), "multi_query"),
            ("bert", json!({"position_embedding_type": "relative_key"}), "position_embedding_type"),
            ("internlm", json!({"rotary": {"base": 1e6}}), "rotary"),
            (
                "gemma3_text",
                json!({"use_bidirectional_attention": true}),
                "use_bidirectional_attention",
            ),
            ("llama", json!({"max_position_embeddings": -1}), "max_position_embeddings"),
            (
                "qwen2_moe",
                json!({"num_experts": 8, "num_experts_per_tok": 99}),
                "num_experts_per_tok",
            ),
            ("gemma3", json!({"text_config": {"rms_norm_eps": 0}}), "rms_norm_eps"),
            (
                "llama",
                json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                    "original_max_position_embeddings": 32}}),
                "rope_scaling",
            ),
        ] {
            let refused = refuse(&object(fields), model_type).unwrap_err();
            assert!(refused.why.starts_with(&format!("`{field}`")), "{refused}");
            assert!(refused.help.is_some(), "{refused}");
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
            ("mixtral", json!({"num_local_experts": 8, "num_experts_per_tok": 2})),
            ("llama", json!({"max_position_embeddings": null, "sliding_window": null})),
            ("gemma3_text", json!({"rope_scaling": {"rope_type": "linear", "factor": 8.0}})),
            ("qwen3", json!({"attention_bias": true, "hidden_act": "gelu"})),
            ("qwen2", json!({"hidden_act": "swish"})),
            ("gpt_bigcode", json!({"activation_function": "gelu_pytorch_tanh"})),
            ("deepseek_v2", json!({"rope_scaling": {"type": "yarn"}, "hidden_act": "silu"})),
            ("chatglm", json!({"hidden_act": "whatever", "rope_ratio": 1})),
            ("internlm", json!({"rotary": {"base": 10000, "type": "dynamic"}})),
            ("stablelm", json!({"use_parallel_residual": null})),
            ("gemma2", json!({"hidden_size": 8, "sliding_window": 4, "query_pre_attn_scalar": 8})),
        ] {
            refuse(&object(fields), model_type).unwrap();
        }
    }

    #[test]
    fn only_what_can_do_without_a_scaling_is_told_to() {
        let help = |scaling: Value| {
            let fields = json!({"max_position_embeddings": 4096, "rope_scaling": scaling});
            refuse(&object(fields), "qwen2").unwrap_err().help.unwrap()
        };
        let dynamic = help(json!({"type": "dynamic", "factor": 2.0}));
        assert!(
            dynamic.starts_with("the model does not need it for up to 4096 tokens: remove"),
            "{dynamic}"
        );
        let yarn = json!({"rope_type": "yarn", "original_max_position_embeddings": 2048});
        assert!(
            help(yarn.clone())
                .starts_with("the model does not need it for up to 2048 tokens: remove")
        );
        let mut finetuned = yarn;
        finetuned["finetuned"] = true.into();
        for scaling in [finetuned, json!({"type": "linear"}), json!({"type": "longrope"})] {
            assert!(help(scaling).starts_with("MLC LLM cannot run this model"));
        }
    }

    #[test]
    fn what_a_class_does_not_ask_for_and_the_model_needs_is_asked_for() {
        let fields = json!({"hidden_size": 8, "query_pre_attn_scalar": 8});
        let refused = refuse(&object(fields), "gemma2").unwrap_err();
        assert_eq!(refused.why, "it has no `sliding_window`, which MLC LLM's gemma2 needs");
        assert!(refused.help.unwrap().starts_with("add it to config.json"));
    }

    #[test]
    fn the_tables_are_of_architectures() {
        let named = SCALINGS.iter().chain(&LEFT_OUT).map(|(name, _)| *name);
        let named = named.chain(FIXED.iter().map(|(name, ..)| *name));
        let named = named.chain(NEEDED.iter().map(|(name, ..)| *name));
        for name in named.chain(ACTIVATIONS.iter().map(|(name, ..)| *name)) {
            assert!(Architecture::find(name).is_some(), "{name}");
        }
    }
}
