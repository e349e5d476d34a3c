//! What the target `container` does with bytes. A test of the package runs the same over the
//! corpus and over mutations of it, without a fuzzing engine.

use std::io::Cursor;

use camino::Utf8Path;
use mlc_package::library::{
    Inspection, LibraryError, LibraryFile, Linked, ModelLibrary, ObjectFormat, Problem, Target,
    inspect, validate, write_archive, write_inspection,
};
use mlc_package::model::{Device, LibraryName, MacabiArch};

use super::tar::with_true_checksums;

/// The file of a library: a tar, an archive or an object. Says whether it could be opened.
pub(crate) fn run(bytes: &[u8]) -> bool {
    open(bytes) | open(&with_true_checksums(bytes))
}

fn open(bytes: &[u8]) -> bool {
    let path = Utf8Path::new("lib.tar");
    let file = LibraryFile::parse(path, bytes);
    // A shared library is only looked into.
    let any = file.as_ref().ok().and_then(|file| file.open_any().ok());
    if let Some(any) = &any {
        look(any);
    }
    let library = match file.as_ref().map(LibraryFile::open) {
        Ok(Ok(library)) => library,
        Ok(Err(error)) => return refused(&error),
        Err(error) => return refused(error),
    };
    let inspection = look(&library);
    let name: LibraryName = "one_layer".parse().expect("a name");
    let linked = [Linked { name: &name, library: &library, expects: &[] }];
    for device in Device::ALL {
        let target = Target { device, macabi_arch: MacabiArch::Arm64 };
        let found = validate(target, &linked);
        assert_eq!(validate(target, &linked), found, "the same twice");
        for problem in &found {
            harmless(&problem.message);
            harmless(&problem.help);
        }
    }
    let apple = inspection.objects.iter().any(|object| object.format == ObjectFormat::MachO);
    archive(if apple { Device::Iphone } else { Device::Android }, &library, &linked);
    true
}

fn look(library: &ModelLibrary<'_>) -> Inspection {
    let inspection = inspect(library, &|_, _| Some(7));
    let found = inspection.libraries.len() + inspection.unreadable.len();
    assert_eq!(found, library.blobs().count());
    let mut text = Vec::new();
    write_inspection(&mut text, &inspection, true).expect("memory takes all");
    String::from_utf8(text).expect("text").lines().for_each(harmless);
    inspection
}

fn refused(error: &LibraryError) -> bool {
    harmless(&error.to_string());
    harmless(&Problem::from(error).message);
    false
}

/// A line that steers no terminal and no runner, begins no other line, and has an end.
fn harmless(line: &str) {
    assert!(!line.chars().any(char::is_control), "{line:?}");
    assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line:?}");
    assert!(line.len() < 1 << 20, "{} bytes", line.len());
}

/// What can be opened can be linked, and what was linked is all in the archive.
fn archive(device: Device, library: &ModelLibrary<'_>, linked: &[Linked<'_>]) {
    let mut out = Cursor::new(Vec::new());
    write_archive(device, linked, &mut out).expect("memory takes all");
    let bytes = out.into_inner();
    assert!(bytes.len() as u64 >= library.archive_bytes());
    let file = LibraryFile::parse(Utf8Path::new("out.a"), &bytes).expect("our own archive");
    let again = file.open().expect("the same objects");
    let (before, after) = (library.sizes(), again.sizes());
    assert_eq!((before.host_code, before.kernels), (after.host_code, after.kernels));
    assert_eq!(library.blobs().count(), again.blobs().count());
}
