//! Compiling model libraries: which compiler there is, the store of what it made, and running
//! it for what the store lacks.
//!
//! ```text
//! toolchain -> (plan: fingerprints) -> store -> run -> mlc -> store
//! ```

mod environment;
mod error;
mod machine;
mod memory;
mod mlc;
pub(crate) mod package;
mod probe;
mod python;
mod run;
pub mod single;
mod sources;
mod store;
mod store_error;
mod store_inventory;
mod store_removal;
mod store_use;
mod toolchain;
mod toolchain_error;
mod xcode;

#[cfg(test)]
#[path = "tests/scene.rs"]
mod scene;

pub use environment::Environment;
pub use error::{CompileError, CompileErrors, FailedCompilation, Failure};
pub use mlc::MlcCompiler;
pub use python::{PYTHON_VARIABLE, find as find_python};
pub use run::{
    Check, CompileEvent, CompileJob, CompileRequest, CompiledLibrary, Compiler, Workspace,
    compile_all,
};
pub use store::{Lookup, MissReason, Store, StoredLibrary};
pub use store_error::StoreError;
pub use store_inventory::{Log, StoredEntry};
pub use store_removal::{Leftover, Removal};
pub use toolchain::{Toolchain, ToolchainRequest, identify};
pub use toolchain_error::{ProbeEnd, ToolchainError};
