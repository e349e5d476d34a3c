//! Inside compiled model libraries: what they hold, whether they fit the package, and the one
//! static archive that all of them become.
//!
//! ```text
//! bytes -> container (tar, ar, object) -> objects (symbols, sections) -> blob (TVM) -> metadata
//!       -> validate -> archive
//! ```

mod archive;
pub mod blob;
mod container;
mod error;
mod inspect;
mod kernel_bytes;
pub mod kernels;
pub mod memory;
pub mod metadata;
mod object;
pub(crate) mod package;
mod parallel;
mod printable;
mod render;
mod shared;
pub(crate) mod static_library;
mod validate;
pub mod weights;

use std::borrow::Cow;
use std::sync::Arc;

use camino::Utf8Path;

pub use archive::write_archive;
pub use container::ContainerError;
pub use error::{BlobProblem, LibrariesError, LibraryError};
pub use inspect::{InspectedLibrary, Inspection, inspect, model_lib};
pub use kernel_bytes::{KernelBytes, SharedKernel};
pub use object::{ObjectError, ObjectFormat, Platform, Processor};
pub use render::write_inspection;
pub use shared::{OtherFormat, check_format};
pub use validate::{Code, Expectation, Linked, Problem, Target, old_metadata, validate};

use self::blob::{Blob, DeviceKind, DeviceModule, Executable};
use self::container::Container;
use self::metadata::Metadata;
use self::object::{BuildVersion, ObjectInfo};
use self::printable::printable;
use crate::model::Metal;

/// The bytes of a library file, taken apart into members.
#[derive(Debug)]
pub struct LibraryFile<'a> {
    path: &'a Utf8Path,
    bytes: u64,
    container: Container<'a>,
}

/// A model library: its objects, and the blobs in them.
#[derive(Debug)]
pub struct ModelLibrary<'a> {
    path: &'a Utf8Path,
    /// The file's size.
    file_bytes: u64,
    /// By name: the compiler writes them in no fixed order.
    members: Vec<Member<'a>>,
    /// In the order of the members that they lie in.
    blobs: Vec<BlobEntry<'a>>,
}

/// A blob, or why it cannot be read.
#[derive(Debug)]
struct BlobEntry<'a> {
    prefix: &'a str,
    loaded: Result<LoadedBlob<'a>, Arc<BlobProblem>>,
}

#[derive(Debug)]
struct Member<'a> {
    name: &'a str,
    bytes: &'a [u8],
    object: ObjectInfo<'a>,
}

/// A blob and what is in it.
#[derive(Debug)]
pub struct LoadedBlob<'a> {
    /// The prefix of the library's symbols, with its final `_`.
    pub prefix: &'a str,
    /// The blob's bytes, from its length field on.
    pub bytes: &'a [u8],
    /// The blob.
    pub blob: Blob<'a>,
    /// The model as a program of TVM's virtual machine.
    pub executable: Executable<'a>,
    /// The kernels.
    pub devices: Vec<DeviceModule<'a>>,
    /// What the compiler says of the model.
    pub metadata: Metadata,
}

/// Sizes in bytes of the parts of a library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The file.
    pub file: u64,
    /// Machine code for the phone's processor and the data it comes with, blobs left out.
    pub host_code: u64,
    /// Kernels for the phone's GPU.
    pub kernels: u64,
    /// The blobs.
    pub blob: u64,
}

impl<'a> LibraryFile<'a> {
    /// Takes a file apart. `path` is for messages, and names a bare object.
    pub fn parse(path: &'a Utf8Path, bytes: &'a [u8]) -> Result<Self, LibraryError> {
        let name = path.file_name().unwrap_or("object.o");
        let container = Container::parse(name, bytes)
            .map_err(|why| LibraryError::Container { path: path.to_owned(), why })?;
        Ok(Self { path, bytes: bytes.len() as u64, container })
    }

    /// The same for several files, at once. `files` are their paths and bytes.
    pub fn parse_all(files: &[(&'a Utf8Path, &'a [u8])]) -> Vec<Result<Self, LibraryError>> {
        let size = |(_, bytes): &(&Utf8Path, &[u8])| bytes.len();
        parallel::map(files, size, |(path, bytes)| Self::parse(path, bytes))
    }

    /// The file's bytes, inflated if they were compressed.
    pub fn plain_bytes(&self) -> &[u8] {
        self.container.bytes()
    }

    /// Each member's name and bytes, in the file's order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.container.members()
    }

    /// Whether the file is compressed.
    pub fn is_compressed(&self) -> bool {
        self.container.is_inflated()
    }

    /// Reads every member as an object, and every blob in them.
    pub fn open(&self) -> Result<ModelLibrary<'_>, LibraryError> {
        self.open_as(ObjectInfo::parse)
    }

    /// The same of a file that may also be a shared library, which no package can link.
    pub fn open_any(&self) -> Result<ModelLibrary<'_>, LibraryError> {
        self.open_as(ObjectInfo::parse_any)
    }

    fn open_as<'f>(
        &'f self,
        parse: impl Fn(&'f [u8]) -> Result<ObjectInfo<'f>, ObjectError>,
    ) -> Result<ModelLibrary<'f>, LibraryError> {
        let mut members = Vec::new();
        for (name, bytes) in self.container.members() {
            let object = parse(bytes).map_err(|why| LibraryError::Object {
                path: self.path.to_owned(),
                member: printable(name).into_owned(),
                why,
            })?;
            members.push(Member { name, bytes, object });
        }
        if members.is_empty() {
            return Err(LibraryError::NoObjects { path: self.path.to_owned() });
        }
        members.sort_by_key(|member| member.name);
        let symbols = members.iter().flat_map(|member| &member.object.blobs);
        let blobs = symbols.map(|symbol| BlobEntry {
            prefix: symbol.prefix,
            loaded: LoadedBlob::read(symbol.prefix, symbol.bytes).map_err(Arc::new),
        });
        let blobs = blobs.collect();
        Ok(ModelLibrary { path: self.path, file_bytes: self.bytes, members, blobs })
    }

    /// The same for several files, at once.
    pub fn open_all<'f>(
        files: &'f [LibraryFile<'a>],
    ) -> Vec<Result<ModelLibrary<'f>, LibraryError>> {
        parallel::map(files, |file| file.container.len(), |file| file.open())
    }
}

impl<'a> ModelLibrary<'a> {
    /// The symbols that its objects do not define: each other's, and what the runtime has to. Without
    /// the leading `_` of Mach-O.
    pub fn undefined(&self) -> impl Iterator<Item = &'a str> {
        self.members.iter().flat_map(|member| member.object.undefined.iter().copied())
    }

    /// Every blob, or why it cannot be read.
    pub fn blobs(&self) -> impl Iterator<Item = Result<&LoadedBlob<'a>, LibraryError>> {
        self.blobs.iter().map(|entry| {
            entry.loaded.as_ref().map_err(|why| LibraryError::Blob {
                path: self.path.to_owned(),
                prefix: printable(entry.prefix).into_owned(),
                why: Arc::clone(why),
            })
        })
    }

    /// How its kernels for Apple's GPUs are stored; none where it has none.
    pub fn metal(&self) -> Option<Metal> {
        self.blobs().flatten().filter_map(LoadedBlob::metal).max()
    }

    /// The sizes of its parts. Blobs and kernels count as far as the blobs can be read.
    pub fn sizes(&self) -> Sizes {
        let mut sizes = Sizes { file: self.file_bytes, ..Sizes::default() };
        for member in &self.members {
            let blobs: u64 = member.object.blobs.iter().map(|blob| blob.bytes.len() as u64).sum();
            let loaded = member.object.code.saturating_add(member.object.data);
            sizes.host_code = sizes.host_code.saturating_add(loaded.saturating_sub(blobs));
        }
        for loaded in self.blobs().flatten() {
            sizes.blob += loaded.blob.size as u64;
            sizes.kernels += loaded.devices.iter().map(|device| device.code_bytes).sum::<u64>();
        }
        sizes
    }

    /// What it adds to the archive: its objects and their headers.
    pub fn archive_bytes(&self) -> u64 {
        self.members.iter().map(Member::archive_bytes).sum()
    }
}

impl Member<'_> {
    /// A header has 60 bytes, and members begin at even places (System V ar(5)); at multiples of
    /// eight in Apple's archives.
    fn archive_bytes(&self) -> u64 {
        let alignment = match self.object.format {
            ObjectFormat::Elf => 2,
            ObjectFormat::MachO => 8,
        };
        let platform = match (self.object.format, self.object.platform) {
            (ObjectFormat::MachO, None) => BuildVersion::SIZE.into(),
            _ => 0,
        };
        60 + (self.bytes.len() as u64 + platform).next_multiple_of(alignment)
    }
}

impl<'a> LoadedBlob<'a> {
    fn read(prefix: &'a str, bytes: &'a [u8]) -> Result<Self, BlobProblem> {
        let blob = Blob::parse(bytes)?;
        let executable = blob.executable()?;
        let metadata = Metadata::parse(executable.metadata_json()?)?;
        let devices = blob.device_modules()?;
        Ok(Self { prefix, bytes, blob, executable, devices, metadata })
    }

    /// How its kernels for Apple's GPUs are stored; none where it has none.
    pub fn metal(&self) -> Option<Metal> {
        let modules = self.devices.iter().filter(|device| device.kind == DeviceKind::Metal);
        let form = |module: &DeviceModule<'_>| match module.format {
            "metal" => Metal::Source,
            _ => Metal::Metallib,
        };
        modules.map(form).max()
    }
}

/// `n`, or `n` in words where it is one of a few.
fn plural(n: usize, one: &'static str, many: &'static str) -> Cow<'static, str> {
    if n == 1 { Cow::Borrowed(one) } else { Cow::Owned(format!("{n} {many}")) }
}
