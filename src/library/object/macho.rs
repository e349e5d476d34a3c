use object::endian::LittleEndian as LE;
use object::macho;
use object::read::macho::{
    LoadCommandVariant, MachHeader as _, Nlist as _, Section as _, Segment as _,
};

use super::build_version;
use super::names::Names;
use super::{Binding, ObjectError, RawObject, RawSection, RawSymbol, SectionKind};
use super::{ObjectFormat, Platform, Processor, printable};

type Header = macho::MachHeader64<LE>;

pub(super) fn parse(bytes: &[u8]) -> Result<RawObject<'_>, ObjectError> {
    let header = Header::parse(bytes, 0)?;
    let is_linked = match header.filetype(LE) {
        macho::MH_OBJECT => false,
        macho::MH_DYLIB | macho::MH_BUNDLE => true,
        _ => return Err(ObjectError::Kind),
    };
    let mut platform = None;
    let mut sections = Vec::new();
    let mut symtab = None;
    let mut commands = header.load_commands(LE, bytes, 0)?;
    while let Some(command) = commands.next()? {
        match command.variant()? {
            LoadCommandVariant::Segment64(segment, data) => {
                sections.extend(segment.sections(LE, data)?);
            }
            LoadCommandVariant::Symtab(command) if symtab.is_none() => symtab = Some(command),
            LoadCommandVariant::BuildVersion(version, _) => {
                platform = platform.or(Some(version.platform.get(LE)));
            }
            LoadCommandVariant::VersionMin(_) => {
                platform = platform.or(minimum_version_platform(command.cmd()));
            }
            _ => {}
        }
    }
    if platform.is_none() && !is_linked {
        build_version::check(bytes)?;
    }
    Ok(RawObject {
        format: ObjectFormat::MachO,
        is_linked,
        processor: match header.cputype(LE) {
            macho::CPU_TYPE_ARM64 => Processor::Arm64,
            macho::CPU_TYPE_X86_64 => Processor::X86_64,
            _ => Processor::Other,
        },
        platform: platform.map(|platform| match platform {
            macho::PLATFORM_IOS => Platform::Ios,
            macho::PLATFORM_MACCATALYST => Platform::MacCatalyst,
            other => Platform::Other(other.0),
        }),
        symbols: match symtab {
            Some(symtab) => read_symbols(bytes, symtab, &sections)?,
            None => Vec::new(),
        },
        sections: read_sections(bytes, &sections)?,
    })
}

/// Whether an object does something when it is loaded, without being called: initializers of C++, and
/// categories of Objective-C.
pub(crate) fn has_initializers(bytes: &[u8]) -> Result<bool, ObjectError> {
    let mut commands = Header::parse(bytes, 0)?.load_commands(LE, bytes, 0)?;
    while let Some(command) = commands.next()? {
        if let LoadCommandVariant::Segment64(segment, data) = command.variant()? {
            let found = segment.sections(LE, data)?.iter().any(|section| {
                INITIALIZERS.contains(&(section.flags(LE).0 & SECTION_TYPE))
                    || section.name().starts_with(b"__objc_catlist")
            });
            if found {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The types of a section of pointers to initializers, and of their offsets.
const INITIALIZERS: [u32; 2] = [0x9, 0x16];
const SECTION_TYPE: u32 = 0xff;

/// The platform that an old `LC_VERSION_MIN_*` command stands for.
fn minimum_version_platform(command: macho::LoadCommandType) -> Option<macho::Platform> {
    Some(match command {
        macho::LC_VERSION_MIN_IPHONEOS => macho::PLATFORM_IOS,
        macho::LC_VERSION_MIN_MACOSX => macho::PLATFORM_MACOS,
        macho::LC_VERSION_MIN_TVOS => macho::PLATFORM_TVOS,
        macho::LC_VERSION_MIN_WATCHOS => macho::PLATFORM_WATCHOS,
        _ => return None,
    })
}

/// Every section is made sure to be there: a linker, unlike a reader of symbols, needs them.
fn read_sections<'a>(
    bytes: &'a [u8],
    sections: &[&macho::Section64<LE>],
) -> Result<Vec<RawSection<'a>>, ObjectError> {
    let read = |(index, section): (usize, &&macho::Section64<LE>)| {
        let flags = section.flags(LE);
        let kind = if flags.contains(macho::S_ATTR_DEBUG) {
            SectionKind::NotLoaded
        } else if flags.contains(macho::S_ATTR_PURE_INSTRUCTIONS)
            || flags.contains(macho::S_ATTR_SOME_INSTRUCTIONS)
        {
            SectionKind::Code
        } else {
            SectionKind::Data
        };
        let data = section
            .data(LE, bytes, section.offset(LE).into())
            .map_err(|_| ObjectError::Truncated(index + 1))?;
        Ok(RawSection { kind, data })
    };
    sections.iter().enumerate().map(read).collect()
}

fn read_symbols<'a>(
    bytes: &'a [u8],
    symtab: &macho::SymtabCommand<LE>,
    sections: &[&macho::Section64<LE>],
) -> Result<Vec<RawSymbol<'a>>, ObjectError> {
    let table = symtab.symbols::<Header, _>(LE, bytes)?;
    let start = usize::try_from(symtab.stroff.get(LE)).unwrap_or(usize::MAX);
    let len = usize::try_from(symtab.strsize.get(LE)).unwrap_or(usize::MAX);
    let strings = start.checked_add(len).and_then(|end| bytes.get(start..end));
    let strings = strings.ok_or(ObjectError::StringTable)?;
    let mut names = Names::new(strings, bytes);
    let mut symbols = Vec::new();
    for symbol in table.iter() {
        let flags = symbol.n_type();
        if flags.is_stab() || !flags.contains(macho::N_EXT) {
            continue;
        }
        let name = names.get(symbol.n_strx(LE))?;
        let binding = if symbol.is_undefined() {
            Binding::Undefined
        } else if symbol.is_common() {
            Binding::Common
        } else if symbol.n_desc(LE).contains(macho::N_WEAK_DEF) {
            Binding::Weak
        } else {
            Binding::Strong
        };
        let place = if symbol.is_definition() {
            let section = usize::from(symbol.n_sect()).wrapping_sub(1);
            let address = sections.get(section).map(|section| section.addr(LE));
            let offset = address.and_then(|address| symbol.n_value(LE).checked_sub(address));
            Some((
                section,
                offset.ok_or_else(|| ObjectError::Outside(printable(name).into_owned()))?,
            ))
        } else {
            None
        };
        symbols.push(RawSymbol { name, binding, place, size: 0 });
    }
    Ok(symbols)
}
