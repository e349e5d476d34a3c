//! GPT-2. Its layers are `Conv1D`: the input size comes first. The head is the table of embeddings.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{Named, Of, Vocab};
use super::row::{embedding, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const GPT2: Architecture = Architecture {
    model_type: "gpt2",
    rows: &[
        linear("lm_head.weight", Vocab, Named("n_embd")).from("wte.weight"),
        embedding("transformer.wte.weight", Vocab, Named("n_embd")),
        embedding("transformer.wpe.weight", Named("context_window_size"), Named("n_embd")),
        linear("transformer.h.{}.attn.c_attn.weight", Of(qkv), Named("n_embd")).transposed(),
        vector("transformer.h.{}.attn.c_attn.bias", Of(qkv)),
        linear("transformer.h.{}.attn.c_proj.weight", Named("n_embd"), Of(query)).transposed(),
        vector("transformer.h.{}.attn.c_proj.bias", Named("n_embd")),
        linear("transformer.h.{}.mlp.c_fc.weight", Named("n_inner"), Named("n_embd")).transposed(),
        vector("transformer.h.{}.mlp.c_fc.bias", Named("n_inner")),
        linear("transformer.h.{}.mlp.c_proj.weight", Named("n_embd"), Named("n_inner"))
            .transposed(),
        vector("transformer.h.{}.mlp.c_proj.bias", Named("n_embd")),
        vector("transformer.h.{}.ln_1.weight", Named("n_embd")),
        vector("transformer.h.{}.ln_1.bias", Named("n_embd")),
        vector("transformer.h.{}.ln_2.weight", Named("n_embd")),
        vector("transformer.h.{}.ln_2.bias", Named("n_embd")),
        vector("transformer.ln_f.weight", Named("n_embd")),
        vector("transformer.ln_f.bias", Named("n_embd")),
    ],
    unused: &["h.{}.attn.bias"],
    source_name: Some(source_name),
    ..PLAIN
};

/// Rows of queries, of keys, or of values.
fn query(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(config.heads()? * config.head_dim()?)
}

fn qkv(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok(3 * query(config)?)
}

fn source_name(_: &HfConfig, name: &str) -> Result<String, ConfigError> {
    Ok(name.strip_prefix("transformer.").unwrap_or(name).to_owned())
}
