use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::kind::{AboutConverted, AboutKit, AboutLibrary, BuildTime, Kind};
use super::{CacheError, CacheRequest};
use crate::binding::{self, KitRecord};
use crate::convert::ConvertedRecord;
use crate::fetch::notes::{self, CachedNote};
use crate::fetch::weights::{self, CachedModel, Content};
use crate::fetch::{Record, Register, SnapshotKey};
use crate::io::{clock, kept_log};
use crate::model::{ByteSize, CompileRecord, Revision};
use crate::store::Entry;

/// What the caches hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CacheList {
    /// Now, in seconds since 1970: what the other times are compared with.
    pub now: u64,
    /// Our cache.
    pub cache_dir: Utf8PathBuf,
    /// The compiled libraries, the last used first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub libraries: Option<Vec<CachedLibrary>>,
    /// The kits of platform bindings, the last used first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kits: Vec<CachedKit>,
    /// The models converted from raw checkpoints, the last used first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub converted: Vec<CachedConverted>,
    /// The bytes of the directories that platform bindings are built in.
    pub build_dirs: ByteSize,
    /// The bytes of logs of failed compilations.
    pub logs: ByteSize,
    /// The bytes that killed processes left.
    pub leftovers: ByteSize,
    /// The Hugging Face cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub_cache: Option<Utf8PathBuf>,
    /// The models of MLC in it, the last used first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<CachedWeights>>,
    /// The bytes of all of them: less than their sum, where commits share files.
    pub weights_bytes: ByteSize,
    /// The Hub's lists of models' files, in our cache.
    pub listings: CachedNotes,
    /// The notes in our cache on which files of models were found right.
    pub notes: CachedNotes,
    /// Why parts of the Hugging Face cache could not be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// How many notes there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CachedNotes {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: ByteSize,
}

impl CachedNotes {
    fn of(notes: &[CachedNote]) -> Self {
        Self { files: notes.len(), bytes: notes.iter().map(|note| ByteSize(note.bytes)).sum() }
    }
}

/// An entry of one of our stores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cached<About, Making = ()> {
    /// The name of its directory in the cache: the beginning of its fingerprint.
    pub fingerprint: String,
    /// That directory.
    pub path: Utf8PathBuf,
    /// What it is; nothing is known of a damaged one.
    #[serde(flatten)]
    pub about: About,
    /// The bytes of its files.
    pub bytes: ByteSize,
    /// How it was made.
    #[serde(flatten)]
    pub making: Making,
    /// When it was made, in seconds since 1970.
    pub created: Option<u64>,
    /// When a build used it last, in seconds since 1970.
    pub last_used: u64,
    /// Why it cannot be used; it is made again when it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

type CachedAs<R> = Cached<<R as Kind>::About, <R as Kind>::Making>;
/// A compiled library.
pub type CachedLibrary = Cached<AboutLibrary>;
/// The kit of a platform binding.
pub type CachedKit = Cached<AboutKit, BuildTime>;
/// A model converted from a raw checkpoint.
pub type CachedConverted = Cached<AboutConverted>;

/// One commit of a model in the Hugging Face cache.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CachedWeights {
    /// `user/repo`.
    pub repo: String,
    /// The commit.
    pub commit: Revision,
    /// Branches and tags that were that commit when they were asked for.
    pub refs: Vec<String>,
    /// The bytes of its files.
    pub bytes: ByteSize,
    /// How many files.
    pub files: usize,
    /// The bytes that we downloaded, and `cache prune` may remove; none if others downloaded it.
    pub downloaded: Option<ByteSize>,
    /// When a build used it last, in seconds since 1970; none if no build of ours did.
    pub last_used: Option<u64>,
}

/// Says what the caches hold.
///
/// # Errors
/// A cache cannot be listed.
pub fn list(request: &CacheRequest) -> Result<CacheList, CacheError> {
    let mut list = CacheList {
        now: clock::seconds_since_1970(),
        cache_dir: request.cache_dir.clone(),
        libraries: None,
        kits: Vec::new(),
        converted: Vec::new(),
        build_dirs: ByteSize::default(),
        logs: ByteSize::default(),
        leftovers: ByteSize::default(),
        hub_cache: None,
        weights: None,
        weights_bytes: ByteSize::default(),
        listings: CachedNotes::default(),
        notes: CachedNotes::default(),
        unreadable: Vec::new(),
    };
    if request.libraries {
        let left = &mut list.leftovers;
        list.libraries = Some(entries::<CompileRecord>(request, left)?);
        list.kits = entries::<KitRecord>(request, left)?;
        list.converted = entries::<ConvertedRecord>(request, left)?;
        let build_dirs = binding::build_dirs(&request.cache_dir)?;
        list.build_dirs = build_dirs.iter().map(|dir| ByteSize(dir.bytes)).sum();
        list.logs = kept_log::all(&request.cache_dir).iter().map(|log| ByteSize(log.bytes)).sum();
    }
    if let Some(hub_cache) = &request.hub_cache {
        let scan = weights::scan(hub_cache)?;
        let register = request.register();
        let records = register.records();
        let ours = |model: &CachedModel| {
            records.iter().find(|record| {
                record.hub_cache == *hub_cache
                    && (record.repo.user(), record.repo.repo())
                        == (model.repo.user(), model.repo.repo())
                    && record.commit == model.commit
            })
        };
        list.weights_bytes = ByteSize(unique_bytes(&scan.models));
        let mut models: Vec<_> = scan
            .models
            .iter()
            .map(|model| cached_weights(hub_cache, model, ours(model), &register))
            .collect();
        models.sort_by_key(|model| std::cmp::Reverse(model.last_used));
        list.weights = Some(models);
        list.listings = CachedNotes::of(&notes::listings(&request.cache_dir, &[])?);
        list.notes = CachedNotes::of(&notes::verified(&request.cache_dir)?);
        list.hub_cache = Some(hub_cache.clone());
        list.unreadable = scan.unreadable;
    }
    Ok(list)
}

/// The entries of one store, the last used first; adds what killed processes left in it.
fn entries<R: Kind>(
    request: &CacheRequest,
    left: &mut ByteSize,
) -> Result<Vec<CachedAs<R>>, CacheError> {
    let store = request.store::<R>();
    let mut entries: Vec<_> = store.entries()?.into_iter().map(cached).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.last_used));
    left.0 += store.leftovers().iter().map(|leftover| leftover.bytes).sum::<u64>();
    Ok(entries)
}

fn cached<R: Kind>(entry: Entry<R>) -> CachedAs<R> {
    let (created, (about, making), damage) = match entry.record {
        Ok(record) => (Some(record.created()), record.about(), None),
        Err(why) => (None, Default::default(), Some(why.to_string())),
    };
    Cached {
        fingerprint: entry.name,
        path: entry.path,
        about,
        bytes: ByteSize(entry.bytes),
        making,
        created,
        last_used: entry.last_used,
        damage,
    }
}

fn cached_weights(
    hub_cache: &camino::Utf8Path,
    model: &CachedModel,
    ours: Option<&Record>,
    register: &Register,
) -> CachedWeights {
    let key = SnapshotKey { hub_cache, repo: &model.repo, commit: &model.commit };
    let last_used = ours.map(|record| record.last_used).or_else(|| register.last_used(key));
    CachedWeights {
        repo: model.repo.to_string(),
        commit: model.commit.clone(),
        refs: model.refs.clone(),
        bytes: ByteSize(model.bytes()),
        files: model.files.len(),
        downloaded: ours.map(|record| ByteSize(record.bytes_there())),
        last_used,
    }
}

/// The bytes of several snapshots, each blob once.
fn unique_bytes(models: &[CachedModel]) -> u64 {
    let mut blobs = BTreeMap::new();
    let mut inline = 0;
    for file in models.iter().flat_map(|model| &model.files) {
        match &file.content {
            Content::Blob { path, bytes } => drop(blobs.insert(path, *bytes)),
            Content::Inline { bytes } => inline += bytes,
            Content::Broken { .. } => {}
        }
    }
    blobs.values().sum::<u64>() + inline
}
