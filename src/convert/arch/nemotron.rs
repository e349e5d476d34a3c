//! Nemotron: no gate, and norms with a bias.

use super::parts::QKV_WEIGHTS;
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const NEMOTRON: Architecture = Architecture {
    model_type: "nemotron",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        linear("model.layers.{}.mlp.up_proj.weight", Intermediate, Hidden),
        vector("model.layers.{}.mlp.up_proj.bias", Intermediate).if_set("mlp_bias"),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.mlp.down_proj.bias", Hidden).if_set("mlp_bias"),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.input_layernorm.bias", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.bias", Hidden),
        vector("model.norm.weight", Hidden),
        vector("model.norm.bias", Hidden),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.inv_freq"],
    per_tensor: true,
    ..PLAIN
};
