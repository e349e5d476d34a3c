//! ChatGLM 2 and 3. Upstream quantizes the head even where it leaves heads alone, for its name.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{Hidden, Named, Of, Query, Vocab};
use super::row::{embedding, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const CHATGLM: Architecture = Architecture {
    model_type: "chatglm",
    rows: &[
        embedding("transformer.embedding.weight", Vocab, Hidden)
            .from("transformer.embedding.word_embeddings.weight"),
        linear(
            "transformer.encoder.layers.{}.self_attention.query_key_value.weight",
            Of(qkv),
            Hidden,
        ),
        vector("transformer.encoder.layers.{}.self_attention.query_key_value.bias", Of(qkv))
            .when(has_qkv_bias),
        linear("transformer.encoder.layers.{}.self_attention.dense.weight", Hidden, Query),
        vector("transformer.encoder.layers.{}.self_attention.dense.bias", Hidden)
            .if_required_flag("add_bias_linear"),
        linear("transformer.encoder.layers.{}.mlp.dense_h_to_4h.weight", Of(gate_up), Hidden),
        vector("transformer.encoder.layers.{}.mlp.dense_h_to_4h.bias", Of(gate_up))
            .if_required_flag("add_bias_linear"),
        linear(
            "transformer.encoder.layers.{}.mlp.dense_4h_to_h.weight",
            Hidden,
            Named("ffn_hidden_size"),
        ),
        vector("transformer.encoder.layers.{}.mlp.dense_4h_to_h.bias", Hidden)
            .if_required_flag("add_bias_linear"),
        vector("transformer.encoder.layers.{}.input_layernorm.weight", Hidden),
        vector("transformer.encoder.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("transformer.encoder.final_layernorm.weight", Hidden)
            .if_required_flag("post_layer_norm"),
        vector("transformer.encoder.final_layernorm.bias", Hidden).when(has_final_bias),
        linear("transformer.output_layer.weight", Vocab, Hidden),
    ],
    ..PLAIN
};

fn set(config: &HfConfig, field: &'static str) -> Result<bool, ConfigError> {
    Ok(config.flag(field)?.unwrap_or(false))
}

fn has_qkv_bias(config: &HfConfig) -> Result<bool, ConfigError> {
    Ok(set(config, "add_bias_linear")? || set(config, "add_qkv_bias")?)
}

fn has_final_bias(config: &HfConfig) -> Result<bool, ConfigError> {
    Ok(set(config, "post_layer_norm")? && !set(config, "rmsnorm")?)
}

fn qkv(config: &HfConfig) -> Result<u64, ConfigError> {
    let keys = match set(config, "multi_query_attention")? {
        true => config.size("multi_query_group_num")?,
        false => config.heads()?,
    };
    Ok((config.heads()? + 2 * keys) * config.head_dim()?)
}

fn gate_up(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(2 * config.size("ffn_hidden_size")?)
}
