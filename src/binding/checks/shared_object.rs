//! A shared object as Android's loader sees it: its segments and dynamic symbols. The dynamic
//! symbol table is what `strip` leaves, so a stripped library is read as well as any other.

use std::collections::{HashMap, HashSet};

use object::elf;
use object::endian::LittleEndian as LE;
use object::read::elf::{
    FileHeader as _, ProgramHeader as _, SectionHeader as _, SectionTable, Sym as _,
};
use object::read::{ReadRef, StringTable, SymbolIndex};

use super::names::Names;

type Header = elf::FileHeader64<LE>;

/// Read piece by piece: of a library of a hundred megabytes few are looked at.
pub(super) struct SharedObject<'a, R> {
    pub(super) processor: elf::Machine,
    pub(super) is_shared: bool,
    pub(super) loads: Vec<Load>,
    /// What it exports of what is looked for, by name.
    pub(super) defined: HashMap<&'a str, Exported>,
    /// What it needs of others, weak references left out: those may stay empty.
    pub(super) undefined: Vec<&'a str>,
    file: R,
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

impl<'a, R: ReadRef<'a>> SharedObject<'a, R> {
    /// Looks for exports of these names: a library may have a hundred thousand others.
    pub(super) fn parse(file: R, wanted: &HashSet<&str>) -> Result<Self, SharedObjectError> {
        // 64 bits, little endian.
        if file.read_bytes_at(0, 6) != Ok(&[0x7f, b'E', b'L', b'F', 2, 1]) {
            return Err(SharedObjectError::NotElf);
        }
        let header = Header::parse(file)?;
        let loads = header.program_headers(LE, file)?.iter();
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
            file,
        };
        // An object file or a program has none, and is refused for what it is.
        if shared.is_shared {
            shared.read_symbols(header, wanted)?;
        }
        Ok(shared)
    }

    fn read_symbols(
        &mut self,
        header: &Header,
        wanted: &HashSet<&str>,
    ) -> Result<(), SharedObjectError> {
        let headers = header.section_headers(LE, self.file)?;
        let sections = SectionTable::<Header, R>::new(headers, StringTable::default());
        let table = sections.symbols(LE, self.file, elf::SHT_DYNSYM)?;
        if table.is_empty() {
            return Err(SharedObjectError::NoSymbols);
        }
        let strings = sections.section(table.string_section())?.data(LE, self.file)?;
        let length = self.file.len().unwrap_or_default();
        let mut names = Names::new(strings, length);
        for (index, symbol) in table.enumerate() {
            if index == SymbolIndex(0) || symbol.is_local() {
                continue;
            }
            let name = names.get(symbol.st_name(LE)).ok_or(SharedObjectError::Names)?;
            if !symbol.is_undefined(LE) {
                if wanted.contains(name) {
                    let (address, size) = (symbol.st_value(LE), symbol.st_size(LE));
                    self.defined.insert(name, Exported { address, size });
                }
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
        self.file.read_bytes_at(start, symbol.size).ok()
    }
}
