//! Objects and archives without what only a debugger reads: most of what a build makes. Sections keep
//! their numbers and become empty, so that nothing else in an object has to change; a linker that
//! drops debug information makes the same of both.

use std::collections::BTreeMap;

const ELF_HEADER: usize = 64;
const SECTION_HEADER: usize = 64;
/// `ET_REL`: an object that is not linked.
const RELOCATABLE: u16 = 1;
/// `SHT_NOBITS`: a section that has a size, and no bytes.
const NO_BITS: u32 = 8;
/// `SHF_COMPRESSED`: a header says how large a section is, and an empty one has none.
const COMPRESSED: u64 = 1 << 11;
/// `SHN_XINDEX`: the number stands in the first section.
const ELSEWHERE: u16 = 0xffff;
const ARCHIVE: &[u8] = b"!<arch>\n";
const MEMBER_HEADER: usize = 60;

/// The same object or archive without debug information; none if there is none in it, or if it is
/// neither.
pub(super) fn without(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.starts_with(ARCHIVE) { of_archive(bytes) } else { of_object(bytes) }
}

/// A section, by its header.
struct Section {
    header: Vec<u8>,
    kind: u32,
    flags: u64,
    offset: u64,
    size: u64,
    align: u64,
}

fn of_object(bytes: &[u8]) -> Option<Vec<u8>> {
    // 64 bits, little endian.
    if !bytes.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1]) || u16_at(bytes, 16)? != RELOCATABLE {
        return None;
    }
    let table = usize::try_from(u64_at(bytes, 40)?).ok()?;
    let (count, names) = (u16_at(bytes, 60)?, u16_at(bytes, 62)?);
    let first = |at: usize| table.checked_add(at);
    let count = match count {
        0 => usize::try_from(u64_at(bytes, first(32)?)?).ok()?,
        count => usize::from(count),
    };
    let names = match names {
        ELSEWHERE => usize::try_from(u32_at(bytes, first(40)?)?).ok()?,
        names => usize::from(names),
    };
    let end = table.checked_add(count.checked_mul(SECTION_HEADER)?)?;
    let headers = bytes.get(table..end)?;
    let mut sections = Vec::with_capacity(count);
    for header in headers.chunks_exact(SECTION_HEADER) {
        sections.push(Section {
            header: header.to_vec(),
            kind: u32_at(header, 4)?,
            flags: u64_at(header, 8)?,
            offset: u64_at(header, 24)?,
            size: u64_at(header, 32)?,
            align: u64_at(header, 48)?.max(1),
        });
    }
    let names = contents(bytes, sections.get(names)?)?;
    let mut found = false;
    for section in &mut sections {
        let name = usize::try_from(u32_at(&section.header, 0)?).ok()?;
        let name = names.get(name..)?.split(|byte| *byte == 0).next()?;
        let name = name.strip_prefix(b".rela").unwrap_or(name);
        if [&b".debug_"[..], b".zdebug_"].iter().any(|start| name.starts_with(start)) {
            found |= section.size > 0;
            (section.size, section.flags) = (0, section.flags & !COMPRESSED);
        }
    }
    if !found {
        return None;
    }
    let mut out = bytes.get(..ELF_HEADER)?.to_vec();
    for section in sections.iter_mut().skip(1) {
        if section.kind == NO_BITS {
            continue;
        }
        let contents = contents(bytes, section)?.to_vec();
        pad(&mut out, section.align)?;
        section.offset = out.len() as u64;
        out.extend(contents);
    }
    pad(&mut out, 8)?;
    let table = (out.len() as u64).to_le_bytes();
    put(&mut out, 40, &table)?;
    for (n, section) in sections.iter_mut().enumerate() {
        // The first is none; it holds numbers.
        if n > 0 {
            put(&mut section.header, 8, &section.flags.to_le_bytes())?;
            put(&mut section.header, 24, &section.offset.to_le_bytes())?;
            put(&mut section.header, 32, &section.size.to_le_bytes())?;
        }
        out.extend_from_slice(&section.header);
    }
    Some(out)
}

fn contents<'a>(bytes: &'a [u8], section: &Section) -> Option<&'a [u8]> {
    let start = usize::try_from(section.offset).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(section.size).ok()?)?)
}

fn pad(out: &mut Vec<u8>, align: u64) -> Option<()> {
    let align = usize::try_from(align).ok().filter(|align| *align <= 1 << 20)?;
    out.resize(out.len().next_multiple_of(align), 0);
    Some(())
}

fn put(out: &mut [u8], at: usize, value: &[u8]) -> Option<()> {
    out.get_mut(at..at + value.len())?.copy_from_slice(value);
    Some(())
}

/// An archive as `ar` writes it for ELF, whose table of symbols follows its members.
fn of_archive(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = ARCHIVE.to_vec();
    let mut moved = BTreeMap::new();
    // Where the tables of symbols lie, and how long a number in each is.
    let mut tables = Vec::new();
    let mut found = false;
    let mut at = ARCHIVE.len();
    while let Some(header) = bytes.get(at..at + MEMBER_HEADER) {
        let size = std::str::from_utf8(header.get(48..58)?).ok()?.trim_end();
        let size: usize = size.parse().ok()?;
        let start = at + MEMBER_HEADER;
        let data = bytes.get(start..start.checked_add(size)?)?;
        let name = header.get(..16)?;
        if name.starts_with(b"#1/") {
            return None;
        }
        moved.insert(at as u64, out.len() as u64);
        match name {
            b"/               " => tables.push((out.len() + MEMBER_HEADER, 4)),
            b"/SYM64/         " => tables.push((out.len() + MEMBER_HEADER, 8)),
            _ => {}
        }
        let stripped = of_object(data);
        found |= stripped.is_some();
        let data = stripped.as_deref().unwrap_or(data);
        out.extend_from_slice(header.get(..48)?);
        out.extend(format!("{:<10}", data.len()).bytes());
        out.extend_from_slice(header.get(58..)?);
        out.extend_from_slice(data);
        if out.len() % 2 == 1 {
            out.push(b'\n');
        }
        at = start + size + size % 2;
    }
    if !found {
        return None;
    }
    for (table, width) in tables {
        let number = |out: &[u8], at: usize| {
            let bytes = out.get(at..at + width)?.iter();
            Some(bytes.fold(0u64, |value, byte| value << 8 | u64::from(*byte)))
        };
        let count = usize::try_from(number(&out, table)?).ok()?;
        for n in 1..=count {
            let at = table.checked_add(n.checked_mul(width)?)?;
            let to = moved.get(&number(&out, at)?)?.to_be_bytes();
            put(&mut out, at, to.get(8 - width..)?)?;
        }
    }
    Some(out)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, proptest};

    use super::{ARCHIVE, without};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = without(&bytes);
            let _ = without(&[ARCHIVE, &bytes].concat());
            let _ = without(&[&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0][..], &bytes].concat());
        }
    }
}
