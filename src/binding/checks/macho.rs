use object::endian::LittleEndian as LE;
use object::macho;
use object::read::macho::{LoadCommandVariant, MachHeader as _, Nlist as _};

use super::names::Names;

type Header = macho::MachHeader64<LE>;

/// A Mach-O object as a linker sees it. Names are without their leading `_`.
pub(super) struct Object<'a> {
    pub(super) processor: macho::CpuType,
    /// The system it says it is for; none says nothing, as TVM's objects for iPhone do.
    pub(super) platform: Option<macho::Platform>,
    pub(super) defined: Vec<&'a str>,
    /// What it needs, weak references left out.
    pub(super) undefined: Vec<&'a str>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ObjectError {
    #[error("it is not a 64-bit Mach-O object")]
    NotMachO,
    #[error("it is damaged: {0}")]
    Damaged(#[from] object::read::Error),
    #[error("its symbol names are damaged")]
    Names,
}

impl<'a> Object<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        if !bytes.starts_with(&[0xcf, 0xfa, 0xed, 0xfe]) {
            return Err(ObjectError::NotMachO);
        }
        let header = Header::parse(bytes, 0)?;
        if header.filetype(LE) != macho::MH_OBJECT {
            return Err(ObjectError::NotMachO);
        }
        let mut found = Self {
            processor: header.cputype(LE),
            platform: None,
            defined: Vec::new(),
            undefined: Vec::new(),
        };
        let mut symtab = None;
        let mut commands = header.load_commands(LE, bytes, 0)?;
        while let Some(command) = commands.next()? {
            match command.variant()? {
                LoadCommandVariant::Symtab(table) if symtab.is_none() => symtab = Some(table),
                LoadCommandVariant::BuildVersion(version, _) => {
                    found.platform = found.platform.or(Some(version.platform.get(LE)));
                }
                LoadCommandVariant::VersionMin(_) => {
                    found.platform = found.platform.or(older_platform(command.cmd()));
                }
                _ => {}
            }
        }
        if let Some(symtab) = symtab {
            found.read_symbols(bytes, symtab)?;
        }
        Ok(found)
    }

    fn read_symbols(
        &mut self,
        bytes: &'a [u8],
        symtab: &macho::SymtabCommand<LE>,
    ) -> Result<(), ObjectError> {
        let table = symtab.symbols::<Header, _>(LE, bytes)?;
        let start = usize::try_from(symtab.stroff.get(LE)).unwrap_or(usize::MAX);
        let len = usize::try_from(symtab.strsize.get(LE)).unwrap_or(usize::MAX);
        let strings = start.checked_add(len).and_then(|end| bytes.get(start..end));
        let mut names = Names::new(strings.ok_or(ObjectError::Names)?, bytes.len() as u64);
        for symbol in table.iter() {
            let flags = symbol.n_type();
            if flags.is_stab() || !flags.contains(macho::N_EXT) {
                continue;
            }
            let name = names.get(symbol.n_strx(LE)).ok_or(ObjectError::Names)?;
            let name = name.strip_prefix('_').unwrap_or(name);
            // A common symbol is as good as a definition.
            if !symbol.is_undefined() || symbol.is_common() {
                self.defined.push(name);
            } else if !symbol.n_desc(LE).contains(macho::N_WEAK_REF) {
                self.undefined.push(name);
            }
        }
        Ok(())
    }
}

/// The platform that an old `LC_VERSION_MIN_*` command stands for.
fn older_platform(command: macho::LoadCommandType) -> Option<macho::Platform> {
    Some(match command {
        macho::LC_VERSION_MIN_IPHONEOS => macho::PLATFORM_IOS,
        macho::LC_VERSION_MIN_MACOSX => macho::PLATFORM_MACOS,
        macho::LC_VERSION_MIN_TVOS => macho::PLATFORM_TVOS,
        macho::LC_VERSION_MIN_WATCHOS => macho::PLATFORM_WATCHOS,
        _ => return None,
    })
}
