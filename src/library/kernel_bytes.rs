//! Where the bytes of libraries are: their largest kernels, and kernels that several of them hold.

use std::collections::HashMap;

use memchr::memmem;

use super::blob::{DeviceModule, Kernel};
use super::{Linked, ModelLibrary, parallel};
use crate::model::LibraryName;

/// The kernels of the libraries of one archive. Each is known by its name without the prefix that
/// the compiler gives all names of a library.
#[derive(Debug)]
pub struct KernelBytes<'a> {
    libraries: Vec<(&'a LibraryName, Vec<LibraryKernel<'a>>)>,
}

/// A kernel of one library.
#[derive(Debug)]
struct LibraryKernel<'a> {
    /// Without the library's prefix.
    name: &'a str,
    /// Its own bytes.
    bytes: u64,
    /// Its code, with its name as above.
    code: Vec<u8>,
}

/// A kernel that is there more than once.
#[derive(Debug, PartialEq, Eq)]
pub struct SharedKernel<'a> {
    /// Its name, without the library's prefix.
    pub name: &'a str,
    /// The bytes of one copy.
    pub bytes: u64,
    /// The libraries that hold it, in the archive's order; one of them twice if it has it twice.
    pub owners: Vec<&'a LibraryName>,
}

impl<'a> KernelBytes<'a> {
    /// Takes the libraries apart.
    pub fn of(linked: &[Linked<'a>]) -> Self {
        let size = |linked: &Linked<'_>| usize::try_from(linked.library.file_bytes).unwrap_or(0);
        let parts = parallel::map(linked, size, |linked| {
            let prefix = linked.name.system_lib_prefix();
            kernels(linked.library).map(|kernel| LibraryKernel::of(&kernel, &prefix)).collect()
        });
        let names = linked.iter().map(|linked| linked.name);
        Self { libraries: names.zip(parts).collect() }
    }

    /// The names and bytes of the largest kernels of the library at `index` of the archive, at
    /// most `most`, largest first.
    pub fn largest(&self, index: usize, most: usize) -> Vec<(&'a str, u64)> {
        let parts = self.libraries.get(index).map(|(_, parts)| parts.as_slice());
        let parts = parts.unwrap_or_default();
        let mut largest: Vec<_> = parts.iter().map(|part| (part.name, part.bytes)).collect();
        largest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        largest.truncate(most);
        largest
    }

    /// The kernels that are there more than once, the same but for the libraries' prefixes; in no
    /// order.
    pub fn shared(&self) -> Vec<SharedKernel<'a>> {
        let mut copies: HashMap<&[u8], SharedKernel<'a>> = HashMap::new();
        for (owner, parts) in &self.libraries {
            for part in parts {
                let bytes = part.code.len() as u64;
                let new = || SharedKernel { name: part.name, bytes, owners: Vec::new() };
                copies.entry(&part.code).or_insert_with(new).owners.push(owner);
            }
        }
        copies.into_values().filter(|kernel| kernel.owners.len() > 1 && kernel.bytes > 0).collect()
    }
}

impl<'a> LibraryKernel<'a> {
    fn of(kernel: &Kernel<'a>, prefix: &str) -> Self {
        let name = kernel.name.strip_prefix(prefix).unwrap_or(kernel.name);
        let mut code = Vec::with_capacity(kernel.code.len());
        let mut rest = 0;
        // Nothing but the kernel's own name: a short prefix may be a part of any other word.
        for at in memmem::find_iter(kernel.code, kernel.name) {
            code.extend_from_slice(kernel.code.get(rest..at).unwrap_or_default());
            code.extend_from_slice(name.as_bytes());
            rest = at + kernel.name.len();
        }
        code.extend_from_slice(kernel.code.get(rest..).unwrap_or_default());
        Self { name, bytes: kernel.own(), code }
    }
}

/// The kernels of all blobs that can be read.
fn kernels<'a>(library: &'a ModelLibrary<'_>) -> impl Iterator<Item = Kernel<'a>> {
    let devices = library.blobs().flatten().flat_map(|blob| &blob.devices);
    devices.flat_map(DeviceModule::kernels)
}
