use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::driver::STARTING;
use super::{Finding, Verdict};
use crate::exit::Exit;
use crate::io::ended::{Limit, signal_name};
use crate::library::metadata::MetadataError;
use crate::library::{LibraryError, weights};
use crate::stage_error::{Message, StageError};
use crate::toolchain::{ContainerError, NotRun};

/// Why a model gave no answer that could be judged.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// A kind of model that is run in another way. Exit 2.
    #[error("this model cannot be tried: {0}")]
    Unsupported(String),
    /// The C compiler. Exit 12.
    #[error("found no C compiler to link the library with: neither `cc`, `gcc` nor `clang`")]
    NoLinker,
    /// Exit 12.
    #[error("`{linker}` could not link the library")]
    Link {
        /// The C compiler.
        linker: Utf8PathBuf,
        /// What it printed last.
        last_lines: Vec<String>,
    },
    /// No library. Exit 13.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// Exit 13.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The weights are those of another library. Exit 13.
    #[error("the weights do not belong to the library that is compiled for this model: {0}")]
    Weights(Box<weights::Mismatch>),
    /// Exit 11.
    #[error("the tokenizer `{path}` cannot be used: {why}")]
    Tokenizer {
        /// Its file.
        path: Utf8PathBuf,
        /// Why.
        why: String,
    },
    /// Exit 10.
    #[error("`conv_template` of mlc-chat-config.json cannot be used: {why}")]
    Template {
        /// Why.
        why: String,
    },
    /// The tokenizer is that of another model. Exit 21.
    #[error(
        "the tokenizer makes the token {token} of {what}, and the model knows {vocabulary}: it is \
         the tokenizer of another model"
    )]
    Vocabulary {
        /// The token.
        token: u32,
        /// What it was made of.
        what: &'static str,
        /// How many tokens the model knows.
        vocabulary: u64,
    },
    /// The machine, or TVM's runtime, has no such device. Exit 2.
    #[error("TVM finds no {device} device on this machine")]
    NoDevice {
        /// The device's name for TVM.
        device: String,
    },
    /// The question is too long for the model. Exit 2.
    #[error("the prompt has {prompt} tokens, and the model sees {context}")]
    TooLong {
        /// The prompt's tokens.
        prompt: usize,
        /// The model's.
        context: u64,
    },
    /// NaN, or an infinity. Exit 21.
    #[error("{during} gave logits that are no numbers{}", held_by(.tensors))]
    NotNumbers {
        /// What was done.
        during: &'static str,
        /// The weights that hold what is no number.
        tensors: Vec<String>,
    },
    /// TVM's runtime said no. Exit 21.
    #[error("{step}: {message}")]
    Refused {
        /// What was to be done.
        step: &'static str,
        /// What it said.
        message: String,
        /// The log of all.
        log: Option<Utf8PathBuf>,
    },
    /// Something in the compiler's Python prints where answers are expected. Exit 12.
    #[error("{step}: Python printed what is not an answer: `{line}`")]
    NoAnswer {
        /// What was to be done.
        step: &'static str,
        /// What it printed.
        line: String,
        /// The log of all.
        log: Option<Utf8PathBuf>,
    },
    /// Python ended, where an answer was waited for. Exit 12 where it had not started yet, else 21.
    #[error("Python {how} while {step}")]
    Ended {
        /// How.
        how: Ending,
        /// What it was at.
        step: &'static str,
        /// What it printed last.
        last_lines: Vec<String>,
        /// The log of all.
        log: Option<Utf8PathBuf>,
    },
    /// The image of the compiler, or what runs it. Exit 12.
    #[error(transparent)]
    Container(ContainerError),
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
    /// The machine. Exit 1.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// How a Python ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// With this exit code.
    #[error("exited with code {0}")]
    Exit(i32),
    /// A crash, mostly.
    #[error("was ended by {}", signal_name(*.0))]
    Signal(i32),
    /// Over its budget.
    #[error("was not done within {}", Limit(*.0))]
    TimedOut(Duration),
}

/// What to do where a device is not there, or cannot be compiled for.
pub fn without(device: &str) -> String {
    format!(
        "{device} needs a TVM that is built with it, and a GPU with its driver; `--device cpu` tries \
         the model on the processor"
    )
}

fn held_by(tensors: &[String]) -> String {
    match tensors {
        [] => String::new(),
        [one] => format!(": the weights `{one}` hold NaN or infinity"),
        [first, rest @ ..] => {
            let rest = rest.iter().map(|name| format!(", `{name}`")).collect::<String>();
            format!(": the weights `{first}`{rest} hold NaN or infinity")
        }
    }
}

impl From<NotRun> for AnswerError {
    fn from(error: NotRun) -> Self {
        match error {
            NotRun::Start { source, .. } => Self::Io(source),
            NotRun::Container(error) => error.into(),
        }
    }
}

impl From<ContainerError> for AnswerError {
    fn from(error: ContainerError) -> Self {
        if error.is_interrupted() { Self::Interrupted } else { Self::Container(error) }
    }
}

impl AnswerError {
    /// What a program printed last.
    pub fn last_lines(&self) -> &[String] {
        match self {
            Self::Link { last_lines, .. } | Self::Ended { last_lines, .. } => last_lines,
            Self::Container(error) => error.last_lines(),
            _ => &[],
        }
    }

    /// The log of a program that failed.
    pub fn log(&self) -> Option<&Utf8Path> {
        match self {
            Self::Refused { log, .. } | Self::NoAnswer { log, .. } | Self::Ended { log, .. } => {
                log.as_deref()
            }
            _ => None,
        }
    }

    /// Whether Python did not get as far as to run anything.
    pub fn is_of_python(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Ended { step, .. } => *step == STARTING,
            _ => false,
        }
    }
}

impl StageError for AnswerError {
    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::Unsupported(_) | Self::NoDevice { .. } | Self::TooLong { .. } => Exit::Usage,
            Self::Template { .. } => Exit::Config,
            Self::Tokenizer { .. } => Exit::Fetch,
            Self::NoLinker | Self::Link { .. } | Self::Container(_) => Exit::Compile,
            error if error.is_of_python() => Exit::Compile,
            Self::Library(_) | Self::Metadata(_) | Self::Weights(_) => Exit::Validation,
            Self::Io(_) => Exit::Internal,
            _ => Exit::NoAnswer,
        }
    }

    fn messages(&self) -> Vec<Message<'_>> {
        let message = Message::new(self.to_string(), self.help());
        vec![Message { output: self.last_lines(), log: self.log(), ..message }]
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Container(error) => return error.help(),
            Self::NoLinker => "install one (`apt-get install gcc`), or name one with CC",
            Self::Weights(_) => "have the model converted again",
            Self::Tokenizer { .. } => {
                "copy the tokenizer of the checkpoint that the model was converted from, and have \
                 its tokenizer.json made where it has none (`mlc-package convert` does both)"
            }
            Self::Template { .. } => {
                "have the model converted again with the --conv-template of its family"
            }
            Self::Vocabulary { .. } => {
                "copy the tokenizer of the checkpoint that the model was converted from"
            }
            Self::NoDevice { device } => return Some(without(device)),
            Self::TooLong { .. } => "ask something shorter",
            Self::NotNumbers { tensors, .. } if tensors.is_empty() => {
                "all weights are numbers: the type of the activations may be too small for this \
                 model (f16 for a model of bf16)"
            }
            Self::NotNumbers { .. } => {
                "look whether the checkpoint has them too, and have it converted again"
            }
            Self::Ended { how: Ending::TimedOut(_), .. } if self.is_of_python() => {
                "give it more time (--seconds); `mlc-package doctor` says whether the compiler's \
                 Python is whole"
            }
            Self::Ended { how: Ending::TimedOut(_), .. } => {
                "give it more time (--seconds), ask for fewer --tokens, or use a GPU (--device)"
            }
            Self::Ended { how: Ending::Signal(9), .. } => {
                "this machine may have too little memory for the model"
            }
            Self::NoAnswer { .. } => {
                "a module that Python loads, such as sitecustomize, prints to its standard output: \
                 have it print to standard error"
            }
            Self::Ended { .. } if self.is_of_python() => {
                "`mlc-package doctor` says whether the compiler's Python is whole"
            }
            _ => return None,
        };
        Some(help.to_owned())
    }
}

/// Why models were not tried, or did not pass.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// A model could not be tried, or broke when it was. Exit 21, or 2, 10, 11, 12 or 13.
    #[error("model `{model}`: {source}")]
    NotTried {
        /// Its directory, or its `model_id`.
        model: String,
        /// Why.
        source: Box<AnswerError>,
    },
    /// Models do not answer as they must: each, and what was found. Exit 21.
    #[error("{}", summary(.0))]
    NotPassed(Vec<(String, Verdict)>),
}

impl StageError for TrialError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotTried { source, .. } => source.exit(),
            Self::NotPassed(_) => Exit::NoAnswer,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NotTried { source, .. } => source.help(),
            Self::NotPassed(_) => None,
        }
    }

    fn messages(&self) -> Vec<Message<'_>> {
        match self {
            Self::NotTried { source, .. } => {
                let told = |message| Message { text: self.to_string(), ..message };
                source.messages().into_iter().map(told).collect()
            }
            Self::NotPassed(verdicts) => {
                let failures = verdicts.iter().flat_map(|(model, verdict)| {
                    verdict.failures.iter().map(move |failure| (model, failure))
                });
                let told = |(model, failure): (&String, &Finding)| {
                    Message::new(format!("model `{model}`: {}", failure.message), None)
                };
                failures.map(told).collect()
            }
        }
    }
}

fn summary(verdicts: &[(String, Verdict)]) -> String {
    match verdicts {
        [(model, verdict)] if verdict.failures.len() == 1 => {
            let messages: String =
                verdict.failures.iter().map(|failure| failure.message.as_str()).collect();
            format!("model `{model}`: {messages}")
        }
        [(model, _)] => format!("model `{model}` does not answer as it must"),
        many => format!("{} models do not answer as they must", many.len()),
    }
}
