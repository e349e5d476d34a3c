//! A `dist/` as assets of a release: one archive of the library and what goes with it, one of
//! each bundled model, cut below the size that a release takes, with a list that says what is in
//! which ([`assets`]) and `SHA256SUMS`.
//!
//! The same `dist/` gives the same bytes, on any machine and with any number of threads. Bytes
//! pass through once: file -> BLAKE3 -> tar -> compressor -> parts and their SHA-256.

mod archive;
pub mod assets;
mod compress;
mod error;
mod names;
mod plan;
mod record;
mod split;
pub mod sums;
mod write;

use std::num::NonZeroU32;

pub use compress::Compression;
pub use error::PackError;
pub use names::{AssetName, PackageName};
pub use plan::{AssetPlan, PackPlan, plan};
pub use write::{Asset, PackEvent, PackedAssets, write};

/// How a package is packed.
#[derive(Clone, Debug)]
pub struct PackOptions {
    /// What every asset's name begins with.
    pub name: PackageName,
    /// How archives are compressed.
    pub compression: Compression,
    /// Whether bundled models are packed too.
    pub weights: bool,
    /// The compressor's level. Quantized weights hardly get smaller with a higher one.
    pub level: Level,
    /// The most bytes of one asset.
    pub part_bytes: u64,
    /// Threads that compress; the archives do not depend on it. gzip uses one.
    pub workers: NonZeroU32,
}

impl PackOptions {
    /// GitHub takes assets of less than 2 GiB.
    pub const PART_BYTES: u64 = 2000 << 20;

    /// As a release is packed unless somebody asks for something else.
    pub fn new(name: PackageName) -> Self {
        Self {
            name,
            compression: Compression::Zstd,
            weights: true,
            level: Level::default(),
            part_bytes: Self::PART_BYTES,
            workers: compress::default_workers(),
        }
    }
}

/// A compressor's level, from 1 to 9. Higher ones would need more memory than a small machine
/// has to spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

impl Level {
    /// The level, if it is one.
    pub fn new(level: u8) -> Option<Self> {
        (1..=9).contains(&level).then_some(Self(level))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self(1)
    }
}
