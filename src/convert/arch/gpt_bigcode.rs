//! GPT-BigCode: StarCoder, SantaCoder. One head of keys and values.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{Named, Of, Vocab};
use super::row::{embedding, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const GPT_BIGCODE: Architecture = Architecture {
    model_type: "gpt_bigcode",
    rows: &[
        embedding("transformer.wte.weight", Vocab, Named("n_embd")),
        embedding("transformer.wpe.weight", Named("n_positions"), Named("n_embd")),
        linear("transformer.h.{}.attn.c_attn.weight", Of(qkv), Named("n_embd")),
        vector("transformer.h.{}.attn.c_attn.bias", Of(qkv)),
        linear("transformer.h.{}.attn.c_proj.weight", Named("n_embd"), Named("n_embd")),
        vector("transformer.h.{}.attn.c_proj.bias", Named("n_embd")),
        linear("transformer.h.{}.mlp.c_fc.weight", Named("n_inner"), Named("n_embd")),
        vector("transformer.h.{}.mlp.c_fc.bias", Named("n_inner")),
        linear("transformer.h.{}.mlp.c_proj.weight", Named("n_embd"), Named("n_inner")),
        vector("transformer.h.{}.mlp.c_proj.bias", Named("n_embd")),
        vector("transformer.h.{}.ln_1.weight", Named("n_embd")),
        vector("transformer.h.{}.ln_1.bias", Named("n_embd")),
        vector("transformer.h.{}.ln_2.weight", Named("n_embd")),
        vector("transformer.h.{}.ln_2.bias", Named("n_embd")),
        vector("transformer.ln_f.weight", Named("n_embd")),
        vector("transformer.ln_f.bias", Named("n_embd")),
        linear("lm_head.weight", Vocab, Named("n_embd")),
    ],
    ..PLAIN
};

/// Rows of all queries, and of one head of keys and values.
fn qkv(config: &HfConfig) -> Result<u64, ConfigError> {
    let (hidden, heads) = (config.size("n_embd")?, config.heads()?);
    Ok((heads + 2) * (hidden / heads))
}
