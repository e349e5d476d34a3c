//! What the target `archive` does with bytes: the assets of a release, which anybody may have made,
//! are unpacked. The input holds the list of assets and the archive's tar, or its compressed bytes
//! too; digests and sizes, which no mutation finds, are put right.

use std::collections::BTreeMap;
use std::io::Write as _;

use mlc_package::github::api::ApiOptions;
use mlc_package::io::cancel::Cancel;
use mlc_package::model::{Digest, Sha256};
use mlc_package::publish::pack::assets::AssetsManifest;
use mlc_package::publish::pack::sums;
use mlc_package::publish::unpack::{Source, UnpackError, UnpackRequest, unpack};
use mlc_package::stage_error::StageError as _;
use serde_json::{Value, json};

use super::tar::with_true_checksums;
use crate::place::{Kind, Place, Tree, tree};
use crate::sections::Sections;

const LIST: &str = "chat-android-assets.json";

/// Says whether a package came out of it, at least with all that can be put right.
pub(crate) fn run(input: &[u8]) -> bool {
    let sections = Sections::of(input);
    let list = sections.get("list").unwrap_or_default();
    let archive = sections.get("archive").unwrap_or_default();
    let own_sums = sections.get("SHA256SUMS");
    if let Ok(parsed) = AssetsManifest::parse(list) {
        let text = parsed.to_json().expect("JSON");
        assert_eq!(AssetsManifest::parse(text.as_bytes()), Ok(parsed), "the same again");
    }
    let unpacked = unpacks(list, archive, own_sums);
    let Ok(mut value) = serde_json::from_slice::<Value>(list) else { return unpacked };
    let tar = with_true_checksums(archive);
    // A stream of the input's own is no compressor's work.
    let packed = match sections.get("packed") {
        Some(packed) => packed.to_vec(),
        None => compressed(&tar, value["compression"] == "gzip"),
    };
    put_right(&mut value, &tar, &packed);
    let list = value.to_string();
    let true_sums = own_sums.map(|_| format!("{}  {LIST}\n", Sha256::of(list.as_bytes())));
    unpacks(list.as_bytes(), &packed, true_sums.as_deref().map(str::as_bytes)) | unpacked
}

/// Unpacks what lies beside such a list, into a `dist/` that holds a file and a link that leads out.
fn unpacks(list: &[u8], archive: &[u8], own_sums: Option<&[u8]>) -> bool {
    let place = Place::with(&["outside", "packed", "dist"]);
    place.write("outside/canary", b"as it was");
    place.write("dist/before.txt", b"as it was");
    #[cfg(unix)]
    fs_err::os::unix::fs::symlink("../outside", place.path("dist/link")).expect("a link");
    place.write(&format!("packed/{LIST}"), list);
    let part = |value: &Value| value["name"].as_str().map(str::to_owned);
    let value: Value = serde_json::from_slice(list).unwrap_or_default();
    let parts = value.pointer("/archives/0/parts").and_then(Value::as_array);
    // Cut as the list has it.
    let mut rest = archive;
    for record in parts.into_iter().flatten().take(20) {
        let Some(name) = part(record).filter(|name| !name.contains(['/', '\0'])) else { continue };
        let bytes = record["bytes"].as_u64().and_then(|bytes| usize::try_from(bytes).ok());
        let (here, after) = rest.split_at(bytes.unwrap_or(rest.len()).min(rest.len()));
        rest = after;
        if name.len() < 200 && !matches!(name.as_str(), "" | "." | ".." | LIST) {
            place.write(&format!("packed/{name}"), here);
        }
    }
    if let Some(sums) = own_sums {
        place.write("packed/SHA256SUMS", sums);
        let _ = sums::digest_of(&String::from_utf8_lossy(sums), LIST);
    }
    let before = tree(&place.path(""));
    let result = unpack(&request(&place), &Cancel::default(), &|_| {});
    let after = tree(&place.path(""));
    match result {
        Err(error) => {
            assert_eq!(after, before, "nothing is written: {error}");
            refused(&error);
            false
        }
        Ok(list) => {
            exactly(&list, before, after);
            true
        }
    }
}

fn request(place: &Place) -> UnpackRequest {
    let url = |text: &str| Some(text.to_owned());
    UnpackRequest {
        source: Source::File(place.path("packed").join(LIST)),
        output: place.path("dist"),
        github: ApiOptions::without_repository(&|_| url("https://github.invalid")).expect("one"),
    }
}

fn refused(error: &UnpackError) {
    assert!(!error.to_string().is_empty());
    assert!(error.help().is_none_or(|help| !help.is_empty()));
}

/// `dist/` is what it was and what the list says, and nothing else has changed.
fn exactly(list: &AssetsManifest, mut before: Tree, mut after: Tree) {
    let mut bytes = 0;
    for file in list.archives.iter().flat_map(|archive| &archive.files) {
        let path = format!("dist/{}", file.path);
        before.remove(&path);
        let Some(Kind::File(found)) = after.remove(&path) else { panic!("no {path}") };
        assert_eq!(found.len() as u64, file.bytes, "{path}");
        assert_eq!(Digest::of(&found), file.digest, "{path}");
        bytes += file.bytes;
        for (end, _) in path.match_indices('/') {
            let dir = &path[..end];
            assert!(matches!(before.remove(dir), None | Some(Kind::Dir)), "{dir}");
            assert!(matches!(after.remove(dir), None | Some(Kind::Dir)), "{dir}");
        }
    }
    assert_eq!(bytes, list.unpacked_bytes());
    assert_eq!(after, before);
}

fn compressed(tar: &[u8], gzip: bool) -> Vec<u8> {
    if gzip {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(tar).expect("memory takes all");
        return encoder.finish().expect("memory takes all");
    }
    zstd::encode_all(tar, 1).expect("memory takes all")
}

/// Makes the list true of its first archive, where it says something at all: sizes and digests, of
/// the files too that the tar holds under a name of the list.
fn put_right(list: &mut Value, tar: &[u8], packed: &[u8]) {
    let held = files_of(tar);
    let Some(Value::Object(archive)) = list.pointer_mut("/archives/0") else { return };
    let mut rest = packed;
    let parts = archive.get("parts").and_then(Value::as_array).map_or(1, Vec::len).max(1);
    let each = packed.len().div_ceil(parts);
    for part in archive.get_mut("parts").and_then(Value::as_array_mut).into_iter().flatten() {
        let (here, after) = rest.split_at(each.min(rest.len()));
        rest = after;
        if let Some(part) = part.as_object_mut() {
            part.insert("bytes".into(), here.len().into());
            part.insert("sha256".into(), Sha256::of(here).to_string().into());
        }
    }
    for file in archive.get_mut("files").and_then(Value::as_array_mut).into_iter().flatten() {
        let path = file.get("path").and_then(Value::as_str).map(str::as_bytes);
        // Of a longer name the header has the beginning.
        let bytes = path.and_then(|path| held.get(path.get(..100).unwrap_or(path)));
        if let (Some(bytes), Some(file)) = (bytes, file.as_object_mut()) {
            file.insert("bytes".into(), bytes.len().into());
            file.insert("digest".into(), Digest::of(bytes).to_string().into());
        }
    }
    archive.insert("bytes".into(), packed.len().into());
    archive.insert("sha256".into(), json!(Sha256::of(packed)));
    archive.insert("tar_bytes".into(), tar.len().into());
}

/// The regular files of a tar with short names, as far as they can be told.
fn files_of(tar: &[u8]) -> BTreeMap<&[u8], &[u8]> {
    let mut files = BTreeMap::new();
    let mut rest = tar;
    while let Some((header, after)) = rest.split_at_checked(512) {
        let text =
            |field: &[u8]| String::from_utf8_lossy(field).trim_matches(['\0', ' ']).to_owned();
        let size = usize::from_str_radix(&text(&header[124..136]), 8).unwrap_or_default();
        let Some(bytes) = after.get(..size) else { break };
        let end = header[..100].iter().position(|byte| *byte == 0).unwrap_or(100);
        files.insert(&header[..end], bytes);
        let padded = size.div_ceil(512) * 512;
        rest = after.get(padded..).unwrap_or_default();
    }
    files
}
