//! One object file: what it is for, what it defines and needs, where its blobs are.
//!
//! The tables are read here rather than through `object`'s generic interface, because that one
//! looks for the end of a name through the whole string table: a hostile file of some megabytes
//! would take hours.

mod anchor;
mod build_version;
mod elf;
mod kind;
mod macho;
mod names;

use self::names::NamesError;
use super::printable::printable;
pub(super) use anchor::anchor;
pub(super) use build_version::BuildVersion;
pub use kind::{ObjectFormat, Platform, Processor};
pub(super) use macho::has_initializers;

/// The end of a blob symbol's name in today's TVM, after the library's prefix.
pub(super) const BLOB_SUFFIX: &str = "__tvm_ffi__library_bin";
/// The ends of it in older ones (UPSTREAM: mlc-llm issues 3251 and 3252).
const OLD_BLOB_SUFFIXES: [&str; 2] = ["__tvm_dev_mblob", "__tvm_ffi_library_bin"];

/// Why bytes are no object that can be linked.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Damaged.
    #[error("it is damaged: {0}")]
    Read(#[from] object::read::Error),
    /// 32 bits, big endian, an executable.
    #[error("it is not a 64-bit little-endian relocatable object")]
    Kind,
    /// Several processors in one file.
    #[error("it is a universal file, for several processors")]
    Universal,
    /// What `clang -flto` writes.
    #[error("it is LLVM bitcode, not machine code")]
    Bitcode,
    /// A Mach-O object whose commands are damaged, or of a kind whose offsets are not known.
    #[error("its load commands cannot be extended by a platform")]
    Commands,
    /// Bytes that look like nothing.
    #[error("it is not an object file")]
    NotAnObject,
    /// A section that is not there in whole.
    #[error("its section {0} reaches over the end of the file")]
    Truncated(usize),
    /// The table that its symbols' names are in.
    #[error("its string table reaches over the end of the file")]
    StringTable,
    /// A symbol that lies outside of the section it names.
    #[error("its symbol `{0}` lies outside of its section")]
    Outside(String),
    /// Names of symbols.
    #[error("its symbol names are damaged: {0}")]
    Names(#[from] NamesError),
}

/// One object file. Names are without the leading `_` of Mach-O.
#[derive(Debug)]
pub(super) struct ObjectInfo<'a> {
    pub(super) format: ObjectFormat,
    pub(super) processor: Processor,
    pub(super) platform: Option<Platform>,
    pub(super) defined: Vec<Definition<'a>>,
    /// What other objects or the runtime have to define.
    pub(super) undefined: Vec<&'a str>,
    pub(super) blobs: Vec<BlobSymbol<'a>>,
    /// Blob symbols of TVM versions whose runtime has another interface.
    pub(super) old_blobs: Vec<&'a str>,
    /// Bytes of machine code.
    pub(super) code: u64,
    /// Bytes of data that is loaded from the file, blobs included.
    pub(super) data: u64,
}

/// A global symbol that an object defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Definition<'a> {
    pub(super) name: &'a str,
    /// A linker takes any of several: weak definitions, and common (tentative) ones.
    pub(super) weak: bool,
}

/// The symbol that holds a library's blob.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlobSymbol<'a> {
    /// What comes before [`BLOB_SUFFIX`]: the library's prefix, with its final `_`.
    pub(super) prefix: &'a str,
    /// From the symbol to its end, or to the next blob's or the section's where it has no size.
    pub(super) bytes: &'a [u8],
}

/// An object as its format has it.
struct RawObject<'a> {
    format: ObjectFormat,
    processor: Processor,
    platform: Option<Platform>,
    /// Whether a linker made it of objects: no other links it again.
    is_linked: bool,
    sections: Vec<RawSection<'a>>,
    /// The global ones, in the file's order, under the names in the file.
    symbols: Vec<RawSymbol<'a>>,
}

struct RawSection<'a> {
    kind: SectionKind,
    /// None for what is only zeros at run time.
    data: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SectionKind {
    Code,
    Data,
    /// Debug information and tables: the linker's, not the app's.
    NotLoaded,
}

struct RawSymbol<'a> {
    name: &'a str,
    binding: Binding,
    /// The index of its section, and where it begins there.
    place: Option<(usize, u64)>,
    /// In bytes; 0 where the format does not say.
    size: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Binding {
    Undefined,
    Common,
    Weak,
    Strong,
}

impl<'a> ObjectInfo<'a> {
    /// An object that can be linked.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        Self::of(parse_object(bytes)?)
    }

    /// The same, or a shared library (`.so`, `.dylib`), which is only loaded.
    pub(super) fn parse_any(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        Self::of(parse_raw(bytes)?)
    }

    fn of(raw: RawObject<'a>) -> Result<Self, ObjectError> {
        let bytes_in = |kind| {
            let sections = raw.sections.iter().filter(|section| section.kind == kind);
            sections.map(|section| section.data.len() as u64).sum()
        };
        let mut info = Self {
            format: raw.format,
            processor: raw.processor,
            platform: raw.platform,
            defined: Vec::new(),
            undefined: Vec::new(),
            blobs: Vec::new(),
            old_blobs: Vec::new(),
            code: bytes_in(SectionKind::Code),
            data: bytes_in(SectionKind::Data),
        };
        let mut blobs = Vec::new();
        for symbol in &raw.symbols {
            let name = without_underscore(raw.format, symbol.name);
            if symbol.binding == Binding::Undefined {
                info.undefined.push(name);
                continue;
            }
            let weak = symbol.binding != Binding::Strong;
            info.defined.push(Definition { name, weak });
            if let Some(prefix) = name.strip_suffix(BLOB_SUFFIX) {
                blobs.push((prefix, symbol));
            } else if OLD_BLOB_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
                info.old_blobs.push(name);
            }
        }
        info.blobs = blob_bytes(&raw.sections, blobs)?;
        Ok(info)
    }
}

/// The names that an archive's symbol table lists for an object, in the object's order.
pub(super) fn archive_symbols(bytes: &[u8]) -> Result<Vec<&str>, ObjectError> {
    let symbols = parse_object(bytes)?.symbols.into_iter();
    Ok(symbols
        .filter(|symbol| symbol.binding != Binding::Undefined)
        .map(|symbol| symbol.name)
        .collect())
}

/// Whether bytes begin as an object file does; what exactly they are is looked at later.
pub(super) fn looks_like_object(bytes: &[u8]) -> bool {
    !matches!(unreadable(bytes), Some(ObjectError::NotAnObject))
}

fn parse_object(bytes: &[u8]) -> Result<RawObject<'_>, ObjectError> {
    let raw = parse_raw(bytes)?;
    if raw.is_linked { Err(ObjectError::Kind) } else { Ok(raw) }
}

fn parse_raw(bytes: &[u8]) -> Result<RawObject<'_>, ObjectError> {
    match bytes {
        // 64 bits, little endian.
        [0x7f, b'E', b'L', b'F', 2, 1, ..] => elf::parse(bytes),
        [0xcf, 0xfa, 0xed, 0xfe, ..] => macho::parse(bytes),
        _ => Err(unreadable(bytes).unwrap_or(ObjectError::Kind)),
    }
}

/// Why nothing but a 64-bit little-endian object can be read, where the first bytes say so.
fn unreadable(bytes: &[u8]) -> Option<ObjectError> {
    match bytes {
        [0x7f, b'E', b'L', b'F', ..]
        | [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..]
        | [0xfe, 0xed, 0xfa, 0xcf | 0xce, ..] => None,
        [0xca, 0xfe, 0xba, 0xbe | 0xbf, ..] => Some(ObjectError::Universal),
        [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..] => Some(ObjectError::Bitcode),
        _ => Some(ObjectError::NotAnObject),
    }
}

fn without_underscore(format: ObjectFormat, name: &str) -> &str {
    match format {
        ObjectFormat::Elf => name,
        ObjectFormat::MachO => name.strip_prefix('_').unwrap_or(name),
    }
}

/// Cuts the blobs out of their sections. None reaches into the next: Mach-O has no sizes, and
/// whatever a file claims, all its blobs together are no longer than itself.
fn blob_bytes<'a>(
    sections: &[RawSection<'a>],
    symbols: Vec<(&'a str, &RawSymbol<'a>)>,
) -> Result<Vec<BlobSymbol<'a>>, ObjectError> {
    let outside =
        |symbol: &RawSymbol<'_>| ObjectError::Outside(printable(symbol.name).into_owned());
    let mut starts: Vec<_> = symbols.iter().filter_map(|(_, symbol)| symbol.place).collect();
    starts.sort_unstable();
    let mut blobs = Vec::with_capacity(symbols.len());
    for (prefix, symbol) in symbols {
        let Some((section, start)) = symbol.place else {
            return Err(outside(symbol));
        };
        let data = sections.get(section).map_or(&[][..], |section| section.data);
        let next = starts.get(starts.partition_point(|place| *place <= (section, start)));
        let limit = match next {
            Some((other, next)) if *other == section => *next,
            _ => data.len() as u64,
        };
        let end = match symbol.size {
            0 => limit,
            size => start.checked_add(size).ok_or_else(|| outside(symbol))?,
        };
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let bytes = range.and_then(|(start, end)| data.get(start..end));
        blobs.push(BlobSymbol { prefix, bytes: bytes.ok_or_else(|| outside(symbol))? });
    }
    Ok(blobs)
}
