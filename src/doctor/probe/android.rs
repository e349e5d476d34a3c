use camino::{Utf8Path, Utf8PathBuf};

use super::{Machine, programs};
use crate::doctor::facts::{Jdk, Ndk, NdkCompiler};
use crate::doctor::required::ANDROID_API;
use crate::doctor::version;
use crate::io::cancel::Cancel;
use crate::io::process::find_program;
use crate::io::{dir, files};

const TOOLCHAIN: &str = "build/cmake/android.toolchain.cmake";
/// The most a file of properties may have in bytes.
const LIMIT: u64 = 64 << 10;

pub(super) fn ndk(machine: &Machine<'_>) -> Ndk {
    let Some(path) = machine.path("ANDROID_NDK") else { return Ndk::Unnamed(elsewhere(machine)) };
    if !files::is_file(&path.join(TOOLCHAIN)) {
        return Ndk::Incomplete(path, TOOLCHAIN);
    }
    let Some(revision) = property(&path.join("source.properties"), "Pkg.Revision") else {
        return Ndk::Incomplete(path, "Pkg.Revision in source.properties");
    };
    let prebuilt = path.join("toolchains/llvm/prebuilt");
    let name = format!("bin/aarch64-linux-android{ANDROID_API}-clang");
    let hosts = dir::names(&prebuilt).unwrap_or_default();
    let places = hosts.iter().map(|host| prebuilt.join(host).join(&name));
    let compiler = places.into_iter().find(|place| files::is_file(place));
    Ndk::Found { path, revision, compiler }
}

/// The newest NDK where others than upstream look for one.
fn elsewhere(machine: &Machine<'_>) -> Option<Utf8PathBuf> {
    let named = ["ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_NDK_LATEST_HOME"];
    let named = named.iter().find_map(|name| machine.path(name).filter(|path| is_ndk(path)));
    let sdks = ["ANDROID_HOME", "ANDROID_SDK_ROOT"].iter().find_map(|name| machine.path(name));
    let newest = || {
        let versions = sdks?.join("ndk");
        let mut found: Vec<_> = dir::names(&versions)
            .unwrap_or_default()
            .into_iter()
            .filter(|name| is_ndk(&versions.join(name)))
            .collect();
        found.sort_by_key(|name| version::numbers(name));
        found.pop().map(|name| versions.join(name))
    };
    named.or_else(newest)
}

fn is_ndk(path: &Utf8Path) -> bool {
    files::is_file(&path.join(TOOLCHAIN))
}

pub(super) fn ndk_compiler(machine: &Machine<'_>) -> Option<NdkCompiler> {
    let given = machine.text("TVM_NDK_CC")?;
    // A bare name would be looked for on PATH, which TVM does not do.
    let absolute = machine.directory.join(given);
    let is_executable = find_program(absolute.as_str(), None, machine.directory).is_some();
    Some(NdkCompiler { path: given.into(), is_executable })
}

pub(super) fn jdk(machine: &Machine<'_>, cancel: &Cancel) -> Jdk {
    let named = machine.path("JAVA_HOME");
    let is_named = named.is_some();
    let home = match named {
        Some(home) if !files::is_file(&home.join("bin/javac")) => return Jdk::NoCompiler(home),
        Some(home) => home,
        None => {
            let javac = programs::find(machine, "javac");
            // `/usr/bin/javac` leads to `<home>/bin/javac` by links.
            let home = javac.and_then(|javac| {
                let real = files::canonical(&javac).ok()?;
                real.parent()?.parent().map(Utf8Path::to_owned)
            });
            let Some(home) = home else { return Jdk::Missing };
            home
        }
    };
    let asked = || {
        let says = programs::ask(machine, &home.join("bin/javac"), &["--version"], cancel)?;
        Some(programs::first_line(&says)?.trim_start_matches("javac ").to_owned())
    };
    let version = property(&home.join("release"), "JAVA_VERSION").or_else(asked);
    let has_jni = files::is_file(&home.join("include/jni.h"));
    Jdk::Found { home, version, has_jni, is_named }
}

/// A value in a file of `name=value` or `name = "value"` lines.
fn property(path: &Utf8Path, name: &str) -> Option<String> {
    let bytes = files::read_at_most(path, LIMIT).ok().flatten()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(found, _)| found.trim() == name)?;
    programs::first_line(value.trim().trim_matches('"'))
}
