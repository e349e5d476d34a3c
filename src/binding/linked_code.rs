//! Code that a linker is given, held against what a linker does besides linking it. An object can ask
//! for other files by their names, and LLVM's bitcode is compiled while it is linked: its assembly may
//! include any file of the machine. A stranger's kit must do neither.

use object::elf::{FileHeader32, FileHeader64};
use object::endian::Endianness;
use object::read::elf::{FileHeader, SectionHeader as _};

use super::linker_script::is_bitcode;

const ARCHIVE: &[u8] = b"!<arch>\n";
const MEMBER_HEADER: usize = 60;
/// Sections that name libraries, and options, for the linker
/// ([LLVM's extensions](https://llvm.org/docs/Extensions.html)).
const ASKING: [(u32, &str); 2] = [
    (0x6fff_4c04, "names libraries that the linker is to load"),
    (0x6fff_4c01, "has options for the linker"),
];

/// What keeps an object, a shared library or an archive from being linked; none if it is only code. What
/// no linker knows, in an archive, is nothing to a linker.
pub(super) fn refusal(bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(ARCHIVE) { of_archive(bytes) } else { of_object(bytes) }
}

fn of_object(bytes: &[u8]) -> Option<String> {
    if is_bitcode(bytes) {
        return Some("is LLVM bitcode, which a linker compiles".to_owned());
    }
    match bytes.get(4) {
        Some(1) => of_elf::<FileHeader32<Endianness>>(bytes),
        _ => of_elf::<FileHeader64<Endianness>>(bytes),
    }
}

fn of_elf<E: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<String> {
    let parsed = E::parse(bytes).and_then(|header| {
        let endian = header.endian()?;
        Ok((endian, header.section_headers(endian, bytes)?))
    });
    let Ok((endian, sections)) = parsed else {
        return Some("is not an object that can be read".to_owned());
    };
    let kinds = sections.iter().map(|section| section.sh_type(endian).0);
    let asked = kinds.filter_map(|kind| ASKING.iter().find(|(asking, _)| *asking == kind));
    asked.map(|(_, what)| (*what).to_owned()).next()
}

fn of_archive(bytes: &[u8]) -> Option<String> {
    let damaged = || Some("is not an archive that can be read".to_owned());
    let mut at = ARCHIVE.len();
    while at < bytes.len() {
        let Some(header) = bytes.get(at..at + MEMBER_HEADER) else { return damaged() };
        let size = std::str::from_utf8(header.get(48..58).unwrap_or_default()).ok();
        let Some(size) = size.and_then(|size| size.trim_end().parse::<usize>().ok()) else {
            return damaged();
        };
        let begin = at + MEMBER_HEADER;
        let member = begin.checked_add(size).and_then(|end| bytes.get(begin..end));
        let Some(mut member) = member else { return damaged() };
        // As BSD has it, a long name stands before the member's bytes.
        if let Some(length) = header.strip_prefix(b"#1/") {
            let length = length.split(|byte| *byte == b' ').next().unwrap_or_default();
            let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
            let Some(bare) = length.and_then(|length: usize| member.get(length..)) else {
                return damaged();
            };
            member = bare;
        }
        let is_code = member.starts_with(b"\x7fELF") || is_bitcode(member);
        if let (true, Some(why)) = (is_code, of_object(member)) {
            return Some(format!("has a member that {why}"));
        }
        at = begin + size + size % 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{ARCHIVE, ASKING, refusal};

    /// An object with one section of this type.
    fn object(kind: u32) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64 + 2 * 64, 0);
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(16, &[1, 0, 183, 0, 1]);
        put(40, &64_u64.to_le_bytes());
        put(52, &[64, 0, 0, 0, 0, 0, 64, 0, 2, 0]);
        put(64 + 64 + 4, &kind.to_le_bytes());
        bytes
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = ARCHIVE.to_vec();
        for (name, member) in members {
            let size = member.len();
            bytes.extend(format!("{name:<16}{:<32}{size:<10}`\n", "0").bytes());
            bytes.extend_from_slice(member);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        bytes
    }

    #[test]
    fn code_is_linked_and_what_asks_for_more_is_not() {
        assert_eq!(refusal(&object(1)), None);
        for (kind, why) in ASKING {
            assert_eq!(refusal(&object(kind)).unwrap(), why);
        }
        for bitcode in [&b"BC\xc0\xde\x35\x14"[..], b"\xde\xc0\x17\x0b\0\0\0\0"] {
            assert_eq!(refusal(bitcode).unwrap(), "is LLVM bitcode, which a linker compiles");
        }
        assert_eq!(refusal(b"\x7fELF\x02\x01").unwrap(), "is not an object that can be read");
        let mut beyond = object(1);
        beyond.truncate(100);
        assert_eq!(refusal(&beyond).unwrap(), "is not an object that can be read");
    }

    #[test]
    fn every_member_of_an_archive_is_looked_at() {
        let (good, bad) = (object(1), object(ASKING[0].0));
        assert_eq!(refusal(&archive(&[])), None);
        assert_eq!(refusal(&archive(&[("/", b"abc"), ("a.o/", &good), ("note/", b"text")])), None);
        let why = "has a member that names libraries that the linker is to load";
        assert_eq!(
            refusal(&archive(&[("x/", b"odd"), ("a.o/", &good), ("b.o/", &bad)])).unwrap(),
            why
        );
        let named = [&b"a name\0\0"[..], &bad].concat();
        assert_eq!(refusal(&archive(&[("#1/8", &named)])).unwrap(), why);
        let why = "has a member that is LLVM bitcode, which a linker compiles";
        assert_eq!(refusal(&archive(&[("a.o/", b"BC\xc0\xde")])).unwrap(), why);
        let cut = archive(&[("a.o/", &good)]);
        for cut in [&cut[..cut.len() - 1], &cut[..20]] {
            assert_eq!(refusal(cut).unwrap(), "is not an archive that can be read");
        }
    }
}
