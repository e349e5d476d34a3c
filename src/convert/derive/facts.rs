//! What a checkpoint's small files say about conversations.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::rules;
use crate::convert::ConvertError;
use crate::convert::chat::{self, read_config, read_object_if_there};
use crate::io::contents::Contents;
use crate::io::files;
use crate::model::ByteSize;

/// The most a `chat_template.jinja` may hold in bytes; real ones have a few thousand.
const JINJA_LIMIT: u64 = 1 << 20;
/// The most a `tokenizer.json` may hold in bytes, as where it is converted.
const TOKENIZER_LIMIT: u64 = 128 << 20;

/// What the judgement depends on.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// `model_type` of `config.json`.
    pub(super) model_type: String,
    /// `architectures` of `config.json`.
    pub(super) architectures: Vec<String>,
    /// Numbers of `config.json` that are whole, by their fields.
    pub(super) numbers: BTreeMap<String, u64>,
    /// The chat template in Jinja that `transformers` would render.
    pub(super) chat_template: Option<String>,
    /// Tokens that some template names, by their numbers.
    pub(super) tokens: BTreeMap<u64, String>,
    /// The tokens that end an answer.
    pub(super) stops: BTreeSet<u64>,
    /// The repository's name on the Hub.
    pub(super) repository: Option<String>,
    /// The words of the checkpoint's names, in lower case.
    pub(super) words: BTreeSet<String>,
}

/// The other files beside `config.json`, read.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) generation: Map<String, Value>,
    pub(super) tokenizer: Map<String, Value>,
    pub(super) processor: Map<String, Value>,
    pub(super) jinja: Option<String>,
    /// `added_tokens` of `tokenizer.json`.
    pub(super) added: BTreeMap<u64, String>,
}

#[derive(Deserialize)]
struct TokenizerJson<'a> {
    #[serde(default, borrow)]
    added_tokens: Vec<AddedToken<'a>>,
}

#[derive(Deserialize)]
struct AddedToken<'a> {
    id: u64,
    #[serde(borrow)]
    content: Cow<'a, str>,
}

impl Facts {
    /// Reads a checkpoint. Its tokenizer is opened only where no smaller file has the tokens.
    pub(super) fn read(checkpoint: &Utf8Path, name: Option<&str>) -> Result<Self, ConvertError> {
        let config = read_config(checkpoint)?;
        let model_type = chat::model_type(checkpoint)?;
        let object = |name: &str| {
            Ok::<_, ConvertError>(read_object_if_there(&checkpoint.join(name))?.unwrap_or_default())
        };
        let tokenizer = object("tokenizer_config.json")?;
        let added = match tokenizer.get("added_tokens_decoder") {
            Some(Value::Object(_)) => BTreeMap::new(),
            _ => added_tokens(&checkpoint.join("tokenizer.json"))?,
        };
        let beside = Beside {
            generation: object("generation_config.json")?,
            tokenizer,
            processor: object("chat_template.json")?,
            jinja: jinja(&checkpoint.join("chat_template.jinja"))?,
            added,
        };
        let mut facts = Self::of(model_type, &config, beside);
        match name {
            Some(name) => facts.words.extend(words(name)),
            None => facts.words.extend(dir_words(checkpoint)?),
        }
        facts.repository = name.map(str::to_owned);
        Ok(facts)
    }

    /// What the files say, once they are read.
    pub(super) fn of(model_type: String, config: &Map<String, Value>, beside: Beside) -> Self {
        let whole = |(name, value): (&String, &Value)| Some((name.clone(), number(value)?));
        // Newer configs nest the fields of the rotary embedding.
        let rotary = config.get("rope_parameters").and_then(Value::as_object);
        let mut tokens = beside.added;
        if let Some(Value::Object(decoder)) = beside.tokenizer.get("added_tokens_decoder") {
            tokens = decoder.iter().filter_map(decoded).filter(is_wanted).collect();
        }
        let architectures = match config.get("architectures") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str),
            _ => [].iter().filter_map(Value::as_str),
        };
        Self {
            model_type,
            architectures: architectures.map(str::to_owned).collect(),
            numbers: rotary.into_iter().chain([config]).flatten().filter_map(whole).collect(),
            chat_template: chat_template(beside.jinja, &beside.tokenizer, &beside.processor),
            tokens,
            stops: [config, &beside.generation].into_iter().flat_map(stops).collect(),
            repository: None,
            words: config
                .get("_name_or_path")
                .and_then(Value::as_str)
                .into_iter()
                .flat_map(words)
                .collect(),
        }
    }
}

fn decoded((id, token): (&String, &Value)) -> Option<(u64, String)> {
    Some((id.parse().ok()?, token.get("content")?.as_str()?.to_owned()))
}

fn is_wanted((id, _): &(u64, String)) -> bool {
    rules::names_token(*id)
}

/// `transformers` takes the file before the field.
fn chat_template(
    jinja: Option<String>,
    tokenizer: &Map<String, Value>,
    processor: &Map<String, Value>,
) -> Option<String> {
    let of = |fields: &Map<String, Value>| match fields.get("chat_template") {
        Some(Value::String(text)) => Some(text.clone()),
        // Several, for tools and retrieval for instance: the one without a purpose counts.
        Some(Value::Array(several)) => several
            .iter()
            .find(|one| one.get("name").and_then(Value::as_str) == Some("default"))
            .and_then(|one| one.get("template")?.as_str().map(str::to_owned)),
        _ => None,
    };
    jinja.or_else(|| of(tokenizer)).or_else(|| of(processor)).filter(|text| !text.trim().is_empty())
}

fn stops(config: &Map<String, Value>) -> Vec<u64> {
    match config.get("eos_token_id") {
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_u64).collect(),
        Some(one) => one.as_u64().into_iter().collect(),
        None => Vec::new(),
    }
}

/// A number that is whole: `rope_theta` is written 1000000.0.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let float = value.as_f64().filter(|float| float.fract() == 0.0)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast saturates, and no rule names a number that large or below zero"
        )]
        Some(float as u64)
    })
}

/// `Llama-2-7b-chat-hf` is llama, 2, 7b, chat, hf.
fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// The words of a directory's name, as it is written and as what it leads to; in a cache of the Hub
/// that is named by a commit, and a directory above it by the repository.
fn dir_words(dir: &Utf8Path) -> Result<BTreeSet<String>, ConvertError> {
    let failed = |source| ConvertError::Read { path: dir.to_owned(), source };
    let canonical = files::canonical(dir).map_err(failed)?;
    let repository = canonical.components().find_map(|part| {
        let (_, name) = part.as_str().strip_prefix("models--")?.split_once("--")?;
        Some(name)
    });
    let names = [dir.file_name(), canonical.file_name(), repository];
    Ok(names.into_iter().flatten().flat_map(words).collect())
}

fn jinja(path: &Utf8Path) -> Result<Option<String>, ConvertError> {
    if !files::is_file(path) {
        return Ok(None);
    }
    let failed = |source| ConvertError::Read { path: path.to_owned(), source };
    let text = files::read_at_most(path, JINJA_LIMIT).map_err(failed)?.ok_or_else(|| {
        ConvertError::TooLarge { path: path.to_owned(), limit: ByteSize(JINJA_LIMIT) }
    })?;
    let why = "it is not UTF-8".to_owned();
    let text = String::from_utf8(text)
        .map_err(|_| ConvertError::Invalid { path: path.to_owned(), why })?;
    Ok(Some(text))
}

fn added_tokens(path: &Utf8Path) -> Result<BTreeMap<u64, String>, ConvertError> {
    if !files::is_file(path) {
        return Ok(BTreeMap::new());
    }
    let failed = |source| ConvertError::Read { path: path.to_owned(), source };
    if files::size(path).map_err(failed)? > TOKENIZER_LIMIT {
        let limit = ByteSize(TOKENIZER_LIMIT);
        return Err(ConvertError::TooLarge { path: path.to_owned(), limit });
    }
    let text = Contents::open(path).map_err(failed)?;
    let json: TokenizerJson<'_> =
        serde_json::from_slice(&text).map_err(|error| ConvertError::Invalid {
            path: path.to_owned(),
            why: format!("it is not a tokenizer: {error}"),
        })?;
    let pairs = json.added_tokens.into_iter().filter(|token| rules::names_token(token.id));
    Ok(pairs.map(|token| (token.id, token.content.into_owned())).collect())
}
