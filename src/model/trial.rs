use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::Expectation;
use super::policy::{UnknownChoice, choose};

/// What `try` in `mlc-package.yml` says of the models of a package. What it leaves out is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrySettings {
    /// What is asked.
    pub prompt: Option<String>,
    /// The most tokens of the answer.
    pub tokens: Option<u32>,
    /// What the answer must have in it.
    pub expect: Vec<Expectation>,
    /// Whether the model must end its answer by itself.
    pub must_stop: Option<bool>,
    /// The limit of the perplexity of our text.
    pub max_perplexity: Option<f64>,
    /// Where the models run.
    pub device: Option<TryDevice>,
    /// How many seconds loading and running a model may take.
    pub seconds: Option<u32>,
}

/// Where a model can be run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TryDevice {
    /// The processor.
    #[default]
    Cpu,
    /// Apple's GPUs.
    Metal,
    /// GPUs of many makers.
    Vulkan,
    /// NVIDIA's GPUs.
    Cuda,
}

impl TryDevice {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Metal, Self::Vulkan, Self::Cuda];

    /// The name that compiler and runtime both know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Metal => "metal",
            Self::Vulkan => "vulkan",
            Self::Cuda => "cuda",
        }
    }
}

impl FromStr for TryDevice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(text, "cpu, metal, vulkan, cuda", Self::ALL)
    }
}

impl fmt::Display for TryDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
