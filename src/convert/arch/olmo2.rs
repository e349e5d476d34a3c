//! OLMo 2. Norms follow what they norm, and queries and keys have one over all heads.

use super::parts::{GATE_UP_WEIGHTS, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, KeyValue, Query, Vocab};
use super::row::{embedding, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const OLMO2: Architecture = Architecture {
    model_type: "olmo2",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        vector("model.layers.{}.self_attn.q_norm.weight", Query),
        vector("model.layers.{}.self_attn.k_norm.weight", KeyValue),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.layers.{}.post_feedforward_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.inv_freq"],
    per_tensor: true,
    ..PLAIN
};
