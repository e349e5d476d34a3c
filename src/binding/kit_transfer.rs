//! What `kit build`, `kit export` and `kit import` do: a kit between sources, the cache and a file.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::kit::{mark_imported, target};
use super::kit_file::{self, Wanted};
use super::obtain::Binder;
use super::planned::{self, BindingOptions, PackageBinding};
use super::{BindingError, Built, Kit, KitFault, KitRecord, KitStore};
use crate::io::cancel::Cancel;
use crate::io::environment::Environment;
use crate::io::marked::MarkedDir;
use crate::io::{atomic, files};
use crate::library::write_archive;
use crate::model::{Device, KitChoice, KitInputs, LinkMode, MacabiArch, Sha256};
use crate::store::{Lookup, Miss};
use crate::ui::Ui;

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
    /// The SHA-256 of its file.
    pub sha256: Sha256,
}

/// A kit that is to be built without a package.
#[derive(Debug)]
pub struct KitBuildRequest {
    /// The phone.
    pub device: Device,
    /// The processor of Mac Catalyst.
    pub macabi_arch: MacabiArch,
    /// The Python that runs MLC LLM's script for Android, as the user names it.
    pub python: Option<String>,
    /// How it is built.
    pub options: BindingOptions,
    /// The file to write, absolute, and the cache.
    pub place: KitFileRequest,
    /// The variables and the working directory of this process.
    pub environment: Environment,
}

/// Builds a kit from sources, unless the cache has it, and writes it into a file.
///
/// # Errors
/// What a build of the binding fails with; or the file cannot be written.
pub fn build(
    request: &KitBuildRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<KitSummary, BindingError> {
    let options = BindingOptions { kit: KitChoice::Source, ..request.options.clone() };
    let binding = PackageBinding {
        environment: &request.environment,
        cache_dir: &request.place.cache_dir,
        python: request.python.as_deref(),
        macabi_arch: request.macabi_arch,
        offline: false,
        options: Some(&options),
        read_first: true,
    };
    let device = request.device;
    let Some((_, Some(prepared))) = planned::prepare(&binding, device, true, ui, cancel)? else {
        return Err(BindingError::Unkeepable("nothing was to be built".to_owned()));
    };
    // MLC LLM's script links the models of a package too: here there are none.
    let cache_dir = &request.place.cache_dir;
    files::create_dir_all(cache_dir)?;
    let space = MarkedDir::new_in(cache_dir, ".mlc-package-models-")?;
    let models = space.path().join(device.archive_name());
    let mut archive = std::io::Cursor::new(Vec::new());
    write_archive(device, &[], &mut archive)?;
    atomic::write_unsynced(&models, archive.get_ref())?;
    let (mode, archive) = (LinkMode::Auto, Utf8Path::new(""));
    let binder =
        Binder { request: binding, prepared: &prepared, mode, archive, linked: &[], ui, cancel };
    match binder.kit(&models)? {
        Built::Kit { kit, .. } => write(&kit, &request.place),
        Built::NoKit { why, .. } => Err(BindingError::Unkeepable(why)),
    }
}

/// Writes the newest kit of the cache, for a device and a processor of Mac Catalyst, into a file.
///
/// # Errors
/// The cache has no kit, or those for several targets and none is named; or the file cannot be written.
pub fn export(
    request: &KitFileRequest,
    device: Option<Device>,
    macabi_arch: Option<MacabiArch>,
) -> Result<KitSummary, BindingError> {
    let store = KitStore::new(&request.cache_dir);
    let mut records = store.records();
    let arch = macabi_arch.map(MacabiArch::as_str);
    records.retain(|record| {
        let is_arch = || record.device != Device::Macabi || record.macabi_arch() == arch;
        device.is_none_or(|device| device == record.device) && (arch.is_none() || is_arch())
    });
    records.sort_by_key(|record| std::cmp::Reverse(record.created));
    let Some(newest) = records.first() else {
        return Err(BindingError::NoKit(device.map(|device| target(device, arch))));
    };
    let mut targets = records.iter().map(KitRecord::target);
    if let Some(other) = targets.find(|other| *other != newest.target()) {
        return Err(BindingError::SeveralKits(newest.target(), other));
    }
    let kit = match store.hold(newest.fingerprint) {
        Lookup::Hit(kit) => *kit,
        Lookup::Miss(miss) => {
            let why = match miss {
                Miss::Damaged(why) => why.to_string(),
                Miss::Absent => "it was removed".to_owned(),
            };
            let kit = store.path(newest.fingerprint).into_string();
            return Err(BindingError::BadKit { kit, fault: KitFault::Spoilt(why) });
        }
    };
    write(&kit, request)
}

/// Writes a kit into a file, and says what it is.
fn write(kit: &Kit, place: &KitFileRequest) -> Result<KitSummary, BindingError> {
    let (sha256, bytes) = kit_file::write(kit, &place.file)?;
    let mut inputs = kit.record.inputs.clone();
    inputs.0.remove(KitInputs::FILE);
    Ok(KitSummary { device: kit.record.device, inputs, bytes, sha256 })
}

/// Puts the kit of a file into the cache, where builds that name no kit find it.
///
/// # Errors
/// The file is no kit, or the cache cannot be written to.
pub fn import(request: &KitFileRequest, cancel: &Cancel) -> Result<KitSummary, BindingError> {
    let store = KitStore::new(&request.cache_dir);
    let bad = |fault| BindingError::BadKit { kit: request.file.to_string(), fault };
    let sha256 = kit_file::digest(&request.file).map_err(bad)?;
    let kit = match store.hold(kit_file::fingerprint(sha256)) {
        Lookup::Hit(kit) => *kit,
        Lookup::Miss(_) => {
            let wanted = Wanted { sha256: Some(sha256), target: None };
            kit_file::read(&request.file, wanted, &store, cancel)?
        }
    };
    mark_imported(&kit.dir).map_err(|error| store.error(error))?;
    let bytes = files::size(&request.file).map_err(KitFault::Unreadable).map_err(bad)?;
    let inputs = kit.record.inputs.clone();
    Ok(KitSummary { device: kit.record.device, inputs, bytes, sha256 })
}
