//! The architectures whose config is written natively: the fields of upstream's configuration
//! class (`python/mlc_llm/model/*/*_model.py`) in its order, and its rules in their order.

use serde_json::{Map, Value};

use super::gemma3;
use super::model_config::Default::{Bool, Float, Int, Null, Required, Text};
use super::model_config::{Field, Invalid, ModelConfig, Rule};
use super::rules::{
    clip_qkv, context_is_window, context_window, fp8_blocks, gemma_kind, head_dim,
    heads_fill_hidden, kv_heads, kv_heads_divide, kv_heads_or_null, llama3_scaling,
    longrope_scaling, pipeline_stages, prefill_2048, prefill_8192, prefill_in_window, rope_base,
    sliding_window,
};

/// One architecture.
#[derive(Debug)]
pub(super) struct Architecture {
    /// `model_type`, in `config.json` and in the result.
    pub(super) model_type: &'static str,
    fields: &'static [Field],
    rules: &'static [Rule],
}

impl Architecture {
    /// The architecture of a `model_type`.
    pub(super) fn find(model_type: &str) -> Option<&'static Self> {
        ALL.iter().find(|architecture| architecture.model_type == model_type)
    }

    /// The fields of `config.json` that upstream keeps, completed and checked.
    pub(super) fn read(&self, source: Map<String, Value>) -> Result<ModelConfig, Invalid> {
        ModelConfig::read(self.fields, self.rules, source)
    }
}

pub(super) const ALL: &[Architecture] = &[
    Architecture {
        model_type: "llama",
        fields: &[
            ("hidden_size", Required),
            ("intermediate_size", Required),
            ("num_attention_heads", Required),
            ("num_hidden_layers", Required),
            ("rms_norm_eps", Required),
            ("vocab_size", Required),
            ("tie_word_embeddings", Bool(false)),
            ("position_embedding_base", Int(0)),
            ("rope_scaling", Null),
            ("context_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("num_key_value_heads", Int(0)),
            ("head_dim", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("pipeline_parallel_stages", Int(1)),
            ("max_batch_size", Int(1)),
            ("disaggregation", Bool(false)),
        ],
        rules: &[
            rope_base,
            llama3_scaling,
            context_window,
            pipeline_stages,
            kv_heads,
            head_dim,
            kv_heads_divide,
            prefill_8192,
        ],
    },
    Architecture {
        model_type: "mistral",
        fields: &[
            ("hidden_size", Required),
            ("intermediate_size", Required),
            ("num_attention_heads", Required),
            ("num_hidden_layers", Required),
            ("rms_norm_eps", Required),
            ("vocab_size", Required),
            ("position_embedding_base", Int(0)),
            ("num_key_value_heads", Int(0)),
            ("head_dim", Int(0)),
            ("context_window_size", Int(0)),
            ("sliding_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("attention_sink_size", Int(4)),
            ("tensor_parallel_shards", Int(1)),
            ("max_batch_size", Int(1)),
        ],
        rules: &[rope_base, sliding_window, kv_heads, head_dim, kv_heads_divide, prefill_in_window],
    },
    Architecture {
        model_type: "qwen2",
        fields: &[
            ("hidden_act", Required),
            ("hidden_size", Required),
            ("intermediate_size", Required),
            ("num_attention_heads", Required),
            ("num_hidden_layers", Required),
            ("num_key_value_heads", Required),
            ("rms_norm_eps", Required),
            ("rope_theta", Required),
            ("vocab_size", Required),
            ("tie_word_embeddings", Bool(false)),
            ("context_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("head_dim", Int(0)),
            ("dtype", Text("float32")),
            ("max_batch_size", Int(1)),
        ],
        rules: &[context_window, head_dim, heads_fill_hidden, prefill_8192],
    },
    Architecture {
        model_type: "qwen3",
        fields: &[
            ("hidden_act", Required),
            ("hidden_size", Required),
            ("intermediate_size", Required),
            ("attention_bias", Required),
            ("num_attention_heads", Required),
            ("num_hidden_layers", Required),
            ("num_key_value_heads", Required),
            ("rms_norm_eps", Required),
            ("rope_theta", Required),
            ("vocab_size", Required),
            ("tie_word_embeddings", Bool(false)),
            ("context_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("head_dim", Int(0)),
            ("dtype", Text("float32")),
            ("max_batch_size", Int(1)),
            ("weight_block_size", Null),
        ],
        rules: &[fp8_blocks, context_window, prefill_2048],
    },
    Architecture {
        model_type: "gemma",
        fields: &GEMMA,
        rules: &[gemma_kind, rope_base, context_window, kv_heads_divide, prefill_8192],
    },
    Architecture {
        model_type: "gemma2",
        fields: &gemma2_fields(),
        rules: &[
            gemma_kind,
            rope_base,
            context_window,
            kv_heads_divide,
            prefill_8192,
            context_is_window,
        ],
    },
    Architecture {
        model_type: "gemma3_text",
        fields: &[
            ("text_config", Null),
            ("vocab_size", Int(262_208)),
            ("tensor_parallel_shards", Int(1)),
            ("max_batch_size", Int(1)),
            ("context_window_size", Int(-1)),
            ("sliding_window_size", Int(-1)),
            ("prefill_chunk_size", Int(-1)),
            ("is_text_model", Bool(false)),
        ],
        rules: &[gemma3::text_config],
    },
    Architecture {
        model_type: "phi3",
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
    Architecture {
        model_type: "gpt_neox",
        fields: &[
            ("use_parallel_residual", Required),
            ("hidden_size", Required),
            ("intermediate_size", Required),
            ("num_attention_heads", Required),
            ("num_hidden_layers", Required),
            ("layer_norm_eps", Required),
            ("vocab_size", Required),
            ("rotary_pct", Required),
            ("position_embedding_base", Int(0)),
            ("context_window_size", Int(0)),
            ("head_dim", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("ffn_out_dtype", Text("float32")),
            ("max_batch_size", Int(1)),
        ],
        rules: &[context_window, rope_base, head_dim, heads_fill_hidden, prefill_8192],
    },
    Architecture {
        model_type: "stablelm",
        fields: &[
            ("vocab_size", Required),
            ("hidden_size", Required),
            ("num_hidden_layers", Required),
            ("num_attention_heads", Required),
            ("num_key_value_heads", Required),
            ("layer_norm_eps", Required),
            ("partial_rotary_factor", Required),
            ("rope_theta", Required),
            ("intermediate_size", Required),
            ("use_qkv_bias", Bool(false)),
            ("head_dim", Int(0)),
            ("context_window_size", Int(0)),
            ("prefill_chunk_size", Int(0)),
            ("tensor_parallel_shards", Int(1)),
            ("max_batch_size", Int(1)),
        ],
        rules: &[context_window, head_dim, heads_fill_hidden, prefill_8192],
    },
    Architecture {
        model_type: "olmo",
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
];

const GEMMA: [Field; 15] = [
    ("hidden_size", Required),
    ("intermediate_size", Required),
    ("attention_bias", Required),
    ("num_attention_heads", Required),
    ("num_key_value_heads", Required),
    ("head_dim", Required),
    ("num_hidden_layers", Required),
    ("rms_norm_eps", Required),
    ("vocab_size", Required),
    ("hidden_activation", Null),
    ("position_embedding_base", Int(0)),
    ("context_window_size", Int(0)),
    ("prefill_chunk_size", Int(0)),
    ("tensor_parallel_shards", Int(1)),
    ("max_batch_size", Int(1)),
];

/// Gemma's and four more.
const fn gemma2_fields() -> [Field; GEMMA.len() + 4] {
    let mut fields = [("attn_logit_softcapping", Null); GEMMA.len() + 4];
    let mut index = 0;
    while index < GEMMA.len() {
        fields[index] = GEMMA[index];
        index += 1;
    }
    fields[index + 1] = ("final_logit_softcapping", Null);
    fields[index + 2] = ("query_pre_attn_scalar", Null);
    fields[index + 3] = ("sliding_window", Null);
    fields
}

/// Phi-3 has its number of positions among its fields.
fn context_is_positions(config: &mut ModelConfig) -> Result<(), Invalid> {
    if config.is_zero("context_window_size") {
        let positions = config.int("max_position_embeddings")?;
        config.set("context_window_size", positions);
    }
    Ok(())
}
