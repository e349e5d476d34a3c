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
