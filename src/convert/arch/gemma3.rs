//! Gemma 3. Upstream reads the text part of the multimodal model, and names the parameters of a
//! model of text alone as those of that part.

use super::hf_config::{ConfigError, HfConfig};
use super::parts::GATE_UP_WEIGHTS;
use super::row::Dim::{Head, Hidden, Intermediate, KeyValue, Query, Vocab};
use super::row::{embedding, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const GEMMA3: Architecture = Architecture {
    model_type: "gemma3",
    rows: &[
        embedding("language_model.model.embed_tokens.weight", Vocab, Hidden),
        linear("language_model.model.layers.{}.self_attn.q_proj.weight", Query, Hidden),
        linear("language_model.model.layers.{}.self_attn.k_proj.weight", KeyValue, Hidden),
        linear("language_model.model.layers.{}.self_attn.v_proj.weight", KeyValue, Hidden),
        linear("language_model.model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        vector("language_model.model.layers.{}.self_attn.q_norm.weight", Head).plus_one(),
        vector("language_model.model.layers.{}.self_attn.k_norm.weight", Head).plus_one(),
        fused("language_model.model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("language_model.model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("language_model.model.layers.{}.input_layernorm.weight", Hidden).plus_one(),
        vector("language_model.model.layers.{}.post_attention_layernorm.weight", Hidden).plus_one(),
        vector("language_model.model.layers.{}.pre_feedforward_layernorm.weight", Hidden)
            .plus_one(),
        vector("language_model.model.layers.{}.post_feedforward_layernorm.weight", Hidden)
            .plus_one(),
        vector("language_model.model.norm.weight", Hidden).plus_one(),
    ],
    source_name: Some(source_name),
    ..PLAIN
};

pub(super) const GEMMA3_TEXT: Architecture = Architecture { model_type: "gemma3_text", ..GEMMA3 };

/// The checkpoint of a model of text alone has no prefix.
fn source_name(config: &HfConfig, name: &str) -> Result<String, ConfigError> {
    let name = name.strip_prefix("language_model.").unwrap_or(name);
    let is_text = config.flag("is_text_model")?.unwrap_or(false);
    Ok(if is_text { name.to_owned() } else { format!("language_model.{name}") })
}
