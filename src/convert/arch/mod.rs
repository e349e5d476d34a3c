//! The architectures, one file each, as upstream's `mlc_llm/model/*/*_loader.py` and `*_model.py`
//! have them: the fields of its configuration class with their defaults and rules, and which
//! tensors of a checkpoint become which parameters.

mod class;
mod gemma;
mod gemma2;
mod gemma3_text;
mod gpt_neox;
mod hf_config;
mod llama;
mod mistral;
mod olmo;
mod parts;
mod phi3;
mod qwen2;
mod qwen3;
mod row;
mod rules;
mod stablelm;

use serde_json::{Map, Value};

use class::{Field, Rule};
use row::{Row, expand};

pub(super) use class::{Invalid, ModelConfig, whole};
pub use hf_config::{ConfigError, HfConfig};
pub(super) use row::{Change, Kind, Parameter};

/// One architecture.
pub(super) struct Architecture {
    /// `model_type` of its `config.json`, and of `mlc-chat-config.json`.
    pub(super) model_type: &'static str,
    /// What `model_config` holds.
    class: Class,
    /// Its parameters; `{}` in a name is the number of a layer.
    rows: &'static [Row],
    /// Tensors that checkpoints have and the model does not need; `{}` as above.
    unused: &'static [&'static str],
}

/// Upstream's configuration class of an architecture.
struct Class {
    /// Its fields, in its order.
    fields: &'static [Field],
    /// What its `__post_init__` does, in its order.
    rules: &'static [Rule],
}

const ALL: [&Architecture; 11] = [
    &gemma::GEMMA,
    &gemma2::GEMMA2,
    &gemma3_text::GEMMA3_TEXT,
    &gpt_neox::GPT_NEOX,
    &llama::LLAMA,
    &mistral::MISTRAL,
    &olmo::OLMO,
    &phi3::PHI3,
    &qwen2::QWEN2,
    &qwen3::QWEN3,
    &stablelm::STABLELM,
];

impl Architecture {
    /// The architecture of a `model_type`.
    pub(super) fn find(model_type: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|architecture| architecture.model_type == model_type)
    }

    /// Every `model_type` known here.
    pub(super) fn names() -> Vec<&'static str> {
        ALL.iter().map(|architecture| architecture.model_type).collect()
    }

    /// The fields of `config.json` that upstream keeps, completed and checked.
    pub(super) fn read(&self, source: Map<String, Value>) -> Result<ModelConfig, Invalid> {
        ModelConfig::read(self.class.fields, self.class.rules, source)
    }

    /// The model's parameters.
    pub(super) fn parameters(&self, config: &HfConfig) -> Result<Vec<Parameter>, ConfigError> {
        expand(self.rows, config)
    }

    /// Whether a tensor of the checkpoint is known to be needless.
    pub(super) fn ignores(&self, tensor: &str) -> bool {
        self.unused.iter().any(|pattern| match pattern.split_once("{}") {
            Some((before, after)) => {
                tensor.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(
                    |layer| !layer.is_empty() && layer.bytes().all(|byte| byte.is_ascii_digit()),
                )
            }
            None => tensor == *pattern,
        })
    }
}

#[cfg(test)]
mod tests;
