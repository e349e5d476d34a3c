//! InternLM, the first.

use super::parts::GATE_UP_WEIGHTS;
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{Dim, embedding, fused, fused_vector, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const INTERNLM: Architecture = Architecture {
    model_type: "internlm",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.wqkv_pack.weight", QKV, Hidden),
        fused_vector("model.layers.{}.self_attn.wqkv_pack.bias", QKV_BIAS).if_required_flag("bias"),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        vector("model.layers.{}.self_attn.o_proj.bias", Hidden).if_required_flag("bias"),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.inv_freq"],
    ..PLAIN
};

/// There are as many keys and values as queries, whatever the config says.
const QKV: &[(&str, Dim)] = &[
    ("model.layers.{}.self_attn.q_proj.weight", Query),
    ("model.layers.{}.self_attn.k_proj.weight", Query),
    ("model.layers.{}.self_attn.v_proj.weight", Query),
];

const QKV_BIAS: &[(&str, Dim)] = &[
    ("model.layers.{}.self_attn.q_proj.bias", Query),
    ("model.layers.{}.self_attn.k_proj.bias", Query),
    ("model.layers.{}.self_attn.v_proj.bias", Query),
];
