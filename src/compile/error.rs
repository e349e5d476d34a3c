use std::time::Duration;
use std::{fmt, io};

use camino::{Utf8Path, Utf8PathBuf};

use crate::exit::Exit;
use crate::io::ended::{Limit, signal_name};
use crate::io::reason::Reason;
use crate::library::{LibrariesError, Problem};
use crate::model::LibraryName;
use crate::stage_error::{Message, StageError};
use crate::store::{StoreError, help_if_full, says_full};
use crate::toolchain::{ContainerError, ToolchainError};

/// Why model libraries could not be had. Exit 12, but for what is the cache's fault: 1, for bad
/// kernels: 13, and for [`Interrupted`](Self::Interrupted): 130.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A compilation failed.
    #[error("failed to compile `{}`: {}", .0.model_lib, .0.failure)]
    Compilation(Box<FailedCompilation>),
    /// `MLC_JIT_POLICY=OFF`.
    #[error("`{model_lib}` would have to be compiled, and MLC_JIT_POLICY is OFF")]
    PolicyOff {
        /// The library.
        model_lib: LibraryName,
    },
    /// `MLC_JIT_POLICY=READONLY`, and the store lacks a library.
    #[error("`{model_lib}` is not in the cache ({reason}), and MLC_JIT_POLICY is READONLY")]
    PolicyReadOnly {
        /// The library.
        model_lib: LibraryName,
        /// Why it is a miss.
        reason: String,
    },
    /// The cache directory. Exit 1.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

/// A compilation that failed.
#[derive(Debug)]
pub struct FailedCompilation {
    /// The library.
    pub model_lib: LibraryName,
    /// What went wrong.
    pub failure: Failure,
    /// Where the compiler's log was kept; none if it could not be.
    pub log: Option<Utf8PathBuf>,
    /// What the log says.
    pub reason: Reason,
    /// The cache directory that it was to be written to.
    pub cache_dir: Utf8PathBuf,
}

/// What a compiler did instead of writing a library.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It could not be started.
    #[error("failed to start `{program}`: {source}")]
    Start {
        /// The program.
        program: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is in an image, which could not be run.
    #[error(transparent)]
    Container(Box<ContainerError>),
    /// Its files could not be laid out.
    #[error("failed to prepare its working directory: {0}")]
    Prepare(std::io::Error),
    /// It gave up.
    #[error("the compiler exited with code {0}")]
    Exit(i32),
    /// It was ended by a signal.
    #[error("the compiler was ended by {}", signal_name(*.0))]
    Signal(i32),
    /// It took too long.
    #[error("the compiler did not finish within {}", Limit(*.0))]
    TimedOut(Duration),
    /// It says it was successful.
    #[error("the compiler reported success but wrote no library")]
    NoOutput,
    /// It says it was successful.
    #[error("the compiler reported success but wrote an empty library")]
    EmptyOutput,
    /// Its library cannot be used.
    #[error("the compiler wrote a library that cannot be used: {0}")]
    BadOutput(String),
    /// No phone could compile its kernels.
    #[error("the compiler wrote a library that cannot be used: {}", .0.message)]
    BadKernels(Box<Problem>),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl CompileError {
    /// Whether this is the answer to Ctrl-C or SIGTERM.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// Whether the compiler did its work, and what it wrote is bad. Exit 13.
    pub fn is_bad_library(&self) -> bool {
        let Self::Compilation(failed) = self else { return false };
        matches!(failed.failure, Failure::BadKernels(_))
    }

    /// Whether it is the cache directory, or its disk, that fails: not the compiler.
    pub fn is_of_cache(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::Compilation(failed) => failed.says_full(),
            Self::PolicyOff { .. } | Self::PolicyReadOnly { .. } | Self::Interrupted => false,
        }
    }

    /// The library that could not be had, where it is about one.
    pub fn model_lib(&self) -> Option<&LibraryName> {
        match self {
            Self::Compilation(failed) => Some(&failed.model_lib),
            Self::PolicyOff { model_lib } | Self::PolicyReadOnly { model_lib, .. } => {
                Some(model_lib)
            }
            Self::Store(_) | Self::Interrupted => None,
        }
    }

    /// What a failed program printed last.
    pub fn last_lines(&self) -> &[String] {
        match self {
            Self::Compilation(failed) => &failed.reason.lines,
            _ => &[],
        }
    }

    /// The exception that ended the compiler.
    pub fn exception(&self) -> Option<&str> {
        match self {
            Self::Compilation(failed) => failed.reason.exception.as_deref(),
            _ => None,
        }
    }

    fn message(&self, models: Option<&str>) -> Message<'_> {
        let text = match models {
            Some(models) => format!("model {models}: {self}"),
            None => self.to_string(),
        };
        Message {
            exception: self.exception(),
            output: self.last_lines(),
            log: self.log(),
            ..Message::new(text, self.help())
        }
    }

    /// Whether other libraries may be had all the same.
    pub(super) fn is_of_one_library(&self) -> bool {
        let Self::Compilation(failed) = self else { return false };
        !matches!(
            failed.failure,
            Failure::Start { .. }
                | Failure::Container(_)
                | Failure::Prepare(_)
                | Failure::Cancelled
        )
    }

    /// The log of a failed compilation.
    pub fn log(&self) -> Option<&Utf8Path> {
        match self {
            Self::Compilation(failed) => failed.log.as_deref(),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Compilation(failed) => failed.help(),
            Self::PolicyOff { .. } => Some(
                "set MLC_JIT_POLICY to ON, or list compiled libraries in \
                      `model_lib_path_for_prepare_libs`"
                    .to_owned(),
            ),
            Self::PolicyReadOnly { .. } => Some(
                "set MLC_JIT_POLICY to ON, or fill the cache on a machine that compiles".to_owned(),
            ),
            Self::Store(error) => error.help(),
            Self::Interrupted => None,
        }
    }
}

impl FailedCompilation {
    fn says_full(&self) -> bool {
        says_full(&self.reason.lines)
    }

    fn help(&self) -> Option<String> {
        if self.says_full() {
            return Some(format!(
                "the disk is full, or a limit is reached: {}; MLC_TEMP_DIR is the place of what the \
                 compiler does not keep",
                help_if_full(&self.cache_dir)
            ));
        }
        // Of a short text TVM makes another kind of object than it then asks for.
        if self.reason.exception.as_ref().is_some_and(|line| line.contains("ffi.SmallStr")) {
            return Some(format!(
                "TVM 0.25 and 0.26 fail with names of libraries that have less than {} letters: take \
                 a longer `model_lib`",
                LibraryName::SAFE_LEN
            ));
        }
        match &self.failure {
            Failure::BadKernels(problem) => Some(problem.help.clone()),
            Failure::Container(error) => error.help(),
            // 137 is how a shell reports SIGKILL.
            Failure::Signal(9) | Failure::Exit(137) => {
                Some("most likely the system ran out of memory: try `--jobs 1`".to_owned())
            }
            Failure::TimedOut(_) => {
                Some("raise the limit with `--compile-timeout <seconds>`".to_owned())
            }
            _ => None,
        }
    }
}

/// Everything that went wrong in compiling several libraries: at least one error.
#[derive(Debug)]
pub struct CompileErrors(pub Vec<CompileError>);

impl CompileErrors {
    /// Whether the run ended because somebody asked to stop.
    pub fn is_interrupted(&self) -> bool {
        self.0.iter().any(CompileError::is_interrupted)
    }
}

impl fmt::Display for CompileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileErrors {}

impl From<CompileError> for CompileErrors {
    fn from(error: CompileError) -> Self {
        Self(vec![error])
    }
}

/// Libraries that could not be had, for those who know models: never none.
#[derive(Debug)]
pub struct FailedLibraries(pub Vec<FailedLibrary>);

/// A library that could not be had.
#[derive(Debug)]
pub struct FailedLibrary {
    /// The models that load it; none where it is not about one library.
    pub models: Option<String>,
    /// Why.
    pub error: CompileError,
    /// What else can be done, by who asked for it.
    pub advice: Option<String>,
}

impl FailedLibraries {
    /// `models_of` gives the models that load a library.
    pub(super) fn of(errors: CompileErrors, models_of: impl Fn(&LibraryName) -> String) -> Self {
        let named = |error: CompileError| FailedLibrary {
            models: error.model_lib().map(&models_of),
            error,
            advice: None,
        };
        Self(errors.0.into_iter().map(named).collect())
    }

    /// The same of libraries that were asked for by another name, with what else can be done.
    pub fn told_of(mut self, models: &str, advice: Option<&str>) -> Self {
        for failed in &mut self.0 {
            failed.models = Some(models.to_owned());
            failed.advice = advice.map(str::to_owned);
        }
        self
    }

    /// Why each could not be had.
    pub fn errors(&self) -> impl Iterator<Item = &CompileError> {
        self.0.iter().map(|failed| &failed.error)
    }
}

impl fmt::Display for FailedLibraries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [one] => one.error.fmt(f),
            many => write!(f, "{} libraries could not be compiled", many.len()),
        }
    }
}

impl std::error::Error for FailedLibraries {}

impl StageError for FailedLibraries {
    fn exit(&self) -> Exit {
        if self.errors().any(CompileError::is_interrupted) {
            Exit::Interrupted
        } else if self.errors().all(CompileError::is_bad_library) {
            Exit::Validation
        } else if self.errors().any(CompileError::is_of_cache) {
            Exit::Internal
        } else {
            Exit::Compile
        }
    }

    fn messages(&self) -> Vec<Message<'_>> {
        let (interrupted, others): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|failed| failed.error.is_interrupted());
        let others = others.into_iter().map(|failed| {
            let message = failed.error.message(failed.models.as_deref());
            Message { help: message.help.or_else(|| failed.advice.clone()), ..message }
        });
        // Of however many compilations.
        let interrupted = interrupted.first().map(|failed| failed.error.message(None));
        others.chain(interrupted).collect()
    }
}

/// Why one library, that somebody asked for by itself, could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CompileOneError {
    /// No file can be written there. Exit 2.
    #[error("--output: {0}")]
    Output(io::Error),
    /// The model's names make none for its library. Exit 2.
    #[error("`{name}` names no library: {why}")]
    Name {
        /// What the library would be called.
        name: String,
        /// What is wrong with that.
        why: String,
    },
    /// A checkpoint that is not converted. Exit 11.
    #[error("`{path}` is a raw checkpoint, not a converted model")]
    Checkpoint {
        /// Its directory.
        path: Utf8PathBuf,
    },
    /// The model has no config that can be used. Exit 11.
    #[error("`{path}` cannot be used: {why}")]
    ChatConfig {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        why: String,
    },
    /// The compiler is not there. Exit 12.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The compiler, or the store.
    #[error(transparent)]
    Compile(#[from] FailedLibraries),
    /// The library cannot be used.
    #[error(transparent)]
    Library(#[from] LibrariesError),
    /// The machine said no. Exit 1.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StageError for CompileOneError {
    fn exit(&self) -> Exit {
        match self {
            Self::Output(_) | Self::Name { .. } => Exit::Usage,
            Self::ChatConfig { .. } | Self::Checkpoint { .. } => Exit::Fetch,
            Self::Toolchain(error) => error.exit(),
            Self::Compile(error) => error.exit(),
            Self::Library(error) => error.exit(),
            Self::Io(error) => error.exit(),
        }
    }

    fn carried(&self) -> Option<&dyn StageError> {
        match self {
            Self::Output(_)
            | Self::Name { .. }
            | Self::Checkpoint { .. }
            | Self::ChatConfig { .. } => None,
            Self::Toolchain(error) => Some(error),
            Self::Compile(error) => Some(error),
            Self::Library(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Output(_) => "name a file, `model.tar` for instance",
            Self::Name { .. } => "name it with --system-lib-prefix",
            Self::Checkpoint { path } => {
                return Some(format!(
                    "convert it first: `mlc-package convert {path} --quantization q4f16_1 -o OUTPUT`"
                ));
            }
            Self::ChatConfig { .. } => {
                "name the directory of a model in MLC's format, or its mlc-chat-config.json"
            }
            _ => return self.carried().and_then(StageError::help),
        };
        Some(help.to_owned())
    }
}
