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
mod mutator;
#[path = "../bodies/sections.rs"]
mod sections;

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutator::mutate(data, size, max_size, seed)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
