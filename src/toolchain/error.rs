use std::time::Duration;

use camino::Utf8PathBuf;

use super::container::ContainerError;
use crate::exit::Exit;
use crate::io::ended::{Limit, signal_name};
use crate::model::{ImageName, pinned};
use crate::stage_error::{Message, StageError};

/// Why the compiler's identity cannot be told. Exit 12.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// None at all.
    #[error("found no Python: neither `python3` nor `python` is on PATH")]
    NoPython,
    /// The one that was asked for.
    #[error("found no executable `{name}`, which {by} asks for")]
    AskedPythonMissing {
        /// `--python` or the variable.
        by: &'static str,
        /// What was asked for.
        name: String,
    },
    /// It could not be started.
    #[error("failed to start the Python `{python}`: {source}")]
    Start {
        /// The Python.
        python: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It could not say which packages it has.
    #[error("the Python `{python}` {how} when asked which compiler it has")]
    Failed {
        /// The Python.
        python: Utf8PathBuf,
        /// What it did.
        how: ProbeEnd,
        /// What it printed last.
        last_lines: Vec<String>,
    },
    /// A package that the compiler consists of.
    #[error("the Python `{python}` ({version}) has no module `{module}`{}", placeholder_note(.placeholder.as_deref()))]
    ModuleMissing {
        /// The Python.
        python: Utf8PathBuf,
        /// Its version.
        version: String,
        /// The module.
        module: &'static str,
        /// The distribution that has the module's name without holding it.
        placeholder: Option<String>,
    },
    /// The image of the compiler, or what runs it.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Kernels for Apple's GPUs are to be compiled, and no image has Xcode.
    #[error("--metal metallib takes Xcode, which the image `{image}` cannot have")]
    MetalInImage {
        /// The image.
        image: ImageName,
    },
    /// The file that says which compilers images have.
    #[error("`{path}`, which MLC_PACKAGE_COMPILER_IDENTITIES names, cannot be used: {why}")]
    Identities {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        why: String,
    },
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
    /// A file of the compiler, or of ours beside the question, could not be read or written.
    #[error("failed to identify the compiler of `{python}`: {source}")]
    Files {
        /// The Python.
        python: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// How a Python ended that was to tell about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeEnd {
    /// With an exit code other than 0.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// Not within this time.
    TimedOut(Duration),
    /// With success and without an answer: it is no Python.
    NoAnswer,
}

impl std::fmt::Display for ProbeEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Exit(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "was ended by {}", signal_name(signal)),
            Self::TimedOut(limit) => write!(f, "did not answer within {}", Limit(limit)),
            Self::NoAnswer => f.write_str("gave no answer that can be understood"),
        }
    }
}

fn placeholder_note(placeholder: Option<&str>) -> String {
    placeholder.map_or_else(String::new, |name| {
        format!("; its distribution {name} is a placeholder from PyPI that does not hold it")
    })
}

impl ToolchainError {
    /// Whether this is the answer to Ctrl-C or SIGTERM.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Container(error) => error.is_interrupted(),
            other => matches!(other, Self::Interrupted),
        }
    }

    /// What Python printed last.
    pub fn last_lines(&self) -> &[String] {
        match self {
            Self::Failed { last_lines, .. } => last_lines,
            Self::Container(error) => error.last_lines(),
            _ => &[],
        }
    }
}

impl StageError for ToolchainError {
    fn exit(&self) -> Exit {
        if self.is_interrupted() { Exit::Interrupted } else { Exit::Compile }
    }

    fn messages(&self) -> Vec<Message<'_>> {
        let message = Message::new(self.to_string(), self.help());
        vec![Message { output: self.last_lines(), ..message }]
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoPython => "install Python 3.9 or newer with the wheels of MLC LLM, or name \
                               one with `--python`"
                .to_owned(),
            Self::AskedPythonMissing { .. } => "give a path, or a name that is on PATH".to_owned(),
            Self::Start { .. } => "is it built for this machine, and executable?".to_owned(),
            Self::Failed { python, how: ProbeEnd::TimedOut(_), .. } => {
                format!("see whether `{python} -c pass` ends")
            }
            Self::Failed { .. } => {
                "it must be Python 3.9 or newer; another one is named with `--python`".to_owned()
            }
            Self::ModuleMissing { python, placeholder, .. } => {
                let first = match placeholder.as_deref().and_then(|name| name.split(' ').next()) {
                    Some(name) => format!("{python} -m pip uninstall {name} && "),
                    None => String::new(),
                };
                format!(
                    "install it and what it needs with `{first}{}`, or name another Python \
                     with `--python`",
                    pinned::install_wheels(python.as_str())
                )
            }
            Self::Container(error) => return error.help(),
            Self::MetalInImage { .. } => {
                "leave the kernels to the phone, with `--metal source`, or compile on a Mac without \
                 `--compiler-image`"
                    .to_owned()
            }
            Self::Identities { .. } => {
                "name a file of a release of mlc-package, or unset the variable: the image is \
                 asked then"
                    .to_owned()
            }
            Self::Files { .. } | Self::Interrupted => return None,
        })
    }
}
