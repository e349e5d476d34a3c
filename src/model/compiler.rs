use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Digest, Fingerprint, LibraryFormat, LibraryName, MacabiArch, Metal, Target};

/// Which compiler it is: whatever of it can change a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompilerIdentity {
    /// The `mlc_llm` Python package.
    pub mlc_llm: PackageIdentity,
    /// The `tvm` Python package.
    pub tvm: PackageIdentity,
    /// The `tvm_ffi` Python package.
    pub tvm_ffi: PackageIdentity,
    /// Programs that the compiler runs, by name and version: `xcode` for Apple's devices.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
}

/// One Python package: a wheel by its version, a source tree by its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageIdentity {
    /// The distribution's name, `apache-tvm` for instance; none for a bare source tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// The distribution's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest of its files, for a source install.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Digest>,
}

impl fmt::Display for PackageIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.version, &self.files) {
            (Some(version), None) => f.write_str(version),
            (Some(version), Some(files)) => {
                write!(f, "{version} (source {})", &files.to_hex()[..8])
            }
            (None, Some(files)) => write!(f, "source {}", &files.to_hex()[..8]),
            (None, None) => f.write_str("of unknown version"),
        }
    }
}

/// Everything that can change one compiled library. Its digest is the [`Fingerprint`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompileInputs {
    /// The architecture.
    pub model_type: String,
    /// The quantization scheme.
    pub quantization: String,
    /// What the compiler may read of `mlc-chat-config.json`, by sorted name.
    pub chat_config: Map<String, Value>,
    /// `--overrides`.
    pub overrides: String,
    /// `--opt`.
    pub opt: String,
    /// `--device`.
    pub device: Target,
    /// `--host`, where it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `--enable-subgroups`, for WebGPU.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enable_subgroups: bool,
    /// What the compiler writes.
    #[serde(default, skip_serializing_if = "LibraryFormat::is_tar")]
    pub format: LibraryFormat,
    /// `MLC_MACABI_ARCH`, for Mac Catalyst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macabi_arch: Option<MacabiArch>,
    /// How kernels for Apple's GPUs are stored.
    #[serde(default, skip_serializing_if = "Metal::is_metallib")]
    pub metal: Metal,
    /// The library's name; its prefix is part of every symbol.
    pub model_lib: LibraryName,
    /// The compiler.
    pub compiler: CompilerIdentity,
}

/// What the store keeps beside a compiled library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompileRecord {
    /// The digest of `inputs`.
    pub fingerprint: Fingerprint,
    /// What the library was made from.
    pub inputs: CompileInputs,
    /// How long the compiler ran.
    pub seconds: f64,
    /// The library's size in bytes.
    pub bytes: u64,
    /// The library's digest.
    pub digest: Digest,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// That clang compiled its kernels; none where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<KernelsChecked>,
}

/// What is remembered of kernels that compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelsChecked {
    /// The clang that compiled them, as it calls itself.
    pub clang: String,
    /// How many there are.
    pub count: u64,
}
