//! What MLC LLM's packages are built with: the versions that upstream's documentation and scripts
//! name, or that its users found out.

/// CMake: `cmake_minimum_required` of the trees, by the first two numbers.
pub const CMAKE_OLDEST: [u32; 2] = [3, 24];
/// CMake 4 refuses the old `cmake_minimum_required` of tokenizers-cpp's dependencies.
pub const CMAKE_TOO_NEW: u32 = 4;
/// The NDK of upstream's own builds, by the first number of its revision.
pub const NDK_OLDEST: u32 = 27;
/// The first NDK that links for pages of 16 KiB unless told otherwise.
pub const NDK_16K_PAGES: u32 = 28;
/// The Android API level of `prepare_libs.py`.
pub const ANDROID_API: u32 = 24;
/// The JDK that compiles tvm4j.
pub const JDK_OLDEST: u32 = 17;
/// The JDK whose class files Android's D8 refuses.
pub const JDK_TOO_NEW: u32 = 24;
/// The Xcode whose Metal toolchain is a download of its own.
pub const XCODE_METAL_APART: u32 = 26;
/// Submodules, by their last name, that a binding is built from. Others (tests, kernels of
/// servers) may be absent.
pub const SUBMODULES: [&str; 10] = [
    "tvm",
    "tokenizers-cpp",
    "xgrammar",
    "stb",
    "tvm-ffi",
    "dlpack",
    "msgpack",
    "sentencepiece",
    "OpenCL-Headers",
    "argparse",
];
/// Bytes of a binding's build: objects of TVM and MLC LLM, Rust's and the archives.
pub const BINDING_DISK: u64 = 4 << 30;
/// Bytes without which no binding and no model gets anywhere.
pub const LEAST_DISK: u64 = 64 << 20;
/// Bytes of memory below which compilers are ended by the system.
pub const MEMORY: u64 = 4 << 30;
