//! Any bytes as what says what a model is: no panic, no path that leads out, no sum that goes over.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/model.rs"]
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
