//! A kit: what is needed to link a binding again, and the record of it.
//!
//! ```text
//! <cache-dir>/kits/<fingerprint>/kit.json      what it is: KitRecord
//!                               /kit.digest    the digest of that
//!                               /files/…, /lib/…  what the linker reads; the latter by their names
//!                               /output/…      what goes into dist/ as it is
//!                               /sources/…     of MLC LLM and TVM, what a package needs of them
//!                               /notices/…     under which conditions all that may be passed on
//!                               /imported      is there if `kit import` put it there
//! ```

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::SourceTree;
use super::link_command::LinkCommand;
use crate::io::link::{self, Linked};
use crate::io::{atomic, digest, files};
use crate::model::{Device, Digest, Fingerprint, KitInputs, LinkMode, ShardPath};
use crate::store::{Bucket, Lookup, Record, RecordedFile, Store, Stored};

/// The directory with parts of the sources.
pub(super) const SOURCES: &str = "sources";

/// The file that `kit import` leaves in a kit: `--kit auto` uses no other that came as a file.
const IMPORTED: &str = "imported";

/// The kits of one cache directory.
pub type KitStore = Store<KitRecord>;
/// A kit in the store.
pub type Kit = Stored<KitRecord>;

/// A kit of the store that will be used: read whole first, or [verified](Stored::verify) while a linker
/// reads it.
pub(super) fn hold(
    store: &KitStore,
    fingerprint: Fingerprint,
    read_first: bool,
) -> Lookup<KitRecord> {
    match read_first {
        true => store.hold(fingerprint),
        false => store.hold_unread(fingerprint),
    }
}

/// What a kit is, and what it was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KitRecord {
    /// The digest of `inputs`.
    pub fingerprint: Fingerprint,
    /// Everything that can change it.
    pub inputs: KitInputs,
    /// The phone.
    pub device: Device,
    /// How long it took to build, in seconds.
    pub seconds: f64,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Its files. Those in `output/` go into `dist/` as they are.
    pub files: Vec<KitFile>,
    /// How the library is linked, and its path in `output/`; none for static libraries.
    pub link: Option<KitLink>,
}

/// One file of a kit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitFile {
    /// Its path in the kit.
    pub path: ShardPath,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: Digest,
}

/// How a library is linked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitLink {
    /// Its path in `output/`.
    pub output: ShardPath,
    /// The command.
    pub command: LinkCommand,
}

impl Kit {
    /// The files that go into `dist/` as they are: their path there, and what they are here.
    pub fn shipped(&self) -> impl Iterator<Item = (&Utf8Path, &KitFile)> {
        let files = self.record.files.iter();
        files.filter_map(|file| Some((file.path.as_path().strip_prefix("output").ok()?, file)))
    }

    /// What it has of the sources: the trees of MLC LLM and of TVM.
    pub(crate) fn sources(&self) -> SourceTree {
        let sources = self.dir.join(SOURCES);
        SourceTree { mlc_llm: sources.join("mlc-llm"), tvm: Some(sources.join("tvm")) }
    }

    /// Where a file lies.
    pub fn path(&self, file: &KitFile) -> Utf8PathBuf {
        self.dir.join(file.path.as_path())
    }
}

impl KitRecord {
    /// What it is for, as people and releases call it.
    pub(super) fn target(&self) -> String {
        target(self.device, self.macabi_arch())
    }

    /// The processor of Mac Catalyst.
    pub(super) fn macabi_arch(&self) -> Option<&str> {
        self.inputs.0.get("MLC_MACABI_ARCH").map(String::as_str)
    }
}

/// A device, with the processor for Mac Catalyst: `android`, `macabi-arm64`.
pub(super) fn target(device: Device, macabi_arch: Option<&str>) -> String {
    match (device, macabi_arch) {
        (Device::Macabi, Some(arch)) => format!("{device}-{arch}"),
        _ => device.to_string(),
    }
}

/// When `kit import` put the kit of this directory there, in seconds since 1970; none if it did not.
pub(super) fn imported(dir: &Utf8Path) -> Option<u64> {
    files::modified(&dir.join(IMPORTED)).ok().flatten()
}

/// Says of the kit of this directory that `kit import` put it there.
pub(super) fn mark_imported(dir: &Utf8Path) -> std::io::Result<()> {
    atomic::write(&dir.join(IMPORTED), b"")
}

impl Record for KitRecord {
    const BUCKET: &'static Bucket = &Bucket::KITS;
    const NAME: &'static str = "kit";
    const FILE: &'static str = "kit.json";
    /// The record says what a linker is told.
    const SEAL: Option<&'static str> = Some("kit.digest");

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn created(&self) -> u64 {
        self.created
    }

    fn files(&self) -> Vec<RecordedFile<'_>> {
        self.files
            .iter()
            .map(|file| RecordedFile {
                path: file.path.as_path(),
                bytes: file.bytes,
                digest: file.digest,
            })
            .collect()
    }

    fn refusal(&self) -> Option<String> {
        if let Some(why) = self.link.iter().find_map(|link| link.command.refusal()) {
            return Some(format!("its link command is not used: {why}"));
        }
        let known = |path: &ShardPath| self.files.iter().any(|file| file.path == *path);
        let mut read = self.link.iter().flat_map(|link| link.command.files());
        let (absent, _) = read.find(|(path, _)| !known(path))?;
        Some(format!("its link command reads `{absent}`, which it does not hold"))
    }
}

/// Puts a file into a kit in the making. A later build in the same directory must not change it:
/// it shares blocks with its origin, but not the file.
pub(super) fn keep(from: &Utf8Path, dir: &Utf8Path, path: ShardPath) -> std::io::Result<KitFile> {
    let to = dir.join(path.as_path());
    files::create_dir_all(files::parent(&to))?;
    if !matches!(link::place(from, &to, LinkMode::Reflink), Ok(Linked::Reflink)) {
        link::place(from, &to, LinkMode::Copy)?;
    }
    let (digest, bytes) = digest::file(&to)?;
    Ok(KitFile { path, bytes, digest })
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{KitRecord, KitStore};
    use crate::io::cancel::Cancel;

    #[test]
    fn a_kit_whose_linker_would_do_something_else_is_not_used_however_well_it_is_sealed() {
        let cache = tempfile::tempdir().unwrap();
        let store = KitStore::new(Utf8Path::from_path(cache.path()).unwrap());
        let write = |word: &str| {
            let record = serde_json::json!({
                "fingerprint": format!("blake3:{}", "0".repeat(64)),
                "inputs": {},
                "device": "android",
                "seconds": 1.0,
                "created": 1,
                "files": [],
                "link": {
                    "output": "lib.so",
                    "command": {
                        "words": [
                            [{"text": "-shared"}],
                            serde_json::from_str::<serde_json::Value>(word).unwrap(),
                            ["model"],
                        ],
                    },
                },
            });
            let record: KitRecord = serde_json::from_value(record).unwrap();
            let new = store.begin(record.fingerprint, &Cancel::default(), |_| ()).unwrap().unwrap();
            drop(new.commit(record).unwrap());
            store.entries().unwrap().remove(0).record
        };
        write(r#"[{"text": "-Bsymbolic"}]"#).unwrap();
        for (word, why) in [
            (r#"[{"text": "--reproduce=/tmp/x"}]"#, "its link command is not used: it has the"),
            (r#"[{"text": "/etc/passwd"}]"#, "its link command is not used: it has the argument"),
            (r#"[{"text": "-l:../../x"}]"#, "its link command is not used: it has the argument"),
            (r#"[{"kit": "files/000-x.o"}]"#, "its link command reads `files/000-x.o`, which it"),
            (r#"[{"text": "-l:libx.so"}]"#, "its link command reads `lib/libx.so`, which it does"),
        ] {
            let refused = write(word).unwrap_err();
            assert!(refused.to_string().starts_with(why), "{refused}");
        }
    }
}
