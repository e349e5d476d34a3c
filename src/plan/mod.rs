//! config + compiler + what the store holds -> [`Plan`]: everything that `build` will do, as
//! plain data.
//!
//! Two steps, neither with I/O. [`draft`] names the libraries and their fingerprints; the caller
//! looks these up in the store; [`Draft::resolve`] says of each library whether it is there, or
//! why not.

mod binding;
mod change;
mod default_name;
mod draft;
mod estimate;
mod fingerprint;
pub mod keys;
mod matrix;

use std::fmt;

use camino::Utf8PathBuf;
use serde::Serialize;

pub use binding::{BindingMiss, BindingState, PlannedBinding};
pub use change::{Change, MissReason};
pub use default_name::default_model_lib;
pub use draft::{Draft, DraftRequest, FoundModel, ModelFacts, draft};
pub use estimate::Estimate;
pub use fingerprint::{compile_relevant, fingerprint};
pub use matrix::{Matrix, MatrixJob, NamedPlan};

use crate::exit::Exit;
use crate::model::{
    ByteSize, CompileInputs, CompilerIdentity, Device, Fingerprint, JitPolicy, LibraryName,
    LibraryNameError, MacabiArch, Metal, ModelId, ModelSource, Overrides, ResolvedConversion,
};
use crate::stage_error::{Message, StageError};

/// What `build` will do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The version of this format.
    pub schema: u32,
    /// The phone the package is for.
    pub device: Device,
    /// The processor of a Mac Catalyst package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macabi_arch: Option<MacabiArch>,
    /// The compiler; none where nothing is compiled.
    pub compiler: Option<CompilerIdentity>,
    /// When libraries may be compiled.
    pub jit_policy: JitPolicy,
    /// How long compiling takes with one compiler at a time, in seconds; none where nothing is compiled,
    /// or nothing like it was compiled before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_seconds: Option<Estimate>,
    /// The libraries without which `build` fails, since the policy does not let it compile them.
    pub refused: Vec<LibraryName>,
    /// The libraries that go into the archive, each once.
    pub libraries: Vec<PlannedLibrary>,
    /// The models, in the config's order.
    pub models: Vec<PlannedModel>,
    /// What has to be downloaded; none where nothing comes from the Hub.
    pub fetch: Option<PlannedFetch>,
    /// Models whose files are not on this machine and must not be asked for, so that nothing is
    /// known of their libraries.
    pub unfetched: Vec<Unfetched>,
    /// The platform binding; none where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<PlannedBinding>,
}

/// What has to be downloaded: the files of bundled models that are not on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlannedFetch {
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: ByteSize,
    /// The bytes that are free where they go.
    pub free: ByteSize,
}

/// One library of the archive.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedLibrary {
    /// Its name.
    pub model_lib: LibraryName,
    /// The models that load it; none for a prepared library that nobody uses.
    pub models: Vec<ModelId>,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Where a library comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
pub enum Origin {
    /// The user compiled it: `model_lib_path_for_prepare_libs`.
    Prepared {
        /// The file.
        path: Utf8PathBuf,
    },
    /// The compiler makes it, or has made it.
    Compiled {
        /// Its name in the store.
        fingerprint: Fingerprint,
        /// What the compiler is given to read.
        chat_config: Utf8PathBuf,
        /// Everything that can change it.
        inputs: Box<CompileInputs>,
        /// Whether the store has it.
        #[serde(flatten)]
        cached: Cached,
    },
}

/// Whether the store has a library.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "cache", rename_all = "snake_case")]
pub enum Cached {
    /// It does.
    Hit,
    /// It has to be compiled.
    Miss {
        /// Why.
        #[serde(flatten)]
        reason: MissReason,
    },
}

/// One model of the package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedModel {
    /// Its name in the app.
    pub model_id: ModelId,
    /// The library it loads.
    pub model_lib: LibraryName,
    /// Where it comes from.
    pub source: ModelSource,
    /// The commit of its repository, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Its architecture.
    pub model_type: String,
    /// Its quantization scheme.
    pub quantization: String,
    /// The memory the app is told it needs, in bytes.
    pub estimated_vram_bytes: u64,
    /// What the compiler is told beside the model's own config.
    pub overrides: Overrides,
    /// The directory that goes into `bundle/`, where it does.
    pub bundle: Option<PlannedBundle>,
    /// How the raw checkpoint becomes the model, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion: Option<PlannedConversion>,
}

/// A model directory that is shipped with the app.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedBundle {
    /// The directory.
    pub dir: Utf8PathBuf,
    /// How many files it holds.
    pub files: u64,
    /// Their bytes.
    pub bytes: ByteSize,
    /// Those of them that have to be downloaded first.
    pub to_fetch: ByteSize,
}

/// The conversion of a raw checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedConversion {
    /// The quantization, the conversation template, and who names that.
    #[serde(flatten)]
    pub what: ResolvedConversion,
    /// Who converts.
    #[serde(flatten)]
    pub engine: PlannedEngine,
    /// The converted model's name in the cache: everything that can change it.
    pub fingerprint: Fingerprint,
    /// Whether the cache has the model, and why not.
    #[serde(flatten)]
    pub cached: CachedModel,
}

/// Who converts a raw checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "engine", rename_all = "snake_case")]
pub enum PlannedEngine {
    /// This program.
    Native,
    /// `python -m mlc_llm`.
    Mlc {
        /// Why this program does not.
        why: String,
    },
}

/// Whether the cache has a converted model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cache", rename_all = "snake_case")]
pub enum CachedModel {
    /// It does.
    Hit,
    /// The checkpoint has to be converted.
    Miss {
        /// What is wrong with what the cache has; none where it has nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        damaged: Option<String>,
    },
}

/// A model whose files are not on this machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unfetched {
    /// Its name in the app.
    pub model_id: ModelId,
    /// Where it would come from.
    pub source: ModelSource,
    /// Why it was not had.
    pub why: String,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// One name for libraries that compile differently. Exit 10.
    #[error(
        "`{first}` and `{second}` share model_lib `{model_lib}` but compile differently: {why}"
    )]
    LibraryConflict {
        /// The name.
        model_lib: LibraryName,
        /// The first model.
        first: ModelId,
        /// The second model.
        second: ModelId,
        /// In what they differ.
        why: MissReason,
    },
    /// A model's own config gives no library name. Exit 10.
    #[error(
        "model `{model_id}` gives no library name: model_type {model_type:?}, quantization \
         {quantization:?}: {why}"
    )]
    Unnamed {
        /// The model.
        model_id: ModelId,
        /// Its architecture.
        model_type: String,
        /// Its quantization scheme.
        quantization: String,
        /// What is wrong with it.
        why: LibraryNameError,
    },
    /// Models whose files are not on this machine, and must not be asked for. Exit 11.
    #[error("{}", unfetched(.0))]
    Unfetched(Vec<Unfetched>),
    /// A model has to be compiled and no compiler is known. Exit 12.
    #[error("model `{model_id}` has to be compiled, and no compiler was looked for")]
    NoCompiler {
        /// The model.
        model_id: ModelId,
    },
}

impl StageError for PlanError {
    fn exit(&self) -> Exit {
        match self {
            Self::LibraryConflict { .. } | Self::Unnamed { .. } => Exit::Config,
            Self::Unfetched(_) => Exit::Fetch,
            Self::NoCompiler { .. } => Exit::Compile,
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::LibraryConflict { .. } => "give one of the two entries a `model_lib` of its own",
            Self::Unnamed { .. } => "give the entry a `model_lib`",
            Self::Unfetched(_) => {
                "build once where the Hub may be asked: without --offline and HF_HUB_OFFLINE, and \
                 with MLC_DOWNLOAD_CACHE_POLICY=ON"
            }
            Self::NoCompiler { .. } => "name its Python with --python",
        };
        Some(help.to_owned())
    }

    fn messages(&self) -> Vec<Message<'_>> {
        let Self::Unfetched(models) = self else {
            return vec![Message::new(self.to_string(), self.help())];
        };
        let mut messages: Vec<_> =
            models.iter().map(|model| Message::new(model.to_string(), None)).collect();
        if let Some(last) = messages.last_mut() {
            last.help = self.help();
        }
        messages
    }
}

impl fmt::Display for Unfetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model `{}`: {}", self.model_id, self.why)
    }
}

fn unfetched(models: &[Unfetched]) -> String {
    models.iter().map(Unfetched::to_string).collect::<Vec<_>>().join("\n  ")
}

impl Plan {
    /// The version of the JSON form.
    pub const SCHEMA: u32 = 1;

    /// Gives an error if models are not on this machine, and must not be asked for.
    pub fn require_fetched(&self) -> Result<(), PlanError> {
        match self.unfetched.as_slice() {
            [] => Ok(()),
            missing => Err(PlanError::Unfetched(missing.to_vec())),
        }
    }

    /// How many libraries have to be compiled.
    pub fn misses(&self) -> usize {
        self.libraries.iter().filter(|library| library.is_miss()).count()
    }

    /// Whether a library's Metal kernels are left to the phone to compile.
    pub fn has_metal_source(&self) -> bool {
        self.libraries.iter().any(|library| match &library.origin {
            Origin::Compiled { inputs, .. } => inputs.metal == Metal::Source,
            Origin::Prepared { .. } => false,
        })
    }
}

impl PlannedLibrary {
    /// Whether it has to be compiled.
    pub fn is_miss(&self) -> bool {
        matches!(&self.origin, Origin::Compiled { cached: Cached::Miss { .. }, .. })
    }

    /// Its name in the store; none for one that the user compiled.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match &self.origin {
            Origin::Compiled { fingerprint, .. } => Some(*fingerprint),
            Origin::Prepared { .. } => None,
        }
    }

    /// Whether the policy keeps `build` from having it.
    fn is_refused(&self, policy: JitPolicy) -> bool {
        match policy {
            JitPolicy::On | JitPolicy::Redo => false,
            JitPolicy::ReadOnly => self.is_miss(),
            // As upstream has it, the cache is left out too.
            JitPolicy::Off => matches!(self.origin, Origin::Compiled { .. }),
        }
    }
}

impl fmt::Display for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit => f.write_str("cached"),
            Self::Miss { reason } => write!(f, "compile: {reason}"),
        }
    }
}

#[cfg(test)]
mod test_plans;
#[cfg(test)]
mod tests;
