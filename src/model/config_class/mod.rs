//! Upstream's configuration classes (`python/mlc_llm/model/*/*_model.py`): what a `model_config`
//! is once upstream has read it. A field that a file lacks has its default, and the sizes that
//! follow from others are completed.

mod complete;
mod nested;
mod own;
mod table;

use serde_json::{Map, Value};

/// One class: `Config.from_dict` and `__post_init__` of upstream, as data.
#[derive(Clone, Copy, Debug)]
pub struct ConfigClass {
    model_types: &'static [&'static str],
    file: &'static str,
    fields: &'static [(&'static str, Absent)],
    rules: &'static [Rule],
}

/// What a field is where a file does not have it.
#[derive(Clone, Copy, Debug)]
enum Absent {
    Required,
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(&'static str),
    EmptyList,
}

/// What `__post_init__` does, a step at a time. "Nothing" is 0 or null.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// Before the fields are looked for: what they are looked for in.
    Source(fn(Map<String, Value>) -> Map<String, Value>),
    /// `position_embedding_base` of 0 is `rope_theta`, else 10000.
    RopeBase,
    /// `context_window_size` of 0 is the first of these that the file has.
    Context(&'static [&'static str]),
    /// `prefill_chunk_size` of 0, or above the context, is the context, and at most this.
    Chunk(i64),
    /// A field of 0 is another one.
    ZeroIs(&'static str, &'static str),
    /// A field that is nothing is another one.
    NothingIs(&'static str, &'static str),
    /// A field that is nothing is four times another one.
    NothingIsFourTimes(&'static str, &'static str),
    /// A field that is null or -1 is four times another one.
    MinusOneIsFourTimes(&'static str, &'static str),
    /// A field is another one, whatever it was.
    Is(&'static str, &'static str),
    /// A field of 0 is the quotient of two others.
    Divided(&'static str, &'static str, &'static str),
    /// The product of two fields is the third.
    Product(&'static str, &'static str, &'static str),
    /// A field is a multiple of another.
    Multiple(&'static str, &'static str),
    /// There are no more `pipeline_parallel_stages` than layers.
    Stages,
    /// What one class, or one family of them, does.
    Own(fn(&mut Completed) -> Result<(), Refused>),
}

/// A config as upstream has it after reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Completed {
    /// The fields of the class, in its order.
    pub fields: Map<String, Value>,
    /// What the file has besides, less what became a field.
    pub others: Map<String, Value>,
}

/// Why upstream refuses a config.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl Refused {
    /// Whether only a field is missing.
    pub fn is_missing(&self) -> bool {
        self.0.starts_with("it has no `")
    }
}

impl ConfigClass {
    /// The class of a `model_type`; none of a type that upstream does not know.
    pub fn of(model_type: &str) -> Option<&'static Self> {
        table::ALL.iter().find(|class| class.model_types.contains(&model_type))
    }

    /// Every `model_type` that upstream knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        table::ALL.iter().flat_map(|class| class.model_types.iter().copied())
    }

    /// Whether it has a field of this name.
    pub fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|(name, _)| *name == field)
    }

    /// Whether a file has to have a field of this name.
    pub fn requires(&self, field: &str) -> bool {
        self.fields
            .iter()
            .any(|(name, absent)| *name == field && matches!(absent, Absent::Required))
    }

    /// The number that a field is where a file does not have it, if it is one.
    pub fn default_number(&self, field: &str) -> Option<f64> {
        let (_, absent) = self.fields.iter().find(|(name, _)| *name == field)?;
        match absent {
            Absent::Int(int) => Some(*int as f64),
            Absent::Float(float) => Some(*float),
            _ => None,
        }
    }

    /// The file it was read from, below `python/mlc_llm/model/`.
    pub fn file(&self) -> &'static str {
        self.file
    }

    /// Reads a config as upstream reads it.
    ///
    /// # Errors
    ///
    /// Where upstream raises an error.
    pub fn complete(&self, source: Map<String, Value>) -> Result<Completed, Refused> {
        let mut others = source;
        for rule in self.rules {
            if let Rule::Source(prepared) = rule {
                others = prepared(others);
            }
        }
        let mut fields = Map::new();
        for (name, absent) in self.fields {
            // `shift_remove` keeps the order of the rest.
            let value = match (others.shift_remove(*name), absent) {
                (Some(value), _) => value,
                (None, Absent::Required) => return Err(Refused(format!("it has no `{name}`"))),
                (None, Absent::Null) => Value::Null,
                (None, Absent::Int(int)) => (*int).into(),
                (None, Absent::Float(float)) => (*float).into(),
                (None, Absent::Bool(truth)) => (*truth).into(),
                (None, Absent::Text(text)) => (*text).into(),
                (None, Absent::EmptyList) => Value::Array(Vec::new()),
            };
            fields.insert((*name).to_owned(), value);
        }
        let mut config = Completed { fields, others };
        for rule in self.rules {
            complete::apply(*rule, &mut config)?;
        }
        Ok(config)
    }
}

impl Completed {
    fn value(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// A field that has to be a whole number.
    ///
    /// # Errors
    ///
    /// Where it is not.
    pub fn int(&self, name: &str) -> Result<i64, Refused> {
        whole(name, self.value(name))
    }

    /// A field that has to be a whole number above 0.
    fn positive(&self, name: &str) -> Result<i64, Refused> {
        match self.int(name)? {
            value @ 1.. => Ok(value),
            other => Err(Refused(format!("`{name}` is {other}"))),
        }
    }

    /// Whether a field is 0, which upstream takes for "not given".
    fn is_zero(&self, name: &str) -> bool {
        self.value(name).as_f64() == Some(0.0)
    }

    /// Whether a field is 0 or null.
    fn is_nothing(&self, name: &str) -> bool {
        self.value(name).is_null() || self.is_zero(name)
    }

    fn take_other(&mut self, name: &str) -> Option<Value> {
        self.others.shift_remove(name)
    }
}

/// The whole number that a value has to be.
fn whole(name: &str, value: &Value) -> Result<i64, Refused> {
    value.as_i64().ok_or_else(|| match value {
        // A hostile value may be long.
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            Refused(format!("`{name}` is {value}, not a whole number"))
        }
        _ => Refused(format!("`{name}` is not a whole number")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ConfigClass, table};

    fn completed(model_type: &str, source: Value) -> Result<Value, String> {
        let Value::Object(source) = source else { panic!("an object") };
        let class = ConfigClass::of(model_type).unwrap();
        let completed = class.complete(source).map_err(|refused| refused.to_string())?;
        Ok(Value::Object(completed.fields))
    }

    #[test]
    fn every_model_type_has_one_class() {
        let mut types: Vec<_> =
            table::ALL.iter().flat_map(|class| class.model_types).copied().collect();
        assert_eq!(types.len(), 47);
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), 47);
    }

    #[test]
    fn rwkv_has_no_context_and_counts_its_heads() {
        let source = json!({"hidden_size": 100, "intermediate_size": null, "num_hidden_layers": 2,
            "vocab_size": 9, "head_size": 50});
        let fields = completed("rwkv6", source).unwrap();
        // int(100 * 3.5) // 32 * 32
        assert_eq!(fields["intermediate_size"], 320);
        assert_eq!(fields["num_heads"], 2);
        assert_eq!(fields["context_window_size"], -1);
    }

    #[test]
    fn ministrals_text_is_merged_over_the_top_level_but_for_two_fields() {
        let source = json!({"text_config": {"hidden_size": 8, "intermediate_size": 8,
            "num_attention_heads": 2, "num_hidden_layers": 1, "rms_norm_eps": 1e-5,
            "vocab_size": 9, "tie_word_embeddings": true, "max_position_embeddings": 100,
            "rope_parameters": {"rope_theta": 5.0, "type": "yarn"}},
            "tie_word_embeddings": false, "vocab_size": 10});
        let fields = completed("ministral3", source).unwrap();
        assert_eq!(fields["tie_word_embeddings"], false);
        assert_eq!(fields["vocab_size"], 9);
        assert_eq!(fields["position_embedding_base"], 5.0);
        assert_eq!(fields["rope_parameters"], json!({"type": "yarn"}));
        assert_eq!(fields["prefill_chunk_size"], 100);
        assert_eq!(fields["modules_to_not_convert"], json!([]));
    }

    #[test]
    fn llama_4_names_its_layers() {
        let source = json!({"text_config": {"hidden_size": 8, "intermediate_size": 8,
            "num_attention_heads": 2, "num_hidden_layers": 5, "rms_norm_eps": 1e-5,
            "rope_theta": 5.0, "use_qk_norm": true, "interleave_moe_layer_step": 2,
            "num_experts_per_tok": 1, "num_local_experts": 2, "hidden_act": "silu",
            "bos_token_id": 1, "no_rope_layers": []}});
        let fields = completed("llama4", source).unwrap();
        let text = &fields["text_config"];
        assert_eq!(text["no_rope_layers"], json!([1, 1, 1, 0, 1]));
        assert_eq!(text["moe_layers"], json!([1, 3]));
        assert_eq!(text["position_embedding_base"], 10_000);
        assert_eq!(text["head_dim"], 4);
        assert_eq!(text["kwargs"], json!({"bos_token_id": 1}));
        assert_eq!(fields["context_window_size"], 131_072);
        assert_eq!(fields["prefill_chunk_size"], 8192);
    }

    #[test]
    fn llavas_text_model_has_the_sizes() {
        let text = json!({"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2,
            "num_hidden_layers": 5, "rms_norm_eps": 1e-5, "vocab_size": 9,
            "kwargs": {"max_position_embeddings": 4096}});
        let vision = json!({"hidden_size": 8, "image_size": 8, "intermediate_size": 8,
            "num_attention_heads": 1, "num_hidden_layers": 1, "patch_size": 1,
            "projection_dim": 1, "vocab_size": 1});
        let mut source = json!({"image_token_index": 1, "vocab_size": 9, "text_config": text,
            "vision_config": vision});
        let fields = completed("llava", source.clone()).unwrap();
        assert_eq!(fields["context_window_size"], 4096);
        assert_eq!(fields["sliding_window_size"], -1);
        assert_eq!(fields["vision_config"]["layer_norm_eps"], 1e-6);
        source["text_architecture"] = "MistralForCausalLM".into();
        source["text_config"]["kwargs"]["sliding_window"] = 16.into();
        let fields = completed("llava", source.clone()).unwrap();
        assert_eq!(fields["sliding_window_size"], 16);
        assert_eq!(fields["text_config"]["attention_sink_size"], 4);
        // What it is then, upstream asks the Hub.
        source["text_config"]["_name_or_path"] = "lmsys/vicuna-7b-v1.5".into();
        completed("llava", source).unwrap_err();
    }

    #[test]
    fn qwen_3_5_reads_the_text_inside_and_its_rope() {
        let source = json!({"text_config": {"hidden_size": 8, "max_position_embeddings": 4096,
            "rope_parameters": {"rope_theta": 7, "partial_rotary_factor": 0.5}},
            "rope_parameters": {"rope_theta": 8}});
        let fields = completed("qwen3_5", source).unwrap();
        assert_eq!(fields["hidden_size"], 8);
        // What the text says is put over what the top level says, then read.
        assert_eq!(fields["rope_theta"], 7);
        assert_eq!(fields["partial_rotary_factor"], 0.5);
        assert_eq!(fields["prefill_chunk_size"], 2048);
    }

    #[test]
    fn cohere_completes_only_what_has_no_base_yet() {
        let mut source = json!({"model_type": "cohere", "hidden_size": 8, "vocab_size": 8,
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": null,
            "intermediate_size": 8, "layer_norm_eps": 1e-5, "max_position_embeddings": 100,
            "rope_theta": 9.0});
        let fields = completed("cohere", source.clone()).unwrap();
        assert_eq!(fields["context_window_size"], 100);
        assert_eq!(fields["num_key_value_heads"], 2);
        assert_eq!(fields["position_embedding_base"], 9.0);
        source["position_embedding_base"] = 5.into();
        let fields = completed("cohere", source).unwrap();
        assert_eq!(fields["context_window_size"], 0);
        assert_eq!(fields["prefill_chunk_size"], 0);
    }
}
