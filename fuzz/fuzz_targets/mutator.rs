//! Lets the engine change JSON as JSON, every second time: by bytes it hardly gets past a parser.

use crate::mutation::{self, Chance};

pub(crate) fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut chance = Chance::new(seed.into());
    let structured = (chance.below(2) == 0).then(|| mutation::json(&data[..size], &mut chance));
    match structured.flatten().filter(|changed| changed.len() <= max_size) {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
}

/// A target of the body, whose inputs are changed as JSON too.
macro_rules! target {
    () => {
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
            mutator::mutate(data, size, max, seed)
        });
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            body::run(bytes);
        });
    };
}
