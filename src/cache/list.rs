use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::CacheRequest;
use crate::binding::StoredKit;
use crate::compile::StoredEntry;
use crate::convert::store::{Part, StoredModel};
use crate::error::Error;
use crate::fetch::weights::{self, CachedModel, Content};
use crate::fetch::{Record, Register, SnapshotKey};
use crate::io::stamp;
use crate::model::{ByteSize, CompilerIdentity, Device, KitInputs, LibraryName, Revision, Target};

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
    /// Why parts of the Hugging Face cache could not be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// A compiled library.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CachedLibrary {
    /// The name of its directory in the cache: the beginning of its fingerprint.
    pub fingerprint: String,
    /// That directory.
    pub path: Utf8PathBuf,
    /// The library's name; none if the entry is damaged.
    pub model_lib: Option<LibraryName>,
    /// What it was compiled for.
    pub device: Option<Target>,
    /// The quantization of the model.
    pub quantization: Option<String>,
    /// What compiled it.
    pub compiler: Option<CompilerIdentity>,
    /// The bytes of the entry.
    pub bytes: ByteSize,
    /// When it was compiled, in seconds since 1970.
    pub created: Option<u64>,
    /// When a build used it last, in seconds since 1970.
    pub last_used: u64,
    /// Why it cannot be used; it is compiled again when it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// The kit of a platform binding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CachedKit {
    /// The name of its directory in the cache: the beginning of its fingerprint.
    pub fingerprint: String,
    /// That directory.
    pub path: Utf8PathBuf,
    /// What it was built for; none if it is damaged.
    pub device: Option<Device>,
    /// What it was built from and with.
    pub inputs: Option<KitInputs>,
    /// The bytes of its files.
    pub bytes: ByteSize,
    /// How long it took to build, in seconds.
    pub build_seconds: Option<f64>,
    /// When it was built, in seconds since 1970.
    pub created: Option<u64>,
    /// When a build used it last, in seconds since 1970.
    pub last_used: u64,
    /// Why it cannot be used; it is built again when it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// A model converted from a raw checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CachedConverted {
    /// The name of its directory in the cache: the beginning of its fingerprint.
    pub fingerprint: String,
    /// That directory.
    pub path: Utf8PathBuf,
    /// The checkpoint, as the config named it; none if it is damaged.
    pub model: Option<String>,
    /// The quantization.
    pub quantization: Option<String>,
    /// The conversation template.
    pub conv_template: Option<String>,
    /// Whether it is a whole model or what `gen_config` writes of it.
    pub part: Option<Part>,
    /// Who converted it, `native` or `mlc`.
    pub engine: Option<String>,
    /// The bytes of the entry.
    pub bytes: ByteSize,
    /// When it was converted, in seconds since 1970.
    pub created: Option<u64>,
    /// When a build used it last, in seconds since 1970.
    pub last_used: u64,
    /// Why it cannot be used; it is converted again when it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

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
pub fn list(request: &CacheRequest) -> Result<CacheList, Error> {
    let store = request.store();
    let mut list = CacheList {
        now: stamp::seconds_since_1970(),
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
        unreadable: Vec::new(),
    };
    if request.libraries {
        let mut libraries: Vec<_> = store.entries()?.into_iter().map(library).collect();
        libraries.sort_by_key(|library| std::cmp::Reverse(library.last_used));
        list.libraries = Some(libraries);
        let kits = request.kits();
        list.kits = kits.entries()?.into_iter().map(kit).collect();
        list.kits.sort_by_key(|kit| std::cmp::Reverse(kit.last_used));
        list.build_dirs = kits.build_dirs()?.iter().map(|dir| ByteSize(dir.bytes)).sum();
        list.logs = store.logs().iter().map(|log| ByteSize(log.bytes)).sum();
        let models = request.converted();
        list.converted = models.entries()?.into_iter().map(converted).collect();
        list.converted.sort_by_key(|model| std::cmp::Reverse(model.last_used));
        let of_kits = kits.leftovers().into_iter().map(|(_, bytes)| ByteSize(bytes));
        let of_models = models.leftovers().into_iter().map(|(_, bytes, _)| ByteSize(bytes));
        list.leftovers = store
            .leftovers()
            .iter()
            .map(|left| ByteSize(left.bytes))
            .chain(of_kits)
            .chain(of_models)
            .sum();
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
        list.hub_cache = Some(hub_cache.clone());
        list.unreadable = scan.unreadable;
    }
    Ok(list)
}

fn library(entry: StoredEntry) -> CachedLibrary {
    let (record, damage) = match entry.record {
        Ok(record) => (Some(record), None),
        Err(why) => (None, Some(why)),
    };
    let created = record.as_ref().map(|record| record.created);
    let inputs = record.map(|record| record.inputs);
    CachedLibrary {
        fingerprint: entry.name,
        path: entry.path,
        bytes: ByteSize(entry.bytes),
        created,
        last_used: entry.last_used,
        damage,
        model_lib: inputs.as_ref().map(|inputs| inputs.model_lib.clone()),
        device: inputs.as_ref().map(|inputs| inputs.device.clone()),
        quantization: inputs.as_ref().map(|inputs| inputs.quantization.clone()),
        compiler: inputs.map(|inputs| inputs.compiler),
    }
}

fn kit(stored: StoredKit) -> CachedKit {
    let (record, damage) = match stored.record {
        Ok(record) => (Some(record), None),
        Err(why) => (None, Some(why)),
    };
    CachedKit {
        fingerprint: stored.name,
        path: stored.path,
        bytes: ByteSize(stored.bytes),
        last_used: stored.last_used,
        damage,
        device: record.as_ref().map(|record| record.device),
        build_seconds: record.as_ref().map(|record| record.seconds),
        created: record.as_ref().map(|record| record.created),
        inputs: record.map(|record| record.inputs),
    }
}

fn converted(stored: StoredModel) -> CachedConverted {
    let (record, damage) = match stored.record {
        Ok(record) => (Some(record), None),
        Err(why) => (None, Some(why)),
    };
    CachedConverted {
        fingerprint: stored.name,
        path: stored.path,
        bytes: ByteSize(stored.bytes),
        last_used: stored.last_used,
        damage,
        created: record.as_ref().map(|record| record.created),
        quantization: record.as_ref().map(|record| record.quantization.clone()),
        conv_template: record.as_ref().and_then(|record| record.conv_template.clone()),
        part: record.as_ref().map(|record| record.part),
        engine: record.as_ref().map(|record| record.engine.clone()),
        model: record.map(|record| record.model),
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
