//! Gemma 2: Gemma with two norms more.

use super::Architecture;
use super::row::Dim::{AnyVocab, Hidden, Intermediate, KeyValue, Query};
use super::row::{embedding, fused, linear, vector};

pub(super) const GEMMA2: Architecture = Architecture {
    model_type: "gemma2",
    rows: &[
        embedding("model.embed_tokens.weight", AnyVocab, Hidden),
        fused(
            "model.layers.{}.self_attn.qkv_proj.weight",
            &[
                ("model.layers.{}.self_attn.q_proj.weight", Query),
                ("model.layers.{}.self_attn.k_proj.weight", KeyValue),
                ("model.layers.{}.self_attn.v_proj.weight", KeyValue),
            ],
            Hidden,
        ),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused(
            "model.layers.{}.mlp.gate_up_proj.weight",
            &[
                ("model.layers.{}.mlp.gate_proj.weight", Intermediate),
                ("model.layers.{}.mlp.up_proj.weight", Intermediate),
            ],
            Hidden,
        ),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden).plus_one(),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden).plus_one(),
        vector("model.layers.{}.pre_feedforward_layernorm.weight", Hidden).plus_one(),
        vector("model.layers.{}.post_feedforward_layernorm.weight", Hidden).plus_one(),
        vector("model.norm.weight", Hidden).plus_one(),
    ],
    unused: &[],
};
