use std::collections::BTreeSet;

use camino::Utf8Path;
use serde::Serialize;

use super::CacheRequest;
use crate::binding::{BuildDir, KitStore, StoredKit};
use crate::compile::{Removal, Store, StoredEntry};
use crate::convert::store::{ConvertedStore, StoredModel};
use crate::error::Error;
use crate::fetch::{Pruned, Pruner, Record};
use crate::io::cancel::Cancel;
use crate::io::files;
use crate::io::stamp;
use crate::model::{Age, ByteSize};

/// Logs of failed compilations are looked at soon or never, in seconds.
const LOG_AGE: Age = Age(30 * 24 * 3600);

/// What may go.
#[derive(Clone, Debug, Default)]
pub struct PruneRequest {
    /// The libraries to keep, by their names in the store: all others go, whatever their age.
    pub keep: Option<BTreeSet<String>>,
    /// Whatever was not used for so long.
    pub older_than: Option<Age>,
    /// What was used longest ago, until the rest is no larger.
    pub max_size: Option<ByteSize>,
    /// Whether nothing is removed.
    pub dry_run: bool,
}

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PruneResult {
    /// Now, in seconds since 1970.
    pub now: u64,
    /// Whether nothing was removed.
    pub dry_run: bool,
    /// What was removed, the longest unused first.
    pub removed: Vec<RemovedItem>,
    /// What should have been, but is used by a process that runs now.
    pub in_use: Vec<RemovedItem>,
    /// The bytes that were freed.
    pub freed: ByteSize,
    /// The bytes of libraries and downloaded weights that stay.
    pub left: ByteSize,
}

/// Something that was removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RemovedItem {
    /// What it is.
    pub kind: RemovedKind,
    /// Its name.
    pub name: String,
    /// The bytes that are freed with it.
    pub bytes: ByteSize,
    /// When it was used last, in seconds since 1970; none for what is of no use.
    pub last_used: Option<u64>,
}

/// The kinds of things that are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemovedKind {
    /// What a killed process left.
    Leftover,
    /// The log of a failed compilation.
    Log,
    /// A compiled library that cannot be used.
    DamagedLibrary,
    /// A compiled library.
    Library,
    /// The kit of a platform binding that cannot be used.
    DamagedKit,
    /// The kit of a platform binding.
    Kit,
    /// A converted model that cannot be used.
    DamagedModel,
    /// A model converted from a raw checkpoint.
    Model,
    /// A directory that a platform binding was built in.
    BuildDir,
    /// What we downloaded of a model.
    Weights,
}

/// Removes what is of no use, and what the request lets go: the longest unused first.
///
/// # Errors
/// A cache cannot be listed or written to, or somebody asked to stop. What is gone is gone.
pub fn prune(
    request: &CacheRequest,
    what: &PruneRequest,
    cancel: &Cancel,
) -> Result<PruneResult, Error> {
    let (store, kits, models) = (request.store(), request.kits(), request.converted());
    let register = request.register();
    let mut pruner = Pruner::new(&register, what.dry_run);
    let mut result = PruneResult {
        now: stamp::seconds_since_1970(),
        dry_run: what.dry_run,
        ..PruneResult::default()
    };
    let mut candidates = Vec::new();
    if request.libraries {
        sweep(&store, &kits, &models, what, &mut result)?;
        candidates
            .extend(store.entries()?.into_iter().map(|entry| Candidate::Library(Box::new(entry))));
        candidates.extend(kits.entries()?.into_iter().map(|kit| Candidate::Kit(Box::new(kit))));
        candidates.extend(models.entries()?.into_iter().map(|m| Candidate::Model(Box::new(m))));
        candidates.extend(kits.build_dirs()?.into_iter().map(Candidate::BuildDir));
    }
    if let Some(hub_cache) = &request.hub_cache {
        let records = register.records().into_iter();
        let here = records.filter(|record| record.hub_cache == *hub_cache);
        candidates.extend(here.map(Candidate::Weights));
    }
    // What is useless goes first: nobody can use it.
    candidates.sort_by_key(|candidate| (!candidate.is_useless(), candidate.last_used()));
    result.left = candidates.iter().map(Candidate::bytes).sum();
    for candidate in &candidates {
        if cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let age = Age(result.now.saturating_sub(candidate.last_used()));
        let is_old = what.older_than.is_some_and(|limit| age >= limit);
        let is_too_much = what.max_size.is_some_and(|limit| result.left > limit);
        let is_unwanted = what.keep.as_ref().is_some_and(|keep| !candidate.is_one_of(keep));
        if !candidate.is_useless() && !is_old && !is_too_much && !is_unwanted {
            continue;
        }
        let freed = remove(candidate, (&store, &kits, &models), &mut pruner, what.dry_run)?;
        let mut item = candidate.item();
        match freed {
            // A record of what was removed already is no news.
            Some(ByteSize(0)) if matches!(candidate, Candidate::Weights(_)) => {}
            Some(freed) => {
                item.bytes = freed;
                result.freed.0 += freed.0;
                result.left.0 = result.left.0.saturating_sub(candidate.bytes().0);
                result.removed.push(item);
            }
            None => result.in_use.push(item),
        }
    }
    Ok(result)
}

/// Something that can be used again.
enum Candidate {
    Library(Box<StoredEntry>),
    Kit(Box<StoredKit>),
    Model(Box<StoredModel>),
    BuildDir(BuildDir),
    Weights(Record),
}

impl Candidate {
    fn bytes(&self) -> ByteSize {
        ByteSize(match self {
            Self::Library(entry) => entry.bytes,
            Self::Kit(kit) => kit.bytes,
            Self::Model(model) => model.bytes,
            Self::BuildDir(dir) => dir.bytes,
            Self::Weights(record) => record.bytes_there(),
        })
    }

    fn last_used(&self) -> u64 {
        match self {
            Self::Library(entry) => entry.last_used,
            Self::Kit(kit) => kit.last_used,
            Self::Model(model) => model.last_used,
            Self::BuildDir(dir) => dir.last_used,
            Self::Weights(record) => record.last_used,
        }
    }

    /// Nobody can use it: a damaged library, or weights that others have removed.
    fn is_useless(&self) -> bool {
        match self {
            Self::Library(entry) => entry.record.is_err(),
            Self::Kit(kit) => kit.record.is_err(),
            Self::Model(model) => model.record.is_err(),
            Self::BuildDir(_) => false,
            Self::Weights(record) => record.bytes_there() == 0,
        }
    }

    /// Whether a list of libraries has it, or is not about it.
    fn is_one_of(&self, libraries: &BTreeSet<String>) -> bool {
        match self {
            Self::Library(entry) => libraries.contains(&entry.name),
            Self::Kit(_) | Self::Model(_) | Self::BuildDir(_) | Self::Weights(_) => true,
        }
    }

    fn item(&self) -> RemovedItem {
        let (kind, name) = match self {
            Self::Library(entry) => match &entry.record {
                Ok(record) => (RemovedKind::Library, record.inputs.model_lib.to_string()),
                Err(_) => (RemovedKind::DamagedLibrary, entry.name.clone()),
            },
            Self::Kit(kit) => match &kit.record {
                Ok(record) => (RemovedKind::Kit, format!("{} binding", record.device)),
                Err(_) => (RemovedKind::DamagedKit, kit.name.clone()),
            },
            Self::Model(model) => match &model.record {
                Ok(record) => {
                    (RemovedKind::Model, format!("{} in {}", record.model, record.quantization))
                }
                Err(_) => (RemovedKind::DamagedModel, model.name.clone()),
            },
            Self::BuildDir(dir) => (RemovedKind::BuildDir, dir.name.clone()),
            Self::Weights(record) => {
                let commit = record.commit.as_str();
                let commit = commit.get(..12).unwrap_or(commit);
                (RemovedKind::Weights, format!("{} at {commit}", record.repo))
            }
        };
        RemovedItem { kind, name, bytes: self.bytes(), last_used: Some(self.last_used()) }
    }
}

/// Removes one, or pretends to; gives the bytes that this frees, or none if it is in use.
fn remove(
    candidate: &Candidate,
    (store, kits, models): (&Store, &KitStore, &ConvertedStore),
    pruner: &mut Pruner<'_>,
    dry_run: bool,
) -> Result<Option<ByteSize>, Error> {
    match candidate {
        Candidate::Library(entry) => {
            let is_in_use = match dry_run {
                true => store.is_in_use(entry),
                false => store.remove(entry)? == Removal::InUse,
            };
            Ok((!is_in_use).then_some(ByteSize(entry.bytes)))
        }
        Candidate::Kit(kit) => {
            let is_in_use = match dry_run {
                true => kits.is_in_use(kit),
                false => !kits.remove(kit)?,
            };
            Ok((!is_in_use).then_some(ByteSize(kit.bytes)))
        }
        Candidate::Model(model) => {
            Ok(models.remove(model, dry_run)?.then_some(ByteSize(model.bytes)))
        }
        Candidate::BuildDir(dir) => Ok(dir.remove(dry_run)?.then_some(ByteSize(dir.bytes))),
        Candidate::Weights(record) => match pruner.remove(record)? {
            Pruned::Removed { freed } => Ok(Some(ByteSize(freed))),
            Pruned::InUse => Ok(None),
        },
    }
}

/// Removes what is of no use to anybody.
fn sweep(
    store: &Store,
    kits: &KitStore,
    models: &ConvertedStore,
    what: &PruneRequest,
    result: &mut PruneResult,
) -> Result<(), Error> {
    let name = |path: &Utf8Path| path.file_name().unwrap_or(path.as_str()).to_owned();
    let mut left = Vec::new();
    for leftover in store.leftovers() {
        if !what.dry_run {
            leftover.remove()?;
        }
        left.push((leftover.path.clone(), leftover.bytes));
    }
    for (path, bytes) in kits.leftovers() {
        if !what.dry_run {
            files::remove_dir_all(&path)?;
        }
        left.push((path, bytes));
    }
    for (path, bytes, _lock) in models.leftovers() {
        if !what.dry_run {
            files::remove_dir_all(&path)?;
        }
        left.push((path, bytes));
    }
    for (path, bytes) in left {
        result.freed.0 += bytes;
        result.removed.push(RemovedItem {
            kind: RemovedKind::Leftover,
            name: name(&path),
            bytes: ByteSize(bytes),
            last_used: None,
        });
    }
    let limit = what.older_than.unwrap_or(LOG_AGE);
    for log in store.logs() {
        if Age(result.now.saturating_sub(log.written)) < limit {
            continue;
        }
        if !what.dry_run {
            files::remove_file(&log.path)?;
        }
        result.freed.0 += log.bytes;
        result.removed.push(RemovedItem {
            kind: RemovedKind::Log,
            name: name(&log.path),
            bytes: ByteSize(log.bytes),
            last_used: None,
        });
    }
    Ok(())
}
