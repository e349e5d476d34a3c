use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Device;

/// What one library is compiled for: any `--device` of `mlc_llm compile`. A package is for a
/// [`Device`]; this is more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target(String);

/// Why a text names no target.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing that upstream or TVM knows.
    #[error("unknown device `{0:.80}`; known are {known}, and TVM's targets", known = Target::KNOWN.join(", "))]
    Unknown(String),
    /// Longer than any target.
    #[error("a device has at most 4096 characters")]
    TooLong,
    /// Control characters.
    #[error("a device has no control characters")]
    Control,
}

/// The kinds of library, by the suffix of the file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum LibraryFormat {
    /// Objects, to be linked.
    #[default]
    Tar,
    /// Objects, for Windows.
    Lib,
    /// A shared library of Linux or Android.
    So,
    /// A shared library of macOS.
    Dylib,
    /// A shared library of Windows.
    Dll,
    /// WebAssembly.
    Wasm,
}

/// What TVM compiles kernels for.
const KINDS: [&str; 8] = ["cuda", "rocm", "metal", "vulkan", "opencl", "cpu", "llvm", "webgpu"];
/// Upstream asks the machine about these alone.
const ASKED: usize = 7;
/// Targets whose host, the processor, is part of the name.
const WITH_HOST: [&str; 6] = ["iphone", "macabi", "android", "windows", "webgpu", "mali"];

impl Target {
    /// The names that upstream knows (`support/auto_target.py`, `auto_device.py`).
    pub const KNOWN: [&'static str; 20] = [
        "auto",
        "cuda",
        "rocm",
        "metal",
        "vulkan",
        "opencl",
        "cpu",
        "iphone",
        "macabi",
        "android",
        "webgpu",
        "mali",
        "android:generic",
        "android:adreno",
        "android:adreno-so",
        "windows:adreno_x86",
        "metal:x86-64",
        "metal:generic",
        "vulkan:generic",
        "opencl:generic",
    ];

    /// The name on the compiler's command line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The phone that packages are built for, if it is one.
    pub fn device(&self) -> Option<Device> {
        self.0.parse().ok()
    }

    /// Whether Xcode's tools take part.
    pub fn is_apple(&self) -> bool {
        self.may_be("metal") || self.is("iphone") || self.is("macabi")
    }

    /// Whether the machine's processor is what host code is compiled for, unless it is named.
    pub fn is_for_this_host(&self) -> bool {
        !WITH_HOST.iter().any(|kind| self.is(kind))
    }

    /// Whether the machine's GPU is what kernels are compiled for.
    pub fn is_for_this_gpu(&self) -> bool {
        let (kind, index) = self.0.split_once(':').unwrap_or((&self.0, "0"));
        kind == "auto"
            || KINDS[..ASKED].contains(&kind)
                && !index.is_empty()
                && index.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether the target is of a kind: `cuda:0` and `cuda -arch=sm_80` are of `cuda`.
    pub fn is(&self, kind: &str) -> bool {
        let rest = self.0.strip_prefix(kind);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    }

    /// Whether the target is of a kind, or only TVM knows of which it is: `auto`, a tag, JSON.
    pub fn may_be(&self, kind: &str) -> bool {
        self.is(kind) || self.0 == "auto" || self.0.contains(['/', '{'])
    }

    /// The formats that upstream writes for this target, the usual one first.
    pub fn formats(&self) -> &'static [LibraryFormat] {
        use LibraryFormat::{Dll, Dylib, Lib, So, Tar, Wasm};
        match &*self.0 {
            "android:adreno-so" => &[So],
            "metal:x86-64" => &[Dylib],
            _ if self.is("windows") => &[Dll, Lib, Tar, So, Dylib],
            _ if self.is("mali") => &[So],
            _ if self.is("webgpu") => &[Wasm],
            _ if self.is("iphone") || self.is("macabi") || self.is("android") => &[Tar],
            _ => &[So, Tar, Dylib, Dll, Lib],
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.len() > 4096 {
            return Err(TargetError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(TargetError::Control);
        }
        let target = Self(text.to_owned());
        // TVM's own: JSON, a tag such as `nvidia/geforce-rtx-4090`, a kind with an index or options.
        let tag = text.split_once('/').is_some_and(|(vendor, model)| {
            let name = |text: &str| {
                !text.is_empty()
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
            };
            name(vendor) && name(model) && !text.starts_with(['-', '/', '.'])
        });
        let own = text.starts_with('{') && text.ends_with('}')
            || tag
            || target.is_for_this_gpu()
            || KINDS.iter().any(|kind| {
                text.strip_prefix(kind).is_some_and(|options| options.starts_with(" -"))
            });
        // `iphone` is short for `iphone:generic`.
        let preset = text.strip_suffix(":generic").unwrap_or(text);
        if own || Self::KNOWN.contains(&text) || WITH_HOST.contains(&preset) && preset != "windows"
        {
            Ok(target)
        } else {
            Err(TargetError::Unknown(target.0))
        }
    }
}

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.0
    }
}

impl From<super::TryDevice> for Target {
    fn from(device: super::TryDevice) -> Self {
        Self(device.as_str().to_owned())
    }
}

impl From<Device> for Target {
    fn from(device: Device) -> Self {
        Self(device.as_str().to_owned())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl LibraryFormat {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Tar, Self::Lib, Self::So, Self::Dylib, Self::Dll, Self::Wasm];

    /// The format of a file name's suffix.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.suffix() == suffix)
    }

    /// The suffix of its files, without the dot.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::Lib => "lib",
            Self::So => "so",
            Self::Dylib => "dylib",
            Self::Dll => "dll",
            Self::Wasm => "wasm",
        }
    }

    /// Whether it is [`Tar`](Self::Tar).
    pub fn is_tar(&self) -> bool {
        *self == Self::Tar
    }
}

#[cfg(test)]
mod tests {
    use super::{LibraryFormat, Target};

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn what_upstream_and_tvm_know_is_a_target() {
        for name in Target::KNOWN {
            assert_eq!(target(name).to_string(), name);
        }
        for name in [
            "cuda:1",
            "cuda -arch=sm_80",
            "nvidia/geforce-rtx-4090",
            r#"{"kind": "vulkan", "max_num_threads": 256}"#,
            "llvm -mcpu=x86-64-v3",
        ] {
            target(name);
        }
        for name in
            ["", "cudda", "--help", "cuda;rm", "/etc/passwd", "cuda:x", "cuda:", "android:", "a\nb"]
        {
            assert!(name.parse::<Target>().is_err(), "{name}");
        }
        let why = "cudda".parse::<Target>().unwrap_err().to_string();
        assert!(why.starts_with("unknown device `cudda`; known are auto, cuda, "), "{why}");
    }

    #[test]
    fn what_depends_on_the_machine_is_known() {
        let depends = |name| {
            let target = target(name);
            (target.is_for_this_host(), target.is_for_this_gpu())
        };
        assert_eq!(depends("cuda"), (true, true));
        assert_eq!(depends("cuda -arch=sm_80"), (true, false));
        assert_eq!(depends("vulkan:generic"), (true, false));
        assert!(target("nvidia/nvidia-a100").may_be("cuda") && target("auto").is_apple());
        assert!(!target("vulkan").may_be("cuda") && !target("cuda:0").is_apple());
        for name in
            ["android", "android:adreno", "iphone", "macabi", "webgpu", "windows:adreno_x86"]
        {
            assert_eq!(depends(name), (false, false), "{name}");
        }
    }

    #[test]
    fn formats_are_those_that_upstream_writes() {
        assert_eq!(target("webgpu").formats(), [LibraryFormat::Wasm]);
        assert_eq!(target("android:adreno").formats(), [LibraryFormat::Tar]);
        assert_eq!(target("android:adreno-so").formats(), [LibraryFormat::So]);
        assert!(target("cuda").formats().contains(&LibraryFormat::Dll));
        assert_eq!(target("windows:adreno_x86").formats()[0], LibraryFormat::Dll);
        for format in LibraryFormat::ALL {
            assert_eq!(LibraryFormat::of_suffix(format.suffix()), Some(format));
        }
    }
}
