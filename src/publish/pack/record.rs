//! What a staging directory holds already, so that it is not packed again.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::assets::{ArchiveRecord, FileRecord};
use super::{AssetName, AssetPlan, Compression, PackError, PackPlan};
use crate::io::file_stamp::FileStamp;
use crate::io::{atomic, file_stamp, files};
use crate::model::Digest;

/// Where the records are, in a staging directory.
const DIR: &str = ".packed";

/// The largest record that is read, in bytes.
const MOST_BYTES: u64 = 32 << 20;

/// An archive that was packed.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The digest of all that its bytes depend on.
    input: Digest,
    archive: ArchiveRecord,
    /// What the file system said of its parts.
    stamps: Vec<FileStamp>,
}

/// All that an archive's bytes depend on.
#[derive(Serialize)]
struct Input<'a> {
    /// The compressors are a part of it.
    tool: &'static str,
    name: &'a AssetName,
    compression: Compression,
    level: u8,
    part_bytes: u64,
    files: &'a [FileRecord],
}

/// Makes the directory of records.
pub(super) fn prepare(staging: &Utf8Path) -> std::io::Result<()> {
    files::create_dir_all(&staging.join(DIR))
}

/// The digest of what an archive will be made from.
pub(super) fn input(plan: &PackPlan, asset: &AssetPlan) -> Result<Digest, PackError> {
    let input = Input {
        tool: env!("CARGO_PKG_VERSION"),
        name: &asset.name,
        compression: plan.compression,
        level: plan.level.get(),
        part_bytes: plan.part_bytes,
        files: &asset.files,
    };
    Ok(Digest::of(&serde_json::to_vec(&input)?))
}

/// The archive, if it was packed from this input and nobody touched its parts since.
pub(super) fn kept(staging: &Utf8Path, name: &AssetName, input: Digest) -> Option<ArchiveRecord> {
    let record = read(staging, name)?;
    let stamps = record.archive.parts.iter().map(|part| {
        let found = file_stamp::of(&staging.join(part.name.as_str())).ok()?;
        found.filter(|_| files::is_file(&staging.join(part.name.as_str())))
    });
    let stamps: Option<Vec<_>> = stamps.collect();
    (record.input == input && stamps? == record.stamps).then_some(record.archive)
}

/// Removes what an earlier run packed under this name.
pub(super) fn forget(staging: &Utf8Path, name: &AssetName) -> std::io::Result<()> {
    if let Some(record) = read(staging, name) {
        for part in &record.archive.parts {
            files::remove_file(&staging.join(part.name.as_str()))?;
        }
    }
    files::remove_file(&path(staging, name))
}

/// Records an archive whose parts are in their places.
pub(super) fn keep(
    staging: &Utf8Path,
    input: Digest,
    archive: ArchiveRecord,
) -> Result<ArchiveRecord, PackError> {
    let path = path(staging, &archive.name);
    let failed = |error| PackError::write(&path, error);
    let mut stamps = Vec::new();
    for part in &archive.parts {
        let part = staging.join(part.name.as_str());
        let gone = || std::io::Error::from(std::io::ErrorKind::NotFound);
        stamps
            .push(file_stamp::of(&part).and_then(|stamp| stamp.ok_or_else(gone)).map_err(failed)?);
    }
    let record = Record { input, archive, stamps };
    atomic::write(&path, &serde_json::to_vec(&record)?).map_err(failed)?;
    Ok(record.archive)
}

fn read(staging: &Utf8Path, name: &AssetName) -> Option<Record> {
    // A record that cannot be read is none: the archive is packed again.
    let text = files::read_at_most(&path(staging, name), MOST_BYTES).ok()??;
    serde_json::from_slice(&text).ok()
}

fn path(staging: &Utf8Path, name: &AssetName) -> Utf8PathBuf {
    staging.join(DIR).join(format!("{name}.json"))
}
