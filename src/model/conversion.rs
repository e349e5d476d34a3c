use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Scheme;

/// How a raw checkpoint becomes a model, as an entry says it: its `quantization` and
/// `conv_template`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Conversion {
    /// How the weights are stored.
    pub quantization: Scheme,
    /// How the app puts conversations into words; none where the checkpoint is to say it.
    pub conv_template: Option<ConvTemplate>,
}

/// How a raw checkpoint becomes a model, once its files are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ResolvedConversion {
    /// How the weights are stored.
    pub quantization: Scheme,
    /// How the app puts conversations into words.
    pub conv_template: ConvTemplate,
    /// Who names that template.
    pub conv_template_from: TemplateOrigin,
}

impl fmt::Display for ResolvedConversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, template {}", self.quantization, self.conv_template)?;
        match self.conv_template_from {
            TemplateOrigin::Config => Ok(()),
            TemplateOrigin::Checkpoint => f.write_str(" from the checkpoint"),
        }
    }
}

/// Who names a conversation template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TemplateOrigin {
    /// The package config.
    Config,
    /// The checkpoint's own files.
    Checkpoint,
}

/// The name of a conversation template that upstream's `gen_config` accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTemplate(&'static str);

/// A name that is none of the templates.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown conversation template `{0:.80}`")]
pub struct UnknownConvTemplate(String);

impl ConvTemplate {
    /// The names of all, sorted.
    pub const NAMES: [&'static str; 53] = [
        "LM",
        "aya-23",
        "chatml",
        "chatml_nosystem",
        "codellama_completion",
        "codellama_instruct",
        "deepseek",
        "deepseek_r1_llama",
        "deepseek_r1_qwen",
        "deepseek_v2",
        "deepseek_v3",
        "dolly",
        "gemma3_instruction",
        "gemma_instruction",
        "glm",
        "gorilla",
        "gorilla-openfunctions-v2",
        "gpt2",
        "gpt_bigcode",
        "hermes2_pro_llama3",
        "hermes3_llama-3_1",
        "llama-2",
        "llama-3",
        "llama-3_1",
        "llama-4",
        "llava",
        "llm-jp",
        "ministral3",
        "ministral3_reasoning",
        "mistral_default",
        "nemotron",
        "neural_hermes_mistral",
        "oasst",
        "olmo",
        "olmo2",
        "open_hermes_mistral",
        "orion",
        "phi-2",
        "phi-3",
        "phi-3-vision",
        "phi-4",
        "qwen2",
        "qwen3",
        "qwen3_5",
        "qwen3_5_nothink",
        "redpajama_chat",
        "rwkv_world",
        "stablelm",
        "stablelm-2",
        "stablelm-3b",
        "tinyllama_v1_0",
        "wizard_coder_or_math",
        "wizardlm_7b",
    ];

    /// Upstream's name.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for ConvTemplate {
    type Err = UnknownConvTemplate;

    fn from_str(name: &str) -> Result<Self, UnknownConvTemplate> {
        let found = Self::NAMES.into_iter().find(|known| *known == name);
        found.map(Self).ok_or_else(|| UnknownConvTemplate(name.to_owned()))
    }
}

impl fmt::Display for ConvTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Serialize for ConvTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}
