//! A raw checkpoint, in a directory or on the Hub, and what stands for its content.

use std::sync::{Arc, OnceLock};

use camino::{Utf8Path, Utf8PathBuf};

use super::JobError;
use crate::convert::engine::is_config;
use crate::convert::source;
use crate::convert::weights::Quantized;
use crate::convert::{ConvertError, ConvertedStore};
use crate::fetch::package::{ModelsError, of_model, show};
use crate::fetch::{FetchError, HubCheckpoint, HubModels, checkpoint_files};
use crate::io::cancel::Cancel;
use crate::io::{dir, files};
use crate::model::{ByteSize, Digest, HubRepo, ModelId, ShardPath};
use crate::ui::{Transfer, Ui};

/// The files of a checkpoint: their paths in it, and where they are.
pub(super) type Files = Vec<(ShardPath, Utf8PathBuf)>;

/// A checkpoint, wherever it is.
pub(super) struct Checkpoint {
    /// The model of a package that it becomes, for errors.
    model_id: Option<ModelId>,
    place: Place,
}

enum Place {
    Directory {
        dir: Utf8PathBuf,
        /// Of all its files, once somebody has asked.
        digest: OnceLock<Digest>,
    },
    Hub {
        hub: Arc<HubModels>,
        repo: HubRepo,
        found: HubCheckpoint,
    },
}

impl Checkpoint {
    /// A checkpoint in a directory.
    pub(super) fn directory(dir: Utf8PathBuf, model_id: Option<ModelId>) -> Self {
        Self { model_id, place: Place::Directory { dir, digest: OnceLock::new() } }
    }

    /// A checkpoint on the Hub: asks which commit and which files that is. Weights `must` be among
    /// them, unless they are elsewhere.
    pub(super) fn on_hub(
        hub: &Arc<HubModels>,
        repo: &HubRepo,
        must: bool,
        model_id: Option<ModelId>,
    ) -> Result<Self, ModelsError> {
        let found = hub.checkpoint(repo, must).map_err(told(model_id.as_ref()))?;
        let (hub, repo) = (Arc::clone(hub), repo.clone());
        Ok(Self { model_id, place: Place::Hub { hub, repo, found } })
    }

    fn told(&self) -> impl Fn(FetchError) -> ModelsError {
        told(self.model_id.as_ref())
    }

    /// Its repository's name, which may say what it is.
    pub(super) fn repo_name(&self) -> Option<&str> {
        match &self.place {
            Place::Directory { .. } => None,
            Place::Hub { repo, .. } => Some(repo.repo()),
        }
    }

    /// Its commit; none of a directory.
    pub(super) fn commit(&self) -> Option<String> {
        match &self.place {
            Place::Directory { .. } => None,
            Place::Hub { found, .. } => Some(found.commit.to_string()),
        }
    }

    /// What stands for its content: the digest of all its files, or repository and commit.
    pub(super) fn identity(
        &self,
        store: &ConvertedStore,
        cancel: &Cancel,
    ) -> Result<String, JobError> {
        match &self.place {
            Place::Hub { repo, found, .. } => Ok(format!("{repo}@{}", found.commit)),
            Place::Directory { dir, digest } => {
                let known = match digest.get() {
                    Some(known) => *known,
                    None => {
                        let found = self.digest_of(dir, store, cancel)?;
                        *digest.get_or_init(|| found)
                    }
                };
                Ok(known.to_string())
            }
        }
    }

    /// The same of its configs and its tokenizer.
    pub(super) fn identity_of_configs(
        &self,
        store: &ConvertedStore,
        cancel: &Cancel,
    ) -> Result<String, JobError> {
        let dir = match &self.place {
            Place::Directory { dir, .. } => files::canonical(dir)?,
            Place::Hub { .. } => return self.identity(store, cancel),
        };
        let mut found = checkpoint_files(&dir).map_err(self.told())?;
        found.retain(|(path, _)| is_config(path));
        Ok(source::digest(&found, &store.source_note(&dir.join("configs")), cancel)?.to_string())
    }

    fn digest_of(
        &self,
        dir: &Utf8Path,
        store: &ConvertedStore,
        cancel: &Cancel,
    ) -> Result<Digest, JobError> {
        let dir = files::canonical(dir)?;
        let found = checkpoint_files(&dir).map_err(self.told())?;
        Ok(source::digest(&found, &store.source_note(&dir), cancel)?)
    }

    /// Whoever wrote to the checkpoint meanwhile may have left half of this and half of that. Only
    /// what was digested can be told to have changed.
    pub(super) fn refuse_changed(
        &self,
        store: &ConvertedStore,
        cancel: &Cancel,
    ) -> Result<(), JobError> {
        let Place::Directory { dir, digest } = &self.place else { return Ok(()) };
        match digest.get() {
            Some(before) if self.digest_of(dir, store, cancel)? != *before => {
                Err(ConvertError::Changed { checkpoint: dir.clone() }.into())
            }
            _ => Ok(()),
        }
    }

    /// The names of its files, here or not. What lies in directories is none of a conversion's.
    pub(super) fn names(&self) -> Result<Vec<String>, JobError> {
        Ok(match &self.place {
            Place::Directory { dir, .. } => dir::names(dir)?,
            Place::Hub { found, .. } => found.paths().map(ToString::to_string).collect(),
        })
    }

    /// Where it is; of one from the Hub only configs and tokenizer are there, unless `whole`.
    pub(super) fn dir(&self, whole: bool, ui: &Ui) -> Result<Utf8PathBuf, ModelsError> {
        let (hub, repo, found) = match &self.place {
            Place::Directory { dir, .. } => return Ok(dir.clone()),
            Place::Hub { hub, repo, found } => (hub, repo, found),
        };
        let (count, bytes) = if whole { hub.checkpoint_missing(repo, found) } else { (0, 0) };
        if count > 0 && !hub.is_offline() {
            let bytes = ByteSize(bytes);
            let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
            ui.status("Downloading", &format!("{repo}: {bytes} in {files}"));
        }
        let transfer = Transfer::new(ui, bytes);
        let dir = match whole {
            true => hub.fetch_checkpoint(repo, found, &|event| show(&transfer, event)),
            false => hub.checkpoint_configs(repo, found, &|event| show(&transfer, event)),
        };
        dir.map_err(self.told())
    }

    /// The configs and the tokenizer, and of a `whole` checkpoint the weights.
    pub(super) fn files(&self, whole: bool, ui: &Ui) -> Result<Files, ModelsError> {
        let dir = self.dir(whole, ui)?;
        match &self.place {
            Place::Directory { .. } => checkpoint_files(&dir).map_err(self.told()),
            Place::Hub { found, .. } => {
                let placed = found.paths().map(|path| (path.clone(), dir.join(path.as_str())));
                Ok(placed.filter(|(_, place)| files::is_file(place)).collect())
            }
        }
    }

    /// Whether its weights are quantized, by the names and the types of its tensors: of one on the Hub
    /// the beginnings of its files are asked for. None also where that is not known before all is
    /// here.
    pub(super) fn quantized(&self) -> Result<Option<Quantized>, ModelsError> {
        let (hub, repo, found) = match &self.place {
            // What cannot be read is told by the conversion.
            Place::Directory { dir, .. } => {
                return Ok(Quantized::in_directory(dir).unwrap_or_default());
            }
            Place::Hub { hub, repo, found } => (hub, repo, found),
        };
        let names = found.paths().map(ShardPath::as_str);
        let files: Vec<_> = names.filter(|name| name.ends_with(".safetensors")).collect();
        let read = |name: &str, range| hub.checkpoint_piece(repo, found, name, range);
        match Quantized::in_files(&files, read) {
            Err(_) if hub.is_offline() => Ok(None),
            told => told.map_err(self.told()),
        }
    }

    /// How many of its files have to be downloaded, and their bytes.
    pub(super) fn missing(&self) -> (u64, u64) {
        match &self.place {
            Place::Directory { .. } => (0, 0),
            Place::Hub { hub, repo, found } => hub.checkpoint_missing(repo, found),
        }
    }

    /// Whether another one of the Hub has the same files.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::Hub { repo, found, .. }, Place::Hub { repo: known, found: of_known, .. }) => {
                (repo.user(), repo.repo(), &found.commit)
                    == (known.user(), known.repo(), &of_known.commit)
            }
            _ => false,
        }
    }
}

/// The error of a package's model, or of the one that the verb converts.
fn told(model_id: Option<&ModelId>) -> impl Fn(FetchError) -> ModelsError {
    let of_package = model_id.map(of_model);
    move |source| match &of_package {
        Some(told) => told(source),
        None if source.is_interrupted() => ModelsError::Interrupted,
        None => ModelsError::Model { model_id: None, source: Box::new(source) },
    }
}
