//! Gemma 3, text only. Upstream names its parameters as those of the multimodal model.

use super::Architecture;
use super::parts::GATE_UP_WEIGHTS;
use super::row::Dim::{AnyVocab, Head, Hidden, Intermediate, KeyValue, Query};
use super::row::{embedding, fused, linear, vector};

pub(super) const GEMMA3_TEXT: Architecture = Architecture {
    model_type: "gemma3_text",
    rows: &[
        embedding("language_model.model.embed_tokens.weight", AnyVocab, Hidden)
            .from("model.embed_tokens.weight"),
        linear("language_model.model.layers.{}.self_attn.q_proj.weight", Query, Hidden)
            .from("model.layers.{}.self_attn.q_proj.weight"),
        linear("language_model.model.layers.{}.self_attn.k_proj.weight", KeyValue, Hidden)
            .from("model.layers.{}.self_attn.k_proj.weight"),
        linear("language_model.model.layers.{}.self_attn.v_proj.weight", KeyValue, Hidden)
            .from("model.layers.{}.self_attn.v_proj.weight"),
        linear("language_model.model.layers.{}.self_attn.o_proj.weight", Hidden, Query)
            .from("model.layers.{}.self_attn.o_proj.weight"),
        vector("language_model.model.layers.{}.self_attn.q_norm.weight", Head)
            .from("model.layers.{}.self_attn.q_norm.weight")
            .plus_one(),
        vector("language_model.model.layers.{}.self_attn.k_norm.weight", Head)
            .from("model.layers.{}.self_attn.k_norm.weight")
            .plus_one(),
        fused("language_model.model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("language_model.model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate)
            .from("model.layers.{}.mlp.down_proj.weight"),
        vector("language_model.model.layers.{}.input_layernorm.weight", Hidden)
            .from("model.layers.{}.input_layernorm.weight")
            .plus_one(),
        vector("language_model.model.layers.{}.post_attention_layernorm.weight", Hidden)
            .from("model.layers.{}.post_attention_layernorm.weight")
            .plus_one(),
        vector("language_model.model.layers.{}.pre_feedforward_layernorm.weight", Hidden)
            .from("model.layers.{}.pre_feedforward_layernorm.weight")
            .plus_one(),
        vector("language_model.model.layers.{}.post_feedforward_layernorm.weight", Hidden)
            .from("model.layers.{}.post_feedforward_layernorm.weight")
            .plus_one(),
        vector("language_model.model.norm.weight", Hidden).from("model.norm.weight").plus_one(),
    ],
    unused: &[],
};
