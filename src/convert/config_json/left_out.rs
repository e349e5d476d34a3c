//! What upstream leaves out of a model, and converts it all the same: it answers, and not quite as the
//! checkpoint would.

use serde_json::{Map, Value};

use super::{Fields, GEMMA3_BASE, READ_ROPE_PARAMETERS, kind};

/// The base of Gemma 3's layers with a window where its config does not say so.
const GEMMA3_LOCAL_BASE: f64 = 1e4;

/// Of upstream's layers, every one with a number that this divides has no window.
const GEMMA3_PATTERN: u64 = 6;

/// Architectures whose models in transformers have sliding windows, and upstream's have none.
const WINDOWED: [&str; 9] = [
    "mixtral",
    "phi3",
    "phi3_v",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3-embedding",
    "qwen3_moe",
    "starcoder2",
];

/// A warning for each field that upstream ignores (mlc-ai/mlc-llm 79d603f0). `context` is the context
/// window in tokens, if it is not to be that of the config.
pub(in crate::convert) fn left_out(
    fields: &Map<String, Value>,
    model_type: &str,
    context: Option<u64>,
) -> Vec<String> {
    let fields = Fields::new(fields);
    let mut lines = Vec::new();
    if ["gemma3", "gemma3_text"].contains(&model_type) {
        lines.extend(gemma3_scaling(fields));
        lines.extend(gemma3_local_base(fields));
        lines.extend(gemma3_pattern(fields));
    }
    if ["deepseek_v2", "deepseek_v3"].contains(&model_type) {
        lines.extend(deepseek_scaling(fields, model_type));
    }
    lines.extend(window(fields, model_type, context));
    lines.extend(fields.get("logit_scale").and_then(|scale| logit_scale(scale, model_type)));
    if model_type == "baichuan" && fields.get("z_loss_weight").is_some() {
        lines.push(
            "MLC LLM's baichuan does not normalize the weights of the last layer, as Baichuan 2 does: \
             the model answers differently from the checkpoint"
                .to_owned(),
        );
    }
    if fields.get("dual_chunk_attention_config").is_some() {
        lines.push(
            "`dual_chunk_attention_config` is left out, because MLC LLM does not compute it: set \
             `context_window_size` to the length that the model was trained with"
                .to_owned(),
        );
    }
    lines.extend(two_bases(fields, model_type));
    lines.extend(factors(fields));
    lines
}

fn gemma3_scaling(fields: Fields<'_>) -> Option<String> {
    let scaling = fields.get("rope_scaling")?;
    let kind = kind(scaling).filter(|kind| *kind != "default")?;
    let factor = scaling.get("factor").and_then(Value::as_f64);
    let factor = factor.map_or_else(String::new, |factor| format!(" by {factor}"));
    Some(format!(
        "`rope_scaling` ({kind:.40}{factor}) is left out, as MLC LLM leaves it out of Gemma 3: the model \
         answers worse the longer the text"
    ))
}

/// The layers with a window have a base of their own, and upstream has one for all.
fn gemma3_local_base(fields: Fields<'_>) -> Option<String> {
    let of_windows = fields.get("rope_parameters").and_then(|all| {
        Some((
            "rope_theta` of `sliding_attention",
            all.get("sliding_attention")?.get("rope_theta")?.as_f64()?,
        ))
    });
    const FIELD: &str = "rope_local_base_freq";
    let named = || (FIELD, fields.get(FIELD).and_then(Value::as_f64).unwrap_or(GEMMA3_LOCAL_BASE));
    let (field, local) = of_windows.unwrap_or_else(named);
    let base = fields.get("rope_theta").and_then(Value::as_f64).unwrap_or(GEMMA3_BASE);
    ((local - base).abs() > f64::EPSILON).then(|| {
        format!(
            "`{field}` ({local}) is left out: MLC LLM's Gemma 3 has one base of the rotary embedding \
             for all layers ({base}), so it answers differently from the checkpoint"
        )
    })
}

fn gemma3_pattern(fields: Fields<'_>) -> Option<String> {
    let pattern = fields.get("sliding_window_pattern")?.as_u64()?;
    (pattern != GEMMA3_PATTERN).then(|| {
        format!(
            "`sliding_window_pattern` is {pattern}, but in MLC LLM's Gemma 3 every {GEMMA3_PATTERN}th layer \
             has no window: the model answers differently from the checkpoint"
        )
    })
}

/// Checkpoints say `type: yarn`, and upstream's model looks for `rope_type`; with `rope_type: yarn` it
/// cannot be built.
fn deepseek_scaling(fields: Fields<'_>, model_type: &str) -> Option<String> {
    let scaling = fields.get("rope_scaling")?;
    kind(scaling).filter(|kind| *kind == "yarn")?;
    let factor = scaling.get("factor").and_then(Value::as_f64);
    let factor = factor.map_or_else(String::new, |factor| format!(" by {factor}"));
    Some(format!(
        "`rope_scaling` (yarn{factor}) is left out of the rotary embedding, as MLC LLM leaves it out of \
         {model_type}: the model answers differently from the checkpoint"
    ))
}

fn logit_scale(scale: &Value, model_type: &str) -> Option<String> {
    let scale = scale.as_f64().filter(|scale| model_type == "cohere" && *scale > 0.0)?;
    ((scale - 1.0).abs() > f64::EPSILON).then(|| {
        format!(
            "`logit_scale` ({scale}) is left out, as MLC LLM leaves it out of Cohere: for the \
             checkpoint's answers, use a `temperature` that is {} times as high",
            1.0 / scale
        )
    })
}

/// A sliding window that the checkpoint uses, and that is shorter than the context.
fn window(fields: Fields<'_>, model_type: &str, context: Option<u64>) -> Option<String> {
    let window = fields.get("sliding_window")?.as_u64()?;
    if !WINDOWED.contains(&model_type) {
        return None;
    }
    // Qwen's classes have none unless they are told so, and then only in the last layers.
    let is_used = fields.get("use_sliding_window").and_then(Value::as_bool);
    let is_used = is_used.unwrap_or(!model_type.starts_with("qwen"));
    let count = |name: &str| fields.get(name).and_then(Value::as_u64);
    let is_any = count("max_window_layers").zip(count("num_hidden_layers"));
    let is_any = is_any.is_none_or(|(first, layers)| first < layers);
    let types = fields.get("layer_types").and_then(Value::as_array);
    let is_any =
        is_any && types.is_none_or(|types| types.iter().any(|kind| kind != "full_attention"));
    let context = context.or(count("max_position_embeddings"))?;
    (is_used && is_any && window < context).then(|| {
        format!(
            "`sliding_window` ({window}) is left out: MLC LLM's {model_type} attends to the whole \
             context, so answers to more than {window} tokens may differ from the checkpoint's"
        )
    })
}

/// A base that stands in two places: older versions of transformers read one, newer ones the other.
fn two_bases(fields: Fields<'_>, model_type: &str) -> Option<String> {
    let parameters =
        fields.get("rope_parameters").filter(|_| !READ_ROPE_PARAMETERS.contains(&model_type))?;
    let parameters = parameters.get("full_attention").unwrap_or(parameters);
    let newer = parameters.get("rope_theta")?.as_f64()?;
    let older = fields.get("rope_theta")?.as_f64()?;
    ((newer - older).abs() > f64::EPSILON).then(|| {
        format!(
            "`rope_theta` is {older} in config.json and {newer} in its `rope_parameters`: {older} is \
             taken, as MLC LLM does; remove the one that is wrong"
        )
    })
}

/// Long RoPE has a factor for each pair of weights of a head that is rotated.
fn factors(fields: Fields<'_>) -> Option<String> {
    let scaling = fields.get("rope_scaling")?;
    kind(scaling).filter(|kind| ["longrope", "su"].contains(kind))?;
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    let head = number("head_dim")
        .or_else(|| number("hidden_size")?.checked_div(number("num_attention_heads")?))?;
    let share = fields.get("partial_rotary_factor").and_then(Value::as_f64).unwrap_or(1.0);
    let pairs = (head as f64 * share) as usize / 2;
    let lists = ["short_factor", "long_factor"].into_iter();
    lists.filter_map(|name| Some((name, scaling.get(name)?))).find_map(|(name, list)| {
        let factors = list.as_array().filter(|list| list.iter().all(Value::is_number));
        let count = factors.map_or(0, Vec::len);
        (count != pairs).then(|| {
            format!(
                "`{name}` of `rope_scaling` has {count} numbers, and the model needs {pairs}, one for \
                 each pair of weights in the rotated part of a head: it may answer nonsense"
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::left_out;

    fn said(fields: Value, model_type: &str) -> String {
        let Value::Object(fields) = fields else { panic!("an object") };
        left_out(&fields, model_type, None).join("\n")
    }

    #[test]
    fn what_gemma_3_loses_is_told() {
        let scaling = json!({"rope_type": "linear", "factor": 8.0});
        for (fields, model_type) in [
            (json!({"text_config": {"rope_scaling": scaling}}), "gemma3"),
            (json!({"rope_scaling": scaling}), "gemma3_text"),
        ] {
            let said = said(fields, model_type);
            assert!(said.contains("`rope_scaling` (linear by 8) is left out"), "{said}");
        }
        let none = json!({"rope_scaling": {"rope_type": "default"}, "sliding_window": 4,
            "max_position_embeddings": 8, "rope_local_base_freq": 1e6});
        assert_eq!(said(none, "gemma3_text"), "");
        assert_eq!(said(json!({"rope_scaling": scaling}), "llama"), "");
        let local = said(json!({"rope_local_base_freq": 10000.0}), "gemma3_text");
        assert!(local.contains("`rope_local_base_freq` (10000)"), "{local}");
        let parameters = json!({"full_attention": {"rope_theta": 1e6},
            "sliding_attention": {"rope_theta": 1e4}});
        let local = said(json!({"rope_parameters": parameters}), "gemma3_text");
        assert!(local.contains("`rope_theta` of `sliding_attention` (10000)"), "{local}");
        // Transformers' default.
        let usual = said(json!({"model_type": "gemma3"}), "gemma3");
        assert!(usual.contains("`rope_local_base_freq` (10000)"), "{usual}");
        let pattern =
            said(json!({"rope_local_base_freq": 1e6, "sliding_window_pattern": 2}), "gemma3");
        assert!(pattern.starts_with("`sliding_window_pattern` is 2"), "{pattern}");
    }

    #[test]
    fn a_window_that_is_used_and_left_out_is_told() {
        let window = json!({"sliding_window": 2047, "max_position_embeddings": 4096});
        let told = said(window.clone(), "phi3");
        assert!(told.contains("`sliding_window` (2047) is left out"), "{told}");
        assert_eq!(said(window.clone(), "mistral"), "");
        assert_eq!(said(window.clone(), "gemma2"), "");
        assert_eq!(said(window.clone(), "qwen2"), "");
        let mut qwen = window.clone();
        qwen["use_sliding_window"] = true.into();
        assert!(said(qwen.clone(), "qwen2").contains("sliding_window"));
        qwen["max_window_layers"] = 4.into();
        qwen["num_hidden_layers"] = 4.into();
        assert_eq!(said(qwen, "qwen2"), "");
        let mut wide = window;
        wide["sliding_window"] = 4096.into();
        assert_eq!(said(wide.clone(), "phi3"), "");
        wide["sliding_window"] = 2047.into();
        wide["layer_types"] = json!(["full_attention"]);
        assert_eq!(said(wide.clone(), "phi3"), "");
        wide["layer_types"] = json!(["full_attention", "sliding_attention"]);
        assert!(!said(wide.clone(), "phi3").is_empty());
        // What is used is no longer than the window.
        let Value::Object(fields) = wide else { panic!("an object") };
        assert!(left_out(&fields, "phi3", Some(2047)).is_empty());
    }

    #[test]
    fn what_deepseek_cohere_and_baichuan_lose_is_told() {
        let yarn = said(json!({"rope_scaling": {"type": "yarn", "factor": 40}}), "deepseek_v2");
        assert!(
            yarn.starts_with("`rope_scaling` (yarn by 40) is left out of the rotary"),
            "{yarn}"
        );
        let scale = said(json!({"logit_scale": 0.0625}), "cohere");
        assert!(scale.contains("(0.0625)") && scale.contains("16 times as high"), "{scale}");
        assert!(said(json!({"z_loss_weight": 0}), "baichuan").contains("does not normalize"));
    }

    #[test]
    fn two_bases_that_disagree_are_told() {
        let both = json!({"rope_theta": 7, "rope_parameters": {"rope_theta": 8}});
        let told = said(both.clone(), "llama");
        assert!(told.contains("is 7 in config.json and 8 in its `rope_parameters`"), "{told}");
        assert_eq!(said(both, "ministral3"), "");
        assert_eq!(
            said(json!({"rope_theta": 7, "rope_parameters": {"rope_theta": 7}}), "llama"),
            ""
        );
    }

    #[test]
    fn factors_that_are_too_few_are_told() {
        let with = |long: Value| {
            json!({"hidden_size": 64, "num_attention_heads": 4, "partial_rotary_factor": 0.5,
                "rope_scaling": {"type": "su", "short_factor": [1, 1, 1, 1], "long_factor": long}})
        };
        assert_eq!(said(with(json!([1, 1, 1, 1])), "phi3"), "");
        let told = said(with(json!([1, 1])), "phi3");
        assert!(told.contains("`long_factor` of `rope_scaling` has 2 numbers"), "{told}");
        assert!(told.contains("needs 4"), "{told}");
    }
}
