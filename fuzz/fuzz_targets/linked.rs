//! Any bytes as what was linked: no panic, and every problem on its line.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/linked.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
