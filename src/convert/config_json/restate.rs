//! Fields that are put where upstream's classes look for them.

use serde_json::{Map, Value, json};

use super::{GEMMA3_BASE, READ_ROPE_PARAMETERS, kind, kind_of};
use crate::model::ConfigClass;

const SCALING: &str = "rope_scaling";

/// The length that a model was trained with, before a scaling.
const TRAINED: &str = "original_max_position_embeddings";

/// The base of the rotary embedding where a config has none, but for Gemma 3.
const USUAL_BASE: f64 = 1e4;

/// The classes that look for the kind of a scaling by its newer name alone.
const READ_ROPE_TYPE: [&str; 5] = ["llama", "mixtral", "nemotron", "olmo", "olmo2"];

/// A field that upstream would not have found, with its value and the place that it is from.
struct Moved {
    field: &'static str,
    value: String,
    from: &'static str,
}

/// Puts fields where upstream looks for them; gives the warning about those that it moved.
pub(in crate::convert) fn restate(
    fields: &mut Map<String, Value>,
    model_type: &str,
) -> Option<String> {
    let mut moved = Vec::new();
    if let Some(Value::Object(text)) = fields.get_mut("text_config") {
        restate_model(text, model_type, &mut moved);
    }
    restate_model(fields, model_type, &mut moved);
    moved.extend(restate_vocabulary(fields, model_type));
    let class = ConfigClass::of(model_type);
    let is_gemma3 = ["gemma3", "gemma3_text"].contains(&model_type);
    // A value that upstream would use anyway is not worth a warning, unless upstream would fail.
    let usual = |field: &str| match field {
        "rope_theta" if is_gemma3 => Some(GEMMA3_BASE),
        "rope_theta" => Some(USUAL_BASE),
        field => class?.default_number(field),
    };
    let is_usual = |moved: &Moved| {
        usual(moved.field).is_some_and(|usual| moved.value.parse() == Ok(usual))
            && class.is_some_and(|class| !class.requires(moved.field))
    };
    // Another warning says that Gemma 3's scaling is left out.
    moved.retain(|moved| !(is_usual(moved) || is_gemma3 && moved.field == SCALING));
    let fails = moved.iter().any(|moved| class.is_some_and(|class| class.requires(moved.field)));
    let would = match moved.len() {
        _ if fails => "would fail",
        1 => "would use its default",
        _ => "would use its defaults",
    };
    // A place is named once for all that follow one another from there.
    let shown: Vec<_> = moved
        .iter()
        .enumerate()
        .map(|(n, Moved { field, value, from })| {
            let ends = moved.get(n + 1).is_none_or(|next| next.from != *from);
            let from = if ends { format!(" from `{from}`") } else { String::new() };
            format!("`{field}` ({value:.40}){from}")
        })
        .collect();
    let (verb, shown) = match shown.as_slice() {
        [one] => ("is", one.clone()),
        [some @ .., last] => ("are", format!("{} and {last}", some.join(", "))),
        [] => return None,
    };
    Some(format!("{shown} {verb} used: MLC LLM's own conversion does not look there, and {would}"))
}

/// The number of tokens, where only the text model inside says it.
fn restate_vocabulary(fields: &mut Map<String, Value>, model_type: &str) -> Option<Moved> {
    const FIELD: &str = "vocab_size";
    let class = ConfigClass::of(model_type).filter(|class| class.has("text_config"));
    let size = fields.get("text_config")?.get(FIELD)?.as_u64()?;
    if class.is_none() || fields.get(FIELD).is_some_and(|given| !given.is_null()) {
        return None;
    }
    fields.insert(FIELD.to_owned(), size.into());
    Some(Moved { field: FIELD, value: size.to_string(), from: "text_config" })
}

fn restate_model(fields: &mut Map<String, Value>, model_type: &str, moved: &mut Vec<Moved>) {
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
    if !READ_ROPE_PARAMETERS.contains(&model_type) {
        restate_rope(fields, model_type, moved);
        complete_llama3(fields);
    }
    let scaling = fields.get("rope_scaling").unwrap_or(&Value::Null);
    let is_none = match kind(scaling) {
        Some("linear" | "dynamic") => scaling.get("factor").and_then(Value::as_f64) == Some(1.0),
        kind => kind == Some("default"),
    };
    if is_none {
        fields.insert(SCALING.to_owned(), Value::Null);
    }
    complete_scaling(fields, model_type);
}

/// What upstream's models look for in a scaling, under the names that they know.
fn complete_scaling(fields: &mut Map<String, Value>, model_type: &str) {
    let positions = fields.get("max_position_embeddings").filter(|value| value.is_u64()).cloned();
    // DeepSeek's model cannot be built with a `rope_type`, nor without a scaling.
    if ["deepseek_v2", "deepseek_v3"].contains(&model_type) && fields.contains_key("hidden_size") {
        let scaling = fields.entry(SCALING).or_insert(Value::Null);
        match scaling {
            Value::Null => *scaling = json!({"factor": 1.0}),
            Value::Object(scaling) => {
                if let Some(name) = scaling.shift_remove("rope_type") {
                    scaling.entry("type").or_insert(name);
                }
            }
            _ => {}
        }
    }
    let Some(Value::Object(scaling)) = fields.get_mut(SCALING) else { return };
    let name = kind_of(scaling).map(str::to_owned);
    if READ_ROPE_TYPE.contains(&model_type)
        && let Some(name) = &name
    {
        scaling.entry("rope_type").or_insert(name.as_str().into());
        if name == "yarn" {
            // As transformers has them where they are not given.
            scaling.entry("beta_fast").or_insert(32.into());
            scaling.entry("beta_slow").or_insert(1.into());
            if let Some(positions) = positions {
                scaling.entry(TRAINED).or_insert(positions);
            }
        }
    }
    // Phi-3's class looks for the kind by its older name alone.
    if ["phi3", "phi3_v"].contains(&model_type)
        && let Some(name) = &name
        && scaling.get("type").is_none_or(Value::is_null)
    {
        scaling.insert("type".to_owned(), name.as_str().into());
    }
    if ["phi3", "phi3_v"].contains(&model_type)
        && let Some(trained) = scaling.get(TRAINED).filter(|value| value.is_u64()).cloned()
        && fields.get(TRAINED).is_none_or(Value::is_null)
    {
        fields.insert(TRAINED.to_owned(), trained);
    }
}

fn restate_rope(fields: &mut Map<String, Value>, model_type: &str, moved: &mut Vec<Moved>) {
    const BASE: &str = "rope_theta";
    // What GPT-NeoX has called them; upstream takes 10000, whatever the first says.
    if model_type == "gpt_neox"
        && !fields.contains_key("rope_theta")
        && let Some(base) = fields.get("rotary_emb_base").filter(|base| base.as_f64() != Some(1e4))
    {
        moved.push(Moved { field: BASE, value: base.to_string(), from: "rotary_emb_base" });
        fields.insert(BASE.to_owned(), base.clone());
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
            moved.push(Moved { field: BASE, value: base.to_string(), from: "rope_scaling" });
            fields.insert(BASE.to_owned(), base);
        }
        return;
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
            if name == BASE || ConfigClass::of(model_type).is_some_and(|class| class.has(name)) {
                moved.push(Moved {
                    field: name,
                    value: value.to_string(),
                    from: "rope_parameters",
                });
            }
            fields.insert(name.to_owned(), value);
        }
    }
    let given = fields.get("rope_scaling").is_some_and(|value| !value.is_null());
    let name = kind(&Value::Object(scaling.clone())).map(str::to_owned);
    if let Some(name) = name.filter(|name| !given && name != "default") {
        // Phi-3's class looks for `type`, the others for `rope_type`.
        moved.push(Moved { field: "rope_scaling", value: name.clone(), from: "rope_parameters" });
        scaling.insert("type".to_owned(), name.clone().into());
        scaling.insert("rope_type".to_owned(), name.into());
        fields.insert("rope_scaling".to_owned(), Value::Object(scaling));
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::restate;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("an object") };
        fields
    }

    fn restated(value: Value, model_type: &str) -> (Value, Option<String>) {
        let mut fields = object(value);
        let said = restate(&mut fields, model_type);
        (Value::Object(fields), said)
    }

    #[test]
    fn the_rotary_embedding_of_transformers_5_is_found() {
        let llama3 = json!({"rope_theta": 5e5, "rope_type": "llama3", "factor": 32.0,
            "original_max_position_embeddings": 8192});
        let (fields, moved) = restated(json!({"rope_parameters": llama3}), "llama");
        assert!(moved.is_some());
        assert_eq!(fields["rope_theta"], 5e5);
        assert_eq!(fields["rope_scaling"]["rope_type"], "llama3");
        assert_eq!(fields["rope_scaling"]["original_max_position_embeddings"], 8192);
        assert!(fields["rope_scaling"].get("rope_theta").is_none());
        let partial = json!({"rope_theta": 1e4, "rope_type": "default",
            "partial_rotary_factor": 0.25});
        let (fields, moved) = restated(json!({"rope_parameters": partial}), "stablelm");
        assert!(moved.is_some());
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
        assert!(moved.is_some() && fields["text_config"].get("head_dim").is_none());
        assert_eq!(fields["text_config"]["rope_theta"], 5e5);
        // Beside the scaling, which stays as it is.
        let source = json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "rope_theta": 5e5},
            "original_max_position_embeddings": 32, "rope_theta": null});
        let (fields, moved) = restated(source, "llama");
        assert!(moved.is_some());
        assert_eq!(fields["rope_theta"], 5e5);
        assert_eq!(fields["rope_scaling"]["original_max_position_embeddings"], 32);
        let plain = json!({"rope_scaling": {"rope_type": "llama3",
            "original_max_position_embeddings": 32}});
        assert_eq!(restated(plain.clone(), "llama"), (plain, None));
        // By GPT-NeoX's own names.
        let source = json!({"rotary_emb_base": 50000, "rotary_pct": 0.25});
        let (fields, moved) = restated(source, "gpt_neox");
        assert!(moved.is_some() && fields["rope_theta"] == 50000);
        let source = json!({"rotary_emb_base": 10000, "rotary_pct": 0.25});
        assert_eq!(restated(source.clone(), "gpt_neox"), (source, None));
        let source =
            json!({"rope_parameters": {"rope_theta": 10000, "partial_rotary_factor": 0.25}});
        let (fields, _) = restated(source, "gpt_neox");
        assert_eq!(fields["rotary_pct"], 0.25);
        let source = json!({"rope_parameters": {"rope_theta": null}});
        assert_eq!(restated(source, "llama").1, None);
    }

    #[test]
    fn what_is_said_the_old_way_wins_and_some_classes_read_it_themselves() {
        let both = json!({"rope_theta": 7, "rope_parameters": {"rope_theta": 8}});
        let (fields, moved) = restated(both.clone(), "llama");
        assert_eq!(moved, None);
        assert_eq!(fields["rope_theta"], 7);
        let own = json!({"rope_parameters": {"rope_theta": 8}});
        assert_eq!(restated(own.clone(), "ministral3"), (own, None));
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
    fn what_was_moved_is_told_with_its_value() {
        let parameters = json!({"rope_theta": 5e5, "rope_type": "default"});
        let (_, said) = restated(json!({"rope_parameters": parameters}), "llama");
        assert_eq!(
            said.unwrap(),
            "`rope_theta` (500000.0) from `rope_parameters` is used: MLC LLM's own conversion \
             does not look there, and would use its default"
        );
        let parameters = json!({"rope_theta": 1e4, "rope_type": "linear", "factor": 2.0});
        let (_, said) = restated(json!({"rope_parameters": parameters}), "qwen2");
        let said = said.unwrap();
        assert!(
            said.starts_with(
                "`rope_theta` (10000.0) and `rope_scaling` (linear) from `rope_parameters` are used"
            ),
            "{said}"
        );
        assert!(said.ends_with("and would fail"), "{said}");
        let usual = json!({"rope_theta": 10000.0, "rope_type": "default"});
        assert_eq!(restated(json!({"rope_parameters": usual}), "llama").1, None);
    }

    #[test]
    fn a_scaling_is_found_under_the_names_that_upstream_knows() {
        let of = |scaling: Value, model_type: &str| {
            let fields =
                json!({"hidden_size": 8, "max_position_embeddings": 64, "rope_scaling": scaling});
            restated(fields, model_type).0
        };
        let old = of(json!({"type": "llama3", "factor": 8.0}), "llama");
        assert_eq!(old["rope_scaling"]["rope_type"], "llama3");
        let yarn = of(json!({"type": "yarn", "factor": 8.0}), "olmo2");
        let wanted = json!({"type": "yarn", "factor": 8.0, "rope_type": "yarn", "beta_fast": 32,
            "beta_slow": 1, "original_max_position_embeddings": 64});
        assert_eq!(yarn["rope_scaling"], wanted);
        // DeepSeek's model cannot be built with the newer name, nor without any.
        let yarn = of(json!({"rope_type": "yarn", "factor": 40}), "deepseek_v2");
        assert_eq!(yarn["rope_scaling"], json!({"factor": 40, "type": "yarn"}));
        assert_eq!(of(Value::Null, "deepseek_v3")["rope_scaling"], json!({"factor": 1.0}));
        let long = json!({"type": "longrope", "original_max_position_embeddings": 32});
        assert_eq!(of(long, "phi3")["original_max_position_embeddings"], 32);
        let newer = of(json!({"rope_type": "longrope", "type": null}), "phi3");
        assert_eq!(newer["rope_scaling"]["type"], "longrope");
        assert_eq!(
            of(json!({"type": "linear", "factor": 1.0}), "llama")["rope_scaling"],
            Value::Null
        );
    }

    #[test]
    fn the_vocabulary_of_a_text_model_inside_is_that_of_the_model() {
        let (fields, said) = restated(json!({"text_config": {"vocab_size": 512}}), "gemma3");
        assert_eq!(fields["vocab_size"], 512);
        assert!(said.unwrap().contains("`vocab_size` (512) from `text_config` is used"));
        let both = json!({"vocab_size": 8, "text_config": {"vocab_size": 512}});
        assert_eq!(restated(both.clone(), "gemma3"), (both, None));
        // Merged by upstream itself.
        let inner = json!({"text_config": {"vocab_size": 512}});
        assert_eq!(restated(inner.clone(), "ministral3"), (inner, None));
    }
}
