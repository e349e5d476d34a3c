//! Llama 4, the text part. Upstream reads checkpoints with experts in every layer, and keeps these
//! as they are.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{GateUp, Hidden, Intermediate, KeyValue, Named, Query, Vocab};
use super::row::{embedding, fused, linear, tensor, vector};
use super::{Architecture, PLAIN};

pub(super) const LLAMA4: Architecture = Architecture {
    model_type: "llama4",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        linear("model.layers.{}.self_attn.q_proj.weight", Query, Hidden),
        linear("model.layers.{}.self_attn.k_proj.weight", KeyValue, Hidden),
        linear("model.layers.{}.self_attn.v_proj.weight", KeyValue, Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        vector("model.layers.{}.self_attn.q_proj.bias", Query).if_set("attention_bias"),
        vector("model.layers.{}.self_attn.k_proj.bias", KeyValue).if_set("attention_bias"),
        vector("model.layers.{}.self_attn.v_proj.bias", KeyValue).if_set("attention_bias"),
        vector("model.layers.{}.self_attn.o_proj.bias", Hidden).if_set("attention_bias"),
        fused(
            "model.layers.{}.feed_forward.shared_expert.gate_up_proj.weight",
            &[
                ("model.layers.{}.feed_forward.shared_expert.gate_proj.weight", Intermediate),
                ("model.layers.{}.feed_forward.shared_expert.up_proj.weight", Intermediate),
            ],
            Hidden,
        ),
        linear("model.layers.{}.feed_forward.shared_expert.down_proj.weight", Hidden, Intermediate),
        linear(
            "model.layers.{}.feed_forward.router.router.weight",
            Named("num_local_experts"),
            Hidden,
        )
        .from("model.layers.{}.feed_forward.router.weight"),
        tensor(
            "model.layers.{}.feed_forward.experts.gate_up_proj",
            &[Named("num_local_experts"), Hidden, GateUp],
        )
        .in_layers(has_experts),
        tensor(
            "model.layers.{}.feed_forward.experts.down_proj",
            &[Named("num_local_experts"), Intermediate, Hidden],
        )
        .in_layers(has_experts),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    source_name: Some(source_name),
    per_tensor: true,
    ..PLAIN
};

fn source_name(_: &HfConfig, name: &str) -> Result<String, ConfigError> {
    Ok(format!("language_model.{name}"))
}

/// Every layer must have them: upstream's mapping knows no other.
fn has_experts(config: &HfConfig, layer: u64) -> Result<bool, ConfigError> {
    if !config.has("rope_scaling") {
        return Err(ConfigError::Missing { field: "rope_scaling" });
    }
    match config.lists("moe_layers", layer) {
        true => Ok(true),
        false => Err(ConfigError::Model(format!(
            "layer {layer} has no experts, and only models with experts in every layer are supported"
        ))),
    }
}
