//! Which weights are not finite, once it is known that some are not.

use super::float::{Bf16, F16, F32, Float};
use super::plain::Stored;
use crate::model::FloatType;

/// The weights of a piece that are not finite in the type they are to have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Found {
    /// How many.
    pub(in super::super) count: u64,
    /// The first, by its number in the piece, and its value in the checkpoint.
    pub(in super::super) first: u64,
    pub(in super::super) value: f32,
}

/// Looks for weights that are not finite.
pub(in super::super) fn scan(stored: Stored, weights: &[u8]) -> Option<Found> {
    match stored.source {
        FloatType::F16 => with_source::<F16>(stored, weights),
        FloatType::Bf16 => with_source::<Bf16>(stored, weights),
        FloatType::F32 => with_source::<F32>(stored, weights),
    }
}

fn with_source<S: Float>(stored: Stored, weights: &[u8]) -> Option<Found> {
    let finite = |value: f32| {
        let value = stored.arithmetic.apply::<S>(stored.target, value);
        match stored.target {
            FloatType::F16 => F16::round(value).is_finite(),
            FloatType::Bf16 => Bf16::round(value).is_finite(),
            FloatType::F32 => value.is_finite(),
        }
    };
    find(weights.chunks_exact(S::SIZE).map(S::decode).map(|value| (value, finite(value))))
}

/// Of values, and whether each is finite, those that are not.
pub(super) fn find(values: impl Iterator<Item = (f32, bool)>) -> Option<Found> {
    let mut wrong = values.enumerate().filter(|(_, (_, finite))| !finite);
    let (first, (value, _)) = wrong.next()?;
    Some(Found { count: 1 + wrong.count() as u64, first: first as u64, value })
}
