//! Weights that are not quantized: another type, and no more.

use fearless_simd::{Level, Simd, dispatch};

use super::float::{Bf16, F16, F32, Float, INFINITY, MAGNITUDE};
use crate::model::FloatType;

/// Weights, and how they are stored.
#[derive(Clone, Copy)]
pub(in super::super) struct Stored {
    /// The checkpoint's type.
    pub(in super::super) source: FloatType,
    /// What is done to each.
    pub(in super::super) arithmetic: Arithmetic,
    /// The parameter's type. One of f32 is stored as bf16.
    pub(in super::super) target: FloatType,
}

/// What is done to each weight before it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Arithmetic {
    Nothing,
    /// One is added, in the checkpoint's type.
    PlusOne,
    /// One is added, in f32.
    PlusOneInSingle,
    /// The weight has the parameter's type, and is multiplied by this in it.
    Times(f32),
    /// e to the minus e to the power of it, in f32.
    ExpOfExp,
}

impl Arithmetic {
    /// The result, which storing rounds. `S` is the checkpoint's type.
    #[inline(always)]
    pub(super) fn apply<S: Float>(self, target: FloatType, value: f32) -> f32 {
        match self {
            Self::Nothing => value,
            Self::PlusOne => S::round(value + 1.0),
            Self::PlusOneInSingle => value + 1.0,
            Self::Times(factor) => rounded(target, value) * factor,
            Self::ExpOfExp => exp(-exp(value)),
        }
    }
}

/// Rounded to a type.
fn rounded(target: FloatType, value: f32) -> f32 {
    match target {
        FloatType::F16 => F16::round(value),
        FloatType::Bf16 => Bf16::round(value),
        FloatType::F32 => value,
    }
}

/// The nearest f32 but for rare ties: the same on every processor.
fn exp(value: f32) -> f32 {
    f64::from(value).exp() as f32
}

/// Weights as f32 with the arithmetic done, for what is quantized afterwards: the values that the
/// model's type has.
pub(in super::super) fn in_single(stored: Stored, weights: &[u8], out: &mut [u8]) {
    match stored.source {
        FloatType::F16 => single::<F16>(stored, weights, out),
        FloatType::Bf16 => single::<Bf16>(stored, weights, out),
        FloatType::F32 => single::<F32>(stored, weights, out),
    }
}

fn single<S: Float>(stored: Stored, weights: &[u8], out: &mut [u8]) {
    let Stored { arithmetic, target, .. } = stored;
    for (weight, out) in weights.chunks_exact(S::SIZE).zip(out.as_chunks_mut::<4>().0) {
        let value = arithmetic.apply::<S>(target, S::decode(weight));
        *out = rounded(target, value).to_le_bytes();
    }
}

/// Converts weights; two bytes each come out. Gives whether all are finite in the target's type.
/// A NaN comes out as one, but not always as the same one.
pub(in super::super) fn store(
    level: Level,
    stored: Stored,
    weights: &[u8],
    out: &mut [u8],
) -> bool {
    match stored.source {
        FloatType::F16 => from::<F16>(level, stored, weights, out),
        FloatType::Bf16 => from::<Bf16>(level, stored, weights, out),
        FloatType::F32 => from::<F32>(level, stored, weights, out),
    }
}

fn from<S: Float>(level: Level, stored: Stored, weights: &[u8], out: &mut [u8]) -> bool {
    let Stored { arithmetic, target, .. } = stored;
    if arithmetic != Arithmetic::Nothing {
        // Norms and the like: small.
        let change = |value| arithmetic.apply::<S>(target, value);
        return match target {
            FloatType::F16 => convert::<S>(change, weights, out, half),
            FloatType::Bf16 => convert::<S>(change, weights, out, brain),
            FloatType::F32 => convert::<S>(change, weights, out, single_as_brain),
        };
    }
    match target {
        FloatType::F16 => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || convert::<S>(same, weights, out, half)
        )),
        FloatType::Bf16 => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || convert::<S>(same, weights, out, brain)
        )),
        FloatType::F32 => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || convert::<S>(same, weights, out, single_as_brain)
        )),
    }
}

#[inline(always)]
fn same(value: f32) -> f32 {
    value
}

#[inline(always)]
fn convert<S: Float>(
    change: impl Fn(f32) -> f32,
    weights: &[u8],
    out: &mut [u8],
    store: impl Fn(f32) -> (u16, bool),
) -> bool {
    let mut infinite = 0;
    for (weight, out) in weights.chunks_exact(S::SIZE).zip(out.as_chunks_mut::<2>().0) {
        let (bits, finite) = store(change(S::decode(weight)));
        *out = bits.to_le_bytes();
        infinite |= u32::from(!finite);
    }
    infinite == 0
}

/// The bits of a half.
#[inline(always)]
fn half(value: f32) -> (u16, bool) {
    let rounded = F16::round(value).to_bits();
    let magnitude = rounded & MAGNITUDE;
    // Exact, and without carries: rounding is done. Adding 0.5 to a subnormal puts its integer
    // multiple of 2^-24 into the last bits.
    let normal = magnitude.wrapping_sub(112 << 23) >> 13;
    let small = (f32::from_bits(magnitude) + 0.5).to_bits() & 0x3ff;
    let finite = if magnitude < (127 - 14) << 23 { small } else { normal };
    let infinite = if magnitude == INFINITY { 0x7c00 } else { 0x7e00 };
    let bits = if magnitude < INFINITY { finite } else { infinite };
    ((bits | ((rounded >> 16) & 0x8000)) as u16, magnitude < INFINITY)
}

/// The bits of a bf16.
#[inline(always)]
fn brain(value: f32) -> (u16, bool) {
    let rounded = Bf16::round(value).to_bits();
    ((rounded >> 16) as u16, rounded & MAGNITUDE < INFINITY)
}

/// What stands for an f32 in a shard, `f32-to-bf16` in tensor-cache.json: a bf16 that is rounded
/// half to even, but never to infinity: values beyond the largest bf16 are cut.
#[inline(always)]
fn single_as_brain(value: f32) -> (u16, bool) {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    let chosen = if bits & MAGNITUDE < 0x7f7f_0000 { rounded } else { bits };
    ((chosen >> 16) as u16, bits & MAGNITUDE < INFINITY)
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use proptest::prelude::*;

    use super::{Arithmetic, Level, Stored, store};
    use crate::model::FloatType;

    fn one(source: FloatType, plus_one: bool, target: FloatType, weight: &[u8]) -> (u16, bool) {
        let mut out = [0; 2];
        let arithmetic = if plus_one { Arithmetic::PlusOne } else { Arithmetic::Nothing };
        let stored = Stored { source, arithmetic, target };
        let finite = store(Level::new(), stored, weight, &mut out);
        (u16::from_le_bytes(out), finite)
    }

    #[test]
    fn every_half_is_stored() {
        for bits in 0..=u16::MAX {
            let bytes = bits.to_le_bytes();
            let (half, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            let (stored, finite) = one(FloatType::F16, false, FloatType::F16, &bytes);
            assert!(stored == bits || (half.is_nan() && f16::from_bits(stored).is_nan()));
            assert_eq!(finite, half.is_finite());
            let (stored, _) = one(FloatType::Bf16, false, FloatType::F32, &bytes);
            assert_eq!(stored, bits);
            let (stored, _) = one(FloatType::Bf16, true, FloatType::Bf16, &bytes);
            let sum = bf16::from_f32(brain.to_f32() + 1.0);
            assert!(stored == sum.to_bits() || sum.is_nan(), "{brain} + 1");
        }
    }

    #[test]
    fn singles_are_never_rounded_to_infinity() {
        for (value, bits) in [(f32::MAX, 0x7f7f), (f32::MIN, 0xff7f), (f32::INFINITY, 0x7f80)] {
            let stored = one(FloatType::F32, false, FloatType::F32, &value.to_le_bytes());
            assert_eq!(stored, (bits, value.is_finite()));
            let stored = one(FloatType::F32, false, FloatType::Bf16, &value.to_le_bytes());
            assert!(!stored.1, "{value} is not finite in bf16");
        }
    }

    proptest! {
        #[test]
        fn singles_are_stored(bits: u32) {
            let value = f32::from_bits(bits);
            prop_assume!(!value.is_nan());
            let bytes = value.to_le_bytes();
            let half = f16::from_f32(value);
            prop_assert_eq!(
                one(FloatType::F32, false, FloatType::F16, &bytes),
                (half.to_bits(), half.is_finite())
            );
            let brain = bf16::from_f32(value);
            prop_assert_eq!(
                one(FloatType::F32, false, FloatType::Bf16, &bytes),
                (brain.to_bits(), brain.is_finite())
            );
        }
    }
}
