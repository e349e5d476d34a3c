//! The directory of a ZIP archive, read within a limit. The crate `zip` has none, and wants a file
//! with a cursor.

use super::pickle::Refused;
use crate::io::positioned::PositionedFile;

/// Without what may follow: a comment, which `torch.save` does not write.
const END: usize = 22;
const END_64_LOCATOR: usize = 20;
const END_64: usize = 56;
const ENTRY: usize = 46;
const LOCAL: usize = 30;

/// The files of an archive.
pub(super) struct Archive {
    entries: Vec<Entry>,
    size: u64,
}

pub(super) struct Entry {
    name: String,
    nbytes: u64,
    /// Where its own header begins.
    header: u64,
    is_stored: bool,
}

impl Archive {
    /// Reads the directory; of it at most `left` bytes, which become fewer.
    pub(super) fn open(file: &PositionedFile, size: u64, left: &mut u64) -> Result<Self, Refused> {
        let none = || {
            Refused(
                "it is not a file of torch.save, or is cut off: no ZIP archive ends here"
                    .to_owned(),
            )
        };
        let end_at = size.checked_sub(END as u64).ok_or_else(none)?;
        let end = read::<END>(file, end_at)?;
        if !end.starts_with(b"PK\x05\x06") {
            return Err(none());
        }
        let (mut count, mut nbytes, mut start) =
            (u64::from(u16_at(&end, 10)), u64::from(u32_at(&end, 12)), u64::from(u32_at(&end, 16)));
        if count == 0xffff || nbytes == 0xffff_ffff || start == 0xffff_ffff {
            let locator_at = end_at.checked_sub(END_64_LOCATOR as u64).ok_or_else(none)?;
            let locator = read::<END_64_LOCATOR>(file, locator_at)?;
            let end_64_at = u64_at(&locator, 8);
            if !locator.starts_with(b"PK\x06\x07") || end_64_at > locator_at {
                return Err(none());
            }
            let end = read::<END_64>(file, end_64_at)?;
            if !end.starts_with(b"PK\x06\x06") {
                return Err(none());
            }
            (count, nbytes, start) = (u64_at(&end, 32), u64_at(&end, 40), u64_at(&end, 48));
        }
        if start.checked_add(nbytes).is_none_or(|end| end > size) {
            return Err(none());
        }
        let directory = read_some(file, start, nbytes, left)?;
        let mut rest = directory.as_slice();
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let (entry, behind) = Entry::parse(rest)?;
            entries.push(entry);
            rest = behind;
        }
        if entries.len() as u64 != count {
            return Err(Refused("the directory of its ZIP archive is not whole".to_owned()));
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { entries, size })
    }

    /// The one directory at its root.
    pub(super) fn root(&self) -> Result<&str, Refused> {
        let mut names = self.entries.iter().filter_map(|entry| entry.name.split_once('/'));
        let mut roots: Vec<&str> = names.by_ref().map(|(root, _)| root).collect();
        roots.dedup();
        match roots.as_slice() {
            [root] => Ok(root),
            _ => Err(Refused("it is a ZIP archive, but none of torch.save".to_owned())),
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
        self.entries.get(at)
    }

    /// Where an entry's bytes begin, and how many they are.
    pub(super) fn place(
        &self,
        file: &PositionedFile,
        entry: &Entry,
    ) -> Result<(u64, u64), Refused> {
        let wrong = |why: &str| Refused(format!("`{}` in it {why}", entry.name));
        if !entry.is_stored {
            return Err(wrong("is compressed or encrypted, which torch.save never does"));
        }
        if entry.header.checked_add(LOCAL as u64).is_none_or(|end| end > self.size) {
            return Err(wrong("is not there: the file is cut off"));
        }
        let header = read::<LOCAL>(file, entry.header)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(wrong("has no header"));
        }
        let before = u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        let start = entry.header + LOCAL as u64 + before;
        match start.checked_add(entry.nbytes) {
            Some(end) if end <= self.size => Ok((start, entry.nbytes)),
            _ => Err(wrong("is not whole: the file is cut off")),
        }
    }

    /// A small entry.
    pub(super) fn read(
        &self,
        file: &PositionedFile,
        entry: &Entry,
        left: &mut u64,
    ) -> Result<Vec<u8>, Refused> {
        let (start, nbytes) = self.place(file, entry)?;
        read_some(file, start, nbytes, left)
    }
}

impl Entry {
    fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Refused> {
        let wrong = || Refused("the directory of its ZIP archive is damaged".to_owned());
        let (head, rest) = bytes.split_at_checked(ENTRY).ok_or_else(wrong)?;
        if !head.starts_with(b"PK\x01\x02") {
            return Err(wrong());
        }
        let length = |at: usize| usize::from(u16_at(head, at));
        let (name, rest) = rest.split_at_checked(length(28)).ok_or_else(wrong)?;
        let (mut extra, rest) = rest.split_at_checked(length(30)).ok_or_else(wrong)?;
        let (_, rest) = rest.split_at_checked(length(32)).ok_or_else(wrong)?;
        let (mut packed, mut nbytes, mut header) =
            (u64::from(u32_at(head, 20)), u64::from(u32_at(head, 24)), u64::from(u32_at(head, 42)));
        // Sizes that do not fit are in a field of their own.
        while let Some((field, behind)) = extra.split_at_checked(4) {
            let (mut content, behind) =
                behind.split_at_checked(usize::from(u16_at(field, 2))).ok_or_else(wrong)?;
            if u16_at(field, 0) == 1 {
                for size in [&mut nbytes, &mut packed, &mut header] {
                    if *size == 0xffff_ffff {
                        let (number, behind) = content.split_at_checked(8).ok_or_else(wrong)?;
                        (*size, content) = (u64_at(number, 0), behind);
                    }
                }
            }
            extra = behind;
        }
        let is_stored = u16_at(head, 10) == 0 && u16_at(head, 8) & 1 == 0 && packed == nbytes;
        let name = String::from_utf8_lossy(name).into_owned();
        Ok((Self { name, nbytes, header, is_stored }, rest))
    }
}

fn read<const N: usize>(file: &PositionedFile, at: u64) -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, at).map_err(|error| Refused(error.to_string()))?;
    Ok(bytes)
}

fn read_some(
    file: &PositionedFile,
    at: u64,
    nbytes: u64,
    left: &mut u64,
) -> Result<Vec<u8>, Refused> {
    *left = left
        .checked_sub(nbytes)
        .ok_or_else(|| Refused("what describes its tensors is too long".to_owned()))?;
    let mut bytes = vec![0; usize::try_from(nbytes).unwrap_or_default()];
    file.read_exact_at(&mut bytes, at).map_err(|error| Refused(error.to_string()))?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
