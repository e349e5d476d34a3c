use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

/// `MLC_JIT_POLICY`: when model libraries may be compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JitPolicy {
    /// What the cache does not hold is compiled.
    #[default]
    On,
    /// An error if any library would have to be compiled, the cache being left out too.
    Off,
    /// Everything is compiled again.
    Redo,
    /// An error if the cache lacks a library.
    ReadOnly,
}

/// `MLC_DOWNLOAD_CACHE_POLICY`: when models of the hub may be downloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DownloadPolicy {
    /// What no cache holds is downloaded.
    #[default]
    On,
    /// An error for any model of the hub, the caches being left out too.
    Off,
    /// What was downloaded before is downloaded again.
    Redo,
    /// An error if the caches lack a model.
    ReadOnly,
}

/// How weights get from a model directory into `dist/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkMode {
    /// The first of the others that the file system can do.
    #[default]
    Auto,
    /// Copy on write.
    Reflink,
    /// A second name for the same bytes.
    Hardlink,
    /// The bytes twice.
    Copy,
}

/// `--check-kernels`: which libraries' kernels are compiled by clang before they ship.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckKernels {
    /// Those that were just compiled, where there is a clang that can.
    #[default]
    Auto,
    /// None.
    Never,
    /// All whose kernels were not checked before; without a clang that can, nothing is built.
    Always,
}

impl CheckKernels {
    /// The words for it, in the order of the variants.
    pub const WORDS: &str = "auto, never, always";
}

impl FromStr for CheckKernels {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(text, Self::WORDS, [Self::Auto, Self::Never, Self::Always])
    }
}

/// A word that names none of the choices.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {expected}, not {found:?}")]
pub struct UnknownChoice {
    expected: &'static str,
    found: String,
}

/// The value whose word, of `words` in the same order, is the text.
pub(super) fn choose<T, const N: usize>(
    text: &str,
    words: &'static str,
    values: [T; N],
) -> Result<T, UnknownChoice> {
    let mut choices = words.split(", ").zip(values);
    let chosen = choices.find(|(word, _)| *word == text).map(|(_, value)| value);
    chosen.ok_or_else(|| UnknownChoice { expected: words, found: text.to_owned() })
}

impl FromStr for JitPolicy {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(text, "ON, OFF, REDO, READONLY", [Self::On, Self::Off, Self::Redo, Self::ReadOnly])
    }
}

impl fmt::Display for JitPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "ON",
            Self::Off => "OFF",
            Self::Redo => "REDO",
            Self::ReadOnly => "READONLY",
        })
    }
}

impl FromStr for DownloadPolicy {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(text, "ON, OFF, REDO, READONLY", [Self::On, Self::Off, Self::Redo, Self::ReadOnly])
    }
}

impl FromStr for LinkMode {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(
            text,
            "auto, reflink, hardlink, copy",
            [Self::Auto, Self::Reflink, Self::Hardlink, Self::Copy],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{DownloadPolicy, JitPolicy, LinkMode};

    #[test]
    fn every_word_is_its_value_and_others_are_refused() {
        assert_eq!("READONLY".parse(), Ok(JitPolicy::ReadOnly));
        assert_eq!("REDO".parse(), Ok(DownloadPolicy::Redo));
        for policy in [JitPolicy::On, JitPolicy::Off, JitPolicy::Redo, JitPolicy::ReadOnly] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.to_string());
        }
        assert_eq!("hardlink".parse(), Ok(LinkMode::Hardlink));
        assert_eq!(
            "on".parse::<JitPolicy>().unwrap_err().to_string(),
            "expected one of ON, OFF, REDO, READONLY, not \"on\""
        );
        assert!("Auto".parse::<LinkMode>().is_err());
    }
}
