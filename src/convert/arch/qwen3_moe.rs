//! Qwen 3 with experts.

use super::parts::{EXPERT_DOWN, EXPERT_GATE_UP, QKV_BIASES, QKV_WEIGHTS};
use super::qwen2_moe::experts_of_every_layer;
use super::row::Dim::{Head, Hidden, Named, Of, Query, Vocab};
use super::row::{embedding, experts, fused, fused_vector, linear, vector};
use super::{Architecture, PLAIN, Support};

pub(super) const QWEN3_MOE: Architecture = Architecture {
    model_type: "qwen3_moe",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.c_attn.weight", QKV_WEIGHTS, Hidden),
        fused_vector("model.layers.{}.self_attn.c_attn.bias", QKV_BIASES)
            .if_required_flag("attention_bias"),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        vector("model.layers.{}.self_attn.o_proj.bias", Hidden).if_required_flag("attention_bias"),
        vector("model.layers.{}.self_attn.q_norm.weight", Head),
        vector("model.layers.{}.self_attn.k_norm.weight", Head),
        linear("model.layers.{}.mlp.gate.weight", Of(experts_of_every_layer), Hidden),
        experts(
            "model.layers.{}.mlp.moe_gate_up_proj.weight",
            Of(experts_of_every_layer),
            EXPERT_GATE_UP,
            Hidden,
        ),
        experts(
            "model.layers.{}.mlp.moe_down_proj.weight",
            Of(experts_of_every_layer),
            EXPERT_DOWN,
            Named("moe_intermediate_size"),
        ),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden),
    ],
    block_scale: Support::Native,
    ..PLAIN
};
