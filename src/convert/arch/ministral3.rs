//! Ministral 3, the text part.

use super::hf_config::{ConfigError, HfConfig};
use super::parts::{GATE_UP_WEIGHTS, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, linear, vector};
use super::{Architecture, PLAIN, Support};

pub(super) const MINISTRAL3: Architecture = Architecture {
    model_type: "ministral3",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.inv_freq"],
    source_name: Some(source_name),
    block_scale: Support::LeftToMlc(
        "its checkpoints have a scale for each tensor, which MLC LLM spreads over other rows than \
         those that it belongs to where tensors of different sizes are fused",
    ),
    ..PLAIN
};

/// A checkpoint that sees too has the text inside. Upstream's name for what is needless has no
/// prefix there, and so names nothing.
fn source_name(config: &HfConfig, name: &str) -> Result<String, ConfigError> {
    let sees = config.is_given("vision_config");
    Ok(if sees { format!("language_model.{name}") } else { name.to_owned() })
}
