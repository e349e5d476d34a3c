//! Any bytes as a config: no panic, no span outside, no package with errors, and every rendering
//! succeeds and is harmless.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/config.rs"]
mod body;
#[path = "../bodies/checked.rs"]
mod checked;
#[path = "../bodies/harmless.rs"]
mod harmless;
#[path = "../bodies/mutation.rs"]
mod mutation;
#[macro_use]
mod mutator;
#[path = "../bodies/sections.rs"]
mod sections;

target!();
