//! The platform binding: mlc4j for Android, the static libraries of the runtime for Apple.
//!
//! ```text
//! source, tools -> prepare (fingerprint) -> store -> build (upstream's script) -> kit -> linker
//! ```
//!
//! All of it but the archive of the models is the same from package to package and takes ten
//! minutes or more to build. It is built once by upstream's own script; what is needed to link it
//! again is kept as a kit.

pub mod abi;
pub(crate) mod abi_headers;
mod build;
mod build_dirs;
pub mod checks;
pub mod classes;
mod collect;
mod debug_info;
mod error;
mod git_settings;
mod identity;
mod kit;
mod kit_fault;
pub(crate) mod kit_file;
mod kit_source;
pub mod kit_transfer;
mod link;
mod link_command;
pub(crate) mod linked;
mod linked_code;
mod linker;
mod linker_script;
pub(crate) mod obtain;
pub mod planned;
pub(crate) mod preflight;
mod prepare;
mod released_kits;
mod script;
mod source;
mod surroundings;
mod tool_notes;
mod tools;

pub use build::{BuildEvent, BuildLock, BuildRequest, Built, build, check_before_build};
pub use build_dirs::{BuildDir, build_dirs};
pub use error::{BindingError, FailedBuild, HowEnded, Phase};
pub use kit::{Kit, KitFile, KitRecord, KitStore};
pub use kit_fault::KitFault;
pub use link::{LinkRequest, link};
pub use linker::Linker;
pub use prepare::{Binding, BindingRequest, Builder, prepare};
pub use source::SourceTree;
pub use surroundings::Surroundings;
pub use tools::Ndk;
