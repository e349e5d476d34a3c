//! FP8, upstream's `mlc_llm/quantization/per_tensor_quantization.py`. A processor has no such type, so
//! TVM casts to it by integers (`src/tirx/transform/dtype_conversion.cc`): what is below the least
//! normal number is not rounded to a subnormal one, but gets bits that stand for another.

use fearless_simd::{Level, Simd, dispatch};

use super::float::{Bf16, F16, F32, Float, INFINITY};
use super::plain::Stored;
use super::scan::{Found, find};
use crate::model::FloatType;

/// Fewer magnitudes than there are: where the search for the largest begins.
pub(in super::super) const LEAST: f32 = -F16::MAX;

/// The largest finite number of `float8_e4m3fn`.
const LARGEST_E4M3: f32 = 448.0;
/// The least scale, 1 / (512 * 448) in half precision.
const LEAST_SCALE: f32 = 73.0 / 16_777_216.0;

/// An f32 in a format of eight bits: so many for the mantissa, and for the exponent another bias.
#[inline(always)]
fn cast<const MANTISSA: u32, const BIAS: u32>(value: f32) -> u8 {
    let dropped = 23 - MANTISSA;
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(((bits >> dropped) & 1) + (1 << (dropped - 1)) - 1);
    let exponent = (rounded << 1) >> 24;
    let mantissa = (rounded >> dropped) as u8 & ((1 << MANTISSA) - 1);
    let sign = ((rounded >> 31) << 7) as u8;
    // A larger exponent runs over, as it does in TVM.
    let number = mantissa | ((exponent.wrapping_sub(127 - BIAS) as u8) << MANTISSA) | sign;
    if exponent < 127 - BIAS { 0 } else { number }
}

#[inline(always)]
fn e5m2(value: f32) -> u8 {
    cast::<2, 15>(value)
}

#[inline(always)]
fn e4m3(value: f32) -> u8 {
    cast::<3, 7>(value)
}

/// Converts weights to halves and these to `float8_e5m2`. Gives whether all are finite there.
pub(in super::super) fn store_e5m2(
    level: Level,
    stored: Stored,
    weights: &[u8],
    out: &mut [u8],
) -> bool {
    let store = |value: f32| {
        let bits = e5m2(value);
        (bits, bits & 0x7c != 0x7c && value.is_finite())
    };
    by_source(level, stored, weights, out, store)
}

/// Converts weights to halves and these, divided by the scale, to `float8_e4m3fn`. Gives whether the
/// halves are finite.
pub(in super::super) fn store_e4m3(
    level: Level,
    stored: Stored,
    scale: f32,
    weights: &[u8],
    out: &mut [u8],
) -> bool {
    by_source(level, stored, weights, out, |value| (e4m3(value / scale), value.is_finite()))
}

/// How many weights are 0 in the checkpoint.
pub(in super::super) fn zeros(source: FloatType, weights: &[u8]) -> usize {
    match source {
        FloatType::F16 => zeros_of::<F16>(weights),
        FloatType::Bf16 => zeros_of::<Bf16>(weights),
        FloatType::F32 => zeros_of::<F32>(weights),
    }
}

fn zeros_of<S: Float>(weights: &[u8]) -> usize {
    weights.chunks_exact(S::SIZE).filter(|weight| S::decode(weight) == 0.0).count()
}

fn by_source(
    level: Level,
    stored: Stored,
    weights: &[u8],
    out: &mut [u8],
    store: impl Fn(f32) -> (u8, bool),
) -> bool {
    match stored.source {
        FloatType::F16 => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || each::<F16>(stored, weights, out, &store)
        )),
        FloatType::Bf16 => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || each::<Bf16>(stored, weights, out, &store)
        )),
        FloatType::F32 => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || each::<F32>(stored, weights, out, &store)
        )),
    }
}

#[inline(always)]
fn each<S: Float>(
    stored: Stored,
    weights: &[u8],
    out: &mut [u8],
    store: impl Fn(f32) -> (u8, bool),
) -> bool {
    let mut infinite = 0;
    for (weight, out) in weights.chunks_exact(S::SIZE).zip(out) {
        let (bits, finite) = store(half::<S>(stored, weight));
        *out = bits;
        infinite |= u32::from(!finite);
    }
    infinite == 0
}

/// A weight in half precision.
#[inline(always)]
fn half<S: Float>(stored: Stored, weight: &[u8]) -> f32 {
    F16::round(stored.arithmetic.apply::<S>(stored.target, S::decode(weight)))
}

/// The largest magnitude of these weights in half precision, and of those before, of which it was
/// `largest`. TVM's maximum takes what follows a NaN.
pub(in super::super) fn largest(level: Level, stored: Stored, largest: f32, weights: &[u8]) -> f32 {
    match stored.source {
        FloatType::F16 => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || largest_of::<F16>(stored, largest, weights)
        )),
        FloatType::Bf16 => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || largest_of::<Bf16>(stored, largest, weights)
        )),
        FloatType::F32 => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || largest_of::<F32>(stored, largest, weights)
        )),
    }
}

#[inline(always)]
fn largest_of<S: Float>(stored: Stored, before: f32, weights: &[u8]) -> f32 {
    let magnitudes = weights.chunks_exact(S::SIZE).map(|weight| half::<S>(stored, weight).abs());
    // Bits of magnitudes are ordered as the magnitudes are, and a maximum of integers becomes
    // vector instructions.
    let most = magnitudes.clone().fold(0, |most, value| value.to_bits().max(most));
    if most <= INFINITY && !before.is_nan() {
        return f32::from_bits(most).max(before);
    }
    magnitudes.fold(before, |largest, value| if largest > value { largest } else { value })
}

/// The scale of weights of which this is the largest magnitude.
pub(in super::super) fn e4m3_scale(largest: f32) -> f32 {
    let scale = F16::round(largest / LARGEST_E4M3);
    if scale > LEAST_SCALE { scale } else { LEAST_SCALE }
}

/// Whether no weight of `float8_e4m3fn` is NaN; it has no infinity.
pub(in super::super) fn is_finite_e4m3(weights: &[u8]) -> bool {
    !weights.iter().fold(false, |found, weight| found | is_nan(*weight))
}

fn is_nan(weight: u8) -> bool {
    weight & 0x7f == 0x7f
}

/// Looks for weights of `float8_e4m3fn` that are not finite.
pub(in super::super) fn scan_e4m3(weights: &[u8]) -> Option<Found> {
    find(weights.iter().map(|weight| (f32::NAN, !is_nan(*weight))))
}

/// Looks for weights that are not finite in `float8_e5m2`.
pub(in super::super) fn scan_e5m2(stored: Stored, weights: &[u8]) -> Option<Found> {
    match stored.source {
        FloatType::F16 => not_e5m2::<F16>(stored, weights),
        FloatType::Bf16 => not_e5m2::<Bf16>(stored, weights),
        FloatType::F32 => not_e5m2::<F32>(stored, weights),
    }
}

fn not_e5m2<S: Float>(stored: Stored, weights: &[u8]) -> Option<Found> {
    const TOO_LARGE: f32 = 61440.0;
    let is_finite = |weight| half::<S>(stored, weight).abs() < TOO_LARGE;
    find(weights.chunks_exact(S::SIZE).map(|weight| (S::decode(weight), is_finite(weight))))
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::super::Arithmetic;
    use super::{
        FloatType, Level, Stored, e4m3, e4m3_scale, e5m2, is_finite_e4m3, largest, scan_e4m3,
        scan_e5m2, store_e5m2,
    };

    /// Of what the format has as normal numbers, the nearest, half to even; the rest is TVM's.
    #[test]
    fn normal_numbers_are_the_nearest() {
        for bits in 0..0x7c00_u16 {
            let value = f16::from_bits(bits).to_f32();
            let (upper, lower) = (bits >> 8, bits & 0xff);
            let up = lower > 0x80 || (lower == 0x80 && upper & 1 == 1);
            let nearest = (upper + u16::from(up)) as u8;
            if value >= 2_f32.powi(-14) {
                assert_eq!(e5m2(value), nearest, "{value}");
                assert_eq!(e5m2(-value), nearest | 0x80, "{value}");
            }
        }
        assert_eq!([0.0, -0.0, 2_f32.powi(-17)].map(e5m2), [0; 3]);
        // 2^-15 has a subnormal number there, 2, and becomes another one.
        assert_eq!(e5m2(2_f32.powi(-15)), 0);
        assert_eq!(
            [448.0, 463.9, -448.0, 1.0, 2_f32.powi(-6)].map(e4m3),
            [0x7e, 0x7e, 0xfe, 0x38, 8]
        );
    }

    #[test]
    fn the_largest_weight_becomes_the_largest_number() {
        let stored = stored();
        for bits in 1..0x7c00_u16 {
            let value = f16::from_bits(bits);
            let bytes = [f16::from_bits(0), -value, f16::from_bits(bits / 2)]
                .map(f16::to_le_bytes)
                .concat();
            let most = largest(Level::new(), stored, super::LEAST, &bytes);
            assert_eq!(most, value.to_f32());
            let scale = e4m3_scale(most);
            if value.to_f32() / 448.0 >= super::LEAST_SCALE {
                assert_eq!(e4m3(value.to_f32() / scale), 0x7e, "{value}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_found() {
        let weights = [1.0, 61440.0, f32::NAN].map(|value| f16::from_f32(value).to_le_bytes());
        let weights = weights.concat();
        let mut out = [0; 3];
        assert!(!store_e5m2(Level::new(), stored(), &weights, &mut out));
        let found = scan_e5m2(stored(), &weights).unwrap();
        assert_eq!((found.count, found.first, found.value), (2, 1, 61440.0));
        assert!(store_e5m2(Level::new(), stored(), &weights[..2], &mut out[..1]));
        assert_eq!((out[0], scan_e5m2(stored(), &weights[..2])), (0x3c, None));
        assert!(is_finite_e4m3(&[0x7e, 0xfe, 0]) && !is_finite_e4m3(&[0, 0xff]));
        assert_eq!(
            scan_e4m3(&[0, 0xff, 0x7f]).map(|found| (found.count, found.first)),
            Some((2, 1))
        );
    }

    fn stored() -> Stored {
        let (source, arithmetic) = (FloatType::F16, Arithmetic::Nothing);
        Stored { source, arithmetic, target: FloatType::F16 }
    }
}
