//! A kit: what is needed to link a binding again, and the record of it.
//!
//! ```text
//! <cache-dir>/kits/<fingerprint>/kit.json      what it is: KitRecord
//!                               /kit.digest    the digest of that
//!                               /files/…       what the linker reads
//!                               /output/…      what goes into dist/ as it is
//! ```

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::link_command::LinkCommand;
use crate::io::link::{self, Linked};
use crate::io::{digest, files};
use crate::model::{Device, Digest, Fingerprint, KitInputs, LinkMode, ShardPath};
use crate::store::{Bucket, Record, RecordedFile, Store, Stored};

/// The kits of one cache directory.
pub type KitStore = Store<KitRecord>;
/// A kit in the store.
pub type Kit = Stored<KitRecord>;

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

    /// Where a file lies.
    pub fn path(&self, file: &KitFile) -> Utf8PathBuf {
        self.dir.join(file.path.as_path())
    }
}

impl Record for KitRecord {
    const BUCKET: &'static Bucket = &Bucket::KITS;
    const NAME: &'static str = "kit";
    const FILE: &'static str = "kit.json";
    /// The record names programs that are run.
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
            return Some(format!("its command is not run: {why}"));
        }
        let known = |path: &ShardPath| self.files.iter().any(|file| file.path == *path);
        let mut read = self.link.iter().flat_map(|link| link.command.files());
        let absent = read.find(|path| !known(path))?;
        Some(format!("its command reads `{absent}`, which it does not hold"))
    }

    fn lacks(&self) -> Option<String> {
        let mut needs = self.link.iter().flat_map(|link| &link.command.needs);
        let absent = needs.find(|path| !files::exists(path))?;
        Some(format!("it is linked with `{absent}`, which is not there"))
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
    fn a_kit_that_runs_something_else_is_not_used_however_well_it_is_sealed() {
        let cache = tempfile::tempdir().unwrap();
        let store = KitStore::new(Utf8Path::from_path(cache.path()).unwrap());
        let write = |program: &str| {
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
                            serde_json::from_str::<serde_json::Value>(program).unwrap(),
                            [{"text": "-o"}], ["output"], ["model"],
                        ],
                        "needs": [],
                    },
                },
            });
            let record: KitRecord = serde_json::from_value(record).unwrap();
            let new = store.begin(record.fingerprint, &Cancel::default(), |_| ()).unwrap().unwrap();
            drop(new.commit(record).unwrap());
            store.entries().unwrap().remove(0).record
        };
        write(r#"["ndk", {"text": "/bin/clang++"}]"#).unwrap();
        for program in [
            r#"[{"text": "/bin/sh"}]"#,
            r#"[{"kit": "files/000-clang++"}]"#,
            r#"["ndk", {"text": "/../../tmp/clang++"}]"#,
            r#"["ndk", {"text": "/bin/python3"}]"#,
        ] {
            let refused = write(program).unwrap_err();
            assert!(refused.starts_with("its command is not run: its program"), "{refused}");
        }
    }
}
