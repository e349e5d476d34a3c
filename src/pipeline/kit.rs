//! Kits as files.

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::binding::kit_file::{self, Wanted};
use crate::binding::{BindingError, KitStore};
use crate::error::Error;
use crate::io::cancel::Cancel;
use crate::io::sha256;
use crate::model::{Device, KitInputs};
use crate::store::Lookup;

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
pub fn export_kit(request: &KitFileRequest, device: Option<Device>) -> Result<KitSummary, Error> {
    let store = KitStore::new(&request.cache_dir);
    let mut records = store.records();
    records.retain(|record| device.is_none_or(|device| device == record.device));
    records.sort_by_key(|record| std::cmp::Reverse(record.created));
    let Some(newest) = records.first() else {
        let of = device.map(|device| format!(" for {device}")).unwrap_or_default();
        return Err(Error::usage(
            format!("the cache has no kit{of}"),
            "`mlc-package build` makes one where the sources of MLC LLM are",
        ));
    };
    if let Some(other) = records.iter().find(|record| record.device != newest.device) {
        return Err(Error::usage(
            format!("the cache has kits for {} and for {}", newest.device, other.device),
            "name one with --device",
        ));
    }
    let kit = match store.hold(newest.fingerprint) {
        Lookup::Hit(kit) => *kit,
        Lookup::Miss(miss) => {
            let why = match miss {
                crate::store::Miss::Damaged(why) => why,
                crate::store::Miss::Absent => "it was removed".to_owned(),
            };
            let kit = store.path(newest.fingerprint).into_string();
            return Err(BindingError::BadKit { kit, why }.into());
        }
    };
    let (sha256, bytes) = kit_file::write(&kit, &request.file)?;
    let mut inputs = kit.record.inputs.clone();
    inputs.0.remove("kit");
    Ok(KitSummary { device: kit.record.device, inputs, bytes, sha256 })
}

/// Puts the kit of a file into the cache.
pub fn import_kit(request: &KitFileRequest, cancel: &Cancel) -> Result<KitSummary, Error> {
    let store = KitStore::new(&request.cache_dir);
    let kit = kit_file::read(&request.file, Wanted::default(), &store, cancel)?;
    let (sha256, bytes) = sha256::file(&request.file).map_err(BindingError::from)?;
    let inputs = kit.record.inputs.clone();
    Ok(KitSummary { device: kit.record.device, inputs, bytes, sha256 })
}
