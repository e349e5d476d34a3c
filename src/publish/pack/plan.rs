//! Which files of a `dist/` go into which archive.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::assets::{FileRecord, check_paths};
use super::{AssetName, Compression, Level, PackError, PackOptions, PackageName};
use crate::io::files::{self, TreeKind};
use crate::io::stream;
use crate::manifest::{self, Manifest};
use crate::model::{Device, Digest, ModelId, ShardPath};

/// The largest manifest that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// What [`write`](super::write()) does.
#[derive(Clone, Debug)]
pub struct PackPlan {
    /// The package.
    pub dist: Utf8PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The archives: the library's first, then one of each bundled model.
    pub assets: Vec<AssetPlan>,
    /// Files that are assets as they are, under these names.
    pub plain: Vec<(AssetName, FileRecord)>,
    /// Files in `dist/` that no build put there: they are in no archive.
    pub left_out: Vec<Utf8PathBuf>,
    pub(super) name: PackageName,
    pub(super) device: Device,
    pub(super) compression: Compression,
    pub(super) level: Level,
    pub(super) part_bytes: u64,
    pub(super) workers: NonZeroU32,
}

/// One archive.
#[derive(Clone, Debug)]
pub struct AssetPlan {
    /// Its name; that of its parts, if it has to be cut, begins with it.
    pub name: AssetName,
    /// The bundled model that it holds; none for the library's.
    pub model_id: Option<ModelId>,
    /// What it holds, sorted by path.
    pub files: Vec<FileRecord>,
    /// The size of its files in bytes.
    pub bytes: u64,
}

/// Looks at a `dist/` and its manifest; reads no other file.
pub fn plan(dist: &Utf8Path, options: &PackOptions) -> Result<PackPlan, PackError> {
    let (manifest, own) = read_manifest(dist)?;
    let device = manifest.device;
    let tree = files::tree(dist, |_| true).map_err(PackError::Read)?;
    let mut kinds: BTreeMap<_, _> =
        tree.into_iter().map(|entry| (entry.path, entry.kind)).collect();
    let mut listed = vec![own];
    for output in &manifest.outputs {
        let path: ShardPath = output.path.as_str().parse().map_err(|why| PackError::Manifest {
            path: dist.join(manifest::FILE_NAME),
            why: format!("it lists `{}`, and that has {why}", output.path),
        })?;
        let (bytes, digest) = (output.bytes, output.digest);
        listed.push(FileRecord { path, bytes, digest, executable: false });
    }
    check_paths(listed.iter().map(|file| &file.path)).map_err(|why| PackError::Manifest {
        path: dist.join(manifest::FILE_NAME),
        why: why.to_string(),
    })?;
    let records = listed.into_iter().map(|listed| record(dist, &mut kinds, listed));
    let mut records = records.collect::<Result<Vec<_>, _>>()?;
    records.sort_by(|a, b| a.path.cmp(&b.path));
    let plain = plain(&manifest, &mut records)?;
    let left_out = kinds.into_iter().filter(|(_, kind)| *kind != TreeKind::Dir);
    Ok(PackPlan {
        dist: dist.to_owned(),
        assets: archives(&manifest, records, &plain, options)?,
        plain,
        manifest,
        left_out: left_out.map(|(path, _)| path).collect(),
        name: options.name.clone(),
        device,
        compression: options.compression,
        level: options.level,
        part_bytes: options.part_bytes,
        workers: options.workers,
    })
}

/// Reads the manifest; gives its own record too, since it does not list itself.
fn read_manifest(dist: &Utf8Path) -> Result<(Manifest, FileRecord), PackError> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let path = dist.join(manifest::FILE_NAME);
    if !files::is_file(&path) {
        return Err(PackError::NoManifest(dist.to_owned()));
    }
    let wrong = |why: String| PackError::Manifest { path: path.clone(), why };
    let text = files::read_at_most(&path, MOST_BYTES).map_err(PackError::Read)?;
    let text = text.ok_or_else(|| wrong(format!("it has more than {MOST_BYTES} bytes")))?;
    let json = |error: serde_json::Error| wrong(error.to_string());
    let Version { schema } = serde_json::from_slice(&text).map_err(json)?;
    if schema != Manifest::SCHEMA {
        let known = Manifest::SCHEMA;
        return Err(wrong(format!("it has schema {schema}, and this version reads {known}")));
    }
    let manifest = serde_json::from_slice(&text).map_err(json)?;
    let own = FileRecord {
        path: manifest::FILE_NAME.parse().map_err(|_| wrong("its name is not valid".to_owned()))?,
        bytes: text.len() as u64,
        digest: Digest::of(&text),
        executable: false,
    };
    Ok((manifest, own))
}

/// Holds a file against what is listed, as far as its size goes, and takes it out of `kinds`.
fn record(
    dist: &Utf8Path,
    kinds: &mut BTreeMap<Utf8PathBuf, TreeKind>,
    listed: FileRecord,
) -> Result<FileRecord, PackError> {
    let path = dist.join(listed.path.as_path());
    match kinds.remove(listed.path.as_path()) {
        None => Err(PackError::Missing(path)),
        Some(TreeKind::File(bytes)) if bytes != listed.bytes => Err(PackError::Changed(path)),
        Some(TreeKind::File(_)) => {
            let executable = stream::is_executable(&path).map_err(PackError::Read)?;
            Ok(FileRecord { executable, ..listed })
        }
        Some(_) => Err(PackError::NotAFile(path)),
    }
}

/// Takes out what others fetch from the release as it is: the file of the package's artifact.
fn plain(
    manifest: &Manifest,
    records: &mut Vec<FileRecord>,
) -> Result<Vec<(AssetName, FileRecord)>, PackError> {
    let Some(artifact) = &manifest.artifact else { return Ok(Vec::new()) };
    let at = records.iter().position(|record| record.path.as_path() == artifact.file);
    let file = at.map(|at| records.remove(at));
    let file = file.ok_or_else(|| PackError::Missing(artifact.file.clone()))?;
    // What a version may have, and no asset.
    let name = artifact.file.file_name().unwrap_or_default().replace('+', ".");
    let name = name.parse().map_err(|why: super::names::NotAName| PackError::Manifest {
        path: manifest::FILE_NAME.into(),
        why: why.to_string(),
    })?;
    Ok(vec![(name, file)])
}

/// Bundled models each in an archive, and all else in the library's.
fn archives(
    manifest: &Manifest,
    records: Vec<FileRecord>,
    plain: &[(AssetName, FileRecord)],
    options: &PackOptions,
) -> Result<Vec<AssetPlan>, PackError> {
    let (package, device) = (&options.name, manifest.device);
    let extension = options.compression.extension();
    let bundled = manifest.models.iter().filter(|model| model.bundled);
    let mut models: Vec<(String, AssetPlan)> = bundled
        .map(|model| {
            let name = AssetName::model(package, device, &model.model_id, extension);
            let prefix = format!("bundle/{}/", model.model_id);
            (prefix, AssetPlan::new(name, Some(model.model_id.clone())))
        })
        .collect();
    let mut library = AssetPlan::new(AssetName::library(package, device, extension), None);
    for record in records {
        let model = models.iter_mut().find(|(prefix, _)| record.path.as_str().starts_with(prefix));
        let archive = model.map_or(&mut library, |(_, archive)| archive);
        archive.bytes = archive.bytes.saturating_add(record.bytes);
        archive.files.push(record);
    }
    let mut archives = vec![library];
    let models = models.into_iter().map(|(_, archive)| archive);
    archives.extend(models.filter(|archive| options.weights && !archive.files.is_empty()));
    let mut names = BTreeSet::new();
    let plain = plain.iter().map(|(name, _)| name);
    for name in archives.iter().map(|archive| &archive.name).chain(plain) {
        if !names.insert(name.as_str().to_ascii_lowercase()) {
            return Err(PackError::Collision(name.clone()));
        }
    }
    Ok(archives)
}

impl AssetPlan {
    fn new(name: AssetName, model_id: Option<ModelId>) -> Self {
        Self { name, model_id, files: Vec::new(), bytes: 0 }
    }
}
