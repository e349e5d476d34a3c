//! The `cache` verb: compiled libraries, kits of platform bindings, converted models, and the
//! models of MLC in the Hugging Face cache.

mod list;
mod prune;
mod verify;

use camino::Utf8PathBuf;

pub use list::{CacheList, CachedConverted, CachedKit, CachedLibrary, CachedWeights, list};
pub use prune::{PruneRequest, PruneResult, RemovedItem, RemovedKind, prune};
pub use verify::{CacheProblem, CacheVerdict, verify};

use crate::binding::KitStore;
use crate::compile::Store;
use crate::convert::store::ConvertedStore;
use crate::fetch::Register;

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
    fn store(&self) -> Store {
        Store::new(&self.cache_dir)
    }

    fn kits(&self) -> KitStore {
        KitStore::new(&self.cache_dir)
    }

    fn converted(&self) -> ConvertedStore {
        ConvertedStore::new(&self.cache_dir)
    }

    fn register(&self) -> Register {
        Register::new(&self.cache_dir)
    }
}
