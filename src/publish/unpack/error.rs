use std::io;

use camino::Utf8PathBuf;

use crate::exit::Exit;
use crate::model::ByteSize;
use crate::publish::pack::AssetName;
use crate::stage_error::StageError;

/// Why a package cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// What was named is none. Exit 2.
    #[error("{message}")]
    Source {
        /// What is wrong with it.
        message: String,
        /// What to name.
        help: String,
    },
    /// The list of assets cannot be used. Exit 13.
    #[error("`{place}` cannot be used: {why}")]
    List {
        /// The file, or its address.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// An asset is not there. Exit 11.
    #[error("`{name}` is not in `{place}`")]
    Missing {
        /// The asset.
        name: AssetName,
        /// The directory.
        place: Utf8PathBuf,
    },
    /// A server gives no asset. Exit 11.
    #[error("`{url}`: {why}")]
    Http {
        /// The address, without what may be secret in it.
        url: String,
        /// Why.
        why: String,
        /// What to do.
        help: Option<String>,
    },
    /// An asset is longer or shorter than listed. Exit 13.
    #[error("`{name}` has {found} bytes, and the list says {listed}")]
    Size {
        /// The asset.
        name: AssetName,
        /// Its size in bytes.
        found: u64,
        /// The size in bytes that is listed.
        listed: u64,
    },
    /// An asset has another digest than listed. Exit 13.
    #[error("`{name}` is damaged: its sha256 is {found}, and {list} says {listed}")]
    Digest {
        /// The asset.
        name: String,
        /// Its digest.
        found: String,
        /// The digest that is listed.
        listed: String,
        /// Where it is listed.
        list: &'static str,
    },
    /// An archive is none, though its bytes are those that were published. Exit 13.
    #[error("`{archive}` cannot be unpacked: {why}")]
    Damaged {
        /// The archive.
        archive: AssetName,
        /// What is wrong with it.
        why: String,
    },
    /// An archive holds what it must not, or not what is listed. Exit 13.
    #[error("`{archive}` holds `{entry}`, which {why}")]
    Entry {
        /// The archive.
        archive: AssetName,
        /// The name, as the archive has it.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// An asset cannot be read. Exit 11.
    #[error("{0}")]
    Read(io::Error),
    /// More than there is room for. Exit 14.
    #[error("the package takes {needed}, and {free} are free in `{place}`")]
    NoRoom {
        /// Its size.
        needed: ByteSize,
        /// The room.
        free: ByteSize,
        /// Where.
        place: Utf8PathBuf,
    },
    /// `dist/` cannot be written. Exit 14.
    #[error("`{path}` cannot be written: {source}")]
    Write {
        /// The file, where it was to be.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

impl UnpackError {
    pub(super) fn write(path: impl Into<Utf8PathBuf>, source: io::Error) -> Self {
        Self::Write { path: path.into(), source }
    }

    /// The client cannot be made.
    pub(super) fn client(why: String) -> Self {
        Self::Read(io::Error::other(why))
    }

    /// An address that gives nothing to whoever asks.
    pub(super) fn refused(url: String, status: u16, token: bool) -> Self {
        let why = match status {
            404 => "there is no such file, or it is not public".to_owned(),
            status => format!("the server answers {status}"),
        };
        let help = if token {
            "check the address; for a private repository, the token of GH_TOKEN, else of \
             GITHUB_TOKEN, must be allowed to read its contents"
        } else {
            "check the address; a release of a private repository needs GH_TOKEN or GITHUB_TOKEN, \
             and drafts are not served at all"
        };
        Self::Http { url, why, help: Some(help.to_owned()) }
    }
}

impl StageError for UnpackError {
    fn exit(&self) -> Exit {
        match self {
            Self::Source { .. } => Exit::Usage,
            Self::Missing { .. } | Self::Http { .. } | Self::Read(_) => Exit::Fetch,
            Self::List { .. }
            | Self::Size { .. }
            | Self::Digest { .. }
            | Self::Damaged { .. }
            | Self::Entry { .. } => Exit::Validation,
            Self::NoRoom { .. } | Self::Write { .. } => Exit::Assembly,
            Self::Interrupted => Exit::Interrupted,
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::Source { help, .. } => return Some(help.clone()),
            Self::Http { help, .. } => return help.clone(),
            Self::List { .. } => {
                "name the …-assets.json of a release that `mlc-package publish` made; if it is one, \
                 a newer mlc-package may read it"
            }
            Self::Missing { .. } => "all assets of the release must lie beside each other",
            Self::Size { .. } | Self::Digest { .. } => {
                "download it again; if it stays like this, it was replaced after it was published"
            }
            Self::Damaged { .. } | Self::Entry { .. } => {
                "mlc-package did not pack this: do not use it"
            }
            Self::NoRoom { .. } => "make room, or choose another place with `--output`",
            Self::Write { source, .. } if crate::io::positioned::is_full(source) => {
                "make room, or choose another place with `--output`"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}
