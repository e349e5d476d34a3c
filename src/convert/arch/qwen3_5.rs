//! Qwen 3.5, the text part. Three layers of four have a recurrent state in the place of attention.

use super::hf_config::{ConfigError, HfConfig};
use super::parts::GATE_UP_WEIGHTS;
use super::row::Dim::{Head, Hidden, Intermediate, Is, KeyValue, Named, Of, Query, Vocab};
use super::row::{Dim, embedding, fused, linear, tensor, vector};
use super::{Architecture, PLAIN};

pub(super) const QWEN3_5: Architecture = Architecture {
    model_type: "qwen3_5",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused(
            "model.layers.{}.self_attn.c_attn.weight",
            &[
                ("model.layers.{}.self_attn.q_proj.weight", Of(gated_query)),
                ("model.layers.{}.self_attn.k_proj.weight", KeyValue),
                ("model.layers.{}.self_attn.v_proj.weight", KeyValue),
            ],
            Hidden,
        )
        .in_layers(has_attention),
        vector("model.layers.{}.self_attn.c_attn.bias", Of(c_attn))
            .if_set("attention_bias")
            .in_layers(has_attention),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query).in_layers(has_attention),
        vector("model.layers.{}.self_attn.o_proj.bias", Hidden)
            .if_set("attention_bias")
            .in_layers(has_attention),
        vector("model.layers.{}.self_attn.q_norm.weight", Head)
            .plus_one_in_single()
            .in_layers(has_attention),
        vector("model.layers.{}.self_attn.k_norm.weight", Head)
            .plus_one_in_single()
            .in_layers(has_attention),
        linear("model.layers.{}.linear_attn.in_proj_qkv.weight", Of(linear_qkv), Hidden)
            .in_layers(is_linear),
        linear("model.layers.{}.linear_attn.in_proj_z.weight", Of(values), Hidden)
            .in_layers(is_linear),
        linear("model.layers.{}.linear_attn.in_proj_a.weight", VALUE_HEADS, Hidden)
            .in_layers(is_linear),
        linear("model.layers.{}.linear_attn.in_proj_b.weight", VALUE_HEADS, Hidden)
            .in_layers(is_linear),
        linear("model.layers.{}.linear_attn.out_proj.weight", Hidden, Of(values))
            .in_layers(is_linear),
        tensor(
            "model.layers.{}.linear_attn.conv1d_weight",
            &[Of(linear_qkv), Is(1), Named("linear_conv_kernel_dim")],
        )
        .from("model.layers.{}.linear_attn.conv1d.weight")
        .in_layers(is_linear),
        vector("model.layers.{}.linear_attn.A_log", VALUE_HEADS).in_f32().in_layers(is_linear),
        vector("model.layers.{}.linear_attn.dt_bias", VALUE_HEADS).in_f32().in_layers(is_linear),
        vector("model.layers.{}.linear_attn.norm.weight", Named("linear_value_head_dim"))
            .in_layers(is_linear),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden).plus_one_in_single(),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden).plus_one_in_single(),
        vector("model.norm.weight", Hidden).plus_one_in_single(),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    source_name: Some(source_name),
    ..PLAIN
};

pub(super) const QWEN3_5_TEXT: Architecture =
    Architecture { model_type: "qwen3_5_text", ..QWEN3_5 };

const VALUE_HEADS: Dim = Named("linear_num_value_heads");

/// The model of text alone has the prefix too.
fn source_name(_: &HfConfig, name: &str) -> Result<String, ConfigError> {
    Ok(match name.strip_prefix("model.") {
        Some(rest) => format!("model.language_model.{rest}"),
        None => name.to_owned(),
    })
}

fn has_attention(config: &HfConfig, layer: u64) -> Result<bool, ConfigError> {
    Ok((layer + 1).is_multiple_of(config.size("full_attention_interval")?))
}

fn is_linear(config: &HfConfig, layer: u64) -> Result<bool, ConfigError> {
    Ok(!has_attention(config, layer)?)
}

/// A query has a gate beside it.
fn gated_query(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(2 * config.heads()? * config.head_dim()?)
}

fn c_attn(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(gated_query(config)? + 2 * config.key_value_heads()? * config.head_dim()?)
}

fn values(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(config.size("linear_num_value_heads")? * config.size("linear_value_head_dim")?)
}

fn linear_qkv(config: &HfConfig) -> Result<u64, ConfigError> {
    let keys = config.size("linear_num_key_heads")? * config.size("linear_key_head_dim")?;
    Ok(2 * keys + values(config)?)
}
