//! Libraries that real TVM compiled for every device, and the archive that an app links.

use std::io::Cursor;

use camino::Utf8Path;
use mlc_package::library::{
    Expectation, Inspection, LibraryFile, Linked, ModelLibrary, Target, inspect, validate,
    write_archive, write_inspection,
};
use mlc_package::model::{Device, LibraryName, MacabiArch};

use crate::llvm;
use crate::objects::{gunzip, untar};

pub(crate) const ANDROID: &[u8] = include_bytes!("../data/libraries/android.tar");
pub(crate) const OTHER_ANDROID: &[u8] = include_bytes!("../data/libraries/other-android.tar");
pub(crate) const IPHONE: &[u8] = include_bytes!("../data/libraries/iphone.tar");
pub(crate) const OTHER_IPHONE: &[u8] = include_bytes!("../data/libraries/other-iphone.tar");
pub(crate) const MACABI: &[u8] = include_bytes!("../data/libraries/macabi.tar");
pub(crate) const MACABI_X86_64: &[u8] = include_bytes!("../data/libraries/macabi-x86_64.tar");
pub(crate) const CPU: &[u8] = include_bytes!("../data/libraries/cpu.tar");

/// Takes a file apart and hands it on.
pub(crate) fn with_library<R>(bytes: &[u8], look: impl FnOnce(&ModelLibrary<'_>) -> R) -> R {
    let file = LibraryFile::parse(Utf8Path::new("lib.tar"), bytes).unwrap();
    look(&file.open().unwrap())
}

pub(crate) fn expect_linear() -> Expectation {
    Expectation {
        model_id: Some("m".parse().unwrap()),
        model_type: "linear".to_owned(),
        quantization: "q0f16".to_owned(),
    }
}

pub(crate) fn target(device: Device, macabi_arch: MacabiArch) -> Target {
    Target { device, macabi_arch }
}

fn inspection(bytes: &[u8]) -> Inspection {
    with_library(bytes, |library| inspect(library, &|_, _| None))
}

#[test]
fn every_devices_library_fits_that_device_and_no_other() {
    let devices = [
        (target(Device::Android, MacabiArch::Arm64), ANDROID),
        (target(Device::Iphone, MacabiArch::Arm64), IPHONE),
        (target(Device::Macabi, MacabiArch::Arm64), MACABI),
        (target(Device::Macabi, MacabiArch::X86_64), MACABI_X86_64),
    ];
    let name: LibraryName = "one_layer".parse().unwrap();
    for (index, (target, _)) in devices.iter().enumerate() {
        for (other, (_, bytes)) in devices.iter().enumerate() {
            let problems = with_library(bytes, |library| {
                let expects = [expect_linear()];
                validate(*target, &[Linked { name: &name, library, expects: &expects }])
            });
            let codes: Vec<_> = problems.iter().map(|problem| problem.code.to_string()).collect();
            // TVM names no platform in an object for iPhone, so Mac Catalyst cannot tell.
            let same = index == other || (index, other) == (2, 1);
            let expected: &[&str] = if same { &[] } else { &["wrong-device"] };
            assert_eq!(codes, expected, "{target:?} given {other}: {problems:?}");
        }
    }
}

#[test]
fn what_a_library_holds() {
    let android = inspection(ANDROID);
    assert_eq!(android.device, Some(Device::Android));
    let [library] = android.libraries.as_slice() else { panic!("one library") };
    assert_eq!((library.model_lib.as_str(), library.prefix.as_str()), ("one_layer", "one_layer_"));
    let functions: Vec<_> = library.functions.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(functions, ["decode", "_metadata"]);
    assert_eq!(library.metadata.params.len(), 1);
    // 16 x 16 float16.
    assert_eq!(library.memory.unwrap().parameters, 512);
    assert_eq!(library.kernels.len(), 2);
    assert!(library.repeated_kernel_bytes > 0);

    let iphone = inspection(IPHONE);
    assert_eq!(iphone.device, Some(Device::Iphone));
    assert_eq!(iphone.libraries[0].kernels[0].name, "one_layer_matmul_kernel");
    assert_eq!(iphone.libraries[0].repeated_kernel_bytes, 0);
    assert_eq!(inspection(MACABI).device, Some(Device::Macabi));
    assert_eq!(inspection(MACABI_X86_64).device, Some(Device::Macabi));
    assert_eq!(inspection(CPU).device, None);
}

#[test]
fn the_sizes_are_those_that_llvm_sees() {
    for bytes in [ANDROID, IPHONE, CPU] {
        let members = untar(&gunzip(bytes));
        let (sizes, archive) =
            with_library(bytes, |library| (library.sizes(), library.archive_bytes()));
        assert_eq!(sizes.file, bytes.len() as u64);
        let loaded: u64 = members.iter().map(|(name, data)| size_of_sections(name, data)).sum();
        // The section of a Mach-O blob holds some bytes more, so the blob is no less than this.
        let rest = loaded - sizes.blob;
        assert!(sizes.host_code <= rest && rest - sizes.host_code < 200, "{sizes:?} of {loaded}");
        assert!(sizes.kernels > 0 || bytes == CPU);
        assert!(sizes.kernels < sizes.blob);
        let objects: u64 = members.iter().map(|(_, data)| data.len() as u64).sum();
        // iPhone's two objects are given a platform.
        let platform = if bytes == IPHONE { 2 * 24 } else { 0 };
        assert!((objects + platform + 120..objects + platform + 136).contains(&archive));
    }
}

/// The bytes of the sections that an app loads from the file, as `llvm-readobj` lists them.
fn size_of_sections(name: &str, object: &[u8]) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs_err::write(&path, object).unwrap();
    let output = llvm::tool("llvm-readobj").arg("--sections").arg(&path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let loaded = |section: &&str| {
        let elf = section.contains("SHF_ALLOC") && !section.contains("SHT_NOBITS");
        let macho = section.contains("Segment: __") && !section.contains("ZeroFill");
        elf || macho && !section.contains(" Debug (")
    };
    let size = |section: &str| {
        let line = section.lines().map(str::trim).find_map(|line| line.strip_prefix("Size: "));
        let size = line.unwrap();
        let hex = size.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16).unwrap());
        hex.unwrap_or_else(|| size.parse().unwrap())
    };
    text.split("  Section {").filter(loaded).map(size).sum()
}

/// LLVM sees the platform in an object of the archive, and else what it saw in the compiler's.
fn assert_only_the_platform_is_new(name: &str, written: &[u8], original: &[u8]) {
    assert_eq!(written.len(), original.len() + 24);
    let headers = llvm::dump(name, written, &["--macho", "--private-headers"]);
    for line in ["cmd LC_BUILD_VERSION", "platform ios", "minos 14.0"] {
        assert!(headers.contains(line), "{headers}");
    }
    let all = ["--disassemble", "--reloc", "--syms", "--full-contents"];
    let (written, original) = (llvm::dump(name, written, &all), llvm::dump(name, original, &all));
    assert!(written.lines().count() > 20, "{written}");
    assert!(written == original, "{name} is another object");
}

#[test]
fn two_real_libraries_become_the_archive_that_llvm_ar_makes() {
    let devices = [
        (Device::Android, ANDROID, OTHER_ANDROID, "gnu"),
        (Device::Iphone, IPHONE, OTHER_IPHONE, "darwin"),
    ];
    for (device, one, other, flavour) in devices {
        let names: [LibraryName; 2] =
            ["one_layer".parse().unwrap(), "other_layer".parse().unwrap()];
        let expects = [expect_linear()];
        let mut archive = Cursor::new(Vec::new());
        with_library(one, |first| {
            with_library(other, |second| {
                let linked = |name, library| Linked { name, library, expects: &expects };
                let libraries = [linked(&names[0], first), linked(&names[1], second)];
                let problems = validate(target(device, MacabiArch::Arm64), &libraries);
                assert!(problems.is_empty(), "{problems:?}");
                write_archive(device, &libraries, &mut archive).unwrap();
            });
        });
        let archive = archive.into_inner();
        let members = [("one_layer", one), ("other_layer", other)].map(|(name, bytes)| {
            let mut members = untar(&gunzip(bytes));
            for (member, _) in &mut members {
                if member == "lib0.o" {
                    *member = format!("{name}_lib0.o");
                }
            }
            members.sort();
            members
        });
        let mut expected = members.concat();
        if device == Device::Iphone {
            let written = llvm::members(&archive);
            for ((name, object), (_, original)) in written.iter().zip(&expected) {
                assert_only_the_platform_is_new(name, object, original);
            }
            expected = written;
        }
        assert!(archive == llvm::archive(flavour, &expected), "differs from llvm-ar");

        let whole = inspection(&archive);
        assert_eq!(whole.device, Some(device));
        let found: Vec<_> = whole.libraries.iter().map(|l| l.model_lib.as_str()).collect();
        assert_eq!(found, ["one_layer", "other_layer"]);
        let mut text = Vec::new();
        write_inspection(&mut text, &whole, false).unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in ["  other_layer_lib0.o", "\none_layer\n  model       linear q0f16\n"] {
            assert!(text.contains(line), "{text}");
        }
    }
}
