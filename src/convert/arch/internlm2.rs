//! InternLM 2 and 2.5. The queries that share a key are beside it and its value.

use super::hf_config::{ConfigError, HfConfig};
use super::row::Dim::{Hidden, Intermediate, Qkv, Query, Vocab};
use super::row::{Regroup, embedding, fused, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const INTERNLM2: Architecture = Architecture {
    model_type: "internlm2",
    rows: &[
        embedding("model.tok_embeddings.weight", Vocab, Hidden),
        linear("model.layers.{}.attention.wqkv.weight", Qkv, Hidden).regrouped(by_kind),
        // Upstream leaves the bias in the checkpoint's order.
        vector("model.layers.{}.attention.wqkv.bias", Qkv).if_required_flag("bias"),
        linear("model.layers.{}.attention.wo.weight", Hidden, Query),
        vector("model.layers.{}.attention.wo.bias", Hidden).if_required_flag("bias"),
        fused(
            "model.layers.{}.feed_forward.gate_up_proj.weight",
            &[
                ("model.layers.{}.feed_forward.w1.weight", Intermediate),
                ("model.layers.{}.feed_forward.w3.weight", Intermediate),
            ],
            Hidden,
        ),
        linear("model.layers.{}.feed_forward.w2.weight", Hidden, Intermediate),
        vector("model.layers.{}.attention_norm.weight", Hidden),
        vector("model.layers.{}.ffn_norm.weight", Hidden),
        vector("model.norm.weight", Hidden),
        linear("output.weight", Vocab, Hidden),
    ],
    ..PLAIN
};

fn by_kind(config: &HfConfig) -> Result<Regroup, ConfigError> {
    let (groups, dim) = (config.key_value_heads()?, config.head_dim()?);
    let queries = config.heads()? / groups * dim;
    let taken = vec![0..queries, queries..queries + dim, queries + dim..queries + 2 * dim];
    Ok(Regroup { groups, rows: queries + 2 * dim, taken, transposed: false })
}
