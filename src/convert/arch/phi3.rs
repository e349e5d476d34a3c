//! Phi 3 and 3.5. The checkpoint's tensors are fused already.

use super::class::Default::{Bool, Float, Int, Null, Required};
use super::class::{Invalid, ModelConfig};
use super::row::Dim::{AnyVocab, GateUp, Hidden, Intermediate, Qkv, Query, Vocab};
use super::row::{embedding, linear, vector};
use super::rules::{
    head_dim, heads_fill_hidden, kv_heads_divide, kv_heads_or_null, longrope_scaling, prefill_8192,
    rope_base,
};
use super::{Architecture, Class};

pub(super) const PHI3: Architecture = Architecture {
    model_type: "phi3",
    class: Class {
        fields: &[
            ("model_type", Required),
            ("hidden_size", Required),
            ("vocab_size", Required),
            ("num_hidden_layers", Required),
            ("num_attention_heads", Required),
            ("intermediate_size", Required),
            ("rms_norm_eps", Required),
            ("num_key_value_heads", Required),
            ("max_position_embeddings", Required),
            ("position_embedding_base", Int(0)),
            ("rope_scaling", Null),
            ("original_max_position_embeddings", Int(0)),
            ("context_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("head_dim", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("max_batch_size", Int(1)),
            ("tie_word_embeddings", Bool(false)),
            ("partial_rotary_factor", Float(1.0)),
        ],
        rules: &[
            rope_base,
            longrope_scaling,
            context_is_positions,
            prefill_8192,
            kv_heads_or_null,
            head_dim,
            heads_fill_hidden,
            kv_heads_divide,
        ],
    },
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
        linear("lm_head.weight", AnyVocab, Hidden).untied(),
    ],
    unused: &[],
};

/// Phi-3 has its number of positions among its fields.
fn context_is_positions(config: &mut ModelConfig) -> Result<(), Invalid> {
    if config.is_zero("context_window_size") {
        let positions = config.int("max_position_embeddings")?;
        config.set("context_window_size", positions);
    }
    Ok(())
}
