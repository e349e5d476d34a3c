//! What upstream's configuration classes do in `__post_init__`, by what it is about.

use serde_json::Value;

use super::class::{Invalid, ModelConfig, whole};

type Done = Result<(), Invalid>;

/// The base of the rotary embedding, under its name in checkpoints.
pub(super) fn rope_base(config: &mut ModelConfig) -> Done {
    if config.is_zero("position_embedding_base") {
        let base = config.take_other("rope_theta").unwrap_or_else(|| 10_000.into());
        config.set("position_embedding_base", base);
    }
    Ok(())
}

/// The context window, under its names in checkpoints.
pub(super) fn context_window(config: &mut ModelConfig) -> Done {
    if !config.is_zero("context_window_size") {
        return Ok(());
    }
    for name in ["max_position_embeddings", "max_sequence_length"] {
        if let Some(value) = config.take_other(name) {
            whole(name, &value)?;
            config.set("context_window_size", value);
            return Ok(());
        }
    }
    Err(Invalid(
        "it says nothing of the context: none of `context_window_size`, \
         `max_position_embeddings`, `max_sequence_length`"
            .to_owned(),
    ))
}

/// The prefill chunk: at most 8192 tokens unless given, at most the context.
pub(super) fn prefill_8192(config: &mut ModelConfig) -> Done {
    prefill(config, 8192)
}

/// The same with 2048 tokens.
pub(super) fn prefill_2048(config: &mut ModelConfig) -> Done {
    prefill(config, 2048)
}

fn prefill(config: &mut ModelConfig, most: i64) -> Done {
    let context = config.int("context_window_size")?;
    let chunk = config.int("prefill_chunk_size")?;
    if chunk == 0 || chunk > context {
        config.set("prefill_chunk_size", context.min(most));
    }
    Ok(())
}

/// As many key-value heads as heads, unless given.
pub(super) fn kv_heads(config: &mut ModelConfig) -> Done {
    if config.is_zero("num_key_value_heads") {
        let heads = config.value("num_attention_heads").clone();
        config.set("num_key_value_heads", heads);
    }
    Ok(())
}

/// The same where `null` means "not given" too.
pub(super) fn kv_heads_or_null(config: &mut ModelConfig) -> Done {
    if config.value("num_key_value_heads").is_null() {
        config.set("num_key_value_heads", 0);
    }
    kv_heads(config)
}

/// The size of a head, unless given.
pub(super) fn head_dim(config: &mut ModelConfig) -> Done {
    if config.is_zero("head_dim") {
        let heads = positive(config, "num_attention_heads")?;
        config.set("head_dim", positive(config, "hidden_size")? / heads);
    }
    Ok(())
}

/// The heads make up the hidden size.
pub(super) fn heads_fill_hidden(config: &mut ModelConfig) -> Done {
    let (dim, heads) = (config.int("head_dim")?, config.int("num_attention_heads")?);
    let hidden = config.int("hidden_size")?;
    if dim.checked_mul(heads) == Some(hidden) {
        return Ok(());
    }
    Err(Invalid(format!(
        "`num_attention_heads` {heads} times `head_dim` {dim} is not `hidden_size` {hidden}"
    )))
}

/// Every key-value head serves the same number of heads.
pub(super) fn kv_heads_divide(config: &mut ModelConfig) -> Done {
    let heads = config.int("num_attention_heads")?;
    let kv_heads = positive(config, "num_key_value_heads")?;
    if heads % kv_heads == 0 {
        return Ok(());
    }
    Err(Invalid(format!(
        "`num_attention_heads` {heads} is no multiple of `num_key_value_heads` {kv_heads}"
    )))
}

/// Every stage has a layer.
pub(super) fn pipeline_stages(config: &mut ModelConfig) -> Done {
    let stages = config.int("pipeline_parallel_stages")?;
    let layers = config.int("num_hidden_layers")?;
    if (1..=layers).contains(&stages) {
        return Ok(());
    }
    Err(Invalid(format!("`pipeline_parallel_stages` is {stages}, and there are {layers} layers")))
}

/// Llama 3's scaling of the rotary embedding is known; an older way to say it is dropped.
pub(super) fn llama3_scaling(config: &mut ModelConfig) -> Done {
    let kind = match config.value("rope_scaling") {
        Value::Null => return Ok(()),
        Value::Object(scaling) => scaling.get("rope_type"),
        _ => return Err(Invalid("`rope_scaling` is not an object".to_owned())),
    };
    match kind {
        None => config.set("rope_scaling", Value::Null),
        Some(kind) if kind == "llama3" => {}
        Some(kind) => return Err(unsupported_scaling(kind, "llama3")),
    }
    Ok(())
}

/// Phi-3's scaling, with the sizes it refers to.
pub(super) fn longrope_scaling(config: &mut ModelConfig) -> Done {
    let mut scaling = match config.value("rope_scaling") {
        Value::Null => return Ok(()),
        Value::Object(scaling) => scaling.clone(),
        _ => return Err(Invalid("`rope_scaling` is not an object".to_owned())),
    };
    match scaling.get("type") {
        None => {
            config.set("rope_scaling", Value::Null);
            return Ok(());
        }
        Some(kind) if kind == "su" || kind == "longrope" => {}
        Some(kind) => return Err(unsupported_scaling(kind, "longrope")),
    }
    for name in ["type", "rope_type"] {
        scaling.insert(name.to_owned(), "longrope".into());
    }
    for name in ["max_position_embeddings", "original_max_position_embeddings"] {
        scaling.insert(name.to_owned(), config.value(name).clone());
    }
    config.set("rope_scaling", Value::Object(scaling));
    Ok(())
}

fn unsupported_scaling(kind: &Value, known: &str) -> Invalid {
    let kind = kind.as_str().map_or_else(String::new, |kind| format!(" `{kind:.40}`"));
    Invalid(format!("RoPE scaling{kind} is not supported, only `{known}`"))
}

/// Mistral's window; where there is one, it takes the place of the context.
pub(super) fn sliding_window(config: &mut ModelConfig) -> Done {
    if config.is_zero("sliding_window_size") {
        let window = config.take_other("sliding_window").unwrap_or_else(|| (-1).into());
        config.set("sliding_window_size", window);
    }
    if config.value("sliding_window_size").is_null() {
        config.set("sliding_window_size", -1);
    }
    if config.is_zero("context_window_size") && config.int("sliding_window_size")? != -1 {
        config.set("context_window_size", -1);
    }
    context_window(config)
}

/// Mistral's prefill chunk, and what it keeps of a window's start.
pub(super) fn prefill_in_window(config: &mut ModelConfig) -> Done {
    if config.int("attention_sink_size")? < 0 {
        return Err(Invalid("`attention_sink_size` is negative".to_owned()));
    }
    if !config.is_zero("prefill_chunk_size") {
        config.int("prefill_chunk_size")?;
        return Ok(());
    }
    let sizes = [config.int("sliding_window_size")?, config.int("context_window_size")?];
    let chunk = sizes.into_iter().filter(|size| *size != -1).min().ok_or_else(|| {
        Invalid("it has neither a context window nor a sliding window".to_owned())
    })?;
    config.set("prefill_chunk_size", chunk.min(8192));
    Ok(())
}

/// Gemma's activation and attention, of which upstream knows one kind.
pub(super) fn gemma_kind(config: &mut ModelConfig) -> Done {
    if config.value("hidden_activation").is_null() {
        let activation = config.others.get("hidden_act").cloned().unwrap_or_default();
        config.set("hidden_activation", activation);
    }
    if !matches!(config.value("hidden_activation").as_str(), Some("gelu" | "gelu_pytorch_tanh")) {
        return Err(Invalid(
            "`hidden_activation` is neither `gelu` nor `gelu_pytorch_tanh`".to_owned(),
        ));
    }
    match config.value("attention_bias") {
        Value::Bool(false) | Value::Null => Ok(()),
        _ => Err(Invalid("`attention_bias` is not supported for Gemma".to_owned())),
    }
}

/// Gemma 2's context is its window, whatever else is said.
pub(super) fn context_is_window(config: &mut ModelConfig) -> Done {
    let window = config.int("sliding_window")?;
    config.set("context_window_size", window);
    Ok(())
}

/// The blocks of DeepSeek's FP8 weights, the one quantization that a checkpoint may have.
pub(super) fn fp8_blocks(config: &mut ModelConfig) -> Done {
    let Some(found) = config.others.get("quantization_config") else { return Ok(()) };
    let is = |name: &str, text: &str| found.get(name).and_then(Value::as_str) == Some(text);
    let fp8 = is("activation_scheme", "dynamic") && is("fmt", "e4m3") && is("quant_method", "fp8");
    match found.get("weight_block_size") {
        Some(Value::Array(blocks)) if fp8 && blocks.len() == 2 => {
            let blocks = blocks.clone();
            config.set("weight_block_size", blocks);
            Ok(())
        }
        _ => Err(Invalid(
            "`quantization_config` is not FP8 (e4m3) with dynamic activations and blocks of two \
             sizes"
                .to_owned(),
        )),
    }
}

/// OLMo's clipping.
pub(super) fn clip_qkv(config: &mut ModelConfig) -> Done {
    match config.value("clip_qkv") {
        Value::Null => Ok(()),
        clip if clip.as_f64().is_some_and(|clip| clip > 0.0) => Ok(()),
        _ => Err(Invalid("`clip_qkv` is not a number above 0".to_owned())),
    }
}

fn positive(config: &ModelConfig, name: &str) -> Result<i64, Invalid> {
    match config.int(name)? {
        value @ 1.. => Ok(value),
        other => Err(Invalid(format!("`{name}` is {other}"))),
    }
}
