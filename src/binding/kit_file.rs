//! A kit as one file, which travels between machines and people: a tar, compressed by zstd.
//!
//! ```text
//! kit.json     Manifest: the format, and the kit's record, which names every file and its digest
//! files/…, lib/…, output/…, sources/…, notices/…, classes/…      the files, in the record's order
//! ```
//!
//! The same kit is the same bytes. Whoever reads one believes nothing: the file may be a stranger's.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::kit::{Kit, KitFile, KitLink, KitRecord, KitStore, imported, mark_imported, target};
use super::linker_script::{self, Kind};
use super::{BindingError, KitFault, linked_code};
use crate::io::cancel::Cancel;
use crate::io::{atomic, clock, files, sha256, stream};
use crate::model::{
    ByteSize, Device, Digest, Fingerprint, KitInputs, MacabiArch, Sha256, folded, visible,
};

/// The version of what is in the file.
const FORMAT: u32 = 1;
const MANIFEST: &str = "kit.json";
/// zstd's level: a kit is made once, and downloaded often.
const LEVEL: i32 = 12;
/// zstd's window as a power of two: what reading may be made to hold in memory.
const WINDOW_LOG_MAX: u32 = 27;
/// The most that a manifest may have in bytes.
const MOST_MANIFEST: u64 = 16 << 20;
/// The most that the file of a kit may have in bytes, here or on a server.
pub(super) const MOST_PACKED: u64 = 1 << 30;
/// The most that the files of a kit may have in bytes, with what a tar has around them; upstream's has 50 MB, and 240 with debug information.
const MOST_BYTES: u64 = 4 << 30;
/// The most that one file may have in bytes that the linker reads: it is held in memory.
const MOST_INPUT: u64 = 512 << 20;
/// What is read at once, in bytes.
const BLOCK: usize = 256 << 10;
/// The longest name of a file, with the zero after it, in bytes.
const LONGEST_NAME: u64 = 1025;
/// The longest name or value among what a kit was made from, in characters.
const LONGEST_INPUT: usize = 4096;
/// The directories of a kit.
const DIRS: [&str; 6] = ["files", "lib", "output", "sources", "notices", "classes"];

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    kit: KitRecord,
}

/// Writes a kit; gives the file's SHA-256, and its size in bytes.
///
/// # Errors
/// The kit is not whole, or the file cannot be written.
pub(crate) fn write(kit: &Kit, to: &Utf8Path) -> Result<(Sha256, u64), BindingError> {
    let mut record = kit.record.clone();
    // When and how fast it was built here is nothing of the kit's own.
    (record.seconds, record.created) = (0.0, 0);
    record.inputs.0.remove(KitInputs::FILE);
    record.fingerprint = record.inputs.fingerprint();
    record.files.sort_by(|one, other| one.path.cmp(&other.path));
    let manifest = serde_json::to_vec_pretty(&Manifest { format: FORMAT, kit: record.clone() })?;
    let out = atomic::AtomicFile::create(to)?;
    let mut tar = tar::Builder::new(zstd::Encoder::new(io::BufWriter::new(out), LEVEL)?);
    append(&mut tar, MANIFEST, manifest.len() as u64, manifest.as_slice())?;
    for file in &record.files {
        let bytes = files::read(&kit.path(file))?;
        if Digest::of(&bytes) != file.digest {
            let error = format!("`{}` of the kit is not what was stored", file.path);
            return Err(io::Error::other(error).into());
        }
        append(&mut tar, file.path.as_str(), file.bytes, bytes.as_slice())?;
    }
    let out = tar.into_inner()?.finish()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.commit()?;
    Ok(sha256::file(to)?)
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    name: &str,
    bytes: u64,
    contents: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(bytes);
    tar.append_data(&mut header, name, contents)
}

/// For what a kit is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// The SHA-256 of its file.
    pub(crate) sha256: Option<Sha256>,
    /// The phone, and the processor of Mac Catalyst.
    pub(crate) target: Option<(Device, MacabiArch)>,
}

/// What is known of a kit by its file alone.
pub(super) fn origin(sha256: Sha256) -> (String, String) {
    (KitInputs::FILE.to_owned(), format!("sha256:{sha256}"))
}

/// What the kit of a file is kept under.
pub(super) fn fingerprint(sha256: Sha256) -> Fingerprint {
    KitInputs([origin(sha256)].into()).fingerprint()
}

/// Why a file is not read into the store.
enum Stopped {
    Fault(KitFault),
    /// The store cannot be written to.
    Store(io::Error),
}

impl From<KitFault> for Stopped {
    fn from(fault: KitFault) -> Self {
        Self::Fault(fault)
    }
}

/// Reads a kit into the store. Nothing is written anywhere else, and nothing is kept of one that is
/// refused.
///
/// # Errors
/// The file is not what is wanted, or no kit.
pub(crate) fn read(
    file: &Utf8Path,
    wanted: Wanted,
    store: &KitStore,
    cancel: &Cancel,
) -> Result<Kit, BindingError> {
    let bad = |fault| BindingError::BadKit { kit: file.to_string(), fault };
    let sha256 = digest(file).map_err(bad)?;
    if let Some(wanted) = wanted.sha256.filter(|wanted| *wanted != sha256) {
        return Err(bad(KitFault::OtherDigest { found: sha256, wanted }));
    }
    let mut tar = open(file).map_err(|error| bad(damaged(error)))?;
    let entries = tar.entries().map_err(|error| bad(damaged(error)))?;
    let mut entries = Entries { tar: entries.raw(true) };
    let mut record = first(&mut entries).map_err(bad)?;
    if let Some((device, arch)) = wanted.target {
        matches(&record, device, arch).map_err(bad)?;
    }
    record.inputs.0.extend([origin(sha256)]);
    record.fingerprint = record.inputs.fingerprint();
    record.created = clock::seconds_since_1970();
    let was_imported = imported(&store.path(record.fingerprint)).is_some();
    let new = store.begin(record.fingerprint, cancel, |_| ())?.ok_or(BindingError::Interrupted)?;
    let stopped = |stopped| match stopped {
        Stopped::Fault(fault) => bad(fault),
        Stopped::Store(error) => store.error(error).into(),
    };
    let inputs: BTreeSet<_> = record
        .link
        .iter()
        .flat_map(|link| link.command.files())
        .filter_map(|(path, is_input)| is_input.then_some(path))
        .collect();
    let mut listed: BTreeMap<_, _> =
        record.files.iter().map(|file| (file.path.as_str(), file)).collect();
    while let Some((name, entry)) = entries.next().map_err(bad)? {
        if cancel.is_cancelled() {
            return Err(BindingError::Interrupted);
        }
        let Some(listed) = listed.remove(name.as_str()) else {
            return Err(bad(foreign(format!("`{name:.200}` in it is not listed, or twice"))));
        };
        unpack(entry, listed, inputs.contains(&listed.path), &new.dir()).map_err(stopped)?;
    }
    if let Some((absent, _)) = listed.first_key_value() {
        return Err(bad(KitFault::Damaged(format!("it ends before `{absent}`"))));
    }
    if end(tar).map_err(bad)? != sha256 {
        return Err(bad(KitFault::Damaged("it changed while it was read".to_owned())));
    }
    if was_imported {
        mark_imported(&new.dir()).map_err(|error| store.error(error))?;
    }
    Ok(new.commit(record)?)
}

fn damaged(error: io::Error) -> KitFault {
    KitFault::Damaged(error.to_string())
}

fn foreign(why: impl Into<String>) -> KitFault {
    KitFault::Foreign(why.into())
}

/// The SHA-256 of a kit's file; or why it is none. A device has no end, so only a file is read.
pub(super) fn digest(file: &Utf8Path) -> Result<Sha256, KitFault> {
    if !files::exists(file) {
        return Err(KitFault::Absent);
    }
    if !files::is_file(file) {
        return Err(KitFault::NotAFile);
    }
    let bytes = files::size(file).map_err(KitFault::Unreadable)?;
    if bytes > MOST_PACKED {
        return Err(KitFault::TooLarge(ByteSize(bytes)));
    }
    let (sha256, _) = sha256::file(file).map_err(KitFault::Unreadable)?;
    Ok(sha256)
}

/// Looks whether a file begins as a kit for a phone does; the rest of it is not read.
///
/// # Errors
/// It does not, or it is for another phone.
pub(super) fn looks_like(
    file: &Utf8Path,
    device: Device,
    arch: MacabiArch,
) -> Result<(), BindingError> {
    let look = || {
        let mut tar = open(file).map_err(damaged)?;
        let entries = tar.entries().map_err(damaged)?.raw(true);
        matches(&first(&mut Entries { tar: entries })?, device, arch)
    };
    look().map_err(|fault| BindingError::BadKit { kit: file.to_string(), fault })
}

/// The tar in a file, the bytes of which are hashed as they are read.
type Tar<R> = tar::Archive<Bounded<zstd::Decoder<'static, BufReader<Hashed<R>>>>>;

fn open(file: &Utf8Path) -> io::Result<Tar<impl Read + use<>>> {
    let file = Hashed { inner: stream::open(file)?, hasher: sha2::Sha256::new() };
    let mut zstd = zstd::Decoder::new(file)?;
    zstd.window_log_max(WINDOW_LOG_MAX)?;
    Ok(tar::Archive::new(Bounded { inner: zstd, left: MOST_BYTES }))
}

/// Reads what is behind the end of a tar, which is nothing but zeros; gives the SHA-256 of its file.
fn end<R: Read>(tar: Tar<R>) -> Result<Sha256, KitFault> {
    let mut rest = tar.into_inner();
    let mut block = vec![0; BLOCK];
    loop {
        let count = rest.read(&mut block).map_err(damaged)?;
        match block.get(..count).unwrap_or_default() {
            [] => break,
            piece if piece.iter().any(|byte| *byte != 0) => {
                return Err(foreign("something is behind its end"));
            }
            _ => {}
        }
    }
    Ok(Sha256::finish(rest.inner.finish().into_inner().hasher))
}

/// The record that a kit begins with.
fn first<R: Read>(entries: &mut Entries<'_, R>) -> Result<KitRecord, KitFault> {
    let Some((name, entry)) = entries.next()? else { return Err(foreign("it is empty")) };
    let size = entry.size();
    if name != MANIFEST || size > MOST_MANIFEST {
        return Err(foreign(format!("it does not begin with `{MANIFEST}`")));
    }
    let mut text = Vec::new();
    entry.take(size).read_to_end(&mut text).map_err(damaged)?;
    record(&text)
}

/// What a manifest says, if it may be believed that far.
fn record(text: &[u8]) -> Result<KitRecord, KitFault> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let unreadable = |error| foreign(format!("its `{MANIFEST}` is unreadable: {error}"));
    let Version { format: found } = serde_json::from_slice(text).map_err(unreadable)?;
    if found != FORMAT {
        return Err(KitFault::OtherFormat { found, known: FORMAT });
    }
    let Manifest { kit: record, .. } = serde_json::from_slice(text).map_err(unreadable)?;
    for (name, value) in &record.inputs.0 {
        let is_text = |text: &str| matches!(visible(text, LONGEST_INPUT), Cow::Borrowed(_));
        if !is_text(name) || !is_text(value) {
            let why = format!("`{MANIFEST}` has an input that is not a single line of plain text");
            return Err(foreign(why));
        }
    }
    if record.inputs.0.get("device").map(String::as_str) != Some(record.device.as_str()) {
        return Err(foreign(format!("`{MANIFEST}` names two devices")));
    }
    if record.device.is_apple() == record.link.is_some() {
        return Err(foreign(format!("a kit for {} is not linked like this one", record.device)));
    }
    paths(&record)?;
    match crate::store::Record::refusal(&record) {
        Some(why) => Err(foreign(why)),
        None => Ok(record),
    }
}

/// Whether the files of a kit have places of their own, and those that a kit has.
fn paths(record: &KitRecord) -> Result<(), KitFault> {
    let (mut taken, mut total) = (BTreeSet::new(), 0_u64);
    let linked = record.link.as_ref();
    let inputs: BTreeSet<_> = linked.into_iter().flat_map(|link| link.command.files()).collect();
    for file in &record.files {
        if file.bytes > MOST_INPUT && inputs.contains(&(file.path.clone(), true)) {
            return Err(KitFault::TooLarge(ByteSize(file.bytes)));
        }
        let path = file.path.as_path();
        let dir = path.components().next().map(|dir| dir.as_str());
        // What ships for Apple are static libraries beside that of the models.
        let is_known = dir.is_some_and(|dir| DIRS.contains(&dir))
            && path.components().count() > 1
            && !(record.device.is_apple()
                && dir == Some("output")
                && files::parent(path) != "output/lib");
        if !is_known {
            return Err(foreign(format!("`{}` is nothing that a kit has", file.path)));
        }
        let is_new = taken.insert(folded(path.as_str()));
        let is_linked = |link: &KitLink| path.strip_prefix("output") == Ok(link.output.as_path());
        if !is_new || linked.is_some_and(is_linked) {
            return Err(foreign(format!("`{}` is there twice", file.path)));
        }
        total = total.saturating_add(file.bytes);
    }
    let mut parents = taken.iter().flat_map(|path| Utf8Path::new(path).ancestors().skip(1));
    if let Some(path) = parents.find(|path| taken.contains(path.as_str())) {
        return Err(foreign(format!("`{path}` is a file and a directory")));
    }
    if total > MOST_BYTES {
        return Err(KitFault::TooLarge(ByteSize(total)));
    }
    Ok(())
}

/// Whether a kit is for a phone.
pub(super) fn matches(
    record: &KitRecord,
    device: Device,
    arch: MacabiArch,
) -> Result<(), KitFault> {
    let (found, wanted) = (record.target(), target(device, Some(arch.as_str())));
    if found == wanted { Ok(()) } else { Err(KitFault::OtherTarget { found, wanted }) }
}

/// Writes one file of a kit, if it is what the record says and nothing that can be run.
fn unpack<R: Read>(
    mut entry: tar::Entry<'_, R>,
    file: &KitFile,
    is_input: bool,
    dir: &Utf8Path,
) -> Result<(), Stopped> {
    let path: Utf8PathBuf = dir.join(file.path.as_path());
    let wrong = || KitFault::Damaged(format!("`{}` in it is not what is listed", file.path));
    if entry.size() != file.bytes {
        return Err(wrong().into());
    }
    files::create_dir_all(files::parent(&path)).map_err(Stopped::Store)?;
    let mut out = stream::create_new(&path, false).map_err(Stopped::Store)?;
    let mut hasher = blake3::Hasher::new();
    let (mut bytes, mut start) = (0, Vec::new());
    let mut block = vec![0; BLOCK];
    loop {
        let count = entry.read(&mut block).map_err(damaged)?;
        let piece = block.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        if start.len() < 64 {
            start.extend(piece.iter().take(64));
        }
        bytes += count as u64;
        hasher.update(piece);
        out.write_all(piece).map_err(Stopped::Store)?;
    }
    out.flush().map_err(Stopped::Store)?;
    if bytes != file.bytes || Digest::from(hasher.finalize()) != file.digest {
        return Err(wrong().into());
    }
    if let Some(what) = program(&start) {
        return Err(foreign(format!("`{}` in it is {what}, and a kit has none", file.path)).into());
    }
    if is_input {
        if linker_script::kind(&start) != Kind::Code {
            let why = "is neither an object nor an archive of some";
            return Err(foreign(format!("`{}` in it {why}", file.path)).into());
        }
        let code = files::read(&path).map_err(Stopped::Store)?;
        if let Some(why) = linked_code::refusal(&code) {
            return Err(foreign(format!("`{}` in it {why}", file.path)).into());
        }
    }
    Ok(())
}

/// What a file is that a system would run.
fn program(start: &[u8]) -> Option<&'static str> {
    let kind = |at: usize| start.get(at).copied();
    let is = |magic: &[u8]| start.starts_with(magic);
    if is(b"#!") {
        return Some("a script");
    }
    // `ET_EXEC`, in either order; libraries and objects are others.
    let is_elf_program = is(b"\x7fELF") && (kind(16), kind(17)) == (Some(2), Some(0))
        || is(b"\x7fELF") && (kind(16), kind(17)) == (Some(0), Some(2));
    // `MH_EXECUTE`.
    let is_mach_o = is(&[0xcf, 0xfa, 0xed, 0xfe]) && kind(12) == Some(2);
    (is_elf_program || is_mach_o || is(b"MZ")).then_some("a program")
}

/// The files of a tar, by their names; anything else is refused.
struct Entries<'a, R: Read> {
    tar: tar::Entries<'a, R>,
}

impl<'a, R: Read> Entries<'a, R> {
    fn next(&mut self) -> Result<Option<(String, tar::Entry<'a, R>)>, KitFault> {
        let mut long = None;
        loop {
            let Some(entry) = self.tar.next() else {
                return match long {
                    Some(_) => Err(foreign("it ends in a name")),
                    None => Ok(None),
                };
            };
            let mut entry = entry.map_err(damaged)?;
            let name = long.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
            let shown = String::from_utf8_lossy(&name).into_owned();
            match entry.header().entry_type() {
                tar::EntryType::Regular => {
                    let mode = entry.header().mode().map_err(damaged)?;
                    if mode & 0o7111 != 0 {
                        return Err(foreign(format!(
                            "`{shown:.200}` in it is a program by its mode"
                        )));
                    }
                    let name = String::from_utf8(name);
                    let name = name.map_err(|_| {
                        foreign(format!("`{shown:.200}` in it is not a valid file name"))
                    })?;
                    if name != MANIFEST && name.parse::<crate::model::ShardPath>().is_err() {
                        return Err(foreign(format!("`{shown:.200}` in it leads out of a kit")));
                    }
                    return Ok(Some((name, entry)));
                }
                tar::EntryType::GNULongName if entry.size() <= LONGEST_NAME => {
                    let mut name = Vec::new();
                    entry.read_to_end(&mut name).map_err(damaged)?;
                    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                    long = Some(name);
                }
                _ => return Err(foreign(format!("`{shown:.200}` in it is not a regular file"))),
            }
        }
    }
}

/// Takes the SHA-256 of what is read.
struct Hashed<R> {
    inner: R,
    hasher: sha2::Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.hasher.update(buf.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Ends with an error where there is more than there may be.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.left = self.left.checked_sub(count as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

#[cfg(test)]
#[path = "tests/kit_file.rs"]
mod tests;
