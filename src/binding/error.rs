use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::KitFault;
use super::checks::{Caller, LinkedError, is_shipped, remedy};
use super::preflight::{Unbuildable, Uncallable};
use crate::exit::Exit;
use crate::io::dir;
use crate::model::{Device, LinkerChoice, pinned};
use crate::stage_error::{Message, StageError};
use crate::store::{StoreError, Unusable, help_if_full};
use crate::toolchain::ToolchainError;

/// Why there is no platform binding. Exit 14 unless a variant says otherwise; what is the cache's fault
/// is 1, and [`Interrupted`](Self::Interrupted) 130.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// A kit of the cache is not what was stored: what was linked with it is thrown away.
    #[error("the cached kit of the platform binding cannot be used: {0}")]
    ChangedKit(Unusable),
    /// Nobody named the sources.
    #[error("the sources of MLC LLM, from which the platform binding is built, are not named")]
    NoSource,
    /// A name of nothing.
    #[error("the sources of MLC LLM: there is no directory `{0}`")]
    SourceMissing(Utf8PathBuf),
    /// A name of a file.
    #[error("the sources of MLC LLM: `{0}` is a file, not a directory")]
    SourceIsFile(Utf8PathBuf),
    /// What today's releases call `MLC_LLM_HOME`.
    #[error("the sources of MLC LLM: `{0}` is MLC LLM's cache, not its sources")]
    SourceIsCache(Utf8PathBuf),
    /// A directory of something else.
    #[error("the sources of MLC LLM: `{dir}` has no `{lacks}`")]
    NotSource {
        /// The directory.
        dir: Utf8PathBuf,
        /// The script that is not there.
        lacks: &'static str,
    },
    /// `TVM_SOURCE_DIR`.
    #[error("TVM_SOURCE_DIR: `{0}` has no `include/tvm`")]
    NotTvm(Utf8PathBuf),
    /// Submodules that were not checked out.
    #[error("submodules of `{dir}` are empty: {}", join(.submodules))]
    EmptySubmodules {
        /// The sources.
        dir: Utf8PathBuf,
        /// The submodules, from there.
        submodules: Vec<Utf8PathBuf>,
    },
    /// The sources cannot be read.
    #[error("the sources in `{dir}` cannot be read: {source}")]
    Source {
        /// The directory.
        dir: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody edited them, or another program was installed.
    #[error("the sources in `{0}`, or the tools, changed while the platform binding was built")]
    SourcesChanged(Utf8PathBuf),
    /// They do not build, whatever the machine has.
    #[error(transparent)]
    Unbuildable(#[from] Unbuildable),
    /// The compiler is of another day than they are.
    #[error(transparent)]
    Uncallable(#[from] Uncallable),
    /// Where upstream's script for Apple leaves a link.
    #[error("`{dir}` cannot be written to, and upstream's script makes a link there: {source}")]
    ReadOnlySource {
        /// The directory.
        dir: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No `ANDROID_NDK`.
    #[error("the variable ANDROID_NDK names no NDK: it is not set")]
    NoNdk,
    /// `ANDROID_NDK` names something else.
    #[error("ANDROID_NDK: `{dir}` is not an NDK: it has no {lacks}")]
    NotNdk {
        /// The directory.
        dir: Utf8PathBuf,
        /// What is not there.
        lacks: &'static str,
    },
    /// An NDK that upstream does not build with.
    #[error("ANDROID_NDK: the NDK in `{dir}` is too old: revision {revision}")]
    OldNdk {
        /// The directory.
        dir: Utf8PathBuf,
        /// What it says it is.
        revision: String,
    },
    /// A program that upstream's script runs.
    #[error("`{0}` is not on PATH, and the platform binding is built with it")]
    NoTool(&'static str),
    /// No `xcrun` or `xcodebuild`: on Linux there is none.
    #[error("the {device} binding is built with Xcode, and there is no `{tool}` on PATH")]
    NoXcode {
        /// The device.
        device: Device,
        /// What is not there.
        tool: &'static str,
    },
    /// Nothing to export, for a device or at all. Exit 2.
    #[error("the cache has no kit{}", .0.as_ref().map(|it| format!(" for {it}")).unwrap_or_default())]
    NoKit(Option<String>),
    /// Several things to export: devices, and processors of Mac Catalyst. Exit 2.
    #[error("the cache has kits for {0} and for {1}")]
    SeveralKits(String, String),
    /// A kit that cannot be had, or is not the one that is wanted. Exit 10, 11 or 13.
    #[error("the kit {kit}: {fault}")]
    BadKit {
        /// Where it is.
        kit: String,
        /// What is wrong with it.
        fault: KitFault,
    },
    /// A list of a release's kits that is not one. Exit 13.
    #[error("`{list}`, which MLC_PACKAGE_RELEASE_KITS names, cannot be used: {why}")]
    BadKitList {
        /// The list.
        list: Utf8PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A binding was built, and cannot be linked again on another machine.
    #[error("the platform binding was built, but it cannot be kept as a kit: {0}")]
    Unkeepable(String),
    /// Nothing that links a kit.
    #[error("the platform binding is linked with {}, and there is none here", linker(*.0))]
    NoLinker(LinkerChoice),
    /// A program could not be started.
    #[error("failed to start `{program}`: {source}")]
    Start {
        /// The program.
        program: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory that upstream, or somebody, built in.
    #[error("`{0}` was not made by mlc-package, which builds in directories of its own only")]
    ForeignBuild(Utf8PathBuf),
    /// Upstream's script, or the linker.
    #[error("{0}")]
    Failed(Box<FailedBuild>),
    /// The script said it was successful.
    #[error("`{script}` reported success, but {lacks}; its log: {log}")]
    NoOutput {
        /// The script.
        script: Utf8PathBuf,
        /// What is not there.
        lacks: String,
        /// The log.
        log: Utf8PathBuf,
    },
    /// mlc4j's own classes, and what there is to compile them with.
    #[error("mlc4j's classes cannot be compiled here: {0}")]
    NoClasses(String),
    /// The build directory or the kits.
    #[error("the platform binding: {0}")]
    Io(#[from] io::Error),
    /// A note of a kit that has no JSON.
    #[error("the record of a kit cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// The cache directory. Exit 1.
    #[error(transparent)]
    Cache(#[from] StoreError),
    /// There is no Python that could run upstream's script. Exit 12.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// What was linked cannot work in an app.
    #[error(transparent)]
    Linked(#[from] LinkedError),
    /// What was linked cannot be read. Exit 1.
    #[error(transparent)]
    Unreadable(io::Error),
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

/// A program of the build that failed.
#[derive(Debug, thiserror::Error)]
#[error("{what} failed: `{program}` {how}")]
pub struct FailedBuild {
    /// What was being done.
    pub what: Phase,
    /// The program.
    pub program: Utf8PathBuf,
    /// How it ended.
    pub how: HowEnded,
    /// The log.
    pub log: Utf8PathBuf,
    /// The log's last lines.
    pub last_lines: Vec<String>,
    /// The cache directory in which it found no room, if that is why.
    pub full: Option<Utf8PathBuf>,
}

impl FailedBuild {
    /// Takes the log out of a directory that goes with this process. Where that cannot be done, what
    /// was read of it has to do.
    pub(crate) fn with_log_in(mut self, home: &Utf8Path, begin: &str) -> Self {
        let kept = dir::new_file(home, begin, ".log");
        if let Ok(kept) = kept.and_then(|kept| dir::rename(&self.log, &kept).map(|()| kept)) {
            self.log = kept;
        }
        self
    }

    fn help(&self) -> String {
        if let Some(cache_dir) = &self.full {
            return format!("the disk is full, or a limit is reached: {}", help_if_full(cache_dir));
        }
        let undefined = undefined_symbols(&self.last_lines);
        // What upstream's own code lacks is lacking whatever the models call.
        let caller = [Caller::Sources, Caller::Models]
            .into_iter()
            .find(|caller| undefined.iter().any(|(_, found)| found == caller));
        match self.what {
            _ if let Some(caller) = caller => {
                let of_it = undefined.iter().filter(|(_, found)| *found == caller);
                remedy(&of_it.map(|(name, _)| *name).collect::<Vec<_>>(), caller)
            }
            Phase::Classes => {
                "their compiler says why; --artifact aar-native leaves them out".to_owned()
            }
            Phase::Link => "if the kit is to blame, --rebuild-binding makes a new one".to_owned(),
            _ => "what CMake has built so far is kept: run it again once the cause is gone"
                .to_owned(),
        }
    }
}

/// The symbols of TVM and MLC LLM that lld says nobody defines, and who calls them: lld names the
/// objects, and where they are from, in the lines that follow.
fn undefined_symbols(lines: &[String]) -> Vec<(&str, Caller)> {
    let mut found: Vec<(&str, Caller)> = Vec::new();
    let mut blocks = lines.iter().map(String::as_str).peekable();
    while let Some(line) = blocks.next() {
        let Some((_, symbol)) = line.split_once("undefined symbol: ") else { continue };
        let mut from_models = false;
        while let Some(place) = blocks.next_if(|line| line.trim_start().starts_with(">>>")) {
            from_models |= place.contains("libmodel_");
        }
        // `tvm::ffi::…` where lld has demangled it.
        let symbol = symbol.trim();
        if is_shipped(symbol) || symbol.starts_with("tvm::") || symbol.starts_with("mlc::") {
            let caller = if from_models { Caller::Models } else { Caller::Sources };
            found.push((symbol, caller));
        }
    }
    found
}

/// Which part of the build it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Phase {
    /// Before CMake: Rust's target, directories.
    #[error("preparing the platform binding")]
    Prepare,
    /// `cmake <sources>`.
    #[error("configuring the platform binding")]
    Configure,
    /// `cmake --build .`.
    #[error("building the platform binding")]
    Build,
    /// `cmake --build . --target install`.
    #[error("installing the platform binding")]
    Install,
    /// kotlinc and javac.
    #[error("compiling mlc4j's classes")]
    Classes,
    /// The linker, out of a kit.
    #[error("linking the platform binding")]
    Link,
}

/// How a program of the build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HowEnded {
    /// It gave up.
    #[error("exited with code {0}")]
    Exit(i32),
    /// A signal that was not ours.
    #[error("was ended by signal {0}")]
    Signal(i32),
    /// It took too long.
    #[error("did not finish within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl BindingError {
    /// Whether this is the answer to Ctrl-C or SIGTERM.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

impl BindingError {
    /// Whether a tool is missing, so that others may be too.
    pub(crate) fn lacks_a_tool(&self) -> bool {
        matches!(self, Self::NoNdk | Self::NotNdk { .. } | Self::OldNdk { .. } | Self::NoTool(_))
    }
}

impl StageError for BindingError {
    fn exit(&self) -> Exit {
        match self {
            Self::Toolchain(error) => error.exit(),
            Self::Linked(error) => error.exit(),
            Self::Unreadable(error) => error.exit(),
            Self::Interrupted => Exit::Interrupted,
            Self::NoKit(_) | Self::SeveralKits(..) => Exit::Usage,
            Self::BadKit { fault, .. } => fault.exit(),
            Self::BadKitList { .. } => Exit::Validation,
            Self::Cache(error) => error.exit(),
            Self::Failed(failed) if failed.full.is_some() => Exit::Internal,
            _ => Exit::Assembly,
        }
    }

    fn carried(&self) -> Option<&dyn StageError> {
        match self {
            Self::Toolchain(error) => Some(error),
            Self::Linked(error) => Some(error),
            Self::Unreadable(error) => Some(error),
            Self::Cache(error) => Some(error),
            _ => None,
        }
    }

    fn messages(&self) -> Vec<Message<'_>> {
        match (self, self.carried()) {
            (_, Some(carried)) => carried.messages(),
            (Self::Failed(failed), None) => vec![Message {
                output: &failed.last_lines,
                log: Some(&failed.log),
                ..Message::new(self.to_string(), self.help())
            }],
            (_, None) => vec![Message::new(self.to_string(), self.help())],
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoSource | Self::SourceMissing(_) | Self::SourceIsFile(_) => {
                "name a checkout of mlc-llm with all its submodules in MLC_LLM_SOURCE_DIR or \
                 --mlc-llm-source-dir; a package can also use a kit (--kit), or leave the binding out \
                 (--no-binding)"
                    .to_owned()
            }
            Self::SourceIsCache(_) => {
                "MLC_LLM_HOME is the cache, MLC_LLM_SOURCE_DIR the checkout of mlc-llm: name the \
                 latter"
                    .to_owned()
            }
            Self::NotSource { .. } => {
                "name the root of a checkout of mlc-llm, as new as the compiler".to_owned()
            }
            Self::NotTvm(_) => {
                "name a checkout of TVM, or unset it to use that in 3rdparty/tvm".to_owned()
            }
            Self::EmptySubmodules { dir, .. } => {
                let dir = shlex::try_quote(dir.as_str()).unwrap_or_default();
                format!("git -C {dir} submodule update --init --recursive")
            }
            Self::Unbuildable(error) => error.help(),
            Self::Uncallable(error) => {
                let symbols: Vec<_> = error.symbols.iter().map(String::as_str).collect();
                remedy(&symbols, Caller::Models)
            }
            Self::NoNdk | Self::NotNdk { .. } | Self::OldNdk { .. } => {
                let revision = pinned::ndk();
                format!(
                    "install the NDK (`sdkmanager 'ndk;{revision}'`), and name its directory in \
                     ANDROID_NDK"
                )
            }
            Self::NoTool("rustup") => "install it from https://rustup.rs".to_owned(),
            Self::NoTool("cmake") => {
                "install CMake 3.24 or newer, but not 4: `pip install 'cmake<4'`".to_owned()
            }
            Self::NoTool(tool) => {
                format!("install {tool}, or leave the binding out with --no-binding")
            }
            Self::NoKit(_) => {
                "`mlc-package build` makes one where the sources of MLC LLM are".to_owned()
            }
            Self::SeveralKits(one, other) => {
                match one.starts_with("macabi") && other.starts_with("macabi") {
                    true => "name the processor in MLC_MACABI_ARCH: arm64 or x86_64".to_owned(),
                    false => "name one with --device".to_owned(),
                }
            }
            Self::BadKit { fault, .. } => fault.help(),
            Self::BadKitList { .. } => {
                "unset it, or name the action/kits.json of a release of mlc-package".to_owned()
            }
            Self::NoLinker(LinkerChoice::Wild) => {
                "install it on PATH, or leave --linker out".to_owned()
            }
            Self::NoLinker(_) => {
                "install lld (`apt-get install lld`, `brew install lld`), or Rust \
                                  from https://rustup.rs, or name an NDK in ANDROID_NDK"
                    .to_owned()
            }
            Self::NoXcode { .. } => {
                "use a kit with --kit, build on macOS with Xcode, or leave the binding out with --no-binding".to_owned()
            }
            Self::ForeignBuild(_) => {
                "name another directory with --build-dir, or remove this one".to_owned()
            }
            Self::NoClasses(_) => {
                "they need kotlinc, javac, an SDK of Android and the libraries that \
                                   docs/artifacts.md names; --artifact aar-native leaves them out"
                    .to_owned()
            }
            Self::SourcesChanged(_) => "run it again: only what changed is built again".to_owned(),
            Self::ReadOnlySource { .. } => {
                "use a checkout that can be written to; the link is what the app's project finds \
                 TVM's headers by"
                    .to_owned()
            }
            Self::NoOutput { .. } => {
                "the sources may be newer than this mlc-package: compare with `mlc_llm package`"
                    .to_owned()
            }
            Self::Failed(failed) => failed.help(),
            _ => return self.carried().and_then(StageError::help),
        })
    }
}

/// What a choice of a linker means.
fn linker(choice: LinkerChoice) -> &'static str {
    match choice {
        LinkerChoice::Auto => "`ld.lld` of an NDK or of PATH, or with the `rust-lld` of Rust",
        LinkerChoice::Lld => "`ld.lld` of an NDK or of PATH",
        LinkerChoice::RustLld => "the `rust-lld` of Rust",
        LinkerChoice::Wild => "`wild`",
    }
}

fn join(paths: &[Utf8PathBuf]) -> String {
    paths.iter().map(|path| path.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Caller, undefined_symbols};

    #[test]
    fn who_calls_what_nobody_defines_is_read() {
        let text = "ld.lld: error: undefined symbol: TVMFFIHandleInitOnce\n\
                    >>> referenced by lib0.c\n\
                    >>>               lib0.o:(__tvm_ffi_main) in archive lib/libmodel_android.a\n\
                    ld.lld: error: undefined symbol: TVMFFIGetCustomAllocator\n\
                    >>> referenced by org_apache_tvm_native_c_api.cc:12 (jvm/native)\n\
                    >>>               org_apache_tvm_native_c_api.cc.o:(f)\n\
                    ld.lld: error: undefined symbol: tvm::ffi::Error::Raise()\n\
                    ld.lld: error: undefined symbol: fopen\n\
                    clang++: error: linker command failed";
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        assert_eq!(
            undefined_symbols(&lines),
            [
                ("TVMFFIHandleInitOnce", Caller::Models),
                ("TVMFFIGetCustomAllocator", Caller::Sources),
                ("tvm::ffi::Error::Raise()", Caller::Sources),
            ]
        );
    }
}
