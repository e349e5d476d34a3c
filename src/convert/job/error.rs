use std::io;

use crate::convert::ConvertError;
use crate::convert::weights::WeightsError;
use crate::exit::Exit;
use crate::fetch::package::ModelsError;
use crate::stage_error::StageError;
use crate::toolchain::ToolchainError;

/// Why a conversion that was asked for was not done. Exits as what it is made of.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The checkpoint, or MLC LLM's part.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The weights.
    #[error(transparent)]
    Weights(Box<WeightsError>),
    /// Its files.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// The Python that has MLC LLM.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The machine said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

impl From<WeightsError> for JobError {
    fn from(error: WeightsError) -> Self {
        Self::Weights(Box::new(error))
    }
}

impl StageError for JobError {
    fn exit(&self) -> Exit {
        self.carried().map_or(Exit::Interrupted, StageError::exit)
    }

    fn carried(&self) -> Option<&dyn StageError> {
        match self {
            Self::Convert(error) => Some(error),
            Self::Weights(error) => Some(&**error),
            Self::Models(error) => Some(error),
            Self::Toolchain(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Interrupted => None,
        }
    }
}
