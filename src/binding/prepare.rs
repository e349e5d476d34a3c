//! What a binding is to be built from and with, and the fingerprint of all that: found without
//! building anything.

use camino::{Utf8Path, Utf8PathBuf};

use super::identity::Identifier;
use super::tool_notes::ToolNotes;
use super::tools::{self, Ndk, Versions};
use super::{BindingError, Kit, SourceTree, Surroundings};
use crate::io::cancel::Cancel;
use crate::model::{Device, Fingerprint, KitInputs, MacabiArch};
use crate::store::Bucket;

/// Mac Catalyst's default deployment target, as upstream has it.
const MACABI_DEPLOYMENT_TARGET: &str = "18.0";
/// Variables that compilers, linkers and CMake read.
const FLAGS: [&str; 17] = [
    "CC",
    "CXX",
    "AR",
    "RANLIB",
    "CPPFLAGS",
    "CFLAGS",
    "CXXFLAGS",
    "ASFLAGS",
    "LDFLAGS",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "SDKROOT",
    "MACOSX_DEPLOYMENT_TARGET",
    "IPHONEOS_DEPLOYMENT_TARGET",
    "JAVA_TOOL_OPTIONS",
];
/// Families of such variables.
const FLAG_FAMILIES: [&str; 3] = ["CMAKE_", "CARGO_PROFILE_", "CARGO_TARGET_AARCH64_"];
/// Those of a family that change how the build runs, not what it makes.
const NO_FLAGS: [&str; 9] = [
    "CMAKE_GENERATOR",
    "CMAKE_MAKE_PROGRAM",
    "CMAKE_C_COMPILER_LAUNCHER",
    "CMAKE_CXX_COMPILER_LAUNCHER",
    "CMAKE_BUILD_PARALLEL_LEVEL",
    "CMAKE_COLOR_DIAGNOSTICS",
    "CMAKE_EXPORT_COMPILE_COMMANDS",
    "CMAKE_TLS_VERIFY",
    "CMAKE_NO_VERBOSE",
];

/// Which binding is asked for.
#[derive(Debug)]
pub struct BindingRequest<'a> {
    /// The phone.
    pub device: Device,
    /// The processor of Mac Catalyst.
    pub macabi_arch: MacabiArch,
    /// Variables and working directory.
    pub given: Surroundings<'a>,
    /// Our cache.
    pub cache_dir: &'a Utf8Path,
    /// Where upstream's script is to run; one of our cache if none.
    pub build_dir: Option<&'a Utf8Path>,
    /// Whether debug information is kept.
    pub keep_symbols: bool,
    /// Asks to stop.
    pub cancel: &'a Cancel,
}

/// A binding that can be built.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The phone.
    pub device: Device,
    /// What it is built from.
    pub source: SourceTree,
    /// What builds it.
    pub builder: Builder,
    /// Everything that can change it.
    pub inputs: KitInputs,
    /// The digest of that.
    pub fingerprint: Fingerprint,
    /// Where upstream's script runs, absolute.
    pub build_dir: Utf8PathBuf,
    /// Whether debug information is kept.
    pub keep_symbols: bool,
}

impl Binding {
    /// The binding of an imported kit: nothing is built, so it is taken as it is.
    pub(super) fn of(kit: &Kit) -> Self {
        Self {
            device: kit.record.device,
            source: kit.sources(),
            builder: Builder::Kit,
            inputs: kit.record.inputs.clone(),
            fingerprint: kit.record.fingerprint,
            build_dir: kit.dir.clone(),
            keep_symbols: false,
        }
    }
}

/// What builds a binding, by its system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Builder {
    /// mlc4j.
    Android {
        /// The NDK.
        ndk: Ndk,
    },
    /// The static libraries.
    Apple {
        /// The shell that runs the script.
        bash: Utf8PathBuf,
        /// The processor and the oldest system of Mac Catalyst; none for iPhone.
        catalyst: Option<(MacabiArch, String)>,
    },
    /// Nothing: it came as a kit.
    Kit,
}

/// Looks for all that the binding needs, and says what it will be.
///
/// # Errors
/// The first thing that is not there.
pub fn prepare(request: &BindingRequest<'_>) -> Result<Binding, BindingError> {
    let (given, device) = (request.given, request.device);
    if device.is_apple() {
        for tool in ["xcrun", "xcodebuild"] {
            given.program(tool).ok_or(BindingError::NoXcode { device, tool })?;
        }
    }
    let source = SourceTree::find(given, device)?;
    let builder = if device.is_apple() {
        let catalyst = (device == Device::Macabi).then(|| {
            let target = given.text("MLC_MACABI_DEPLOYMENT_TARGET");
            (request.macabi_arch, target.unwrap_or(MACABI_DEPLOYMENT_TARGET).to_owned())
        });
        Builder::Apple { bash: tools::need(given, "bash")?, catalyst }
    } else {
        Builder::Android { ndk: Ndk::find(given)? }
    };
    let inputs = inputs(request, &source, &builder)?;
    let build_dir = match request.build_dir {
        // Without a `.` in the middle.
        Some(dir) => given.directory.join(dir).components().collect(),
        None => default_build_dir(request, &source),
    };
    let fingerprint = inputs.fingerprint();
    let keep_symbols = request.keep_symbols;
    Ok(Binding { device, source, builder, inputs, fingerprint, build_dir, keep_symbols })
}

/// One for each source tree and target, so that what did not change is not built again.
fn default_build_dir(request: &BindingRequest<'_>, source: &SourceTree) -> Utf8PathBuf {
    let arch = match request.device {
        Device::Macabi => format!("-{}", request.macabi_arch),
        Device::Iphone | Device::Android => String::new(),
    };
    let key = super::tool_notes::key(&[source.mlc_llm.as_str().as_bytes()]).to_hex();
    let key = key.get(..16).unwrap_or(&key);
    Bucket::BUILD_DIRS.path(request.cache_dir).join(format!("{}{arch}-{key}", request.device))
}

fn inputs(
    request: &BindingRequest<'_>,
    source: &SourceTree,
    builder: &Builder,
) -> Result<KitInputs, BindingError> {
    let given = request.given;
    let (cmake, rustup) = (tools::need(given, "cmake")?, tools::need(given, "rustup")?);
    let mut notes = ToolNotes::load(request.cache_dir);
    let mut inputs = KitInputs::default();
    let mut note = |name: &str, value: String| drop(inputs.0.insert(name.to_owned(), value));
    note("mlc-package", format!("{} ({})", env!("CARGO_PKG_VERSION"), Bucket::KITS.format));
    note("device", request.device.to_string());
    if request.keep_symbols {
        note("debug information", "kept".to_owned());
    }
    note("host", format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH));

    let mut identifier = Identifier::new(given, &mut notes, request.cancel);
    note("mlc-llm", identifier.identify(&source.mlc_llm)?);
    if let Some(tvm) = &source.tvm {
        note("TVM_SOURCE_DIR", identifier.identify(tvm)?);
    }
    if let Builder::Android { ndk } = builder
        && let Some(libraries) = identifier.libraries(ndk)?
    {
        note("ndk libraries", libraries);
    }
    let mut versions =
        Versions { given, directory: &source.mlc_llm, notes: &mut notes, cancel: request.cancel };
    note("cmake", versions.ask(&cmake, &["--version"])?);
    note(
        "rustc",
        match given.program("rustc") {
            Some(rustc) => versions.ask(&rustc, &["--version"])?,
            None => versions.ask(&rustup, &["run", "stable", "rustc", "--version"])?,
        },
    );
    match builder {
        Builder::Android { ndk } => {
            note("ndk", ndk.revision.clone());
            // Who builds an NDK, or puts another compiler into one, keeps its revision.
            if let Some(clang) = ndk.clang() {
                note("ndk clang", versions.ask(&clang, &["--version"])?);
            }
            note("jdk", tools::jdk(&mut versions)?);
        }
        Builder::Apple { catalyst, .. } => {
            let (xcodebuild, xcrun) =
                (tools::need(given, "xcodebuild")?, tools::need(given, "xcrun")?);
            note("xcode", versions.ask(&xcodebuild, &["-version"])?);
            let sdk = if catalyst.is_some() { "macosx" } else { "iphoneos" };
            note("sdk", versions.ask(&xcrun, &["--sdk", sdk, "--show-sdk-version"])?);
            if let Some((arch, target)) = catalyst {
                note("MLC_MACABI_ARCH", arch.to_string());
                note("MLC_MACABI_DEPLOYMENT_TARGET", target.clone());
            }
        }
        Builder::Kit => {}
    }
    for (name, value) in given.variables {
        let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else { continue };
        let is_family = FLAG_FAMILIES.iter().any(|family| name.starts_with(family));
        if (FLAGS.contains(&name) || is_family) && !NO_FLAGS.contains(&name) && !value.is_empty() {
            note(name, value.into_owned());
        }
    }
    notes.store();
    Ok(inputs)
}
