//! Objects and archives without what only a debugger reads: most of what a build makes. Sections keep
//! their numbers and become empty, so that nothing else in an object has to change; a linker that
//! drops debug information makes the same of both.

use std::collections::BTreeMap;

use object::elf::{
    ET_REL, FileHeader64, SHF_COMPRESSED, SHT_NOBITS, SectionFlags, SectionHeader64,
};
use object::endian::{LittleEndian as Little, U64};
use object::read::elf::{FileHeader as _, SectionHeader as _};

const ELF_HEADER: usize = size_of::<FileHeader64<Little>>();
const ARCHIVE: &[u8] = b"!<arch>\n";
const MEMBER_HEADER: usize = 60;

/// The same object or archive without debug information; none if there is none in it, or if it is
/// neither.
pub(super) fn without(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.starts_with(ARCHIVE) { of_archive(bytes) } else { of_object(bytes) }
}

fn of_object(bytes: &[u8]) -> Option<Vec<u8>> {
    let header = FileHeader64::<Little>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    if header.e_type(endian) != ET_REL {
        return None;
    }
    let mut sections = header.section_headers(endian, bytes).ok()?.to_vec();
    let names = header.section_strings(endian, bytes, &sections).ok()?;
    let mut found = false;
    for section in &mut sections {
        let name = section.name(endian, names).ok()?;
        let name = name.strip_prefix(b".rela").unwrap_or(name);
        if [&b".debug_"[..], b".zdebug_"].iter().any(|start| name.starts_with(start)) {
            found |= section.sh_size(endian) > 0;
            section.sh_size.set(endian, 0);
            let flags = SectionFlags(section.sh_flags(endian).0 & !SHF_COMPRESSED.0);
            section.sh_flags.set(endian, flags);
        }
    }
    if !found {
        return None;
    }
    let mut out = bytes.get(..ELF_HEADER)?.to_vec();
    // The first is none; it holds numbers.
    for section in sections.iter_mut().skip(1).filter(|it| it.sh_type(endian) != SHT_NOBITS) {
        let contents = section.data(endian, bytes).ok()?;
        pad(&mut out, section.sh_addralign(endian).max(1))?;
        section.sh_offset.set(endian, out.len() as u64);
        out.extend_from_slice(contents);
    }
    pad(&mut out, 8)?;
    let table = U64::new(endian, out.len() as u64);
    put(&mut out, std::mem::offset_of!(FileHeader64<Little>, e_shoff), object::bytes_of(&table))?;
    out.extend_from_slice(object::bytes_of_slice::<SectionHeader64<Little>>(&sections));
    Some(out)
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
