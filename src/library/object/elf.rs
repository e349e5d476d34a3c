use object::elf;
use object::endian::LittleEndian as LE;
use object::read::elf::{FileHeader as _, SectionHeader as _, SectionTable, Sym as _};
use object::read::{StringTable, SymbolIndex};

use super::names::Names;
use super::{Binding, ObjectError, RawObject, RawSection, RawSymbol, SectionKind};
use super::{ObjectFormat, Processor, printable};

type Header = elf::FileHeader64<LE>;
type Sections<'a> = SectionTable<'a, Header>;

pub(super) fn parse(bytes: &[u8]) -> Result<RawObject<'_>, ObjectError> {
    let header = Header::parse(bytes)?;
    let is_linked = match header.e_type(LE) {
        elf::ET_REL => false,
        elf::ET_DYN => true,
        _ => return Err(ObjectError::Kind),
    };
    // Section names are of no interest, and finding their table is one more thing to go wrong.
    let sections = Sections::new(header.section_headers(LE, bytes)?, StringTable::default());
    Ok(RawObject {
        format: ObjectFormat::Elf,
        processor: match header.e_machine(LE) {
            elf::EM_AARCH64 => Processor::Arm64,
            elf::EM_X86_64 => Processor::X86_64,
            _ => Processor::Other,
        },
        platform: None,
        is_linked,
        sections: read_sections(bytes, &sections)?,
        symbols: read_symbols(bytes, &sections, is_linked)?,
    })
}

/// Every section is made sure to be there: a linker, unlike a reader of symbols, needs them.
fn read_sections<'a>(
    bytes: &'a [u8],
    sections: &Sections<'a>,
) -> Result<Vec<RawSection<'a>>, ObjectError> {
    let read = |(index, section): (usize, &elf::SectionHeader64<LE>)| {
        let flags = section.sh_flags(LE);
        let kind = if !flags.contains(elf::SHF_ALLOC) {
            SectionKind::NotLoaded
        } else if flags.contains(elf::SHF_EXECINSTR) {
            SectionKind::Code
        } else {
            SectionKind::Data
        };
        let data = section.data(LE, bytes).map_err(|_| ObjectError::Truncated(index))?;
        Ok(RawSection { kind, data })
    };
    sections.iter().enumerate().map(read).collect()
}

fn read_symbols<'a>(
    bytes: &'a [u8],
    sections: &Sections<'a>,
    is_linked: bool,
) -> Result<Vec<RawSymbol<'a>>, ObjectError> {
    // `strip` leaves a shared library the symbols that it exports.
    let kind = if is_linked { elf::SHT_DYNSYM } else { elf::SHT_SYMTAB };
    let table = sections.symbols(LE, bytes, kind)?;
    if table.is_empty() {
        return Ok(Vec::new());
    }
    let strings = sections.section(table.string_section())?.data(LE, bytes)?;
    let mut names = Names::new(strings, bytes);
    let mut symbols = Vec::new();
    for (index, symbol) in table.enumerate() {
        let local = symbol.is_local()
            || matches!(symbol.st_type(), elf::STT_FILE | elf::STT_SECTION)
            || index == SymbolIndex(0);
        if local {
            continue;
        }
        let binding = if symbol.is_undefined(LE) {
            Binding::Undefined
        } else if symbol.is_common(LE) {
            Binding::Common
        } else if symbol.is_weak() {
            Binding::Weak
        } else {
            Binding::Strong
        };
        let name = names.get(symbol.st_name(LE))?;
        let place = match table.symbol_section(LE, symbol, index)? {
            None => None,
            Some(index) => {
                // An object's values are offsets, and a linked one's addresses.
                let begin = if is_linked { sections.section(index)?.sh_addr(LE) } else { 0 };
                let offset = symbol.st_value(LE).checked_sub(begin);
                let outside = || ObjectError::Outside(printable(name).into_owned());
                Some((index.0, offset.ok_or_else(outside)?))
            }
        };
        symbols.push(RawSymbol { name, binding, place, size: symbol.st_size(LE) });
    }
    Ok(symbols)
}
