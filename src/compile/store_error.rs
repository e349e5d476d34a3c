use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// Why the cache directory cannot be used. Exit 12.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file, or something below a file.
    #[error("the cache directory `{0}` is not a directory")]
    NotADirectory(Utf8PathBuf),
    /// Read-only, or somebody else's.
    #[error("the cache directory `{directory}` cannot be written to: {source}")]
    NotWritable {
        /// The cache directory.
        directory: Utf8PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The disk is full, or a quota or a limit on file sizes is reached.
    #[error("no space left for the cache directory `{directory}`: {source}")]
    Full {
        /// The cache directory.
        directory: Utf8PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// Anything else.
    #[error("the cache directory `{directory}` cannot be used: {source}")]
    Other {
        /// The cache directory.
        directory: Utf8PathBuf,
        /// What failed.
        source: io::Error,
    },
}

impl StoreError {
    /// Says what an error means for the cache directory in which it happened.
    pub(super) fn new(directory: &Utf8Path, source: io::Error) -> Self {
        let directory = directory.to_owned();
        match source.kind() {
            // Making a directory where a file is gives `AlreadyExists`.
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                Self::NotADirectory(directory)
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { directory, source }
            }
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { directory, source },
            _ => Self::Other { directory, source },
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotADirectory(_) | Self::NotWritable { .. } => {
                "choose another one with `--cache-dir`; one that only holds what is needed can be \
                 used read-only with MLC_JIT_POLICY=READONLY"
                    .to_owned()
            }
            Self::Full { directory, .. } => {
                format!("make room, remove `{directory}`, or choose another with `--cache-dir`")
            }
            Self::Other { .. } => return None,
        })
    }
}
