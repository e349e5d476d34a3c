//! What a model library comes in: a `.tar` (gzip or plain), a static archive, or one object.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::ops::Range;

use object::read::archive::ArchiveFile;

use super::object::looks_like_object;
use super::printable::printable;
use crate::model::{ByteSize, git_lfs};

/// The most that a compressed library may inflate to, in bytes. Real ones have a few megabytes.
const INFLATED_LIMIT: u64 = 1 << 30;
/// What any compressed library may inflate to, however short it is.
const INFLATED_ALLOWANCE: u64 = 64 << 20;
/// How many times its own size a compressed library may inflate to beyond that. Real ones come to
/// 10, OpenCL source alone to 50; a bomb to 1000.
const INFLATED_RATIO: u64 = 200;
/// The most members a library may have. Real ones have two, archives of models two a model.
const MEMBER_LIMIT: usize = 10_000;

/// Why bytes are no model library.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// git-lfs was not there when the repository was cloned.
    #[error("{}", git_lfs::NOT_PULLED)]
    NotPulled,
    /// None of the formats.
    #[error("it is neither a .tar, nor a static archive, nor an object file")]
    Unknown,
    /// Compressed data that does not inflate.
    #[error("its compressed data is damaged: {0}")]
    Gzip(std::io::Error),
    /// A compression bomb, or no model library in any case.
    #[error("it inflates to more than {0}, which no model library of its size does")]
    TooLarge(ByteSize),
    /// Not two a model.
    #[error("it has more than 10,000 members")]
    TooMany,
    /// A tar that cannot be read.
    #[error("its tar is damaged: {}", printable(&.0.to_string()))]
    Tar(std::io::Error),
    /// A link or a device in a tar.
    #[error("its member `{0}` is not a regular file")]
    NotAFile(String),
    /// An archive that cannot be read.
    #[error("its archive is damaged: {0}")]
    Archive(object::read::Error),
    /// An archive that only names other files.
    #[error("it is a thin archive, which only names other files")]
    Thin,
    /// A member that reaches over the end.
    #[error("its member `{0}` reaches over the end of the file")]
    OutOfRange(String),
}

/// A library's members. The bytes are those given, or inflated ones.
#[derive(Debug)]
pub(super) struct Container<'a> {
    bytes: Cow<'a, [u8]>,
    members: Vec<(String, Range<usize>)>,
}

impl<'a> Container<'a> {
    /// Reads the list of members. `name` is that of the file, for a bare object.
    pub(super) fn parse(name: &str, bytes: &'a [u8]) -> Result<Self, ContainerError> {
        let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
            Cow::Owned(inflate(bytes)?)
        } else {
            Cow::Borrowed(bytes)
        };
        let members = if bytes.is_empty() {
            return Err(ContainerError::Empty);
        } else if bytes.starts_with(b"!<arch>\n") || bytes.starts_with(b"!<thin>\n") {
            archive_members(&bytes)?
        } else if is_tar(&bytes) {
            tar_members(&bytes)?
        } else if looks_like_object(&bytes) {
            vec![(name.to_owned(), 0..bytes.len())]
        } else if git_lfs::is_pointer(&bytes) {
            return Err(ContainerError::NotPulled);
        } else {
            return Err(ContainerError::Unknown);
        };
        Ok(Self { bytes, members })
    }

    /// Its bytes, inflated.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that the members are in.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the bytes given were compressed.
    pub(super) fn is_inflated(&self) -> bool {
        matches!(self.bytes, Cow::Owned(_))
    }

    /// Each member's name and bytes, in order. What macOS's tar adds for extended attributes
    /// (AppleDouble, `._name`) is left out.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.members
            .iter()
            .filter(|(name, _)| !base_name(name).starts_with("._"))
            .filter_map(|(name, range)| Some((name.as_str(), self.bytes.get(range.clone())?)))
    }
}

/// A header of today's tar, or the two blocks of zeros that a tar of nothing is.
fn is_tar(bytes: &[u8]) -> bool {
    let ends_at_once = || bytes.get(..1024).is_some_and(|end| end.iter().all(|byte| *byte == 0));
    bytes.get(257..262) == Some(b"ustar") || ends_at_once()
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, ContainerError> {
    let compressed = bytes.len() as u64;
    let limit =
        (INFLATED_ALLOWANCE + compressed.saturating_mul(INFLATED_RATIO)).min(INFLATED_LIMIT);
    // The trailer has the length; it is a hint, and believed as far as real libraries go.
    let trailer = bytes.last_chunk().map_or(0, |length| u32::from_le_bytes(*length));
    let expected = usize::try_from(trailer).unwrap_or(0).min(bytes.len().saturating_mul(16));
    let mut inflated = Vec::with_capacity(expected);
    flate2::read::MultiGzDecoder::new(bytes)
        .take(limit + 1)
        .read_to_end(&mut inflated)
        .map_err(ContainerError::Gzip)?;
    if inflated.len() as u64 > limit {
        return Err(ContainerError::TooLarge(ByteSize(limit)));
    }
    Ok(inflated)
}

fn tar_members(bytes: &[u8]) -> Result<Vec<(String, Range<usize>)>, ContainerError> {
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let mut members = Vec::new();
    for entry in archive.entries_with_seek().map_err(ContainerError::Tar)? {
        let entry = entry.map_err(ContainerError::Tar)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match entry.header().entry_type() {
            // Global headers describe what follows, to nobody here.
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => continue,
            tar::EntryType::Regular | tar::EntryType::Continuous => {}
            _ => return Err(ContainerError::NotAFile(printable(&name).into_owned())),
        }
        let range = range(bytes, entry.raw_file_position(), entry.size())
            .ok_or_else(|| ContainerError::OutOfRange(printable(&name).into_owned()))?;
        push(&mut members, name, range)?;
    }
    Ok(members)
}

fn archive_members(bytes: &[u8]) -> Result<Vec<(String, Range<usize>)>, ContainerError> {
    let archive = ArchiveFile::parse(bytes).map_err(ContainerError::Archive)?;
    if archive.is_thin() {
        return Err(ContainerError::Thin);
    }
    let mut members = Vec::new();
    for member in archive.members() {
        let member = member.map_err(ContainerError::Archive)?;
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let (offset, size) = member.file_range();
        let range = range(bytes, offset, size)
            .ok_or_else(|| ContainerError::OutOfRange(printable(&name).into_owned()))?;
        push(&mut members, name, range)?;
    }
    Ok(members)
}

fn push(
    members: &mut Vec<(String, Range<usize>)>,
    name: String,
    range: Range<usize>,
) -> Result<(), ContainerError> {
    if members.len() >= MEMBER_LIMIT {
        return Err(ContainerError::TooMany);
    }
    members.push((name, range));
    Ok(())
}

fn range(bytes: &[u8], offset: u64, size: u64) -> Option<Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    (end <= bytes.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{Container, ContainerError};

    fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, data) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn names(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let container = Container::parse("bare.o", bytes).unwrap();
        container.members().map(|(name, data)| (name.to_owned(), data.to_vec())).collect()
    }

    #[test]
    fn tars_are_read_plain_and_compressed_without_apple_double() {
        let long = format!("{}.o", "x".repeat(200));
        let tar = tar(&[("lib0.o", b"one"), ("sub/._lib0.o", b"junk"), (&long, b"two")]);
        let expected = vec![("lib0.o".to_owned(), b"one".to_vec()), (long, b"two".to_vec())];
        assert_eq!(names(&tar), expected);
        assert_eq!(names(&gzip(&tar)), expected);
    }

    #[test]
    fn a_bare_object_has_its_files_name() {
        assert_eq!(names(b"\x7fELFrest"), [("bare.o".to_owned(), b"\x7fELFrest".to_vec())]);
    }

    #[test]
    fn what_is_no_library_is_said() {
        let why = |bytes: &[u8]| Container::parse("x", bytes).unwrap_err().to_string();
        assert_eq!(why(b""), "it is empty");
        assert_eq!(why(b"hello"), "it is neither a .tar, nor a static archive, nor an object file");
        let whole = tar(&[("lib0.o", &[7; 5000])]);
        assert_eq!(why(&whole[..2000]), "its member `lib0.o` reaches over the end of the file");
        assert!(why(&gzip(&whole)[..40]).starts_with("its compressed data is damaged"));
        assert_eq!(why(b"!<thin>\n"), "it is a thin archive, which only names other files");
    }

    #[test]
    fn links_in_a_tar_are_refused() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "lib0.o", "/etc/passwd").unwrap();
        let bytes = builder.into_inner().unwrap();
        let error = Container::parse("x", &bytes).unwrap_err();
        assert!(matches!(error, ContainerError::NotAFile(name) if name == "lib0.o"));
    }
}
