use std::str::FromStr;

use super::policy::{UnknownChoice, choose};

/// `--linker`: what links the library of an Android package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkerChoice {
    /// `lld`, else `rust-lld`.
    #[default]
    Auto,
    /// LLVM's: the NDK's where one is named, else that of `PATH`.
    Lld,
    /// The same linker as Rust's toolchains have it.
    RustLld,
    /// `wild` of `PATH`: quicker, and without lld's way around an erratum of Cortex-A53.
    Wild,
}

impl LinkerChoice {
    /// The words for it, in the order of the variants.
    pub const WORDS: &str = "auto, lld, rust-lld, wild";
}

impl FromStr for LinkerChoice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(text, Self::WORDS, [Self::Auto, Self::Lld, Self::RustLld, Self::Wild])
    }
}
