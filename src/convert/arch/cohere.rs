//! Cohere Command R and Aya 23. The head is the table of embeddings, and norms have no bias.

use super::parts::QKV_WEIGHTS;
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const COHERE: Architecture = Architecture {
    model_type: "cohere",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        linear("model.layers.{}.self_attn.out_proj.weight", Hidden, Query)
            .from("model.layers.{}.self_attn.o_proj.weight"),
        linear("model.layers.{}.mlp.gate_proj.weight", Intermediate, Hidden),
        linear("model.layers.{}.mlp.up_proj.weight", Intermediate, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
    ],
    ..PLAIN
};
