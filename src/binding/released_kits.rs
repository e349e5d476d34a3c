//! The kits that a release of `mlc-package` made. The action brings the list that was written when it
//! was released, so that a digest says which file is meant, whoever serves it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{BindingError, Surroundings};
use crate::io::files;
use crate::model::{Device, MacabiArch};

/// Names the list: a JSON object, by versions of `mlc-package`, of objects, by targets
/// (`android`, `iphone`, `macabi-arm64`), of [`ReleasedKit`]s.
const LIST_VARIABLE: &str = "MLC_PACKAGE_RELEASE_KITS";
/// Names a mirror of the releases.
const RELEASES_VARIABLE: &str = "MLC_PACKAGE_RELEASES_URL";
const RELEASES: &str = "https://github.com/mlc-package/mlc-package/releases/download";
/// The most that is read of a list, in bytes.
const LIMIT: u64 = 16 << 20;

/// A kit among the files of a release.
#[derive(Debug, Deserialize)]
struct ReleasedKit {
    file: String,
    sha256: String,
}

/// The address of the kit that the release of this very program has for a phone, and its SHA-256 in
/// hex; none where no list is named, or the list has none.
///
/// # Errors
/// The list cannot be read.
pub(super) fn find(
    given: Surroundings<'_>,
    device: Device,
    macabi_arch: MacabiArch,
) -> Result<Option<(String, String)>, BindingError> {
    let Some(list) = given.path(LIST_VARIABLE) else { return Ok(None) };
    let bad = |why: String| BindingError::BadKitList { list: list.clone(), why };
    let text = files::read_at_most(&list, LIMIT).map_err(|error| bad(error.to_string()))?;
    let text = text.ok_or_else(|| bad("it is too large".to_owned()))?;
    let mut versions: BTreeMap<String, BTreeMap<String, ReleasedKit>> =
        serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    let version = env!("CARGO_PKG_VERSION");
    let target = match device {
        Device::Macabi => format!("{device}-{macabi_arch}"),
        Device::Android | Device::Iphone => device.to_string(),
    };
    let kit = versions.remove(version).and_then(|mut kits| kits.remove(&target));
    Ok(kit.map(|ReleasedKit { file, sha256 }| {
        let releases = given.text(RELEASES_VARIABLE).unwrap_or(RELEASES).trim_end_matches('/');
        (format!("{releases}/v{version}/{file}"), sha256.to_ascii_lowercase())
    }))
}
