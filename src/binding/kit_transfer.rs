//! What `kit export` and `kit import` do: a kit between the cache and a file.

use camino::Utf8PathBuf;
use serde::Serialize;

use super::kit_file::{self, Wanted};
use super::{BindingError, KitStore};
use crate::io::cancel::Cancel;
use crate::io::sha256;
use crate::model::{Device, KitInputs};
use crate::store::{Lookup, Miss};

/// A kit's file, and the cache that it comes from or goes to.
#[derive(Debug)]
pub struct KitFileRequest {
    /// The file, absolute.
    pub file: Utf8PathBuf,
    /// The cache.
    pub cache_dir: Utf8PathBuf,
}

/// A kit that was exported or imported.
#[derive(Debug, Serialize)]
pub struct KitSummary {
    /// The phone.
    pub device: Device,
    /// What it was made from.
    pub inputs: KitInputs,
    /// The size of its file in bytes.
    pub bytes: u64,
    /// The SHA-256 of its file, in hex.
    pub sha256: String,
}

/// Writes the newest kit of the cache, for a device, into a file.
///
/// # Errors
/// The cache has no kit, or those of several devices and none is named; or the file cannot be written.
pub fn export(
    request: &KitFileRequest,
    device: Option<Device>,
) -> Result<KitSummary, BindingError> {
    let store = KitStore::new(&request.cache_dir);
    let mut records = store.records();
    records.retain(|record| device.is_none_or(|device| device == record.device));
    records.sort_by_key(|record| std::cmp::Reverse(record.created));
    let Some(newest) = records.first() else {
        return Err(BindingError::NoKit(device));
    };
    if let Some(other) = records.iter().find(|record| record.device != newest.device) {
        return Err(BindingError::SeveralKits(newest.device, other.device));
    }
    let kit = match store.hold(newest.fingerprint) {
        Lookup::Hit(kit) => *kit,
        Lookup::Miss(miss) => {
            let why = match miss {
                Miss::Damaged(why) => why,
                Miss::Absent => "it was removed".to_owned(),
            };
            let kit = store.path(newest.fingerprint).into_string();
            return Err(BindingError::BadKit { kit, why });
        }
    };
    let (sha256, bytes) = kit_file::write(&kit, &request.file)?;
    let mut inputs = kit.record.inputs.clone();
    inputs.0.remove("kit");
    Ok(KitSummary { device: kit.record.device, inputs, bytes, sha256 })
}

/// Puts the kit of a file into the cache.
///
/// # Errors
/// The file is no kit, or the cache cannot be written to.
pub fn import(request: &KitFileRequest, cancel: &Cancel) -> Result<KitSummary, BindingError> {
    let store = KitStore::new(&request.cache_dir);
    let kit = kit_file::read(&request.file, Wanted::default(), &store, cancel)?;
    let (sha256, bytes) = sha256::file(&request.file)?;
    let inputs = kit.record.inputs.clone();
    Ok(KitSummary { device: kit.record.device, inputs, bytes, sha256 })
}
