//! The arithmetic on weights, bit for bit upstream's: bytes of a checkpoint in, bytes of a shard
//! out. No memory is allocated here, and nothing depends on the processor but the speed.

mod float;
mod group;
pub(super) mod md5;
mod plain;
mod scan;

pub(super) use group::{Groups, quantize};
pub(super) use plain::{Arithmetic, Stored, in_single, store};
pub(super) use scan::{Found, scan};
