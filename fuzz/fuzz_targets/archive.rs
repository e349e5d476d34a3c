//! Any bytes as the assets of a release: all that the list says or nothing, and nothing elsewhere.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/archive.rs"]
mod body;
#[path = "../bodies/mutation.rs"]
mod mutation;
#[macro_use]
mod mutator;
#[path = "../bodies/place.rs"]
mod place;
#[path = "../bodies/sections.rs"]
mod sections;
#[path = "../bodies/tar.rs"]
mod tar;

target!();
