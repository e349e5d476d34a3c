//! Any bytes as a checkpoint's config, index and headers: the same weights twice, whole, or none.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/checkpoint.rs"]
mod body;
#[path = "../bodies/mutation.rs"]
mod mutation;
#[macro_use]
mod mutator;
#[path = "../bodies/place.rs"]
mod place;
#[path = "../bodies/sections.rs"]
mod sections;

target!();
