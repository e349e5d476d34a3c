use std::io;

use camino::Utf8PathBuf;

use super::AssetName;
use crate::exit::Exit;
use crate::stage_error::StageError;

/// Why a package cannot be packed. Exit 15.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is no manifest.
    #[error("`{0}` is not a dist/: it has no mlc-package-manifest.json")]
    NoManifest(Utf8PathBuf),
    /// The manifest cannot be used.
    #[error("`{path}` cannot be used: {why}")]
    Manifest {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file that the manifest lists is not there.
    #[error("`{0}` is in the manifest, and not there")]
    Missing(Utf8PathBuf),
    /// It is something else than a file.
    #[error("`{0}` is in the manifest, and no regular file")]
    NotAFile(Utf8PathBuf),
    /// It is not what was built.
    #[error("`{0}` was changed after the build: it is not what the manifest lists")]
    Changed(Utf8PathBuf),
    /// Two archives would have one name.
    #[error("two models would be packed as `{0}`")]
    Collision(AssetName),
    /// An archive has too many parts.
    #[error("`{0}` would have more than {most} parts", most = PackError::MOST_PARTS)]
    TooManyParts(AssetName),
    /// A file of the package cannot be read.
    #[error("{0}")]
    Read(io::Error),
    /// An asset cannot be written.
    #[error("`{path}` cannot be written: {source}")]
    Write {
        /// Where it was to be.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A value that has no JSON.
    #[error("the list of the assets cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

impl PackError {
    /// `part01` to `part99`: so that the parts' order is that of their names.
    pub const MOST_PARTS: usize = 99;

    pub(super) fn write(path: impl Into<Utf8PathBuf>, source: io::Error) -> Self {
        Self::Write { path: path.into(), source }
    }
}

impl StageError for PackError {
    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            _ => Exit::Publish,
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::NoManifest(_) => "name the directory that `mlc-package build` wrote",
            Self::Missing(_) | Self::NotAFile(_) | Self::Changed(_) | Self::Manifest { .. } => {
                "build the package again with `mlc-package build`, and publish what it wrote"
            }
            Self::Write { source, .. } if crate::io::positioned::is_full(source) => {
                "make room: the archives of a package take about as much as its dist/"
            }
            _ => return None,
        };
        Some(help.to_owned())
    }
}
