//! MD5 of several streams side by side. One stream is one number after the other, and leaves most
//! of a processor idle; so many take hardly longer than one.

use fearless_simd::{Level, Simd, SimdBase as _, SimdFrom as _, dispatch, u32x8};

/// So many streams.
pub(in super::super) const LANES: usize = 8;

/// Bytes of a block.
pub(in super::super) const BLOCK: usize = 64;

/// The state of a stream of which whole blocks were hashed.
pub(in super::super) type State = [u32; 4];

/// Before the first byte (RFC 1321, 3.3).
pub(in super::super) const START: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Hashes as many blocks of each stream as the shortest has.
pub(in super::super) fn blocks(
    level: Level,
    states: &mut [State; LANES],
    streams: [&[[u8; BLOCK]]; LANES],
) {
    dispatch!(level, simd => simd.vectorize(
        #[inline(always)]
        || all_blocks(simd, states, streams)
    ));
}

/// The digest of a stream: `rest` is what follows the blocks that were hashed, of `length` bytes
/// in all.
pub(in super::super) fn digest(mut state: State, rest: &[u8], length: u64) -> [u8; 16] {
    let mut end = rest.to_vec();
    end.push(0x80);
    end.resize((end.len() + 8).next_multiple_of(BLOCK) - 8, 0);
    end.extend(length.wrapping_mul(8).to_le_bytes());
    let mut states = [state; LANES];
    blocks(Level::baseline(), &mut states, [end.as_chunks().0; LANES]);
    [state, ..] = states;
    let mut digest = [0; 16];
    for (to, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *to = word.to_le_bytes();
    }
    digest
}

#[inline(always)]
fn all_blocks<S: Simd>(simd: S, states: &mut [State; LANES], streams: [&[[u8; BLOCK]]; LANES]) {
    let count = streams.iter().map(|stream| stream.len()).min().unwrap_or_default();
    let mut state = [0, 1, 2, 3].map(|at| {
        let mut lanes = [0; LANES];
        for (lane, state) in lanes.iter_mut().zip(states.iter()) {
            *lane = state.get(at).copied().unwrap_or_default();
        }
        u32x8::simd_from(simd, lanes)
    });
    let mut streams = streams.map(|stream| stream.iter());
    for _ in 0..count {
        let mut words = [[0; LANES]; BLOCK / 4];
        for (lane, stream) in streams.iter_mut().enumerate() {
            let Some(block) = stream.next() else { return };
            for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
                if let Some(word) = word.get_mut(lane) {
                    *word = u32::from_le_bytes(*bytes);
                }
            }
        }
        state = block(simd, state, &words);
    }
    for (at, lanes) in state.into_iter().enumerate() {
        for (state, lane) in states.iter_mut().zip(lanes.as_slice()) {
            if let Some(word) = state.get_mut(at) {
                *word = *lane;
            }
        }
    }
}

/// One block of each stream, word by word (RFC 1321, 3.4).
#[inline(always)]
fn block<S: Simd>(
    simd: S,
    state: [u32x8<S>; 4],
    words: &[[u32; LANES]; BLOCK / 4],
) -> [u32x8<S>; 4] {
    let [mut a, mut b, mut c, mut d] = state;
    macro_rules! step {
        ($f:ident, $a:ident, $b:ident, $c:ident, $d:ident, $shift:expr, $word:expr, $sine:expr) => {
            let word = u32x8::simd_from(simd, words[$word]);
            let sum = $a + $f($b, $c, $d) + word + u32x8::splat(simd, $sine);
            $a = $b + ((sum << $shift) | (sum >> (32 - $shift)));
        };
    }
    macro_rules! four {
        ($f:ident, [$s:expr, $t:expr, $u:expr, $v:expr],
         [$i:expr, $p:expr; $j:expr, $q:expr; $k:expr, $r:expr; $l:expr, $w:expr]) => {
            step!($f, a, b, c, d, $s, $i, $p);
            step!($f, d, a, b, c, $t, $j, $q);
            step!($f, c, d, a, b, $u, $k, $r);
            step!($f, b, c, d, a, $v, $l, $w);
        };
    }
    four!(choose, [7, 12, 17, 22],
          [0, 0xd76a_a478; 1, 0xe8c7_b756; 2, 0x2420_70db; 3, 0xc1bd_ceee]);
    four!(choose, [7, 12, 17, 22],
          [4, 0xf57c_0faf; 5, 0x4787_c62a; 6, 0xa830_4613; 7, 0xfd46_9501]);
    four!(choose, [7, 12, 17, 22],
          [8, 0x6980_98d8; 9, 0x8b44_f7af; 10, 0xffff_5bb1; 11, 0x895c_d7be]);
    four!(choose, [7, 12, 17, 22],
          [12, 0x6b90_1122; 13, 0xfd98_7193; 14, 0xa679_438e; 15, 0x49b4_0821]);
    four!(choose_by_d, [5, 9, 14, 20],
          [1, 0xf61e_2562; 6, 0xc040_b340; 11, 0x265e_5a51; 0, 0xe9b6_c7aa]);
    four!(choose_by_d, [5, 9, 14, 20],
          [5, 0xd62f_105d; 10, 0x0244_1453; 15, 0xd8a1_e681; 4, 0xe7d3_fbc8]);
    four!(choose_by_d, [5, 9, 14, 20],
          [9, 0x21e1_cde6; 14, 0xc337_07d6; 3, 0xf4d5_0d87; 8, 0x455a_14ed]);
    four!(choose_by_d, [5, 9, 14, 20],
          [13, 0xa9e3_e905; 2, 0xfcef_a3f8; 7, 0x676f_02d9; 12, 0x8d2a_4c8a]);
    four!(parity, [4, 11, 16, 23],
          [5, 0xfffa_3942; 8, 0x8771_f681; 11, 0x6d9d_6122; 14, 0xfde5_380c]);
    four!(parity, [4, 11, 16, 23],
          [1, 0xa4be_ea44; 4, 0x4bde_cfa9; 7, 0xf6bb_4b60; 10, 0xbebf_bc70]);
    four!(parity, [4, 11, 16, 23],
          [13, 0x289b_7ec6; 0, 0xeaa1_27fa; 3, 0xd4ef_3085; 6, 0x0488_1d05]);
    four!(parity, [4, 11, 16, 23],
          [9, 0xd9d4_d039; 12, 0xe6db_99e5; 15, 0x1fa2_7cf8; 2, 0xc4ac_5665]);
    four!(last, [6, 10, 15, 21],
          [0, 0xf429_2244; 7, 0x432a_ff97; 14, 0xab94_23a7; 5, 0xfc93_a039]);
    four!(last, [6, 10, 15, 21],
          [12, 0x655b_59c3; 3, 0x8f0c_cc92; 10, 0xffef_f47d; 1, 0x8584_5dd1]);
    four!(last, [6, 10, 15, 21],
          [8, 0x6fa8_7e4f; 15, 0xfe2c_e6e0; 6, 0xa301_4314; 13, 0x4e08_11a1]);
    four!(last, [6, 10, 15, 21],
          [4, 0xf753_7e82; 11, 0xbd3a_f235; 2, 0x2ad7_d2bb; 9, 0xeb86_d391]);
    let [before_a, before_b, before_c, before_d] = state;
    [a + before_a, b + before_b, c + before_c, d + before_d]
}

#[inline(always)]
fn choose<S: Simd>(b: u32x8<S>, c: u32x8<S>, d: u32x8<S>) -> u32x8<S> {
    d ^ (b & (c ^ d))
}

#[inline(always)]
fn choose_by_d<S: Simd>(b: u32x8<S>, c: u32x8<S>, d: u32x8<S>) -> u32x8<S> {
    choose(d, b, c)
}

#[inline(always)]
fn parity<S: Simd>(b: u32x8<S>, c: u32x8<S>, d: u32x8<S>) -> u32x8<S> {
    b ^ c ^ d
}

#[inline(always)]
fn last<S: Simd>(b: u32x8<S>, c: u32x8<S>, d: u32x8<S>) -> u32x8<S> {
    c ^ (b | !d)
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;
    use proptest::prelude::*;

    use super::{BLOCK, LANES, Level, START, blocks, digest};

    proptest! {
        /// Each stream has the digest that the crate `md-5` gives it alone.
        #[test]
        fn streams_do_not_disturb_each_other(
            streams in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..400),
                LANES,
            ),
        ) {
            let whole = |stream: &Vec<u8>| stream.len() / BLOCK;
            let shared = streams.iter().map(whole).min().unwrap();
            let mut states = [START; LANES];
            let of = |at: usize| &streams[at].as_chunks().0[..shared];
            blocks(Level::new(), &mut states, std::array::from_fn(of));
            for (stream, state) in streams.iter().zip(states) {
                let rest = &stream[shared * BLOCK..];
                let digest = digest(state, rest, stream.len() as u64);
                prop_assert_eq!(digest, <[u8; 16]>::from(md5::Md5::digest(stream)));
            }
        }
    }
}
