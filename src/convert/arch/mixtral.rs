//! Mixtral: Mistral with experts.

use super::parts::QKV_WEIGHTS;
use super::row::Dim::{Hidden, Intermediate, Named, Query, Vocab};
use super::row::{embedding, experts, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const MIXTRAL: Architecture = Architecture {
    model_type: "mixtral",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        linear("model.layers.{}.moe.gate.weight", Named("num_local_experts"), Hidden)
            .from("model.layers.{}.block_sparse_moe.gate.weight"),
        experts(
            "model.layers.{}.moe.e1_e3.weight",
            Named("num_local_experts"),
            &[
                ("model.layers.{}.block_sparse_moe.experts.{e}.w1.weight", Intermediate),
                ("model.layers.{}.block_sparse_moe.experts.{e}.w3.weight", Intermediate),
            ],
            Hidden,
        ),
        experts(
            "model.layers.{}.moe.e2.weight",
            Named("num_local_experts"),
            &[("model.layers.{}.block_sparse_moe.experts.{e}.w2.weight", Hidden)],
            Intermediate,
        ),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.inv_freq"],
    per_tensor: true,
    ..PLAIN
};
