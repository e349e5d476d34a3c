//! GPT-NeoX, Pythia, RedPajama. The biases of the feed-forward layers keep a type of their own.

use super::Architecture;
use super::row::Dim::{AnyVocab, Hidden, Intermediate, Qkv, Query};
use super::row::{embedding, linear, vector};

pub(super) const GPT_NEOX: Architecture = Architecture {
    model_type: "gpt_neox",
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
