//! Compiling model libraries: running the compiler for what the store lacks.
//!
//! ```text
//! (plan: fingerprints) -> store -> run -> mlc -> store
//! ```

mod error;
mod mlc;
pub(crate) mod package;
mod record;
mod run;
pub mod single;

#[cfg(test)]
#[path = "tests/scene.rs"]
mod scene;

pub use error::{
    CompileError, CompileErrors, CompileOneError, FailedCompilation, FailedLibraries,
    FailedLibrary, Failure,
};
pub use mlc::MlcCompiler;
pub use record::{LibraryStore, StoredLibrary};
pub use run::{
    Check, CompileEvent, CompileJob, CompileRequest, CompiledLibrary, Compiler, Workspace,
    compile_all,
};
