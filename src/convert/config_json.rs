//! `config.json` before upstream's classes read it: what `transformers` 5 says elsewhere is put where
//! they look, null is "not given", what would make the model answer nonsense is refused, and what
//! upstream leaves out otherwise is told.

mod left_out;
mod refuse;
mod restate;

use serde_json::{Map, Value};

pub(super) use left_out::left_out;
pub(super) use refuse::{EXPERTS, Refusal, refuse};
pub(super) use restate::restate;

/// The classes that read `rope_parameters` themselves (mlc-ai/mlc-llm 79d603f0).
const READ_ROPE_PARAMETERS: [&str; 3] = ["ministral3", "qwen3_5", "qwen3_5_text"];

/// The base of Gemma 3's rotary embedding where its config does not say it (79d603f0,
/// `gemma3_model.py`).
const GEMMA3_BASE: f64 = 1e6;

/// The fields of a model, and of the text model inside it, whose fields come first.
#[derive(Clone, Copy)]
struct Fields<'a> {
    outer: &'a Map<String, Value>,
    inner: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    fn new(outer: &'a Map<String, Value>) -> Self {
        Self { outer, inner: outer.get("text_config").and_then(Value::as_object) }
    }

    /// A field that is given, and not null.
    fn get(self, name: &str) -> Option<&'a Value> {
        let inner = self.inner.and_then(|inner| inner.get(name));
        inner.or_else(|| self.outer.get(name)).filter(|value| !value.is_null())
    }
}

/// The kind of a scaling, by its newer or its older name.
fn kind(scaling: &Value) -> Option<&str> {
    kind_of(scaling.as_object()?)
}

fn kind_of(scaling: &Map<String, Value>) -> Option<&str> {
    scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str)
}

/// The method of a config's `quantization_config`, if it has one.
pub(super) fn quant_method(config: &Map<String, Value>) -> Option<String> {
    let found = config.get("quantization_config").filter(|found| !found.is_null())?;
    if found.as_object().is_some_and(Map::is_empty) {
        return None;
    }
    let method = found.get("quant_method").and_then(Value::as_str).unwrap_or("unknown");
    Some(method.chars().take(40).collect())
}
