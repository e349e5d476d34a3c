//! The Python that has MLC LLM, on this machine or in an image.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

use super::container::{Call, Container, ContainerError};
use crate::io::process::{self, Cancel, Dialogue, Ended, Program};

/// A Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interpreter {
    /// On this machine: absolute, as it is to be started. A link in a virtual environment is not
    /// resolved, since that would leave the environment.
    Here(Utf8PathBuf),
    /// In an image.
    Image {
        /// The image.
        container: Container,
        /// The Python, by its path in there.
        path: Utf8PathBuf,
    },
}

/// A Python was not run.
#[derive(Debug, thiserror::Error)]
pub enum NotRun {
    /// The machine.
    #[error("failed to start `{python}`: {source}")]
    Start {
        /// The Python.
        python: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The image, or what runs it.
    #[error(transparent)]
    Container(#[from] ContainerError),
}

impl Interpreter {
    /// Runs it to its end.
    pub fn run(&self, call: &Call<'_>, cancel: &Cancel) -> Result<Ended, NotRun> {
        match self {
            Self::Here(path) => process::run_with_tokens(&program(path, call), call.tokens, cancel)
                .map_err(|source| start(path, source)),
            Self::Image { container, path } => Ok(container.run(path.as_str(), call, cancel)?),
        }
    }

    /// Starts it and talks with it.
    pub fn converse<T>(
        &self,
        call: &Call<'_>,
        cancel: &Cancel,
        talk: impl FnOnce(&mut Dialogue) -> T,
    ) -> Result<(T, Ended), NotRun> {
        match self {
            Self::Here(path) => process::converse(&program(path, call), cancel, talk)
                .map_err(|source| start(path, source)),
            Self::Image { container, path } => {
                Ok(container.converse(path.as_str(), call, cancel, talk)?)
            }
        }
    }

    /// The image that it is in.
    pub fn container(&self) -> Option<&Container> {
        match self {
            Self::Here(_) => None,
            Self::Image { container, .. } => Some(container),
        }
    }
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(path) => write!(f, "{path}"),
            Self::Image { container, path } => write!(f, "{path} of {}", container.image()),
        }
    }
}

fn start(python: &Utf8Path, source: std::io::Error) -> NotRun {
    NotRun::Start { python: python.to_owned(), source }
}

fn program<'a>(path: &'a Utf8Path, call: &Call<'a>) -> Program<'a> {
    Program {
        path,
        args: call.args,
        variables: call.variables,
        directory: call.directory,
        log: call.log,
        log_limit: call.log_limit,
        limit: call.limit,
    }
}
