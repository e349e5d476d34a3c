//! A checkpoint's `config.json`: the sizes that say what its tensors must be.

use serde_json::{Map, Value};

use crate::convert::config_json::{self, Refusal};
use crate::model::{Completed, FloatType};

/// What ChatGLM calls `vocab_size`.
const PADDED_VOCAB: &str = "padded_vocab_size";

/// The fields of a checkpoint's `config.json`.
#[derive(Debug)]
pub struct HfConfig {
    model_type: String,
    fields: Map<String, Value>,
}

/// Why a `config.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON, or not an object.
    #[error("it is not a model's config: {0}")]
    Format(#[from] serde_json::Error),
    /// A field that this architecture needs is not there.
    #[error("`{field}` is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// Upstream's configuration class refuses it.
    #[error("{0}")]
    Class(Refusal),
    /// Upstream would make another model of it.
    #[error("{0}")]
    LeftOut(Refusal),
    /// Upstream's model or mapping refuses it.
    #[error("{0}")]
    Model(String),
    /// A field has a value that it cannot have.
    #[error("`{field}` is {value}, and {wanted} is needed")]
    Value {
        /// Its name.
        field: &'static str,
        /// What it is, as JSON.
        value: String,
        /// What it could be.
        wanted: &'static str,
    },
}

impl HfConfig {
    /// A config is small; a longer file is none.
    pub const LIMIT: u64 = 16 << 20;

    /// Reads the text of a `config.json`. One that does not name its architecture is of that which was
    /// `asked` for.
    pub fn parse(text: &[u8], asked: Option<&str>) -> Result<Self, ConfigError> {
        let mut fields: Map<String, Value> = serde_json::from_slice(text)?;
        let model_type = match fields.remove("model_type") {
            Some(Value::String(name)) => name,
            None | Some(Value::Null) => {
                asked.ok_or(ConfigError::Missing { field: "model_type" })?.to_owned()
            }
            Some(other) => return Err(wrong("model_type", &other, "a name")),
        };
        config_json::restate(&mut fields, asked.unwrap_or(&model_type));
        Ok(Self { model_type, fields })
    }

    /// What upstream would silently leave out is an error.
    pub(crate) fn refuse_left_out(&self, model_type: &str) -> Result<(), ConfigError> {
        config_json::refuse(&self.fields, model_type).map_err(ConfigError::LeftOut)
    }

    /// The architecture's name.
    pub fn model_type(&self) -> &str {
        &self.model_type
    }

    /// Everything, as the rules of an architecture read it.
    pub(crate) fn source(&self) -> Map<String, Value> {
        let mut source = self.fields.clone();
        source.insert("model_type".to_owned(), self.model_type.clone().into());
        source
    }

    /// With the fields that the rules completed. Those of a text model inside another come first,
    /// but for the size of the vocabulary: the runtime takes the outer one.
    pub(crate) fn completed(&self, completed: Completed) -> Self {
        let Completed { mut fields, others } = completed;
        let vocab_size = fields.get("vocab_size").cloned();
        let text = match fields.shift_remove("text_config") {
            Some(Value::Object(text)) => text,
            _ => Map::new(),
        };
        let mut all = others;
        all.extend(fields);
        all.extend(text);
        all.extend(vocab_size.map(|size| ("vocab_size".to_owned(), size)));
        Self { model_type: self.model_type.clone(), fields: all }
    }

    /// Whether a field is there, and not null.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|value| !value.is_null())
    }

    /// Whether a field is there at all.
    pub(crate) fn is_given(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// The field that says how many tokens there are.
    pub(crate) fn vocab_field(&self) -> &'static str {
        let is_given =
            self.fields.get("vocab_size").and_then(Value::as_u64).is_some_and(|size| size > 0);
        if !is_given && self.has(PADDED_VOCAB) { PADDED_VOCAB } else { "vocab_size" }
    }

    /// Whether a field is a list with this number in it.
    pub(crate) fn lists(&self, field: &str, number: u64) -> bool {
        let list = self.fields.get(field).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|value| value.as_u64() == Some(number)))
    }

    /// A size of a config inside this one.
    pub(crate) fn inner_size(
        &self,
        part: &'static str,
        field: &'static str,
    ) -> Result<u64, ConfigError> {
        let inner = self.fields.get(part).and_then(Value::as_object).cloned();
        let inner = inner.ok_or(ConfigError::Missing { field: part })?;
        Self { model_type: self.model_type.clone(), fields: inner }.size(field)
    }

    /// A field that holds a name.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    /// A number that may be 0 or absent, which is 0 too.
    pub(crate) fn count(&self, field: &'static str) -> Result<u64, ConfigError> {
        Ok(self.optional(field, 1 << 31)?.unwrap_or_default())
    }

    /// The field that says that there are so many experts.
    pub(crate) fn experts_field(&self, count: u64) -> Option<&'static str> {
        let inner = self.fields.get("text_config");
        let says = |name: &&str| {
            let found = inner.and_then(|inner| inner.get(*name)).or_else(|| self.fields.get(*name));
            found.and_then(Value::as_u64) == Some(count)
        };
        config_json::EXPERTS.into_iter().find(says)
    }

    /// As many experts as there may be: each has names in memory.
    pub(crate) fn bounded_experts(&self, count: u64) -> Result<u64, ConfigError> {
        match count {
            1..=4096 => Ok(count),
            _ => Err(ConfigError::Model(format!("{count} experts, and 1 to 4096 are possible"))),
        }
    }

    /// A size that must be there.
    pub(crate) fn size(&self, field: &'static str) -> Result<u64, ConfigError> {
        self.optional(field, 1 << 31)?.ok_or(ConfigError::Missing { field })
    }

    /// A flag; none where there is none.
    pub(crate) fn flag(&self, field: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(wrong(field, other, "true or false")),
        }
    }

    /// Attention heads.
    pub(crate) fn heads(&self) -> Result<u64, ConfigError> {
        Ok(self.first_of(&["num_attention_heads", "n_head"], 1 << 20)?.1)
    }

    /// Heads of keys and values; where none is given, as many as there are heads.
    pub(crate) fn key_value_heads(&self) -> Result<u64, ConfigError> {
        match self.optional("num_key_value_heads", 1 << 20)? {
            Some(heads) => Ok(heads),
            None => self.heads(),
        }
    }

    /// The size of a head; where none is given, the heads share the hidden size.
    pub(crate) fn head_dim(&self) -> Result<u64, ConfigError> {
        match self.optional("head_dim", 1 << 20)? {
            Some(size) => Ok(size),
            None => match self.size("hidden_size")? / self.heads()? {
                0 => Err(ConfigError::Missing { field: "head_dim" }),
                size => Ok(size),
            },
        }
    }

    /// Layers.
    pub(crate) fn layers(&self) -> Result<u64, ConfigError> {
        Ok(self.named_layers()?.1)
    }

    /// The same, and what the config calls them.
    pub(crate) fn named_layers(&self) -> Result<(&'static str, u64), ConfigError> {
        self.first_of(&["num_hidden_layers", "n_layer", "num_layers"], 1 << 14)
    }

    /// Rows and columns of the blocks that have a scale each, if weights are FP8 in blocks.
    pub(crate) fn blocks(&self) -> Result<Option<(u64, u64)>, ConfigError> {
        const FIELD: &str = "weight_block_size";
        let size = |value: &Value| value.as_u64().filter(|size| (1..=1 << 20).contains(size));
        match self.fields.get(FIELD) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let blocks = match value.as_array().map(Vec::as_slice) {
                    Some([rows, columns]) => size(rows).zip(size(columns)),
                    _ => None,
                };
                let blocks = blocks
                    .ok_or_else(|| wrong(FIELD, value, "a list of two whole numbers from 1"))?;
                Ok(Some(blocks))
            }
        }
    }

    /// The type of the biases of GPT-NeoX's feed-forward layers.
    pub(crate) fn ffn_out_dtype(&self) -> Result<FloatType, ConfigError> {
        const FIELD: &str = "ffn_out_dtype";
        match self.fields.get(FIELD) {
            None => Ok(FloatType::F32),
            Some(value) => [FloatType::F16, FloatType::Bf16, FloatType::F32]
                .into_iter()
                .find(|dtype| value.as_str() == Some(dtype.name()))
                .ok_or_else(|| wrong(FIELD, value, "float16, bfloat16 or float32")),
        }
    }

    /// A size that architectures call differently, and what this one calls it.
    fn first_of(
        &self,
        names: &[&'static str],
        limit: u64,
    ) -> Result<(&'static str, u64), ConfigError> {
        for name in names {
            if let Some(size) = self.optional(name, limit)? {
                return Ok((*name, size));
            }
        }
        Err(ConfigError::Missing { field: names.first().copied().unwrap_or_default() })
    }

    /// A size of at most `limit`, which keeps products of sizes and the memory for names small.
    /// Zero and null say that it is not given, as upstream has it.
    fn optional(&self, field: &'static str, limit: u64) -> Result<Option<u64>, ConfigError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64() {
                Some(0) => Ok(None),
                Some(size) if size <= limit => Ok(Some(size)),
                _ => Err(wrong(field, value, "a positive integer of a model's size")),
            },
        }
    }
}

fn wrong(field: &'static str, value: &Value, wanted: &'static str) -> ConfigError {
    // A value may be a whole document.
    let value = value.to_string().chars().take(60).collect();
    ConfigError::Value { field, value, wanted }
}
