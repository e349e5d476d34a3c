//! StarCoder 2. The head is always the table of embeddings.

use super::parts::{QKV_BIASES, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, fused_vector, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const STARCODER2: Architecture = Architecture {
    model_type: "starcoder2",
    rows: &[
        linear("lm_head.weight", Vocab, Hidden).from("model.embed_tokens.weight"),
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.wqkv_pack.weight", QKV_WEIGHTS, Hidden),
        fused_vector("model.layers.{}.self_attn.wqkv_pack.bias", QKV_BIASES)
            .if_required_flag("use_bias"),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        vector("model.layers.{}.self_attn.o_proj.bias", Hidden).if_required_flag("use_bias"),
        linear("model.layers.{}.mlp.c_fc.weight", Intermediate, Hidden),
        vector("model.layers.{}.mlp.c_fc.bias", Intermediate).if_required_flag("use_bias"),
        linear("model.layers.{}.mlp.c_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.mlp.c_proj.bias", Hidden).if_required_flag("use_bias"),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.input_layernorm.bias", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.bias", Hidden),
        vector("model.norm.weight", Hidden),
        vector("model.norm.bias", Hidden),
    ],
    ..PLAIN
};
