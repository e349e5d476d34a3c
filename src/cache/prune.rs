use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::kind::Kind;
use super::{CacheError, CacheRequest, short};
use crate::binding::{self, BuildDir, KitRecord};
use crate::convert::ConvertedRecord;
use crate::fetch::notes::{self, CachedNote, NoteKind};
use crate::fetch::{Pruned, Pruner, Record};
use crate::io::cancel::Cancel;
use crate::io::outside::{holds_mount, leads_out};
use crate::io::{clock, files, kept_log};
use crate::model::{Age, ByteSize, CompileRecord};
use crate::store::{Bucket, Entry, Prune, Removal};
use crate::ui::Ui;

/// Logs of failed compilations are looked at soon or never, in seconds.
const LOG_AGE: Age = Age(30 * 24 * 3600);
/// What is noted of models that nobody has used for so long, in seconds.
const NOTE_AGE: Age = Age(90 * 24 * 3600);

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
    /// The Hub's list of a model's files.
    Listing,
    /// Which files of a model were found right.
    Note,
}

/// Removes what is of no use, and what the request lets go: the longest unused first. What leads out
/// of the cache is not entered, and a warning says so.
///
/// # Errors
/// A cache cannot be listed or written to, or somebody asked to stop. What is gone is gone.
pub fn prune(
    request: &CacheRequest,
    what: &PruneRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<PruneResult, CacheError> {
    let register = request.register();
    let mut pruner = Pruner::new(&register, what.dry_run);
    let mut result = PruneResult {
        now: clock::seconds_since_1970(),
        dry_run: what.dry_run,
        ..PruneResult::default()
    };
    let away = buckets_away(&request.cache_dir, ui)?;
    let is_ours = |bucket: &Bucket| !away.contains(bucket.dir);
    let mut candidates = Vec::new();
    if request.libraries {
        if is_ours(&Bucket::LIBRARIES) {
            candidates.extend(in_store::<CompileRecord>(request, what, &mut result, ui)?);
        }
        if is_ours(&Bucket::KITS) {
            candidates.extend(in_store::<KitRecord>(request, what, &mut result, ui)?);
        }
        if is_ours(&Bucket::CONVERTED) {
            candidates.extend(in_store::<ConvertedRecord>(request, what, &mut result, ui)?);
        }
        if is_ours(&Bucket::BUILD_DIRS) {
            candidates.extend(binding::build_dirs(&request.cache_dir)?.into_iter().map(build_dir));
        }
        if is_ours(&Bucket::LOGS) {
            remove_logs(&request.cache_dir, what, &mut result)?;
        }
    }
    if let Some(hub_cache) = request.hub_cache.as_ref().filter(|_| is_ours(&Bucket::WEIGHTS)) {
        let records = register.records();
        let others = records.iter().map(|record| &*record.hub_cache);
        let hub_caches: Vec<_> = std::iter::once(&**hub_cache).chain(others).collect();
        let mut notes = Vec::new();
        if is_ours(&Bucket::VERIFIED) {
            notes.extend(notes::verified(&request.cache_dir)?);
        }
        if is_ours(&Bucket::LISTINGS) {
            notes.extend(notes::listings(&request.cache_dir, &hub_caches)?);
        }
        remove_notes(notes, what, &mut result)?;
        let records = records.into_iter().filter(|it| it.hub_cache == *hub_cache);
        candidates.extend(records.map(download));
    }
    // What is useless goes first: nobody can use it.
    candidates.sort_by_key(|candidate| (!candidate.is_useless, candidate.last_used));
    result.left = candidates.iter().map(|candidate| candidate.bytes).sum();
    for candidate in candidates {
        if cancel.is_cancelled() {
            return Err(CacheError::Interrupted);
        }
        let age = Age(result.now.saturating_sub(candidate.last_used));
        let is_old = what.older_than.is_some_and(|limit| age >= limit);
        let is_too_much = what.max_size.is_some_and(|limit| result.left > limit);
        let library = candidate.library.as_ref().zip(what.keep.as_ref());
        let is_unwanted = library.is_some_and(|(library, keep)| !keep.contains(library));
        if !candidate.is_useless && !is_old && !is_too_much && !is_unwanted {
            continue;
        }
        let item = |bytes| RemovedItem {
            kind: candidate.kind,
            name: candidate.name.clone(),
            bytes,
            last_used: Some(candidate.last_used),
        };
        match (candidate.remove)(&mut pruner, what.dry_run)? {
            // A record of weights that were removed already is no news.
            Became::Removed(ByteSize(0)) if candidate.kind == RemovedKind::Weights => {}
            Became::Removed(freed) => {
                result.freed.0 += freed.0;
                result.left.0 = result.left.0.saturating_sub(candidate.bytes.0);
                result.removed.push(item(freed));
            }
            Became::InUse => result.in_use.push(item(candidate.bytes)),
            Became::Away(path) => warn_away(&path, ui),
        }
    }
    Ok(result)
}

/// The buckets in whose place something else is. Their entries are somebody else's.
fn buckets_away(cache_dir: &Utf8Path, ui: &Ui) -> Result<BTreeSet<&'static str>, CacheError> {
    let mut away = BTreeSet::new();
    for bucket in Bucket::ALL.iter().filter(|bucket| bucket.prune != Prune::Nothing) {
        let dir = bucket.path(cache_dir);
        // Nothing is removed without the locks, and they are not made elsewhere.
        for place in [dir.clone(), dir.join(".locks"), dir.join(".used")] {
            if let Some(how) = leads_out(&place)? {
                ui.warn(&format!("`{place}` is {how}: nothing is removed from `{dir}`"));
                away.insert(bucket.dir);
                break;
            }
        }
    }
    Ok(away)
}

fn warn_away(path: &Utf8Path, ui: &Ui) {
    ui.warn(&format!("`{path}` leads out of the cache, by a link or a mount: it is not removed"));
}

/// Something that can be used again.
struct Candidate {
    kind: RemovedKind,
    name: String,
    bytes: ByteSize,
    last_used: u64,
    /// Nobody can use it: a damaged library, or weights that others have removed.
    is_useless: bool,
    /// The name in the store, of a library.
    library: Option<String>,
    /// Removes it, or pretends to.
    remove: Box<Removing>,
}

type Removing = dyn FnOnce(&mut Pruner<'_>, bool) -> Result<Became, CacheError>;

/// What became of a candidate.
enum Became {
    /// It is gone, and freed so much.
    Removed(ByteSize),
    InUse,
    /// Another place would have been entered: it stays.
    Away(Utf8PathBuf),
}

/// Removes something of our cache, unless something else is mounted there.
fn removed(
    path: &Utf8Path,
    bytes: u64,
    remove: impl FnOnce() -> Result<Removal, CacheError>,
) -> Result<Became, CacheError> {
    if holds_mount(path)? {
        return Ok(Became::Away(path.to_owned()));
    }
    Ok(match remove()? {
        Removal::Removed => Became::Removed(ByteSize(bytes)),
        Removal::InUse => Became::InUse,
    })
}

/// Removes what killed processes left in a store, and gives its entries.
fn in_store<R: Kind + 'static>(
    request: &CacheRequest,
    what: &PruneRequest,
    result: &mut PruneResult,
    ui: &Ui,
) -> Result<Vec<Candidate>, CacheError> {
    let store = request.store::<R>();
    for leftover in store.leftovers() {
        if holds_mount(&leftover.path)? {
            warn_away(&leftover.path, ui);
            continue;
        }
        if !what.dry_run {
            leftover.remove()?;
        }
        result.useless(RemovedKind::Leftover, name_of(&leftover.path), leftover.bytes);
    }
    let candidate = |entry: Entry<R>| {
        let (kind, name) = match &entry.record {
            Ok(record) => (R::REMOVED, record.title()),
            Err(_) => (R::DAMAGED, entry.name.clone()),
        };
        let store = store.clone();
        Candidate {
            kind,
            name,
            bytes: ByteSize(entry.bytes),
            last_used: entry.last_used,
            is_useless: entry.record.is_err(),
            library: (R::REMOVED == RemovedKind::Library).then(|| entry.name.clone()),
            remove: Box::new(move |_, dry_run| {
                removed(&entry.path, entry.bytes, || Ok(store.remove(&entry, dry_run)?))
            }),
        }
    };
    Ok(store.entries()?.into_iter().map(candidate).collect())
}

fn build_dir(dir: BuildDir) -> Candidate {
    Candidate {
        kind: RemovedKind::BuildDir,
        name: dir.name.clone(),
        bytes: ByteSize(dir.bytes),
        last_used: dir.last_used,
        is_useless: false,
        library: None,
        remove: Box::new(move |_, dry_run| {
            removed(&dir.path, dir.bytes, || Ok(dir.remove(dry_run)?))
        }),
    }
}

fn download(record: Record) -> Candidate {
    let bytes = record.bytes_there();
    Candidate {
        kind: RemovedKind::Weights,
        name: format!("{} at {}", record.repo, short(record.commit.as_str())),
        bytes: ByteSize(bytes),
        last_used: record.last_used,
        is_useless: bytes == 0,
        library: None,
        remove: Box::new(move |pruner, _| {
            Ok(match pruner.remove(&record)? {
                Pruned::Removed { freed } => Became::Removed(ByteSize(freed)),
                Pruned::InUse => Became::InUse,
                Pruned::Away(path) => Became::Away(path),
            })
        }),
    }
}

fn name_of(path: &Utf8Path) -> &str {
    path.file_name().unwrap_or(path.as_str())
}

fn remove_logs(
    cache_dir: &Utf8Path,
    what: &PruneRequest,
    result: &mut PruneResult,
) -> Result<(), CacheError> {
    let limit = what.older_than.unwrap_or(LOG_AGE);
    for log in kept_log::all(cache_dir) {
        if Age(result.now.saturating_sub(log.written)) < limit {
            continue;
        }
        if !what.dry_run {
            files::remove_file(&log.path)?;
        }
        result.useless(RemovedKind::Log, name_of(&log.path), log.bytes);
    }
    Ok(())
}

/// Removes what is noted of models that are not there any more, or that nobody used for long.
fn remove_notes(
    notes: Vec<CachedNote>,
    what: &PruneRequest,
    result: &mut PruneResult,
) -> Result<(), CacheError> {
    let limit = what.older_than.unwrap_or(NOTE_AGE);
    for note in notes {
        if !note.is_orphan && Age(result.now.saturating_sub(note.last_used)) < limit {
            continue;
        }
        if !what.dry_run {
            files::remove_file(&note.path)?;
        }
        let kind = match note.kind {
            NoteKind::Verified => RemovedKind::Note,
            NoteKind::Listing => RemovedKind::Listing,
        };
        result.useless(kind, &note.name, note.bytes);
    }
    Ok(())
}

impl PruneResult {
    /// Counts something that is of no use to anybody.
    fn useless(&mut self, kind: RemovedKind, name: &str, bytes: u64) {
        self.freed.0 += bytes;
        self.removed.push(RemovedItem {
            kind,
            name: name.to_owned(),
            bytes: ByteSize(bytes),
            last_used: None,
        });
    }
}
