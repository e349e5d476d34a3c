//! OLMo. Its norms have no weights.

use super::Architecture;
use super::row::Dim::{Hidden, Intermediate, KeyValue, Query, Vocab};
use super::row::{embedding, fused, linear};

pub(super) const OLMO: Architecture = Architecture {
    model_type: "olmo",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
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
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.inv_freq"],
};
