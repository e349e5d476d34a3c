//! Files that are damaged, hostile, or something else.

use std::io::Write as _;

use camino::Utf8Path;
use mlc_package::library::{LibraryFile, inspect, write_inspection};
use object::BinaryFormat;

use crate::objects::{defining, gunzip, tar};
use crate::real::{ANDROID, IPHONE};

/// Why a file cannot be opened.
fn why(bytes: &[u8]) -> String {
    let path = Utf8Path::new("x.tar");
    match LibraryFile::parse(path, bytes) {
        Ok(file) => file.open().map(|_| ()).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_cannot_be_linked_is_named_with_its_member() {
    let good = defining(BinaryFormat::Elf, &["a"], &[]);
    for (bytes, reason) in [
        (&b"not an object"[..], "it is not an object file"),
        (b"", "it is not an object file"),
        (b"BC\xc0\xdebitcode", "it is LLVM bitcode, not machine code"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", "it is a universal file, for several processors"),
        (b"\x7fELF\x01\x01", "it is not a 64-bit little-endian relocatable object"),
        (b"\xfe\xed\xfa\xcf", "it is not a 64-bit little-endian relocatable object"),
        (b"\x7fELF\x02\x01", "it is damaged: Invalid ELF header size"),
    ] {
        let message = why(&tar(&[("lib0.o", &good), ("bad.o", bytes)]));
        let expected = format!("`x.tar`: its member `bad.o` cannot be linked: {reason}");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn executables_are_not_linked() {
    let mut executable = defining(BinaryFormat::Elf, &["a"], &[]);
    executable[16] = 2; // ET_EXEC
    assert!(why(&executable).contains("relocatable"), "{}", why(&executable));
    let mut executable = defining(BinaryFormat::MachO, &["a"], &[]);
    executable[12] = 2; // MH_EXECUTE
    assert!(why(&executable).contains("relocatable"), "{}", why(&executable));
}

#[test]
fn a_file_without_objects_is_no_library() {
    assert_eq!(why(b""), "`x.tar` is not a model library: it is empty");
    assert_eq!(why(&tar(&[])), "`x.tar` has no object files in it");
    assert_eq!(why(b"!<arch>\n"), "`x.tar` has no object files in it");
    let resource_fork = tar(&[("._lib0.o", b"\0\x05\x16\x07")]);
    assert_eq!(why(&resource_fork), "`x.tar` has no object files in it");
}

#[test]
fn an_object_cut_short_is_refused_wherever_it_is_cut() {
    for library in [ANDROID, IPHONE] {
        let tar_bytes = gunzip(library);
        let [(_, object), _] = crate::objects::untar(&tar_bytes).try_into().unwrap();
        for len in (0..object.len()).step_by(97) {
            assert!(!why(&tar(&[("lib0.o", &object[..len])])).is_empty());
        }
        for len in (0..library.len()).step_by(53) {
            assert!(!why(&library[..len]).is_empty());
        }
    }
}

#[test]
fn a_bomb_is_given_up_early() {
    // 300 MiB of zeros in 300 KiB.
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(&vec![0; 300 << 20]).unwrap();
    let bomb = out.finish().unwrap();
    assert!(bomb.len() < 1 << 19);
    let message = why(&bomb);
    assert!(message.contains("which no model library of its size does"), "{message}");
}

#[test]
fn names_of_members_cannot_steer_a_terminal_or_a_workflow() {
    let good = defining(BinaryFormat::Elf, &["a"], &[]);
    let hostile = "\u{1b}[2J\n::error::x";
    let message = why(&tar(&[("lib0.o", &good), (hostile, b"junk")]));
    assert!(message.contains("`\\u{1b}[2J\\n::error::x`"), "{message}");
    let long = format!("::error::##[add-mask]{}", "y".repeat(70_000));
    let file = tar(&[("lib0.o", &good), (&long, &good)]);
    let file = LibraryFile::parse(Utf8Path::new("x.tar"), &file).unwrap();
    let inspection = inspect(&file.open().unwrap(), &|_, _| None);
    let mut text = Vec::new();
    write_inspection(&mut text, &inspection, true).unwrap();
    assert!(text.len() < 2000, "{} bytes", text.len());
    // Its line begins with the name, and the runner looks behind the blanks.
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("\n  \\u{3a}:error::##\\u{5b}add-mask]yyy"), "{text}");
}

#[test]
fn sizes_and_names_in_an_archive_are_not_believed() {
    let header = |name: &str, size: &str| {
        format!("!<arch>\n{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644).into_bytes()
    };
    for (name, size) in [
        ("lib0.o/", "9999999999"),
        ("lib0.o/", "18446744073"),
        ("lib0.o/", "-1"),
        ("/99", "4"),
        ("#1/9999999999", "4"),
        ("#1/5", "4"),
        ("", ""),
    ] {
        let message = why(&[header(name, size), b"data".to_vec()].concat());
        assert!(
            message.starts_with("`x.tar` is not a model library: its "),
            "{name} {size}: {message}"
        );
    }
}

#[test]
fn a_tar_that_lies_about_sizes_is_refused() {
    let good = tar(&[("lib0.o", &[0; 512])]);
    for size in ["77777777777", "00000010000", "-0000000001", "zzzzzzzzzzz"] {
        let mut bytes = good.clone();
        bytes[124..135].copy_from_slice(size.as_bytes());
        repair_checksum(&mut bytes);
        let message = why(&bytes);
        assert!(message.starts_with("`x.tar` is not a model library: its "), "{size}: {message}");
    }
    // Base 256: more than a u64.
    let mut bytes = good.clone();
    bytes[124..136].copy_from_slice(&[0xff; 12]);
    repair_checksum(&mut bytes);
    assert!(!why(&bytes).is_empty());
    // A sparse file, whose content is not where it seems to be.
    let mut bytes = good;
    bytes[156] = b'S';
    repair_checksum(&mut bytes);
    assert!(why(&bytes).starts_with("`x.tar` is not a model library: its "), "{}", why(&bytes));
}

fn repair_checksum(header: &mut [u8]) {
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[test]
fn endless_names_take_no_endless_time() {
    // 40,000 symbols whose names all run through one string table without an end.
    let mut symbols: Vec<String> = (0..40_000).map(|n| format!("s{n}")).collect();
    symbols.push("x".repeat(1_000_000));
    let names: Vec<&str> = symbols.iter().map(String::as_str).collect();
    let mut object = defining(BinaryFormat::Elf, &names, &[]);
    let long = object.windows(1000).position(|window| window.iter().all(|b| *b == b'x')).unwrap();
    // Every NUL of the table but the last becomes part of a name.
    let end = object[long..].iter().position(|byte| *byte == 0).unwrap() + long;
    let start = object[..long].windows(3).position(|window| window == b"\0s0").unwrap() + 1;
    for byte in &mut object[start..end] {
        if *byte == 0 {
            *byte = b'_';
        }
    }
    let begun = std::time::Instant::now();
    let message = why(&object);
    assert!(message.contains("its symbol names are damaged"), "{message}");
    assert!(begun.elapsed().as_secs() < 10);
}
