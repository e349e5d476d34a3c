use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{UnknownChoice, choose};
use super::{
    ArtifactSettings, Budget, Budgets, CheckKernels, ImageName, KitChoice, MetalChoice, ModelId,
    PackageBudgets, Revision, TrySettings,
};

/// A `mlc-package.yml` that has passed every check of `config::project`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Project {
    /// The packages, in the file's order. Their names are unique.
    pub packages: Vec<ProjectPackage>,
    /// The limits of their sizes.
    pub budgets: Budgets,
    /// What is published, and how.
    pub publish: PublishSettings,
}

/// One package of a project. Its paths are inside the project, and begin with the directory that
/// `mlc-package.yml` was found in: they can be opened as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectPackage {
    /// Its name in reports and in the names of release assets.
    pub name: PackageName,
    /// Its `mlc-package-config.json`.
    pub config: Utf8PathBuf,
    /// Its `dist/`.
    pub output: Utf8PathBuf,
    /// The sources of MLC LLM.
    pub source_dir: Option<Utf8PathBuf>,
    /// The image that has the compiler.
    pub compiler_image: Option<ImageName>,
    /// How kernels for Apple's GPUs are to be stored.
    pub metal: Option<MetalChoice>,
    /// Where the kit of its platform binding comes from.
    pub kit: Option<KitChoice>,
    /// Which libraries' kernels are checked.
    pub check_kernels: Option<CheckKernels>,
    /// What is made for apps to depend on.
    pub artifact: ArtifactSettings,
    /// What its models are asked when it is built; none if they are not tried.
    pub trial: Option<TrySettings>,
    /// Its own limits.
    pub budget: Budget,
    /// The limits of its models that are named.
    pub model_budgets: BTreeMap<ModelId, Budget>,
}

impl Project {
    /// The limits that hold for a package; without one, those of every package.
    pub fn budgets_of(&self, package: Option<&ProjectPackage>) -> PackageBudgets {
        PackageBudgets {
            package: package
                .map(|package| package.budget)
                .unwrap_or_default()
                .or(self.budgets.package),
            models: package.map(|package| package.model_budgets.clone()).unwrap_or_default(),
            any_model: self.budgets.model,
        }
    }
}

/// What `publish` does unless the command line says otherwise. What the file leaves out is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublishSettings {
    /// The release's tag.
    pub tag: Option<Revision>,
    /// Whether the release stays a draft.
    pub draft: Option<bool>,
    /// Whether it is a prerelease.
    pub prerelease: Option<bool>,
    /// How archives are compressed.
    pub compression: Option<ArchiveCompression>,
    /// Whether bundled weights are assets too.
    pub weights: Option<bool>,
    /// When a pull request gets a comment about the release.
    pub comment: Option<CommentPolicy>,
    /// Whether a check run is made of the release.
    pub check: Option<bool>,
}

/// How the archives of a release are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveCompression {
    /// `.tar.zst`
    #[default]
    Zstd,
    /// `.tar.gz`
    Gzip,
}

impl FromStr for ArchiveCompression {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(text, "zstd, gzip", [Self::Zstd, Self::Gzip])
    }
}

/// When a pull request gets a comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CommentPolicy {
    /// Never.
    #[default]
    Never,
    /// When there is something new to say.
    OnChange,
    /// Always.
    Always,
}

impl FromStr for CommentPolicy {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(text, "never, on-change, always", [Self::Never, Self::OnChange, Self::Always])
    }
}

/// The name of a package: letters, digits, `.`, `_` and `-`, so that it is fit to begin the name
/// of a file or of a release asset on any server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PackageName(String);

/// Why a text cannot name a package.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a package's name has 1 to {} of a-z A-Z 0-9 . _ - and begins with a letter or digit",
    PackageName::MAX_BYTES
)]
pub struct PackageNameError;

impl PackageName {
    /// The most bytes that one has.
    pub const MAX_BYTES: usize = 64;

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageName {
    type Err = PackageNameError;

    fn from_str(text: &str) -> Result<Self, PackageNameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !starts_well || text.len() > Self::MAX_BYTES || !text.bytes().all(allowed) {
            return Err(PackageNameError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::PackageName;

    #[test]
    fn a_name_is_fit_to_begin_the_name_of_a_file() {
        for good in ["android", "MLCChat-1.2_a", "9"] {
            assert!(good.parse::<PackageName>().is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad}");
        }
    }
}
