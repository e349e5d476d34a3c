//! Converted models in the cache: there before, or made now by whoever converts.

use std::time::Instant;

use camino::Utf8PathBuf;

use crate::convert::store::{ConvertedStore, Lookup, Made, NewModel};
use crate::error::Error;
use crate::io::cancel::Cancel;
use crate::io::in_use::InUse;
use crate::model::Fingerprint;
use crate::ui::Ui;

/// An entry of the cache.
pub(crate) struct InCache {
    /// Its directory.
    pub(crate) dir: Utf8PathBuf,
    /// How long it took to make; none if it was there before.
    pub(crate) seconds: Option<f64>,
    /// Kept while it is used.
    pub(crate) held: InUse,
}

/// The entry of a fingerprint; `name` is what is shown of it. If it is not there, it is made by
/// `make`, which says when the download was over.
pub(crate) fn have(
    store: &ConvertedStore,
    fingerprint: Fingerprint,
    (name, made): (&str, Made<'_>),
    ui: &Ui,
    cancel: &Cancel,
    make: impl FnOnce(&NewModel) -> Result<Instant, Error>,
) -> Result<InCache, Error> {
    let dir = store.model_dir(fingerprint);
    match store.take(fingerprint) {
        (Lookup::Hit, held) => return Ok(InCache { dir, seconds: None, held }),
        (Lookup::Absent, _) => {}
        (Lookup::Damaged(why), _) => {
            ui.warn(&format!("the converted model `{name}` is made again: {why}"));
        }
    }
    let waiting = || ui.status("Waiting", &format!("for another mlc-package that converts {name}"));
    let new = store.begin(fingerprint, cancel, waiting)?.ok_or(Error::Interrupted)?;
    // Somebody else may have made it meanwhile.
    if let (Lookup::Hit, held) = store.take(fingerprint) {
        return Ok(InCache { dir, seconds: None, held });
    }
    let began = make(&new)?;
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let held = new.commit(&Made { seconds, ..made })?;
    Ok(InCache { dir, seconds: Some(seconds), held })
}
