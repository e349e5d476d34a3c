//! A stream cut into files, each and the whole of it digested on the way.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::Digest as _;

use crate::io::stream;
use crate::model::Sha256;

/// Bytes that are written, and then digested by a thread of its own, at a time.
const BLOCK: usize = 256 << 10;

/// Blocks on their way between the two.
const BLOCKS: usize = 16;

/// The parts of a stream, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// The size in bytes and the digest of each.
    pub(super) parts: Vec<(u64, Sha256)>,
    /// The digest of all of them one after the other.
    pub(super) whole: Sha256,
}

/// Writes a stream into files of at most `limit` bytes: `1`, `2` … in a directory.
pub(super) struct PartWriter {
    dir: Utf8PathBuf,
    limit: u64,
    file: Box<dyn Write + Send>,
    sizes: Vec<u64>,
    block: Vec<u8>,
    digesting: Digesting,
}

/// The thread that digests.
struct Digesting {
    blocks: SyncSender<Message>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Parts>,
}

enum Message {
    Block(Vec<u8>),
    PartEnds(u64),
}

impl PartWriter {
    /// Begins the first part. The directory must be there, and empty.
    pub(super) fn new(dir: &Utf8Path, limit: u64) -> io::Result<Self> {
        let digesting = Digesting::start()?;
        Ok(Self {
            dir: dir.to_owned(),
            limit: limit.max(1),
            file: Box::new(stream::create_new(&part_path(dir, 1), false)?),
            sizes: vec![0],
            block: Vec::with_capacity(BLOCK),
            digesting,
        })
    }

    /// The end of the stream.
    pub(super) fn finish(mut self) -> io::Result<Parts> {
        self.write_block()?;
        self.file.flush()?;
        self.end_part()?;
        drop(self.digesting.blocks);
        self.digesting.thread.join().map_err(|_| io::Error::other("the digesting thread failed"))
    }

    fn end_part(&mut self) -> io::Result<()> {
        let size = self.sizes.last().copied().unwrap_or_default();
        self.digesting.send(Message::PartEnds(size))
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.block)?;
        let empty = self.digesting.empty.recv().map_err(|_| gone())?;
        let block = std::mem::replace(&mut self.block, empty);
        self.digesting.send(Message::Block(block))
    }
}

impl Write for PartWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut size = self.sizes.last().copied().unwrap_or_default();
        if size == self.limit && !buf.is_empty() {
            self.write_block()?;
            self.file.flush()?;
            self.end_part()?;
            self.sizes.push(0);
            self.file =
                Box::new(stream::create_new(&part_path(&self.dir, self.sizes.len()), false)?);
            size = 0;
        }
        let room = usize::try_from(self.limit - size).unwrap_or(usize::MAX);
        let taken = buf.len().min(room).min(BLOCK - self.block.len());
        self.block.extend_from_slice(buf.get(..taken).unwrap_or_default());
        if let Some(last) = self.sizes.last_mut() {
            *last += taken as u64;
        }
        if self.block.len() == BLOCK {
            self.write_block()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_block()?;
        self.file.flush()
    }
}

/// Where a part is while it is made; the first has number 1.
pub(super) fn part_path(dir: &Utf8Path, number: usize) -> Utf8PathBuf {
    dir.join(number.to_string())
}

impl Digesting {
    fn start() -> io::Result<Self> {
        let (blocks, received) = sync_channel(BLOCKS);
        let (give_back, empty) = channel();
        for _ in 0..BLOCKS {
            // The other end is right here.
            let _ = give_back.send(Vec::with_capacity(BLOCK));
        }
        let thread = std::thread::Builder::new()
            .name("sha256".to_owned())
            .spawn(move || digest(&received, &give_back))?;
        Ok(Self { blocks, empty, thread })
    }

    fn send(&self, message: Message) -> io::Result<()> {
        self.blocks.send(message).map_err(|_| gone())
    }
}

fn digest(blocks: &Receiver<Message>, give_back: &Sender<Vec<u8>>) -> Parts {
    let mut whole = sha2::Sha256::new();
    // The digest of the first part is that of the whole so far.
    let mut part: Option<sha2::Sha256> = None;
    let mut parts = Vec::new();
    for message in blocks {
        match message {
            Message::Block(mut block) => {
                whole.update(&block);
                if let Some(part) = &mut part {
                    part.update(&block);
                }
                block.clear();
                // Nobody needs it any more when the writer has gone.
                let _ = give_back.send(block);
            }
            Message::PartEnds(bytes) => {
                let ended = part.replace(sha2::Sha256::new()).unwrap_or_else(|| whole.clone());
                parts.push((bytes, Sha256::finish(ended)));
            }
        }
    }
    Parts { parts, whole: Sha256::finish(whole) }
}

fn gone() -> io::Error {
    io::Error::other("the digesting thread is gone")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use camino::Utf8Path;

    use super::{BLOCK, PartWriter, Sha256, part_path};

    #[test]
    fn parts_are_cut_where_they_must_be_and_digested() {
        for (bytes, limit) in [
            (0, 10),
            (9, 10),
            (10, 10),
            (11, 10),
            (30, 10),
            (3 * BLOCK + 5, BLOCK as u64),
            (3 * BLOCK, 700_001),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let dir = Utf8Path::from_path(dir.path()).unwrap();
            let stream: Vec<u8> = (0..bytes).map(|at| (at * 31 % 251) as u8).collect();
            let mut writer = PartWriter::new(dir, limit).unwrap();
            for piece in stream.chunks(100_003) {
                writer.write_all(piece).unwrap();
            }
            let parts = writer.finish().unwrap();
            assert_eq!(parts.whole, Sha256::of(&stream));
            let mut expected: Vec<&[u8]> = stream.chunks(limit as usize).collect();
            if expected.is_empty() {
                expected.push(&[]);
            }
            assert_eq!(parts.parts.len(), expected.len(), "{bytes} bytes in parts of {limit}");
            for (index, part) in expected.iter().enumerate() {
                assert_eq!(parts.parts[index], (part.len() as u64, Sha256::of(part)));
                assert_eq!(fs_err::read(part_path(dir, index + 1)).unwrap(), *part);
            }
        }
    }
}
