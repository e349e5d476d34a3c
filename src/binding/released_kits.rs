//! The kits that a release of `mlc-package` made. The action brings the list that was written when it
//! was released, so that a digest says which file is meant, whoever serves it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::kit::target;
use super::{BindingError, Surroundings};
use crate::io::files;
use crate::model::{Device, MacabiArch, Sha256};

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
    file: FileName,
    sha256: Sha256,
    /// Its size.
    bytes: u64,
}

/// The name of a file of a release, which is a part of an address and of a path as it is.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct FileName(String);

/// Why a text is not a [`FileName`].
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the name of a release's file")]
struct NotAFileName(String);

impl TryFrom<String> for FileName {
    type Error = NotAFileName;

    fn try_from(name: String) -> Result<Self, NotAFileName> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
        match name.bytes().all(is_plain) && !name.starts_with('.') && !name.is_empty() {
            true => Ok(Self(name)),
            false => Err(NotAFileName(name)),
        }
    }
}

/// Where the kit of a release is, and what it is.
#[derive(Debug)]
pub(super) struct Release {
    /// The address; a mirror may be a directory.
    pub(super) url: String,
    pub(super) sha256: Sha256,
    /// The size in bytes.
    pub(super) bytes: u64,
}

/// The kit that the release of this very program has for a phone; none where no list is named, or the
/// list has none.
///
/// # Errors
/// The list cannot be read.
pub(super) fn find(
    given: Surroundings<'_>,
    device: Device,
    macabi_arch: MacabiArch,
) -> Result<Option<Release>, BindingError> {
    let Some(list) = given.path(LIST_VARIABLE) else { return Ok(None) };
    let bad = |why: String| BindingError::BadKitList { list: list.clone(), why };
    let text = files::read_at_most(&list, LIMIT).map_err(|error| bad(error.to_string()))?;
    let text = text.ok_or_else(|| bad("it is too large".to_owned()))?;
    let mut versions: BTreeMap<String, BTreeMap<String, ReleasedKit>> =
        serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    let version = env!("CARGO_PKG_VERSION");
    let target = target(device, Some(macabi_arch.as_str()));
    let kit = versions.remove(version).and_then(|mut kits| kits.remove(&target));
    Ok(kit.map(|ReleasedKit { file: FileName(file), sha256, bytes }| {
        let releases = given.text(RELEASES_VARIABLE).unwrap_or(RELEASES).trim_end_matches('/');
        Release { url: format!("{releases}/v{version}/{file}"), sha256, bytes }
    }))
}
