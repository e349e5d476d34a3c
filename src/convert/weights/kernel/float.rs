//! Floating-point types as values of f32, and their rounding: half to even, without branches, so
//! that loops over them become vector instructions.

use crate::model::FloatType;

/// A type that weights are stored in, and that arithmetic is rounded to. An operation in f32
/// rounded to one of these is the operation in it: 24 bits are more than twice its 11 and more.
pub(super) trait Float: Copy {
    const TYPE: FloatType;
    const SIZE: usize;
    /// The largest finite value.
    const MAX: f32;

    /// The value of its little-endian bytes.
    fn decode(bytes: &[u8]) -> f32;

    /// The nearest value of this type; infinite if there is none.
    fn round(value: f32) -> f32;

    /// What arithmetic in this type makes of a result that is not stored: TVM computes on bf16 in
    /// f32, and rounds only what it stores.
    fn step(value: f32) -> f32;

    /// The same for values between 2^-14 and 2^15, for zero, infinity and NaN; values below may
    /// have more bits than the type has.
    fn ordinary_step(value: f32) -> f32;
}

/// IEEE half precision.
#[derive(Clone, Copy)]
pub(super) struct F16;
/// The upper half of single precision.
#[derive(Clone, Copy)]
pub(super) struct Bf16;
/// IEEE single precision.
#[derive(Clone, Copy)]
pub(super) struct F32;

/// All bits of the exponent.
pub(super) const INFINITY: u32 = 0x7f80_0000;
/// All bits but the sign.
pub(super) const MAGNITUDE: u32 = 0x7fff_ffff;

impl Float for F16 {
    const TYPE: FloatType = FloatType::F16;
    const SIZE: usize = 2;
    const MAX: f32 = 65504.0;

    #[inline(always)]
    fn decode(bytes: &[u8]) -> f32 {
        let bits = u32::from(u16_of(bytes));
        let magnitude = (bits & 0x7fff) << 13;
        // The exponents' biases differ by 112. The multiplication makes subnormals right too.
        let finite = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
        let special = magnitude >= 0x7c00 << 13;
        let value = if special { magnitude | INFINITY } else { finite };
        f32::from_bits(value | ((bits & 0x8000) << 16))
    }

    #[inline(always)]
    fn round(value: f32) -> f32 {
        const LEAST_NORMAL: u32 = (127 - 14) << 23;
        const LARGEST_ROUNDED_DOWN: u32 = 0x477f_efff;
        let bits = value.to_bits();
        let magnitude = bits & MAGNITUDE;
        let normal = half_to_even(magnitude, 13);
        // Below 2^-14 the steps are 2^-24, which is what f32 has between 0.5 and 1.
        let small = (f32::from_bits(magnitude) + 0.5).to_bits();
        let small = (f32::from_bits(small) - 0.5).to_bits();
        let finite = if magnitude < LEAST_NORMAL { small } else { normal };
        let capped = if magnitude > LARGEST_ROUNDED_DOWN { INFINITY } else { finite };
        let rounded = if magnitude > INFINITY { magnitude } else { capped };
        f32::from_bits(rounded | (bits & !MAGNITUDE))
    }

    #[inline(always)]
    fn step(value: f32) -> f32 {
        Self::round(value)
    }

    #[inline(always)]
    fn ordinary_step(value: f32) -> f32 {
        f32::from_bits(half_to_even(value.to_bits(), 13))
    }
}

impl Float for Bf16 {
    const TYPE: FloatType = FloatType::Bf16;
    const SIZE: usize = 2;
    const MAX: f32 = f32::from_bits(0x7f7f_0000);

    #[inline(always)]
    fn decode(bytes: &[u8]) -> f32 {
        f32::from_bits(u32::from(u16_of(bytes)) << 16)
    }

    #[inline(always)]
    fn round(value: f32) -> f32 {
        let bits = value.to_bits();
        let nan = bits & MAGNITUDE > INFINITY;
        f32::from_bits(if nan { bits | 0x0040_0000 } else { half_to_even(bits, 16) })
    }

    #[inline(always)]
    fn step(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn ordinary_step(value: f32) -> f32 {
        value
    }
}

impl Float for F32 {
    const TYPE: FloatType = FloatType::F32;
    const SIZE: usize = 4;
    const MAX: f32 = f32::MAX;

    #[inline(always)]
    fn decode(bytes: &[u8]) -> f32 {
        bytes.first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
    }

    #[inline(always)]
    fn round(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn step(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn ordinary_step(value: f32) -> f32 {
        value
    }
}

/// Clears the last bits of a positive or negative number; carries where more than half is lost,
/// or half and the last bit kept is set.
#[inline(always)]
fn half_to_even(bits: u32, dropped: u32) -> u32 {
    let half = (1 << (dropped - 1)) - 1;
    bits.wrapping_add(half + ((bits >> dropped) & 1)) & !((1 << dropped) - 1)
}

#[inline(always)]
fn u16_of(bytes: &[u8]) -> u16 {
    bytes.first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use proptest::prelude::*;

    use super::{Bf16, F16, F32, Float};

    #[test]
    fn every_half_is_decoded() {
        for bits in 0..=u16::MAX {
            let bytes = bits.to_le_bytes();
            for (ours, theirs) in [
                (F16::decode(&bytes), f16::from_bits(bits).to_f32()),
                (Bf16::decode(&bytes), bf16::from_bits(bits).to_f32()),
            ] {
                let same = ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan());
                assert!(same, "{bits:04x}: {ours} {theirs}");
            }
        }
    }

    /// The values next to every half and to every point in the middle of two.
    #[test]
    fn rounding_is_right_around_every_half() {
        for bits in 0..0x7c01_u16 {
            let at = f16::from_bits(bits).to_f32().to_bits();
            let next = f16::from_bits(bits + 1).to_f32().to_bits();
            let middle = at.midpoint(next);
            for near in [at, middle, next] {
                for bits in near.saturating_sub(2)..=near + 2 {
                    check(f32::from_bits(bits));
                    check(-f32::from_bits(bits));
                }
            }
        }
    }

    fn check(value: f32) {
        let half = f16::from_f32(value).to_f32();
        let brain = bf16::from_f32(value).to_f32();
        if value.is_nan() {
            assert!(F16::round(value).is_nan() && Bf16::round(value).is_nan());
            assert!(F16::ordinary_step(f32::NAN).is_nan());
            return;
        }
        assert_eq!(F16::round(value).to_bits(), half.to_bits(), "{value:e} to f16");
        assert_eq!(Bf16::round(value).to_bits(), brain.to_bits(), "{value:e} to bf16");
        assert_eq!(F32::round(value).to_bits(), value.to_bits());
        if (value.abs() >= 6.103_515_6e-5 && value.abs() <= 32768.0) || value == 0.0 {
            assert_eq!(F16::ordinary_step(value).to_bits(), half.to_bits(), "{value:e}");
        }
    }

    proptest! {
        #[test]
        fn rounding_is_right_anywhere(bits: u32) {
            check(f32::from_bits(bits));
        }
    }
}
