//! The error that reaches a person: which stage failed, why, what to do, and the exit code.

use crate::answer::{AnswerError, Verdict};
use crate::assemble::AssembleError;
use crate::binding::BindingError;
use crate::binding::abi::AbiError;
use crate::binding::checks::LinkedError;
use crate::cache::CacheError;
use crate::compile::{CompileError, CompileOneError, FailedLibraries};
use crate::config::ConfigError;
use crate::config::project::ProjectError;
use crate::convert::ConvertError;
use crate::convert::job::JobError;
use crate::convert::weights::WeightsError;
use crate::doctor::DoctorError;
use crate::exit::Exit;
use crate::fetch::package::ModelsError;
use crate::library::kernels::NoClang;
use crate::library::{LibrariesError, LibraryError, Problem};
use crate::manifest::ManifestError;
use crate::plan::{PlanError, Unfetched};
use crate::publish::pack::PackError;
use crate::publish::unpack::UnpackError;
use crate::publish::{self, PublishError};
use crate::report::HtmlError;
use crate::store::StoreError;
use crate::toolchain::ToolchainError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that cannot be. Exit 2.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// The package config is wrong; its diagnostics were shown. Exit 10.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The `mlc-package.yml` is wrong; its diagnostics were shown. Exit 10.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Some of several packages failed: their names in `mlc-package.yml`, and why; never none. The
    /// others were made. Exits as the first of them.
    #[error("{}", packages_summary(.0))]
    Packages(Vec<(String, Error)>),
    /// A manifest that cannot be read. Exit 13.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The models of the package do not go together. Exit 10 or 12.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The models' files, and the Hub. Exit 11, 10 for a model's config, or 2.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// Models whose files are not on this machine, and must not be asked for. Exit 11.
    #[error("{}", unfetched_summary(.0))]
    Unfetched(Vec<Unfetched>),
    /// A checkpoint's weights cannot be converted, or written. Exit 11, or 14.
    #[error(transparent)]
    Weights(Box<WeightsError>),
    /// A checkpoint cannot be converted. Exit 11, 2 for what was asked, or 12 if MLC LLM
    /// was to do it.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The compiler is not there. Exit 12.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Libraries could not be had. Exit 12; 1 if it is the
    /// cache's fault, or 13 if all were compiled, and their kernels are bad.
    #[error(transparent)]
    Compile(#[from] FailedLibraries),
    /// One library cannot be compiled as it was asked for. Exit 2, or 11 for the model.
    #[error(transparent)]
    CompileOne(CompileOneError),
    /// A file is no model library. Exit 13.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// Libraries do not fit the package or each other. Exit 13.
    #[error("{}", validation_summary(.0))]
    Validation(Vec<Problem>),
    /// The cache cannot be used. Exit 1.
    #[error(transparent)]
    Cache(#[from] StoreError),
    /// The platform binding could not be built or linked. Exit 14, or 1 if it is the cache's fault.
    #[error(transparent)]
    Binding(BindingError),
    /// The compiler and the sources do not go together. Exit 14.
    #[error(transparent)]
    Abi(#[from] AbiError),
    /// This machine lacks what the build needs. Exit 14.
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    /// Kernels have to be checked, and nothing on this machine can. Exit 14.
    #[error("the kernels cannot be checked: {0}")]
    NoClang(NoClang),
    /// What was linked cannot work in an app. Exit 14.
    #[error(transparent)]
    Linked(#[from] LinkedError),
    /// `dist/` could not be made. Exit 14, or 2 for what was asked.
    #[error(transparent)]
    Assemble(AssembleError),
    /// The package could not be packed. Exit 15.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A release could not be unpacked. Exit 2, 11, 13 or 14.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A baseline that was named cannot be read. Exits as why it cannot, or 11.
    #[error("the baseline `{origin}` cannot be read: {source}")]
    Baseline {
        /// Where it is.
        origin: String,
        /// Why not.
        source: Box<Error>,
    },
    /// A release was not published. Exit 15, or 2 if nobody says of which repository.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The machine said no. Exit 1.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The page of the size report. Exit 1.
    #[error(transparent)]
    Html(#[from] HtmlError),
    /// A model could not be tried, or broke when it was. Exit 21, 2, 12 or 13.
    #[error("model `{model}`: {source}")]
    Answer {
        /// Its directory, or its `model_id`.
        model: String,
        /// Why.
        source: Box<AnswerError>,
    },
    /// Models that were tried do not answer as they must: each, and what was found. Exit 21.
    #[error("{}", verdict_summary(.0))]
    Verdict(Vec<(String, Verdict)>),
    /// A value that has no JSON. Exit 1.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Ctrl-C or SIGTERM. Exit 130.
    #[error("interrupted")]
    Interrupted,
}

impl From<WeightsError> for Error {
    fn from(error: WeightsError) -> Self {
        Self::Weights(Box::new(error))
    }
}

impl From<CacheError> for Error {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Store(error) => Self::Cache(error),
            CacheError::Io(error) => Self::Io(error),
            CacheError::Interrupted => Self::Interrupted,
        }
    }
}

impl From<publish::job::JobError> for Error {
    fn from(error: publish::job::JobError) -> Self {
        match error {
            publish::job::JobError::Publish(error) => Self::Publish(error),
            publish::job::JobError::Pack(error) => Self::Pack(error),
            publish::job::JobError::Io(error) => Self::Io(error),
        }
    }
}

impl From<LibrariesError> for Error {
    fn from(error: LibrariesError) -> Self {
        match error {
            LibrariesError::Library(error) => Self::Library(error),
            LibrariesError::Problems(problems) => Self::Validation(problems),
            LibrariesError::NoClang(why) => Self::NoClang(why),
            LibrariesError::Io(error) => Self::Io(error),
            LibrariesError::Interrupted => Self::Interrupted,
        }
    }
}

impl From<CompileOneError> for Error {
    fn from(error: CompileOneError) -> Self {
        match error {
            CompileOneError::Toolchain(error) => Self::Toolchain(error),
            CompileOneError::Compile(error) => Self::Compile(error),
            CompileOneError::Library(error) => error.into(),
            CompileOneError::Io(error) => Self::Io(error),
            error => Self::CompileOne(error),
        }
    }
}

impl From<BindingError> for Error {
    fn from(error: BindingError) -> Self {
        match error {
            BindingError::Toolchain(error) => Self::Toolchain(error),
            BindingError::Linked(error) => Self::Linked(error),
            BindingError::Unreadable(error) => Self::Io(error),
            error => Self::Binding(error),
        }
    }
}

impl From<AssembleError> for Error {
    fn from(error: AssembleError) -> Self {
        match error {
            AssembleError::Manifest(error) => Self::Manifest(error),
            AssembleError::Binding(error) => error.into(),
            error => Self::Assemble(error),
        }
    }
}

impl From<JobError> for Error {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Convert(error) => Self::Convert(error),
            JobError::Weights(error) => Self::Weights(error),
            JobError::Models(error) => Self::Models(error),
            JobError::Toolchain(error) => Self::Toolchain(error),
            JobError::Io(error) => Self::Io(error),
            JobError::Interrupted => Self::Interrupted,
        }
    }
}

impl Error {
    /// A mistake on the command line.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: Some(help.into()) }
    }

    /// Whether who read our output has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Packages(failed) => {
                failed.first().map_or(Exit::Internal, |(_, error)| error.exit())
            }
            Self::Config(_) | Self::Project(_) => Exit::Config,
            Self::Convert(error) if error.is_usage() => Exit::Usage,
            Self::Convert(error) if error.is_interrupted() => Exit::Interrupted,
            Self::Convert(error) if error.is_of_cache() => Exit::Internal,
            Self::Convert(ConvertError::Write(_)) => Exit::Internal,
            Self::Convert(error) if error.is_of_mlc() => Exit::Compile,
            Self::Plan(PlanError::NoCompiler { .. }) => Exit::Compile,
            Self::Plan(_) => Exit::Config,
            Self::Models(error) if error.is_usage() => Exit::Usage,
            Self::Models(error) if error.is_config() => Exit::Config,
            Self::Models(error) if error.is_interrupted() => Exit::Interrupted,
            Self::Models(error) if error.is_of_cache() => Exit::Internal,
            Self::CompileOne(error) if error.is_usage() => Exit::Usage,
            Self::Models(_) | Self::Unfetched(_) | Self::CompileOne(_) | Self::Convert(_) => {
                Exit::Fetch
            }
            Self::Weights(error) => match error.as_ref() {
                WeightsError::Interrupted => Exit::Interrupted,
                WeightsError::InPlace { .. } => Exit::Usage,
                error if error.is_output() => Exit::Assembly,
                _ => Exit::Fetch,
            },
            Self::Toolchain(error) if error.is_interrupted() => Exit::Interrupted,
            Self::Compile(errors) if errors.errors().any(CompileError::is_interrupted) => {
                Exit::Interrupted
            }
            Self::Compile(errors) if errors.errors().all(CompileError::is_bad_library) => {
                Exit::Validation
            }
            Self::Compile(errors) if errors.errors().any(CompileError::is_of_cache) => {
                Exit::Internal
            }
            Self::Toolchain(_) | Self::Compile(_) => Exit::Compile,
            Self::Library(_) | Self::Validation(_) | Self::Manifest(_) => Exit::Validation,
            Self::Binding(error) if error.is_interrupted() => Exit::Interrupted,
            Self::Binding(error) if error.is_of_cache() => Exit::Internal,
            Self::Binding(_) => Exit::Assembly,
            Self::Assemble(AssembleError::Interrupted) => Exit::Interrupted,
            Self::Assemble(AssembleError::Refused { .. }) => Exit::Usage,
            Self::Doctor(DoctorError::Interrupted) => Exit::Interrupted,
            Self::Abi(_)
            | Self::Doctor(_)
            | Self::NoClang(_)
            | Self::Linked(_)
            | Self::Assemble(_) => Exit::Assembly,
            Self::Pack(PackError::Interrupted) | Self::Unpack(UnpackError::Interrupted) => {
                Exit::Interrupted
            }
            Self::Pack(_) => Exit::Publish,
            Self::Unpack(error) => unpack_exit(error),
            Self::Baseline { source, .. } => match source.exit() {
                Exit::Publish => Exit::Fetch,
                exit => exit,
            },
            Self::Publish(error) if error.is_interrupted() => Exit::Interrupted,
            Self::Publish(error) if error.is_usage() => Exit::Usage,
            Self::Publish(_) => Exit::Publish,
            Self::Cache(_) | Self::Io(_) | Self::Html(_) | Self::Json(_) => Exit::Internal,
            Self::Answer { source, .. } => match &**source {
                AnswerError::Interrupted => Exit::Interrupted,
                AnswerError::Unsupported(_) | AnswerError::TooLong { .. } => Exit::Usage,
                error if error.is_of_python() => Exit::Compile,
                AnswerError::NoLinker | AnswerError::Link { .. } | AnswerError::Container(_) => {
                    Exit::Compile
                }
                AnswerError::Library(_) | AnswerError::Metadata(_) | AnswerError::Weights(_) => {
                    Exit::Validation
                }
                AnswerError::Io(_) => Exit::Internal,
                _ => Exit::NoAnswer,
            },
            Self::Verdict(_) => Exit::NoAnswer,
            Self::Interrupted => Exit::Interrupted,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Usage { help, .. } => help.clone(),
            Self::NoClang(_) => Some(NoClang::HELP.to_owned()),
            Self::Manifest(error) => Some(error.help()),
            Self::Plan(error) => Some(error.help().to_owned()),
            Self::Models(error) => error.help(),
            Self::Unfetched(_) => Some(
                "build once where the Hub may be asked: without --offline and HF_HUB_OFFLINE, and \
                 with MLC_DOWNLOAD_CACHE_POLICY=ON"
                    .to_owned(),
            ),
            Self::Weights(error) => error.help(),
            Self::Convert(error) => error.help(),
            Self::CompileOne(error) => error.help().map(str::to_owned),
            Self::Toolchain(error) => error.help(),
            Self::Library(_) => Some(
                "name a .tar, .a or .o that holds a model library; if it does, it is damaged: \
                 get it or compile it again"
                    .to_owned(),
            ),
            Self::Binding(error) => error.help(),
            Self::Abi(error) => Some(error.help()),
            Self::Assemble(error) => error.help(),
            Self::Cache(error) => error.help(),
            Self::Pack(error) => error.help().map(str::to_owned),
            Self::Unpack(error) => error.help(),
            Self::Answer { source, .. } => source.help(),
            Self::Publish(error) => error.help(),
            Self::Baseline { source, .. } => match &**source {
                Self::Publish(PublishError::Api(error)) => error.help_to_read(),
                source => source.help(),
            },
            _ => None,
        }
    }
}

fn unpack_exit(error: &UnpackError) -> Exit {
    match error {
        UnpackError::Source { .. } => Exit::Usage,
        UnpackError::Missing { .. } | UnpackError::Http { .. } | UnpackError::Read(_) => {
            Exit::Fetch
        }
        UnpackError::List { .. }
        | UnpackError::Size { .. }
        | UnpackError::Digest { .. }
        | UnpackError::Damaged { .. }
        | UnpackError::Entry { .. } => Exit::Validation,
        UnpackError::NoRoom { .. } | UnpackError::Write { .. } => Exit::Assembly,
        UnpackError::Interrupted => Exit::Interrupted,
    }
}

fn packages_summary(failed: &[(String, Error)]) -> String {
    let names: Vec<_> = failed.iter().map(|(name, _)| format!("`{name}`")).collect();
    match &names[..] {
        [one] => format!("the package {one} failed"),
        many => format!("{} packages failed: {}", many.len(), many.join(", ")),
    }
}

fn validation_summary(problems: &[Problem]) -> String {
    match problems {
        [one] => format!("`{}`: {}", one.path, one.message),
        many => format!("{} problems in the model libraries", many.len()),
    }
}

fn verdict_summary(verdicts: &[(String, Verdict)]) -> String {
    match verdicts {
        [(model, verdict)] if verdict.failures.len() == 1 => {
            let messages: String =
                verdict.failures.iter().map(|failure| failure.message.as_str()).collect();
            format!("model `{model}`: {messages}")
        }
        [(model, _)] => format!("model `{model}` does not answer as it must"),
        many => format!("{} models do not answer as they must", many.len()),
    }
}

fn unfetched_summary(models: &[Unfetched]) -> String {
    let models: Vec<_> =
        models.iter().map(|model| format!("model `{}`: {}", model.model_id, model.why)).collect();
    models.join("\n  ")
}
