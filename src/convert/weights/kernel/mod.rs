//! The arithmetic on weights, bit for bit upstream's: bytes of a checkpoint in, bytes of a shard
//! out. No memory is allocated here, and nothing depends on the processor but the speed.

mod float;
mod fp8;
mod group;
pub(super) mod md5;
mod plain;
mod scan;

pub(super) use fp8::{
    LEAST, e4m3_scale, is_finite_e4m3, largest, scan_e4m3, scan_e5m2, store_e4m3, store_e5m2, zeros,
};
pub(super) use group::{Groups, quantize};
pub(super) use plain::{Arithmetic, Stored, in_single, store};
pub(super) use scan::{Found, scan};
