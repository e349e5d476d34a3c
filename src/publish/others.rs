//! What other runs have put into the same release: their lines of `SHA256SUMS` are kept, and another
//! package's assets are not replaced unless somebody asks for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::baseline;
use super::file::{SUMS, sums};
use super::pack::assets::{self, AssetsManifest};
use super::{PublishError, ReleaseFile};
use crate::github::api::{Api, ApiError, Asset, Release};
use crate::io::{atomic, files};
use crate::model::Sha256;

/// The largest `SHA256SUMS` that is read, in bytes: a release has a thousand assets at most.
const MOST_SUMS: u64 = 1 << 20;

/// The digests of a release, as this run and others have them.
pub(super) struct Sums {
    /// Where the file is among those of this run.
    at: usize,
    /// The lines of this run.
    ours: BTreeMap<String, String>,
    /// All that other runs have said: a file of theirs that this run removed, or that a third one
    /// wrote without having seen it, must not take their lines along.
    theirs: BTreeMap<String, String>,
    /// What was read of the release, by the asset's number.
    read: Option<(u64, String)>,
}

/// Whether the file in the release is as it is to be.
pub(super) enum Merged {
    /// It is, and has this number.
    Whole(u64),
    /// It is to be sent, as the file says now.
    ToSend,
}

impl Sums {
    /// Of the files of a run; none if it publishes no `SHA256SUMS`.
    pub(super) fn of(files: &[ReleaseFile]) -> Option<Self> {
        let at = files.iter().position(|file| file.name == SUMS)?;
        Some(Self {
            at,
            ours: lines(&sums(files)).into_iter().collect(),
            theirs: BTreeMap::new(),
            read: None,
        })
    }

    /// Merges the release's file into ours: what it says of other assets that are there stays.
    pub(super) fn merge(
        &mut self,
        api: &Api<'_>,
        there: &BTreeMap<String, Asset>,
        files: &mut [ReleaseFile],
    ) -> Result<Merged, PublishError> {
        let Some(file) = files.get_mut(self.at) else { return Ok(Merged::ToSend) };
        let theirs = there.get(SUMS).filter(|asset| asset.is_uploaded() && asset.size <= MOST_SUMS);
        let mut found = None;
        if let Some(asset) = theirs {
            if asset.digest.as_deref() == Some(&format!("sha256:{}", file.sha256)) {
                return Ok(Merged::Whole(asset.id));
            }
            found = match self.read.take() {
                Some((id, text)) if id == asset.id => Some((asset, text)),
                // None if another run has removed it meanwhile.
                _ => text_of(api, asset, MOST_SUMS)?
                    .map(|text| (asset, String::from_utf8_lossy(&text).into_owned())),
            };
        }
        let said: BTreeMap<_, _> = found.iter().flat_map(|(_, text)| lines(text)).collect();
        self.theirs.extend(said.clone());
        let mut merged = self.ours.clone();
        for (name, digest) in &self.theirs {
            if there.contains_key(name) {
                merged.entry(name.clone()).or_insert_with(|| digest.clone());
            }
        }
        if let Some((asset, text)) = found {
            let digest = Sha256::of(text.as_bytes()).to_string();
            self.read = Some((asset.id, text));
            if merged.iter().all(|(name, digest)| said.get(name) == Some(digest)) {
                (file.bytes, file.sha256) = (asset.size, digest);
                return Ok(Merged::Whole(asset.id));
            }
        }
        if self.theirs.is_empty() {
            return Ok(Merged::ToSend);
        }
        let text: String =
            merged.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
        file.path = files::parent(&file.path).join(format!("{SUMS}.merged"));
        atomic::write(&file.path, text.as_bytes())?;
        (file.bytes, file.sha256) = (text.len() as u64, Sha256::of(text.as_bytes()).to_string());
        Ok(Merged::ToSend)
    }
}

/// The names and digests of a `SHA256SUMS`; what is no line of one is passed over.
fn lines(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (digest, rest) = line.split_once(' ')?;
        let name = rest.strip_prefix([' ', '*'])?;
        let digest: Sha256 = digest.parse().ok()?;
        (!name.is_empty()).then(|| (name.to_owned(), digest.to_string()))
    };
    text.lines().filter_map(line).collect()
}

/// Refuses to replace assets that are another package's: those that its list names, and those of a
/// package of the same name that has none of our models.
pub(super) fn refuse_foreign(
    api: &Api<'_>,
    release: &Release,
    files: &[ReleaseFile],
    replaced: &[&ReleaseFile],
    there: &BTreeMap<String, Asset>,
) -> Result<(), PublishError> {
    let replaced: Vec<_> = replaced.iter().filter(|file| file.name != SUMS).collect();
    if replaced.is_empty() {
        return Ok(());
    }
    let foreign = |name: &str, package: String| PublishError::Foreign {
        name: name.to_owned(),
        tag: release.tag_name.clone(),
        package,
    };
    for file in replaced.iter().filter(|file| file.name.ends_with(baseline::SUFFIX)) {
        let Some(asset) = there.get(&file.name) else { continue };
        let here = files::read_at_most(&file.path, baseline::LIMIT)?.unwrap_or_default();
        let Some(theirs) = text_of(api, asset, baseline::LIMIT)? else { continue };
        let (ours, theirs) = (models(&here), models(&theirs));
        if !ours.is_empty() && !theirs.is_empty() && ours.is_disjoint(&theirs) {
            let models: Vec<_> = theirs.into_iter().collect();
            return Err(foreign(&file.name, format!("a package of {}", models.join(", "))));
        }
    }
    let is_ours = |name: &str| files.iter().any(|file| file.name == name);
    for (name, asset) in there {
        if is_ours(name) || !name.ends_with(assets::SUFFIX) || !asset.is_uploaded() {
            continue;
        }
        let Some(text) = text_of(api, asset, assets::MOST_BYTES)? else { continue };
        let Ok(list) = AssetsManifest::parse(&text) else { continue };
        let parts: BTreeSet<_> = list.parts().map(|part| part.name.as_str()).collect();
        if let Some(file) = replaced.iter().find(|file| parts.contains(file.name.as_str())) {
            return Err(foreign(
                &file.name,
                format!("the package {} that {name} lists", list.package),
            ));
        }
    }
    Ok(())
}

/// The models that a manifest names; none of what is no manifest.
fn models(manifest: &[u8]) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct Manifest {
        models: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        model_id: String,
    }
    let manifest = serde_json::from_slice(manifest).unwrap_or(Manifest { models: Vec::new() });
    manifest.models.into_iter().map(|model| model.model_id).collect()
}

/// The bytes of an asset; none if it is there no more.
fn text_of(api: &Api<'_>, asset: &Asset, limit: u64) -> Result<Option<Vec<u8>>, ApiError> {
    let url = api.address(&["releases", "assets", &asset.id.to_string()])?;
    match api.download(&url, limit) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{lines, models};

    #[test]
    fn lines_of_others_are_read_and_other_text_is_passed_over() {
        let digest = "ab".repeat(32);
        let text = format!("{digest}  a b\n{digest} *c+d\nnonsense\n{digest}\n{digest}  \nxx  y\n");
        let names: Vec<_> = lines(&text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a b", "c+d"]);
    }

    #[test]
    fn what_is_no_manifest_names_no_models() {
        let text = br#"{"schema": 9, "models": [{"model_id": "b", "x": 1}, {"model_id": "a"}]}"#;
        assert_eq!(models(text).into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(models(b"[]").is_empty() && models(b"<html>").is_empty());
    }
}
