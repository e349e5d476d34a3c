//! Any bytes as the manifest of a stranger: no panic, and a report that is harmless in every format.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/manifest.rs"]
mod body;
#[path = "../bodies/harmless.rs"]
mod harmless;
#[path = "../bodies/mutation.rs"]
mod mutation;
mod mutator;
#[path = "../bodies/sections.rs"]
mod sections;

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutator::mutate(data, size, max_size, seed)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
