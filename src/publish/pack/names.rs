//! Names of assets. GitHub changes characters that it does not like: we use none of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::model::{self, Device, Digest, ModelId};

/// The longest part of an asset's name that comes from a model.
const LONGEST: usize = 100;

/// Why a text is no name of an asset.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a valid asset name: letters, digits, `.`, `-` and `_`, not beginning with `.` or \
     `-`, at most {1} of them"
)]
pub struct NotAName(String, usize);

/// What the names of a package's assets begin with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PackageName(String);

/// The name of an asset: of one file, in any directory and on any system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AssetName(String);

impl PackageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AssetName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The archive of the library, the app's config and the manifest.
    pub(super) fn library(package: &PackageName, device: Device, extension: &str) -> Self {
        Self(format!("{}-{device}-lib.{extension}", package.0))
    }

    /// The archive of a bundled model.
    pub(super) fn model(
        package: &PackageName,
        device: Device,
        model_id: &ModelId,
        extension: &str,
    ) -> Self {
        Self(format!("{}-{device}-{}.{extension}", package.0, model_part(model_id)))
    }

    /// The list of a package's assets.
    pub(super) fn assets(package: &PackageName, device: Device) -> Self {
        Self(format!("{}-{device}{}", package.0, super::assets::SUFFIX))
    }

    /// A part of an archive that is too large for one asset; the first has number 1.
    pub(super) fn part(&self, number: usize) -> Self {
        Self(format!("{}.part{number:02}", self.0))
    }

    /// The digests of the others.
    pub(super) fn sums() -> Self {
        Self(super::sums::FILE_NAME.to_owned())
    }
}

/// A model's part of an asset's name: its id, or something like it that is as unmistakable.
fn model_part(model_id: &ModelId) -> String {
    let id = model_id.as_str();
    let plain = is_plain(id, LONGEST) && !id.eq_ignore_ascii_case("lib");
    if plain {
        return id.to_owned();
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let like: String = id.chars().take(LONGEST).map(|c| if fits(c) { c } else { '.' }).collect();
    let mut print = Digest::of(id.as_bytes()).to_hex();
    print.truncate(8);
    format!("{like}-{print}")
}

fn is_plain(text: &str, longest: usize) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    !text.is_empty()
        && text.len() <= longest
        && !text.starts_with(['.', '-'])
        && text.bytes().all(fits)
}

impl FromStr for PackageName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let good = is_plain(text, LONGEST);
        good.then(|| Self(text.to_owned())).ok_or_else(|| NotAName(text.to_owned(), LONGEST))
    }
}

impl FromStr for AssetName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let good = is_plain(text, 255);
        good.then(|| Self(text.to_owned())).ok_or_else(|| NotAName(text.to_owned(), 255))
    }
}

impl From<&model::PackageName> for PackageName {
    /// A project's packages have names that may begin those of assets.
    fn from(name: &model::PackageName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for AssetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for PackageName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for AssetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{AssetName, Device, PackageName, model};

    #[test]
    fn a_models_asset_has_a_name_that_stays_what_it_is() {
        let package: PackageName = "chat".parse().unwrap();
        let name = |id: &str| {
            AssetName::model(&package, Device::Android, &id.parse().unwrap(), "tar.zst").to_string()
        };
        assert_eq!(name("Qwen3-0.6B-q0f16-MLC"), "chat-android-Qwen3-0.6B-q0f16-MLC.tar.zst");
        assert_eq!(name("my model"), "chat-android-my.model-906ce4d3.tar.zst");
        // Neither the library's archive, nor each other's.
        let names = ["lib", "LIB", "my model", "my.model", "my~model", &"x".repeat(200)].map(name);
        for (index, name) in names.iter().enumerate() {
            assert_eq!(&name.parse::<AssetName>().unwrap().to_string(), name);
            assert!(!names[..index].contains(name) && !name.ends_with("android-lib.tar.zst"));
        }
    }

    #[test]
    fn a_projects_name_is_one_of_assets() {
        for text in ["a", "9", "MLCChat-1.2_a", &"x".repeat(model::PackageName::MAX_BYTES)] {
            let name = PackageName::from(&text.parse::<model::PackageName>().unwrap());
            assert_eq!(text.parse(), Ok(name));
        }
    }

    #[test]
    fn what_is_no_file_name_everywhere_is_no_asset() {
        for text in ["", ".", "..", "a/b", "a\\b", "../a", ".a", "-a", "a b", "ä", "a\0", "C:x"] {
            assert!(text.parse::<AssetName>().is_err(), "{text:?}");
            assert!(text.parse::<PackageName>().is_err(), "{text:?}");
        }
        assert!("x".repeat(256).parse::<AssetName>().is_err());
    }
}
