use std::io::{self, Write};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use zstd::stream::raw::CParameter;

use super::Level;

/// How archives are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Four times as fast as gzip on one processor, and on all of them.
    #[default]
    Zstd,
    /// For where nothing else is at hand.
    Gzip,
}

impl Compression {
    /// The end of an archive's name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Zstd => "tar.zst",
            Self::Gzip => "tar.gz",
        }
    }
}

/// Bytes that one thread compresses at a time. By default zstd makes it depend on the level; it
/// is a part of the format here: another size gives other bytes.
const JOB_BYTES: u32 = 2 << 20;

/// How far back zstd looks, as a power of two: 1 MiB. Also what it takes to unpack.
const WINDOW_LOG: u32 = 20;

/// More threads than digest what they compress would wait.
const MOST_WORKERS: NonZeroU32 = NonZeroU32::new(4).unwrap();

pub(super) fn default_workers() -> NonZeroU32 {
    let processors = std::thread::available_parallelism().ok();
    let processors = processors.and_then(|count| NonZeroU32::try_from(count).ok());
    processors.unwrap_or(NonZeroU32::MIN).min(MOST_WORKERS)
}

/// A compressor before a writer.
pub(super) enum Encoder<W: Write> {
    Zstd(zstd::Encoder<'static, W>),
    Gzip(flate2::write::GzEncoder<W>),
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(
        compression: Compression,
        level: Level,
        workers: NonZeroU32,
        out: W,
    ) -> io::Result<Self> {
        let level = level.get();
        if compression == Compression::Gzip {
            // No time and no name in its header.
            let level = flate2::Compression::new(level.into());
            return Ok(Self::Gzip(flate2::write::GzEncoder::new(out, level)));
        }
        let mut encoder = zstd::Encoder::new(out, level.into())?;
        // Without a worker zstd makes another stream than with one; with more it makes the same.
        encoder.multithread(workers.get())?;
        encoder.set_parameter(CParameter::JobSize(JOB_BYTES))?;
        encoder.window_log(WINDOW_LOG)?;
        encoder.include_checksum(true)?;
        Ok(Self::Zstd(encoder))
    }

    /// Writes the end of the stream and gives the writer back.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(encoder) => encoder.write(buf),
            Self::Gzip(encoder) => encoder.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::num::NonZeroU32;

    use super::{Compression, Encoder, Level};

    /// Words that repeat, and noise between them.
    fn text(bytes: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..bytes).map(|at| if at % 7 < 3 { b"abc"[at % 7] } else { random() }).collect()
    }

    fn compressed(compression: Compression, workers: u32, text: &[u8], piece: usize) -> Vec<u8> {
        let workers = NonZeroU32::new(workers).unwrap();
        let mut encoder = Encoder::new(compression, Level::default(), workers, Vec::new()).unwrap();
        text.chunks(piece).for_each(|piece| encoder.write_all(piece).unwrap());
        encoder.finish().unwrap()
    }

    #[test]
    fn neither_threads_nor_pieces_change_a_byte() {
        for bytes in [1, 600_000, (5 << 20) + 17] {
            let text = text(bytes);
            for compression in [Compression::Zstd, Compression::Gzip] {
                let one = compressed(compression, 1, &text, 1 << 20);
                for (workers, piece) in [(1, 4096), (2, 1 << 20), (4, 100_003)] {
                    let other = compressed(compression, workers, &text, piece);
                    assert!(one == other, "{compression:?}, {bytes} bytes, {workers} workers");
                }
            }
            let archive = compressed(Compression::Zstd, 2, &text, 1 << 16);
            assert_eq!(zstd::decode_all(&archive[..]).unwrap(), text);
            let archive = compressed(Compression::Gzip, 2, &text, 1 << 16);
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(&archive[..]).read_to_end(&mut back).unwrap();
            assert_eq!(back, text);
        }
    }
}
