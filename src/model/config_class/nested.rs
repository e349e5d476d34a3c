//! Configs inside configs: the models that also see images, and those that are written as if they
//! did.

use serde_json::{Map, Value, json};

use super::complete::apply;
use super::table::{CLIP_VISION, GEMMA3_TEXT, LLAMA, LLAMA4_TEXT, MISTRAL};
use super::{Completed, ConfigClass, Refused, Rule};

type Done = Result<(), Refused>;

/// What upstream's classes call the fields that are none of their own. Of the config inside they
/// are written too.
const OTHERS: &str = "kwargs";

fn written(inner: &Completed) -> Map<String, Value> {
    let mut fields = inner.fields.clone();
    fields.insert(OTHERS.to_owned(), Value::Object(inner.others.clone()));
    fields
}

/// The opposite of [`written`].
fn unfolded(mut inner: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(others)) = inner.shift_remove(OTHERS) {
        inner.extend(others);
    }
    inner
}

fn read(class: &ConfigClass, source: Map<String, Value>, part: &str) -> Result<Completed, Refused> {
    class.complete(source).map_err(|Refused(why)| Refused(format!("in `{part}`: {why}")))
}

fn inner(config: &Completed, part: &str) -> Result<Map<String, Value>, Refused> {
    match config.value(part) {
        Value::Object(inner) => Ok(inner.clone()),
        _ => Err(Refused(format!("`{part}` is not an object"))),
    }
}

/// The sizes of the model are those of the text, unless they are above 0.
fn sizes_of_text(config: &mut Completed, text: &Completed) -> Done {
    for name in ["context_window_size", "prefill_chunk_size", "sliding_window_size"] {
        if config.int(name)? <= 0
            && let Some(size) = text.fields.get(name)
        {
            config.set(name, size.clone());
        }
    }
    Ok(())
}

/// Gemma 3's `text_config`, which is the whole `config.json` of a text model.
pub(super) fn gemma3(config: &mut Completed) -> Done {
    let part = "text_config";
    let source = if config.value(part).is_null() {
        config.set("is_text_model", true);
        written(&read(&GEMMA3_TEXT, config.others.clone(), part)?)
    } else {
        inner(config, part)?
    };
    let text = read(&GEMMA3_TEXT, unfolded(source), part)?;
    sizes_of_text(config, &text)?;
    config.set(part, written(&text));
    Ok(())
}

pub(super) fn gemma3_window(config: &mut Completed) -> Done {
    if config.value("sliding_window_size").is_null() {
        let window = config.others.get("sliding_window").cloned().unwrap_or_default();
        config.set("sliding_window_size", window);
    }
    Ok(())
}

pub(super) fn gemma3_base(config: &mut Completed) -> Done {
    let is_default = config.value("position_embedding_base").as_f64() == Some(1e6);
    if is_default && let Some(base) = config.take_other("rope_theta") {
        config.set("position_embedding_base", base);
    }
    Ok(())
}

/// The context is at least the window, and 8192 at least: upstream does not mix windows.
pub(super) fn gemma3_context(config: &mut Completed) -> Done {
    let context = config.int("sliding_window_size")?.max(8192);
    config.set("context_window_size", context);
    Ok(())
}

pub(super) fn llama4(config: &mut Completed) -> Done {
    let part = "text_config";
    let mut text = read(&LLAMA4_TEXT, unfolded(inner(config, part)?), part)?;
    for rule in [
        Rule::ZeroIs("num_key_value_heads", "num_attention_heads"),
        Rule::Divided("head_dim", "hidden_size", "num_attention_heads"),
        Rule::Multiple("num_attention_heads", "num_key_value_heads"),
    ] {
        apply(rule, &mut text)?;
    }
    config.set(part, written(&text));
    if config.is_zero("context_window_size") {
        // A constant of the class, whatever the checkpoint says.
        config.set("context_window_size", 4096 * 32);
    }
    apply(Rule::Chunk(8192), config)
}

/// More layers than any model has: a list is made of them.
const LAYERS_LIMIT: i64 = 4096;

/// The layers without a rotary embedding, and those with experts.
pub(super) fn llama4_layers(config: &mut Completed) -> Done {
    let layers = config.int("num_hidden_layers")?;
    if layers > LAYERS_LIMIT {
        return Err(Refused(format!("`num_hidden_layers` is {layers}")));
    }
    let interval = config.positive("no_rope_layer_interval")?;
    let none_given = match config.value("no_rope_layers") {
        Value::Null => true,
        Value::Array(given) => given.is_empty(),
        _ => false,
    };
    if none_given {
        let list: Vec<_> =
            (0..layers).map(|layer| i64::from((layer + 1) % interval != 0)).collect();
        config.set("no_rope_layers", list);
    }
    if config.value("moe_layers").is_null() {
        let step = config.positive("interleave_moe_layer_step")?;
        let list: Vec<_> = (0..layers).filter(|layer| (layer + 1) % step == 0).collect();
        config.set("moe_layers", list);
    }
    Ok(())
}

pub(super) fn llava(config: &mut Completed) -> Done {
    let vision = unfolded(inner(config, "vision_config")?);
    let vision = read(&CLIP_VISION, vision, "vision_config")?;
    config.set("vision_config", written(&vision));
    let part = "text_config";
    let text = inner(config, part)?;
    if text.contains_key("_name_or_path") {
        return Err(Refused(format!("`{part}` only names the model that it is (`_name_or_path`)")));
    }
    let class = match config.value("text_architecture").as_str() {
        Some("LlamaForCausalLM") => &LLAMA,
        Some("MistralForCausalLM") => &MISTRAL,
        _ => {
            return Err(Refused(
                "`text_architecture` is neither `LlamaForCausalLM` nor `MistralForCausalLM`"
                    .to_owned(),
            ));
        }
    };
    let text = read(class, unfolded(text), part)?;
    sizes_of_text(config, &text)?;
    config.set(part, written(&text));
    Ok(())
}

/// Phi-3 Vision's image model is the same whatever is said of it.
pub(super) fn phi3v_vision(config: &mut Completed) -> Done {
    let fixed = json!({"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
        "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14,
        "projection_dim": 768, "layer_norm_eps": 1e-5, "vocab_size": null});
    if let Value::Object(fixed) = fixed {
        let vision = read(&CLIP_VISION, fixed, "vision_config")?;
        config.set("vision_config", written(&vision));
    }
    Ok(())
}

/// Qwen 3.5's `text_config` is put over the fields, and so are its rotary embedding's parameters.
pub(super) fn qwen35_text(config: &mut Completed) -> Done {
    if let Some(Value::Object(text)) = config.take_other("text_config") {
        for (name, value) in text {
            match config.fields.get_mut(&name) {
                Some(field) => *field = value,
                None => {
                    config.others.insert(name, value);
                }
            }
        }
    }
    if let Some(Value::Object(parameters)) = config.take_other("rope_parameters") {
        for name in ["rope_theta", "partial_rotary_factor"] {
            if let Some(value) = parameters.get(name) {
                config.set(name, value.clone());
            }
        }
    }
    Ok(())
}

/// Ministral's `text_config` is put over the rest, but for two fields.
pub(super) fn ministral3(mut source: Map<String, Value>) -> Map<String, Value> {
    if !source.get("text_config").is_some_and(Value::is_object) {
        return source;
    }
    if let Some(Value::Object(text)) = source.shift_remove("text_config") {
        for (name, value) in text {
            let keeps = ["tie_word_embeddings", "dtype"].contains(&name.as_str());
            if !(keeps && source.contains_key(&name)) {
                source.insert(name, value);
            }
        }
    }
    source
}

/// The one quantization that a checkpoint of Ministral may have.
pub(super) fn ministral3_fp8(config: &mut Completed) -> Done {
    let found = match config.take_other("quantization_config") {
        None => return Ok(()),
        Some(Value::Object(found)) => found,
        Some(_) => return Err(Refused("`quantization_config` is not an object".to_owned())),
    };
    match found.get("modules_to_not_convert") {
        None => config.set("modules_to_not_convert", Value::Array(Vec::new())),
        Some(Value::Array(names)) => config.set("modules_to_not_convert", names.clone()),
        Some(_) => {}
    }
    let is = |name: &str, text: &str| found.get(name).and_then(Value::as_str) == Some(text);
    if !(is("quant_method", "fp8") && is("activation_scheme", "static")) {
        return Err(Refused("`quantization_config` is not FP8 with static activations".to_owned()));
    }
    match found.get("weight_block_size") {
        None | Some(Value::Null) => config.set("weight_block_size", vec![128, 128]),
        Some(Value::Array(blocks)) if blocks.len() == 2 => {
            config.set("weight_block_size", blocks.clone());
        }
        Some(_) => {
            return Err(Refused("`weight_block_size` is not a list of two sizes".to_owned()));
        }
    }
    Ok(())
}

/// Ministral's base may stand among the rotary embedding's parameters, and is taken out of them.
pub(super) fn ministral3_base(config: &mut Completed) -> Done {
    if !config.is_zero("position_embedding_base") {
        return Ok(());
    }
    let parameters = config.fields.get_mut("rope_parameters").and_then(Value::as_object_mut);
    if let Some(base) = parameters.and_then(|parameters| parameters.shift_remove("rope_theta")) {
        config.set("position_embedding_base", base);
        return Ok(());
    }
    apply(Rule::RopeBase, config)
}
