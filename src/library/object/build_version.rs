//! The platform of a Mach-O object, written into it where it has none.
//!
//! TVM compiles for iPhone with the triple `arm64-apple-darwin`, which leaves out
//! `LC_BUILD_VERSION`; Xcode takes such an object for one of macOS, and no XCFramework can be made
//! of it. The command is put behind the others: what follows in the file moves by its size, and
//! the offsets that name it with it. Addresses stay, and with them code and relocations.
//! Layouts: `mach-o/loader.h`.

use std::borrow::Cow;

use object::endian::LittleEndian as LE;
use object::macho;
use object::read::macho::MachHeader as _;

use super::ObjectError;

/// The bytes of a 64-bit header.
const HEADER: usize = 32;

/// A platform and the oldest version of it that is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BuildVersion {
    /// `PLATFORM_IOS` and its like.
    platform: u32,
    /// `xxxx.yy.zz` in nibbles.
    minimum: u32,
}

impl BuildVersion {
    /// The bytes of the command: command, size, platform, minimum version, SDK, number of tools.
    pub(crate) const SIZE: u32 = 24;

    /// iOS 14.0: what upstream's `ios/prepare_libs.sh` builds the runtime for.
    pub(crate) const IOS: Self = Self { platform: macho::PLATFORM_IOS.0, minimum: 14 << 16 };
    /// Mac Catalyst 18.0: upstream's default.
    pub(crate) const MAC_CATALYST: Self =
        Self { platform: macho::PLATFORM_MACCATALYST.0, minimum: 18 << 16 };

    /// The command.
    pub(super) fn command(&self) -> [u32; 6] {
        [macho::LC_BUILD_VERSION.0, Self::SIZE, self.platform, self.minimum, NO_SDK, NO_TOOLS]
    }

    /// The object with this platform, or as it is where it names one.
    ///
    /// # Errors
    /// As [`check`].
    pub(crate) fn write_into<'a>(&self, object: &'a [u8]) -> Result<Cow<'a, [u8]>, ObjectError> {
        match self.start(object)? {
            None => Ok(Cow::Borrowed(object)),
            Some(Start { mut commands, rest }) => {
                commands.reserve_exact(rest.len());
                commands.extend_from_slice(rest);
                Ok(Cow::Owned(commands))
            }
        }
    }

    /// The header and the commands with this platform, and what follows them; none where the
    /// object names a platform.
    fn start<'a>(&self, object: &'a [u8]) -> Result<Option<Start<'a>>, ObjectError> {
        let header = macho::MachHeader64::<LE>::parse(object, 0)?;
        let mut commands = header.load_commands(LE, object, 0)?;
        while let Some(command) = commands.next()? {
            if PLATFORM_COMMANDS.contains(&command.cmd()) {
                return Ok(None);
            }
        }
        let end = HEADER.saturating_add(header.sizeofcmds(LE) as usize);
        let (start, rest) = object.split_at_checked(end).ok_or(ObjectError::Commands)?;
        let mut start = start.to_vec();
        let mut words = Words(&mut start);
        words.add(16, 1)?;
        words.add(20, Self::SIZE)?;
        move_offsets(&mut words, end)?;
        start.extend(self.command().iter().flat_map(|word| word.to_le_bytes()));
        Ok(Some(Start { commands: start, rest }))
    }
}

/// An object on its way to a platform.
struct Start<'a> {
    /// The header and the commands, the platform among them.
    commands: Vec<u8>,
    /// What follows them.
    rest: &'a [u8],
}

/// Makes sure that an object that names no platform can be given one.
///
/// # Errors
/// It is no 64-bit Mach-O object, or it has a command whose offsets are not known here.
pub(super) fn check(object: &[u8]) -> Result<(), ObjectError> {
    BuildVersion::IOS.start(object).map(drop)
}

/// The SDK is not known: nothing of one went into the object.
const NO_SDK: u32 = 0;
const NO_TOOLS: u32 = 0;

/// What names a platform.
const PLATFORM_COMMANDS: [macho::LoadCommandType; 5] = [
    macho::LC_BUILD_VERSION,
    macho::LC_VERSION_MIN_IPHONEOS,
    macho::LC_VERSION_MIN_MACOSX,
    macho::LC_VERSION_MIN_TVOS,
    macho::LC_VERSION_MIN_WATCHOS,
];

/// Adds the size of the new command to every offset into the file that stands in the commands
/// before `end`. An offset of nothing is 0 and stays so.
fn move_offsets(words: &mut Words<'_>, end: usize) -> Result<(), ObjectError> {
    let mut at = HEADER;
    while at < end {
        let (command, size) = (words.get(at)?, words.get(at + 4)? as usize);
        match macho::LoadCommandType(command) {
            macho::LC_SEGMENT_64 => {
                // The segment's offset has 64 bits, its sections' have 32.
                let offset = words.get_64(at + 40)?;
                let moved = offset.checked_add(BuildVersion::SIZE.into());
                words.set_64(at + 40, moved.ok_or(ObjectError::Commands)?)?;
                for section in 0..words.get(at + 64)? as usize {
                    let section = at + 72 + section * 80;
                    words.move_offset(section + 48)?;
                    words.move_offset(section + 56)?;
                }
            }
            macho::LC_SYMTAB => {
                words.move_offset(at + 8)?;
                words.move_offset(at + 16)?;
            }
            // Tables of contents, modules, external references, indirect symbols, relocations.
            macho::LC_DYSYMTAB => {
                for field in [32, 40, 48, 56, 64, 72] {
                    words.move_offset(at + field)?;
                }
            }
            macho::LC_DATA_IN_CODE
            | macho::LC_FUNCTION_STARTS
            | macho::LC_LINKER_OPTIMIZATION_HINT => words.move_offset(at + 8)?,
            // Options for the linker, by text.
            macho::LC_LINKER_OPTION | macho::LC_UUID => {}
            _ => return Err(ObjectError::Commands),
        }
        at = at.checked_add(size.max(8)).ok_or(ObjectError::Commands)?;
    }
    Ok(())
}

/// Little-endian numbers at places of an object.
struct Words<'a>(&'a mut [u8]);

impl Words<'_> {
    fn place<const N: usize>(&mut self, at: usize) -> Result<&mut [u8; N], ObjectError> {
        let place = self.0.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
        place.ok_or(ObjectError::Commands)
    }

    fn get(&mut self, at: usize) -> Result<u32, ObjectError> {
        Ok(u32::from_le_bytes(*self.place(at)?))
    }

    fn get_64(&mut self, at: usize) -> Result<u64, ObjectError> {
        Ok(u64::from_le_bytes(*self.place(at)?))
    }

    fn set_64(&mut self, at: usize, value: u64) -> Result<(), ObjectError> {
        *self.place(at)? = value.to_le_bytes();
        Ok(())
    }

    fn add(&mut self, at: usize, more: u32) -> Result<(), ObjectError> {
        let value = self.get(at)?.checked_add(more).ok_or(ObjectError::Commands)?;
        *self.place(at)? = value.to_le_bytes();
        Ok(())
    }

    fn move_offset(&mut self, at: usize) -> Result<(), ObjectError> {
        if self.get(at)? == 0 { Ok(()) } else { self.add(at, BuildVersion::SIZE) }
    }
}
