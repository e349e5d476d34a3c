//! Baichuan and Baichuan 2 of 7B. Queries, keys and values are packed already.

use super::hf_config::{ConfigError, HfConfig};
use super::parts::GATE_UP_WEIGHTS;
use super::row::Dim::{Hidden, Intermediate, Of, Query, Vocab};
use super::row::{embedding, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const BAICHUAN: Architecture = Architecture {
    model_type: "baichuan",
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        linear("model.layers.{}.self_attn.W_pack.weight", Of(pack), Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        vector("model.layers.{}.input_layernorm.weight", Hidden),
        vector("model.layers.{}.post_attention_layernorm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden),
    ],
    ..PLAIN
};

fn pack(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(3 * config.heads()? * config.head_dim()?)
}
