//! The static libraries of an Apple app.

use camino::Utf8Path;
use mlc_package::binding::checks::{
    Archive, Archives, LinkCode, LinkProblem, LinkedModel, check_archives,
};
use mlc_package::library::{LibraryFile, Linked, write_archive};
use mlc_package::model::{Device, LibraryName, MacabiArch};
use object::macho::{PLATFORM_IOS, PLATFORM_IOSSIMULATOR, PLATFORM_MACCATALYST, Platform};
use object::write::{MachOBuildVersion, Object, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind};
use object::{SymbolFlags, SymbolKind, SymbolScope};

use crate::codes;
use crate::objects::tar;

const IPHONE: &[u8] = include_bytes!("../data/libraries/iphone.tar");
const MACABI: &[u8] = include_bytes!("../data/libraries/macabi.tar");

/// What TVM's objects need of the runtime.
const RUNTIME: [&str; 7] = [
    "TVMFFIEnvModLookupFromImports",
    "TVMFFIEnvModRegisterSystemLibSymbol",
    "TVMFFIErrorSetRaisedFromCStrParts",
    "TVMFFIFunctionCall",
    "TVMFFIHandleInitOnce",
    "TVMBackendAllocWorkspace",
    "TVMBackendFreeWorkspace",
];
const ONE: [LinkedModel<'_>; 1] = [LinkedModel { prefix: "one_layer_", blob: None }];

/// An object that says which system it is for.
fn object(
    architecture: Architecture,
    platform: Platform,
    defined: &[&str],
    undefined: &[&str],
) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::MachO, architecture, Endianness::Little);
    let mut version = MachOBuildVersion::default();
    version.platform = platform;
    object.set_macho_build_version(version);
    let text = object.add_section(b"__TEXT".to_vec(), b"__text".to_vec(), SectionKind::Text);
    object.append_section_data(text, &[0; 8], 8);
    let symbols = defined.iter().map(|name| (name, true));
    for (name, is_defined) in symbols.chain(undefined.iter().map(|name| (name, false))) {
        object.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value: 0,
            size: 0,
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: if is_defined {
                SymbolSection::Section(text)
            } else {
                SymbolSection::Undefined
            },
            flags: SymbolFlags::None,
        });
    }
    object.write().unwrap()
}

/// The archive of a library, as a package has it.
fn archive(name: &str, library: &[u8]) -> Vec<u8> {
    let file = LibraryFile::parse(Utf8Path::new("lib.tar"), library).unwrap();
    let library = file.open().unwrap();
    let name: LibraryName = name.parse().unwrap();
    let mut out = std::io::Cursor::new(Vec::new());
    let linked = [Linked { name: &name, library: &library, expects: &[] }];
    write_archive(Device::Iphone, &linked, &mut out).unwrap();
    out.into_inner()
}

fn runtime(platform: Platform, defined: &[&str], undefined: &[&str]) -> Vec<u8> {
    let object = object(Architecture::Aarch64, platform, defined, undefined);
    archive("runtime", &tar(&[("runtime.o", &object)]))
}

fn check(device: Device, model: &[u8], runtime: &[u8]) -> Vec<LinkProblem> {
    let archives = [
        Archive { path: "libmodel_iphone.a", bytes: model },
        Archive { path: "libtvm_runtime.a", bytes: runtime },
    ];
    let macabi_arch = MacabiArch::Arm64;
    check_archives(&Archives { archives: &archives, models: &ONE, device, macabi_arch })
}

#[test]
fn tvms_own_objects_go_with_a_runtime_that_defines_what_they_need() {
    let system = ["memcpy", "MTLCreateSystemDefaultDevice", "_ZNSt3__16thread4joinEv"];
    for (device, library, platform) in
        [(Device::Iphone, IPHONE, PLATFORM_IOS), (Device::Macabi, MACABI, PLATFORM_MACCATALYST)]
    {
        let runtime = runtime(platform, &RUNTIME, &system);
        assert_eq!(check(device, &archive("one_layer", library), &runtime), [], "{device}");
    }
}

#[test]
fn what_the_shipped_libraries_do_not_define_is_told_at_each_library() {
    let runtime = runtime(PLATFORM_IOS, &RUNTIME[2..], &["_ZN3tvm7runtime6Module3GetEv"]);
    let problems = check(Device::Iphone, &archive("one_layer", IPHONE), &runtime);
    assert_eq!(codes(&problems), [LinkCode::UndefinedSymbol; 2]);
    insta::assert_debug_snapshot!("apple_undefined", problems);
}

#[test]
fn members_of_another_system_or_processor_are_named() {
    let model = archive("one_layer", IPHONE);
    let simulator = runtime(PLATFORM_IOSSIMULATOR, &RUNTIME, &[]);
    let problems = check(Device::Iphone, &model, &simulator);
    assert_eq!(codes(&problems), [LinkCode::WrongTarget]);
    assert_eq!(
        problems[0].message,
        "a member is for the iOS simulator, not for iOS on arm64: `runtime_runtime.o`"
    );
    let intel = object(Architecture::X86_64, PLATFORM_IOS, &RUNTIME, &[]);
    let intel = archive("runtime", &tar(&[("a.o", &intel), ("b.o", &intel)]));
    let problems = check(Device::Iphone, &model, &intel);
    assert_eq!(codes(&problems), [LinkCode::WrongTarget]);
    assert!(problems[0].message.starts_with("2 members are for x86_64, not for iOS on arm64"));
    let macabi = check(Device::Macabi, &archive("one_layer", MACABI), &simulator);
    assert_eq!(codes(&macabi), [LinkCode::WrongTarget]);
    assert!(macabi[0].help.contains("--catalyst --arch arm64"), "{}", macabi[0].help);
}

#[test]
fn a_model_that_is_not_there_is_missed() {
    let runtime = runtime(PLATFORM_IOS, &RUNTIME, &[]);
    let problems = check(Device::Iphone, &runtime, &runtime);
    assert_eq!(codes(&problems), [LinkCode::MissingModel]);
    assert!(problems[0].message.contains("`one_layer_"), "{}", problems[0].message);
}

#[test]
fn what_cannot_be_linked_is_said() {
    let model = archive("one_layer", IPHONE);
    let mut damaged = runtime(PLATFORM_IOS, &RUNTIME, &[]);
    let magic = damaged.windows(4).position(|four| four == [0xcf, 0xfa, 0xed, 0xfe]).unwrap();
    damaged[magic] = 0;
    for (bytes, message) in [
        (&b"text"[..], "it is not a static library"),
        (b"!<thin>\n", "it is a thin archive"),
        (b"!<arch>\n", "it has no objects in it"),
        (&damaged, "its member `runtime_runtime.o` cannot be linked: it is not a 64-bit Mach-O"),
    ] {
        let problems = check(Device::Iphone, &model, bytes);
        assert_eq!(problems[0].code, LinkCode::Unreadable);
        assert!(problems[0].message.starts_with(message), "{problems:?}");
        // What the model needs is not there either.
        assert!(codes(&problems).contains(&LinkCode::UndefinedSymbol));
    }
}
