//! Gemma 3, text only. Upstream names its parameters as those of the multimodal model.

use super::{Architecture, Class};
use serde_json::{Map, Value};

use super::class::Default::{Bool, Float, Int, Null, Required, Text};
use super::class::{Field, Invalid, ModelConfig, Rule};
use super::parts::GATE_UP_WEIGHTS;
use super::row::Dim::{AnyVocab, Head, Hidden, Intermediate, KeyValue, Query};
use super::row::{embedding, fused, linear, vector};
use super::rules::{context_window, gemma_kind, kv_heads_divide, prefill_8192};

pub(super) const GEMMA3_TEXT: Architecture = Architecture {
    model_type: "gemma3_text",
    class: Class {
        fields: &[
            ("text_config", Null),
            ("vocab_size", Int(262_208)),
            ("tensor_parallel_shards", Int(1)),
            ("max_batch_size", Int(1)),
            ("context_window_size", Int(-1)),
            ("sliding_window_size", Int(-1)),
            ("prefill_chunk_size", Int(-1)),
            ("is_text_model", Bool(false)),
        ],
        rules: &[text_config],
    },
    rows: &[
        embedding("language_model.model.embed_tokens.weight", AnyVocab, Hidden)
            .from("model.embed_tokens.weight"),
        linear("language_model.model.layers.{}.self_attn.q_proj.weight", Query, Hidden)
            .from("model.layers.{}.self_attn.q_proj.weight"),
        linear("language_model.model.layers.{}.self_attn.k_proj.weight", KeyValue, Hidden)
            .from("model.layers.{}.self_attn.k_proj.weight"),
        linear("language_model.model.layers.{}.self_attn.v_proj.weight", KeyValue, Hidden)
            .from("model.layers.{}.self_attn.v_proj.weight"),
        linear("language_model.model.layers.{}.self_attn.o_proj.weight", Hidden, Query)
            .from("model.layers.{}.self_attn.o_proj.weight"),
        vector("language_model.model.layers.{}.self_attn.q_norm.weight", Head)
            .from("model.layers.{}.self_attn.q_norm.weight")
            .plus_one(),
        vector("language_model.model.layers.{}.self_attn.k_norm.weight", Head)
            .from("model.layers.{}.self_attn.k_norm.weight")
            .plus_one(),
        fused("language_model.model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("language_model.model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate)
            .from("model.layers.{}.mlp.down_proj.weight"),
        vector("language_model.model.layers.{}.input_layernorm.weight", Hidden)
            .from("model.layers.{}.input_layernorm.weight")
            .plus_one(),
        vector("language_model.model.layers.{}.post_attention_layernorm.weight", Hidden)
            .from("model.layers.{}.post_attention_layernorm.weight")
            .plus_one(),
        vector("language_model.model.layers.{}.pre_feedforward_layernorm.weight", Hidden)
            .from("model.layers.{}.pre_feedforward_layernorm.weight")
            .plus_one(),
        vector("language_model.model.layers.{}.post_feedforward_layernorm.weight", Hidden)
            .from("model.layers.{}.post_feedforward_layernorm.weight")
            .plus_one(),
        vector("language_model.model.norm.weight", Hidden).from("model.norm.weight").plus_one(),
    ],
    unused: &[],
};

const FIELDS: [Field; 15] = [
    ("hidden_size", Required),
    ("intermediate_size", Required),
    ("num_hidden_layers", Required),
    ("attention_bias", Bool(false)),
    ("num_attention_heads", Int(8)),
    ("num_key_value_heads", Int(4)),
    ("head_dim", Int(256)),
    ("rms_norm_eps", Float(1e-6)),
    ("hidden_activation", Text("gelu_pytorch_tanh")),
    ("position_embedding_base", Int(1_000_000)),
    ("rope_scaling", Int(0)),
    ("context_window_size", Int(131_072)),
    ("prefill_chunk_size", Int(0)),
    ("query_pre_attn_scalar", Int(256)),
    ("sliding_window_size", Null),
];

const RULES: [Rule; 6] =
    [gemma_kind, window, base, context_window, kv_heads_divide, chunk_and_context];

/// What upstream's class calls the fields that are none of its own.
const OTHERS: &str = "kwargs";

/// `text_config`, which is the whole `config.json` of a text model; and the sizes of the model,
/// which are those of the text.
fn text_config(config: &mut ModelConfig) -> Result<(), Invalid> {
    let source = match config.value("text_config") {
        Value::Null => {
            config.set("is_text_model", true);
            written(&read(config.others.clone())?)
        }
        Value::Object(text) => text.clone(),
        _ => return Err(Invalid("`text_config` is not an object".to_owned())),
    };
    let text = read(unfolded(source))?;
    for name in ["context_window_size", "prefill_chunk_size", "sliding_window_size"] {
        if config.int(name)? <= 0 {
            let size = text.value(name).clone();
            config.set(name, size);
        }
    }
    config.set("text_config", written(&text));
    Ok(())
}

fn read(source: Map<String, Value>) -> Result<ModelConfig, Invalid> {
    ModelConfig::read(&FIELDS, &RULES, source)
        .map_err(|Invalid(why)| Invalid(format!("the text model's part: {why}")))
}

/// With the fields that are none behind the others, in an object of their own.
fn written(text: &ModelConfig) -> Map<String, Value> {
    let mut fields = text.fields.clone();
    fields.insert(OTHERS.to_owned(), Value::Object(text.others.clone()));
    fields
}

/// The opposite of [`written`].
fn unfolded(mut text: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(others)) = text.shift_remove(OTHERS) {
        text.extend(others);
    }
    text
}

fn window(config: &mut ModelConfig) -> Result<(), Invalid> {
    if config.value("sliding_window_size").is_null() {
        let window = config.others.get("sliding_window").cloned().unwrap_or_default();
        config.set("sliding_window_size", window);
    }
    Ok(())
}

fn base(config: &mut ModelConfig) -> Result<(), Invalid> {
    let is_default = config.value("position_embedding_base").as_f64() == Some(1e6);
    if is_default && let Some(base) = config.take_other("rope_theta") {
        config.set("position_embedding_base", base);
    }
    Ok(())
}

/// The context is at least the window, and 8192 at least: upstream does not mix windows.
fn chunk_and_context(config: &mut ModelConfig) -> Result<(), Invalid> {
    prefill_8192(config)?;
    let context = config.int("sliding_window_size")?.max(8192);
    config.set("context_window_size", context);
    Ok(())
}
