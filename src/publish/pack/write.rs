//! The archives of a plan, in a staging directory.

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};

use super::archive::{TarError, write_tar};
use super::assets::{ArchiveRecord, AssetsManifest, PartRecord, PlainRecord};
use super::compress::Encoder;
use super::split::{PartWriter, Parts, part_path};
use super::{AssetName, AssetPlan, PackError, PackPlan, record, sums};
use crate::io::cancel::Cancel;
use crate::io::lock::Lock;
use crate::io::{atomic, digest, files, sha256, sync};
use crate::model::Sha256;

/// Where parts are while they are made, in a staging directory.
const UNFINISHED: &str = ".packing";

/// What happens while a package is packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackEvent<'a> {
    /// Another process packs into the same directory; it is waited for.
    Waiting,
    /// An archive is there from an earlier run.
    Kept {
        /// Its name.
        name: &'a AssetName,
    },
    /// An archive begins.
    Started {
        /// Its name.
        name: &'a AssetName,
        /// The size of its files in bytes.
        bytes: u64,
    },
    /// So much of its files is in it.
    Progress {
        /// Its name.
        name: &'a AssetName,
        /// The bytes.
        bytes_so_far: u64,
    },
    /// An archive is whole and in its place.
    Finished {
        /// Its name.
        name: &'a AssetName,
        /// Its size in bytes.
        bytes: u64,
    },
}

/// One file to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its name.
    pub name: AssetName,
    /// Where it is.
    pub path: Utf8PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Sha256,
}

/// A package that is packed.
#[derive(Clone, Debug)]
pub struct PackedAssets {
    /// All files to publish: the archives or their parts, files that are assets as they are, the list
    /// of them, `SHA256SUMS` last.
    pub assets: Vec<Asset>,
    /// The list.
    pub list: AssetsManifest,
}

/// Packs a package into `staging`, a directory that only this package is packed into; it is made
/// if there is none. An archive that an earlier run made there from the same files is kept.
pub fn write(
    plan: &PackPlan,
    staging: &Utf8Path,
    cancel: &Cancel,
    events: &dyn Fn(PackEvent<'_>),
) -> Result<PackedAssets, PackError> {
    let failed = |error| PackError::write(staging, error);
    record::prepare(staging).map_err(failed)?;
    let lock = Lock::acquire(&staging.join(".lock"), cancel, || events(PackEvent::Waiting));
    let Some(_lock) = lock.map_err(failed)? else { return Err(PackError::Interrupted) };
    let archives = plan.assets.iter().map(|asset| archive(plan, asset, staging, cancel, events));
    let archives: Result<Vec<_>, _> = archives.collect();
    let cleared = files::remove_dir_all(&staging.join(UNFINISHED));
    let archives = archives?;
    cleared.map_err(failed)?;
    let parts = archives.iter().flat_map(|archive| &archive.parts).map(|part| Asset {
        name: part.name.clone(),
        path: staging.join(part.name.as_str()),
        bytes: part.bytes,
        sha256: part.sha256,
    });
    let mut assets: Vec<_> = parts.collect();
    let mut plain = Vec::new();
    for (name, file) in &plan.plain {
        let path = plan.dist.join(file.path.as_path());
        let (digest, bytes) = digest::file(&path).map_err(PackError::Read)?;
        let (sha256, _) = sha256::file(&path).map_err(PackError::Read)?;
        if (digest, bytes) != (file.digest, file.bytes) {
            return Err(PackError::Changed(path));
        }
        assets.push(Asset { name: name.clone(), path, bytes, sha256 });
        let asset = PartRecord { name: name.clone(), bytes, sha256 };
        plain.push(PlainRecord { asset, file: file.clone() });
    }
    let list = AssetsManifest::new(&plan.name, plan.device, plan.compression, archives, plain);
    let name = AssetName::assets(&plan.name, plan.device);
    assets.push(small(staging, name, &list.to_json()?)?);
    let text = sums::text(&assets);
    assets.push(small(staging, AssetName::sums(), &text)?);
    Ok(PackedAssets { assets, list })
}

/// Writes an asset of a few lines.
fn small(staging: &Utf8Path, name: AssetName, text: &str) -> Result<Asset, PackError> {
    let path = staging.join(name.as_str());
    atomic::write(&path, text.as_bytes()).map_err(|error| PackError::write(&path, error))?;
    let sha256 = Sha256::of(text.as_bytes());
    Ok(Asset { name, path, bytes: text.len() as u64, sha256 })
}

/// Packs one archive, unless it is there.
fn archive(
    plan: &PackPlan,
    asset: &AssetPlan,
    staging: &Utf8Path,
    cancel: &Cancel,
    events: &dyn Fn(PackEvent<'_>),
) -> Result<ArchiveRecord, PackError> {
    let name = &asset.name;
    let input = record::input(plan, asset)?;
    if let Some(archive) = record::kept(staging, name, input) {
        events(PackEvent::Kept { name });
        return Ok(archive);
    }
    events(PackEvent::Started { name, bytes: asset.bytes });
    let failed = |error| PackError::write(staging.join(name.as_str()), error);
    // Also what a killed run left.
    let dir = staging.join(UNFINISHED);
    files::remove_dir_all(&dir).map_err(failed)?;
    files::create_dir_all(&dir).map_err(failed)?;
    let mut progress = |bytes_so_far| events(PackEvent::Progress { name, bytes_so_far });
    let packed = compress(plan, asset, &dir, cancel, &mut progress);
    let (tar_bytes, Parts { parts, whole }) = packed.map_err(|error| match error {
        TarError::Package(error) => error,
        TarError::Write(error) => failed(error),
    })?;
    if parts.len() > PackError::MOST_PARTS {
        return Err(PackError::TooManyParts(name.clone()));
    }
    record::forget(staging, name).map_err(failed)?;
    sync::tree(&dir).map_err(failed)?;
    let cut = parts.len() > 1;
    let mut records = Vec::new();
    for (number, (bytes, sha256)) in (1..).zip(parts) {
        let name = if cut { name.part(number) } else { name.clone() };
        let place = staging.join(name.as_str());
        files::rename(&part_path(&dir, number), &place).map_err(failed)?;
        records.push(PartRecord { name, bytes, sha256 });
    }
    sync::dir(staging).map_err(failed)?;
    let bytes = records.iter().map(|part| part.bytes).sum();
    events(PackEvent::Finished { name, bytes });
    let archive = ArchiveRecord {
        name: name.clone(),
        model_id: asset.model_id.clone(),
        bytes,
        sha256: whole,
        tar_bytes,
        parts: records,
        files: asset.files.clone(),
    };
    record::keep(staging, input, archive)
}

/// files -> tar -> compressor -> parts; gives the size of the tar, and the parts.
fn compress(
    plan: &PackPlan,
    asset: &AssetPlan,
    dir: &Utf8Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64),
) -> Result<(u64, Parts), TarError> {
    let writer = PartWriter::new(dir, plan.part_bytes).map_err(TarError::Write)?;
    let encoder = Encoder::new(plan.compression, plan.level, plan.workers, writer);
    let out = Counting { inner: encoder.map_err(TarError::Write)?, bytes: 0 };
    let Counting { inner, bytes } = write_tar(&plan.dist, &asset.files, out, cancel, progress)?;
    let parts = inner.finish().and_then(PartWriter::finish).map_err(TarError::Write)?;
    Ok((bytes, parts))
}

/// Counts what is written.
struct Counting<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buf)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
