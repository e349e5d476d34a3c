//! A kit as one file, which travels between machines and people: a tar, compressed by zstd.
//!
//! ```text
//! kit.json     Manifest: the format, and the kit's record, which names every file and its digest
//! files/…, lib/…, output/…, sources/…, notices/…, classes/…      the files, in the record's order
//! ```
//!
//! The same kit is the same bytes. Whoever reads one believes nothing: the file may be a stranger's.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::BindingError;
use super::kit::{Kit, KitFile, KitRecord, KitStore};
use super::linker_script::{self, Kind};
use crate::io::cancel::Cancel;
use crate::io::{atomic, clock, files, sha256, stream};
use crate::model::{ByteSize, Device, Digest, KitInputs, MacabiArch};

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
/// The most that a kit may have in bytes; upstream's has 50 MB, and 240 with debug information.
const MOST_BYTES: u64 = 4 << 30;
/// The longest name of a file, with the zero after it, in bytes.
const LONGEST_NAME: u64 = 1025;
/// The longest name or value among what a kit was made from, in bytes.
const LONGEST_INPUT: usize = 4096;
/// The directories of a kit.
const DIRS: [&str; 6] = ["files", "lib", "output", "sources", "notices", "classes"];

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    kit: KitRecord,
}

/// Writes a kit; gives the file's SHA-256 in hex, and its size in bytes.
///
/// # Errors
/// The kit is not whole, or the file cannot be written.
pub(crate) fn write(kit: &Kit, to: &Utf8Path) -> Result<(String, u64), BindingError> {
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
pub(crate) struct Wanted<'a> {
    /// The SHA-256 of its file, in hex.
    pub(crate) sha256: Option<&'a str>,
    /// The phone, and the processor of Mac Catalyst.
    pub(crate) target: Option<(Device, MacabiArch)>,
}

/// Reads a kit into the store. Nothing is written anywhere else, and nothing is kept of one that is
/// refused.
///
/// # Errors
/// The file is not what is wanted, or no kit.
pub(crate) fn read(
    file: &Utf8Path,
    wanted: Wanted<'_>,
    store: &KitStore,
    cancel: &Cancel,
) -> Result<Kit, BindingError> {
    let bad = |why: String| BindingError::BadKit { kit: file.to_string(), why };
    let sha256 = digest(file).map_err(bad)?;
    if let Some(wanted) = wanted.sha256.filter(|wanted| *wanted != sha256) {
        return Err(bad(format!("its SHA-256 is {sha256} instead of {wanted}")));
    }
    let damaged = |error: io::Error| bad(format!("it is damaged: {error}"));
    let mut tar = open(file).map_err(damaged)?;
    let mut entries = Entries { tar: tar.entries().map_err(damaged)?.raw(true) };
    let mut record = first(&mut entries).map_err(bad)?;
    if let Some((device, arch)) = wanted.target {
        matches(&record, device, arch).map_err(bad)?;
    }
    record.inputs.0.insert(KitInputs::FILE.to_owned(), format!("sha256:{sha256}"));
    record.fingerprint = record.inputs.fingerprint();
    record.created = clock::seconds_since_1970();
    let new = store.begin(record.fingerprint, cancel, |_| ())?.ok_or(BindingError::Interrupted)?;
    let inputs: Vec<_> = record.link.iter().flat_map(|link| link.command.files()).collect();
    let mut listed: BTreeMap<_, _> =
        record.files.iter().map(|file| (file.path.as_str(), file)).collect();
    while let Some((name, entry)) = entries.next().map_err(bad)? {
        if cancel.is_cancelled() {
            return Err(BindingError::Interrupted);
        }
        let Some(listed) = listed.remove(name.as_str()) else {
            return Err(bad(format!("`{name:.200}` in it is not listed, or twice")));
        };
        let is_input = inputs.iter().any(|(path, is_input)| *is_input && *path == listed.path);
        unpack(entry, listed, is_input, &new.dir()).map_err(bad)?;
    }
    if let Some((absent, _)) = listed.first_key_value() {
        return Err(bad(format!("it ends before `{absent}`")));
    }
    // Behind the tar's end there is nothing.
    let mut rest = Vec::new();
    tar.into_inner().take(1 << 20).read_to_end(&mut rest).map_err(damaged)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(bad("something is behind its end".to_owned()));
    }
    Ok(new.commit(record)?)
}

/// The SHA-256 of a kit's file, in hex; or why it is none. A device has no end, so only a file is read.
pub(super) fn digest(file: &Utf8Path) -> Result<String, String> {
    if !files::exists(file) {
        return Err("there is no such file".to_owned());
    }
    if !files::is_file(file) {
        return Err("it is not a regular file".to_owned());
    }
    let bytes = files::size(file).map_err(|error| error.to_string())?;
    if bytes > MOST_PACKED {
        return Err(format!("it has {}, which is too large for a kit", ByteSize(bytes)));
    }
    sha256::file(file).map(|(sha256, _)| sha256).map_err(|error| error.to_string())
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
        let mut tar = open(file).map_err(|error| error.to_string())?;
        let entries = tar.entries().map_err(|error| error.to_string())?.raw(true);
        matches(&first(&mut Entries { tar: entries })?, device, arch)
    };
    look().map_err(|why| BindingError::BadKit { kit: file.to_string(), why })
}

fn open(file: &Utf8Path) -> io::Result<tar::Archive<impl Read + use<>>> {
    let mut zstd = zstd::Decoder::new(stream::open(file)?)?;
    zstd.window_log_max(WINDOW_LOG_MAX)?;
    Ok(tar::Archive::new(Bounded { inner: zstd, left: MOST_BYTES }))
}

/// The record that a kit begins with.
fn first<R: Read>(entries: &mut Entries<'_, R>) -> Result<KitRecord, String> {
    let Some((name, entry)) = entries.next()? else { return Err("it is empty".to_owned()) };
    let size = entry.size();
    if name != MANIFEST || size > MOST_MANIFEST {
        return Err(format!("it does not begin with `{MANIFEST}`"));
    }
    let mut text = Vec::new();
    let read = entry.take(size).read_to_end(&mut text);
    read.map_err(|error| format!("it is damaged: {error}"))?;
    record(&text)
}

/// What a manifest says, if it may be believed that far.
fn record(text: &[u8]) -> Result<KitRecord, String> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version = serde_json::from_slice(text)
        .map_err(|error| format!("its `{MANIFEST}` is unreadable: {error}"))?;
    if version.format != FORMAT {
        let format = version.format;
        return Err(format!("its format is {format}, and this mlc-package reads {FORMAT}"));
    }
    let Manifest { kit: record, .. } = serde_json::from_slice(text)
        .map_err(|error| format!("its `{MANIFEST}` is unreadable: {error}"))?;
    for (name, value) in &record.inputs.0 {
        let is_text =
            |text: &str| text.len() <= LONGEST_INPUT && !text.chars().any(char::is_control);
        if !is_text(name) || !is_text(value) {
            return Err(format!("`{MANIFEST}` has an input that is not a single line of text"));
        }
    }
    if record.inputs.0.get("device").map(String::as_str) != Some(record.device.as_str()) {
        return Err(format!("`{MANIFEST}` names two devices"));
    }
    if record.device.is_apple() == record.link.is_some() {
        return Err(format!("a kit for {} is not linked like this one", record.device));
    }
    for file in &record.files {
        let dir = file.path.as_path().components().next().map(|dir| dir.as_str());
        if !dir.is_some_and(|dir| DIRS.contains(&dir)) || file.path.as_path().as_str().len() < 3 {
            return Err(format!("`{}` is nothing that a kit has", file.path));
        }
    }
    match crate::store::Record::refusal(&record) {
        Some(why) => Err(why),
        None => Ok(record),
    }
}

/// Whether a kit is for a phone.
pub(super) fn matches(record: &KitRecord, device: Device, arch: MacabiArch) -> Result<(), String> {
    if record.device != device {
        return Err(format!("it is for {}, not for {device}", record.device));
    }
    let has = record.inputs.0.get("MLC_MACABI_ARCH").map(String::as_str);
    if device == Device::Macabi && has != Some(arch.as_str()) {
        return Err(format!("it is for {}, not for {arch}", has.unwrap_or("no processor")));
    }
    Ok(())
}

/// Writes one file of a kit, if it is what the record says and nothing that can be run.
fn unpack(
    mut entry: impl Read,
    file: &KitFile,
    is_input: bool,
    dir: &Utf8Path,
) -> Result<(), String> {
    let path: Utf8PathBuf = dir.join(file.path.as_path());
    let wrong = || format!("`{}` in it is not what is listed", file.path);
    let failed = |error: io::Error| format!("`{}` cannot be read: {error}", file.path);
    files::create_dir_all(files::parent(&path)).map_err(failed)?;
    let mut out = stream::create_new(&path, false).map_err(failed)?;
    let mut hasher = blake3::Hasher::new();
    let (mut bytes, mut start) = (0, Vec::new());
    let mut block = vec![0; 256 << 10];
    loop {
        let count = entry.read(&mut block).map_err(failed)?;
        let piece = block.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        if start.len() < 64 {
            start.extend(piece.iter().take(64));
        }
        bytes += count as u64;
        if bytes > file.bytes {
            return Err(wrong());
        }
        hasher.update(piece);
        out.write_all(piece).map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    if bytes != file.bytes || Digest::from(hasher.finalize()) != file.digest {
        return Err(wrong());
    }
    if is_input && linker_script::kind(&start) != Kind::Code {
        return Err(format!("`{}` in it is neither an object nor an archive of some", file.path));
    }
    match program(&start) {
        Some(what) => Err(format!("`{}` in it is {what}, and a kit has none", file.path)),
        None => Ok(()),
    }
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
    fn next(&mut self) -> Result<Option<(String, tar::Entry<'a, R>)>, String> {
        let damaged = |error: io::Error| format!("it is damaged: {error}");
        let mut long = None;
        loop {
            let Some(entry) = self.tar.next() else {
                return match long {
                    Some(_) => Err("it ends in a name".to_owned()),
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
                        return Err(format!("`{shown:.200}` in it is a program by its mode"));
                    }
                    let name = String::from_utf8(name);
                    let name =
                        name.map_err(|_| format!("`{shown:.200}` in it is not a valid file name"))?;
                    if name != MANIFEST && name.parse::<crate::model::ShardPath>().is_err() {
                        return Err(format!("`{shown:.200}` in it leads out of a kit"));
                    }
                    return Ok(Some((name, entry)));
                }
                tar::EntryType::GNULongName if entry.size() <= LONGEST_NAME => {
                    let mut name = Vec::new();
                    entry.read_to_end(&mut name).map_err(damaged)?;
                    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                    long = Some(name);
                }
                _ => return Err(format!("`{shown:.200}` in it is not a regular file")),
            }
        }
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
