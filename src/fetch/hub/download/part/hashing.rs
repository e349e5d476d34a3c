//! The digest of a file that comes in ranges: one thread at a time has it, and goes as far as the
//! file is whole.

use super::PartialFile;
use crate::fetch::hub::digest::Hasher;

impl PartialFile {
    /// The digest so far, if it has come to `position` and nobody else has it.
    pub(crate) fn take_hasher(&self, position: u64) -> Option<Hasher> {
        self.with(|open| if open.hashed == position { open.hasher.take() } else { None }).flatten()
    }

    pub(crate) fn put_hasher(&self, hasher: Hasher, position: u64) {
        self.with(|open| (open.hashed, open.hasher) = (position, Some(hasher)));
    }

    /// A digest that has fallen behind, from where, and how far it can come.
    pub(crate) fn take_lagging_hasher(&self, own: Option<usize>) -> Option<(Hasher, u64, u64)> {
        self.with(|open| {
            let reached = open.ranges.unbroken(open.hashed, own);
            if reached == open.hashed || open.restart_wanted {
                return None;
            }
            open.hasher.take().map(|hasher| (hasher, open.hashed, reached))
        })
        .flatten()
    }
}
