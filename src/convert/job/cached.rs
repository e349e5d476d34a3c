//! Converted models in the cache: there before, or made now by whoever converts.

use std::time::Instant;

use camino::Utf8PathBuf;

use super::JobError;
use super::conversion::Job;
use crate::convert::store::{Lookup, Made, NewModel};
use crate::io::in_use::InUse;
use crate::model::Fingerprint;

/// An entry of the cache.
pub(super) struct CachedEntry {
    /// Its directory.
    pub(super) dir: Utf8PathBuf,
    /// How long it took to make; none if it was there before.
    pub(super) seconds: Option<f64>,
    /// Kept while it is used.
    pub(super) held: InUse,
}

/// The entry of a fingerprint. If it is not there, it is made by `make`, which says when the download
/// was over.
pub(super) fn entry(
    job: &Job<'_>,
    fingerprint: Fingerprint,
    made: Made<'_>,
    make: impl FnOnce(&NewModel) -> Result<Instant, JobError>,
) -> Result<CachedEntry, JobError> {
    let Job { store, name, ui, cancel, .. } = *job;
    let dir = store.model_dir(fingerprint);
    match store.take(fingerprint) {
        (Lookup::Hit, held) => return Ok(CachedEntry { dir, seconds: None, held }),
        (Lookup::Absent, _) => {}
        (Lookup::Damaged(why), _) => {
            ui.warn(&format!("the converted model `{name}` is made again: {why}"));
        }
    }
    let waiting = || ui.status("Waiting", &format!("for another mlc-package that converts {name}"));
    let new = store.begin(fingerprint, cancel, waiting)?.ok_or(JobError::Interrupted)?;
    // Somebody else may have made it meanwhile.
    if let (Lookup::Hit, held) = store.take(fingerprint) {
        return Ok(CachedEntry { dir, seconds: None, held });
    }
    let began = make(&new)?;
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let held = new.commit(&Made { seconds, ..made })?;
    Ok(CachedEntry { dir, seconds: Some(seconds), held })
}
