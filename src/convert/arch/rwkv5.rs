//! RWKV 5.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{Hidden, Intermediate, Is, Named, Vocab};
use super::row::{embedding, linear, tensor, vector};
use super::{Architecture, PLAIN};

pub(super) const RWKV5: Architecture = Architecture {
    model_type: "rwkv5",
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
        tensor("model.blocks.{}.attention.time_decay", &[Named("num_heads"), Named("head_size")])
            .in_f32()
            .exp_of_exp(),
        tensor("model.blocks.{}.attention.time_mix_gate", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.attention.time_mix_key", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.attention.time_mix_value", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.attention.time_mix_receptance", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.feed_forward.time_mix_key", &[Is(1), Is(1), Hidden]),
        tensor("model.blocks.{}.feed_forward.time_mix_receptance", &[Is(1), Is(1), Hidden]),
        linear("model.blocks.{}.feed_forward.key.weight", Intermediate, Hidden),
        linear("model.blocks.{}.feed_forward.receptance.weight", Hidden, Hidden),
        linear("model.blocks.{}.feed_forward.value.weight", Hidden, Intermediate).halved(halvings),
        vector("model.ln_out.weight", Hidden),
        vector("model.ln_out.bias", Hidden),
        linear("head.weight", Vocab, Hidden),
    ],
    source_name: Some(source_name),
    ..PLAIN
};

pub(super) fn source_name(_: &HfConfig, name: &str) -> Result<String, ConfigError> {
    Ok(name.replace("model", "rwkv"))
}

pub(super) fn is_first(_: &HfConfig, layer: u64) -> Result<bool, ConfigError> {
    Ok(layer == 0)
}

/// Deeper layers are halved, so that f16 holds what they make.
pub(super) fn halvings(config: &HfConfig, layer: u64) -> Result<u32, ConfigError> {
    let times = layer.checked_div(config.count("rescale_every")?).unwrap_or_default();
    match u32::try_from(times) {
        Ok(times @ ..=15) => Ok(times),
        _ => Err(ConfigError::Model(format!(
            "layer {layer} would be divided by 2 to the power of {times}, and f16 has no more than 15"
        ))),
    }
}
