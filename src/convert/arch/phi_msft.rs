//! Phi 1.5 and 2 as Microsoft first had them: `phi-msft`. The older `mixformer-sequential`, whose
//! layers have other numbers, is no model type of upstream's.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{Named, Of, Vocab};
use super::row::{embedding, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const PHI_MSFT: Architecture = Architecture {
    model_type: "phi-msft",
    rows: &[
        embedding("transformer.embd.weight", Vocab, Named("n_embd"))
            .from("transformer.embd.wte.weight"),
        vector("transformer.h.{}.ln.weight", Named("n_embd")),
        vector("transformer.h.{}.ln.bias", Named("n_embd")),
        linear("transformer.h.{}.mixer.Wqkv.weight", Of(qkv), Named("n_embd")),
        vector("transformer.h.{}.mixer.Wqkv.bias", Of(qkv)),
        linear("transformer.h.{}.mixer.out_proj.weight", Named("n_embd"), Named("n_embd")),
        vector("transformer.h.{}.mixer.out_proj.bias", Named("n_embd")),
        linear("transformer.h.{}.mlp.fc1.weight", Named("n_inner"), Named("n_embd")),
        vector("transformer.h.{}.mlp.fc1.bias", Named("n_inner")),
        linear("transformer.h.{}.mlp.fc2.weight", Named("n_embd"), Named("n_inner")),
        vector("transformer.h.{}.mlp.fc2.bias", Named("n_embd")),
        vector("lm_head.ln.weight", Named("n_embd")),
        vector("lm_head.ln.bias", Named("n_embd")),
        linear("lm_head.linear.weight", Vocab, Named("n_embd")),
        vector("lm_head.linear.bias", Vocab),
    ],
    ..PLAIN
};

fn qkv(config: &HfConfig) -> Result<u64, ConfigError> {
    Ok((config.heads()? + 2 * config.size("n_head_kv")?) * config.head_dim()?)
}
