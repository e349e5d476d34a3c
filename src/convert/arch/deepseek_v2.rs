//! DeepSeek 2, 2.5, 3 and R1. Keys and values come out of one small vector; what makes them of it is
//! stored three times: as it is, and split by head into the two parts that the absorbed form of the
//! attention needs.

use super::block_scale::Side;
use super::deepseek::{SHARED_GATE_UP, has_experts, is_dense, shared};
use super::hf_config::{ConfigError, HfConfig};
use super::parts::{EXPERT_DOWN, EXPERT_GATE_UP, GATE_UP_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Named, Of, Vocab};
use super::row::{Dim, Regroup, embedding, experts, fused, linear, vector};
use super::{Architecture, PLAIN, Support};

pub(super) const DEEPSEEK_V2: Architecture = Architecture {
    model_type: "deepseek_v2",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        linear("model.layers.{}.self_attn.q_proj.weight", Of(query), Hidden).when(has_whole_query),
        linear("model.layers.{}.self_attn.q_a_proj.weight", Named("q_lora_rank"), Hidden)
            .when(has_small_query),
        vector("model.layers.{}.self_attn.q_a_proj.bias", Named("q_lora_rank"))
            .when(has_small_query_bias),
        vector("model.layers.{}.self_attn.q_a_layernorm.weight", Named("q_lora_rank"))
            .when(has_small_query),
        linear("model.layers.{}.self_attn.q_b_proj.weight", Of(query), Named("q_lora_rank"))
            .when(has_small_query),
        linear("model.layers.{}.self_attn.kv_a_proj_with_mqa.weight", Of(small_key_value), Hidden),
        vector("model.layers.{}.self_attn.kv_a_proj_with_mqa.bias", Of(small_key_value))
            .if_set("attention_bias"),
        vector("model.layers.{}.self_attn.kv_a_layernorm.weight", LORA),
        linear("model.layers.{}.self_attn.w_uk", Of(key_value), LORA)
            .from("model.layers.{}.self_attn.kv_b_proj.weight")
            .regrouped(keys)
            .taken_as(&[Named("num_attention_heads"), LORA, KEY]),
        linear("model.layers.{}.self_attn.w_uv", Of(key_value), LORA)
            .from("model.layers.{}.self_attn.kv_b_proj.weight")
            .regrouped(values)
            .taken_as(&[Named("num_attention_heads"), VALUE, LORA]),
        linear("model.layers.{}.self_attn.kv_b_proj.weight", Of(key_value), LORA),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Of(value)),
        vector("model.layers.{}.self_attn.o_proj.bias", Hidden).if_set("attention_bias"),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden)
            .in_layers(is_dense),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate).in_layers(is_dense),
        linear("model.layers.{}.mlp.gate.weight", Named("n_routed_experts"), Hidden)
            .in_layers(has_experts),
        fused("model.layers.{}.mlp.shared_experts.gate_up_proj.weight", SHARED_GATE_UP, Hidden)
            .in_layers(has_experts),
        linear("model.layers.{}.mlp.shared_experts.down_proj.weight", Hidden, Of(shared))
            .in_layers(has_experts),
        experts(
            "model.layers.{}.mlp.moe_gate_up_proj.weight",
            Named("n_routed_experts"),
            EXPERT_GATE_UP,
            Hidden,
        )
        .in_layers(has_experts),
        experts(
            "model.layers.{}.mlp.moe_down_proj.weight",
            Named("n_routed_experts"),
            EXPERT_DOWN,
            Named("moe_intermediate_size"),
        )
        .in_layers(has_experts),
        vector("model.layers.{}.mlp.e_score_correction_bias", Named("n_routed_experts"))
            .from("model.layers.{}.mlp.gate.e_score_correction_bias")
            .in_f32()
            .when(is_corrected)
            .in_layers(has_experts),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden),
    ],
    ..PLAIN
};

pub(super) const DEEPSEEK_V3: Architecture = Architecture {
    model_type: "deepseek_v3",
    block_scale: Support::Native,
    in_blocks: &[
        ("qk_nope_head_dim", Side::Rows),
        ("v_head_dim", Side::Rows),
        // Upstream asks for it, though no parameter has this size as its input size.
        ("v_head_dim", Side::Columns),
        ("kv_lora_rank", Side::Columns),
    ],
    ..DEEPSEEK_V2
};

const LORA: Dim = Named("kv_lora_rank");
const KEY: Dim = Named("qk_nope_head_dim");
const VALUE: Dim = Named("v_head_dim");

fn has_small_query(config: &HfConfig) -> Result<bool, ConfigError> {
    Ok(config.has("q_lora_rank"))
}

fn has_small_query_bias(config: &HfConfig) -> Result<bool, ConfigError> {
    Ok(config.has("q_lora_rank") && config.flag("attention_bias")?.unwrap_or(false))
}

fn has_whole_query(config: &HfConfig) -> Result<bool, ConfigError> {
    Ok(!config.has("q_lora_rank"))
}

fn is_corrected(config: &HfConfig) -> Result<bool, ConfigError> {
    Ok(config.text("topk_method") == Some("noaux_tc"))
}

fn query(config: &HfConfig) -> Result<u64, ConfigError> {
    let head = config.size("qk_nope_head_dim")? + config.size("qk_rope_head_dim")?;
    Ok(config.heads()? * head)
}

fn small_key_value(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(config.size("kv_lora_rank")? + config.size("qk_rope_head_dim")?)
}

fn key_value(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(config.heads()? * (config.size("qk_nope_head_dim")? + config.size("v_head_dim")?))
}

fn value(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(config.heads()? * config.size("v_head_dim")?)
}

/// Of each head the rows of its key, transposed.
fn keys(config: &HfConfig) -> Result<Regroup, ConfigError> {
    let (key, value) = (config.size("qk_nope_head_dim")?, config.size("v_head_dim")?);
    let (groups, taken) = (config.heads()?, std::iter::once(0..key).collect());
    Ok(Regroup { groups, rows: key + value, taken, transposed: true })
}

/// Of each head the rows of its value.
fn values(config: &HfConfig) -> Result<Regroup, ConfigError> {
    let (key, value) = (config.size("qk_nope_head_dim")?, config.size("v_head_dim")?);
    let (groups, taken) = (config.heads()?, std::iter::once(key..key + value).collect());
    Ok(Regroup { groups, rows: key + value, taken, transposed: false })
}
