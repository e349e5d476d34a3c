use std::io;

use camino::Utf8PathBuf;

use crate::model::ByteSize;

/// Why a checkpoint could not be converted. Exit 11 for its files, 2 for what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// No `config.json`. Exit 11.
    #[error("`{dir}` has no config.json")]
    NoConfig {
        /// The checkpoint.
        dir: Utf8PathBuf,
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
    /// A `config.json` that does not name its architecture. Exit 11.
    #[error("`{path}` has no `model_type`")]
    NoModelType {
        /// The file.
        path: Utf8PathBuf,
    },
    /// An architecture this program does not convert itself. Exit 11.
    #[error("`{path}`: `model_type` {found:?} is not converted natively")]
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
    /// The output. Exit 1.
    #[error("failed to write the model directory: {0}")]
    Write(io::Error),
}

impl ConvertError {
    /// Whether the command line is wrong, not the checkpoint.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::UnknownTemplate { .. })
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoConfig { .. } => Some(
                "name the directory of a Hugging Face checkpoint: config.json, the weights and \
                 the tokenizer's files"
                    .to_owned(),
            ),
            Self::NoModelType { .. } => Some(
                "it is not the config.json of a language model; `model_type` is `llama` for \
                 instance"
                    .to_owned(),
            ),
            Self::UnknownArchitecture { known, .. } => Some(format!(
                "converted natively: {known}; for all that MLC LLM itself knows use --engine mlc"
            )),
            Self::UnknownTemplate { nearest, .. } => {
                let names: Vec<_> = super::template_names().collect();
                let known = format!("templates: {}", names.join(", "));
                Some(match nearest {
                    Some(nearest) => format!("did you mean `{nearest}`? {known}"),
                    None => known,
                })
            }
            Self::Read { .. } | Self::TooLarge { .. } | Self::Invalid { .. } | Self::Write(_) => {
                None
            }
        }
    }
}
