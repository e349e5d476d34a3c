//! Any bytes as a library's file: no panic, and what can be opened can be linked.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/container.rs"]
mod body;
#[path = "../bodies/tar.rs"]
mod tar;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
