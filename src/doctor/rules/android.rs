use crate::doctor::facts::{Facts, Jdk, Ndk};
use crate::doctor::finding::{ANDROID, About, BINDING, BOTH, Finding};
use crate::doctor::required::{ANDROID_API, JDK_OLDEST, JDK_TOO_NEW, NDK_16K_PAGES, NDK_OLDEST};
use crate::doctor::version;
use crate::model::pinned;

fn install_ndk() -> String {
    let revision = pinned::ndk();
    format!("sdkmanager 'ndk;{revision}' && export ANDROID_NDK=$ANDROID_HOME/ndk/{revision}")
}

pub(super) fn ndk(ndk: &Ndk) -> Finding {
    let about = About::new("ndk", ANDROID, BINDING);
    match ndk {
        Ndk::Unnamed(Some(there)) => about.problem(
            format!("ANDROID_NDK is not set; there is an NDK in `{there}`"),
            format!("export ANDROID_NDK={there}"),
        ),
        Ndk::Unnamed(None) => about.problem(
            "ANDROID_NDK is not set, and no NDK was found in the usual places",
            install_ndk(),
        ),
        Ndk::Incomplete(path, lacks) => {
            about.problem(format!("ANDROID_NDK: `{path}` is not an NDK: no {lacks}"), install_ndk())
        }
        Ndk::Found { path, revision, .. } => {
            match version::numbers(revision).and_then(|numbers| numbers.first().copied()) {
                Some(major) if major < NDK_OLDEST => about.problem(
                    format!("the NDK in `{path}` is {revision}, older than r{NDK_OLDEST}"),
                    install_ndk(),
                ),
                Some(major) if major < NDK_16K_PAGES => about.ok(format!(
                    "{revision} in {path} (pages of 16 KiB by a linker flag; r{NDK_16K_PAGES} \
                     needs none)"
                )),
                Some(_) => about.ok(format!("{revision} in {path}")),
                None => about.warning(
                    format!("the NDK in `{path}` has the invalid revision `{revision}`"),
                    install_ndk(),
                ),
            }
        }
    }
}

/// `TVM_NDK_CC`, which upstream asks for; only libraries that are linked by the compiler itself
/// (`.so`) need it, so that nothing about it stops a build.
pub(super) fn ndk_compiler(facts: &Facts) -> Finding {
    let about = About::new("ndk-compiler", ANDROID, BOTH);
    let remedy = match &facts.ndk {
        Ndk::Found { compiler: Some(compiler), .. } => format!("export TVM_NDK_CC={compiler}"),
        _ => format!(
            "export TVM_NDK_CC=$ANDROID_NDK/toolchains/llvm/prebuilt/linux-x86_64/bin/\
             aarch64-linux-android{ANDROID_API}-clang"
        ),
    };
    let Some(compiler) = &facts.ndk_compiler else {
        return about.ok("TVM_NDK_CC is not set; packages do not need it");
    };
    let path = &compiler.path;
    if !path.is_absolute() {
        return about.warning(
            format!("TVM_NDK_CC is relative (`{path}`): TVM looks for it in other directories"),
            remedy,
        );
    }
    if !compiler.is_executable {
        return about.warning(format!("TVM_NDK_CC: `{path}` is not a program"), remedy);
    }
    match api_level(path.file_name().unwrap_or_default()) {
        Some(ANDROID_API) => about.ok(format!("{path}, API level {ANDROID_API}")),
        Some(level) => about.warning(
            format!("TVM_NDK_CC is for API level {level}, the rest of the app for {ANDROID_API}"),
            remedy,
        ),
        None => about.warning(
            format!("TVM_NDK_CC: `{path}` does not look like the NDK's clang for arm64"),
            remedy,
        ),
    }
}

/// The level in `aarch64-linux-android24-clang`.
fn api_level(name: &str) -> Option<u32> {
    let rest = name.strip_prefix("aarch64-linux-android")?;
    let (level, _) = rest.split_once("-clang")?;
    level.parse().ok()
}

pub(super) fn jdk(jdk: &Jdk) -> Finding {
    let about = About::new("jdk", ANDROID, BINDING);
    let install = format!(
        "install JDK {JDK_OLDEST} (`apt-get install openjdk-{JDK_OLDEST}-jdk-headless`) and export \
         JAVA_HOME; Android Studio's `jbr` directory is one"
    );
    match jdk {
        Jdk::Missing => about.problem("JAVA_HOME is not set, and no `javac` is on PATH", install),
        Jdk::NoCompiler(home) => {
            about.problem(format!("JAVA_HOME: `{home}` has no bin/javac: it is not a JDK"), install)
        }
        Jdk::Found { home, version, has_jni, is_named } => {
            let text = version.as_deref().unwrap_or("of unknown version");
            match version.as_deref().and_then(version::java_major) {
                Some(major) if major < JDK_OLDEST => about.problem(
                    format!("the JDK in `{home}` is {text}, older than {JDK_OLDEST}"),
                    install,
                ),
                Some(major) if major >= JDK_TOO_NEW => about.problem(
                    format!(
                        "the JDK in `{home}` is {text}: an app's build refuses the jar that it \
                         compiles"
                    ),
                    install,
                ),
                _ if !has_jni => about
                    .problem(format!("the JDK in `{home}` ({text}) has no include/jni.h"), install),
                None => {
                    about.warning(format!("the JDK in `{home}` does not say its version"), install)
                }
                Some(_) if !is_named => about.warning(
                    format!("{text} in {home}, found by `javac`; JAVA_HOME is not set"),
                    format!("export JAVA_HOME={home}"),
                ),
                Some(_) => about.ok(format!("{text} in {home}")),
            }
        }
    }
}
