//! Compiling model libraries: the store of what was compiled, and running the compiler for what
//! the store lacks.
//!
//! ```text
//! (plan: fingerprints) -> store -> run -> mlc -> store
//! ```

mod error;
mod mlc;
pub(crate) mod package;
mod run;
pub mod single;
mod store;
mod store_error;
mod store_inventory;
mod store_removal;
mod store_use;

#[cfg(test)]
#[path = "tests/scene.rs"]
mod scene;

pub use error::{CompileError, CompileErrors, FailedCompilation, Failure};
pub use mlc::MlcCompiler;
pub use run::{
    Check, CompileEvent, CompileJob, CompileRequest, CompiledLibrary, Compiler, Workspace,
    compile_all,
};
pub use store::{Lookup, MissReason, Store, StoredLibrary};
pub use store_error::StoreError;
pub use store_inventory::{Log, StoredEntry};
pub use store_removal::{Leftover, Removal};
