//! `libtvm4j_runtime_packed.so`.

use std::collections::BTreeSet;

use camino::Utf8Path;
use mlc_package::binding::checks::{
    LinkCode, LinkProblem, LinkedModel, SharedLibrary, check_shared_library, entry_points,
};
use mlc_package::library::LibraryFile;

use crate::codes;

const GOOD: &[u8] = include_bytes!("../data/linked/good.so");
const PAGES_4K: &[u8] = include_bytes!("../data/linked/pages-4k.so");
const NO_RUNTIME: &[u8] = include_bytes!("../data/linked/no-runtime.so");
const NO_MODEL_NO_JNI: &[u8] = include_bytes!("../data/linked/no-model-no-jni.so");
const LIBRARY: &[u8] = include_bytes!("../data/libraries/android.tar");

const ONE: LinkedModel<'_> = LinkedModel { prefix: "one_layer_", blob: None };

fn check(bytes: &[u8], models: &[LinkedModel<'_>]) -> Vec<LinkProblem> {
    let source = "JNIEXPORT jint JNICALL Java_org_apache_tvm_LibInfo_tvmFFIFunctionCall(\n";
    let entry_points = entry_points(source);
    let path = "libtvm4j_runtime_packed.so";
    let called = BTreeSet::from([
        "TVMFFIEnvModLookupFromImports",
        "TVMFFIEnvModRegisterSystemLibSymbol",
        "TVMFFIErrorSetRaisedFromCStrParts",
        "TVMFFIFunctionCall",
        "TVMFFIHandleInitOnce",
        "TVMMod",
    ]);
    let entry_points = &entry_points;
    check_shared_library(&SharedLibrary {
        path,
        file: bytes,
        models,
        called: &called,
        entry_points,
    })
}

/// The good library with one string in place of another of the same length, everywhere.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = GOOD.to_vec();
    let places: Vec<_> = (0..bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "{from}");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn a_stripped_library_with_all_in_it_is_good() {
    assert_eq!(check(GOOD, &[ONE]), []);
}

#[test]
fn the_blob_that_was_compiled_is_the_blob_that_was_linked() {
    let path = Utf8Path::new("lib.tar");
    let file = LibraryFile::parse(path, LIBRARY).unwrap();
    let library = file.open().unwrap();
    let blob = library.blobs().next().unwrap().unwrap();
    let linked = LinkedModel { prefix: blob.prefix, blob: Some(blob.bytes) };
    assert_eq!(check(GOOD, &[linked]), []);
    let mut other = blob.bytes.to_vec();
    *other.last_mut().unwrap() ^= 1;
    let stale = check(GOOD, &[LinkedModel { prefix: blob.prefix, blob: Some(&other) }]);
    assert_eq!(codes(&stale), [LinkCode::StaleModel]);
    let shorter = LinkedModel { prefix: blob.prefix, blob: Some(&blob.bytes[..100]) };
    assert_eq!(codes(&check(GOOD, &[shorter])), [LinkCode::StaleModel]);
}

#[test]
fn pages_of_4_kib_are_refused_with_the_flag_that_mends_it() {
    let [problem] = check(PAGES_4K, &[ONE]).try_into().unwrap();
    assert_eq!(problem.code, LinkCode::PageSize);
    assert!(problem.message.starts_with("4 of its 4 LOAD segments"), "{}", problem.message);
    assert!(problem.message.ends_with("(aligned to 0x1000)"), "{}", problem.message);
    assert!(problem.help.contains("-Wl,-z,max-page-size=16384"), "{}", problem.help);
}

#[test]
fn an_address_that_does_not_agree_with_its_place_in_the_file_is_refused() {
    // p_vaddr of the second LOAD segment: 64 bytes of header, 56 bytes a program header.
    let mut bytes = GOOD.to_vec();
    let second = (0..)
        .map(|index| 64 + 56 * index)
        .filter(|at| bytes[*at..*at + 4] == [1, 0, 0, 0])
        .nth(1)
        .unwrap();
    bytes[second + 17] ^= 0x10;
    let problems = check(&bytes, &[ONE]);
    assert_eq!(codes(&problems), [LinkCode::PageSize]);
    assert!(problems[0].message.starts_with("1 of its 4 LOAD segments"), "{}", problems[0].message);
}

#[test]
fn another_processor_is_named() {
    let mut bytes = GOOD.to_vec();
    bytes[18] = 62;
    let [problem] = check(&bytes, &[ONE]).try_into().unwrap();
    assert_eq!(problem.code, LinkCode::WrongTarget);
    assert_eq!(problem.message, "it is for x86_64; apps need arm64");
}

#[test]
fn sources_older_than_the_compiler_are_told() {
    let [problem] = check(NO_RUNTIME, &[ONE]).try_into().unwrap();
    assert_eq!(problem.code, LinkCode::UndefinedSymbol);
    assert!(problem.message.starts_with("the model libraries call `TVMFFI"), "{}", problem.message);
    // `getpid` is the system's, and `TVMFFIOptional` is weak.
    assert!(!problem.message.contains("getpid") && !problem.message.contains("Optional"));
    assert!(problem.help.starts_with("the sources of MLC LLM are older"), "{}", problem.help);
}

#[test]
fn a_compiler_older_than_the_sources_is_told() {
    // What a library of the days before tvm-ffi needs, in place of one of the system's.
    let problems = check(&renamed("getpid\0", "TVMMod\0"), &[ONE]);
    assert_eq!(codes(&problems), [LinkCode::UndefinedSymbol]);
    assert!(
        problems[0].help.contains("install the compiler that belongs to the pinned sources"),
        "{}",
        problems[0].help
    );
}

#[test]
fn every_problem_is_told_at_once() {
    let other = LinkedModel { prefix: "other_layer_", blob: None };
    let problems = check(NO_MODEL_NO_JNI, &[ONE, other]);
    let expected = [LinkCode::MissingModel, LinkCode::MissingModel, LinkCode::MissingEntryPoint];
    assert_eq!(codes(&problems), expected);
    insta::assert_debug_snapshot!("shared_all", problems);
}

#[test]
fn entry_points_are_those_of_the_sources() {
    let renamed = renamed("LibInfo_tvmFFIFunctionCall", "LibInfo_tvmFFIFunctionCull");
    let [problem] = check(&renamed, &[ONE]).try_into().unwrap();
    assert_eq!(problem.code, LinkCode::MissingEntryPoint);
    assert!(problem.message.contains("LibInfo_tvmFFIFunctionCall`"), "{}", problem.message);
    let source = "
        JNIEXPORT jint JNICALL Java_org_apache_tvm_LibInfo_tvmFuncCall(JNIEnv* env);
        // see Java_org_apache_tvm_LibInfo_shutdown, notJava_org_apache_tvm_LibInfo_x";
    let expected = [
        "Java_org_apache_tvm_LibInfo_nativeLibInit",
        "Java_org_apache_tvm_LibInfo_shutdown",
        "Java_org_apache_tvm_LibInfo_tvmFuncCall",
    ];
    assert_eq!(entry_points(source), expected);
}

#[test]
fn what_is_no_shared_library_is_said() {
    let message = |bytes: &[u8]| check(bytes, &[ONE])[0].message.clone();
    assert_eq!(message(b""), "it is not a 64-bit little-endian ELF file");
    assert_eq!(message(b"<html>"), "it is not a 64-bit little-endian ELF file");
    assert!(message(&GOOD[..GOOD.len() / 2]).starts_with("it is damaged"));
    let mut object = GOOD.to_vec();
    object[16] = 1;
    assert_eq!(message(&object), "it is an ELF file, but not a shared object");
}
