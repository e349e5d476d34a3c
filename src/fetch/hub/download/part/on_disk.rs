//! The files of an unfinished download: its bytes, and beside them which ranges are there.

use std::sync::Arc;

use camino::Utf8PathBuf;

use super::{Open, PartialFile};
use crate::fetch::hub::HubError;
use crate::fetch::hub::download::ranges::Ranges;
use crate::io::lock::Lock;
use crate::io::positioned::PositionedFile;
use crate::io::{atomic, files, sync};

impl PartialFile {
    pub(super) fn incomplete(&self) -> Utf8PathBuf {
        self.cache.blobs().join(format!("{}.mlc-package.incomplete", self.file.digest))
    }

    fn sidecar(&self) -> Utf8PathBuf {
        self.cache.blobs().join(format!("{}.mlc-package.ranges", self.file.digest))
    }

    /// What the sidecar is before it is whole.
    fn next_sidecar(&self) -> Utf8PathBuf {
        self.cache.blobs().join(format!("{}.mlc-package.ranges.new", self.file.digest))
    }

    pub(super) fn save(&self, ranges: &Ranges) -> std::io::Result<()> {
        atomic::write_by_way_of(&self.next_sidecar(), &self.sidecar(), &ranges.to_bytes())
    }

    /// Removes the sidecar, and what a killed run may have left of the next.
    pub(super) fn remove_sidecar(&self) -> std::io::Result<()> {
        files::remove_file(&self.sidecar())?;
        files::remove_file(&self.next_sidecar())
    }

    pub(super) fn open(&self, lock: Lock) -> std::io::Result<Open> {
        let disk = PositionedFile::open(&self.incomplete())?;
        let sidecar = files::read_if_there(&self.sidecar())?;
        let on_disk = disk.size()?;
        let ranges = sidecar.and_then(|text| Ranges::parse(&text, self.file.bytes, on_disk));
        if on_disk > self.file.bytes || ranges.is_none() {
            disk.set_size(if ranges.is_some() { self.file.bytes } else { 0 })?;
        }
        let ranges = ranges.unwrap_or_else(|| Ranges::new(self.file.bytes, self.range_bytes));
        Ok(Open {
            _lock: lock,
            disk: Arc::new(disk),
            claimed: vec![false; ranges.count()],
            ranges,
            active: 0,
            hashed: 0,
            hasher: Some(self.file.digest.hasher(self.file.bytes)),
            location: None,
            whole_only: false,
            restarts: 0,
            restart_wanted: false,
            unsaved: 0,
            told: None,
        })
    }

    /// Forgets all that is there. Nobody is at work on it.
    pub(super) fn restart(&self, open: &mut Open) -> std::io::Result<()> {
        open.restart_wanted = false;
        open.disk.set_size(0)?;
        open.ranges = Ranges::new(self.file.bytes, self.range_bytes);
        open.claimed = vec![false; open.ranges.count()];
        (open.hashed, open.hasher) = (0, Some(self.file.digest.hasher(self.file.bytes)));
        (open.location, open.unsaved) = (None, 0);
        self.remove_sidecar()
    }

    /// Gives the whole file its name; it is on the disk before.
    pub(super) fn publish(&self, disk: &PositionedFile) -> Result<(), HubError> {
        disk.sync()?;
        files::rename(&self.incomplete(), &self.cache.blob(self.file.digest))?;
        sync::dir(&self.cache.blobs())?;
        self.remove_sidecar()?;
        self.point()
    }
}
