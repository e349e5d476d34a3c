//! An object that names others, so that a linker takes these out of their archive.
//!
//! Nothing in an app names a model's library: TVM's runtime finds it by what the library's own
//! initializers have said. A linker takes of an archive only what is named, and so would leave the
//! models out. This object has one exported table of the addresses of what is to be there.
//! Layouts: `mach-o/loader.h`, `mach-o/nlist.h`, `mach-o/reloc.h`.

use object::macho;

use super::BuildVersion;
use crate::model::MacabiArch;

/// The header and the commands: of a segment with a section, of a platform, of symbols, of their
/// order.
const HEADER: u32 = 32;
const SEGMENT: u32 = 72 + 80;
const SYMTAB: u32 = 24;
const DYSYMTAB: u32 = 80;
const COMMANDS: u32 = SEGMENT + BuildVersion::SIZE + SYMTAB + DYSYMTAB;
const POINTER: u32 = 8;
const RELOCATION: u32 = 8;
const NLIST: u32 = 16;
/// `MH_SUBSECTIONS_VIA_SYMBOLS`: the linker may take a symbol's part alone.
const SUBSECTIONS: u32 = 0x2000;
/// Read and written, as an object's one segment is.
const PROTECTION: u32 = 7;
/// An exported symbol of the first section, and one of others.
const DEFINED: u8 = 0x0f;
const UNDEFINED: u8 = 0x01;
/// `N_NO_DEAD_STRIP`: what this object names stays, whoever names the table.
const NO_DEAD_STRIP: u16 = 0x20;
/// An address of 8 bytes of another symbol, not relative: `ARM64_RELOC_UNSIGNED` and
/// `X86_64_RELOC_UNSIGNED` are both 0.
const ADDRESS: u32 = 3 << 25 | 1 << 27;

/// The object. `table` is the name of its table, `names` are what it points at, all without the
/// leading `_`; the table ends with a null pointer. None where there are too many names.
pub(crate) fn anchor(
    table: &str,
    names: &[&str],
    arch: MacabiArch,
    version: BuildVersion,
) -> Option<Vec<u8>> {
    let count = u32::try_from(names.len()).ok().filter(|count| *count < 1 << 20)?;
    let data_at = HEADER + COMMANDS;
    let data_bytes = (count + 1) * POINTER;
    let relocations_at = data_at + data_bytes;
    let symbols_at = relocations_at + count * RELOCATION;
    let strings_at = symbols_at + (count + 1) * NLIST;
    let mut strings = vec![0];
    let mut places = Vec::new();
    for name in std::iter::once(table).chain(names.iter().copied()) {
        places.push(u32::try_from(strings.len()).ok()?);
        strings.extend([b"_", name.as_bytes(), b"\0"].concat());
    }
    strings.resize(strings.len().next_multiple_of(8), 0);
    let strings_bytes = u32::try_from(strings.len()).ok()?;
    let (processor, subtype) = match arch {
        MacabiArch::Arm64 => (macho::CPU_TYPE_ARM64, 0),
        MacabiArch::X86_64 => (macho::CPU_TYPE_X86_64, 3),
    };

    let mut out = Out(Vec::new());
    out.words(&[macho::MH_MAGIC_64, processor.0, subtype, 1, 4, COMMANDS, SUBSECTIONS, 0]);
    // The segment, without a name in objects, and its section.
    out.words(&[macho::LC_SEGMENT_64.0, SEGMENT]);
    out.name("");
    out.long(0);
    out.long(data_bytes.into());
    out.long(data_at.into());
    out.long(data_bytes.into());
    out.words(&[PROTECTION, PROTECTION, 1, 0]);
    out.name("__const");
    out.name("__DATA");
    out.long(0);
    out.long(data_bytes.into());
    out.words(&[data_at, 3, relocations_at, count, 0, 0, 0, 0]);
    out.words(&version.command());
    out.words(&[macho::LC_SYMTAB.0, SYMTAB, symbols_at, count + 1, strings_at, strings_bytes]);
    // No local symbol, one that is defined, and the others.
    out.words(&[macho::LC_DYSYMTAB.0, DYSYMTAB, 0, 0, 0, 1, 1, count]);
    out.words(&[0; 12]);
    out.0.resize(out.0.len() + data_bytes as usize, 0);
    for index in 0..count {
        out.words(&[index * POINTER, (index + 1) | ADDRESS]);
    }
    for (index, place) in places.iter().enumerate() {
        let (kind, section, flags) = match index {
            0 => (DEFINED, 1, NO_DEAD_STRIP),
            _ => (UNDEFINED, 0, 0),
        };
        out.words(&[*place]);
        out.0.extend([kind, section]);
        out.0.extend(flags.to_le_bytes());
        out.long(0);
    }
    out.0.extend(strings);
    Some(out.0)
}

struct Out(Vec<u8>);

impl Out {
    fn words(&mut self, words: &[u32]) {
        self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn long(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    /// 16 bytes, as names of segments and sections are.
    fn name(&mut self, name: &str) {
        let end = self.0.len() + 16;
        self.0.extend(name.bytes().take(16));
        self.0.resize(end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::anchor;
    use crate::library::object::{BuildVersion, ObjectInfo, Platform, Processor};
    use crate::model::MacabiArch;

    #[test]
    fn it_is_read_as_what_it_is() {
        let names = ["one___tvm_ffi__library_bin", "one___tvm_ffi__library_ctx"];
        for (arch, version, processor, platform) in [
            (MacabiArch::Arm64, BuildVersion::IOS, Processor::Arm64, Platform::Ios),
            (
                MacabiArch::X86_64,
                BuildVersion::MAC_CATALYST,
                Processor::X86_64,
                Platform::MacCatalyst,
            ),
        ] {
            let object = anchor("Models_mlc_anchor", &names, arch, version).unwrap();
            let info = ObjectInfo::parse(&object).unwrap();
            assert_eq!((info.processor, info.platform), (processor, Some(platform)));
            assert_eq!(info.undefined, names);
            let defined: Vec<_> = info.defined.iter().map(|symbol| symbol.name).collect();
            assert_eq!(defined, ["Models_mlc_anchor"]);
            assert_eq!(info.data, 3 * 8);
        }
    }
}
