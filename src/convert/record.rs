//! What the store has of a converted model.
//!
//! ```text
//! <cache-dir>/converted/<fingerprint>/model/        the model directory
//!                                    /record.json   what it was made from, and its files
//!                                    /convert.log   what Python said, if it converted
//! ```

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::io::clock;
use crate::model::{Digest, Fingerprint, ShardPath};
use crate::store::{Bucket, NewEntry, Note, Record, RecordedFile, Store, StoreError, Stored};

const MODEL: &str = "model";
pub(super) const LOG: &str = "convert.log";
/// The most that the note of a checkpoint's files may hold in bytes: one has some hundred files.
const SOURCE_LIMIT: u64 = 16 << 20;

/// The converted models of one cache directory.
pub type ConvertedStore = Store<ConvertedRecord>;
/// A converted model in the store.
pub type StoredModel = Stored<ConvertedRecord>;
/// A converted model in the making.
pub(super) type NewModel = NewEntry<ConvertedRecord>;

/// What an entry was made from, and what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvertedRecord {
    /// Everything that can change it.
    pub fingerprint: Fingerprint,
    /// Whether it is all of a model.
    #[serde(default)]
    pub part: Extent,
    /// The checkpoint, as the config or the command line names it.
    pub model: String,
    /// The quantization's name.
    pub quantization: String,
    /// The conversation template's name; none if only weights were converted.
    pub conv_template: Option<String>,
    /// Who converted, `native` or `mlc`.
    #[serde(default)]
    pub engine: String,
    /// Why that one did.
    #[serde(default)]
    pub why: String,
    /// When it was converted, in seconds since 1970.
    pub created: u64,
    /// How long that took.
    pub seconds: f64,
    pub(super) files: Vec<ConvertedFile>,
}

/// How much of a model an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// All of it.
    #[default]
    Model,
    /// What `gen_config` writes: `mlc-chat-config.json` and the tokenizer.
    Config,
}

/// A file of a converted model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ConvertedFile {
    path: Utf8PathBuf,
    bytes: u64,
    digest: Digest,
}

impl ConvertedRecord {
    /// The digests of its files. All of them have names that a model's files can have.
    pub fn into_digests(self) -> BTreeMap<ShardPath, Digest> {
        let files = self.files.into_iter();
        files.filter_map(|file| Some((file.path.as_str().parse().ok()?, file.digest))).collect()
    }
}

impl Record for ConvertedRecord {
    const BUCKET: &'static Bucket = &Bucket::CONVERTED;
    const NAME: &'static str = "model";
    const WHOLE_DIR: Option<&'static str> = Some(MODEL);
    /// Configs and indexes have fewer bytes, shards of real models more.
    const SMALL: u64 = 1 << 20;

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn created(&self) -> u64 {
        self.created
    }

    fn files(&self) -> Vec<RecordedFile<'_>> {
        self.files
            .iter()
            .map(|file| RecordedFile { path: &file.path, bytes: file.bytes, digest: file.digest })
            .collect()
    }
}

impl ConvertedStore {
    /// Where the model of a fingerprint is, or will be.
    pub fn model_dir(&self, fingerprint: Fingerprint) -> Utf8PathBuf {
        self.path(fingerprint).join(MODEL)
    }

    /// What the program said that converted the model, if it was one.
    pub fn log(&self, fingerprint: Fingerprint) -> Utf8PathBuf {
        self.path(fingerprint).join(LOG)
    }

    /// Where the digests of a local checkpoint are remembered.
    pub fn source_note(&self, checkpoint: &Utf8Path) -> Note {
        let mut name = Digest::of(checkpoint.as_str().as_bytes()).to_hex();
        name.truncate(32);
        let home = Bucket::SOURCES.path(self.cache_dir());
        Note::new(home.join(format!("{name}.json")), SOURCE_LIMIT)
    }
}

impl StoredModel {
    /// The model directory.
    pub fn model_dir(&self) -> Utf8PathBuf {
        self.dir.join(MODEL)
    }
}

impl NewModel {
    /// The empty directory that the model is to be written to.
    pub(super) fn model_dir(&self) -> Utf8PathBuf {
        self.dir().join(MODEL)
    }

    /// The file for whatever a program prints that converts. It stays beside the model.
    pub(super) fn log(&self) -> Utf8PathBuf {
        self.dir().join(LOG)
    }

    /// Where the checkpoint is shown to a program. Nothing is there.
    pub(super) fn checkpoint_copy(&self) -> Utf8PathBuf {
        self.beside("checkpoint")
    }

    /// The same of weights that are elsewhere.
    pub(super) fn source_view(&self) -> Utf8PathBuf {
        self.beside("source")
    }

    /// Puts the model into the store, with the files that it has now.
    pub(super) fn keep(self, record: ConvertedRecord) -> Result<StoredModel, StoreError> {
        let files = self.measure_all(MODEL)?.into_iter();
        let files = files.map(|(path, bytes, digest)| ConvertedFile { path, bytes, digest });
        let (files, created) = (files.collect(), clock::seconds_since_1970());
        self.commit(ConvertedRecord { created, files, ..record })
    }
}
