//! Who converts: this program, or `python -m mlc_llm` for all that this program leaves to it.

mod inputs;
mod linked_copy;
mod python;

use std::fmt;
use std::str::FromStr;

use camino::Utf8Path;
use serde::Serialize;
use serde_json::{Map, Value};

pub use self::inputs::{MlcArguments, MlcInputs};
pub use self::linked_copy::{Listed, awq_source, is_config, make_linked_copy};
pub use self::python::{MlcEngine, WeightRequest};
use super::ConvertError;
use super::chat;
use super::nearest::nearest;
use crate::model::{ConfigClass, Quantization, Scheme};

/// `--engine`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Native where it can be.
    #[default]
    Auto,
    /// This program, or an error.
    Native,
    /// `python -m mlc_llm gen_config` and `convert_weight`.
    Mlc,
}

/// The engine that converts a checkpoint, and why that one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "engine", rename_all = "lowercase")]
pub enum Choice {
    /// This program.
    Native {
        /// Why.
        why: Why,
    },
    /// `python -m mlc_llm`.
    Mlc {
        /// Why.
        why: Why,
    },
}

/// Why an engine was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Why {
    /// `--engine` says so.
    EngineOption,
    /// Nothing needs the other one.
    AllNative,
    /// The architecture is converted by MLC LLM alone.
    Architecture {
        /// Its `model_type`.
        model_type: String,
        /// The one that was meant, or that its text model is.
        #[serde(skip_serializing_if = "Option::is_none")]
        meant: Option<String>,
    },
    /// The quantization scheme is MLC LLM's alone.
    Quantization {
        /// Its name.
        quantization: String,
    },
    /// The architecture is not converted to this quantization here.
    Combination {
        /// Its `model_type`.
        model_type: String,
        /// The quantization's name.
        quantization: String,
    },
    /// The weights are to be cut for several GPUs beforehand.
    Presharded {
        /// How many.
        shards: i64,
    },
    /// The same, by upstream's variable for it.
    PreshardVariable {
        /// Its value.
        value: String,
    },
    /// An adapter is to be merged into the weights.
    Lora,
    /// An argument of `convert_weight` is given.
    Argument {
        /// Its name.
        name: &'static str,
    },
    /// The tokenizer has to be converted, which Python's `transformers` does.
    Tokenizer {
        /// The file that there is.
        file: String,
    },
}

/// What is to be converted, as far as the choice depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The directory of its configs and tokenizer.
    pub checkpoint: &'a Utf8Path,
    /// The names of all its files, in that directory or not yet.
    pub files: &'a [&'a str],
    /// The quantization scheme's name.
    pub quantization: &'a str,
    /// What only MLC LLM can be told.
    pub arguments: &'a MlcArguments,
    /// `MLC_INTERNAL_PRESHARD_NUM`.
    pub presharded: Option<&'a str>,
}

/// The architectures whose classes look into `text_config` of a model that sees.
const TEXT_OF_OTHERS: [&str; 1] = ["ministral3"];

/// Chooses the engine. Asked for the native one where it cannot do the work, this is an error
/// that says why. Only MLC LLM itself, asked for by name, may know a quantization that upstream's
/// registry did not have when this was written.
pub fn choose(asked: Engine, wish: &Wish<'_>) -> Result<Choice, ConvertError> {
    if asked == Engine::Mlc {
        return Ok(Choice::Mlc { why: Why::EngineOption });
    }
    if wish.quantization.parse::<Scheme>().is_err() {
        let name = wish.quantization.to_owned();
        let nearest =
            Scheme::with_usual_layout(&name).or_else(|| nearest(&name, Scheme::NAMES.into_iter()));
        return Err(ConvertError::UnknownQuantization { name, nearest });
    }
    let why = beyond_native(wish)?;
    match (asked, why) {
        (Engine::Native, Some(why)) => Err(ConvertError::NotNative { why }),
        (Engine::Native, None) => Ok(Choice::Native { why: Why::EngineOption }),
        (_, Some(why)) => Ok(Choice::Mlc { why }),
        (_, None) => Ok(match convertible_tokenizer(wish.files) {
            Some(file) => Choice::Mlc { why: Why::Tokenizer { file } },
            None => Choice::Native { why: Why::AllNative },
        }),
    }
}

/// What of the wish this program cannot do.
fn beyond_native(wish: &Wish<'_>) -> Result<Option<Why>, ConvertError> {
    if let Some(why) = only_for_mlc(wish) {
        return Ok(Some(why));
    }
    let config = chat::read_config(wish.checkpoint)?;
    let model_type = match &wish.arguments.model_type {
        Some(name) => name.clone(),
        None => chat::model_type(wish.checkpoint)?,
    };
    if !chat::architectures().any(|known| known == model_type) {
        // A config's name is not misspelt: a similar one would be another model.
        let meant = match &wish.arguments.model_type {
            Some(asked) => nearest(asked, ConfigClass::names()).map(str::to_owned),
            None => text_of(&config),
        };
        return Ok(Some(Why::Architecture { model_type, meant }));
    }
    let name = wish.quantization;
    if let Some(others) = chat::others_than(&model_type, name) {
        let quantization = name.to_owned();
        return Err(ConvertError::NotInMlc { model: None, model_type, quantization, others });
    }
    let Ok(quantization) = name.parse::<Quantization>() else {
        return Ok(Some(Why::Quantization { quantization: name.to_owned() }));
    };
    if chat::not_native(&model_type, quantization).is_some() {
        let quantization = name.to_owned();
        return Ok(Some(Why::Combination { model_type, quantization }));
    }
    let shards = config.get("tensor_parallel_shards").and_then(Value::as_i64);
    Ok(shards.filter(|shards| *shards > 1).map(|shards| Why::Presharded { shards }))
}

/// The architecture of the text model inside another, where upstream takes it by that name alone.
fn text_of(config: &Map<String, Value>) -> Option<String> {
    let inner = config.get("text_config")?.get("model_type")?.as_str()?;
    TEXT_OF_OTHERS.contains(&inner).then(|| inner.to_owned())
}

/// What is asked for by arguments that this program would not heed.
fn only_for_mlc(wish: &Wish<'_>) -> Option<Why> {
    let arguments = wish.arguments;
    if arguments.lora_adapter.is_some() {
        return Some(Why::Lora);
    }
    let given = [
        ("--device", arguments.device.is_some()),
        ("--source", arguments.source.is_some()),
        ("--source-format", arguments.source_format.is_some()),
    ];
    if let Some((name, _)) = given.into_iter().find(|(_, given)| *given) {
        return Some(Why::Argument { name });
    }
    let value = wish.presharded?.chars().take(40).collect();
    Some(Why::PreshardVariable { value })
}

/// A tokenizer that upstream converts, where there is no `tokenizer.json`.
fn convertible_tokenizer(files: &[&str]) -> Option<String> {
    if files.contains(&"tokenizer.json") {
        return None;
    }
    let convertible = |name: &&&str| **name == "tokenizer.model" || name.ends_with(".tiktoken");
    files.iter().find(convertible).map(|name| (*name).to_owned())
}

/// A word that is no engine.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown engine `{0:.40}`: auto, native or mlc")]
pub struct UnknownEngine(String);

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        match text {
            "auto" => Ok(Self::Auto),
            "native" => Ok(Self::Native),
            "mlc" => Ok(Self::Mlc),
            _ => Err(UnknownEngine(text.to_owned())),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native { why } => write!(f, "native: {why}"),
            Self::Mlc { why } => write!(f, "python -m mlc_llm: {why}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EngineOption => f.write_str("--engine says so"),
            Self::AllNative => f.write_str("nothing needs Python"),
            Self::Architecture { model_type, meant } => match chat::left_to_mlc(model_type) {
                Some(why) => {
                    write!(
                        f,
                        "the architecture `{model_type}` is converted by MLC LLM alone: {why}"
                    )
                }
                None => {
                    write!(f, "mlc-package does not know the architecture `{model_type}`")?;
                    match meant {
                        Some(meant) => write!(f, " (did you mean `--model-type {meant}`?)"),
                        None => Ok(()),
                    }
                }
            },
            Self::Quantization { quantization } => {
                write!(f, "the quantization `{quantization}` is done by MLC LLM alone")?;
                let scheme = quantization.parse::<Scheme>().ok();
                match scheme.and_then(Scheme::left_to_mlc) {
                    Some(why) => write!(f, ": {why}"),
                    None => Ok(()),
                }
            }
            Self::Combination { model_type, quantization } => {
                write!(f, "{model_type} is not converted to {quantization} by this program")?;
                let known = quantization.parse::<Quantization>().ok();
                match known.and_then(|known| chat::not_native(model_type, known)) {
                    Some(why) => write!(f, ": {why}"),
                    None => Ok(()),
                }
            }
            Self::Presharded { shards } => {
                write!(f, "the weights are to be cut for {shards} GPUs beforehand")
            }
            Self::PreshardVariable { value } => write!(
                f,
                "the weights are to be cut beforehand: MLC_INTERNAL_PRESHARD_NUM is {value}"
            ),
            Self::Lora => f.write_str("a LoRA adapter is to be merged"),
            Self::Argument { name } => write!(f, "{name} is for MLC LLM's own conversion"),
            Self::Tokenizer { file } => {
                write!(f, "{file} has to be converted to tokenizer.json")
            }
        }
    }
}
