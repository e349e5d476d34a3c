//! What a job of GitHub Actions keeps for the next run: keys and paths for `actions/cache`. All of
//! it follows from plans, one of each package that the job makes.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{Plan, PlannedLibrary};
use crate::model::{Digest, Fingerprint, ModelSource};
use crate::store::Bucket;

/// Begins every key, so that people can tell their caches apart and give them up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

/// Why a text cannot begin a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key's beginning has 1 to 100 characters of A-Z a-z 0-9 . _ -")]
pub struct KeyPrefixError;

impl FromStr for KeyPrefix {
    type Err = KeyPrefixError;

    fn from_str(text: &str) -> Result<Self, KeyPrefixError> {
        // GitHub takes keys of up to 512 characters without commas.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match (1..=100).contains(&text.len()) && text.chars().all(plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(KeyPrefixError),
        }
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One entry of GitHub's cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CacheEntry {
    /// Its name, which says everything about what is in it.
    pub key: String,
    /// The beginnings of the names of entries that are of some use, the most useful first.
    pub restore_keys: Vec<String>,
    /// What is in it. The paths are part of an entry's identity: those of an entry that others
    /// are restored for must not depend on the plan.
    pub paths: Vec<Utf8PathBuf>,
}

/// How the names of entries begin that hold the manifests of packages; a commit ends them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManifestKeys {
    /// That of this run.
    pub key: String,
    /// Those of entries that hold something to compare with, the most useful first.
    pub restore_keys: Vec<String>,
}

/// The libraries of the plans.
///
/// The key is made of their fingerprints, so that the same libraries are the same entry on every
/// branch. An entry with other libraries of the same devices is useful too: most of them are
/// those of before.
pub fn libraries(plans: &[&Plan], prefix: &KeyPrefix, cache_dir: &Utf8Path) -> CacheEntry {
    let mut prints = fingerprints(plans);
    prints.sort();
    let devices = devices(plans);
    let family = |devices: &str| format!("{prefix}-libs-{devices}-");
    let own = family(&devices.join(TOGETHER));
    let key = format!("{own}{}", digest(&prints));
    let mut restore_keys = vec![own];
    if devices.len() > 1 {
        restore_keys.extend(devices.iter().map(|device| family(device)));
    }
    CacheEntry { key, restore_keys, paths: vec![Bucket::LIBRARIES.path(cache_dir)] }
}

/// The kits of the platform bindings; none where no binding is made, or nothing is known of it. A
/// kit of other inputs is of no use.
pub fn kits(plans: &[&Plan], prefix: &KeyPrefix, cache_dir: &Utf8Path) -> Option<CacheEntry> {
    let with_kit = |plan: &&&Plan| plan.binding.as_ref().is_some_and(|it| it.fingerprint.is_some());
    let bound: Vec<&Plan> = plans.iter().filter(with_kit).copied().collect();
    let prints = bound.iter().filter_map(|plan| plan.binding.as_ref()?.fingerprint);
    let mut prints: Vec<_> = prints.map(Fingerprint::dir_name).collect();
    prints.sort();
    prints.dedup();
    let name = match prints.as_slice() {
        [] => return None,
        [one] => one.clone(),
        several => digest(several),
    };
    Some(CacheEntry {
        key: format!("{prefix}-kit-{}-{name}", devices(&bound).join(TOGETHER)),
        restore_keys: Vec::new(),
        paths: vec![Bucket::KITS.path(cache_dir)],
    })
}

/// Where the manifests of packages are. Each has its plan and its config's path from the
/// repository's root, which tells the packages of a repository apart. `choice` says which of them
/// were asked for, in which project.
///
/// The name of several packages' entry leaves out which they are: when the project gets another,
/// those of before still have something to be compared with.
pub fn manifests(
    packages: &[(&Plan, Utf8PathBuf)],
    choice: &[String],
    prefix: &KeyPrefix,
) -> ManifestKeys {
    let alone = packages.iter().map(|(plan, config)| {
        format!("{prefix}-manifest-{}-{}-", plan.device, digest(&[config.to_string()]))
    });
    let mut restore_keys: Vec<_> = alone.collect();
    if packages.len() != 1 {
        restore_keys.insert(0, format!("{prefix}-manifests-{}-", digest(choice)));
        restore_keys.truncate(MOST_RESTORE_KEYS);
    }
    ManifestKeys { key: restore_keys.first().cloned().unwrap_or_default(), restore_keys }
}

/// The weights that are bundled: models of the Hub, and converted ones, whose checkpoints are not
/// needed any more; none if there are none. Without restore keys: an entry with another model
/// would drag that along for good.
pub fn weights(plans: &[&Plan], prefix: &KeyPrefix, cache_dir: &Utf8Path) -> Option<CacheEntry> {
    let (mut hub, mut converted) = (Vec::new(), Vec::new());
    for model in plans.iter().flat_map(|plan| &plan.models) {
        let Some(bundle) = &model.bundle else { continue };
        match (&model.conversion, &model.source, &model.commit) {
            (Some(conversion), _, _) => {
                let fingerprint = conversion.fingerprint.dir_name();
                converted.extend(bundle.dir.parent().map(|dir| (fingerprint, dir)));
            }
            (None, ModelSource::Hub(_), Some(commit)) => {
                hub.extend(repository(&bundle.dir).map(|dir| (commit.clone(), dir)));
            }
            (None, _, _) => {}
        }
    }
    for models in [&mut hub, &mut converted] {
        models.sort();
        models.dedup();
    }
    if hub.is_empty() && converted.is_empty() {
        return None;
    }
    let mut names: Vec<_> = hub
        .iter()
        .map(|(commit, dir)| format!("{}@{commit}", dir.file_name().unwrap_or_default()))
        .collect();
    names.extend(converted.iter().map(|(fingerprint, _)| format!("converted {fingerprint}")));
    // Two commits of one repository are in one directory.
    let mut seen = HashSet::new();
    let dirs = hub.iter().map(|(_, dir)| *dir).filter(|dir| seen.insert(*dir));
    let mut paths: Vec<_> = dirs.map(Utf8Path::to_owned).collect();
    if !hub.is_empty() {
        // The register says that these files are ours, and the listings what they must be.
        paths.extend([Bucket::WEIGHTS, Bucket::LISTINGS].map(|bucket| bucket.path(cache_dir)));
    }
    paths.extend(converted.iter().map(|(_, dir)| (*dir).to_owned()));
    Some(CacheEntry {
        key: format!("{prefix}-weights-{}", digest(&names)),
        restore_keys: Vec::new(),
        paths,
    })
}

/// A model's directory in the Hugging Face cache, from that of one snapshot of it.
fn repository(snapshot: &Utf8Path) -> Option<&Utf8Path> {
    let snapshots = snapshot.parent().filter(|dir| dir.file_name() == Some("snapshots"))?;
    snapshots.parent()
}

/// The libraries that the packages need and the store can have, by their names in it, each once.
pub fn fingerprints(plans: &[&Plan]) -> Vec<String> {
    let all = plans.iter().flat_map(|plan| &plan.libraries).filter_map(PlannedLibrary::fingerprint);
    let mut seen = HashSet::new();
    all.filter(|fingerprint| seen.insert(*fingerprint)).map(Fingerprint::dir_name).collect()
}

/// The devices of the plans, each once, by name.
pub fn devices(plans: &[&Plan]) -> Vec<String> {
    let all: BTreeSet<_> = plans.iter().map(|plan| plan.device.to_string()).collect();
    all.into_iter().collect()
}

/// `actions/cache/restore` asks for at most ten keys, and refuses to ask for more; the first is the
/// entry's own.
const MOST_RESTORE_KEYS: usize = 9;

/// Stands between devices. It is in no device's name, so that no family of keys begins as another.
const TOGETHER: &str = ".";

/// 128 bits say which entry it is; nobody gains anything from a collision in their own cache.
fn digest(names: &[String]) -> String {
    Fingerprint(Digest::of(names.join("\n").as_bytes())).dir_name()
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
