use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{UnknownChoice, choose};

/// The phone (or Mac Catalyst) a package is built for: the config's `device`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// iOS on arm64.
    Iphone,
    /// Mac Catalyst.
    Macabi,
    /// Android on arm64.
    Android,
}

impl Device {
    /// Every device, in upstream's order.
    pub const ALL: [Self; 3] = [Self::Iphone, Self::Macabi, Self::Android];

    /// The name in configs and on the compiler's command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iphone => "iphone",
            Self::Macabi => "macabi",
            Self::Android => "android",
        }
    }

    /// The file name of the combined static archive in `dist/lib/`. Mac Catalyst shares
    /// iPhone's, as upstream has it.
    pub const fn archive_name(self) -> &'static str {
        match self {
            Self::Iphone | Self::Macabi => "libmodel_iphone.a",
            Self::Android => "libmodel_android.a",
        }
    }

    /// Whether the app is an Apple app.
    pub const fn is_apple(self) -> bool {
        matches!(self, Self::Iphone | Self::Macabi)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A device name that is none of [`Device::ALL`].
#[derive(Debug, thiserror::Error)]
#[error("unknown device {0:?}: expected android, iphone or macabi")]
pub struct UnknownDevice(pub String);

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        Self::ALL
            .into_iter()
            .find(|device| device.as_str() == text)
            .ok_or_else(|| UnknownDevice(text.to_owned()))
    }
}

/// The processor of a Mac Catalyst build: `MLC_MACABI_ARCH`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MacabiArch {
    /// Apple silicon.
    #[default]
    Arm64,
    /// Intel.
    #[serde(rename = "x86_64")]
    X86_64,
}

impl MacabiArch {
    /// The name in `MLC_MACABI_ARCH`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }
}

impl FromStr for MacabiArch {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        choose(text, "arm64, x86_64", [Self::Arm64, Self::X86_64])
    }
}

impl fmt::Display for MacabiArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
