//! Model source -> files on this machine, known to be whole.

mod cached_listing;
mod checkpoint;
mod content;
pub mod hub;
mod hub_models;
mod known_tokenizers;
mod local;
mod lock;
mod mlc_cache;
mod model_faults;
pub mod notes;
pub mod package;
mod prune;
mod register;
pub mod update_lock;
pub mod weights;

use camino::Utf8PathBuf;

pub use checkpoint::HubCheckpoint;
pub use content::{Mismatch, Remedy, WrongContent};
pub use hub_models::{HubModel, HubModels, HubModelsOptions};
pub use local::{checkpoint_files, judged, local, read_tensor_cache, tensor_cache_if_there};
pub use lock::{Lock, LockError, LockedModel};
pub use mlc_cache::{Existing, MlcCache, Otherwise, is_source_tree};
pub(crate) use model_faults::model_faults;
pub use prune::{Pruned, Pruner};
pub use register::{Record, Register, SnapshotKey};

use self::hub::HubError;
use crate::model::loadable::Unloadable;
use crate::model::{ByteSize, ChatConfigError, HubRepo, ShardPathError, TensorCacheError};

/// Why a model's files cannot be used. Exit 11, but for the model's own config: 10.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file system said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The model's own config is wrong.
    #[error("`{path}` cannot be used: {why}")]
    ChatConfig {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: ChatConfigError,
    },
    /// A file that every converted model has is not there.
    #[error("the model directory `{dir}` has no `{file}`")]
    Missing {
        /// The directory.
        dir: Utf8PathBuf,
        /// The file.
        file: String,
    },
    /// Something without which an app cannot load the model.
    #[error("no app can load `{model}`: {why}")]
    Unloadable {
        /// The directory, or the repository.
        model: String,
        /// What it is.
        why: Unloadable,
    },
    /// The list of shards is wrong.
    #[error("`{path}` cannot be used: {why}")]
    TensorCache {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: TensorCacheError,
    },
    /// A shard is shorter or longer than the tensor cache says.
    #[error("`{path}` has {found} bytes, and the tensor cache says {expected}")]
    Size {
        /// The file.
        path: Utf8PathBuf,
        /// The bytes that are there.
        found: u64,
        /// The bytes that should be there.
        expected: u64,
    },
    /// git-lfs was not there when the repository was cloned.
    #[error("`{path}` is a git-lfs pointer, not the file itself")]
    LfsPointer {
        /// The file.
        path: Utf8PathBuf,
    },
    /// A link that leads out of the model directory.
    #[error("`{path}` is a link to `{target}`, outside of the model directory")]
    LinkOutside {
        /// The link.
        path: Utf8PathBuf,
        /// Where it leads.
        target: Utf8PathBuf,
    },
    /// A link that leads nowhere.
    #[error("`{path}` is a broken link")]
    BrokenLink {
        /// The link.
        path: Utf8PathBuf,
    },
    /// A socket, a device.
    #[error("`{path}` is neither a file nor a directory")]
    NotAFile {
        /// The entry.
        path: Utf8PathBuf,
    },
    /// The Hub, or the way there.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// `MLC_DOWNLOAD_CACHE_POLICY=OFF`.
    #[error("`{repo}` comes from the Hub, and MLC_DOWNLOAD_CACHE_POLICY is OFF")]
    PolicyOff {
        /// The repository.
        repo: Box<HubRepo>,
    },
    /// `--locked`, and the lock file does not have the model.
    #[error("{} is not in mlc-package.lock, and --locked forbids to look it up", named(repo))]
    NotLocked {
        /// The repository.
        repo: Box<HubRepo>,
    },
    /// `MLC_DOWNLOAD_CACHE_POLICY=READONLY`, and something is in no cache.
    #[error(
        "{what} of `{repo}` is in no cache, and MLC_DOWNLOAD_CACHE_POLICY is READONLY; looked in {}",
        looked_in(looked)
    )]
    ReadOnly {
        /// The repository.
        repo: Box<HubRepo>,
        /// What is missing.
        what: String,
        /// Where it was looked for.
        looked: Vec<Utf8PathBuf>,
    },
    /// A repository that is not a converted model.
    #[error("`{repo}` has no `{file}`: it is not a model that MLC LLM converted")]
    NotAModel {
        /// The repository.
        repo: Box<HubRepo>,
        /// The file.
        file: String,
    },
    /// A repository that is no raw checkpoint.
    #[error("`{repo}` has no {what}: it is not a raw checkpoint")]
    NotACheckpoint {
        /// The repository.
        repo: Box<HubRepo>,
        /// What it lacks.
        what: &'static str,
    },
    /// More to download than the disk has room for.
    #[error(
        "`{repo}` needs {} more in `{dir}`, which has {} free",
        ByteSize(*needed),
        ByteSize(*free)
    )]
    NoRoom {
        /// The repository.
        repo: Box<HubRepo>,
        /// The bytes to download.
        needed: u64,
        /// The bytes that are free.
        free: u64,
        /// Where.
        dir: Utf8PathBuf,
    },
    /// A file is not what is said of it: it is damaged, or another one.
    #[error(transparent)]
    Content(Box<WrongContent>),
    /// A file name that cannot go into a package.
    #[error("the file name `{path}` has {why}")]
    Name {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with its name.
        why: ShardPathError,
    },
}

impl FetchError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::LfsPointer { .. } => {
                Some("install git-lfs and run `git lfs pull` in the model directory")
            }
            Self::Size { .. } => Some("the file is incomplete or of another version: get it again"),
            Self::Missing { .. } => Some(
                "a model directory is what `mlc-package convert` writes, or a clone of a -MLC \
                 repository",
            ),
            Self::Unloadable { why, .. } => Some(why.help()),
            Self::Hub(error) => return error.help(),
            Self::ReadOnly { .. } | Self::PolicyOff { .. } => {
                Some("set MLC_DOWNLOAD_CACHE_POLICY to ON")
            }
            Self::NotLocked { .. } => Some("run `mlc-package lock`, and commit mlc-package.lock"),
            Self::NotAModel { .. } => Some(
                "use a repository whose name ends in -MLC, or have a raw checkpoint converted: by \
                 `mlc-package convert`, or by `quantization` and `conv_template` in a package config",
            ),
            Self::NotACheckpoint { .. } => Some(
                "a raw checkpoint is a config.json beside safetensors or pytorch_model.bin; of a \
                 converted model, whose name ends in -MLC, remove `quantization` and `conv_template`",
            ),
            Self::NoRoom { .. } => {
                Some("make room, or name another place in HF_HUB_CACHE (`mlc-package cache prune`)")
            }
            Self::Content(wrong) => return Some(wrong.remedy.to_string()),
            Self::LinkOutside { .. } => Some("put the file itself into the model directory"),
            Self::BrokenLink { .. } => Some("remove it, or put the file itself there"),
            Self::TensorCache { .. } => {
                Some("the file is damaged or no tensor cache: get it again")
            }
            _ => None,
        };
        help.map(str::to_owned)
    }

    /// Whether this is the answer to Ctrl-C or SIGTERM.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Hub(HubError::Cancelled))
    }

    /// Whether the model cannot be had since the Hub may not be asked, or not used at all.
    pub fn is_offline(&self) -> bool {
        matches!(
            self,
            Self::Hub(HubError::Offline { .. }) | Self::ReadOnly { .. } | Self::PolicyOff { .. }
        )
    }

    /// Whether it is the model's config that is wrong.
    pub fn is_config(&self) -> bool {
        match self {
            Self::ChatConfig { .. } => true,
            Self::Unloadable { why, .. } => why.is_config(),
            _ => false,
        }
    }
}

/// A repository, and the revision that the config asks for.
fn named(repo: &HubRepo) -> String {
    match repo.revision() {
        Some(revision) => format!("`{repo}` at `{revision}`"),
        None => format!("`{repo}`"),
    }
}

fn looked_in(dirs: &[Utf8PathBuf]) -> String {
    dirs.iter().map(|dir| format!("`{dir}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "tests/hub_scene.rs"]
mod hub_scene;
