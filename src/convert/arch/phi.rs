//! Phi 1, 1.5 and 2, as Hugging Face has them.

use super::parts::{QKV_BIASES, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, fused_vector, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const PHI: Architecture = Architecture {
    model_type: "phi",
    rows: &[
        linear("lm_head.linear.weight", Vocab, Hidden).from("lm_head.weight"),
        vector("lm_head.linear.bias", Vocab).from("lm_head.bias"),
        vector("lm_head.ln.weight", Hidden).from("model.final_layernorm.weight"),
        vector("lm_head.ln.bias", Hidden).from("model.final_layernorm.bias"),
        embedding("transformer.embd.weight", Vocab, Hidden).from("model.embed_tokens.weight"),
        fused("transformer.h.{}.mixer.Wqkv.weight", QKV_WEIGHTS, Hidden),
        fused_vector("transformer.h.{}.mixer.Wqkv.bias", QKV_BIASES),
        vector("transformer.h.{}.ln.weight", Hidden).from("model.layers.{}.input_layernorm.weight"),
        vector("transformer.h.{}.ln.bias", Hidden).from("model.layers.{}.input_layernorm.bias"),
        linear("transformer.h.{}.mixer.out_proj.weight", Hidden, Query)
            .from("model.layers.{}.self_attn.dense.weight"),
        vector("transformer.h.{}.mixer.out_proj.bias", Hidden)
            .from("model.layers.{}.self_attn.dense.bias"),
        linear("transformer.h.{}.mlp.fc1.weight", Intermediate, Hidden)
            .from("model.layers.{}.mlp.fc1.weight"),
        vector("transformer.h.{}.mlp.fc1.bias", Intermediate).from("model.layers.{}.mlp.fc1.bias"),
        linear("transformer.h.{}.mlp.fc2.weight", Hidden, Intermediate)
            .from("model.layers.{}.mlp.fc2.weight"),
        vector("transformer.h.{}.mlp.fc2.bias", Hidden).from("model.layers.{}.mlp.fc2.bias"),
    ],
    unused: &["model.layers.{}.mixer.rotary_emb.inv_freq"],
    ..PLAIN
};
