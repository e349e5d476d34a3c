use std::fmt;

use serde::Serialize;

/// The format of object files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectFormat {
    /// Android's, Linux's.
    Elf,
    /// Apple's.
    MachO,
}

/// The processor that an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Processor {
    /// arm64, aarch64.
    Arm64,
    /// x86_64.
    #[serde(rename = "x86_64")]
    X86_64,
    /// Any other.
    Other,
}

/// The system that a Mach-O object says it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// iOS.
    Ios,
    /// Mac Catalyst.
    MacCatalyst,
    /// Any other, by its number in `mach-o/loader.h`.
    Other(u32),
}

impl fmt::Display for ObjectFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Elf => "ELF",
            Self::MachO => "Mach-O",
        })
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
            Self::Other => "another processor",
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ios => f.pad("iOS"),
            Self::MacCatalyst => f.pad("Mac Catalyst"),
            Self::Other(1) => f.pad("macOS"),
            Self::Other(7) => f.pad("the iOS simulator"),
            Self::Other(number) => write!(f, "platform {number}"),
        }
    }
}
