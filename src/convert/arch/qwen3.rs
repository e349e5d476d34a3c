//! Qwen 3, and Qwen 3 Embedding: its checkpoint says that it is a Qwen 3, and has the model alone.

use super::hf_config::{ConfigError, HfConfig};
use super::parts::{GATE_UP_WEIGHTS, QKV_BIASES, QKV_WEIGHTS};
use super::row::Dim::{Head, Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, fused_vector, linear, vector};
use super::{Architecture, Embeds, PLAIN, Support};

pub(super) const QWEN3: Architecture = Architecture {
    model_type: "qwen3",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.c_attn.weight", QKV_WEIGHTS, Hidden),
        fused_vector("model.layers.{}.self_attn.c_attn.bias", QKV_BIASES)
            .if_required_flag("attention_bias"),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        vector("model.layers.{}.self_attn.o_proj.bias", Hidden).if_required_flag("attention_bias"),
        vector("model.layers.{}.self_attn.q_norm.weight", Head),
        vector("model.layers.{}.self_attn.k_norm.weight", Head),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    block_scale: Support::Native,
    ..PLAIN
};

pub(super) const QWEN3_EMBEDDING: Architecture = Architecture {
    model_type: "qwen3-embedding",
    source_name: Some(without_model),
    embeds: Some(Embeds { model_type: "decoder", pooling_strategy: "last", normalize: true }),
    ..QWEN3
};

fn without_model(_: &HfConfig, name: &str) -> Result<String, ConfigError> {
    Ok(name.strip_prefix("model.").unwrap_or(name).to_owned())
}
