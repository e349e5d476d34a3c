//! The document itself: upstream's `MLCChatConfig` (`protocol/mlc_chat_config.py`).

use serde::Serialize;
use serde_json::{Map, Value};

use crate::convert::arch::{Architecture, Embeds};
use crate::convert::templates::Conversation;
use crate::convert::tokenizer::{Tokenizer, TokenizerInfo};
use crate::model::{Completed, Refused};

/// The version of the format that upstream writes today.
const VERSION: &str = "0.1.0";

/// The values that come from `generation_config.json` or `config.json`, whichever has them first;
/// and what they are where neither does.
const GENERATION: [(&str, Fallback); 9] = [
    ("temperature", Fallback::Float(1.0)),
    ("presence_penalty", Fallback::Float(0.0)),
    ("frequency_penalty", Fallback::Float(0.0)),
    ("repetition_penalty", Fallback::Float(1.0)),
    ("top_p", Fallback::Float(1.0)),
    ("pad_token_id", Fallback::Int(0)),
    ("bos_token_id", Fallback::Int(1)),
    ("eos_token_id", Fallback::Int(2)),
    ("embedding_metadata", Fallback::Null),
];

/// What a value is where no file has it.
enum Fallback {
    Float(f64),
    /// The number of a token.
    Int(i64),
    Null,
}

impl Fallback {
    fn value(&self) -> Value {
        match self {
            Self::Float(float) => (*float).into(),
            Self::Int(int) => (*int).into(),
            Self::Null => Value::Null,
        }
    }

    /// What is needed in the place of a value of another type.
    fn lacks(&self, value: &Value) -> Option<&'static str> {
        let is_token = |value: &Value| value.is_i64() || value.is_u64();
        let is_right = match (self, value) {
            (_, Value::Null) | (Self::Null, _) => true,
            (Self::Float(_), value) => value.is_number(),
            (Self::Int(_), Value::Array(tokens)) => tokens.iter().all(is_token),
            (Self::Int(_), value) => is_token(value),
        };
        match self {
            Self::Float(_) if !is_right => Some("a number"),
            Self::Int(_) if !is_right => Some("the number of a token, or a list of them"),
            _ => None,
        }
    }
}

/// Why a value cannot stand in the document.
#[derive(Debug, thiserror::Error)]
pub(super) enum ValueFault {
    /// A size that is none.
    #[error(transparent)]
    Size(#[from] Refused),
    /// No tokens at all.
    #[error("`vocab_size` is {0}")]
    VocabSize(i64),
    /// A value of another type.
    #[error("`{name}` is {found:.40}, and {wanted} is needed")]
    Type {
        /// Its name.
        name: &'static str,
        /// What it is.
        found: String,
        /// What it is to be.
        wanted: &'static str,
    },
}

pub(super) struct Document {
    pub(super) vocab_size: i64,
    pub(super) active_vocab_size: i64,
    pub(super) context_window_size: i64,
    pub(super) sliding_window_size: i64,
    pub(super) prefill_chunk_size: i64,
    attention_sink_size: i64,
    tensor_parallel_shards: i64,
    pipeline_parallel_stages: i64,
    generation: Map<String, Value>,
    template: Conversation,
}

#[derive(Serialize)]
pub(super) struct Text<'a> {
    version: &'static str,
    model_type: &'a str,
    quantization: &'a str,
    model_config: &'a Map<String, Value>,
    vocab_size: i64,
    context_window_size: i64,
    sliding_window_size: i64,
    prefill_chunk_size: i64,
    attention_sink_size: i64,
    tensor_parallel_shards: i64,
    pipeline_parallel_stages: i64,
    active_vocab_size: i64,
    temperature: &'a Value,
    presence_penalty: &'a Value,
    frequency_penalty: &'a Value,
    repetition_penalty: &'a Value,
    top_p: &'a Value,
    tokenizer_files: &'a [String],
    tokenizer_info: &'a TokenizerInfo,
    conv_template: &'a Conversation,
    pad_token_id: &'a Value,
    bos_token_id: &'a Value,
    eos_token_id: &'a Value,
    model_task: &'static str,
    embedding_metadata: Metadata<'a>,
}

/// Upstream's own, or what a file has of the name.
#[derive(Serialize)]
#[serde(untagged)]
enum Metadata<'a> {
    Known(&'a Embeds),
    Given(&'a Value),
}

impl Document {
    pub(super) fn new(config: &Completed, template: Conversation) -> Result<Self, ValueFault> {
        let size = |name: &str, without: i64| match config.fields.contains_key(name) {
            true => config.int(name),
            false => Ok(without),
        };
        let vocab_size = config.int("vocab_size")?;
        if vocab_size <= 0 {
            return Err(ValueFault::VocabSize(vocab_size));
        }
        Ok(Self {
            vocab_size,
            active_vocab_size: vocab_size,
            context_window_size: size("context_window_size", -1)?,
            sliding_window_size: size("sliding_window_size", -1)?,
            prefill_chunk_size: size("prefill_chunk_size", -1)?,
            attention_sink_size: size("attention_sink_size", -1)?,
            tensor_parallel_shards: size("tensor_parallel_shards", 1)?,
            pipeline_parallel_stages: size("pipeline_parallel_stages", 1)?,
            generation: Map::new(),
            template,
        })
    }

    /// Takes the values that are not known yet.
    pub(super) fn take_generation(
        &mut self,
        source: &Map<String, Value>,
    ) -> Result<(), ValueFault> {
        for (name, fallback) in GENERATION {
            let known = self.generation.get(name).is_some_and(|value| !value.is_null());
            if let Some(value) = source.get(name).filter(|_| !known) {
                if let Some(wanted) = fallback.lacks(value) {
                    return Err(ValueFault::Type { name, found: value.to_string(), wanted });
                }
                self.generation.insert(name.to_owned(), value.clone());
            }
        }
        Ok(())
    }

    /// Gives the values that are still not known their defaults.
    pub(super) fn default_generation(&mut self) {
        for (name, fallback) in GENERATION {
            let value = self.generation.entry(name).or_insert(Value::Null);
            if value.is_null() {
                *value = fallback.value();
            }
        }
    }

    pub(super) fn text<'a>(
        &'a self,
        architecture: &'a Architecture,
        quantization: &'a str,
        model_config: &'a Map<String, Value>,
        tokenizer: &'a Tokenizer,
    ) -> Text<'a> {
        let value = |name: &str| self.generation.get(name).unwrap_or(&Value::Null);
        Text {
            version: VERSION,
            model_type: architecture.model_type,
            quantization,
            model_config,
            vocab_size: self.vocab_size,
            context_window_size: self.context_window_size,
            sliding_window_size: self.sliding_window_size,
            prefill_chunk_size: self.prefill_chunk_size,
            attention_sink_size: self.attention_sink_size,
            tensor_parallel_shards: self.tensor_parallel_shards,
            pipeline_parallel_stages: self.pipeline_parallel_stages,
            active_vocab_size: self.active_vocab_size,
            temperature: value("temperature"),
            presence_penalty: value("presence_penalty"),
            frequency_penalty: value("frequency_penalty"),
            repetition_penalty: value("repetition_penalty"),
            top_p: value("top_p"),
            tokenizer_files: &tokenizer.files,
            tokenizer_info: &tokenizer.info,
            conv_template: &self.template,
            pad_token_id: value("pad_token_id"),
            bos_token_id: value("bos_token_id"),
            eos_token_id: value("eos_token_id"),
            model_task: if architecture.embeds.is_some() { "embedding" } else { "chat" },
            embedding_metadata: match &architecture.embeds {
                Some(embeds) => Metadata::Known(embeds),
                None => Metadata::Given(value("embedding_metadata")),
            },
        }
    }
}
