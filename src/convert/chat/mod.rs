//! `mlc-chat-config.json` and the tokenizer's files, as upstream's `gen_config` writes them, byte
//! for byte.

mod document;
mod overrides;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde_json::{Map, Value};

use self::document::{Document, ValueFault};
use super::arch::{self, AWQ, Architecture, Support};
use super::error::ConvertError;
use super::{config_json, templates, tokenizer};
use crate::io::{atomic, files};
use crate::model::{
    ByteSize, ChatConfig, Completed, Overrides, Quantization, Refused, git_lfs, to_python_json,
};

/// The most a `config.json` may hold in bytes; real ones have a few thousand.
const CONFIG_LIMIT: u64 = 16 << 20;

/// Where sentence-transformers says how the vectors of tokens become that of a text.
const POOLING: &str = "1_Pooling/config.json";

/// What is to be written, and where.
#[derive(Clone, Copy, Debug)]
pub struct ChatRequest<'a> {
    /// The checkpoint's directory.
    pub checkpoint: &'a Utf8Path,
    /// The quantization scheme's name, as the weights' half has checked it.
    pub quantization: &'a str,
    /// The architecture, if not that of `config.json`.
    pub model_type: Option<&'a str>,
    /// The conversation template's name.
    pub conv_template: &'a str,
    /// What is not to be as the checkpoint has it. `opt` says nothing here, and -1 is a value
    /// like any other.
    pub overrides: &'a Overrides,
    /// The directory to write to: there, empty, and not looked at by anybody yet.
    pub output: &'a Utf8Path,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChatSummary {
    /// The architecture.
    pub model_type: String,
    /// The conversation template's name.
    pub conv_template: String,
    /// Tokens of context; -1 where there is a sliding window instead.
    pub context_window_size: i64,
    /// Tokens of the sliding window; -1 without one.
    pub sliding_window_size: i64,
    /// Tokens of one prefill step.
    pub prefill_chunk_size: i64,
    /// The rows of the embedding.
    pub vocab_size: i64,
    /// The tokens that the tokenizer knows.
    pub active_vocab_size: i64,
    /// The tokenizer's files that were copied.
    pub tokenizer_files: Vec<String>,
    /// What a person should look at.
    pub warnings: Vec<String>,
}

/// The `model_type`s that are converted natively.
pub fn architectures() -> impl Iterator<Item = &'static str> {
    Architecture::names().into_iter()
}

/// Why a `model_type` of upstream's is not.
pub fn left_to_mlc(model_type: &str) -> Option<&'static str> {
    arch::left_to_mlc(model_type)
}

/// Whether upstream's own conversion of a `model_type` fails.
pub fn fails_in_mlc(model_type: &str) -> bool {
    arch::fails_in_mlc(model_type)
}

/// Why a native `model_type` is converted to a quantization by MLC LLM alone; none if it is not.
pub fn not_native(model_type: &str, quantization: Quantization) -> Option<&'static str> {
    match Architecture::find(model_type)?.support(quantization) {
        Support::LeftToMlc(why) => Some(why),
        Support::Native | Support::Missing => None,
    }
}

/// The quantizations that MLC LLM has for a native `model_type`, if this is not one of them.
pub fn others_than(model_type: &str, quantization: &str) -> Option<Vec<&'static str>> {
    let architecture = Architecture::find(model_type)?;
    let has = |quantization| architecture.support(quantization) != Support::Missing;
    let is_there = match quantization.parse::<Quantization>() {
        Ok(quantization) => has(quantization),
        Err(_) => quantization != AWQ || arch::takes_awq(model_type),
    };
    let all = Quantization::ALL.into_iter();
    (!is_there).then(|| all.filter(|each| has(*each)).map(|each| each.name()).collect())
}

/// The `model_type` of a checkpoint, native or not.
pub fn model_type(checkpoint: &Utf8Path) -> Result<String, ConvertError> {
    let path = checkpoint.join("config.json");
    named_type(&read_config(checkpoint)?, &path)
}

/// Writes `mlc-chat-config.json` and copies the tokenizer's files.
pub fn write(request: &ChatRequest<'_>) -> Result<ChatSummary, ConvertError> {
    let (text, found, summary) = describe(request)?;
    found.copy(request.checkpoint, request.output)?;
    atomic::write_unsynced(&request.output.join(ChatConfig::FILE_NAME), text.as_bytes())
        .map_err(ConvertError::Write)?;
    Ok(summary)
}

/// The `mlc-chat-config.json` that [`write`] would write. Nothing is written.
pub fn text(request: &ChatRequest<'_>) -> Result<String, ConvertError> {
    Ok(describe(request)?.0)
}

fn describe(
    request: &ChatRequest<'_>,
) -> Result<(String, tokenizer::Tokenizer, ChatSummary), ConvertError> {
    let path = request.checkpoint.join("config.json");
    let source = read_config(request.checkpoint)?;
    let model_type = match request.model_type {
        Some(name) => name.to_owned(),
        None => named_type(&source, &path)?,
    };
    let architecture = Architecture::find(&model_type).ok_or_else(|| {
        let known: Vec<_> = architectures().collect();
        let (path, found) = (path.clone(), model_type.clone());
        ConvertError::UnknownArchitecture { path, found, known: known.join(", ") }
    })?;
    let template = templates::find(request.conv_template)?;
    let mut warnings = Vec::new();
    let invalid =
        |why: ValueFault| ConvertError::Invalid { path: path.clone(), why: why.to_string() };
    let mut restated = source.clone();
    warnings.extend(config_json::restate(&mut restated, &model_type));
    let left_out = |refusal| ConvertError::LeftOut { path: path.clone(), refusal };
    config_json::refuse(&restated, &model_type).map_err(left_out)?;
    let context = request.overrides.context_window_size.and_then(|size| size.try_into().ok());
    warnings.extend(config_json::left_out(&restated, &model_type, context));
    let inner = restated.get("text_config").and_then(|text| text.get("vocab_size")?.as_i64());
    let config = completed(architecture, restated, request.overrides, &mut warnings);
    let config = config.map_err(|refused| left_out(refused.into()))?;
    let mut document = Document::new(&config, template).map_err(invalid)?;
    if let Some(inner) = inner.filter(|inner| *inner != document.vocab_size) {
        warnings.push(format!(
            "`vocab_size` is {inner} in the `text_config` of config.json, and MLC LLM takes {} from \
             its top level: its runtime stops at the first token unless that is the number of the \
             embedding's rows",
            document.vocab_size
        ));
    }

    if let Some(embeds) = &architecture.embeds {
        warnings.extend(embeds.other_pooling(&request.checkpoint.join(POOLING)));
    }
    let generation = request.checkpoint.join("generation_config.json");
    if let Some(values) = read_object_if_there(&generation)? {
        let taken = document.take_generation(&values);
        taken.map_err(|why| ConvertError::Invalid { path: generation, why: why.to_string() })?;
    }
    document.take_generation(&source).map_err(invalid)?;
    document.default_generation();

    let found = tokenizer::read(request.checkpoint, document.vocab_size, &mut warnings)?;
    if let Some(tokens) = found.tokens {
        document.active_vocab_size = tokens;
    }
    let text = document.text(architecture, request.quantization, &config.fields, &found);
    let text = to_python_json(&text).map_err(|error| ConvertError::Write(error.into()))?;
    let summary = ChatSummary {
        model_type,
        conv_template: request.conv_template.to_owned(),
        context_window_size: document.context_window_size,
        sliding_window_size: document.sliding_window_size,
        prefill_chunk_size: document.prefill_chunk_size,
        vocab_size: document.vocab_size,
        active_vocab_size: document.active_vocab_size,
        tokenizer_files: found.files.clone(),
        warnings,
    };
    Ok((text, found, summary))
}

/// Twice, as upstream does it: what the checkpoint says is completed, the overrides are put over
/// it, and that is completed again.
fn completed(
    architecture: &Architecture,
    source: Map<String, Value>,
    overrides: &Overrides,
    warnings: &mut Vec<String>,
) -> Result<Completed, Refused> {
    let mut fields = architecture.read(source)?.fields;
    for ignored in overrides::apply(overrides, &mut fields) {
        warnings.push(format!(
            "the override `{ignored}` is left out: {} has no such field",
            architecture.model_type
        ));
    }
    architecture.read(fields)
}

fn named_type(source: &Map<String, Value>, path: &Utf8Path) -> Result<String, ConvertError> {
    // Upstream looks into a `model_config` too, for configs of its own.
    let nested = || source.get("model_config").and_then(|config| config.get("model_type"));
    match source.get("model_type").or_else(nested) {
        Some(Value::String(name)) if name.len() <= 64 => Ok(name.clone()),
        _ => Err(ConvertError::NoModelType { path: path.to_owned() }),
    }
}

/// The `config.json` of a checkpoint.
pub fn read_config(checkpoint: &Utf8Path) -> Result<Map<String, Value>, ConvertError> {
    read_object_if_there(&checkpoint.join("config.json"))?.ok_or_else(|| {
        let is_converted = files::is_file(&checkpoint.join(ChatConfig::FILE_NAME));
        ConvertError::NoConfig { dir: checkpoint.to_owned(), is_converted }
    })
}

/// What Python writes for numbers that JSON does not have, of a text that is not JSON.
fn not_a_number(text: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(text).ok()?;
    let is_value = |at: usize| {
        text.get(..at).is_some_and(|before| before.trim_end().ends_with([':', '[', ',']))
    };
    let words = ["NaN", "Infinity", "-Infinity"].into_iter();
    let mut said = words.filter(|word| text.match_indices(*word).any(|(at, _)| is_value(at)));
    said.next()
}

/// A JSON object; none where no file is.
pub(super) fn read_object_if_there(
    path: &Utf8Path,
) -> Result<Option<Map<String, Value>>, ConvertError> {
    if !files::is_file(path) {
        return Ok(None);
    }
    let failed = |source| ConvertError::Read { path: path.to_owned(), source };
    let text = files::read_at_most(path, CONFIG_LIMIT).map_err(failed)?.ok_or_else(|| {
        ConvertError::TooLarge { path: path.to_owned(), limit: ByteSize(CONFIG_LIMIT) }
    })?;
    let invalid = |why| ConvertError::Invalid { path: Utf8PathBuf::from(path), why };
    let not_json = |why| ConvertError::NotJson { path: path.to_owned(), why };
    match serde_json::from_slice(&text) {
        Ok(Value::Object(fields)) => Ok(Some(fields)),
        _ if git_lfs::is_pointer(&text) => Err(invalid(git_lfs::NOT_PULLED.to_owned())),
        Ok(_) => Err(not_json("it is not a JSON object".to_owned())),
        Err(_) if text.starts_with(b"\xef\xbb\xbf") => Err(invalid(
            "it begins with a byte-order mark, which JSON must not: save it as UTF-8 without one"
                .to_owned(),
        )),
        Err(error) => match not_a_number(&text) {
            Some(word) => Err(invalid(format!(
                "it says {word}, which is not JSON ({error}): replace it by a number, or remove the \
                 field"
            ))),
            None => Err(not_json(format!("it is not valid JSON: {error}"))),
        },
    }
}
