//! Conversions that are asked for: by the verb, into a directory; by a build, for the models of its
//! package, into the cache.
//!
//! ```text
//! checkpoint (a directory, the Hub) -> job (who converts) -> natively
//!                                                         -> mlc (python -m mlc_llm), cached
//! ```

mod cached;
mod checkpoint;
mod conversion;
mod error;
mod mlc;
mod package;
mod template;
mod verb;

pub use error::JobError;
pub use package::{ConversionsRequest, PackageConversions};
pub use verb::{ConvertRequest, Converted, Source, convert};
