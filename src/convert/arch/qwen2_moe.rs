//! Qwen 1.5 and 2 with experts.

use super::hf_config::{ConfigError, HfConfig};
use super::parts::{EXPERT_DOWN, EXPERT_GATE_UP, QKV_BIASES, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Is, Named, Of, Query, Vocab};
use super::row::{embedding, experts, fused, fused_vector, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const QWEN2_MOE: Architecture = Architecture {
    model_type: "qwen2_moe",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.c_attn.weight", QKV_WEIGHTS, Hidden),
        fused_vector("model.layers.{}.self_attn.c_attn.bias", QKV_BIASES),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        linear("model.layers.{}.mlp.gate.weight", Of(experts_of_every_layer), Hidden),
        linear("model.layers.{}.mlp.shared_expert_gate.weight", Is(1), Hidden),
        fused(
            "model.layers.{}.mlp.shared_expert.gate_up_proj.weight",
            &[
                ("model.layers.{}.mlp.shared_expert.gate_proj.weight", Of(shared)),
                ("model.layers.{}.mlp.shared_expert.up_proj.weight", Of(shared)),
            ],
            Hidden,
        ),
        linear("model.layers.{}.mlp.shared_expert.down_proj.weight", Hidden, Of(shared)),
        experts(
            "model.layers.{}.mlp.moe_gate_up_proj.weight",
            Of(experts_of_every_layer),
            EXPERT_GATE_UP,
            Hidden,
        ),
        experts(
            "model.layers.{}.mlp.moe_down_proj.weight",
            Of(experts_of_every_layer),
            EXPERT_DOWN,
            Named("moe_intermediate_size"),
        ),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden),
    ],
    ..PLAIN
};

/// The experts' number. Upstream has them in every layer, or not at all.
pub(super) fn experts_of_every_layer(config: &HfConfig) -> Result<u64, ConfigError> {
    match config.count("decoder_sparse_step")? {
        1 => config.size("num_experts"),
        step => Err(ConfigError::Model(format!(
            "`decoder_sparse_step` is {step}, and only 1 is supported: experts in every layer"
        ))),
    }
}

fn shared(config: &HfConfig) -> Result<u64, ConfigError> {
    match config.count("shared_expert_intermediate_size")? {
        0 => config.size("intermediate_size"),
        size => Ok(size),
    }
}
