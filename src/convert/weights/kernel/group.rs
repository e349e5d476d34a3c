//! Group quantization. For each group: `scale = max|w| / max_int`, and for each weight of it
//! `clamp(round(w / scale + max_int), 0, 2 max_int)`, packed from the low bits up into words;
//! upstream's `mlc_llm/quantization/group_quantization.py`. Of f16, every step is rounded to it;
//! of bf16, the scale alone.

use fearless_simd::{Level, Simd, dispatch};

use super::float::{Bf16, F16, F32, Float, INFINITY, MAGNITUDE};
use crate::model::{FloatType, GroupQuantization};

/// Rows of weights, and where the result goes.
pub(in super::super) struct Groups<'a> {
    /// The weights, row by row, as the checkpoint has them.
    pub(in super::super) weights: &'a [u8],
    /// Their type.
    pub(in super::super) source: FloatType,
    /// Weights a row. The last group of a row may be short.
    pub(in super::super) columns: usize,
    /// The type of the arithmetic.
    pub(in super::super) model: FloatType,
    /// Whether the scales of bf16 are rounded only when they are stored: TVM keeps them in f32
    /// where it transposes them before.
    pub(in super::super) transposed: bool,
    /// The words of all groups, row by row.
    pub(in super::super) words: &'a mut [u32],
    /// Their scales, row by row.
    pub(in super::super) scales: &'a mut [f32],
}

/// Quantizes whole rows. Gives whether all weights are finite in the model's type.
pub(in super::super) fn quantize(
    level: Level,
    group: &GroupQuantization,
    rows: Groups<'_>,
) -> bool {
    match (rows.source, rows.model) {
        (FloatType::F16, FloatType::F16) => with_types::<F16, F16>(level, group, rows),
        (FloatType::F16, FloatType::Bf16) => with_types::<F16, Bf16>(level, group, rows),
        (FloatType::F16, FloatType::F32) => with_types::<F16, F32>(level, group, rows),
        (FloatType::Bf16, FloatType::F16) => with_types::<Bf16, F16>(level, group, rows),
        (FloatType::Bf16, FloatType::Bf16) => with_types::<Bf16, Bf16>(level, group, rows),
        (FloatType::Bf16, FloatType::F32) => with_types::<Bf16, F32>(level, group, rows),
        (FloatType::F32, FloatType::F16) => with_types::<F32, F16>(level, group, rows),
        (FloatType::F32, FloatType::Bf16) => with_types::<F32, Bf16>(level, group, rows),
        (FloatType::F32, FloatType::F32) => with_types::<F32, F32>(level, group, rows),
    }
}

fn with_types<S: Float, M: Float>(
    level: Level,
    group: &GroupQuantization,
    rows: Groups<'_>,
) -> bool {
    match (group.bits, group.size) {
        (4, 32) => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || all_rows::<S, M, 4, 32>(rows)
        )),
        (3, 40) => dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || all_rows::<S, M, 3, 40>(rows)
        )),
        // `Quantization` has no others; no weight is lost for one that it may get.
        _ => false,
    }
}

#[inline(always)]
fn all_rows<S: Float, M: Float, const BITS: u32, const SIZE: usize>(rows: Groups<'_>) -> bool {
    let words = SIZE / (32 / BITS as usize);
    let groups = rows.columns.div_ceil(SIZE);
    let exact = rows.transposed && matches!(M::TYPE, FloatType::Bf16);
    let mut finite = true;
    for ((weights, row_words), row_scales) in rows
        .weights
        .chunks_exact(rows.columns * S::SIZE)
        .zip(rows.words.chunks_exact_mut(groups * words))
        .zip(rows.scales.chunks_exact_mut(groups))
    {
        for ((weights, words), scale) in
            weights.chunks(SIZE * S::SIZE).zip(row_words.chunks_exact_mut(words)).zip(row_scales)
        {
            let (values, max) = decode::<S, M, SIZE>(weights);
            if max < INFINITY && weights.len() == SIZE * S::SIZE {
                *scale = ordinary_group::<M, BITS, SIZE>(&values, max, exact, words);
            } else {
                finite &= max < INFINITY;
                let used = weights.len() / S::SIZE;
                let (used, _) = values.split_at(used.min(SIZE));
                *scale = any_group::<M, BITS>(used, SIZE, exact, words);
            }
        }
    }
    finite
}

/// A group's weights in the model's type, and the bits of the largest magnitude. What is not
/// there is zero.
#[inline(always)]
fn decode<S: Float, M: Float, const SIZE: usize>(weights: &[u8]) -> ([f32; SIZE], u32) {
    let mut values = [0.0; SIZE];
    for (value, bytes) in values.iter_mut().zip(weights.chunks_exact(S::SIZE)) {
        let decoded = S::decode(bytes);
        *value = if S::TYPE as u8 == M::TYPE as u8 { decoded } else { M::round(decoded) };
    }
    // Bits of magnitudes are ordered as the magnitudes are, and a maximum of integers becomes
    // vector instructions.
    let mut lanes = [0; 8];
    for chunk in values.chunks_exact(8) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = (*lane).max(value.to_bits() & MAGNITUDE);
        }
    }
    (values, lanes.into_iter().max().unwrap_or_default())
}

/// A whole group of finite weights.
#[inline(always)]
fn ordinary_group<M: Float, const BITS: u32, const SIZE: usize>(
    values: &[f32; SIZE],
    max: u32,
    exact: bool,
    words: &mut [u32],
) -> f32 {
    let max_int = ((1 << (BITS - 1)) - 1) as f32;
    // Adding it puts the nearest integer, half to even, into the last bits.
    const TO_INTEGER: f32 = 8_388_608.0;
    let scale = f32::from_bits(max) / max_int;
    let scale = if exact { scale } else { M::round(scale) };
    let mut integers = [0_u8; SIZE];
    for (integer, value) in integers.iter_mut().zip(values) {
        // |w / scale| is at most max_int and a half, or infinite or NaN with a scale of zero:
        // small values may keep more bits than they should, since the sum loses them.
        let quotient = M::ordinary_step(value / scale);
        let shifted = M::ordinary_step(quotient + max_int);
        // NaN, of 0 / 0, becomes 0.
        let positive = if shifted > 0.0 { shifted } else { 0.0 };
        let clamped = if positive < 2.0 * max_int { positive } else { 2.0 * max_int };
        *integer = (clamped + TO_INTEGER).to_bits() as u8;
    }
    if BITS == 4 {
        for (word, bytes) in words.iter_mut().zip(integers.as_chunks::<8>().0) {
            *word = nibbles(*bytes);
        }
    } else {
        for (word, integers) in words.iter_mut().zip(integers.chunks((32 / BITS) as usize)) {
            *word = packed::<BITS>(integers);
        }
    }
    scale
}

/// Eight bytes of which the upper halves are zero.
#[inline(always)]
fn nibbles(bytes: [u8; 8]) -> u32 {
    let bits = u64::from_le_bytes(bytes);
    let bits = (bits | (bits >> 4)) & 0x00ff_00ff_00ff_00ff;
    let bits = (bits | (bits >> 8)) & 0x0000_ffff_0000_ffff;
    (bits | (bits >> 16)) as u32
}

#[inline(always)]
fn packed<const BITS: u32>(integers: &[u8]) -> u32 {
    integers.iter().rev().fold(0, |word, integer| (word << BITS) | u32::from(*integer))
}

/// Any group, by the formula: short ones, and those with infinities and NaN. TVM's maximum takes
/// what follows a NaN, and what fills a short group is the least value there is.
#[cold]
#[inline(never)]
fn any_group<M: Float, const BITS: u32>(
    values: &[f32],
    size: usize,
    exact: bool,
    words: &mut [u32],
) -> f32 {
    let max_int = ((1 << (BITS - 1)) - 1) as f32;
    let least = std::iter::repeat_n(-M::MAX, size - values.len());
    let magnitudes = values.iter().map(|value| value.abs()).chain(least);
    let max = magnitudes.fold(-M::MAX, |max, value| if max > value { max } else { value });
    let scale = if exact { max / max_int } else { M::round(max / max_int) };
    let integer = |value: &f32| {
        let shifted = M::step(M::step(value / scale) + max_int);
        // A NaN becomes 0 in a cast.
        shifted.round_ties_even().max(0.0).min(2.0 * max_int) as u32
    };
    words.fill(0);
    for (word, values) in words.iter_mut().zip(values.chunks((32 / BITS) as usize)) {
        *word = values.iter().rev().fold(0, |word, value| (word << BITS) | integer(value));
    }
    scale
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bf16, F16, F32, Float, Level, any_group, decode, ordinary_group, quantize};
    use crate::model::{FloatType, GroupQuantization, Quantization};

    /// Weights as models have them, and the bits of anything.
    fn weight() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -1.0_f32..1.0,
            1 => Just(0.0_f32),
            2 => any::<f32>().prop_filter("finite", |value| value.is_finite()),
            1 => (0_u16..0x7c00).prop_map(|bits| half::f16::from_bits(bits).to_f32()),
            1 => (0_u16..32).prop_map(|bits| half::f16::from_bits(bits).to_f32()),
        ]
    }

    fn same<M: Float, const BITS: u32, const SIZE: usize>(weights: &[f32]) {
        let bytes: Vec<u8> = weights.iter().take(SIZE).flat_map(|w| w.to_le_bytes()).collect();
        let (values, max) = decode::<F32, M, SIZE>(&bytes);
        if max >= super::INFINITY {
            return;
        }
        let (mut fast, mut exact) = ([0; 4], [0; 4]);
        for in_f32 in [false, true] {
            let scale = ordinary_group::<M, BITS, SIZE>(&values, max, in_f32, &mut fast);
            let by_formula = any_group::<M, BITS>(&values, SIZE, in_f32, &mut exact);
            assert_eq!(scale.to_bits(), by_formula.to_bits(), "scale of {values:?}");
            assert_eq!(fast, exact, "words of {values:?}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_is_the_formula(weights in proptest::collection::vec(weight(), 40)) {
            same::<F16, 4, 32>(&weights);
            same::<F16, 3, 40>(&weights);
            same::<Bf16, 4, 32>(&weights);
            same::<F32, 4, 32>(&weights);
        }

        #[test]
        fn tiny_weights_are_no_exception(
            weights in proptest::collection::vec(0_u16..64, 40),
            signs in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let weights: Vec<f32> = weights.iter().zip(signs).map(|(bits, minus)| {
                let value = half::f16::from_bits(*bits).to_f32();
                if minus { -value } else { value }
            }).collect();
            same::<F16, 4, 32>(&weights);
            same::<F16, 3, 40>(&weights);
        }

        /// Whatever the shape: integers are within their range, what is not there is zero, and
        /// the weights come back within half a step and what the type's rounding loses.
        #[test]
        fn weights_come_back(
            rows in 1_usize..4,
            columns in 1_usize..90,
            scheme in 0_usize..Quantization::ALL.len(),
            seed in any::<u64>(),
        ) {
            let Some(group) = Quantization::ALL[scheme].group() else { return Ok(()) };
            let model = Quantization::ALL[scheme].model_dtype;
            let mut state = seed | 1;
            let weights: Vec<f32> = (0..rows * columns).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((state >> 40) as f32 / (1 << 24) as f32) - 0.5
            }).collect();
            let (words, scales) = run(&group, model, columns, &weights);
            for (row, weights) in weights.chunks(columns).enumerate() {
                let groups = columns.div_ceil(group.size);
                for (at, weight) in weights.iter().enumerate() {
                    let word = row * groups * group.words()
                        + at / group.size * group.words()
                        + at % group.size / group.per_word();
                    let shift = (at % group.per_word()) as u32 * group.bits;
                    let integer = (words[word] >> shift) & ((1 << group.bits) - 1);
                    prop_assert!(integer <= 2 * group.max_int());
                    let scale = scales[row * groups + at / group.size];
                    let back = (integer as f32 - group.max_int() as f32) * scale;
                    let loss = if model == FloatType::Bf16 { 0.05 } else { 0.008 };
                    let bound = scale * 0.5 + loss * scale * group.max_int() as f32;
                    prop_assert!((back - weight).abs() <= bound, "{weight} became {back}");
                }
            }
        }
    }

    fn run(
        group: &GroupQuantization,
        model: FloatType,
        columns: usize,
        weights: &[f32],
    ) -> (Vec<u32>, Vec<f32>) {
        let groups = weights.len() / columns * columns.div_ceil(group.size);
        let (mut words, mut scales) = (vec![u32::MAX; groups * group.words()], vec![-1.0; groups]);
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let finite = quantize(
            Level::new(),
            group,
            super::Groups {
                weights: &bytes,
                source: FloatType::F32,
                columns,
                model,
                transposed: false,
                words: &mut words,
                scales: &mut scales,
            },
        );
        assert!(finite);
        (words, scales)
    }
}
