use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::{Value, json};

use super::{MOST_MANIFEST, Wanted, read, write};
use crate::binding::{BindingError, Kit, KitStore};
use crate::io::cancel::Cancel;
use crate::model::{Device, Digest, Fingerprint, MacabiArch};

/// An object without sections.
const OBJECT: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\xb7\0\x01\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\x40\0\0\0\0\0";

struct Space {
    dir: tempfile::TempDir,
}

impl Space {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    fn read(&self, bytes: &[u8], wanted: Wanted) -> Result<Kit, String> {
        let file = self.path("kit.tar.zst");
        fs_err::write(&file, bytes).unwrap();
        let store = KitStore::new(&self.path("cache"));
        read(&file, wanted, &store, &Cancel::default()).map_err(|error| match error {
            BindingError::BadKit { fault, .. } => fault.to_string(),
            other => panic!("{other}"),
        })
    }
}

fn record(files: &[(&str, &[u8])]) -> Value {
    let files: Vec<_> = files
        .iter()
        .map(|(path, bytes)| {
            json!({"path": path, "bytes": bytes.len(), "digest": Digest::of(bytes).to_string()})
        })
        .collect();
    json!({
        "fingerprint": format!("blake3:{}", "0".repeat(64)),
        "inputs": {"device": "android", "mlc-llm": "commit 1307bcae"},
        "device": "android",
        "seconds": 60.5,
        "created": 7,
        "files": files,
        "link": {"output": "arm64-v8a/lib.so", "command": {"words": [
            [{"text": "-shared"}], [{"kit": "files/000-a.o"}], ["model"],
        ]}},
    })
}

const FILES: [(&str, &[u8]); 2] = [("files/000-a.o", OBJECT), ("output/tvm4j_core.jar", b"PK")];

fn manifest(record: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({"format": 1, "kit": record})).unwrap()
}

/// A tar of any entries, compressed.
fn packed(entries: &[(&str, tar::EntryType, u32, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, mode, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_size(bytes.len() as u64);
        // As no honest writer would: the name is not looked at.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        if *kind != tar::EntryType::Regular {
            header.as_gnu_mut().unwrap().linkname[..11].copy_from_slice(b"/etc/passwd");
        }
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    zstd::encode_all(tar.into_inner().unwrap().as_slice(), 1).unwrap()
}

fn plain<'a>(name: &'a str, bytes: &'a [u8]) -> (&'a str, tar::EntryType, u32, &'a [u8]) {
    (name, tar::EntryType::Regular, 0o644, bytes)
}

fn whole() -> Vec<u8> {
    let manifest = manifest(&record(&FILES));
    let mut entries = vec![plain("kit.json", &manifest)];
    entries.extend(FILES.iter().map(|(name, bytes)| plain(name, bytes)));
    packed(&entries)
}

/// Whatever was read, only the cache was written to, and nothing half-done is in it.
fn assert_clean(space: &Space, kits: usize) {
    let mut names: Vec<_> = crate::io::dir::names(&space.path("")).unwrap().into_iter().collect();
    names.retain(|name| !["cache", "kit.tar.zst", "out.tar.zst"].contains(&name.as_str()));
    assert_eq!(names, [""; 0]);
    let mut entries = crate::io::dir::names(&space.path("cache/kits")).unwrap_or_default();
    entries.retain(|name| name != ".locks");
    assert_eq!(entries.len(), kits, "{entries:?}");
}

#[test]
fn a_kit_comes_back_as_it_was_and_is_the_same_bytes_again() {
    let space = Space::new();
    let kit = space.read(&whole(), Wanted::default()).unwrap();
    assert!(kit.record.inputs.0["kit"].starts_with("sha256:"));
    assert_ne!(kit.record.fingerprint, Fingerprint(Digest::of(b"")));
    let (sha256, bytes) = write(&kit, &space.path("out.tar.zst")).unwrap();
    let first = fs_err::read(space.path("out.tar.zst")).unwrap();
    assert_eq!(bytes, first.len() as u64);
    let other = Space::new();
    let target = Some((Device::Android, MacabiArch::default()));
    let again = other.read(&first, Wanted { sha256: Some(sha256), target }).unwrap();
    write(&again, &other.path("out.tar.zst")).unwrap();
    assert!(fs_err::read(other.path("out.tar.zst")).unwrap() == first);
    assert_eq!(again.record.files, kit.record.files);
    assert_eq!(again.record.link, kit.record.link);
    for file in &kit.record.files {
        assert_eq!(fs_err::read(kit.path(file)).unwrap(), fs_err::read(again.path(file)).unwrap());
    }
    assert_clean(&other, 1);
}

#[test]
fn what_is_no_kit_is_refused_with_the_reason_and_leaves_nothing() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let good = manifest(&record(&FILES));
    let [(object, code), (jar, zip)] = FILES;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut record = record(&FILES);
        change(&mut record);
        manifest(&record)
    };
    let listing = |files: &[(&str, &[u8])]| manifest(&record(files));
    let with = |name: &'static str, bytes: &'static [u8]| {
        let files = [FILES[0], (name, bytes)];
        let manifest = manifest(&record(&files));
        packed(&[plain("kit.json", &manifest), plain(object, code), plain(name, bytes)])
    };
    let alone = |manifest: &[u8]| packed(&[plain("kit.json", manifest)]);
    let cut = whole();
    let behind = |entry| packed(&[plain("kit.json", &good), plain(object, code), entry]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"PK".to_vec(), "it is damaged: "),
        (cut[..cut.len() / 2].to_vec(), "it is damaged: "),
        (packed(&[]), "it is empty"),
        (packed(&[plain(object, code)]), "it does not begin with `kit.json`"),
        (alone(b"{}"), "its `kit.json` is unreadable"),
        (alone(br#"{"format": 2}"#), "its format is 2, and this mlc-package reads 1"),
        (alone(br#"{"format": 1}"#), "its `kit.json` is unreadable"),
        (alone(&good), "it ends before `files/000-a.o`"),
        (behind((jar, Symlink, 0o644, b"")), "`output/tvm4j_core.jar` in it is not a regular file"),
        (behind((jar, Link, 0o644, b"")), "`output/tvm4j_core.jar` in it is not a regular file"),
        (
            behind((jar, Directory, 0o755, b"")),
            "`output/tvm4j_core.jar` in it is not a regular file",
        ),
        (behind((jar, Regular, 0o755, zip)), "is a program by its mode"),
        (behind((jar, Regular, 0o4644, zip)), "is a program by its mode"),
        (behind(plain("/etc/cron.d/x", zip)), "`/etc/cron.d/x` in it leads out of a kit"),
        (behind(plain("output/../../x", zip)), "`output/../../x` in it leads out of a kit"),
        (
            behind(plain("output/other.jar", zip)),
            "`output/other.jar` in it is not listed, or twice",
        ),
        (behind(plain(object, code)), "`files/000-a.o` in it is not listed, or twice"),
        (behind(plain(jar, b"PK and more")), "`output/tvm4j_core.jar` in it is not what is listed"),
        (behind(plain(jar, b"XY")), "`output/tvm4j_core.jar` in it is not what is listed"),
        (
            with("output/run.jar", b"#!/bin/sh\n"),
            "`output/run.jar` in it is a script, and a kit has",
        ),
        (
            with("output/run", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0"),
            "`output/run` in it is a program, and a kit has none",
        ),
        (with("output/run", b"MZ\x90"), "`output/run` in it is a program, and a kit has none"),
        (with("bin/lld", b"x"), "`bin/lld` is nothing that a kit has"),
        (
            {
                let files: [(&str, &[u8]); 1] = [(object, b"INPUT(/etc/passwd)")];
                let manifest = manifest(&record(&files));
                packed(&[plain("kit.json", &manifest), plain(object, files[0].1)])
            },
            "`files/000-a.o` in it is neither an object nor an archive of some",
        ),
        (
            alone(&changed(&|record| record["device"] = json!("iphone"))),
            "`kit.json` names two devices",
        ),
        (
            alone(&changed(&|record| record["link"] = Value::Null)),
            "a kit for android is not linked like this one",
        ),
        (
            alone(&changed(&|record| record["inputs"]["x"] = json!("\u{1b}[2J"))),
            "`kit.json` has an input that is not a single line of plain text",
        ),
        (
            alone(&changed(&|record| record["inputs"]["mlc-llm"] = json!("a\u{202e}b"))),
            "`kit.json` has an input that is not a single line of plain text",
        ),
        (alone(&listing(&[FILES[0], FILES[0]])), "`files/000-a.o` is there twice"),
        (
            alone(&listing(&[FILES[0], ("output/a.jar", zip), ("output/A.JAR", zip)])),
            "`output/A.JAR` is there twice",
        ),
        (
            alone(&listing(&[FILES[0], ("output/caf\u{e9}", zip), ("output/cafe\u{301}", zip)])),
            "is there twice",
        ),
        (
            alone(&listing(&[FILES[0], ("output/a", zip), ("output/A/b", zip)])),
            "`output/a` is a file and a directory",
        ),
        (
            alone(&listing(&[FILES[0], ("output/arm64-v8a/lib.so", zip)])),
            "`output/arm64-v8a/lib.so` is there twice",
        ),
        (alone(&listing(&[FILES[0], ("output", zip)])), "`output` is nothing that a kit has"),
        (alone(&listing(&[FILES[0], ("kit.digest", zip)])), "`kit.digest` is nothing that"),
        (alone(&listing(&[FILES[0], ("output/aux.jar", zip)])), "its `kit.json` is unreadable"),
        (
            alone(&changed(&|record| record["files"][1]["bytes"] = json!(u64::MAX))),
            "which is too large for a kit",
        ),
        (
            alone(&changed(&|record| record["files"][0]["bytes"] = json!(1_u64 << 30))),
            "it has 1.0 GiB, which is too large for a kit",
        ),
        (
            alone(&changed(&|record| {
                (record["device"], record["inputs"]["device"]) = (json!("iphone"), json!("iphone"));
                record["link"] = Value::Null;
            })),
            "`output/tvm4j_core.jar` is nothing that a kit has",
        ),
        (
            {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(Regular);
                header.set_mode(0o644);
                header.set_size(MOST_MANIFEST + 1);
                header.as_gnu_mut().unwrap().name[..8].copy_from_slice(b"kit.json");
                header.set_cksum();
                zstd::encode_all(header.as_bytes().as_slice(), 1).unwrap()
            },
            "it does not begin with `kit.json`",
        ),
        (
            behind((jar, tar::EntryType::GNUSparse, 0o644, b"")),
            "`output/tvm4j_core.jar` in it is not a regular file",
        ),
        (
            behind((jar, tar::EntryType::XHeader, 0o644, b"")),
            "`output/tvm4j_core.jar` in it is not a regular file",
        ),
        (
            behind(("x", tar::EntryType::GNULongName, 0o644, b"../../../etc/cron.d/x\0")),
            "it ends in a name",
        ),
        (
            packed(&[
                plain("kit.json", &good),
                plain(object, code),
                ("x", tar::EntryType::GNULongName, 0o644, b"../../x\0"),
                plain(jar, zip),
            ]),
            "`../../x` in it leads out of a kit",
        ),
        (
            {
                let files: [(&str, &[u8]); 1] = [(object, b"BC\xc0\xde")];
                packed(&[plain("kit.json", &listing(&files)), plain(object, files[0].1)])
            },
            "`files/000-a.o` in it is neither an object nor an archive of some",
        ),
        (
            {
                let files: [(&str, &[u8]); 1] = [(object, b"\x7fELF\x02\x01\x01")];
                packed(&[plain("kit.json", &listing(&files)), plain(object, files[0].1)])
            },
            "`files/000-a.o` in it is not an object that can be read",
        ),
        ([whole(), zstd::encode_all(&b"more"[..], 1).unwrap()].concat(), "something is behind"),
        (
            alone(&changed(&|record| {
                record["link"]["command"]["words"][0] = json!([{"text": "--reproduce=/tmp/x"}]);
            })),
            "its link command is not used: it has the argument `--reproduce=/tmp/x`",
        ),
        (
            alone(&changed(&|record| record["files"][0]["path"] = json!("../x"))),
            "its `kit.json` is unreadable",
        ),
        (
            alone(&changed(&|record| record["link"]["output"] = json!("/etc/x"))),
            "its `kit.json` is unreadable",
        ),
    ];
    for (bytes, why) in cases {
        let space = Space::new();
        let error = space.read(&bytes, Wanted::default()).unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
        assert_clean(&space, 0);
    }
}

#[test]
fn another_kit_than_the_wanted_one_is_refused() {
    let space = Space::new();
    let wanted = Wanted { sha256: Some("0".repeat(64).parse().unwrap()), target: None };
    let error = space.read(&whole(), wanted).unwrap_err();
    assert!(error.starts_with("its SHA-256 is ") && error.contains("instead of 000"), "{error}");
    let target = Some((Device::Iphone, MacabiArch::default()));
    let error = space.read(&whole(), Wanted { sha256: None, target }).unwrap_err();
    assert_eq!(error, "it is for android, not for iphone");
    assert_clean(&space, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_kit_is_never_taken_for_another(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<bool>()) {
        let space = Space::new();
        let mut bytes = whole();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = to }
        // What zstd's header says of itself may change, and nothing else.
        match space.read(&bytes, Wanted::default()) {
            Ok(kit) => for (file, (path, contents)) in kit.record.files.iter().zip(FILES) {
                assert_eq!(file.path.as_str(), path);
                assert_eq!(fs_err::read(kit.path(file)).unwrap(), contents);
            },
            Err(_) => assert_clean(&space, 0),
        }
    }

    #[test]
    fn any_bytes_in_a_tar_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let space = Space::new();
        let packed = zstd::encode_all(bytes.as_slice(), 1).unwrap();
        assert!(space.read(&packed, Wanted::default()).is_err());
        assert_clean(&space, 0);
    }
}
