//! Any bytes as the manifest of a stranger: no panic, and a report that is harmless in every format.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/manifest.rs"]
mod body;
#[path = "../bodies/harmless.rs"]
mod harmless;
#[path = "../bodies/mutation.rs"]
mod mutation;
#[macro_use]
mod mutator;
#[path = "../bodies/sections.rs"]
mod sections;

target!();
