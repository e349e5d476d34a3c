//! A shared object as Android's loader sees it: its segments and dynamic symbols. The dynamic
//! symbol table is what `strip` leaves, so a stripped library is read as well as any other.

use std::collections::HashMap;

use object::elf;
use object::endian::LittleEndian as LE;
use object::read::elf::{
    FileHeader as _, ProgramHeader as _, SectionHeader as _, SectionTable, Sym as _,
};
use object::read::{StringTable, SymbolIndex};

use super::names::Names;

type Header = elf::FileHeader64<LE>;

pub(super) struct SharedObject<'a> {
    pub(super) processor: elf::Machine,
    pub(super) is_shared: bool,
    pub(super) loads: Vec<Load>,
    /// What it exports, by name.
    pub(super) defined: HashMap<&'a str, Exported>,
    /// What it needs of others, weak references left out: those may stay empty.
    pub(super) undefined: Vec<&'a str>,
    bytes: &'a [u8],
}

/// A segment that is mapped.
pub(super) struct Load {
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) in_file: u64,
    pub(super) align: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Exported {
    pub(super) address: u64,
    pub(super) size: u64,
}

/// Why bytes are no shared object.
#[derive(Debug, thiserror::Error)]
pub(super) enum SharedObjectError {
    #[error("it is not a 64-bit little-endian ELF file")]
    NotElf,
    #[error("it is damaged: {0}")]
    Damaged(#[from] object::read::Error),
    #[error("it has no dynamic symbols")]
    NoSymbols,
    #[error("its symbol names are damaged")]
    Names,
}

impl<'a> SharedObject<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, SharedObjectError> {
        // 64 bits, little endian.
        if !bytes.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1]) {
            return Err(SharedObjectError::NotElf);
        }
        let header = Header::parse(bytes)?;
        let loads = header.program_headers(LE, bytes)?.iter();
        let loads = loads.filter(|segment| segment.p_type(LE) == elf::PT_LOAD).map(|segment| {
            let (offset, in_file) = segment.file_range(LE);
            Load { offset, in_file, address: segment.p_vaddr(LE), align: segment.p_align(LE) }
        });
        let mut shared = Self {
            processor: header.e_machine(LE),
            is_shared: header.e_type(LE) == elf::ET_DYN,
            loads: loads.collect(),
            defined: HashMap::new(),
            undefined: Vec::new(),
            bytes,
        };
        // An object file or a program has none, and is refused for what it is.
        if shared.is_shared {
            shared.read_symbols(header)?;
        }
        Ok(shared)
    }

    fn read_symbols(&mut self, header: &Header) -> Result<(), SharedObjectError> {
        let headers = header.section_headers(LE, self.bytes)?;
        let sections = SectionTable::<Header>::new(headers, StringTable::default());
        let table = sections.symbols(LE, self.bytes, elf::SHT_DYNSYM)?;
        if table.is_empty() {
            return Err(SharedObjectError::NoSymbols);
        }
        let strings = sections.section(table.string_section())?.data(LE, self.bytes)?;
        let mut names = Names::new(strings, self.bytes);
        for (index, symbol) in table.enumerate() {
            if index == SymbolIndex(0) || symbol.is_local() {
                continue;
            }
            let name = names.get(symbol.st_name(LE)).ok_or(SharedObjectError::Names)?;
            if !symbol.is_undefined(LE) {
                let exported = Exported { address: symbol.st_value(LE), size: symbol.st_size(LE) };
                self.defined.insert(name, exported);
            } else if !symbol.is_weak() {
                self.undefined.push(name);
            }
        }
        Ok(())
    }

    /// The bytes of a symbol, where they lie in the file.
    pub(super) fn bytes_of(&self, symbol: Exported) -> Option<&'a [u8]> {
        let load = self.loads.iter().find(|load| {
            symbol.address.checked_sub(load.address).is_some_and(|inside| inside < load.in_file)
        })?;
        let start = load.offset.checked_add(symbol.address - load.address)?;
        let end = start.checked_add(symbol.size)?;
        self.bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}
