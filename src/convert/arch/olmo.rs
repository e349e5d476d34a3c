//! OLMo. Its norms have no weights.

use super::class::Default::{Bool, Int, Null};
use super::parts::{GATE_UP_WEIGHTS, QKV_WEIGHTS};
use super::row::Dim::{Hidden, Intermediate, Query, Vocab};
use super::row::{embedding, fused, linear};
use super::rules::{
    clip_qkv, context_window, head_dim, kv_heads, kv_heads_divide, pipeline_stages, prefill_8192,
    rope_base,
};
use super::{Architecture, Class};

pub(super) const OLMO: Architecture = Architecture {
    model_type: "olmo",
    class: Class {
        fields: &[
            ("vocab_size", Null),
            ("hidden_size", Null),
            ("num_attention_heads", Null),
            ("num_key_value_heads", Int(0)),
            ("head_dim", Int(0)),
            ("position_embedding_base", Int(0)),
            ("rope_scaling", Null),
            ("intermediate_size", Null),
            ("hidden_act", Null),
            ("num_hidden_layers", Null),
            ("tie_word_embeddings", Bool(false)),
            ("context_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("pipeline_parallel_stages", Int(1)),
            ("max_batch_size", Int(1)),
            ("clip_qkv", Null),
        ],
        rules: &[
            kv_heads,
            head_dim,
            kv_heads_divide,
            rope_base,
            context_window,
            prefill_8192,
            pipeline_stages,
            clip_qkv,
        ],
    },
    rows: &[
        embedding("model.embed_tokens.weight", Vocab, Hidden),
        fused("model.layers.{}.self_attn.qkv_proj.weight", QKV_WEIGHTS, Hidden),
        linear("model.layers.{}.self_attn.o_proj.weight", Hidden, Query),
        fused("model.layers.{}.mlp.gate_up_proj.weight", GATE_UP_WEIGHTS, Hidden),
        linear("model.layers.{}.mlp.down_proj.weight", Hidden, Intermediate),
        linear("lm_head.weight", Vocab, Hidden).untied(),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.inv_freq"],
};
