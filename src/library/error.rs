use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::blob::BlobError;
use super::container::ContainerError;
use super::metadata::MetadataError;
use super::object::ObjectError;

/// Why a file cannot be used as a model library. Exit 13.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// It cannot be taken apart.
    #[error("`{path}` is no model library: {why}")]
    Container {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        why: ContainerError,
    },
    /// It has nothing to link.
    #[error("`{path}` has no object files in it")]
    NoObjects {
        /// The file.
        path: Utf8PathBuf,
    },
    /// A member is no object, or a damaged one.
    #[error("`{path}`: its member `{member}` cannot be linked: {why}")]
    Object {
        /// The file.
        path: Utf8PathBuf,
        /// The member.
        member: String,
        /// Why.
        why: ObjectError,
    },
    /// A blob cannot be read.
    #[error("`{path}`: the TVM library `{prefix}` in it cannot be read: {why}")]
    Blob {
        /// The file.
        path: Utf8PathBuf,
        /// The prefix of its symbols.
        prefix: String,
        /// Why. Shared: it is told as often as the blob is asked for.
        why: Arc<BlobProblem>,
    },
}

impl LibraryError {
    /// The file.
    pub fn path(&self) -> &Utf8Path {
        match self {
            Self::Container { path, .. }
            | Self::NoObjects { path }
            | Self::Object { path, .. }
            | Self::Blob { path, .. } => path,
        }
    }

    /// What is wrong with it, where the file is named beside.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Container { why, .. } => format!("it is no model library: {why}"),
            Self::NoObjects { .. } => "it has no object files in it".to_owned(),
            Self::Object { member, why, .. } => {
                format!("its member `{member}` cannot be linked: {why}")
            }
            Self::Blob { prefix, why, .. } => {
                format!("the TVM library `{prefix}` in it cannot be read: {why}")
            }
        }
    }
}

/// Why a blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BlobProblem {
    /// Its bytes.
    #[error(transparent)]
    Bytes(#[from] BlobError),
    /// Its `_metadata` is not the JSON it should be.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}
