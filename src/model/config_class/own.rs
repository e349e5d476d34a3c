//! The steps of one class, or of one family of them.

use serde_json::Value;

use super::complete::{apply, take_context};
use super::table::POSITIONS;
use super::{Completed, Refused, Rule};

type Done = Result<(), Refused>;

/// Llama 3's scaling of the rotary embedding is known; an older way to say it is dropped.
pub(super) fn llama3_scaling(config: &mut Completed) -> Done {
    let kind = match config.value("rope_scaling") {
        Value::Null => return Ok(()),
        Value::Object(scaling) => scaling.get("rope_type"),
        _ => return Err(Refused("`rope_scaling` is not an object".to_owned())),
    };
    match kind {
        None => config.set("rope_scaling", Value::Null),
        Some(kind) if kind == "llama3" => {}
        Some(kind) => return Err(unsupported_scaling(kind, "llama3")),
    }
    Ok(())
}

/// Phi-3's scaling, with the sizes it refers to.
pub(super) fn longrope_scaling(config: &mut Completed) -> Done {
    let mut scaling = match config.value("rope_scaling") {
        Value::Null => return Ok(()),
        Value::Object(scaling) => scaling.clone(),
        _ => return Err(Refused("`rope_scaling` is not an object".to_owned())),
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

fn unsupported_scaling(kind: &Value, known: &str) -> Refused {
    let kind = kind.as_str().map_or_else(String::new, |kind| format!(" `{kind:.40}`"));
    Refused(format!("RoPE scaling{kind} is not supported, only `{known}`"))
}

/// Mistral's window; where there is one, it takes the place of the context.
pub(super) fn sliding_window(config: &mut Completed) -> Done {
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
    apply(Rule::Context(POSITIONS), config)
}

/// Mistral's prefill chunk, which is left alone where it is given, and what it keeps of a
/// window's start.
pub(super) fn chunk_in_window(config: &mut Completed) -> Done {
    if config.int("attention_sink_size")? < 0 {
        return Err(Refused("`attention_sink_size` is negative".to_owned()));
    }
    if !config.is_zero("prefill_chunk_size") {
        return Ok(());
    }
    let sizes = [config.int("sliding_window_size")?, config.int("context_window_size")?];
    let chunk = sizes.into_iter().filter(|size| *size != -1).min().ok_or_else(|| {
        Refused("it has neither a context window nor a sliding window".to_owned())
    })?;
    config.set("prefill_chunk_size", chunk.min(8192));
    Ok(())
}

/// Gemma's activation and attention, of which upstream knows one kind.
pub(super) fn gemma_kind(config: &mut Completed) -> Done {
    if config.value("hidden_activation").is_null() {
        let activation = config.others.get("hidden_act").cloned().unwrap_or_default();
        config.set("hidden_activation", activation);
    }
    if !matches!(config.value("hidden_activation").as_str(), Some("gelu" | "gelu_pytorch_tanh")) {
        return Err(Refused(
            "`hidden_activation` is neither `gelu` nor `gelu_pytorch_tanh`".to_owned(),
        ));
    }
    match config.value("attention_bias") {
        Value::Bool(false) | Value::Null => Ok(()),
        _ => Err(Refused("`attention_bias` is not supported for Gemma".to_owned())),
    }
}

/// The blocks of DeepSeek's FP8 weights, the one quantization that a checkpoint may have.
pub(super) fn fp8_blocks(config: &mut Completed) -> Done {
    let found = config.others.get("quantization_config").filter(|found| !found.is_null());
    let Some(found) = found else { return Ok(()) };
    let is = |name: &str, text: &str| found.get(name).and_then(Value::as_str) == Some(text);
    let fp8 = is("activation_scheme", "dynamic") && is("fmt", "e4m3") && is("quant_method", "fp8");
    match found.get("weight_block_size") {
        Some(Value::Array(blocks)) if fp8 && blocks.len() == 2 => {
            let blocks = blocks.clone();
            config.set("weight_block_size", blocks);
            Ok(())
        }
        _ => Err(Refused(
            "`quantization_config` is not FP8 (e4m3) with dynamic activations and blocks of two \
             sizes, the only one that MLC LLM takes; if the weights are not quantized, remove it"
                .to_owned(),
        )),
    }
}

/// OLMo's clipping.
pub(super) fn clip_qkv(config: &mut Completed) -> Done {
    match config.value("clip_qkv") {
        Value::Null => Ok(()),
        clip if clip.as_f64().is_some_and(|clip| clip > 0.0) => Ok(()),
        _ => Err(Refused("`clip_qkv` is not a number above 0".to_owned())),
    }
}

/// GPT-BigCode has its number of positions among its fields.
pub(super) fn positions_above_zero(config: &mut Completed) -> Done {
    if config.is_zero("context_window_size") {
        let positions = config.positive("n_positions")?;
        config.set("context_window_size", positions);
    }
    Ok(())
}

/// ChatGLM's vocabulary, under its name in checkpoints.
pub(super) fn padded_vocabulary(config: &mut Completed) -> Done {
    if config.is_zero("vocab_size")
        && let Some(rows) = config.take_other("padded_vocab_size")
    {
        config.set("vocab_size", rows);
    }
    Ok(())
}

/// The first Phi's context, which is never missing, and its chunk, which has no limit.
pub(super) fn phi_msft_sizes(config: &mut Completed) -> Done {
    if !take_context(config, POSITIONS)? {
        apply(Rule::Is("context_window_size", "n_positions"), config)?;
    }
    apply(Rule::ZeroIs("prefill_chunk_size", "context_window_size"), config)?;
    let chunk = config.int("prefill_chunk_size")?.min(config.int("context_window_size")?);
    config.set("prefill_chunk_size", chunk);
    Ok(())
}

/// Cohere's class completes everything under the condition that the base has to be completed.
pub(super) fn cohere(config: &mut Completed) -> Done {
    if !config.is_zero("position_embedding_base") {
        return Ok(());
    }
    apply(Rule::RopeBase, config)?;
    take_context(config, POSITIONS)?;
    for rule in [
        Rule::Chunk(8192),
        Rule::NothingIs("num_key_value_heads", "num_attention_heads"),
        Rule::Divided("head_dim", "hidden_size", "num_attention_heads"),
        Rule::Product("head_dim", "num_attention_heads", "hidden_size"),
        Rule::Multiple("num_attention_heads", "num_key_value_heads"),
    ] {
        apply(rule, config)?;
    }
    Ok(())
}

pub(super) fn rwkv5(config: &mut Completed) -> Done {
    rwkv(config, "5_2")
}

pub(super) fn rwkv6(config: &mut Completed) -> Done {
    rwkv(config, "6_0")
}

fn rwkv(config: &mut Completed, version: &str) -> Done {
    if config.value("model_version") != version {
        return Err(Refused(format!("`model_version` is not `{version}`")));
    }
    let hidden = config.positive("hidden_size")?;
    if config.is_nothing("intermediate_size") {
        // 3.5 times the hidden size, in whole blocks of 32. The sizes are far below where Python
        // would round.
        config.set("intermediate_size", hidden.saturating_mul(7) / 2 / 32 * 32);
    }
    let head = config.positive("head_size")?;
    if config.is_zero("num_heads") {
        config.set("num_heads", hidden / head);
    }
    if config.int("num_heads")?.checked_mul(head) != Some(hidden) {
        return Err(Refused(format!(
            "`hidden_size` {hidden} is not a multiple of `head_size` {head}"
        )));
    }
    if config.int("tensor_parallel_shards")? != 1 {
        return Err(Refused("`tensor_parallel_shards` is not 1".to_owned()));
    }
    Ok(())
}
