//! Converted models in the cache: there before, or made now by whoever converts.

use std::io;
use std::time::Instant;

use camino::Utf8PathBuf;

use super::JobError;
use super::conversion::Job;
use crate::convert::record::NewModel;
use crate::convert::weights::WeightsError;
use crate::convert::{ConvertError, ConvertedRecord, ConvertedStore};
use crate::io::in_use::InUse;
use crate::io::positioned::is_full;
use crate::store::{Lookup, Miss};

/// An entry of the cache.
pub(super) struct CachedEntry {
    /// The model directory.
    pub(super) dir: Utf8PathBuf,
    /// How long it took to make; none if it was there before.
    pub(super) seconds: Option<f64>,
    /// Kept while it is used.
    pub(super) held: InUse,
}

/// The entry of a record. If it is not there, it is made by `make`, which says when the download was
/// over.
pub(super) fn entry(
    job: &Job<'_>,
    record: ConvertedRecord,
    make: impl FnOnce(&NewModel) -> Result<Instant, JobError>,
) -> Result<CachedEntry, JobError> {
    let Job { store, name, ui, cancel, .. } = *job;
    let fingerprint = record.fingerprint;
    match store.hold(fingerprint) {
        Lookup::Hit(stored) => {
            return Ok(CachedEntry { dir: stored.model_dir(), seconds: None, held: stored.in_use });
        }
        Lookup::Miss(Miss::Absent) => {}
        Lookup::Miss(Miss::Damaged(why)) => {
            ui.warn(&format!("the converted model `{name}` is made again: {why}"));
        }
    }
    let waiting =
        |_: &_| ui.status("Waiting", &format!("for another mlc-package that converts {name}"));
    let new = store.begin(fingerprint, cancel, waiting).map_err(ConvertError::from)?;
    let new = new.ok_or(JobError::Interrupted)?;
    // Somebody else may have made it meanwhile.
    if let Lookup::Hit(stored) = store.hold(fingerprint) {
        return Ok(CachedEntry { dir: stored.model_dir(), seconds: None, held: stored.in_use });
    }
    let began = make(&new).map_err(|error| of_store(error, store))?;
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let stored = new.keep(ConvertedRecord { seconds, ..record }).map_err(ConvertError::from)?;
    Ok(CachedEntry { dir: stored.model_dir(), seconds: Some(seconds), held: stored.in_use })
}

/// What went wrong where the result goes went wrong in the cache: a full disk under it is one cause,
/// whoever writes.
fn of_store(error: JobError, store: &ConvertedStore) -> JobError {
    let full = |source| ConvertError::from(store.error(source)).into();
    match error {
        JobError::Weights(error) => match *error {
            WeightsError::Output(source) if is_full(&source) => full(source),
            error @ WeightsError::NoRoom { .. } => {
                full(io::Error::new(io::ErrorKind::StorageFull, error.to_string()))
            }
            error => error.into(),
        },
        JobError::Convert(ConvertError::Write(source)) | JobError::Io(source)
            if is_full(&source) =>
        {
            full(source)
        }
        error => error,
    }
}
