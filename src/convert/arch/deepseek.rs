//! DeepSeek MoE, the first.

use super::hf_config::{ConfigError, HfConfig};
use super::parts::{EXPERT_DOWN, EXPERT_GATE_UP, GATE_UP_WEIGHTS, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Named, Of, Qkv, Query, Vocab};
use super::row::{Dim, embedding, experts, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const DEEPSEEK: Architecture = Architecture {
    model_type: "deepseek",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.wqkv_pack.weight", QKV_WEIGHTS, Hidden),
        vector("model.layers.{}.self_attn.wqkv_pack.bias", Qkv).if_set("attention_bias"),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        vector("model.layers.{}.self_attn.o_proj.bias", Hidden).if_set("attention_bias"),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden)
            .in_layers(is_dense),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate).in_layers(is_dense),
        linear("model.layers.{}.mlp.gate.weight", Named("n_routed_experts"), Hidden)
            .in_layers(has_experts),
        fused("model.layers.{}.mlp.shared_experts.gate_up_proj.weight", SHARED_GATE_UP, Hidden)
            .in_layers(has_experts),
        linear("model.layers.{}.mlp.shared_experts.down_proj.weight", Hidden, Of(shared))
            .in_layers(has_experts),
        experts(
            "model.layers.{}.mlp.moe_gate_up_proj.weight",
            Named("n_routed_experts"),
            EXPERT_GATE_UP,
            Hidden,
        )
        .in_layers(has_experts),
        experts(
            "model.layers.{}.mlp.moe_down_proj.weight",
            Named("n_routed_experts"),
            EXPERT_DOWN,
            Named("moe_intermediate_size"),
        )
        .in_layers(has_experts),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden),
    ],
    ..PLAIN
};

pub(super) const SHARED_GATE_UP: &[(&str, Dim)] = &[
    ("model.layers.{}.mlp.shared_experts.gate_proj.weight", Of(shared)),
    ("model.layers.{}.mlp.shared_experts.up_proj.weight", Of(shared)),
];

/// The shared experts are one, so many times as wide.
pub(super) fn shared(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(config.size("moe_intermediate_size")? * config.size("n_shared_experts")?)
}

/// The first layers have no experts, and after them not every one need have.
pub(super) fn has_experts(config: &HfConfig, layer: u64) -> Result<bool, ConfigError> {
    let first = config.count("first_k_dense_replace")?;
    Ok(layer >= first && layer.is_multiple_of(config.size("moe_layer_freq")?))
}

pub(super) fn is_dense(config: &HfConfig, layer: u64) -> Result<bool, ConfigError> {
    Ok(!has_experts(config, layer)?)
}
