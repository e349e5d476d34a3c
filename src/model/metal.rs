use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{UnknownChoice, choose};

/// How the kernels of a library for Apple's GPUs are stored. Without a meaning for other devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metal {
    /// Compiled by `xcrun metal`, on a Mac.
    #[default]
    Metallib,
    /// Metal source, which the phone compiles at each kernel's first call.
    Source,
}

impl Metal {
    /// What a person should know about source.
    pub const SOURCE_NOTE: &str = "Metal source: the phone compiles each kernel at its first call";

    /// Whether it is what upstream stores.
    pub(super) fn is_metallib(&self) -> bool {
        *self == Self::Metallib
    }
}

impl fmt::Display for Metal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Metallib => "metallib",
            Self::Source => "source",
        })
    }
}

/// `--metal`: how kernels for Apple's GPUs are to be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetalChoice {
    /// As a metallib where `xcrun metal` runs, else as source.
    #[default]
    Auto,
    /// As a metallib, or not at all.
    Metallib,
    /// As source.
    Source,
}

impl MetalChoice {
    /// The words for it, in the order of the variants.
    pub const WORDS: &str = "auto, metallib, source";
}

impl FromStr for MetalChoice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(text, Self::WORDS, [Self::Auto, Self::Metallib, Self::Source])
    }
}

#[cfg(test)]
mod tests {
    use super::MetalChoice;

    #[test]
    fn the_words_are_read_as_they_are_listed() {
        assert_eq!("auto".parse(), Ok(MetalChoice::Auto));
        assert_eq!("metallib".parse(), Ok(MetalChoice::Metallib));
        assert_eq!("source".parse(), Ok(MetalChoice::Source));
        let why = "Source".parse::<MetalChoice>().unwrap_err().to_string();
        assert_eq!(why, "expected one of auto, metallib, source, not \"Source\"");
    }
}
