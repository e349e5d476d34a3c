//! Any bytes as the small files of a checkpoint: a config that can be read, or none.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/chat.rs"]
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
