//! Model directories as `inspect` shows them: converted ones, and raw checkpoints.

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde_json::Value;

use super::super::{Context, Format, next};
use crate::convert::derive::derive;
use crate::convert::weights::Quantized;
use crate::convert::{self, ConvertError, chat};
use crate::error::Error;
use crate::fetch::package::ModelsError;
use crate::fetch::{FetchError, checkpoint_files, judged, read_tensor_cache};
use crate::io::files;
use crate::model::{ByteSize, ChatConfig, FileRole, Scheme, TensorCache, total, visible};
use crate::report::count;

/// The config that every checkpoint of Hugging Face has.
const CONFIG: &str = "config.json";
/// Those that hold its weights.
const WEIGHTS: [&str; 3] = ["safetensors", "bin", "pth"];

/// A directory that `inspect` knows.
#[derive(Debug)]
pub(super) enum Directory {
    /// A converted model.
    Model(Utf8PathBuf),
    /// Converted weights, without the config that makes a model of them.
    Weights(Utf8PathBuf),
    /// A checkpoint of Hugging Face, as it was trained.
    Checkpoint(Utf8PathBuf),
}

/// What is in it.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Inspected {
    Model(Converted),
    Weights(WeightsAlone),
    Checkpoint(Raw),
}

/// Converted weights alone.
#[derive(Debug, Serialize)]
struct WeightsAlone {
    path: Utf8PathBuf,
    weight_bytes: u64,
    shards: usize,
    tensors: usize,
}

/// A converted model.
#[derive(Debug, Serialize)]
struct Converted {
    path: Utf8PathBuf,
    model_type: String,
    quantization: String,
    context_window_size: Option<i64>,
    sliding_window_size: Option<i64>,
    prefill_chunk_size: Option<i64>,
    conv_template: Option<String>,
    tokenizer_files: Vec<String>,
    /// In bytes; a phone needs at least as much RAM.
    weight_bytes: u64,
    shards: usize,
    tensors: usize,
    /// Of the whole directory.
    bytes: u64,
}

/// A raw checkpoint.
#[derive(Debug, Serialize)]
struct Raw {
    path: Utf8PathBuf,
    model_type: Option<String>,
    /// The type of its tensors, as its config names it.
    dtype: Option<String>,
    /// By what its weights are quantized.
    #[serde(skip_serializing_if = "Option::is_none")]
    quantized: Option<&'static str>,
    /// The quantization that it can be converted to, if anything is known that can.
    #[serde(skip)]
    converted_to: Option<&'static str>,
    /// What is missing before it can be converted and loaded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lacks: Vec<String>,
    weight_bytes: u64,
    weight_files: usize,
    /// The template that its files tell.
    conv_template: Option<String>,
    /// Why they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    conv_template_unknown: Option<String>,
}

impl Directory {
    /// The model directory that a path is, or whose config it is.
    pub(super) fn of(path: &Utf8Path) -> Option<Self> {
        let [newer, older] = TensorCache::FILE_NAMES;
        let is_config = |name: &str| [ChatConfig::FILE_NAME, newer, older, CONFIG].contains(&name);
        let dir = match path.file_name() {
            Some(name) if is_config(name) && files::is_file(path) => files::parent(path),
            _ => path,
        };
        let has = |name: &str| files::is_file(&dir.join(name));
        // An app's config is beside the models in the bundle.
        if has(ChatConfig::FILE_NAME) {
            Some(Self::Model(dir.to_owned()))
        } else if [newer, older].into_iter().any(has) {
            Some(Self::Weights(dir.to_owned()))
        } else if has(CONFIG) {
            Some(Self::Checkpoint(dir.to_owned()))
        } else {
            None
        }
    }

    /// Shows it, and which command takes it.
    pub(super) fn show(&self, format: Format, context: &mut Context<'_>) -> Result<(), Error> {
        let inspected = match self {
            Self::Model(dir) => Inspected::Model(Converted::read(dir).map_err(told)?),
            Self::Weights(dir) => Inspected::Weights(WeightsAlone::read(dir).map_err(told)?),
            Self::Checkpoint(dir) => Inspected::Checkpoint(Raw::read(dir)?),
        };
        match (&inspected, format) {
            (_, Format::Json) => {
                writeln!(context.out, "{}", serde_json::to_string_pretty(&inspected)?)?;
            }
            (Inspected::Model(model), Format::Human) => model.write(context.out)?,
            (Inspected::Weights(weights), Format::Human) => weights.write(context.out)?,
            (Inspected::Checkpoint(raw), Format::Human) => raw.write(context.out)?,
        }
        Ok(())
    }
}

fn told(source: FetchError) -> Error {
    ModelsError::Model { model_id: None, source: Box::new(source) }.into()
}

impl Converted {
    fn read(dir: &Utf8Path) -> Result<Self, FetchError> {
        let model = judged(dir)?;
        let chat = &model.chat_config;
        // 0 and -1 stand for none.
        let tokens = |name: &str| chat.number(name).filter(|tokens| *tokens > 0);
        let template = chat.fields().get("conv_template").and_then(|template| template.get("name"));
        Ok(Self {
            path: dir.to_owned(),
            model_type: chat.model_type().to_owned(),
            quantization: chat.quantization().to_owned(),
            context_window_size: tokens("context_window_size"),
            sliding_window_size: tokens("sliding_window_size"),
            prefill_chunk_size: tokens("prefill_chunk_size"),
            conv_template: template.and_then(Value::as_str).map(str::to_owned),
            tokenizer_files: chat.tokenizer_files().map(str::to_owned).collect(),
            weight_bytes: model.bytes_of(FileRole::Weights),
            shards: model.tensor_cache.shards.len(),
            tensors: model.tensor_cache.shards.iter().map(|shard| shard.records.len()).sum(),
            bytes: total(model.files.iter().map(|file| file.bytes)),
        })
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let bytes = ByteSize(self.bytes);
        let what = format!("{} {}", shown(&self.model_type), shown(&self.quantization));
        writeln!(out, "{}: {bytes}, a converted model", self.path)?;
        line(out, "model", &what)?;
        let weights = ByteSize(self.weight_bytes);
        let tensors = count(self.tensors, "tensor", "tensors");
        let shards = count(self.shards, "shard", "shards");
        line(out, "weights", &format!("{weights}, {tensors} in {shards}"))?;
        let tokens = |n: Option<i64>| n.map_or("none".to_owned(), |n| n.to_string());
        line(
            out,
            "tokens",
            &format!(
                "context {}, sliding window {}, prefill {}",
                tokens(self.context_window_size),
                tokens(self.sliding_window_size),
                tokens(self.prefill_chunk_size)
            ),
        )?;
        if let Some(template) = &self.conv_template {
            line(out, "template", &shown(template))?;
        }
        let tokenizer: Vec<_> = self.tokenizer_files.iter().map(|name| shown(name)).collect();
        line(out, "tokenizer", &tokenizer.join(", "))?;
        line(
            out,
            "RAM needed",
            &format!(
                "more than {weights}: the library adds its KV cache and buffers to the weights"
            ),
        )?;
        let name = self.path.file_name().unwrap_or("model");
        let library = format!("{name}.tar");
        next::write(out, &["compile", self.path.as_str(), "--device", "android", "-o", &library])
    }
}

impl WeightsAlone {
    fn read(dir: &Utf8Path) -> Result<Self, FetchError> {
        let (_, cache) = read_tensor_cache(dir)?;
        Ok(Self {
            path: dir.to_owned(),
            weight_bytes: total(cache.shards.iter().map(|shard| shard.nbytes)),
            shards: cache.shards.len(),
            tensors: cache.shards.iter().map(|shard| shard.records.len()).sum(),
        })
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let bytes = ByteSize(self.weight_bytes);
        writeln!(out, "{}: {bytes}, converted weights without a model's config", self.path)?;
        let tensors = count(self.tensors, "tensor", "tensors");
        let shards = count(self.shards, "shard", "shards");
        line(out, "weights", &format!("{tensors} in {shards}"))?;
        let missing = match files::is_file(&self.path.join("tokenizer.json")) {
            true => ChatConfig::FILE_NAME.to_owned(),
            false => format!("{} and the tokenizer", ChatConfig::FILE_NAME),
        };
        line(
            out,
            "missing",
            &format!("{missing}, which `mlc-package convert` writes without --weights-only"),
        )
    }
}

impl Raw {
    fn read(dir: &Utf8Path) -> Result<Self, Error> {
        let config = chat::read_config(dir)?;
        let field = |name: &str| {
            let text = config.get("text_config").and_then(|text| text.get(name));
            config.get(name).or(text).and_then(Value::as_str).map(str::to_owned)
        };
        let weights: Vec<_> = checkpoint_files(dir)
            .map_err(told)?
            .into_iter()
            .filter(|(path, _)| {
                let extension = Utf8Path::new(path.as_str()).extension();
                extension.is_some_and(|extension| WEIGHTS.contains(&extension))
            })
            .collect();
        let sizes = weights.iter().map(|(_, place)| files::size(place));
        let sizes: Vec<u64> = sizes.collect::<io::Result<_>>()?;
        let template = derive(dir, None);
        let model_type = field("model_type");
        let lacks: Vec<_> = convert::lacks(dir).into_iter().map(|(why, _)| why).collect();
        // What cannot be read is told by its conversion.
        let quantized = Quantized::in_directory(dir).ok().flatten();
        let taken_as = |it: &Quantized| it.taken_as(model_type.as_deref().unwrap_or_default());
        let converted_to = match &quantized {
            _ if !lacks.is_empty() => None,
            Some(quantized) => taken_as(quantized),
            None => Some(Scheme::USUAL),
        };
        Ok(Self {
            path: dir.to_owned(),
            converted_to,
            lacks,
            quantized: quantized.map(|it| it.method),
            model_type,
            dtype: field("torch_dtype").or_else(|| field("dtype")),
            weight_bytes: total(sizes),
            weight_files: weights.len(),
            conv_template_unknown: template.as_ref().err().map(|error| match error {
                ConvertError::UncertainTemplate { why, .. } => format!("unknown: {why}"),
                error => error.to_string(),
            }),
            conv_template: template.ok().map(|template| template.to_string()),
        })
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: a raw checkpoint, which has to be converted", self.path)?;
        line(out, "model", &self.model_type.as_deref().map_or("unknown".to_owned(), shown))?;
        let in_files = count(self.weight_files, "file", "files");
        let dtype = self.quantized.or(self.dtype.as_deref());
        let dtype = dtype.map(|dtype| format!(", {}", shown(dtype)));
        let weights = ByteSize(self.weight_bytes);
        line(out, "weights", &format!("{weights} in {in_files}{}", dtype.unwrap_or_default()))?;
        let template = self.conv_template.as_ref().or(self.conv_template_unknown.as_ref());
        line(out, "template", &template.map(|text| shown(text)).unwrap_or_default())?;
        for why in &self.lacks {
            line(out, "missing", &shown(why))?;
        }
        let Some(quantization) = self.converted_to else { return Ok(()) };
        let name = self.path.file_name().unwrap_or("model");
        let output = format!("{name}-{quantization}-MLC");
        let mut words =
            vec!["convert", self.path.as_str(), "--quantization", quantization, "-o", &output];
        if self.conv_template.is_none() {
            words.extend(["--conv-template", "NAME"]);
        }
        next::write(out, &words)
    }
}

/// A word of a file as it may be shown.
fn shown(text: &str) -> String {
    visible(text, 300).into_owned()
}

fn line(out: &mut dyn Write, what: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {what:<11} {text}")
}
