use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{self, Seek, Write};

use ar_archive_writer::{ArchiveKind, NewArchiveMember, ObjectReader, write_archive_to_stream};

use super::Linked;
use super::object::{BuildVersion, archive_symbols};
use crate::model::{Device, LibraryName};

/// What the archive writer asks about a member. Ours knows common symbols in Mach-O, which the
/// writer's own does not, and our members are 64-bit objects (they were read before).
pub(super) const READER: ObjectReader = ObjectReader {
    get_symbols: symbols,
    is_64_bit_object_file: |_| true,
    is_ec_object_file: |_| false,
    is_any_arm64_coff: |_| false,
    get_xcoff_member_alignment: |_| 0,
};

/// Writes the objects of all libraries as one static archive: what `llvm-ar rcsD` writes for
/// them, with the Darwin flavour for Apple's devices. Mach-O objects that name no platform are
/// given the device's. The same objects give the same bytes.
pub fn write_archive(
    device: Device,
    libraries: &[Linked<'_>],
    out: &mut (impl Write + Seek),
) -> io::Result<()> {
    let mut names = MemberNames::default();
    let mut objects = Vec::new();
    let kind = if device.is_apple() { ArchiveKind::Darwin } else { ArchiveKind::Gnu };
    for linked in libraries {
        let mut named = Vec::new();
        for member in &linked.library.members {
            let bytes = match platform(device) {
                Some(platform) => platform.write_into(member.bytes).map_err(io::Error::other)?,
                None => Cow::Borrowed(member.bytes),
            };
            named.push((names.unique(linked.name, member.name), bytes));
        }
        // So that an archive of ours, archived again, is the same.
        named.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        objects.extend(named);
    }
    let members: Vec<_> = objects
        .iter()
        .map(|(name, bytes)| NewArchiveMember::new(bytes.as_ref(), &READER, name.clone()))
        .collect();
    write_archive_to_stream(out, &members, kind, false, None)
}

/// What the objects of a device are for, where they do not say.
pub(super) fn platform(device: Device) -> Option<BuildVersion> {
    match device {
        Device::Android => None,
        Device::Iphone => Some(BuildVersion::IOS),
        Device::Macabi => Some(BuildVersion::MAC_CATALYST),
    }
}

/// Gives every member a name of its own: in every library the objects are called `lib0.o` and
/// `<prefix>devc.o`.
#[derive(Default)]
struct MemberNames {
    taken: HashSet<String>,
    /// The number that is tried next, for names that were wanted before.
    next: HashMap<String, u32>,
}

impl MemberNames {
    fn unique(&mut self, library: &LibraryName, member: &str) -> String {
        let base = plain(member.rsplit('/').next().unwrap_or(member));
        let prefix = library.system_lib_prefix();
        let name = if base.starts_with(&prefix) { base } else { format!("{prefix}{base}") };
        if self.taken.insert(name.clone()) {
            return name;
        }
        let number = self.next.entry(name.clone()).or_insert(2);
        let (stem, extension) = match name.strip_suffix(".o") {
            Some(stem) => (stem, ".o"),
            None => (name.as_str(), ""),
        };
        loop {
            let numbered = format!("{stem}_{number}{extension}");
            *number += 1;
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

/// A member's name as far as any reader of archives bears it.
pub(super) fn plain(name: &str) -> String {
    const LONGEST: usize = 200;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.chars().take(LONGEST).map(|c| if allowed(c) { c } else { '_' }).collect()
}

fn symbols(object: &[u8], note: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
    for name in archive_symbols(object).map_err(io::Error::other)? {
        note(name.as_bytes())?;
    }
    Ok(true)
}
