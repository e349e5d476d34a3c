use std::io;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::config_json::Refusal;
use super::engine::Why;
use crate::exit::Exit;
use crate::model::{ByteSize, Quantization, Scheme};
use crate::stage_error::{Message, StageError};
use crate::store::{StoreError, help_if_full, says_full};
use crate::toolchain::ContainerError;

/// Why a checkpoint could not be converted. Exit 11 for its files, 2 for what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// No `config.json`. Exit 11.
    #[error("`{dir}` has no config.json")]
    NoConfig {
        /// The checkpoint.
        dir: Utf8PathBuf,
        /// Whether it has what converted models have instead.
        is_converted: bool,
    },
    /// A file that cannot be read. Exit 11.
    #[error("failed to read `{path}`: {source}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that no checkpoint needs to be so large. Exit 11.
    #[error("`{path}` is larger than {limit}")]
    TooLarge {
        /// The file.
        path: Utf8PathBuf,
        /// The most it may be.
        limit: ByteSize,
    },
    /// A file that does not hold what its name says. Exit 11.
    #[error("`{path}`: {why}")]
    Invalid {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong.
        why: String,
    },
    /// MLC LLM would make another model of a `config.json` than it says. Exit 11.
    #[error("`{path}`: {refusal}")]
    LeftOut {
        /// The file.
        path: Utf8PathBuf,
        /// Why, and what to do.
        refusal: Refusal,
    },
    /// A file of the checkpoint that is not JSON, as all of its kind are. Exit 11.
    #[error("`{path}`: {why}")]
    NotJson {
        /// The file.
        path: Utf8PathBuf,
        /// What the parser says, with line and column.
        why: String,
    },
    /// A `config.json` that does not name its architecture. Exit 11.
    #[error("`{path}` has no `model_type`")]
    NoModelType {
        /// The file.
        path: Utf8PathBuf,
    },
    /// A directory whose files cannot be taken. Exit 11.
    #[error("`{dir}` cannot be used: {why}")]
    Unusable {
        /// The directory.
        dir: Utf8PathBuf,
        /// Why.
        why: String,
    },
    /// An architecture this program does not convert itself. Exit 11.
    #[error("`{path}`: mlc-package does not convert the `model_type` {found:?}")]
    UnknownArchitecture {
        /// The file.
        path: Utf8PathBuf,
        /// The architecture.
        found: String,
        /// Those that are.
        known: String,
    },
    /// No such conversation template. Exit 2.
    #[error("there is no conversation template `{name}`")]
    UnknownTemplate {
        /// What was asked for.
        name: String,
        /// The one that was most likely meant.
        nearest: Option<&'static str>,
    },
    /// No conversation template is named, and none is certain. Exit 11.
    #[error("the conversation template of `{checkpoint}` is not certain: {why}")]
    UncertainTemplate {
        /// The checkpoint.
        checkpoint: String,
        /// What was seen.
        why: String,
        /// The templates that are likely.
        likely: Vec<&'static str>,
    },
    /// `--engine native`, and something that this program leaves to MLC LLM. Exit 2.
    #[error("--engine native: {why}")]
    NotNative {
        /// What it is.
        why: Why,
    },
    /// MLC LLM does not have the quantization for the architecture. Exit 11.
    #[error(
        "{}MLC LLM as of 79d603f0 does not have the quantization `{quantization}` for the \
         architecture `{model_type}`", named(.model)
    )]
    NotInMlc {
        /// The checkpoint, as the user names it.
        model: Option<String>,
        /// The architecture.
        model_type: String,
        /// The quantization's name.
        quantization: String,
        /// Those that it has for it.
        others: Vec<&'static str>,
    },
    /// No such quantization. Exit 2.
    #[error("there is no quantization `{name:.80}`")]
    UnknownQuantization {
        /// What was asked for.
        name: String,
        /// The one that was most likely meant.
        nearest: Option<&'static str>,
    },
    /// MLC LLM has to convert, and is not there. Exit 12.
    #[error("`{checkpoint}` is converted by `python -m mlc_llm`, since {why}; {problem}")]
    NoMlc {
        /// The checkpoint.
        checkpoint: String,
        /// Why it is MLC LLM's.
        why: Box<Why>,
        /// What is wrong with Python.
        problem: String,
        /// What to do about that.
        help: Option<String>,
    },
    /// The checkpoint was changed while it was converted. Exit 11.
    #[error("`{checkpoint}` was changed while it was converted")]
    Changed {
        /// The checkpoint.
        checkpoint: Utf8PathBuf,
    },
    /// The cache of converted models. Exit 1.
    #[error(transparent)]
    Cache(#[from] StoreError),
    /// MLC LLM's own conversion failed. Exit 12, or 1 if it found no room.
    #[error("{}`mlc_llm {}` failed: {}", named(&.0.model), .0.verb, .0.failure)]
    Python(Box<PythonFailure>),
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
    /// The output. Exit 1.
    #[error("failed to write the model directory: {0}")]
    Write(io::Error),
}

/// A conversion by `python -m mlc_llm` that failed.
#[derive(Debug)]
pub struct PythonFailure {
    /// The model in the app, or where it was to go.
    pub model: Option<String>,
    /// `gen_config` or `convert_weight`.
    pub verb: &'static str,
    /// What went wrong.
    pub failure: EngineFailure,
    /// What it printed, unless that could not be kept.
    pub log: Option<Utf8PathBuf>,
    /// The exception that ended it.
    pub exception: Option<String>,
    /// The log's last lines, or those about the exception.
    pub last_lines: Vec<String>,
    /// The cache directory that it wrote to.
    pub cache_dir: Option<Utf8PathBuf>,
}

fn named(model: &Option<String>) -> String {
    model.as_ref().map(|model| format!("model `{model}`: ")).unwrap_or_default()
}

/// What Python did instead of converting.
#[derive(Debug, thiserror::Error)]
pub enum EngineFailure {
    /// It could not be started.
    #[error("Python did not start: {0}")]
    Start(io::Error),
    /// It is in an image, which could not be run.
    #[error(transparent)]
    Container(Box<ContainerError>),
    /// It gave up.
    #[error("it exited with code {0}")]
    Exit(i32),
    /// It was ended by a signal.
    #[error("it was ended by signal {0}")]
    Signal(i32),
    /// It took too long.
    #[error("it did not finish within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It says it was successful.
    #[error("it reported success but wrote no {0}")]
    NoOutput(String),
    /// It says so, and what it wrote is not whole.
    #[error("it reported success, but {0}")]
    BadOutput(String),
}

impl ConvertError {
    /// Whether this is the answer to Ctrl-C or SIGTERM.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// Names the checkpoint, as the user does, where the message does not.
    #[must_use]
    pub fn of_model(mut self, name: &str) -> Self {
        if let Self::NotInMlc { model, .. } = &mut self {
            *model = Some(name.to_owned());
        }
        self
    }

    /// The failure of MLC LLM's own conversion, if it is one.
    pub fn python(&self) -> Option<&PythonFailure> {
        match self {
            Self::Python(failure) => Some(failure),
            _ => None,
        }
    }
}

impl StageError for ConvertError {
    fn exit(&self) -> Exit {
        match self {
            Self::UnknownTemplate { .. }
            | Self::UnknownQuantization { .. }
            | Self::NotNative { .. } => Exit::Usage,
            Self::Interrupted => Exit::Interrupted,
            Self::Cache(error) => error.exit(),
            Self::Write(_) => Exit::Internal,
            Self::Python(failed) if says_full(&failed.last_lines) => Exit::Internal,
            Self::Python(_) | Self::NoMlc { .. } => Exit::Compile,
            _ => Exit::Fetch,
        }
    }

    fn messages(&self) -> Vec<Message<'_>> {
        let message = Message::new(self.to_string(), self.help());
        vec![match self {
            Self::Python(failed) => Message {
                exception: failed.exception.as_deref(),
                output: &failed.last_lines,
                log: failed.log.as_deref(),
                ..message
            },
            _ => message,
        }]
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NoConfig { dir, is_converted: true } => Some(format!(
                "it is converted already: `mlc-package inspect {dir}` shows it, and a package takes \
                 it as it is"
            )),
            Self::NotJson { .. } => Some(
                "correct it if it was edited; else it is damaged or was not downloaded whole: download \
                 it again from the repository of the checkpoint"
                    .to_owned(),
            ),
            Self::NoConfig { .. } => Some(
                "name the directory of a Hugging Face checkpoint: config.json, the weights and \
                 the tokenizer's files"
                    .to_owned(),
            ),
            Self::LeftOut { refusal, .. } => refusal.help.clone(),
            Self::NoModelType { .. } => Some(
                "if it is the config.json of a language model, name its architecture: --model-type \
                 llama, for instance"
                    .to_owned(),
            ),
            Self::UnknownArchitecture { known, .. } => Some(format!(
                "mlc-package converts {known}; for one that only your MLC LLM has, use --engine mlc"
            )),
            Self::UnknownTemplate { nearest, .. } => {
                let names: Vec<_> = super::template_names().collect();
                let known = format!("templates: {}", names.join(", "));
                Some(match nearest {
                    Some(nearest) => format!("did you mean `{nearest}`? {known}"),
                    None => known,
                })
            }
            Self::UnknownQuantization { nearest, .. } => {
                let known = format!(
                    "MLC LLM has {}; for one that only your MLC LLM has, use --engine mlc",
                    Scheme::NAMES.join(", ")
                );
                Some(match nearest {
                    Some(nearest) => format!("did you mean `{nearest}`? {known}"),
                    None => known,
                })
            }
            Self::NotInMlc { others, .. } => Some(format!(
                "choose another one: {}; for one that only your MLC LLM has, use `convert --engine mlc`",
                others.join(", ")
            )),
            Self::NoMlc { help, .. } => help.clone(),
            Self::UncertainTemplate { likely, .. } => {
                let likely = match likely.as_slice() {
                    [] => "`mlc-package schema` lists the names".to_owned(),
                    _ => format!("likely {}", likely.join(", ")),
                };
                Some(format!(
                    "name the template that it was trained with ({likely}), or LM for a base model, \
                     which only continues a text: `convert --conv-template NAME`, or `conv_template` in a \
                     package's config. `convert --weights-only` needs none"
                ))
            }
            Self::Cache(error) => error.help(),
            Self::Changed { .. } => Some("run it again once nothing writes to it".to_owned()),
            Self::NotNative {
                why: Why::Argument { .. } | Why::Lora | Why::PreshardVariable { .. },
            } => {
                Some("leave it out, or use --engine mlc, with a Python that has MLC LLM".to_owned())
            }
            Self::NotNative { why: Why::Quantization { .. } | Why::Combination { .. } } => {
                Some(format!(
                    "mlc-package converts to {}; for others use --engine mlc, with a Python that has \
                     MLC LLM",
                    Quantization::names().join(", ")
                ))
            }
            // The reason says it.
            Self::NotNative { why: Why::Architecture { model_type, .. } }
                if super::chat::fails_in_mlc(model_type) =>
            {
                Some("choose another model, or a version of MLC LLM that can convert it".to_owned())
            }
            Self::NotNative { why: Why::Architecture { model_type, .. } }
                if super::chat::left_to_mlc(model_type).is_none() =>
            {
                let known = super::chat::architectures().collect::<Vec<_>>().join(", ");
                Some(format!(
                    "mlc-package converts {known}; for one that only your MLC LLM has, use --engine mlc"
                ))
            }
            Self::NotNative { .. } => {
                Some("use --engine mlc, with a Python that has MLC LLM".to_owned())
            }
            Self::Python(failed) if says_full(&failed.last_lines) => Some(format!(
                "the disk is full, or a limit is reached: {}",
                failed.cache_dir.as_deref().map_or_else(|| "make room".to_owned(), help_if_full)
            )),
            // 137 is how a shell reports SIGKILL.
            Self::Python(failed) => match &failed.failure {
                EngineFailure::Container(error) => error.help(),
                EngineFailure::Signal(9) | EngineFailure::Exit(137) => Some(
                    "most likely the system ran out of memory: MLC LLM holds whole files of \
                     weights in it"
                        .to_owned(),
                ),
                EngineFailure::TimedOut(_) => {
                    Some("a build's limit is raised with `--compile-timeout <seconds>`".to_owned())
                }
                _ => None,
            },
            Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::Invalid { .. }
            | Self::Unusable { .. }
            | Self::Interrupted
            | Self::Write(_) => None,
        }
    }
}
