//! Using an entry of a cache: it stays while it is used, and when that was is written down.

use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;

use super::files;
use super::lock::Lock;

/// How often the time of the last use is written: a cached build takes milliseconds.
const STAMP_EVERY: Duration = Duration::from_secs(3600);

/// Held while somebody uses an entry. Empty where the cache cannot be written to: who removes
/// entries cannot do so there either.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    _lock: Option<Arc<Lock>>,
}

/// Whether an entry is held changes nothing about what it is.
impl PartialEq for InUse {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl InUse {
    /// Shares the lock of those who use an entry, whose file's time says when that was. Gives
    /// `None` if somebody removes the entry just now.
    pub fn hold(path: &Utf8Path) -> Option<Self> {
        // A cache that cannot be written to is used as it is, unlocked and without a stamp.
        let _ = files::create_dir_all(files::parent(path));
        let lock = match Lock::try_share(path) {
            Ok(None) => return None,
            Ok(lock) => lock,
            Err(_) => return Some(Self::default()),
        };
        let _ = files::touch(path, STAMP_EVERY);
        Some(Self { _lock: lock.map(Arc::new) })
    }
}
