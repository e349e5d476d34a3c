//! What a job of GitHub Actions keeps for the next run, and what it may share out: keys and paths
//! for `actions/cache`, and a job matrix. All of it follows from plans.

use std::fmt;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{Origin, Plan};
use crate::model::{Digest, Fingerprint, ModelId, ModelSource};

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
    /// The beginning of the names of entries that are of some use, where there is any.
    pub restore_key: Option<String>,
    /// What is in it. The paths are part of an entry's identity: those of an entry that others
    /// are restored for must not depend on the plan.
    pub paths: Vec<Utf8PathBuf>,
}

/// The libraries of a plan.
///
/// The key is made of their fingerprints, so that the same libraries are the same entry on every
/// branch. An entry with other libraries of the same device is useful too: most of them are
/// those of before.
pub fn libraries(plan: &Plan, prefix: &KeyPrefix, cache_dir: &Utf8Path) -> CacheEntry {
    let mut prints = fingerprints(plan);
    prints.sort();
    let family = format!("{prefix}-libs-{}-", plan.device);
    CacheEntry {
        key: format!("{family}{}", digest(&prints)),
        restore_key: Some(family),
        paths: vec![cache_dir.join("libs")],
    }
}

/// The kit of the platform binding; none where no binding is made, or nothing is known of it. A
/// kit of other inputs is of no use.
pub fn kit(plan: &Plan, prefix: &KeyPrefix, cache_dir: &Utf8Path) -> Option<CacheEntry> {
    let fingerprint = plan.binding.as_ref()?.fingerprint?;
    Some(CacheEntry {
        key: format!("{prefix}-kit-{}-{}", plan.device, fingerprint.dir_name()),
        restore_key: None,
        paths: vec![cache_dir.join("kits")],
    })
}

/// How the keys of a package's manifests begin; a commit ends them. `config` is its config's path
/// from the repository's root: what tells the packages of a repository apart.
pub fn manifests(plan: &Plan, prefix: &KeyPrefix, config: &Utf8Path) -> String {
    format!("{prefix}-manifest-{}-{}-", plan.device, digest(&[config.to_string()]))
}

/// The bundled models of the Hub; none if there are none. Without a `restore_key`: an entry with
/// another model would drag that along for good.
pub fn weights(plan: &Plan, prefix: &KeyPrefix, cache_dir: &Utf8Path) -> Option<CacheEntry> {
    let mut models: Vec<_> = plan
        .models
        .iter()
        .filter(|model| matches!(model.source, ModelSource::Hub(_)))
        .filter_map(|model| Some((model.commit.clone()?, repository(&model.bundle.as_ref()?.dir)?)))
        .collect();
    models.sort();
    models.dedup();
    if models.is_empty() {
        return None;
    }
    let names: Vec<_> = models
        .iter()
        .map(|(commit, dir)| format!("{}@{commit}", dir.file_name().unwrap_or_default()))
        .collect();
    let mut paths: Vec<_> = models.into_iter().map(|(_, dir)| dir).collect();
    paths.dedup();
    // The register says that these files are ours, and the listings what they must be.
    paths.extend(["weights", "hub-listings"].map(|name| cache_dir.join(name)));
    Some(CacheEntry {
        key: format!("{prefix}-weights-{}", digest(&names)),
        restore_key: None,
        paths,
    })
}

/// A model's directory in the Hugging Face cache, from that of one snapshot of it.
fn repository(snapshot: &Utf8Path) -> Option<Utf8PathBuf> {
    let snapshots = snapshot.parent().filter(|dir| dir.file_name() == Some("snapshots"))?;
    snapshots.parent().map(Utf8Path::to_owned)
}

/// The libraries that a plan's package needs and the store can have, by their names in it.
pub fn fingerprints(plan: &Plan) -> Vec<String> {
    plan.libraries.iter().filter_map(fingerprint_of).map(Fingerprint::dir_name).collect()
}

fn fingerprint_of(library: &super::PlannedLibrary) -> Option<Fingerprint> {
    match &library.origin {
        Origin::Compiled { fingerprint, .. } => Some(*fingerprint),
        Origin::Prepared { .. } => None,
    }
}

/// 128 bits say which entry it is; nobody gains anything from a collision in their own cache.
fn digest(names: &[String]) -> String {
    Fingerprint(Digest::of(names.join("\n").as_bytes())).dir_name()
}

/// Jobs that compile what the store lacks, in the form of `strategy.matrix`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The jobs.
    pub include: Vec<MatrixJob>,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixJob {
    /// What people see.
    pub name: String,
    /// Its number, from 1: fit for the name of an artifact.
    pub job: usize,
    /// The models whose libraries it compiles, one a line: no `model_id` has a line break.
    pub only: String,
}

impl Matrix {
    /// The most jobs of one matrix.
    /// <https://docs.github.com/actions/reference/limits>
    pub const MOST: usize = 256;

    /// Shares the libraries that have to be compiled out to at most `most` jobs.
    pub fn new(plan: &Plan, most: usize) -> Self {
        let models: Vec<&ModelId> = plan
            .libraries
            .iter()
            .filter(|library| library.is_miss())
            .filter_map(|library| library.models.first())
            .collect();
        let jobs = models.len().min(most.clamp(1, Self::MOST));
        let include = (0..jobs).map(|job| {
            let share: Vec<&str> =
                models.iter().skip(job).step_by(jobs).map(|model| model.as_str()).collect();
            let name = match share.as_slice() {
                [one] => (*one).to_owned(),
                [first, rest @ ..] => format!("{first} and {} more", rest.len()),
                [] => String::new(),
            };
            MatrixJob { name, job: job + 1, only: share.join("\n") }
        });
        Self { include: include.collect() }
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
