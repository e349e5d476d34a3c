//! What several architectures fuse: the parts, by the names that checkpoints of Hugging Face have.

use super::row::Dim::{self, Hidden, Intermediate, KeyValue, Named, Query};

/// Tensors and their rows.
type Parts = &'static [(&'static str, Dim)];

/// The weights of queries, keys and values.
pub(super) const QKV_WEIGHTS: Parts = &[
    ("model.layers.{}.self_attn.q_proj.weight", Query),
    ("model.layers.{}.self_attn.k_proj.weight", KeyValue),
    ("model.layers.{}.self_attn.v_proj.weight", KeyValue),
];

/// Their biases.
pub(super) const QKV_BIASES: Parts = &[
    ("model.layers.{}.self_attn.q_proj.bias", Query),
    ("model.layers.{}.self_attn.k_proj.bias", KeyValue),
    ("model.layers.{}.self_attn.v_proj.bias", KeyValue),
];

/// The weights of gate and up.
pub(super) const GATE_UP_WEIGHTS: Parts = &[
    ("model.layers.{}.mlp.gate_proj.weight", Intermediate),
    ("model.layers.{}.mlp.up_proj.weight", Intermediate),
];

/// The weights of each expert's gate and up.
pub(super) const EXPERT_GATE_UP: Parts = &[
    ("model.layers.{}.mlp.experts.{e}.gate_proj.weight", Named("moe_intermediate_size")),
    ("model.layers.{}.mlp.experts.{e}.up_proj.weight", Named("moe_intermediate_size")),
];

/// The weight of each expert's down.
pub(super) const EXPERT_DOWN: Parts =
    &[("model.layers.{}.mlp.experts.{e}.down_proj.weight", Hidden)];
