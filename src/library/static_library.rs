//! Everything that an Apple app links of a package, as one static library that a linker takes
//! without `-all_load`, and of several processors as one file.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Cursor, Write};

use ar_archive_writer::{ArchiveKind, NewArchiveMember, write_archive_to_stream};
use object::read::archive::ArchiveFile;

use super::archive::{READER, plain, platform};
use super::object::{
    BLOB_SUFFIX, ObjectError, ObjectInfo, anchor, has_initializers, looks_like_object,
};
use crate::model::{Device, Digest, MacabiArch};

/// The end of the name of what TVM's runtime hands to a library.
const CONTEXT_SUFFIX: &str = "__tvm_ffi__library_ctx";
/// How a part of a universal file begins: at a page, whatever the processor.
const PART_ALIGNMENT: u32 = 14;
const FAT_MAGIC: u32 = 0xcafe_babe;

/// What becomes one library.
pub(crate) struct Merging<'a> {
    /// The archives: names for messages, and bytes.
    pub(crate) archives: &'a [(&'a str, &'a [u8])],
    pub(crate) device: Device,
    pub(crate) arch: MacabiArch,
    /// The name of the table that keeps everything, without a leading `_`.
    pub(crate) anchor: &'a str,
}

/// One library.
pub(crate) struct Merged {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// What of it only the system defines.
    pub(crate) undefined: BTreeSet<String>,
    /// Objects that do something when they are loaded, and define no name of their own to have them
    /// loaded by.
    pub(crate) unnamed: Vec<String>,
}

/// Why an archive cannot become part of a library.
#[derive(Debug, thiserror::Error)]
enum ArchiveFault {
    /// It is damaged.
    #[error(transparent)]
    Read(#[from] object::read::Error),
    /// An object of it cannot be linked.
    #[error("its member `{name}`: {why}")]
    Member {
        /// The object.
        name: String,
        /// What is wrong with it.
        why: ObjectError,
    },
}

/// An object of an archive.
struct ArchiveObject<'a> {
    name: String,
    bytes: Cow<'a, [u8]>,
    defined: Vec<(&'a str, bool)>,
    has_initializers: bool,
}

/// Makes one library of several, with an object in front that names what no code of an app does: the
/// models, and what registers itself with the runtime.
///
/// # Errors
/// An archive is damaged, or has an object that cannot be linked.
pub(crate) fn merge(merging: &Merging<'_>) -> io::Result<Merged> {
    let mut parts = Vec::new();
    let mut seen = HashSet::new();
    let mut undefined = BTreeSet::new();
    for (name, bytes) in merging.archives {
        read(merging, name, bytes, &mut parts, &mut seen, &mut undefined)
            .map_err(|why| io::Error::other(format!("`{name}`: {why}")))?;
    }
    let mut owners: HashMap<&str, usize> = HashMap::new();
    for (name, _) in parts.iter().flat_map(|part| &part.defined) {
        *owners.entry(name).or_default() += 1;
    }
    let mut named = BTreeSet::new();
    let mut unnamed = Vec::new();
    for part in &parts {
        let of_model = |name: &&str| name.ends_with(BLOB_SUFFIX) || name.ends_with(CONTEXT_SUFFIX);
        let own: Vec<_> = part.defined.iter().map(|(name, _)| *name).filter(of_model).collect();
        named.extend(own.iter().copied());
        if !part.has_initializers || !own.is_empty() {
            continue;
        }
        let alone = |(name, _): &&(&str, bool)| owners.get(*name) == Some(&1);
        // A weak name is as good, if nobody else has it.
        let strong = part.defined.iter().filter(|(_, weak)| !weak).find(alone);
        match strong.or_else(|| part.defined.iter().find(alone)) {
            Some((name, _)) => drop(named.insert(name)),
            None => unnamed.push(part.name.clone()),
        }
    }
    let version = platform(merging.device).ok_or_else(|| io::Error::other("not for Apple"))?;
    let names: Vec<_> = named.into_iter().collect();
    let table = anchor(merging.anchor, &names, merging.arch, version);
    let table = table.ok_or_else(|| io::Error::other("it has too many names"))?;
    let defined: BTreeSet<_> = owners.into_keys().collect();
    undefined.retain(|name: &String| !defined.contains(name.as_str()));
    let first = (format!("{}.o", merging.anchor), table.as_slice());
    let others = parts.iter().map(|part| (part.name.clone(), part.bytes.as_ref()));
    let members: Vec<_> = std::iter::once(first)
        .chain(others)
        .map(|(name, bytes)| NewArchiveMember::new(bytes, &READER, name))
        .collect();
    let mut out = Cursor::new(Vec::new());
    write_archive_to_stream(&mut out, &members, ArchiveKind::Darwin, false, None)?;
    Ok(Merged { bytes: out.into_inner(), undefined, unnamed })
}

/// Reads the objects of an archive; each gets the system that it is for, if it names none.
fn read<'a>(
    merging: &Merging<'a>,
    archive: &str,
    bytes: &'a [u8],
    parts: &mut Vec<ArchiveObject<'a>>,
    seen: &mut HashSet<Digest>,
    undefined: &mut BTreeSet<String>,
) -> Result<(), ArchiveFault> {
    let stem = archive.strip_suffix(".a").unwrap_or(archive);
    let stem = stem.strip_prefix("lib").unwrap_or(stem);
    let file = ArchiveFile::parse(bytes)?;
    for member in file.members() {
        let member = member?;
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let object = member.data(bytes)?;
        // What Rust and others put beside objects is no linker's business.
        if !looks_like_object(object) && !name.ends_with(".o") {
            continue;
        }
        let failed = |why| ArchiveFault::Member { name: plain(&name), why };
        // Upstream's archives have objects of each other.
        if !seen.insert(Digest::of(object)) {
            continue;
        }
        let info = ObjectInfo::parse(object).map_err(failed)?;
        undefined.extend(info.undefined.iter().map(ToString::to_string));
        let with_platform = match platform(merging.device) {
            Some(platform) => platform.write_into(object).map_err(failed)?,
            None => Cow::Borrowed(object),
        };
        parts.push(ArchiveObject {
            name: format!("{stem}_{}", plain(&name)),
            bytes: with_platform,
            defined: info.defined.iter().map(|symbol| (symbol.name, symbol.weak)).collect(),
            has_initializers: has_initializers(object).map_err(failed)?,
        });
    }
    Ok(())
}

/// Writes libraries of several processors as one universal file, and one as it is.
/// Layout: `mach-o/fat.h`.
///
/// # Errors
/// It cannot be written, or is larger than the format has numbers for.
pub(crate) fn write_universal(
    libraries: &[(MacabiArch, &[u8])],
    out: &mut impl Write,
) -> io::Result<()> {
    if let [(_, library)] = libraries {
        return out.write_all(library);
    }
    let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let mut words = vec![FAT_MAGIC, u32::try_from(libraries.len()).map_err(too_large)?];
    let mut at = 8 + 20 * libraries.len();
    let mut starts = Vec::new();
    for (arch, library) in libraries {
        at = at.next_multiple_of(1 << PART_ALIGNMENT);
        starts.push(at);
        let (processor, subtype) = match arch {
            MacabiArch::Arm64 => (object::macho::CPU_TYPE_ARM64, 0),
            MacabiArch::X86_64 => (object::macho::CPU_TYPE_X86_64, 3),
        };
        let number = |number: usize| u32::try_from(number).map_err(too_large);
        words.extend([processor.0, subtype, number(at)?, number(library.len())?, PART_ALIGNMENT]);
        at += library.len();
    }
    let header: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    out.write_all(&header)?;
    let mut at = header.len();
    for (start, (_, library)) in starts.into_iter().zip(libraries) {
        out.write_all(&vec![0; start - at])?;
        out.write_all(library)?;
        at = start + library.len();
    }
    Ok(())
}
