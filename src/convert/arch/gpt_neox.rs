//! GPT-NeoX, Pythia, RedPajama. The biases of the feed-forward layers keep a type of their own.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{Hidden, Intermediate, Qkv, Query, Vocab};
use super::row::{Regroup, embedding, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const GPT_NEOX: Architecture = Architecture {
    model_type: "gpt_neox",
    rows: &[
        embedding("gpt_neox.embed_in.weight", Vocab, Hidden),
        linear("gpt_neox.layers.{}.attention.query_key_value.weight", Qkv, Hidden)
            .regrouped(by_head),
        vector("gpt_neox.layers.{}.attention.query_key_value.bias", Qkv).regrouped(by_head),
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
        linear("embed_out.weight", Vocab, Hidden),
    ],
    unused: &[
        "gpt_neox.layers.{}.attention.rotary_emb.inv_freq",
        "gpt_neox.layers.{}.attention.masked_bias",
        "gpt_neox.layers.{}.attention.bias",
    ],
    ..PLAIN
};

/// Queries, keys and values are interleaved head by head.
fn by_head(config: &HfConfig) -> Result<Regroup, ConfigError> {
    let (groups, dim) = (config.heads()?, config.head_dim()?);
    let taken = vec![0..dim, dim..2 * dim, 2 * dim..3 * dim];
    Ok(Regroup { groups, rows: 3 * dim, taken, transposed: false })
}
