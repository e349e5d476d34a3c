//! Qwen 1. `intermediate_size` counts the gate and what it lets through.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{Hidden, Of, Query, Vocab};
use super::row::{embedding, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const QWEN: Architecture = Architecture {
    model_type: "qwen",
    rows: &[
        embedding("transformer.wte.weight", Vocab, Hidden),
        linear("transformer.h.{}.attn.c_attn.weight", Of(qkv), Hidden),
        vector("transformer.h.{}.attn.c_attn.bias", Of(qkv)),
        linear("transformer.h.{}.attn.c_proj.weight", Hidden, Query),
        fused(
            "transformer.h.{}.mlp.gate_up_proj.weight",
            &[
                ("transformer.h.{}.mlp.w1.weight", Of(half)),
                ("transformer.h.{}.mlp.w2.weight", Of(half)),
            ],
            Hidden,
        ),
        linear("transformer.h.{}.mlp.c_proj.weight", Hidden, Of(half)),
        vector("transformer.h.{}.ln_1.weight", Hidden),
        vector("transformer.h.{}.ln_2.weight", Hidden),
        vector("transformer.ln_f.weight", Hidden),
        linear("lm_head.weight", Vocab, Hidden),
    ],
    ..PLAIN
};

fn qkv(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(3 * config.heads()? * config.head_dim()?)
}

fn half(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(config.size("intermediate_size")? / 2)
}
