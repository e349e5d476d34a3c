//! Any bytes as the assets of a release: all that the list says or nothing, and nothing elsewhere.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/archive.rs"]
mod body;
#[path = "../bodies/mutation.rs"]
mod mutation;
mod mutator;
#[path = "../bodies/place.rs"]
mod place;
#[path = "../bodies/sections.rs"]
mod sections;

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutator::mutate(data, size, max_size, seed)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
