//! StableLM 2 and 3B. Upstream's has no tied embeddings.

use super::parts::{GATE_UP_WEIGHTS, QKV_BIASES, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, fused_vector, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const STABLELM: Architecture = Architecture {
    model_type: "stablelm",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        fused_vector("model.layers.{}.self_attn.qkv_proj.bias", QKV_BIASES).if_set("use_qkv_bias"),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.input_layernorm.bias", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.bias", Hidden),
        vector("model.norm.weight", Hidden),
        vector("model.norm.bias", Hidden),
        linear("lm_head.weight", Vocab, Hidden),
    ],
    ..PLAIN
};
