//! RWKV 6.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{Hidden, Is, Named, Of, Vocab};
use super::row::{embedding, linear, tensor, vector};
use super::rwkv5::{halvings, is_first, source_name};
use super::{Architecture, PLAIN};

pub(super) const RWKV6: Architecture = Architecture {
    model_type: "rwkv6",
    rows: &[
        embedding("model.embeddings.weight", Vocab, Hidden),
        vector("model.blocks.{}.pre_ln.weight", Hidden).in_layers(is_first),
        vector("model.blocks.{}.pre_ln.bias", Hidden).in_layers(is_first),
        vector("model.blocks.{}.ln1.weight", Hidden),
        vector("model.blocks.{}.ln1.bias", Hidden),
        vector("model.blocks.{}.ln2.weight", Hidden),
        vector("model.blocks.{}.ln2.bias", Hidden),
        linear("model.blocks.{}.attention.key.weight", Hidden, Hidden),
        linear("model.blocks.{}.attention.value.weight", Hidden, Hidden),
        linear("model.blocks.{}.attention.receptance.weight", Hidden, Hidden),
        linear("model.blocks.{}.attention.gate.weight", Hidden, Hidden),
        linear("model.blocks.{}.attention.output.weight", Hidden, Hidden).halved(halvings),
        vector("model.blocks.{}.attention.ln_x.weight", Hidden).in_f32(),
        vector("model.blocks.{}.attention.ln_x.bias", Hidden).in_f32(),
        tensor("model.blocks.{}.attention.time_faaaa", &[Named("num_heads"), Named("head_size")])
            .in_f32(),
        tensor("model.blocks.{}.attention.time_maa_x", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.attention.time_maa_w", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.attention.time_maa_k", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.attention.time_maa_v", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.attention.time_maa_r", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.attention.time_maa_g", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.attention.time_maa_w1", &[Hidden, Of(five_mixes)]),
        tensor("model.blocks.{}.attention.time_maa_w2", &[Is(5), Of(mix), Hidden]),
        tensor("model.blocks.{}.attention.time_decay_w1", &[Hidden, Of(decay)]),
        tensor("model.blocks.{}.attention.time_decay_w2", &[Of(decay), Hidden]),
        tensor("model.blocks.{}.attention.time_decay", &[Is(1), Is(1), Hidden]).in_f32(),
        tensor("model.blocks.{}.feed_forward.time_maa_k", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.feed_forward.time_maa_r", &[Is(1), Is(1), Hidden]),
        linear("model.blocks.{}.feed_forward.key.weight", Of(inner), Hidden),
        linear("model.blocks.{}.feed_forward.receptance.weight", Hidden, Hidden),
        linear("model.blocks.{}.feed_forward.value.weight", Hidden, Of(inner)).halved(halvings),
        vector("model.ln_out.weight", Hidden),
        vector("model.ln_out.bias", Hidden),
        linear("head.weight", Vocab, Hidden),
    ],
    source_name: Some(source_name),
    ..PLAIN
};

/// Three and a half times the hidden size, whatever `intermediate_size` says.
fn inner(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(config.size("hidden_size")? / 2 * 7)
}

/// The rank of what mixes a token with the one before it: the 7B model has another.
fn mix(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(if config.size("hidden_size")? == 4096 { 64 } else { 32 })
}

fn five_mixes(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(5 * mix(config)?)
}

fn decay(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(2 * mix(config)?)
}
