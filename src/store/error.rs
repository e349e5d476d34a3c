use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::exit::Exit;
use crate::io::positioned::is_full;
use crate::stage_error::StageError;

/// Why the cache directory cannot be used. Exit 1, whichever stage it is that meets it.
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
    pub fn new(directory: &Utf8Path, source: io::Error) -> Self {
        let directory = directory.to_owned();
        match source.kind() {
            // Making a directory where a file is gives `AlreadyExists`.
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                Self::NotADirectory(directory)
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { directory, source }
            }
            _ if is_full(&source) => Self::Full { directory, source },
            _ => Self::Other { directory, source },
        }
    }
}

impl StageError for StoreError {
    fn exit(&self) -> Exit {
        Exit::Internal
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotADirectory(_) | Self::NotWritable { .. } => {
                "choose another one with `--cache-dir`; one that only holds what is needed can be \
                 used read-only with MLC_JIT_POLICY=READONLY"
                    .to_owned()
            }
            Self::Full { directory, .. } => help_if_full(directory),
            Self::Other { .. } => return None,
        })
    }
}

/// What to do about a full disk under a cache directory.
pub fn help_if_full(cache_dir: &Utf8Path) -> String {
    format!(
        "make room (`mlc-package cache prune --older-than 7d`), remove `{cache_dir}`, or choose \
         another with `--cache-dir`; a limit on the size of files (`ulimit -f`) counts too"
    )
}

/// Whether a program that failed says that it was for want of room: the system's own words.
pub fn says_full(lines: &[String]) -> bool {
    const WORDS: [&str; 3] = ["No space left on device", "Disk quota exceeded", "File too large"];
    lines.iter().any(|line| WORDS.iter().any(|words| line.contains(words)))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use camino::Utf8Path;

    use super::{StageError as _, StoreError};

    #[test]
    fn a_full_disk_a_quota_and_a_limit_are_one_cause() {
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
            let error = StoreError::new(Utf8Path::new("/cache"), kind.into());
            let text = error.to_string();
            assert!(text.starts_with("no space left for the cache directory `/cache`"), "{text}");
            let help = error.help().unwrap();
            assert!(help.contains("cache prune") && help.contains("`/cache`"), "{help}");
        }
    }
}
