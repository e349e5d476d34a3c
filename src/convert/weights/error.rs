//! Why weights could not be converted.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::diagnosis::Diagnosis;
use super::instead::Instead;
use crate::convert::arch::{Architecture, ConfigError, HfConfig};
use crate::convert::config_json;
use crate::exit::Exit;
use crate::io::positioned::is_full;
use crate::model::ShardPathError;
use crate::stage_error::{Message, StageError};

/// What went wrong in the conversion of weights. All but `Output` and `Interrupted` are about the
/// checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The checkpoint's `config.json` is not one that can be used. Exit 11.
    #[error("`{path}`: {source}")]
    Config {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// No table for this architecture. Exit 11.
    #[error("`{path}`: unknown architecture `{model_type}`; known are {}", known())]
    UnknownArchitecture {
        /// The config.
        path: Utf8PathBuf,
        /// Its `model_type`.
        model_type: String,
    },
    /// A quantization that transposes, of experts: upstream has none either. Exit 11.
    #[error("`{quantization}` cannot store the experts of `{parameter}`")]
    ExpertsTransposed {
        /// The parameter.
        parameter: String,
        /// The quantization's name.
        quantization: &'static str,
    },
    /// A directory without weights, or with others than are read. Exit 11.
    #[error("`{path}` {instead}")]
    NoWeights {
        /// The directory.
        path: Utf8PathBuf,
        /// What it has.
        instead: Instead,
    },
    /// A checkpoint that is whole, and another one than its config says. Exit 11.
    #[error("`{path}` {diagnosis}")]
    Other {
        /// The checkpoint.
        path: Utf8PathBuf,
        /// What it is.
        diagnosis: Diagnosis,
    },
    /// A file of PyTorch's own format is not whole, or asks for more than tensors. Exit 11.
    #[error("`{path}`: {why}")]
    Torch {
        /// The file.
        path: Utf8PathBuf,
        /// Why it is not read.
        why: String,
    },
    /// The index cannot be used. Exit 11.
    #[error("`{path}`: {why}")]
    Index {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        why: String,
    },
    /// The index names something that is no file of the checkpoint. Exit 11.
    #[error("`{path}`: tensor `{tensor}` is in {file:?}, a name with {why}")]
    IndexPath {
        /// The index.
        path: Utf8PathBuf,
        /// The tensor.
        tensor: String,
        /// The name.
        file: String,
        /// What is wrong with it.
        why: ShardPathError,
    },
    /// A file of weights is not whole or not what it should be. Exit 11.
    #[error("`{path}`: {why}")]
    Safetensors {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        why: String,
    },
    /// git-lfs was not there when the repository was cloned. Exit 11.
    #[error("`{path}`: {}", crate::model::git_lfs::NOT_PULLED)]
    NotPulled {
        /// The file.
        path: Utf8PathBuf,
    },
    /// Tensors that the model needs are not there. Exit 11.
    #[error("{}", missing(path, tensors, "tensor", "the model needs"))]
    Missing {
        /// The checkpoint.
        path: Utf8PathBuf,
        /// Their names, sorted.
        tensors: Vec<String>,
        /// The architecture that was asked for, and the config's, where they are different.
        asked_for: Option<Box<(String, String)>>,
    },
    /// A tensor has another shape than the config says. Exit 11.
    #[error("tensor `{tensor}` is {found:?}, and by config.json it should be {wanted:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<u64>,
        /// The shape that is needed.
        wanted: Vec<u64>,
        /// Of keys or values, the heads that it has, where the config says that every head has its own.
        key_value_heads: Option<u64>,
        /// The architecture that was asked for, and the config's, where they are different.
        asked_for: Option<Box<(String, String)>>,
    },
    /// An embedding, or a head, has another number of rows than there are tokens. Exit 11.
    #[error("`{field}` is {vocab_size}, and tensor `{tensor}` has {rows} rows")]
    Vocabulary {
        /// The tensor.
        tensor: String,
        /// Its rows.
        rows: u64,
        /// The config's name for the number of tokens.
        field: &'static str,
        /// That number.
        vocab_size: u64,
    },
    /// A tensor of a type that is not converted. Exit 11.
    #[error("tensor `{tensor}` is {found}, and only {wanted} can be converted there")]
    Dtype {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
        /// The types that are possible.
        wanted: &'static str,
    },
    /// A checkpoint whose weights are to be FP8 in blocks has no scales. Exit 11.
    #[error(
        "`{path}` is not FP8 in blocks, and {quantization} takes no others: it has no `{tensor}`"
    )]
    NotInBlocks {
        /// The checkpoint.
        path: Utf8PathBuf,
        /// A scale that it lacks.
        tensor: String,
        /// The quantization's name.
        quantization: &'static str,
    },
    /// A checkpoint that is FP8 in blocks lacks scales. Exit 11.
    #[error("{}", missing(path, scales, "scale", &format!("{quantization} needs")))]
    MissingScales {
        /// The checkpoint.
        path: Utf8PathBuf,
        /// Their names, sorted.
        scales: Vec<String>,
        /// A weight that is not FP8, where that is why all of them are not there.
        left_out: Option<String>,
        /// The quantization's name.
        quantization: &'static str,
    },
    /// Tensors that become one are of f16 and of bf16. Exit 11.
    #[error("tensor `{half}`, which is F16, is fused with `{brain}`, which is BF16")]
    MixedDtypes {
        /// The tensor of f16.
        half: String,
        /// The one of bf16.
        brain: String,
    },
    /// Weights that are no numbers, or none in the type they are to have. Exit 11.
    #[error(
        "{} not finite:\n  {}",
        match tensors.len() {
            1 => "1 of the model's tensors holds values that are".to_owned(),
            count => format!("{count} of the model's tensors hold values that are"),
        },
        tensors.join("\n  ")
    )]
    NonFinite {
        /// A line for each.
        tensors: Vec<String>,
    },
    /// The output lies in the checkpoint, or holds it. Exit 2.
    #[error(
        "the output `{output}` and the checkpoint `{source_dir}` are the same directory, or one is inside the other"
    )]
    InPlace {
        /// The output.
        output: Utf8PathBuf,
        /// The checkpoint.
        source_dir: Utf8PathBuf,
    },
    /// There is not enough room for the result. Exit 14.
    #[error("the weights need {needed}, and `{output}` has room for {free}")]
    NoRoom {
        /// The output.
        output: Utf8PathBuf,
        /// Bytes of the result.
        needed: crate::model::ByteSize,
        /// Bytes that are free.
        free: crate::model::ByteSize,
    },
    /// The checkpoint cannot be read. Exit 11.
    #[error(transparent)]
    Read(io::Error),
    /// The output cannot be written. Exit 14.
    #[error(transparent)]
    Output(io::Error),
    /// What was written is not what was meant to be. Exit 14.
    #[error("`{path}` has {found} bytes after it was written, and should have {wanted}")]
    Incomplete {
        /// The shard.
        path: Utf8PathBuf,
        /// Its size.
        found: u64,
        /// The size it should have.
        wanted: u64,
    },
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

impl WeightsError {
    /// With what the config says of what is wrong, and with the architecture that was asked for
    /// instead of the config's.
    pub(super) fn by_config(mut self, config: &HfConfig, asked: Option<&str>) -> Self {
        let asked = asked.filter(|asked| *asked != config.model_type());
        match &mut self {
            Self::Missing { asked_for, .. } | Self::Shape { asked_for, .. } => {
                let both =
                    |asked: &str| Box::new((asked.to_owned(), config.model_type().to_owned()));
                *asked_for = asked.map(both);
            }
            Self::Other { diagnosis: Diagnosis::Experts { field, wanted, .. }, .. } => {
                *field = config.experts_field(*wanted);
            }
            _ => {}
        }
        match &mut self {
            Self::Other { diagnosis: Diagnosis::Quantized { by_config, .. }, .. } => {
                *by_config = config_json::quant_method(&config.source());
            }
            Self::Shape { tensor, found, wanted, key_value_heads, .. }
                if tensor.contains("k_proj.") || tensor.contains("v_proj.") =>
            {
                *key_value_heads = fewer_heads(config, found, wanted);
            }
            _ => {}
        }
        self
    }
}

impl StageError for WeightsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::InPlace { .. } => Exit::Usage,
            Self::NoRoom { .. } | Self::Output(_) | Self::Incomplete { .. } => Exit::Assembly,
            _ => Exit::Fetch,
        }
    }

    fn messages(&self) -> Vec<Message<'_>> {
        let mut text = self.to_string();
        let mut items: &[String] = &[];
        if let Self::NonFinite { tensors } = self {
            text = text.lines().next().unwrap_or_default().to_owned();
            items = tensors;
        }
        vec![Message { items, ..Message::new(text, self.help()) }]
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoWeights { instead, .. } => return Some(instead.help()),
            Self::Other { diagnosis, .. } => return Some(diagnosis.help()),
            Self::Config {
                source: ConfigError::Class(refusal) | ConfigError::LeftOut(refusal),
                ..
            } => {
                return refusal.help.clone();
            }
            Self::Missing { asked_for: Some(types), .. }
            | Self::Shape { asked_for: Some(types), .. } => {
                let (asked, own) = &**types;
                return Some(format!(
                    "--model-type {asked} was given, and config.json says `{own}`: leave the option \
                     out if the checkpoint is of that type"
                ));
            }
            Self::Index { .. } | Self::IndexPath { .. } | Self::Safetensors { .. } => {
                "the checkpoint is damaged or not whole: download it again"
            }
            Self::Missing { .. } => {
                "the checkpoint is damaged or not whole, or config.json is of another one: \
                 download it again"
            }
            Self::MissingScales { left_out: Some(weight), .. } => {
                return Some(format!(
                    "`{weight}` is not FP8, and MLC LLM needs every linear layer in FP8: convert \
                     the checkpoint that it was quantized from, to another quantization"
                ));
            }
            Self::MissingScales { .. } => {
                "the checkpoint is damaged or not whole: download it again"
            }
            Self::NotInBlocks { .. } => {
                "convert it to another quantization, or take the checkpoint whose weights are FP8"
            }
            Self::Shape { key_value_heads: Some(heads), .. } => {
                return Some(format!(
                    "the tensor is of {heads} heads: if it is right, set `num_key_value_heads` to \
                     {heads} in config.json; absent or null it means as many as there are heads"
                ));
            }
            Self::Shape { .. } => "config.json belongs to another checkpoint, or was edited",
            Self::Vocabulary { field, rows, .. } => {
                return Some(format!(
                    "there is a row for each token: MLC LLM refuses another number or, in some \
                     architectures, makes a model that stops at its first token; if the tensor is \
                     right, set `{field}` to {rows} in config.json"
                ));
            }
            Self::Dtype { found, .. } if found == "F64" => {
                "save the checkpoint as bfloat16 or float32: \
                 `model.to(torch.bfloat16).save_pretrained(…)`"
            }
            Self::Dtype { found, .. } if found.starts_with("F8") => {
                "convert the checkpoint that it was quantized from, whose weights are of 16 bits"
            }
            Self::Dtype { .. } => {
                "the weights are quantized by a method that is not known here: convert the \
                 checkpoint that they were quantized from"
            }
            Self::MixedDtypes { .. } => {
                "MLC LLM fuses with NumPy, which has no type for both: save the checkpoint in one \
                 type"
            }
            Self::NonFinite { .. } => {
                "they were damaged in training or since, or are too large for the quantization's \
                 type; --allow-nonfinite converts them as MLC LLM does"
            }
            Self::InPlace { .. } => "name another directory with -o; checkpoints are left alone",
            Self::NoRoom { .. } => "make room, or name a directory on another disk with -o",
            Self::Output(error) if is_full(error) => {
                "make room, or name a directory on another disk with -o; what was there is \
                 unchanged"
            }
            Self::Output(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
                ) =>
            {
                "a part of the path is a file: name another directory with -o"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// The heads that keys or values are of, if these are fewer than the config says, which says that each
/// has its own.
fn fewer_heads(config: &HfConfig, found: &[u64], wanted: &[u64]) -> Option<u64> {
    let heads =
        config.heads().ok().filter(|heads| config.key_value_heads().ok() == Some(*heads))?;
    let size = wanted.first()?.checked_div(heads).filter(|size| *size > 0)?;
    let rows = found.first()?;
    let is_whole = rows % size == 0 && found.get(1..) == wanted.get(1..);
    Some(rows / size).filter(|found| is_whole && (1..heads).contains(found))
}

fn known() -> String {
    Architecture::names().join(", ")
}

/// Says that some of what is needed is not there.
fn missing(path: &Utf8Path, names: &[String], what: &str, who: &str) -> String {
    match names {
        [name] => format!("`{path}` has no {what} `{name}`, which {who}"),
        _ => {
            let (count, first) = (names.len(), first(names));
            format!("`{path}` lacks {count} {what}s that {who}: {first}")
        }
    }
}

/// The first names of a list.
fn first(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
