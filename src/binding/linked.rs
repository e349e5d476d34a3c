//! What was linked for the platform, read again before it is in a package.

use camino::{Utf8Path, Utf8PathBuf};
use object::read::ReadCache;

use crate::binding::BindingError;
use crate::binding::checks::{
    Archive, Archives, LinkProblem, LinkedModel, SharedLibrary, check_archives,
    check_shared_library, entry_points, require,
};
use crate::io::contents::Contents;
use crate::io::files;
use crate::library::Linked;
use crate::model::{Device, MacabiArch};

/// Where TVM has the functions that Java calls.
pub(super) const JNI_SOURCE: &str = "jvm/native/src/main/native/org_apache_tvm_native_c_api.cc";
/// The most that is read of it, in bytes.
const JNI_SOURCE_LIMIT: u64 = 4 << 20;

/// Checks Android's library: `name` is for messages, `place` is where it lies, `tvm` are the
/// sources it was built from.
pub(crate) fn check_android(
    name: &Utf8Path,
    place: &Utf8Path,
    tvm: &Utf8Path,
    linked: &[Linked<'_>],
) -> Result<(), BindingError> {
    let prefixes: Vec<_> = linked.iter().map(|linked| linked.name.system_lib_prefix()).collect();
    let source = files::read_at_most(&tvm.join(JNI_SOURCE), JNI_SOURCE_LIMIT).ok().flatten();
    let source = source.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let file = files::open(place).map_err(BindingError::Unreadable)?;
    let file = ReadCache::new(file);
    refuse(check_shared_library(&SharedLibrary {
        path: name.as_str(),
        file: &file,
        models: &models(&prefixes, linked),
        called: &linked.iter().flat_map(|linked| linked.library.undefined()).collect(),
        entry_points: &entry_points(&source.unwrap_or_default()),
    }))
}

/// Checks Apple's libraries: each by its path in the package and where it lies.
pub(crate) fn check_apple(
    libraries: &[(Utf8PathBuf, Utf8PathBuf)],
    device: Device,
    macabi_arch: MacabiArch,
    linked: &[Linked<'_>],
) -> Result<(), BindingError> {
    let prefixes: Vec<_> = linked.iter().map(|linked| linked.name.system_lib_prefix()).collect();
    let mapped = libraries.iter().map(|(name, place)| Ok((name, Contents::open(place)?)));
    let mapped: Vec<_> = mapped.collect::<Result<_, _>>().map_err(BindingError::Unreadable)?;
    let archives: Vec<_> =
        mapped.iter().map(|(name, bytes)| Archive { path: name.as_str(), bytes }).collect();
    let models = models(&prefixes, linked);
    refuse(check_archives(&Archives { archives: &archives, models: &models, device, macabi_arch }))
}

fn models<'a>(prefixes: &'a [String], linked: &[Linked<'a>]) -> Vec<LinkedModel<'a>> {
    let models = prefixes.iter().zip(linked).map(|(prefix, linked)| {
        let mut blobs = linked.library.blobs().flatten();
        let blob = blobs.find(|blob| blob.prefix == prefix).map(|blob| blob.bytes);
        LinkedModel { prefix, blob }
    });
    models.collect()
}

fn refuse(problems: Vec<LinkProblem>) -> Result<(), BindingError> {
    Ok(require(problems)?)
}
