//! A kit: what is needed to link a binding again, and the record of it.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::link_command::LinkCommand;
use crate::io::in_use::InUse;
use crate::io::link::{self, Linked};
use crate::io::{atomic, digest, files};
use crate::model::{Device, Digest, Fingerprint, KitInputs, LinkMode, ShardPath};

const RECORD: &str = "kit.json";
/// The digest of the record: it names programs that are run.
const SEAL: &str = "kit.digest";
/// The most a record may have in bytes.
const RECORD_LIMIT: u64 = 16 << 20;

/// A kit in the store.
#[derive(Clone, Debug)]
pub struct Kit {
    /// Its directory.
    pub dir: Utf8PathBuf,
    /// What it is.
    pub record: KitRecord,
    /// Keeps it from being removed, if it was taken.
    pub(super) _in_use: InUse,
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

    /// Where a file lies.
    pub fn path(&self, file: &KitFile) -> Utf8PathBuf {
        self.dir.join(file.path.as_path())
    }
}

impl KitRecord {
    /// Reads the record of a kit; its files must be there, as long as they were.
    pub(super) fn read(dir: &Utf8Path) -> Result<Self, String> {
        let read = |name: &str| {
            let path = dir.join(name);
            let text =
                files::read_at_most(&path, RECORD_LIMIT).map_err(|error| error.to_string())?;
            text.ok_or_else(|| format!("`{path}` is too long"))
        };
        let text = read(RECORD)?;
        if read(SEAL)? != seal(&text).as_bytes() {
            return Err(format!("`{}` is not what was stored", dir.join(RECORD)));
        }
        let record: Self = serde_json::from_slice(&text)
            .map_err(|error| format!("`{}` is unreadable: {error}", dir.join(RECORD)))?;
        for file in &record.files {
            let path = dir.join(file.path.as_path());
            let size = files::size(&path).map_err(|error| error.to_string())?;
            if size != file.bytes {
                return Err(format!("`{path}` has {size} bytes instead of {}", file.bytes));
            }
        }
        if let Some(why) = record.link.iter().find_map(|link| link.command.refusal()) {
            return Err(format!("its command is not run: {why}"));
        }
        let known = |path: &ShardPath| record.files.iter().any(|file| file.path == *path);
        let mut read = record.link.iter().flat_map(|link| link.command.files());
        if let Some(path) = read.find(|path| !known(path)) {
            return Err(format!("its command reads `{path}`, which it does not hold"));
        }
        drop(read);
        Ok(record)
    }

    pub(super) fn write(&self, dir: &Utf8Path) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        atomic::write_unsynced(&dir.join(RECORD), &text)?;
        atomic::write_unsynced(&dir.join(SEAL), seal(&text).as_bytes())
    }

    /// Reads every file of a kit; says what is not what was stored.
    pub(super) fn verify(&self, dir: &Utf8Path) -> Result<(), String> {
        for file in &self.files {
            let path = dir.join(file.path.as_path());
            let (digest, _) = digest::file(&path).map_err(|error| error.to_string())?;
            if digest != file.digest {
                return Err(format!("`{path}` is not what was stored"));
            }
        }
        Ok(())
    }
}

fn seal(record: &[u8]) -> String {
    format!("{}\n", Digest::of(record))
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

    use super::KitRecord;

    #[test]
    fn a_kit_that_runs_something_else_is_not_used_however_well_it_is_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
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
            record.write(dir).unwrap();
            KitRecord::read(dir)
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
