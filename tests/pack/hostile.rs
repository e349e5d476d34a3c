//! Archives that somebody made to do harm. Their digests are right: whoever made them made the
//! list too.

use mlc_package::model::Sha256;
use serde_json::{Value, json};
use tar::EntryType;

use crate::scene::{MANIFEST, Scene};

/// An entry of a tar: its name as it is written there, its kind, its bytes.
type Entry<'a> = (&'a str, EntryType, &'a [u8]);

const FILE: EntryType = EntryType::Regular;

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // As it stands, unlike `set_path`.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A list of one archive with these bytes, which holds these files.
fn list(archive: &[u8], tar_bytes: usize, files: &[(&str, &[u8])]) -> Value {
    let files: Vec<Value> = files
        .iter()
        .map(|(path, bytes)| {
            let digest = format!("blake3:{}", blake3::hash(bytes));
            json!({"path": path, "bytes": bytes.len(), "digest": digest})
        })
        .collect();
    let name = "chat-android-lib.tar.zst";
    let sha256 = Sha256::of(archive).to_string();
    json!({
        "schema": 1, "tool": "1.0.0", "package": "chat", "device": "android",
        "compression": "zstd",
        "archives": [{
            "name": name, "bytes": archive.len(), "sha256": sha256, "tar_bytes": tar_bytes,
            "parts": [{"name": name, "bytes": archive.len(), "sha256": sha256}],
            "files": files,
        }],
    })
}

fn write(scene: &Scene, archive: &[u8], list: &Value) {
    fs_err::create_dir_all(scene.path("packed")).unwrap();
    fs_err::write(scene.path("packed/chat-android-lib.tar.zst"), archive).unwrap();
    fs_err::write(scene.path("packed/chat-android-assets.json"), list.to_string()).unwrap();
}

/// Offers these entries where the list has a manifest and `a`, and they are refused.
#[track_caller]
fn refused(entries: &[Entry<'_>], words: &[&str]) {
    let scene = Scene::new();
    let tar = tar(entries);
    let archive = zstd::encode_all(&tar[..], 1).unwrap();
    let list = list(&archive, tar.len(), &[(MANIFEST, b"{}"), ("a", b"12345")]);
    write(&scene, &archive, &list);
    scene.refuses(13, &[&["chat-android-lib.tar.zst", "do not use it"], words].concat());
}

const GOOD: [Entry<'_>; 2] = [(MANIFEST, FILE, b"{}"), ("a", FILE, b"12345")];

#[test]
fn the_same_without_harm_is_unpacked() {
    let scene = Scene::new();
    let tar = tar(&GOOD);
    let archive = zstd::encode_all(&tar[..], 1).unwrap();
    write(&scene, &archive, &list(&archive, tar.len(), &[(MANIFEST, b"{}"), ("a", b"12345")]));
    assert_eq!(scene.unpack()["a"].0, b"12345");
}

#[test]
fn entries_that_lead_out_of_the_package_are_refused() {
    for (name, why) in [
        ("../evil", "holds `../evil`, which is not a valid path: a `.` or `..`"),
        ("lib/../../evil", "a `.` or `..`"),
        ("/evil", "holds `/evil`, which is not a valid path: an absolute path"),
        ("C:\\evil", "an absolute path"),
        ("lib\\evil", "a backslash"),
        ("./a", "a `.` or `..`"),
    ] {
        refused(&[GOOD[0], (name, FILE, b"12345")], &[why]);
    }
}

#[test]
fn what_is_no_file_is_refused() {
    for (kind, why) in [
        (EntryType::Symlink, "holds `a`, which is a symbolic link"),
        (EntryType::Link, "which is a hard link"),
        (EntryType::Char, "which is a device"),
        (EntryType::Block, "which is a device"),
        (EntryType::Fifo, "which is a pipe"),
        (EntryType::Directory, "which is a directory"),
        (EntryType::XHeader, "which is of a kind that no package holds"),
        (EntryType::GNUSparse, "which is of a kind that no package holds"),
        (EntryType::GNULongLink, "which is of a kind that no package holds"),
    ] {
        refused(&[GOOD[0], ("a", kind, b"")], &[why]);
    }
}

#[test]
fn what_is_not_listed_or_not_as_listed_is_refused() {
    let b: Entry<'_> = ("b", FILE, b"12345");
    refused(&[GOOD[0], GOOD[1], b], &["holds `b`, which is not listed"]);
    refused(&[GOOD[0], ("A", FILE, b"12345")], &["holds `A`, which is not listed"]);
    refused(&[GOOD[0], GOOD[1], GOOD[1]], &["holds `a`, which is there twice"]);
    refused(&[GOOD[0]], &["`a` is listed, and not in it"]);
    refused(&[GOOD[0], ("a", FILE, b"1234")], &["`a`, which has 4 bytes, and the list says 5"]);
    refused(&[GOOD[0], ("a", FILE, b"54321")], &["`a`, which does not have the digest"]);
    let long = vec![b'x'; 5000];
    let entries = [GOOD[0], ("././@LongLink", EntryType::GNULongName, &long), GOOD[1]];
    refused(&entries, &["is too long a name"]);
}

#[test]
fn names_that_are_one_where_case_does_not_count_are_refused() {
    let scene = Scene::new();
    let files: [(&str, &[u8]); 3] = [(MANIFEST, b"{}"), ("lib/a", b"1"), ("lib/A", b"2")];
    let tar = tar(&files.map(|(name, bytes)| (name, FILE, bytes)));
    let archive = zstd::encode_all(&tar[..], 1).unwrap();
    write(&scene, &archive, &list(&archive, tar.len(), &files));
    scene.refuses(13, &["`lib/A` is listed twice, or in upper and lower case"]);
}

#[test]
fn an_archive_unpacks_to_what_is_listed_and_no_byte_more() {
    let files: [(&str, &[u8]); 2] = [(MANIFEST, b"{}"), ("a", b"12345")];
    let tar = tar(&GOOD);
    // A gigabyte of zeros behind the files, in a hundred kilobytes.
    let mut bomb = zstd::encode_all(&tar[..], 1).unwrap();
    let zeros = std::io::Read::take(std::io::repeat(0), 1 << 30);
    zstd::stream::copy_encode(zeros, &mut bomb, 1).unwrap();
    assert!(bomb.len() < 200_000);
    let scene = Scene::new();
    write(&scene, &bomb, &list(&bomb, tar.len(), &files));
    scene.refuses(13, &["it unpacks to more than the", "bytes that are listed"]);

    // The same in front of them: a name that never ends.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let mut tar_bomb = header.as_bytes().to_vec();
    tar_bomb.resize(tar_bomb.len() + (1 << 20), b'x');
    let archive = zstd::encode_all(&tar_bomb[..], 1).unwrap();
    write(&scene, &archive, &list(&archive, 2 << 30, &files));
    scene.refuses(13, &["is too long a name"]);

    // Less than listed.
    let archive = zstd::encode_all(&tar[..], 1).unwrap();
    write(&scene, &archive, &list(&archive, tar.len() + 512, &files));
    scene.refuses(13, &["512 bytes fewer"]);
}

#[test]
fn an_archive_that_wants_much_memory_gets_none() {
    let tar = tar(&GOOD);
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.long_distance_matching(true).unwrap();
    std::io::Write::write_all(&mut encoder, &tar).unwrap();
    let archive = encoder.finish().unwrap();
    let scene = Scene::new();
    write(&scene, &archive, &list(&archive, tar.len(), &[(MANIFEST, b"{}"), ("a", b"12345")]));
    scene.refuses(13, &["chat-android-lib.tar.zst", "memory"]);
}

#[test]
fn what_is_cut_or_no_archive_at_all_is_refused() {
    let files: [(&str, &[u8]); 2] = [(MANIFEST, b"{}"), ("a", b"12345")];
    let tar = tar(&GOOD);
    let whole = zstd::encode_all(&tar[..], 1).unwrap();
    let cut = zstd::encode_all(&tar[..700], 1).unwrap();
    for archive in [&whole[..whole.len() - 9], &cut, b"", b"no archive", &[0; 4096]] {
        let scene = Scene::new();
        write(&scene, archive, &list(archive, tar.len(), &files));
        scene.refuses(13, &["chat-android-lib.tar.zst"]);
    }
}

#[test]
fn a_package_larger_than_the_disk_is_not_begun() {
    let scene = Scene::new();
    let mut list = list(b"x", 0, &[(MANIFEST, b"{}")]);
    list["archives"][0]["files"][0]["bytes"] = (1_u64 << 60).into();
    list["archives"][0]["tar_bytes"] = (1_u64 << 61).into();
    write(&scene, b"x", &list);
    scene.refuses(14, &["the package takes 1024.0 PiB", "are free in", "make room"]);
}
