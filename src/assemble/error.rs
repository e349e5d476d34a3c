use std::io;

use camino::Utf8PathBuf;

use crate::binding::BindingError;
use crate::exit::Exit;
use crate::manifest::ManifestError;
use crate::stage_error::StageError;

/// Why `dist/` could not be made. Exit 14.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The file system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A file of the package.
    #[error("`{path}` cannot be written: {}", reason(.source))]
    Write {
        /// The file, where it was to be.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The overrides could not be written into a model's own config.
    #[error("the overrides cannot be written into `{path}`: {why}")]
    ChatConfig {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An artifact of a package that has no binding.
    #[error("an artifact needs the platform binding")]
    NoBinding,
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
    /// What was asked for cannot be, or must not be there. Exit 2.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
    /// The package of another system, for an artifact of several. Exit 13.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The platform binding.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// A value that has no JSON.
    #[error("a record of the package cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl StageError for AssembleError {
    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::Refused { .. } => Exit::Usage,
            Self::Manifest(error) => error.exit(),
            Self::Binding(error) => error.exit(),
            _ => Exit::Assembly,
        }
    }

    fn carried(&self) -> Option<&dyn StageError> {
        match self {
            Self::Manifest(error) => Some(error),
            Self::Binding(error) => Some(error),
            _ => None,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Io(source) | Self::Write { source, .. } => help_for(source).map(str::to_owned),
            Self::Refused { help, .. } => Some(help.clone()),
            _ => self.carried().and_then(StageError::help),
        }
    }
}

impl AssembleError {
    pub(super) fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), help: help.into() }
    }
}

fn help_for(source: &io::Error) -> Option<&'static str> {
    match source.kind() {
        kind if is_full(kind) => Some("make room, or choose another place with `--output`"),
        io::ErrorKind::CrossesDevices | io::ErrorKind::Unsupported => {
            Some("leave `--link-mode` out: then what cannot be linked is copied")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Some(
            "see that you may read the models and write there, or choose another place with \
                 `--output`",
        ),
        _ => None,
    }
}

/// The error without the names of our temporary files, where its kind says enough.
fn reason(source: &io::Error) -> String {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let kind = source.kind();
    let clear = is_full(kind) || matches!(kind, PermissionDenied | ReadOnlyFilesystem);
    if clear { kind.to_string() } else { source.to_string() }
}

fn is_full(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
}
