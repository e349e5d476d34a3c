//! The platform binding: mlc4j for Android, the static libraries of the runtime for Apple.
//!
//! ```text
//! source, tools -> prepare (fingerprint) -> kit store -> build (upstream's script) -> kit -> link
//! ```
//!
//! All of it but the archive of the models is the same from package to package and takes ten
//! minutes or more to build. It is built once by upstream's own script; what is needed to link it
//! again is kept as a kit.

pub mod abi;
pub(crate) mod abi_headers;
mod answers;
mod build;
pub mod checks;
pub mod classes;
mod collect;
mod error;
mod git_settings;
mod identity;
mod kit;
mod kit_inventory;
mod kit_store;
mod link;
mod link_command;
pub(crate) mod linked;
pub(crate) mod obtain;
pub mod planned;
pub(crate) mod preflight;
mod prepare;
mod script;
mod source;
mod surroundings;
mod tools;

pub use build::{BuildEvent, BuildLock, BuildRequest, Built, build, check_before_build};
pub use error::{BindingError, FailedBuild, HowEnded, Phase};
pub use kit::{Kit, KitFile, KitRecord};
pub use kit_inventory::{BuildDir, StoredKit};
pub use kit_store::{KitLookup, KitMiss, KitStore};
pub use link::{LinkRequest, link};
pub use prepare::{Binding, BindingRequest, Builder, prepare};
pub use source::SourceTree;
pub use surroundings::Surroundings;
pub use tools::Ndk;

/// Changed whenever kits are made in another way: older ones are of no use then.
const KIT_FORMAT: u32 = 1;
/// The directory of the cache, beside the kits, in which bindings are built.
const BUILD_DIRS: &str = "binding";
