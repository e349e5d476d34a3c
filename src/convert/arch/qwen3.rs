//! Qwen 3.

use super::class::Default::{Bool, Int, Null, Required, Text};
use super::parts::{GATE_UP_WEIGHTS, QKV_BIASES, QKV_WEIGHTS};
use super::row::Dim::{Head, Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, fused_vector, linear, vector};
use super::rules::{context_window, fp8_blocks, prefill_2048};
use super::{Architecture, Class};

pub(super) const QWEN3: Architecture = Architecture {
    model_type: "qwen3",
    class: Class {
        fields: &[
            ("hidden_act", Required),
            ("hidden_size", Required),
            ("intermediate_size", Required),
            ("attention_bias", Required),
            ("num_attention_heads", Required),
            ("num_hidden_layers", Required),
            ("num_key_value_heads", Required),
            ("rms_norm_eps", Required),
            ("rope_theta", Required),
            ("vocab_size", Required),
            ("tie_word_embeddings", Bool(false)),
            ("context_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("head_dim", Int(0)),
            ("dtype", Text("float32")),
            ("max_batch_size", Int(1)),
            ("weight_block_size", Null),
        ],
        rules: &[fp8_blocks, context_window, prefill_2048],
    },
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.c_attn.weight", QKV_WEIGHTS, Hidden),
        fused_vector("model.layers.{}.self_attn.c_attn.bias", QKV_BIASES)
            .if_required_flag("attention_bias"),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        vector("model.layers.{}.self_attn.o_proj.bias", Hidden).if_required_flag("attention_bias"),
        vector("model.layers.{}.self_attn.q_norm.weight", Head),
        vector("model.layers.{}.self_attn.k_norm.weight", Head),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    unused: &[],
};
