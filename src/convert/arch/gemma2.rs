//! Gemma 2: Gemma with two norms more.

use super::class::Default::{Int, Null, Required};
use super::parts::{GATE_UP_WEIGHTS, QKV_WEIGHTS};
use super::row::Dim::{AnyVocab, Hidden, Intermediate, Query};
use super::row::{embedding, fused, linear, vector};
use super::rules::{
    context_is_window, context_window, gemma_kind, kv_heads_divide, prefill_8192, rope_base,
};
use super::{Architecture, Class};

pub(super) const GEMMA2: Architecture = Architecture {
    model_type: "gemma2",
    class: Class {
        fields: &[
            ("hidden_size", Required),
            ("intermediate_size", Required),
            ("attention_bias", Required),
            ("num_attention_heads", Required),
            ("num_key_value_heads", Required),
            ("head_dim", Required),
            ("num_hidden_layers", Required),
            ("rms_norm_eps", Required),
            ("vocab_size", Required),
            ("hidden_activation", Null),
            ("position_embedding_base", Int(0)),
            ("context_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("max_batch_size", Int(1)),
            ("attn_logit_softcapping", Null),
            ("final_logit_softcapping", Null),
            ("query_pre_attn_scalar", Null),
            ("sliding_window", Null),
        ],
        rules: &[
            gemma_kind,
            rope_base,
            context_window,
            kv_heads_divide,
            prefill_8192,
            context_is_window,
        ],
    },
    rows: &[
        embedding("model.embed_tokens.weight", AnyVocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden).plus_one(),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden).plus_one(),
        vector("model.layers.{}.pre_feedforward_layernorm.weight", Hidden).plus_one(),
        vector("model.layers.{}.post_feedforward_layernorm.weight", Hidden).plus_one(),
        vector("model.norm.weight", Hidden).plus_one(),
    ],
    unused: &[],
};
