use std::sync::Arc;
use std::time::Instant;

use super::Claim;
use crate::fetch::hub::digest::Hasher;
use crate::fetch::hub::download::ranges::Ranges;
use crate::io::http::Url;
use crate::io::lock::Lock;
use crate::io::positioned::PositionedFile;

/// What is known of a file whose lock is held.
pub(super) struct Open {
    pub(super) _lock: Lock,
    pub(super) disk: Arc<PositionedFile>,
    pub(super) ranges: Ranges,
    pub(super) claimed: Vec<bool>,
    /// Threads at work on it.
    pub(super) active: usize,
    /// How far the digest has come, and it itself, unless a thread has it.
    pub(super) hashed: u64,
    pub(super) hasher: Option<Hasher>,
    /// Where the Hub redirected to.
    pub(super) location: Option<Url>,
    /// The server answers no ranges: one thread gets everything, from the beginning.
    pub(super) whole_only: bool,
    pub(super) restarts: u32,
    pub(super) restart_wanted: bool,
    pub(super) unsaved: u64,
    pub(super) told: Option<Instant>,
}

impl Open {
    /// A range that nobody is at; the whole file where there are no ranges to be had.
    pub(super) fn claim(&mut self, begins: Option<u64>) -> Option<Claim> {
        if self.restart_wanted {
            return None;
        }
        let disk = self.disk.clone();
        if self.whole_only || self.ranges.all_whole() {
            // All of it; perhaps only its digest is missing.
            if self.active > 0 {
                return None;
            }
            self.claimed.fill(true);
            self.active = 1;
            return Some(Claim { disk, range: None, begins });
        }
        let free = |index: &usize| {
            !self.ranges.is_whole(*index) && self.claimed.get(*index) == Some(&false)
        };
        let index = (0..self.ranges.count()).find(free)?;
        if let Some(claimed) = self.claimed.get_mut(index) {
            *claimed = true;
        }
        self.active += 1;
        Some(Claim { disk, range: Some(index), begins })
    }
}
