//! Any bytes as what `torch.save` wrote: tensors, or a refusal, and nothing executed.

#![no_main]
#![expect(clippy::disallowed_methods, reason = "the engine's macro opens a file")]

#[path = "../bodies/torch.rs"]
mod body;
#[path = "../bodies/place.rs"]
mod place;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
