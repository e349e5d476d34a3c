//! GPT-NeoX, Pythia, RedPajama. The biases of the feed-forward layers keep a type of their own.

use super::class::Default::{Int, Required, Text};
use super::row::Dim::{AnyVocab, Hidden, Intermediate, Qkv, Query};
use super::row::{embedding, linear, vector};
use super::rules::{context_window, head_dim, heads_fill_hidden, prefill_8192, rope_base};
use super::{Architecture, Class};

pub(super) const GPT_NEOX: Architecture = Architecture {
    model_type: "gpt_neox",
    class: Class {
        fields: &[
            ("use_parallel_residual", Required),
            ("hidden_size", Required),
            ("intermediate_size", Required),
            ("num_attention_heads", Required),
            ("num_hidden_layers", Required),
            ("layer_norm_eps", Required),
            ("vocab_size", Required),
            ("rotary_pct", Required),
            ("position_embedding_base", Int(0)),
            ("context_window_size", Int(0)),
            ("head_dim", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("ffn_out_dtype", Text("float32")),
            ("max_batch_size", Int(1)),
        ],
        rules: &[context_window, rope_base, head_dim, heads_fill_hidden, prefill_8192],
    },
    rows: &[
        embedding("gpt_neox.embed_in.weight", AnyVocab, Hidden),
        linear("gpt_neox.layers.{}.attention.query_key_value.weight", Qkv, Hidden).split_qkv(),
        vector("gpt_neox.layers.{}.attention.query_key_value.bias", Qkv).split_qkv(),
        linear("gpt_neox.layers.{}.attention.dense.weight", Hidden, Query),
        vector("gpt_neox.layers.{}.attention.dense.bias", Hidden),
        linear("gpt_neox.layers.{}.mlp.dense_h_to_4h.weight", Intermediate, Hidden),
        vector("gpt_neox.layers.{}.mlp.dense_h_to_4h.bias", Intermediate).in_ffn_out_dtype(),
        linear("gpt_neox.layers.{}.mlp.dense_4h_to_h.weight", Hidden, Intermediate),
        vector("gpt_neox.layers.{}.mlp.dense_4h_to_h.bias", Hidden).in_ffn_out_dtype(),
        vector("gpt_neox.layers.{}.input_layernorm.weight", Hidden),
        vector("gpt_neox.layers.{}.input_layernorm.bias", Hidden),
        vector("gpt_neox.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("gpt_neox.layers.{}.post_attention_layernorm.bias", Hidden),
        vector("gpt_neox.final_layer_norm.weight", Hidden),
        vector("gpt_neox.final_layer_norm.bias", Hidden),
        linear("embed_out.weight", AnyVocab, Hidden),
    ],
    unused: &[
        "gpt_neox.layers.{}.attention.rotary_emb.inv_freq",
        "gpt_neox.layers.{}.attention.masked_bias",
        "gpt_neox.layers.{}.attention.bias",
    ],
};
