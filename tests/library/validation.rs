//! What keeps libraries from being linked: every kind of problem, and all of them at once.

use camino::Utf8Path;
use mlc_package::library::{Code, Expectation, LibraryFile, Linked, Problem, Target, validate};
use mlc_package::model::{Device, LibraryName, MacabiArch};
use object::BinaryFormat;

use crate::objects::{Kind, defining, gunzip, object, tar, untar};
use crate::real::{ANDROID, CPU, IPHONE, MACABI, OTHER_ANDROID, OTHER_IPHONE, expect_linear};

const FOR_ANDROID: Target = Target { device: Device::Android, macabi_arch: MacabiArch::Arm64 };
const FOR_IPHONE: Target = Target { device: Device::Iphone, macabi_arch: MacabiArch::Arm64 };

/// A file, the name it goes by in the package, and the models that load it.
type Input<'a> = (&'a str, &'a str, &'a [u8], Vec<Expectation>);

fn problems(target: Target, inputs: &[Input<'_>]) -> Vec<Problem> {
    let names: Vec<LibraryName> =
        inputs.iter().map(|(_, name, ..)| name.parse().unwrap()).collect();
    let files: Vec<_> =
        inputs.iter().map(|(path, _, bytes, _)| (Utf8Path::new(path), *bytes)).collect();
    let files: Vec<_> = LibraryFile::parse_all(&files).into_iter().map(Result::unwrap).collect();
    let opened: Vec<_> = LibraryFile::open_all(&files).into_iter().map(Result::unwrap).collect();
    let mut linked = Vec::new();
    for ((name, library), (.., expects)) in names.iter().zip(&opened).zip(inputs) {
        linked.push(Linked { name, library, expects });
    }
    validate(target, &linked)
}

/// The one problem of one file for Android.
fn problem(name: &str, bytes: &[u8]) -> Problem {
    let [problem] = problems(FOR_ANDROID, &[("a.tar", name, bytes, vec![])]).try_into().unwrap();
    problem
}

/// A real library without its blob, with `object` in its place.
fn with_member(library: &[u8], name: &str, object: &[u8]) -> Vec<u8> {
    let members = untar(&gunzip(library));
    let lib0 = members.iter().find(|(name, _)| name == "lib0.o").unwrap();
    tar(&[("lib0.o", &lib0.1), (name, object)])
}

/// The object of a real library that its blob is in.
fn blob_object(library: &[u8]) -> Vec<u8> {
    let members = untar(&gunzip(library)).into_iter();
    members.filter(|(name, _)| name.ends_with("devc.o")).map(|(_, data)| data).next().unwrap()
}

#[test]
fn real_libraries_go_together() {
    // Both define the compiler's own routines and their `library_ctx`, all weak.
    for (target, one, other) in
        [(FOR_ANDROID, ANDROID, OTHER_ANDROID), (FOR_IPHONE, IPHONE, OTHER_IPHONE)]
    {
        let inputs = [
            ("a.tar", "one_layer", one, vec![expect_linear(), expect_linear()]),
            ("b.tar", "other_layer", other, vec![]),
        ];
        assert_eq!(problems(target, &inputs), []);
    }
}

#[test]
fn libraries_for_other_devices_are_named_with_what_they_are() {
    let message = |target, bytes| {
        let [problem] =
            problems(target, &[("a.tar", "one_layer", bytes, vec![])]).try_into().unwrap();
        assert_eq!(problem.code, Code::WrongDevice);
        assert!(problem.help.contains("--device"), "{}", problem.help);
        problem.message
    };
    assert_eq!(
        message(FOR_ANDROID, CPU),
        "`lib0.o` is ELF for x86_64, and android needs ELF for arm64"
    );
    assert_eq!(
        message(FOR_IPHONE, MACABI),
        "`lib0.o` is Mach-O for arm64 on Mac Catalyst, and iphone needs Mach-O for arm64 on iOS"
    );
    assert_eq!(
        message(FOR_IPHONE, ANDROID),
        "`lib0.o` is ELF for arm64, and iphone needs Mach-O for arm64 on iOS"
    );
}

#[test]
fn a_macos_object_is_told_by_either_of_the_commands_that_name_a_system() {
    let bytes = blob_object(MACABI);
    // LC_BUILD_VERSION: its number, its size, then the platform.
    let command = [0x32_u32, 24, 6].map(u32::to_le_bytes).concat();
    let at = bytes.windows(12).position(|window| window == command).unwrap();
    for (number, platform, found) in
        [(0x32_u32, 1_u32, "macOS"), (0x32, 7, "the iOS simulator"), (0x24, 0, "macOS")]
    {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        bytes[at + 8..at + 12].copy_from_slice(&platform.to_le_bytes());
        let [problem] =
            problems(FOR_IPHONE, &[("a.o", "one_layer", &bytes, vec![])]).try_into().unwrap();
        assert!(problem.message.contains(&format!("on {found}, and")), "{}", problem.message);
    }
}

#[test]
fn a_library_of_another_model_is_refused_for_each_model_it_does_not_fit() {
    let llama = Expectation {
        model_id: Some("Llama".parse().unwrap()),
        model_type: "llama".to_owned(),
        quantization: "q0f16".to_owned(),
    };
    let quantized = Expectation { quantization: "q4f16_1".to_owned(), ..expect_linear() };
    let expects = vec![expect_linear(), llama, quantized];
    let found = problems(FOR_ANDROID, &[("a.tar", "one_layer", ANDROID, expects)]);
    let messages: Vec<_> = found.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "it is for linear q0f16, and model `Llama` is llama q0f16",
            "it is for linear q0f16, and model `m` is linear q4f16_1"
        ]
    );
    assert!(found.iter().all(|problem| problem.code == Code::WrongModel));
}

#[test]
fn another_prefix_is_said_together_with_the_one_expected() {
    let problem = problem("mine", ANDROID);
    assert_eq!(problem.code, Code::WrongPrefix);
    assert_eq!(problem.message, "it holds the library `one_layer`, not `mine`");
    assert_eq!(
        problem.help,
        "call it `one_layer` in the config, or compile it with `--system-lib-prefix mine_`"
    );
    assert_eq!(problem.path, "a.tar");
}

#[test]
fn a_library_compiled_without_any_prefix_is_not_called_by_an_empty_name() {
    // The same length as the real symbol, so that the blob stays where it is.
    let mut bytes = blob_object(ANDROID);
    let symbol = b"one_layer___tvm_ffi__library_bin\0";
    // The last is in the string table; the one before is what the library registers itself by.
    let mut found = bytes.windows(symbol.len()).enumerate().filter(|(_, window)| window == symbol);
    let (at, _) = found.next_back().unwrap();
    let suffix = b"__tvm_ffi__library_bin\0";
    bytes[at..at + suffix.len()].copy_from_slice(suffix);
    let problem = problem("one_layer", &with_member(ANDROID, "devc.o", &bytes));
    assert_eq!(problem.message, "its symbols have the prefix ``, not `one_layer_`");
    assert_eq!(problem.help, "compile it with `--system-lib-prefix one_layer_`");
}

#[test]
fn older_tvms_are_told_by_their_symbols() {
    for symbol in
        ["__tvm_dev_mblob", "one_layer___tvm_dev_mblob", "one_layer___tvm_ffi_library_bin"]
    {
        let old = defining(BinaryFormat::Elf, &[symbol], &[]);
        let problem = problem("one_layer", &with_member(ANDROID, "devc.o", &old));
        assert_eq!(problem.code, Code::OldTvm);
        assert!(problem.message.contains(&format!("older TVM: it defines `{symbol}`")));
        assert!(problem.help.contains("the app's runtime"), "{}", problem.help);
    }
    let caller = defining(BinaryFormat::Elf, &["one_layer_f"], &["TVMFuncCall"]);
    let problem = problem("one_layer", &caller);
    assert_eq!(problem.code, Code::OldTvm);
    assert!(problem.message.contains("it calls `TVMFuncCall`"), "{}", problem.message);

    // On iPhone the names have an underscore more.
    let old = defining(BinaryFormat::MachO, &["one_layer___tvm_dev_mblob"], &[]);
    let input = ("a.o", "one_layer", old.as_slice(), vec![]);
    let [problem] = problems(FOR_IPHONE, &[input]).try_into().unwrap();
    assert_eq!(problem.code, Code::OldTvm);
}

#[test]
fn without_a_blob_it_is_no_model_library() {
    let problem = problem("one_layer", &defining(BinaryFormat::Elf, &["main"], &[]));
    assert_eq!(problem.code, Code::NoBlob);
    let message = "nothing in it defines `one_layer___tvm_ffi__library_bin`";
    assert!(problem.message.starts_with(message), "{}", problem.message);
}

#[test]
fn one_blob_twice_is_an_error() {
    let blob = blob_object(ANDROID);
    let problem = problem("one_layer", &tar(&[("a.o", &blob), ("b.o", &blob)]));
    assert_eq!(problem.code, Code::DuplicateBlob);
    let message = "2 of its objects define `one_layer___tvm_ffi__library_bin`";
    assert_eq!(problem.message, message);
}

#[test]
fn a_damaged_blob_is_named_with_the_place() {
    let mut object = blob_object(ANDROID);
    let magic = 0xD225_DE2F_4214_151E_u64.to_le_bytes();
    let at = object.windows(8).position(|window| window == magic).unwrap();
    object[at] ^= 1;
    // The older magic number has no memory scopes; any other is unknown.
    object[at + 7] = 0;
    let problem = problem("one_layer", &with_member(ANDROID, "devc.o", &object));
    assert_eq!(problem.code, Code::UnreadableBlob);
    let message = "the TVM library `one_layer_` in it cannot be read: byte ";
    assert!(problem.message.starts_with(message), "{}", problem.message);
    assert!(problem.message.contains("the executable's magic number is"), "{}", problem.message);
}

#[test]
fn one_file_under_two_names_clashes_once() {
    let inputs =
        [("a.tar", "one_layer", ANDROID, vec![]), ("copy.tar", "other_layer", ANDROID, vec![])];
    let [prefix, clash] = problems(FOR_ANDROID, &inputs).try_into().unwrap();
    assert_eq!((prefix.code, clash.code), (Code::WrongPrefix, Code::DuplicateSymbol));
    assert_eq!(clash.path, "copy.tar");
    assert!(clash.message.starts_with("it defines `__tvm_ffi_one_layer_"), "{}", clash.message);
    let message = " and 2 other symbols, and so does `a.tar`";
    assert!(clash.message.ends_with(message), "{}", clash.message);
    assert!(clash.help.contains("`one_layer` and `other_layer`"), "{}", clash.help);
}

#[test]
fn strong_symbols_clash_and_weak_and_common_ones_do_not() {
    let clashes = |format, first, second| {
        let (target, real) = match format {
            BinaryFormat::Elf => (FOR_ANDROID, [ANDROID, OTHER_ANDROID]),
            _ => (FOR_IPHONE, [IPHONE, OTHER_IPHONE]),
        };
        let extra = |kind| object(format, &[("shared".to_owned(), kind)], 0);
        let library = |index: usize, kind| {
            let mut members = untar(&gunzip(real[index]));
            members.push(("extra.o".to_owned(), extra(kind)));
            let members: Vec<_> =
                members.iter().map(|(name, data)| (name.as_str(), data.as_slice())).collect();
            tar(&members)
        };
        let (one, other) = (library(0, first), library(1, second));
        let inputs = [
            ("a.tar", "one_layer", one.as_slice(), vec![]),
            ("b.tar", "other_layer", other.as_slice(), vec![]),
        ];
        let found = problems(target, &inputs);
        for problem in &found {
            assert_eq!(problem.message, "it defines `shared`, and so does `a.tar`");
        }
        !found.is_empty()
    };
    for format in [BinaryFormat::Elf, BinaryFormat::MachO] {
        assert!(clashes(format, Kind::Strong, Kind::Strong));
        assert!(clashes(format, Kind::Strong, Kind::Hidden));
        for harmless in [Kind::Weak, Kind::Common, Kind::Undefined, Kind::Local] {
            assert!(!clashes(format, Kind::Strong, harmless), "{harmless:?}");
            assert!(!clashes(format, harmless, harmless), "{harmless:?}");
        }
    }
}

#[test]
fn objects_of_one_library_may_not_clash_either() {
    let mut members = untar(&gunzip(ANDROID));
    for name in ["x.o", "y.o"] {
        members.push((name.to_owned(), defining(BinaryFormat::Elf, &["f", "g", "h"], &[])));
    }
    let members: Vec<_> =
        members.iter().map(|(name, data)| (name.as_str(), data.as_slice())).collect();
    let problem = problem("one_layer", &tar(&members));
    assert_eq!(problem.code, Code::DuplicateSymbol);
    assert_eq!(problem.message, "its objects `x.o` and `y.o` both define `f` and 2 other symbols");
}

#[test]
fn all_problems_are_found_at_once_each_at_its_file() {
    let old = defining(BinaryFormat::Elf, &["__tvm_dev_mblob"], &[]);
    let quantized = Expectation { quantization: "q4f16_1".to_owned(), ..expect_linear() };
    let inputs: [Input<'_>; 4] = [
        ("mac.tar", "mac", MACABI, vec![]),
        ("old.o", "old", &old, vec![]),
        ("one.tar", "one_layer", ANDROID, vec![quantized]),
        ("other.tar", "mine", OTHER_ANDROID, vec![]),
    ];
    let found = problems(FOR_ANDROID, &inputs);
    let found: Vec<_> = found.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
    assert_eq!(
        found,
        [
            ("mac.tar", Code::WrongDevice),
            ("mac.tar", Code::WrongPrefix),
            ("old.o", Code::OldTvm),
            ("one.tar", Code::WrongModel),
            ("other.tar", Code::WrongPrefix),
        ]
    );
}

#[test]
fn a_file_that_cannot_be_opened_is_a_problem_like_others() {
    let error = LibraryFile::parse(Utf8Path::new("a.tar"), b"junk").unwrap_err();
    let problem = Problem::from(&error);
    assert_eq!((problem.code, problem.path.as_str()), (Code::Unreadable, "a.tar"));
    assert_eq!(
        problem.message,
        "it is not a model library: it is neither a .tar, nor a static archive, nor an object file"
    );
}
