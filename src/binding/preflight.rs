//! Whether sources can be built for a device at all, told by a few of their files: most commits of
//! MLC LLM cannot, and the build would say so after minutes. What is not recognized is left to the
//! build.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::{dir, files};
use crate::model::{Device, pinned};

/// The most that a file of the build may have in bytes; a longer one is not looked at.
const LIMIT: u64 = 4 << 20;
/// Where mlc4j includes the sources of TVM's runtime.
const RUNTIME: &str = "android/mlc4j/src/cpp/tvm_runtime.h";
const LOGGING: &str = "cmake/modules/Logging.cmake";
const METAL: &str = "cmake/modules/Metal.cmake";

/// Sources that do not build for a device. Exit 14.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sources in `{dir}` do not build for {device}: {}", .reasons.join("; "))]
pub struct Unbuildable {
    /// The sources of MLC LLM.
    pub dir: Utf8PathBuf,
    /// The device.
    pub device: Device,
    /// Everything that is in the way; never empty.
    pub reasons: Vec<String>,
}

impl Unbuildable {
    /// What to do.
    pub fn help(&self) -> String {
        let last = match self.device.is_apple() {
            true => "1307bcae (20 April 2026) builds the runtime with Metal",
            false => "d1ea69a8 (21 April 2026) is the last commit that is known to build",
        };
        format!("{last}; check out the pinned one: `{}`", pinned::check_out_sources())
    }
}

/// What keeps these sources from being built; none if nothing is known to.
///
/// # Errors
/// The sources do not build.
pub(crate) fn check(mlc_llm: &Utf8Path, tvm: &Utf8Path, device: Device) -> Result<(), Unbuildable> {
    let reasons = match device.is_apple() {
        true => apple(mlc_llm, tvm),
        false => android(mlc_llm, tvm),
    };
    match reasons.is_empty() {
        true => Ok(()),
        false => Err(Unbuildable { dir: mlc_llm.to_owned(), device, reasons }),
    }
}

/// The compiler's libraries call what the runtime of the sources does not have. Exit 14.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the model libraries call {}, which the TVM in `{tvm}` does not have",
    .symbols.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
)]
pub struct Uncallable {
    /// The sources of TVM.
    pub tvm: Utf8PathBuf,
    /// What they call; never empty.
    pub symbols: Vec<String>,
}

/// Where TVM has its C API.
const C_API: [&str; 4] =
    ["3rdparty/tvm-ffi/include", "3rdparty/tvm-ffi/src", "include/tvm/runtime", "src/runtime"];

/// Holds the C functions of TVM that libraries call against the sources of its runtime: the link
/// would say it after all has been built. `undefined` are the symbols that libraries do not define.
pub(crate) fn check_calls<'a>(
    tvm: &Utf8Path,
    undefined: impl Iterator<Item = &'a str>,
) -> Result<(), Uncallable> {
    let is_c = |name: &&str| ["TVMFFI", "TVMBackend"].iter().any(|api| name.starts_with(api));
    let mut missing: BTreeSet<&str> = undefined.filter(is_c).collect();
    for place in C_API {
        if missing.is_empty() {
            return Ok(());
        }
        let Ok(tree) = files::tree(&tvm.join(place), |_| false) else { continue };
        let sources = tree.iter().filter(|entry| {
            matches!(entry.path.extension(), Some("h" | "c" | "cc" | "cpp" | "mm"))
        });
        for entry in sources {
            if let Some(text) = text(&tvm.join(place).join(&entry.path)) {
                missing.retain(|name| !has_word(&text, name));
            }
        }
    }
    let symbols = missing.into_iter().map(str::to_owned).collect::<Vec<_>>();
    match symbols.is_empty() {
        true => Ok(()),
        false => Err(Uncallable { tvm: tvm.to_owned(), symbols }),
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn android(mlc_llm: &Utf8Path, tvm: &Utf8Path) -> Vec<String> {
    let mut reasons = Vec::new();
    let script = text(&mlc_llm.join("android/mlc4j/prepare_libs.py")).unwrap_or_default();
    let own_logging = script.contains("USE_CUSTOM_LOGGING=ON");
    if own_logging && let Some(logging) = text(&tvm.join(LOGGING)) {
        let defined = cmake_files(tvm);
        let is_defined = |target: &&str| {
            defined.iter().any(|file| targets(file, "add_library").any(|name| name == *target))
        };
        let missing: Vec<_> = targets(&logging, "target_compile_definitions")
            .filter(|target| !target.contains('$') && !is_defined(target))
            .map(|target| format!("`{target}`"))
            .collect();
        // Without TVM's CMakeLists.txt nothing is known.
        if !defined.is_empty() && !missing.is_empty() {
            let missing = missing.join(", ");
            reasons.push(format!(
                "TVM's {LOGGING} needs the target {missing}, which TVM does not define any more"
            ));
        }
    }
    let Some(runtime) = text(&mlc_llm.join(RUNTIME)) else { return reasons };
    let places = [
        files::parent(&mlc_llm.join(RUNTIME)).to_owned(),
        tvm.join("include"),
        tvm.join("src"),
        tvm.join("3rdparty/tvm-ffi/include"),
        tvm.join("3rdparty/tvm-ffi/src"),
    ];
    let missing: Vec<_> = included_sources(&runtime)
        .filter(|name| !places.iter().any(|place| files::is_file(&place.join(name))))
        .collect();
    if let Some(first) = missing.first() {
        let more = match missing.len() {
            1 => String::new(),
            many => format!(" and {} more files", many - 1),
        };
        reasons.push(format!("{RUNTIME} includes `{first}`{more}, which TVM does not have"));
    }
    let throws = "InternalError";
    if runtime.contains(&format!("throw {throws}(")) {
        let header = text(&tvm.join("include/tvm/runtime/logging.h"));
        if header.is_some_and(|header| !header.contains(throws)) {
            reasons.push(format!("{RUNTIME} throws `{throws}`, which TVM does not declare"));
        }
    }
    reasons
}

fn apple(mlc_llm: &Utf8Path, tvm: &Utf8Path) -> Vec<String> {
    let Some(metal) = text(&tvm.join(METAL)) else { return Vec::new() };
    let build = text(&mlc_llm.join("CMakeLists.txt")).unwrap_or_default();
    // A library of its own is built and installed if MLC LLM asks for it; no static one is made.
    let apart = shared_library(&metal).filter(|name| !build.contains(name));
    let mut reasons = Vec::new();
    if let Some(name) = apart {
        reasons.push(format!(
            "TVM puts its Metal runtime into a shared library of its own (`{name}`), which MLC LLM \
             does not build: an app would find no GPU"
        ));
    }
    let own = text(&tvm.join("CMakeLists.txt")).unwrap_or_default();
    if let Some(name) = shared_library(&own).filter(|name| build.contains(name)) {
        reasons.push(format!(
            "MLC LLM needs TVM's `{name}`, a shared library that cannot be linked into an app"
        ));
    }
    reasons
}

/// A part of the runtime that is a shared library whatever is asked for. TVM's own is static where
/// `BUILD_STATIC_RUNTIME` is set.
fn shared_library(cmake: &str) -> Option<&str> {
    calls(cmake, "add_library").find_map(|arguments| {
        let mut words = arguments.split_whitespace();
        let name = words.next()?;
        (name.starts_with("tvm_runtime_") && words.next() == Some("SHARED")).then_some(name)
    })
}

/// TVM's CMakeLists.txt and its modules.
fn cmake_files(tvm: &Utf8Path) -> Vec<String> {
    let Some(main) = text(&tvm.join("CMakeLists.txt")) else { return Vec::new() };
    let mut found = vec![main];
    for below in ["cmake/modules", "cmake/utils", "cmake/modules/contrib"] {
        let names = dir::names(&tvm.join(below)).unwrap_or_default();
        let modules = names.iter().filter(|name| name.ends_with(".cmake"));
        found.extend(modules.filter_map(|name| text(&tvm.join(below).join(name))));
    }
    found
}

/// The first arguments of a command's calls.
fn targets<'a>(cmake: &'a str, command: &'static str) -> impl Iterator<Item = &'a str> {
    calls(cmake, command).filter_map(|arguments| arguments.split_whitespace().next())
}

/// What stands behind `command(`, up to the end of its line, outside comments.
fn calls<'a>(cmake: &'a str, command: &'static str) -> impl Iterator<Item = &'a str> {
    cmake.lines().filter_map(move |line| {
        let rest = line.trim_start().strip_prefix(command)?.trim_start();
        Some(rest.strip_prefix('(')?.trim_end().trim_end_matches(')'))
    })
}

/// The `.cc` files that a header includes.
fn included_sources(header: &str) -> impl Iterator<Item = &str> {
    header.lines().filter_map(|line| {
        let name = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?;
        let name = name.trim_start().strip_prefix(['<', '"'])?;
        let (name, _) = name.split_once(['>', '"'])?;
        name.ends_with(".cc").then_some(name)
    })
}

fn text(path: &Utf8Path) -> Option<String> {
    let bytes = files::read_at_most(path, LIMIT).ok().flatten()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{has_word, included_sources, shared_library, targets};

    #[test]
    fn files_of_the_build_are_read() {
        let header = "#include <a.h>\n#include <runtime/nvtx.cc>\n  # include \"b.cc\" // x\n// #include <c.cc>\n";
        assert_eq!(included_sources(header).collect::<Vec<_>>(), ["runtime/nvtx.cc", "b.cc"]);
        let cmake =
            "# add_library(no)\nadd_library(a OBJECT ${X})\n  add_library( b\nx_add_library(c)";
        assert_eq!(targets(cmake, "add_library").collect::<Vec<_>>(), ["a", "b"]);
        let metal = "add_library(tvm_runtime_metal_objs OBJECT ${S})\nadd_library(tvm_runtime_metal SHARED $<X>)";
        assert_eq!(shared_library(metal), Some("tvm_runtime_metal"));
        assert_eq!(shared_library("add_library(tvm_runtime SHARED x)"), None);
        assert!(has_word("int TVMFFICall(int);", "TVMFFICall"));
        assert!(!has_word("TVMFFICallX xTVMFFICall", "TVMFFICall"));
    }
}
