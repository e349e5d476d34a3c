//! Phi 3 and 3.5. The checkpoint's tensors are fused already.

use super::row::Dim::{GateUp, Hidden, Intermediate, Qkv, Query, Vocab};
use super::row::{embedding, linear, vector};
use super::{Architecture, PLAIN};

pub(super) const PHI3: Architecture = Architecture {
    model_type: "phi3",
    rows: &[
        embedding("transformer.embd.weight", Vocab, Hidden).from("model.embed_tokens.weight"),
        linear("transformer.h.{}.mixer.qkv_proj.weight", Qkv, Hidden)
            .from("model.layers.{}.self_attn.qkv_proj.weight"),
        linear("transformer.h.{}.mixer.out_proj.weight", Hidden, Query)
            .from("model.layers.{}.self_attn.o_proj.weight"),
        linear("transformer.h.{}.mlp.gate_up_proj.weight", GateUp, Hidden)
            .from("model.layers.{}.mlp.gate_up_proj.weight"),
        linear("transformer.h.{}.mlp.down_proj.weight", Hidden, Intermediate)
            .from("model.layers.{}.mlp.down_proj.weight"),
        vector("transformer.h.{}.ln.weight", Hidden).from("model.layers.{}.input_layernorm.weight"),
        vector("transformer.h.{}.post_attention_layernorm.weight", Hidden)
            .from("model.layers.{}.post_attention_layernorm.weight"),
        vector("transformer.norm.weight", Hidden).from("model.norm.weight"),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    ..PLAIN
};
