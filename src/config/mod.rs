//! `mlc-package-config.json`: from its text to a [`PackageConfig`], or to every problem at once.
//!
//! ```text
//! bytes -> source (UTF-8, lines) -> syntax (strict JSON with places) -> package, entry, ...
//!       -> Checked: a PackageConfig and diagnostics -> render (human, json, github)
//! ```
//!
//! The stage is pure: what it must know of the disk it asks [`Surroundings`]. [`Disk`] is the
//! real one, and [`check_file_with`] the only function that reads a file.
//!
//! Where upstream ignores or crashes, this stage reports; what upstream accepts and packages
//! well, it accepts.

mod checked;
mod code;
mod conflicts;
mod conversion;
mod diagnostic;
mod disk;
mod duplicate_keys;
mod entry;
mod fields;
mod lexical;
mod model_source;
mod over_budget;
mod overrides;
mod package;
mod prepared;
pub mod project;
mod quote;
pub mod render;
mod revision;
mod schema;
mod source;
mod suggest;
mod surroundings;
mod syntax;
mod tree;
mod vram;

pub use checked::{Checked, ConfigError, check};
pub use code::{Code, Severity};
pub use diagnostic::{Diagnostic, MAX_PROBLEMS, Span};
pub use disk::{Disk, check_file, check_file_with};
pub use lexical::MAX_DEPTH;
pub use over_budget::OverBudget;
pub use package::device_meant;
pub use schema::schema;
pub use suggest::nearest;
pub use surroundings::{
    FileText, ModelDir, ModelFault, NotInMlc, Place, Surroundings, TemplateDoubt,
};
pub use vram::VramNeed;

#[cfg(doc)]
use crate::model::PackageConfig;

/// The config's usual name.
pub const FILE_NAME: &str = "mlc-package-config.json";

/// The largest config that is read, in bytes. Real ones have a few thousand.
pub const MAX_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests;
