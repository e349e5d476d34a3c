//! Qwen 2 and 2.5.

use super::parts::{GATE_UP_WEIGHTS, QKV_BIASES, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, fused_vector, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const QWEN2: Architecture = Architecture {
    model_type: "qwen2",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.c_attn.weight", QKV_WEIGHTS, Hidden),
        fused_vector("model.layers.{}.self_attn.c_attn.bias", QKV_BIASES),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.inv_freq"],
    ..PLAIN
};
