//! The archive writer, byte by byte against `llvm-ar`.

use std::collections::BTreeMap;
use std::io::Cursor;

use camino::Utf8Path;
use mlc_package::library::{LibraryFile, Linked, write_archive};
use mlc_package::model::{Device, LibraryName};
use object::BinaryFormat;
use object::read::archive::ArchiveFile;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::llvm;
use crate::objects::{Kind, gzip, object, tar};

/// What an object is made from.
#[derive(Clone, Debug)]
struct Spec {
    /// By name, each once.
    symbols: BTreeMap<String, Kind>,
    filler: usize,
}

impl Spec {
    fn object(&self, format: BinaryFormat) -> Vec<u8> {
        let symbols: Vec<_> =
            self.symbols.iter().map(|(name, kind)| (name.clone(), *kind)).collect();
        object(format, &symbols, self.filler)
    }
}

/// The archive of libraries by their names and members.
fn link(format: BinaryFormat, libraries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let names: Vec<LibraryName> = libraries.iter().map(|(name, _)| name.parse().unwrap()).collect();
    let path = Utf8Path::new("lib.tar");
    let files: Vec<_> = libraries.iter().map(|(_, bytes)| (path, bytes.as_slice())).collect();
    let files: Vec<_> = LibraryFile::parse_all(&files).into_iter().map(Result::unwrap).collect();
    let opened: Vec<_> = LibraryFile::open_all(&files).into_iter().map(Result::unwrap).collect();
    let linked = names.iter().zip(&opened);
    let linked: Vec<_> =
        linked.map(|(name, library)| Linked { name, library, expects: &[] }).collect();
    let mut out = Cursor::new(Vec::new());
    write_archive(device(format), &linked, &mut out).unwrap();
    out.into_inner()
}

fn kind() -> impl Strategy<Value = Kind> {
    select(vec![Kind::Strong, Kind::Hidden, Kind::Weak, Kind::Common, Kind::Undefined, Kind::Local])
}

fn spec() -> impl Strategy<Value = Spec> {
    let symbols = btree_map("[a-z_][a-zA-Z0-9_.$]{0,40}", kind(), 0..12);
    (symbols, 0..40_usize).prop_map(|(symbols, filler)| Spec { symbols, filler })
}

fn format() -> impl Strategy<Value = BinaryFormat> {
    select(vec![BinaryFormat::Elf, BinaryFormat::MachO])
}

fn device(format: BinaryFormat) -> Device {
    if format == BinaryFormat::Elf { Device::Android } else { Device::Iphone }
}

fn flavour(format: BinaryFormat) -> &'static str {
    if format == BinaryFormat::Elf { "gnu" } else { "darwin" }
}

proptest! {
    // Every case starts LLVM's tools.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn archives_are_llvms_and_list_what_its_nm_lists(
        format in format(),
        libraries in vec((spec(), spec()), 1..4),
    ) {
        let mut inputs = Vec::new();
        let mut expected = Vec::new();
        // Names of one and of more than 15 characters: GNU archives treat them differently.
        let names = ["a", "a_b", "long_name_of_a_model"];
        for ((lib0, devc), name) in libraries.iter().zip(names) {
            let (lib0, devc) = (lib0.object(format), devc.object(format));
            let devc_name = format!("{name}_devc.o");
            let members: [(&str, &[u8]); 2] = [(&devc_name, &devc), ("lib0.o", &lib0)];
            inputs.push((name, tar(&members)));
            let named = [(devc_name.clone(), devc), (format!("{name}_lib0.o"), lib0)];
            expected.extend(named);
        }
        let ours = link(format, &inputs);
        if format == BinaryFormat::MachO {
            // They name their platform now; what else they hold is compared by another test.
            let written = llvm::members(&ours);
            let names = |members: &[(String, Vec<u8>)]| -> Vec<String> {
                members.iter().map(|(name, _)| name.clone()).collect()
            };
            prop_assert_eq!(names(&written), names(&expected));
            expected = written;
        }
        prop_assert!(ours == llvm::archive(flavour(format), &expected), "differs from llvm-ar");

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.a");
        fs_err::write(&path, &ours).unwrap();
        let defined: Vec<_> = llvm::global_symbols(&path)
            .into_iter()
            .filter_map(|(_, name, defined)| defined.then_some(name))
            .collect();
        prop_assert_eq!(table_of_contents(&ours), defined);
        let readobj = llvm::tool("llvm-readobj").arg("--file-headers").arg(&path).output().unwrap();
        let text = String::from_utf8(readobj.stdout).unwrap();
        for (name, _) in &expected {
            prop_assert!(text.contains(&format!("({name})")), "{} in {}", name, text);
        }
    }

    #[test]
    fn what_a_library_comes_in_does_not_matter(
        format in format(),
        (lib0, devc) in (spec(), spec()),
    ) {
        let (lib0, devc) = (lib0.object(format), devc.object(format));
        let members: [(&str, &[u8]); 2] = [("lib0.o", &lib0), ("m_devc.o", &devc)];
        let reversed = [members[1], members[0]];
        let expected = link(format, &[("m", tar(&members))]);
        let files: Vec<_> =
            members.iter().map(|(name, data)| ((*name).to_owned(), data.to_vec())).collect();
        let apple_double: [(&str, &[u8]); 3] = [("._lib0.o", b"junk"), members[0], members[1]];
        for same in [
            tar(&reversed),
            gzip(&tar(&members)),
            tar(&apple_double),
            llvm::archive("bsd", &files),
            llvm::archive(flavour(format), &files),
            expected.clone(),
        ] {
            prop_assert!(link(format, &[("m", same)]) == expected);
        }
    }
}

/// The names in an archive's symbol table.
fn table_of_contents(archive: &[u8]) -> Vec<String> {
    let symbols = ArchiveFile::parse(archive).unwrap().symbols().unwrap().into_iter().flatten();
    symbols.map(|symbol| String::from_utf8(symbol.unwrap().name().to_vec()).unwrap()).collect()
}

fn member_names(archive: &[u8]) -> Vec<String> {
    let members = ArchiveFile::parse(archive).unwrap().members();
    members.map(|member| String::from_utf8(member.unwrap().name().to_vec()).unwrap()).collect()
}

#[test]
fn an_archive_of_nothing_is_of_its_devices_flavour_too() {
    for format in [BinaryFormat::Elf, BinaryFormat::MachO] {
        assert_eq!(link(format, &[]), llvm::archive(flavour(format), &[]), "{format:?}");
    }
    assert_ne!(link(BinaryFormat::Elf, &[]), link(BinaryFormat::MachO, &[]));
}

#[test]
fn members_never_share_a_name() {
    let one = object(BinaryFormat::Elf, &[], 0);
    let lib0: (&str, &[u8]) = ("lib0.o", &one);
    let libraries = [
        ("a", tar(&[lib0, lib0, ("b_lib0.o", &one), ("sub/lib0.o", &one), ("a_devc.o", &one)])),
        ("a_b", tar(&[lib0, ("lib0", &one)])),
    ];
    let names = member_names(&link(BinaryFormat::Elf, &libraries));
    let expected = [
        "a_b_lib0.o",
        "a_devc.o",
        "a_lib0.o",
        "a_lib0_2.o",
        "a_lib0_3.o",
        "a_b_lib0",
        "a_b_lib0_2.o",
    ];
    assert_eq!(names, expected);
}

#[test]
fn names_that_archives_cannot_bear_are_rewritten() {
    let one = object(BinaryFormat::Elf, &[], 0);
    let long = format!("{}.o", "x".repeat(3000));
    for hostile in ["a\nb.o", "é b.o", "#1/20", &long] {
        let archive = link(BinaryFormat::Elf, &[("m", tar(&[(hostile, &one)]))]);
        let [name] = member_names(&archive).try_into().unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        assert!(name.starts_with("m_") && name.chars().all(plain), "{hostile}: {name}");
        assert!(name.len() < 250, "{name}");
    }
}

#[test]
fn a_thousand_members_of_one_name_are_soon_told_apart() {
    let one = object(BinaryFormat::Elf, &[], 0);
    let members = vec![("lib0.o", one.as_slice()); 9_000];
    let names = member_names(&link(BinaryFormat::Elf, &[("m", tar(&members))]));
    assert_eq!(names.len(), 9_000);
    assert!(names.contains(&"m_lib0_9000.o".to_owned()));
}
