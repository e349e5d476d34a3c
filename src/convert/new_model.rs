use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::ConvertError;
use super::store::{ConvertedRecord, ConvertedStore, LOG, MODEL, RECORD, RecordedFile, listed};
use crate::io::dir::{self, TemporaryDir};
use crate::io::in_use::InUse;
use crate::io::lock::Lock;
use crate::io::{atomic, digest, files, kept_log, stamp};
use crate::model::Fingerprint;

const ENTRY: &str = "entry";

/// An entry in the making. Dropped without [`commit`](Self::commit), it leaves no trace.
#[derive(Debug)]
pub struct NewModel {
    store: ConvertedStore,
    fingerprint: Fingerprint,
    // Before the lock: whoever gets the lock next must not find the directory.
    space: TemporaryDir,
    _lock: Lock,
}

/// What an entry is, for people.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// Whether it is all of a model.
    pub part: Part,
    /// The checkpoint, as the config or the command line names it.
    pub model: &'a str,
    /// The quantization's name.
    pub quantization: &'a str,
    /// The conversation template's name; none if only weights were converted.
    pub conv_template: Option<&'a str>,
    /// Who converted, `native` or `mlc`.
    pub engine: &'a str,
    /// Why that one did.
    pub why: &'a str,
    /// How long that took.
    pub seconds: f64,
}

/// How much of a model an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All of it.
    #[default]
    Model,
    /// What `gen_config` writes: `mlc-chat-config.json` and the tokenizer.
    Config,
}

impl NewModel {
    pub(super) fn new(
        store: &ConvertedStore,
        fingerprint: Fingerprint,
        space: TemporaryDir,
        lock: Lock,
    ) -> std::io::Result<Self> {
        files::create_dir_all(&space.path().join(ENTRY).join(MODEL))?;
        files::create_dir_all(&space.path().join("empty"))?;
        Ok(Self { store: store.clone(), fingerprint, space, _lock: lock })
    }

    /// The empty directory that the model is to be written to.
    pub fn model_dir(&self) -> Utf8PathBuf {
        self.space.path().join(ENTRY).join(MODEL)
    }

    /// The file for whatever a program prints that converts. It stays beside the model.
    pub fn log(&self) -> Utf8PathBuf {
        self.space.path().join(ENTRY).join(LOG)
    }

    /// An empty directory for a program to run in.
    pub fn scratch(&self) -> Utf8PathBuf {
        self.space.path().join("empty")
    }

    /// Where the checkpoint is shown to a program. Nothing is there.
    pub fn checkpoint_view(&self) -> Utf8PathBuf {
        self.space.path().join("checkpoint")
    }

    /// The same of weights that are elsewhere.
    pub fn source_view(&self) -> Utf8PathBuf {
        self.space.path().join("source")
    }

    /// Keeps the log of a failed conversion, where it can be kept; gives its new path.
    pub fn keep_log(&self, name: &str) -> Option<Utf8PathBuf> {
        kept_log::keep(&self.log(), files::parent(self.store.home()), name)
    }

    /// Puts the entry into the store, in the place of one that may be there.
    pub fn commit(self, made: &Made<'_>) -> Result<InUse, ConvertError> {
        let commit = || {
            let home = self.model_dir();
            let mut recorded = Vec::new();
            for (path, bytes) in listed(&home)? {
                let (digest, _) = digest::file(&home.join(&path))?;
                recorded.push(RecordedFile { path, bytes, digest });
            }
            let record = ConvertedRecord {
                fingerprint: self.fingerprint,
                part: made.part,
                model: made.model.to_owned(),
                quantization: made.quantization.to_owned(),
                conv_template: made.conv_template.map(str::to_owned),
                engine: made.engine.to_owned(),
                why: made.why.to_owned(),
                created: stamp::seconds_since_1970(),
                seconds: made.seconds,
                files: recorded,
            };
            let new = self.space.path().join(ENTRY);
            atomic::write_unsynced(&new.join(RECORD), &serde_json::to_vec_pretty(&record)?)?;
            let entry = self.store.entry(self.fingerprint);
            if files::exists(&entry) {
                dir::rename(&entry, &self.space.path().join("replaced"))?;
            }
            dir::publish(&new, &entry)?;
            // Nobody removes it before: the lock of its makers is held.
            Ok(self.store.hold(self.fingerprint).unwrap_or_default())
        };
        commit().map_err(|source| self.store.error(source))
    }
}
