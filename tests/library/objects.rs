//! Object files made to order, and the files that libraries come in.

use std::io::Write as _;

use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// What a symbol is, as a linker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Strong,
    Hidden,
    Weak,
    Common,
    Undefined,
    Local,
}

/// An object file of code that defines or needs `symbols`.
pub(crate) fn object(format: BinaryFormat, symbols: &[(String, Kind)], filler: usize) -> Vec<u8> {
    let mut object = Object::new(format, Architecture::Aarch64, Endianness::Little);
    let segment = if format == BinaryFormat::MachO { b"__TEXT".to_vec() } else { Vec::new() };
    let name = if format == BinaryFormat::MachO { &b"__text"[..] } else { b".text" };
    let text = object.add_section(segment, name.to_vec(), SectionKind::Text);
    object.append_section_data(text, &vec![0; 8 * symbols.len() + filler], 4);
    for (index, (name, kind)) in symbols.iter().enumerate() {
        let scope = match kind {
            Kind::Local => SymbolScope::Compilation,
            Kind::Hidden => SymbolScope::Linkage,
            _ => SymbolScope::Dynamic,
        };
        let mut symbol = Symbol {
            name: name.as_bytes().to_vec(),
            value: 8 * index as u64,
            size: 8,
            kind: SymbolKind::Text,
            scope,
            weak: *kind == Kind::Weak,
            section: SymbolSection::Section(text),
            flags: SymbolFlags::None,
        };
        match kind {
            Kind::Common => {
                symbol.kind = SymbolKind::Data;
                (symbol.value, symbol.section) = (0, SymbolSection::Common);
                object.add_common_symbol(symbol, 16, 8);
            }
            Kind::Undefined => {
                (symbol.value, symbol.size) = (0, 0);
                symbol.section = SymbolSection::Undefined;
                object.add_symbol(symbol);
            }
            _ => drop(object.add_symbol(symbol)),
        }
    }
    object.write().unwrap()
}

/// An object file that defines strong symbols and needs others.
pub(crate) fn defining(format: BinaryFormat, defined: &[&str], undefined: &[&str]) -> Vec<u8> {
    let defined = defined.iter().map(|name| ((*name).to_owned(), Kind::Strong));
    let undefined = undefined.iter().map(|name| ((*name).to_owned(), Kind::Undefined));
    object(format, &defined.chain(undefined).collect::<Vec<_>>(), 0)
}

/// A plain tar.
pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *data).unwrap();
    }
    builder.into_inner().unwrap()
}

/// What `gzip` makes of it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// What was compressed.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut out).unwrap();
    out
}

/// The members of a tar.
pub(crate) fn untar(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut data).unwrap();
        (name, data)
    });
    entries.collect()
}
