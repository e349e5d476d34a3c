//! Conversions as they are asked for: by the verb, and by a build for its models.

pub(crate) mod cached;
pub(crate) mod checkpoint;
pub(crate) mod converter;
pub(crate) mod mlc;
pub(crate) mod native;
pub(crate) mod package;
pub(crate) mod template;
pub mod verb;
pub(crate) mod verb_mlc;
pub(crate) mod verb_place;
