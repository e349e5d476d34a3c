//! MiniCPM, with and without experts.

use super::hf_config::{ConfigError, HfConfig};
use super::parts::{GATE_UP_WEIGHTS, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Named, Query, Vocab};
use super::row::{embedding, experts, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const MINICPM: Architecture = Architecture {
    model_type: "minicpm",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.wqkv_pack.weight", QKV_WEIGHTS, Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden).when(is_dense),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate).when(is_dense),
        linear("model.layers.{}.mlp.gate.weight", Named("num_experts"), Hidden).when(has_experts),
        experts(
            "model.layers.{}.mlp.e1_e3.weight",
            Named("num_experts"),
            &[
                ("model.layers.{}.mlp.experts.{e}.w1.weight", Intermediate),
                ("model.layers.{}.mlp.experts.{e}.w3.weight", Intermediate),
            ],
            Hidden,
        )
        .when(has_experts),
        experts(
            "model.layers.{}.mlp.e2.weight",
            Named("num_experts"),
            &[("model.layers.{}.mlp.experts.{e}.w2.weight", Hidden)],
            Intermediate,
        )
        .when(has_experts),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    ..PLAIN
};

fn has_experts(config: &HfConfig) -> Result<bool, ConfigError> {
    Ok(config.count("num_experts")? > 0)
}

fn is_dense(config: &HfConfig) -> Result<bool, ConfigError> {
    Ok(!has_experts(config)?)
}
