//! The error that reaches a person: a stage's, or one that is about the command line.

use std::io;

use crate::exit::Exit;
use crate::stage_error::{Message, StageError};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that cannot be. Exit 2.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// Some of several packages failed: their names in `mlc-package.yml`, and why; never none. The
    /// others were made. Exits as the first of them.
    #[error("{}", packages_summary(.0))]
    Packages(Vec<(String, Error)>),
    /// A baseline that was named cannot be read. Exits as why it cannot.
    #[error("the baseline `{origin}` cannot be read: {source}")]
    Baseline {
        /// Where it is.
        origin: String,
        /// Why not.
        source: Box<Error>,
    },
    /// A stage failed. Exits as the stage says.
    #[error("{0}")]
    Stage(Box<dyn StageError>),
}

impl<E: StageError> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Stage(Box::new(error))
    }
}

impl Error {
    /// A mistake on the command line.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: Some(help.into()) }
    }

    /// Whether who read our output has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        let Self::Stage(error) = self else { return false };
        let mut error = &**error;
        while let Some(carried) = error.carried() {
            error = carried;
        }
        let error: &(dyn std::error::Error + 'static) = error;
        let io = error.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Packages(failed) => {
                failed.first().map_or(Exit::Internal, |(_, error)| error.exit())
            }
            Self::Baseline { source, .. } => source.exit(),
            Self::Stage(error) => error.exit(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Usage { help, .. } => help.clone(),
            Self::Packages(_) => None,
            Self::Baseline { source, .. } => source.help(),
            Self::Stage(error) => error.help(),
        }
    }

    /// What a person is told, a message a problem. Those of several packages are told apart by who
    /// tells them.
    pub fn messages(&self) -> Vec<Message<'_>> {
        match self {
            Self::Stage(error) => error.messages(),
            error => vec![Message::new(error.to_string(), error.help())],
        }
    }
}

fn packages_summary(failed: &[(String, Error)]) -> String {
    let names: Vec<_> = failed.iter().map(|(name, _)| format!("`{name}`")).collect();
    match &names[..] {
        [one] => format!("the package {one} failed"),
        many => format!("{} packages failed: {}", many.len(), many.join(", ")),
    }
}
