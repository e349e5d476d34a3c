//! Mistral. Upstream's has no tied embeddings.

use super::class::Default::{Int, Required};
use super::parts::{GATE_UP_WEIGHTS, QKV_WEIGHTS};
use super::row::Dim::{AnyVocab, Hidden, Intermediate, Query};
use super::row::{embedding, fused, linear, vector};
use super::rules::{
    head_dim, kv_heads, kv_heads_divide, prefill_in_window, rope_base, sliding_window,
};
use super::{Architecture, Class};

pub(super) const MISTRAL: Architecture = Architecture {
    model_type: "mistral",
    class: Class {
        fields: &[
            ("hidden_size", Required),
            ("intermediate_size", Required),
            ("num_attention_heads", Required),
            ("num_hidden_layers", Required),
            ("rms_norm_eps", Required),
            ("vocab_size", Required),
            ("position_embedding_base", Int(0)),
            ("num_key_value_heads", Int(0)),
            ("head_dim", Int(0)),
            ("context_window_size", Int(0)),
            ("sliding_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("attention_sink_size", Int(4)),
            ("tensor_parallel_shards", Int(1)),
            ("max_batch_size", Int(1)),
        ],
        rules: &[rope_base, sliding_window, kv_heads, head_dim, kv_heads_divide, prefill_in_window],
    },
    rows: &[
        embedding("model.embed_tokens.weight", AnyVocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", AnyVocab, Hidden),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.inv_freq"],
};
