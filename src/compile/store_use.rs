//! Using an entry of the store: it stays while it is used, and when that was is written down.

use camino::Utf8PathBuf;

use super::{Lookup, MissReason, Store};
use crate::io::in_use::InUse;
use crate::model::Fingerprint;

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

    /// Holds an entry. Gives `None` if somebody removes it just now.
    pub(super) fn hold(&self, fingerprint: Fingerprint) -> Option<InUse> {
        InUse::hold(&self.use_lock(&fingerprint.dir_name()))
    }

    pub(super) fn use_lock(&self, name: &str) -> Utf8PathBuf {
        self.libs.join(".locks").join(format!("{name}.used"))
    }
}

#[cfg(test)]
#[path = "tests/store_use.rs"]
mod tests;
