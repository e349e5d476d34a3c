//! What is on this machine, as it was found: no judgement yet.

use camino::Utf8PathBuf;

use crate::binding::preflight::Unbuildable;
use crate::model::{Device, ImageName};

/// Everything that was looked at. What was not is absent.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The system that we run on.
    pub host: Host,
    /// The Python that compiles.
    pub python: Option<Python>,
    /// The sources of MLC LLM.
    pub sources: Sources,
    /// Where `MLC_LLM_HOME` leads if that is the sources.
    pub home_is_sources: Option<Utf8PathBuf>,
    /// The compiler's tvm-ffi against that of the sources.
    pub abi: Option<Abi>,
    /// The kits that bindings are linked from instead of being built, by device.
    pub kits: Vec<(Device, Kit)>,
    /// What keeps the sources from being built, for each device that was asked for.
    pub unbuildable: Vec<Unbuildable>,
    /// CMake.
    pub cmake: Tool,
    /// Ninja.
    pub ninja: Tool,
    /// Git.
    pub git: Tool,
    /// rustup.
    pub rustup: Tool,
    /// The targets whose standard library Rust has.
    pub rust_targets: Vec<String>,
    /// Android's NDK.
    pub ndk: Ndk,
    /// `TVM_NDK_CC`.
    pub ndk_compiler: Option<NdkCompiler>,
    /// The JDK.
    pub jdk: Jdk,
    /// The clang that compiles kernels in OpenCL C, or why there is none.
    pub opencl_clang: Option<Result<String, String>>,
    /// The same for Metal source.
    pub metal_clang: Option<Result<String, String>>,
    /// Xcode; none where there is no `xcodebuild`, which every Mac has.
    pub xcode: Option<Xcode>,
    /// Places that are written to, and the bytes that are free there.
    pub disks: Vec<(&'static str, Utf8PathBuf, u64)>,
    /// Bytes of memory.
    pub memory: Option<u64>,
}

/// The system that we run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Any other.
    Other,
}

impl Host {
    /// That of this process.
    pub const fn current() -> Self {
        if cfg!(target_os = "linux") {
            Self::Linux
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Other
        }
    }
}

/// The Python that compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Python {
    /// It has a compiler: its path, and what that is.
    Compiler {
        /// The interpreter, and the image that it is in.
        path: String,
        /// The distributions and their versions, in one line.
        wheels: String,
    },
    /// It is in an image that is not on this machine yet.
    NotPulled {
        /// The image.
        image: ImageName,
    },
    /// It has none, or there is no Python.
    Unusable {
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
}

/// A kit of a platform binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kit {
    /// It can be linked here; where it is.
    Usable(String),
    /// It cannot be used.
    Unusable {
        /// Why.
        message: String,
        /// What to do.
        help: String,
    },
}

/// The sources of MLC LLM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sources {
    /// `MLC_LLM_SOURCE_DIR` is not set.
    Unnamed,
    /// Nothing is there.
    Missing(Utf8PathBuf),
    /// A file is there.
    File(Utf8PathBuf),
    /// MLC LLM's cache is there.
    Cache(Utf8PathBuf),
    /// Something else is there.
    Foreign(Utf8PathBuf),
    /// A source tree, and its submodules that are empty.
    Tree {
        /// Where.
        path: Utf8PathBuf,
        /// From there.
        empty: Vec<Utf8PathBuf>,
        /// `TVM_SOURCE_DIR`, where it is no tree of TVM.
        not_tvm: Option<Utf8PathBuf>,
    },
}

/// The compiler's tvm-ffi against that of the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abi {
    /// They go together.
    Same(String),
    /// They go together, but are of different ages.
    Drift(String),
    /// They do not: what is wrong, and what to do.
    Broken(String, String),
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// It is not on `PATH`.
    Missing,
    /// It did not say its version.
    Silent(Utf8PathBuf),
    /// It is there.
    Found {
        /// Where.
        path: Utf8PathBuf,
        /// The first line that it says.
        says: String,
    },
}

/// Android's NDK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ndk {
    /// `ANDROID_NDK` is not set; the newest one that lies where NDKs lie.
    Unnamed(Option<Utf8PathBuf>),
    /// A part that every NDK has is not there.
    Incomplete(Utf8PathBuf, &'static str),
    /// It is there.
    Found {
        /// Where.
        path: Utf8PathBuf,
        /// Its `Pkg.Revision`.
        revision: String,
        /// Its clang for the API level of upstream's builds.
        compiler: Option<Utf8PathBuf>,
    },
}

/// `TVM_NDK_CC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NdkCompiler {
    /// As it was given.
    pub path: Utf8PathBuf,
    /// Whether a file that may be run is there.
    pub is_executable: bool,
}

/// The JDK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jdk {
    /// No `JAVA_HOME` and no `javac`.
    Missing,
    /// `JAVA_HOME` has no `bin/javac`: nothing, or a JRE.
    NoCompiler(Utf8PathBuf),
    /// It is there.
    Found {
        /// Where.
        home: Utf8PathBuf,
        /// Its version, as far as it says.
        version: Option<String>,
        /// Whether it has the header of native code.
        has_jni: bool,
        /// Whether `JAVA_HOME` names it.
        is_named: bool,
    },
}

/// Xcode and its tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xcode {
    /// The developer directory.
    pub developer_dir: Option<String>,
    /// The version that `xcodebuild` says.
    pub version: Option<String>,
    /// Whether it has the phone's SDK.
    pub has_iphone_sdk: bool,
    /// Whether `metal` runs.
    pub metal_runs: bool,
}

/// The Rust target of a device's tokenizers.
pub fn rust_target(device: Device, macabi: crate::model::MacabiArch) -> &'static str {
    match (device, macabi) {
        (Device::Android, _) => "aarch64-linux-android",
        (Device::Iphone, _) => "aarch64-apple-ios",
        (Device::Macabi, crate::model::MacabiArch::Arm64) => "aarch64-apple-ios-macabi",
        (Device::Macabi, crate::model::MacabiArch::X86_64) => "x86_64-apple-ios-macabi",
    }
}
