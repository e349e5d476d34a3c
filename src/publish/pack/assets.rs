//! `<name>-<device>-assets.json`: which assets hold a package, and how they become a `dist/`
//! again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AssetName, Compression, PackError, PackageName};
use crate::manifest;
use crate::model::{Device, Digest, ModelId, Sha256, ShardPath, folded};

/// The end of the file's name.
pub const SUFFIX: &str = "-assets.json";

/// The largest file that is read, in bytes: some 50,000 files of a package.
pub const MOST_BYTES: u64 = 16 << 20;

/// How a person does it without us.
const JOIN: &str = "for each archive: cat NAME.part?? > NAME if it has parts, then tar -xf NAME \
                    -C dist; or: mlc-package unpack THIS_FILE -o dist";

/// The assets of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetsManifest {
    /// The version of this format: [`AssetsManifest::SCHEMA`].
    pub schema: u32,
    /// The version of the tool that packed them.
    pub tool: String,
    /// What the assets' names begin with.
    pub package: PackageName,
    /// The phone the package is for.
    pub device: Device,
    /// How to unpack them, for people.
    #[serde(default)]
    pub join: String,
    /// How they are compressed.
    pub compression: Compression,
    /// The archives: the library's first, then the bundled models in the manifest's order.
    pub archives: Vec<ArchiveRecord>,
    /// Files that are assets as they are: what an app can depend on with one line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plain: Vec<PlainRecord>,
}

/// One archive: a tar of regular files, compressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRecord {
    /// Its name.
    pub name: AssetName,
    /// The bundled model that it holds; none for the library's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<ModelId>,
    /// Its size in bytes, all parts together.
    pub bytes: u64,
    /// Its digest, all parts together.
    pub sha256: Sha256,
    /// What it unpacks to, in bytes: the tar.
    pub tar_bytes: u64,
    /// The assets that follow each other in it; one of its own name where it was not cut.
    pub parts: Vec<PartRecord>,
    /// The files of `dist/` that it holds, in its order.
    pub files: Vec<FileRecord>,
}

/// One file of `dist/` that is an asset as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainRecord {
    /// The asset.
    pub asset: PartRecord,
    /// The file.
    pub file: FileRecord,
}

/// One asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// Its name.
    pub name: AssetName,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Sha256,
}

/// One file of `dist/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its path in `dist/`.
    pub path: ShardPath,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its digest, as the package's manifest has it.
    pub digest: Digest,
    /// Whether it may be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// Why a text is no list of assets.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssetsError {
    /// It is of a later version of the format.
    #[error("it has schema {0}, and this version reads {known}", known = AssetsManifest::SCHEMA)]
    Newer(u32),
    /// It is not JSON, or not of the format: what the parser says.
    #[error("{0}")]
    Format(String),
    /// It says what cannot be.
    #[error(transparent)]
    Wrong(#[from] AssetsFault),
}

/// What a list of assets says that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssetsFault {
    /// An archive of no parts, or of more than there are names for.
    #[error("`{name}` has {parts} parts")]
    Parts {
        /// The archive.
        name: AssetName,
        /// How many it has.
        parts: usize,
    },
    /// An archive of another size than its parts.
    #[error("the parts of `{0}` do not have its size together")]
    PartSizes(AssetName),
    /// An archive whose files are larger than what it unpacks to.
    #[error("the files of `{0}` are larger than what it unpacks to")]
    FileSizes(AssetName),
    /// An asset that is there twice.
    #[error("`{0}` is listed twice")]
    AssetTwice(AssetName),
    /// An asset of another size than its file.
    #[error("`{0}` does not have the size of its file")]
    PlainSize(AssetName),
    /// A path that is there twice, also where case does not count.
    #[error("`{0}` is listed twice, or in upper and lower case")]
    PathTwice(ShardPath),
    /// A path below a directory that is written in another case elsewhere.
    #[error("the directory of `{0}` is in upper and lower case")]
    DirectoryCase(ShardPath),
    /// A path, folded, that other files are below.
    #[error("`{0}` is a file and a directory")]
    FileAndDirectory(String),
    /// No path is the manifest's.
    #[error("no archive holds {name}", name = manifest::FILE_NAME)]
    NoManifest,
}

impl AssetsManifest {
    /// The version of the format that this tool writes.
    pub const SCHEMA: u32 = 1;

    pub(super) fn new(
        package: &PackageName,
        device: Device,
        compression: Compression,
        archives: Vec<ArchiveRecord>,
        plain: Vec<PlainRecord>,
    ) -> Self {
        Self {
            schema: Self::SCHEMA,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            package: package.clone(),
            device,
            join: JOIN.to_owned(),
            compression,
            archives,
            plain,
        }
    }

    /// The text of the file.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Reads the file, which may come from anybody: names are those of files in one directory,
    /// paths stay in `dist/`, and nothing is there twice.
    pub fn parse(text: &[u8]) -> Result<Self, AssetsError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let wrong = |error: serde_json::Error| AssetsError::Format(error.to_string());
        let Version { schema } = serde_json::from_slice(text).map_err(wrong)?;
        if schema != Self::SCHEMA {
            return Err(AssetsError::Newer(schema));
        }
        let parsed: Self = serde_json::from_slice(text).map_err(wrong)?;
        parsed.check()?;
        Ok(parsed)
    }

    /// What all files take, in bytes.
    pub fn unpacked_bytes(&self) -> u64 {
        self.files().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// What all assets take, in bytes.
    pub fn packed_bytes(&self) -> u64 {
        self.parts().fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    /// Every asset, in the order in which they are read.
    pub fn parts(&self) -> impl Iterator<Item = &PartRecord> {
        let parts = self.archives.iter().flat_map(|archive| &archive.parts);
        parts.chain(self.plain.iter().map(|plain| &plain.asset))
    }

    /// Every file of `dist/`.
    pub fn files(&self) -> impl Iterator<Item = &FileRecord> {
        let files = self.archives.iter().flat_map(|archive| &archive.files);
        files.chain(self.plain.iter().map(|plain| &plain.file))
    }

    fn check(&self) -> Result<(), AssetsFault> {
        let mut names = BTreeSet::new();
        for archive in &self.archives {
            let name = || archive.name.clone();
            if archive.parts.is_empty() || archive.parts.len() > PackError::MOST_PARTS {
                return Err(AssetsFault::Parts { name: name(), parts: archive.parts.len() });
            }
            let sum = archive.parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.bytes));
            if sum != Some(archive.bytes) {
                return Err(AssetsFault::PartSizes(name()));
            }
            let sum = archive.files.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.bytes));
            if sum.is_none_or(|sum| sum > archive.tar_bytes) {
                return Err(AssetsFault::FileSizes(name()));
            }
        }
        for part in self.parts() {
            if !names.insert(part.name.as_str().to_ascii_lowercase()) {
                return Err(AssetsFault::AssetTwice(part.name.clone()));
            }
        }
        if let Some(plain) = self.plain.iter().find(|plain| plain.asset.bytes != plain.file.bytes) {
            return Err(AssetsFault::PlainSize(plain.asset.name.clone()));
        }
        check_paths(self.files().map(|file| &file.path))
    }
}

/// No path is there twice, also where case does not count, none is a file and a directory, and
/// one is the manifest's.
pub(super) fn check_paths<'a>(
    paths: impl Iterator<Item = &'a ShardPath>,
) -> Result<(), AssetsFault> {
    let mut files = BTreeSet::new();
    let mut dirs: BTreeMap<String, &str> = BTreeMap::new();
    for path in paths {
        let text = path.as_str();
        if !files.insert(folded(text)) {
            return Err(AssetsFault::PathTwice(path.clone()));
        }
        for (end, _) in text.match_indices('/') {
            let dir = text.get(..end).unwrap_or_default();
            if *dirs.entry(folded(dir)).or_insert(dir) != dir {
                return Err(AssetsFault::DirectoryCase(path.clone()));
            }
        }
    }
    if let Some(path) = files.iter().find(|path| dirs.contains_key(*path)) {
        return Err(AssetsFault::FileAndDirectory(path.clone()));
    }
    if !files.contains(manifest::FILE_NAME) {
        return Err(AssetsFault::NoManifest);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{AssetsError, AssetsManifest};

    fn list() -> Value {
        let digest = format!("blake3:{}", "0".repeat(64));
        let sha256 = "0".repeat(64);
        json!({
            "schema": 1, "tool": "1.0.0", "package": "chat", "device": "android",
            "compression": "zstd",
            "archives": [{
                "name": "chat-android-lib.tar.zst", "bytes": 7, "sha256": sha256,
                "tar_bytes": 4096,
                "parts": [
                    {"name": "a.part01", "bytes": 4, "sha256": sha256},
                    {"name": "a.part02", "bytes": 3, "sha256": sha256},
                ],
                "files": [
                    {"path": "lib/a.a", "bytes": 5, "digest": digest},
                    {"path": "mlc-package-manifest.json", "bytes": 5, "digest": digest},
                ],
            }],
        })
    }

    fn parse(value: &Value) -> Result<AssetsManifest, AssetsError> {
        AssetsManifest::parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_list_round_trips() {
        let parsed = parse(&list()).unwrap();
        assert_eq!(AssetsManifest::parse(parsed.to_json().unwrap().as_bytes()), Ok(parsed.clone()));
        assert_eq!((parsed.packed_bytes(), parsed.unpacked_bytes()), (7, 10));
    }

    #[test]
    fn a_list_that_says_what_cannot_be_is_refused() {
        let huge = u64::MAX;
        for (pointer, value, why) in [
            ("/schema", json!(2), "it has schema 2"),
            ("/device", json!("toaster"), "toaster"),
            ("/package", json!("\u{1b}[2J"), "is not a valid asset name"),
            ("/archives/0/name", json!("../a"), "is not a valid asset name"),
            ("/archives/0/parts/0/name", json!("/etc/passwd"), "is not a valid asset name"),
            ("/archives/0/parts/1/name", json!("A.part01"), "`A.part01` is listed twice"),
            ("/archives/0/parts/1/bytes", json!(huge), "do not have its size"),
            ("/archives/0/bytes", json!(8), "do not have its size"),
            ("/archives/0/parts", json!([]), "has 0 parts"),
            ("/archives/0/files/0/path", json!("../x"), "a `.` or `..`"),
            ("/archives/0/files/0/path", json!("/x"), "an absolute path"),
            ("/archives/0/files/0/path", json!("MLC-package-manifest.json"), "listed twice"),
            ("/archives/0/files/0/path", json!("mlc-package-manifest.json/x"), "and a directory"),
            ("/archives/0/files/0/bytes", json!(huge), "larger than what it unpacks to"),
            ("/archives/0/files/1/path", json!("LIB/b"), "upper and lower case"),
            ("/archives/0/files/1/path", json!("b"), "no archive holds mlc-package-manifest.json"),
            ("/archives/0/sha256", json!("00"), "is not 64 hex digits"),
        ] {
            let mut list = list();
            *list.pointer_mut(pointer).unwrap() = value.clone();
            let error = parse(&list).unwrap_err().to_string();
            assert!(error.contains(why), "{pointer} = {value}: {error}");
        }
    }
}
