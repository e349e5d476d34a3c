//! One archive into the next `dist/`: the files that are listed, and nothing else.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};

use camino::Utf8Path;

use super::UnpackError;
use super::feed::Stream;
use crate::io::cancel::Cancel;
use crate::io::{files, stream};
use crate::model::{Digest, ShardPath};
use crate::publish::pack::Compression;
use crate::publish::pack::assets::{ArchiveRecord, FileRecord};

/// Bytes that are inflated, digested and written at a time.
const BLOCK: usize = 256 << 10;

/// zstd's window as a power of two: what unpacking may be made to hold in memory. Ours is 20.
const WINDOW_LOG_MAX: u32 = 23;

/// The longest name of a file in `dist/`, with the zero after it, in bytes.
const LONGEST_NAME: u64 = 1025;

pub(super) fn extract(
    packed: Stream,
    compression: Compression,
    archive: &ArchiveRecord,
    staging: &Utf8Path,
    cancel: &Cancel,
) -> Result<(), UnpackError> {
    let damaged = |error: io::Error| Extraction::damaged(archive, &error);
    let inflated: Box<dyn Read> = match compression {
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::new(packed).map_err(damaged)?;
            decoder.window_log_max(WINDOW_LOG_MAX).map_err(damaged)?;
            Box::new(decoder)
        }
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
    };
    let mut tar =
        tar::Archive::new(Bounded { inner: inflated, left: archive.tar_bytes, passed: false });
    let files = archive.files.iter().map(|file| (file.path.as_str(), (file, false))).collect();
    let mut extraction =
        Extraction { archive, staging, cancel, files, long: None, block: vec![0; BLOCK] };
    let done = extraction.entries(&mut tar).and_then(|()| extraction.all_there());
    let mut rest = tar.into_inner();
    // What is behind the end of the tar is inflated too, so that its checksum counts.
    let done =
        done.and_then(|()| io::copy(&mut rest, &mut io::sink()).map(|_| ()).map_err(damaged));
    let listed = archive.tar_bytes;
    let why = match (done, rest) {
        (_, Bounded { passed: true, .. }) => {
            format!("it unpacks to more than the {listed} bytes that are listed")
        }
        (Err(error), _) => return Err(error),
        (Ok(()), Bounded { left: 0, .. }) => return Ok(()),
        (Ok(()), Bounded { left, .. }) => {
            format!("it unpacks to {left} bytes fewer than the {listed} that are listed")
        }
    };
    Err(UnpackError::Damaged { archive: archive.name.clone(), why })
}

/// Ends with an error where there is more than there may be.
struct Bounded {
    inner: Box<dyn Read>,
    left: u64,
    passed: bool,
}

impl Read for Bounded {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut one = [0];
            self.passed = self.passed || self.inner.read(&mut one)? > 0;
            return if self.passed { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(0) };
        }
        let most = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        let count = self.inner.read(buf.get_mut(..most).unwrap_or_default())?;
        self.left -= count as u64;
        Ok(count)
    }
}

struct Extraction<'a> {
    archive: &'a ArchiveRecord,
    staging: &'a Utf8Path,
    cancel: &'a Cancel,
    /// The files that are listed, and whether they came.
    files: BTreeMap<&'a str, (&'a FileRecord, bool)>,
    /// The name of the next entry, where it is too long for its header.
    long: Option<Vec<u8>>,
    block: Vec<u8>,
}

impl<'a> Extraction<'a> {
    fn damaged(archive: &ArchiveRecord, error: &io::Error) -> UnpackError {
        UnpackError::Damaged { archive: archive.name.clone(), why: error.to_string() }
    }

    fn refused(&self, entry: &[u8], why: impl Into<String>) -> UnpackError {
        UnpackError::Entry {
            archive: self.archive.name.clone(),
            entry: String::from_utf8_lossy(entry).into_owned(),
            why: why.into(),
        }
    }

    fn entries<R: Read>(&mut self, tar: &mut tar::Archive<R>) -> Result<(), UnpackError> {
        let archive = self.archive;
        let damaged = |error: io::Error| Self::damaged(archive, &error);
        // Raw: long names are read here, where they have a limit.
        for entry in tar.entries().map_err(damaged)?.raw(true) {
            let mut entry = entry.map_err(damaged)?;
            let name = match self.long.take() {
                Some(name) => name,
                None => entry.header().path_bytes().into_owned(),
            };
            match entry.header().entry_type() {
                tar::EntryType::Regular => self.file(&name, &mut entry)?,
                tar::EntryType::GNULongName if entry.size() <= LONGEST_NAME => {
                    let mut name = Vec::new();
                    entry.read_to_end(&mut name).map_err(damaged)?;
                    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                    name.truncate(end);
                    self.long = Some(name);
                }
                tar::EntryType::GNULongName => {
                    return Err(self.refused(&name, "is too long a name"));
                }
                other => return Err(self.refused(&name, format!("is {}", kind(other)))),
            }
        }
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        name: &[u8],
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<(), UnpackError> {
        let path = std::str::from_utf8(name).ok().map(str::parse::<ShardPath>);
        let path = match path {
            Some(Ok(path)) => path,
            Some(Err(why)) => return Err(self.refused(name, format!("is not a valid path: {why}"))),
            None => return Err(self.refused(name, "is not a valid path: it is not UTF-8")),
        };
        let Some((file, came)) = self.files.get_mut(path.as_str()) else {
            return Err(self.refused(name, "is not listed"));
        };
        if std::mem::replace(came, true) {
            return Err(self.refused(name, "is there twice"));
        }
        let file = *file;
        if entry.size() != file.bytes {
            let why = format!("has {} bytes, and the list says {}", entry.size(), file.bytes);
            return Err(self.refused(name, why));
        }
        if self.write(file, entry)? != file.digest {
            return Err(self.refused(name, "does not have the digest that is listed"));
        }
        Ok(())
    }

    /// Writes a file; gives its digest.
    fn write(&mut self, file: &FileRecord, entry: &mut impl Read) -> Result<Digest, UnpackError> {
        let place = self.staging.join(file.path.as_path());
        let failed = |error| UnpackError::write(file.path.as_path(), error);
        files::create_dir_all(files::parent(&place)).map_err(failed)?;
        let mut out = stream::create_new(&place, file.executable).map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        let mut left = file.bytes;
        while left > 0 {
            if self.cancel.is_cancelled() {
                return Err(UnpackError::Interrupted);
            }
            let bytes = match entry.read(&mut self.block) {
                Ok(0) => {
                    return Err(self.refused(
                        file.path.as_str().as_bytes(),
                        format!("ends {left} bytes early"),
                    ));
                }
                Ok(count) => self.block.get(..count).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Self::damaged(self.archive, &error)),
            };
            hasher.update(bytes);
            out.write_all(bytes).map_err(failed)?;
            left = left.saturating_sub(bytes.len() as u64);
        }
        out.flush().map_err(failed)?;
        Ok(hasher.finalize().into())
    }

    fn all_there(&self) -> Result<(), UnpackError> {
        match self.files.values().find(|(_, came)| !came) {
            None => Ok(()),
            Some((file, _)) => Err(UnpackError::Damaged {
                archive: self.archive.name.clone(),
                why: format!("`{}` is listed, and not in it", file.path),
            }),
        }
    }
}

fn kind(kind: tar::EntryType) -> &'static str {
    match kind {
        tar::EntryType::Symlink => "a symbolic link",
        tar::EntryType::Link => "a hard link",
        tar::EntryType::Directory => "a directory of its own",
        tar::EntryType::Char | tar::EntryType::Block => "a device",
        tar::EntryType::Fifo => "a pipe",
        _ => "of a kind that no package holds",
    }
}
