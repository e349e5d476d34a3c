use serde_json::{Map, Value};

/// A model's `mlc-chat-config.json`, as far as packaging looks into it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatConfig {
    model_type: String,
    quantization: String,
    fields: Map<String, Value>,
    text: Vec<u8>,
}

/// Why a `mlc-chat-config.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChatConfigError {
    /// Not JSON.
    #[error("it is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but no object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A field that packaging needs.
    #[error("the field `{0}` is missing or not a {1}")]
    Field(&'static str, &'static str),
}

impl ChatConfig {
    /// The file's name in a model directory.
    pub const FILE_NAME: &'static str = "mlc-chat-config.json";

    /// Reads the text of a `mlc-chat-config.json`.
    pub fn parse(text: &[u8]) -> Result<Self, ChatConfigError> {
        let Value::Object(fields) = serde_json::from_slice(text)? else {
            return Err(ChatConfigError::NotAnObject);
        };
        let string = |name: &'static str| match fields.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            _ => Err(ChatConfigError::Field(name, "string")),
        };
        let (model_type, quantization) = (string("model_type")?, string("quantization")?);
        if !fields.get("model_config").is_some_and(Value::is_object) {
            return Err(ChatConfigError::Field("model_config", "object"));
        }
        Ok(Self { model_type, quantization, fields, text: text.to_owned() })
    }

    /// The text as it was read.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The architecture, `llama` for instance.
    pub fn model_type(&self) -> &str {
        &self.model_type
    }

    /// The quantization scheme, `q4f16_1` for instance.
    pub fn quantization(&self) -> &str {
        &self.quantization
    }

    /// Every top-level field, in the file's order.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The files that its tokenizer is made of, as far as they are named.
    pub fn tokenizer_files(&self) -> impl Iterator<Item = &str> {
        let listed = self.fields.get("tokenizer_files").and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The fields of `model_config`, in the file's order.
    pub fn model_config(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.fields.get("model_config").and_then(Value::as_object).into_iter().flatten()
    }

    /// A number by its name: the top-level field, else that of `model_config`. This is how
    /// upstream merges the two.
    pub fn number(&self, name: &str) -> Option<i64> {
        let nested = || self.fields.get("model_config")?.get(name);
        self.fields.get(name).or_else(nested)?.as_i64()
    }
}

#[cfg(test)]
mod tests {
    use super::ChatConfig;

    #[test]
    fn top_level_numbers_win_over_nested_ones() {
        let text = br#"{"model_type": "llama", "quantization": "q4f16_1", "vocab_size": 7,
            "model_config": {"vocab_size": 8, "head_dim": 64}}"#;
        let config = ChatConfig::parse(text).unwrap();
        assert_eq!(config.number("vocab_size"), Some(7));
        assert_eq!(config.number("head_dim"), Some(64));
        assert_eq!(config.number("absent"), None);
    }

    #[test]
    fn says_what_is_missing() {
        let why = |text: &str| ChatConfig::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(why("[]"), "it is not a JSON object");
        assert_eq!(
            why(r#"{"model_type": 3}"#),
            "the field `model_type` is missing or not a string"
        );
        assert!(why("{").starts_with("it is not valid JSON: EOF"));
    }
}
