//! ZIP archives that are the same bytes for the same entries: written from start to end, since what
//! they are written to cannot be moved in, without times, owners and what follows an entry's data.
//! Java reads no stored entry whose size stands behind it. Layout: PKWARE's APPNOTE 6.3.

use std::io::{self, Read as _, Write};

use camino::Utf8Path;
use flate2::{Compression, Crc, read::DeflateDecoder, write::DeflateEncoder};

/// What is read at once, in bytes.
const BLOCK: usize = 1 << 20;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const END_BYTES: usize = 22;
/// Midnight of 1 January 1980, the first moment that there is.
const DATE: u16 = 0x21;
/// Made on Unix, by version 2.0 of the format.
const MADE_BY: u16 = 3 << 8 | 20;
const VERSION: u16 = 20;
/// A regular file that everybody may read.
const MODE: u32 = 0o100_644 << 16;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// How an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As it is.
    Stored,
    /// Smaller, where it gets smaller.
    Deflated,
}

/// An archive in the making.
pub struct ZipWriter<W> {
    out: W,
    at: u64,
    directory: Vec<u8>,
    count: u16,
}

/// An entry as the headers have it.
struct Entry<'a> {
    name: &'a str,
    method: u16,
    crc: u32,
    packed: u64,
    bytes: u64,
}

impl<W: Write> ZipWriter<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Self {
        Self { out, at: 0, directory: Vec::new(), count: 0 }
    }

    /// Writes an entry that is in memory.
    ///
    /// # Errors
    /// The archive becomes larger than the format has numbers for.
    pub fn add(&mut self, name: &str, bytes: &[u8], method: Method) -> io::Result<()> {
        let mut crc = Crc::new();
        crc.update(bytes);
        let packed = match method {
            Method::Stored => None,
            Method::Deflated => Some(deflated(bytes)?).filter(|packed| packed.len() < bytes.len()),
        };
        let method = if packed.is_some() { DEFLATED } else { STORED };
        let data = packed.as_deref().unwrap_or(bytes);
        let entry = Entry {
            name,
            method,
            crc: crc.sum(),
            packed: data.len() as u64,
            bytes: bytes.len() as u64,
        };
        self.begin(&entry)?;
        self.write(data)
    }

    /// Stores a file, in constant memory: it is read once for its checksum, which stands in front
    /// of it, and once more.
    ///
    /// # Errors
    /// As [`add`](Self::add); and if the file changes between the two.
    pub fn store_file(&mut self, name: &str, path: &Utf8Path) -> io::Result<()> {
        let (crc, bytes) = checksum(path)?;
        self.begin(&Entry { name, method: STORED, crc, packed: bytes, bytes })?;
        let mut again = Crc::new();
        each_block(path, |block| {
            again.update(block);
            self.write(block)
        })?;
        if again.sum() != crc || u64::from(again.amount()) != bytes & 0xffff_ffff {
            return Err(io::Error::other(format!("`{path}` changed while it was read")));
        }
        Ok(())
    }

    /// Writes the directory; gives what the archive was written to.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn finish(mut self) -> io::Result<W> {
        let mut end = Vec::with_capacity(END_BYTES);
        end.extend(END);
        end.extend([0; 4]);
        end.extend(self.count.to_le_bytes());
        end.extend(self.count.to_le_bytes());
        end.extend(fits(self.directory.len() as u64)?.to_le_bytes());
        end.extend(fits(self.at)?.to_le_bytes());
        end.extend([0; 2]);
        let directory = std::mem::take(&mut self.directory);
        self.write(&directory)?;
        self.write(&end)?;
        Ok(self.out)
    }

    fn begin(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let at = fits(self.at)?;
        let flags: u16 = if entry.name.is_ascii() { 0 } else { 1 << 11 };
        let length = u16::try_from(entry.name.len()).map_err(|_| too_large())?;
        let mut common = Vec::new();
        common.extend(VERSION.to_le_bytes());
        common.extend(flags.to_le_bytes());
        common.extend(entry.method.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        common.extend(DATE.to_le_bytes());
        common.extend(entry.crc.to_le_bytes());
        common.extend(fits(entry.packed)?.to_le_bytes());
        common.extend(fits(entry.bytes)?.to_le_bytes());
        common.extend(length.to_le_bytes());
        common.extend([0; 2]);

        self.directory.extend(CENTRAL);
        self.directory.extend(MADE_BY.to_le_bytes());
        self.directory.extend(&common);
        self.directory.extend([0; 6]);
        self.directory.extend(MODE.to_le_bytes());
        self.directory.extend(at.to_le_bytes());
        self.directory.extend(entry.name.as_bytes());
        self.count = self.count.checked_add(1).ok_or_else(too_large)?;

        self.write(&LOCAL)?;
        self.write(&common)?;
        self.write(entry.name.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// Compressed by all processors, in pieces that refer to nothing outside of them, so that their
/// number changes nothing.
fn deflated(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let pieces: Vec<_> = bytes.chunks(BLOCK).collect();
    Ok(deflated_pieces(&pieces, true)?.concat())
}

fn deflated_pieces(pieces: &[&[u8]], last: bool) -> io::Result<Vec<Vec<u8>>> {
    if let [] | [_] = pieces {
        // The fastest level: what it is used for is megabytes of machine code, in every build.
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(pieces.first().copied().unwrap_or_default())?;
        if last {
            return Ok(vec![encoder.finish()?]);
        }
        // To the end of a byte, where the next piece can follow.
        encoder.flush()?;
        return Ok(vec![std::mem::take(encoder.get_mut())]);
    }
    let (before, behind) = pieces.split_at(pieces.len() / 2);
    let (before, behind) =
        rayon_core::join(|| deflated_pieces(before, false), || deflated_pieces(behind, last));
    let mut both = before?;
    both.extend(behind?);
    Ok(both)
}

fn checksum(path: &Utf8Path) -> io::Result<(u32, u64)> {
    let (mut crc, mut bytes) = (Crc::new(), 0);
    each_block(path, |block| {
        crc.update(block);
        bytes += block.len() as u64;
        Ok(())
    })?;
    Ok((crc.sum(), bytes))
}

fn each_block(path: &Utf8Path, mut hear: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = super::stream::open(path)?;
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(()),
            read => hear(block.get(..read).unwrap_or_default())?,
        }
    }
}

fn fits(number: u64) -> io::Result<u32> {
    // All ones stands for a number in a longer field, which is not written here.
    u32::try_from(number).ok().filter(|number| *number < u32::MAX).ok_or_else(too_large)
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "a ZIP archive holds less than 4 GiB")
}

/// The files of a small archive, in its order: their names, and their bytes, which are at most
/// `most` together.
///
/// # Errors
/// It is damaged, encrypted, or larger.
pub fn read(archive: &[u8], most: u64) -> io::Result<Vec<(String, Vec<u8>)>> {
    let damaged =
        || io::Error::new(io::ErrorKind::InvalidData, "it is not a ZIP archive, or it is damaged");
    let end = (0..=archive.len().saturating_sub(END_BYTES))
        .rev()
        .take(usize::from(u16::MAX) + 1)
        .find(|at| archive.get(*at..).is_some_and(|rest| rest.starts_with(&END)));
    let end = end.and_then(|at| archive.get(at..)).ok_or_else(damaged)?;
    let (count, start) = (number::<2>(end, 10), number::<4>(end, 16));
    let mut rest = archive.get(place(start)..).ok_or_else(damaged)?;
    let (mut files, mut left) = (Vec::new(), most);
    for _ in 0..count {
        if !rest.starts_with(&CENTRAL) {
            return Err(damaged());
        }
        let length = |at| place(number::<2>(rest, at));
        let (method, crc) = (number::<2>(rest, 10), number::<4>(rest, 16));
        let (packed, bytes) = (number::<4>(rest, 20), number::<4>(rest, 24));
        let name = rest.get(46..46 + length(28)).ok_or_else(damaged)?;
        let name = str::from_utf8(name).map_err(|_| damaged())?.to_owned();
        let local = archive.get(place(number::<4>(rest, 42))..).ok_or_else(damaged)?;
        if !local.starts_with(&LOCAL) {
            return Err(damaged());
        }
        let from = 30 + place(number::<2>(local, 26)) + place(number::<2>(local, 28));
        let data = local.get(from..).and_then(|data| data.get(..place(packed)));
        let data = data.ok_or_else(damaged)?;
        rest = rest.get(46 + length(28) + length(30) + length(32)..).ok_or_else(damaged)?;
        if name.ends_with('/') {
            continue;
        }
        left = left.checked_sub(bytes).ok_or_else(too_large)?;
        let content = match u16::try_from(method) {
            Ok(STORED) => data.to_vec(),
            Ok(DEFLATED) => {
                let mut content = Vec::new();
                DeflateDecoder::new(data)
                    .take(bytes.saturating_add(1))
                    .read_to_end(&mut content)?;
                content
            }
            _ => return Err(damaged()),
        };
        let mut sum = Crc::new();
        sum.update(&content);
        if content.len() as u64 != bytes || u64::from(sum.sum()) != crc {
            return Err(damaged());
        }
        files.push((name, content));
    }
    Ok(files)
}

/// A little-endian number; 0 where there is none.
fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk::<N>).copied().unwrap_or([0; N]);
    found.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{Method, ZipWriter, read};

    fn written(dir: &Utf8Path) -> Vec<u8> {
        let file = dir.join("weights");
        fs_err::write(&file, vec![7; 3 << 20]).unwrap();
        let mut zip = ZipWriter::new(Vec::new());
        zip.add("ä/text", &[b'x'; 1000], Method::Deflated).unwrap();
        let long: Vec<u8> = (0..3 << 20).map(|n: u32| (n % 251) as u8).collect();
        zip.add("long", &long, Method::Deflated).unwrap();
        zip.add("empty", b"", Method::Deflated).unwrap();
        zip.add("stored", &[b'x'; 1000], Method::Stored).unwrap();
        zip.store_file("weights", &file).unwrap();
        zip.finish().unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_the_same_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let bytes = written(dir);
        assert_eq!(bytes, written(dir));
        let files = read(&bytes, 1 << 30).unwrap();
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ä/text", "long", "empty", "stored", "weights"]);
        assert_eq!(files[0].1, files[3].1);
        assert_eq!((files[1].1.len(), files[4].1.len()), (3 << 20, 3 << 20));
        assert!(files[1].1.iter().zip(0_u32..).all(|(byte, n)| u32::from(*byte) == n % 251));
        // A stored entry lies in it as it is, a deflated one does not.
        assert_eq!(bytes.windows(1000).filter(|part| **part == [b'x'; 1000]).count(), 1);
        assert!(read(&bytes, 1 << 20).is_err());
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let mut zip = ZipWriter::new(Vec::new());
        zip.add("text", &[b'x'; 1000], Method::Deflated).unwrap();
        zip.add("stored", b"some bytes", Method::Stored).unwrap();
        let bytes = zip.finish().unwrap();
        for cut in [0, 1, 21, 60, bytes.len() - 1] {
            assert!(read(&bytes[..cut], 1 << 30).is_err(), "{cut}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            // Whatever comes of it, it is an answer.
            let _ = read(&changed, 1 << 30);
        }
    }
}
