//! StableLM 2 and 3B. Upstream's has no tied embeddings.

use super::class::Default::{Bool, Int, Required};
use super::parts::{GATE_UP_WEIGHTS, QKV_BIASES, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, fused_vector, linear, vector};
use super::rules::{context_window, head_dim, heads_fill_hidden, prefill_8192};
use super::{Architecture, Class};

pub(super) const STABLELM: Architecture = Architecture {
    model_type: "stablelm",
    class: Class {
        fields: &[
            ("vocab_size", Required),
            ("hidden_size", Required),
            ("num_hidden_layers", Required),
            ("num_attention_heads", Required),
            ("num_key_value_heads", Required),
            ("layer_norm_eps", Required),
            ("partial_rotary_factor", Required),
            ("rope_theta", Required),
            ("intermediate_size", Required),
            ("use_qkv_bias", Bool(false)),
            ("head_dim", Int(0)),
            ("context_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("max_batch_size", Int(1)),
        ],
        rules: &[context_window, head_dim, heads_fill_hidden, prefill_8192],
    },
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        fused_vector("model.layers.{}.self_attn.qkv_proj.bias", QKV_BIASES).if_set("use_qkv_bias"),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.input_layernorm.bias", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.bias", Hidden),
        vector("model.norm.weight", Hidden),
        vector("model.norm.bias", Hidden),
        linear("lm_head.weight", Vocab, Hidden),
    ],
    unused: &[],
};
