//! Using an entry of the store: it stays while it is used, and when that was is written down.

use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::{Lookup, MissReason, Store};
use crate::io::files;
use crate::io::lock::Lock;
use crate::model::Fingerprint;

/// How often the time of the last use is written: a cached build takes milliseconds.
const STAMP_EVERY: Duration = Duration::from_secs(3600);

/// Held while somebody uses an entry. Empty where the store cannot be written to: who removes
/// entries cannot do so there either.
#[derive(Clone, Debug, Default)]
pub(super) struct InUse {
    _lock: Option<Arc<Lock>>,
}

/// Whether an entry is held changes nothing about what it is.
impl PartialEq for InUse {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Store {
    /// As [`lookup_whole`](Self::lookup_whole), for somebody who will read the library: a hit stays until the
    /// result and its clones are dropped, and counts as a use.
    pub fn take(&self, fingerprint: Fingerprint) -> Lookup {
        if !self.entry(fingerprint).exists() {
            return Lookup::Miss(MissReason::Absent);
        }
        // The lock first: what is found afterwards is there to stay. Whoever has it alone is
        // about to remove the entry.
        let Some(in_use) = self.hold(fingerprint) else {
            return Lookup::Miss(MissReason::Absent);
        };
        match self.lookup_whole(fingerprint) {
            Lookup::Hit(stored) => {
                let mut stored = stored;
                stored.in_use = in_use;
                Lookup::Hit(stored)
            }
            miss @ Lookup::Miss(_) => miss,
        }
    }

    /// Shares the lock of those who use an entry, and says that it is used. Gives `None` if
    /// somebody removes it just now.
    pub(super) fn hold(&self, fingerprint: Fingerprint) -> Option<InUse> {
        let path = self.use_lock(&fingerprint.dir_name());
        // A store that cannot be written to is used as it is, unlocked and without a stamp.
        let _ = files::create_dir_all(files::parent(&path));
        let lock = match Lock::try_share(&path) {
            Ok(None) => return None,
            Ok(lock) => lock,
            Err(_) => return Some(InUse::default()),
        };
        let _ = files::touch(&path, STAMP_EVERY);
        Some(InUse { _lock: lock.map(Arc::new) })
    }

    pub(super) fn use_lock(&self, name: &str) -> Utf8PathBuf {
        self.libs.join(".locks").join(format!("{name}.used"))
    }
}

#[cfg(test)]
#[path = "tests/store_use.rs"]
mod tests;
