//! The `cache` verb: compiled libraries, kits of platform bindings, converted models, and the
//! models of MLC in the Hugging Face cache.

mod kind;
mod list;
mod prune;
mod verify;

use std::io;

use camino::Utf8PathBuf;

pub use kind::{AboutConverted, AboutKit, AboutLibrary, BuildTime};
pub use list::{
    CacheList, Cached, CachedConverted, CachedKit, CachedLibrary, CachedNotes, CachedWeights, list,
};
pub use prune::{PruneRequest, PruneResult, RemovedItem, RemovedKind, prune};
pub use verify::{CacheProblem, CacheVerdict, verify};

use crate::exit::Exit;
use crate::fetch::Register;
use crate::stage_error::StageError;
use crate::store::{Record, Store, StoreError};

/// Why the caches could not be looked through or cleared. Exit 1.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Our own cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

impl StageError for CacheError {
    fn exit(&self) -> Exit {
        self.carried().map_or(Exit::Interrupted, StageError::exit)
    }

    fn carried(&self) -> Option<&dyn StageError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Interrupted => None,
        }
    }
}

/// Which caches.
#[derive(Clone, Debug)]
pub struct CacheRequest {
    /// Our own.
    pub cache_dir: Utf8PathBuf,
    /// The Hugging Face cache, shared with other tools; none if weights are not meant.
    pub hub_cache: Option<Utf8PathBuf>,
    /// Whether compiled libraries are meant, and the kits of platform bindings.
    pub libraries: bool,
}

impl CacheRequest {
    fn store<R: Record>(&self) -> Store<R> {
        Store::new(&self.cache_dir)
    }

    fn register(&self) -> Register {
        Register::new(&self.cache_dir)
    }
}

/// The first of many hex digits.
fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
