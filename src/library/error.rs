use std::io;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::blob::BlobError;
use super::container::ContainerError;
use super::kernels::NoClang;
use super::metadata::MetadataError;
use super::object::ObjectError;
use super::validate::Problem;
use crate::exit::Exit;
use crate::stage_error::{Message, StageError};

/// Why a file cannot be used as a model library. Exit 13.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// It cannot be taken apart.
    #[error("`{path}` is not a model library: {why}")]
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
    #[error("`{path}`: {}", of_member(path, member, why))]
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
            Self::Container { why, .. } => format!("it is not a model library: {why}"),
            Self::NoObjects { .. } => "it has no object files in it".to_owned(),
            Self::Object { path, member, why } => of_member(path, member, why),
            Self::Blob { prefix, why, .. } => {
                format!("the TVM library `{prefix}` in it cannot be read: {why}")
            }
        }
    }
}

/// What is wrong with an object, which may be the whole file.
fn of_member(path: &Utf8Path, member: &str, why: &ObjectError) -> String {
    match path.file_name() == Some(member) {
        true => format!("it cannot be used: {why}"),
        false => format!("its member `{member}` cannot be linked: {why}"),
    }
}

impl StageError for LibraryError {
    fn exit(&self) -> Exit {
        Exit::Validation
    }

    fn help(&self) -> Option<String> {
        if let Self::Object { why: ObjectError::Universal, .. } = self {
            let help = "take out one processor: `lipo -thin arm64 FILE -output OTHER`";
            return Some(help.to_owned());
        }
        Some(
            "name a .tar, .a, .o, .so or .dylib that holds a model library of MLC LLM; if this is one, \
             it is damaged: get it or compile it again"
                .to_owned(),
        )
    }
}

/// Why the libraries of a package cannot be used. Exit 13, but for what nothing can check: 14, for
/// what cannot be read: 1, and for [`Interrupted`](Self::Interrupted): 130.
#[derive(Debug, thiserror::Error)]
pub enum LibrariesError {
    /// A file is no model library.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// They do not fit the package or each other, or their kernels do not compile. Never none.
    #[error("{}", summary(.0))]
    Problems(Vec<Problem>),
    /// Their kernels have to be checked, and nothing can.
    #[error("the kernels cannot be checked: {0}")]
    NoClang(NoClang),
    /// A file cannot be read, or clang cannot be run.
    #[error(transparent)]
    Io(io::Error),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

impl From<io::Error> for LibrariesError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::Interrupted => Self::Interrupted,
            _ => Self::Io(error),
        }
    }
}

impl StageError for LibrariesError {
    fn exit(&self) -> Exit {
        match self {
            Self::Library(error) => error.exit(),
            Self::Problems(_) => Exit::Validation,
            Self::NoClang(_) => Exit::Assembly,
            Self::Io(error) => error.exit(),
            Self::Interrupted => Exit::Interrupted,
        }
    }

    fn carried(&self) -> Option<&dyn StageError> {
        match self {
            Self::Library(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Problems(_) | Self::NoClang(_) | Self::Interrupted => None,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NoClang(_) => Some(NoClang::HELP.to_owned()),
            _ => self.carried().and_then(StageError::help),
        }
    }

    fn messages(&self) -> Vec<Message<'_>> {
        let told = |problem: &Problem| {
            let Problem { code, path, message, help } = problem;
            Message::new(format!("`{path}`: {message}"), Some(help.clone())).coded(code)
        };
        match (self, self.carried()) {
            (_, Some(carried)) => carried.messages(),
            (Self::Problems(problems), None) => problems.iter().map(told).collect(),
            (_, None) => vec![Message::new(self.to_string(), self.help())],
        }
    }
}

/// Problems in one line.
fn summary(problems: &[Problem]) -> String {
    match problems {
        [one] => format!("`{}`: {}", one.path, one.message),
        many => format!("{} problems in the model libraries", many.len()),
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
