//! Where the raw checkpoint of a package's model is, and what stands for its content.

use camino::{Utf8Path, Utf8PathBuf};

use super::mlc::{Files, Source};
use super::package::Raw;
use crate::convert::ConvertError;
use crate::convert::engine::is_config;
use crate::convert::source;
use crate::convert::store::ConvertedStore;
use crate::error::Error;
use crate::fetch::package::{Fetched, of_model, show};
use crate::fetch::{FetchError, HubModels, HubRaw, checkpoint_files};
use crate::io::cancel::Cancel;
use crate::io::files;
use crate::model::{ByteSize, Digest, HubRepo, ModelEntry, ModelId, ModelSource};
use crate::ui::{Transfer, Ui};

pub(crate) enum Checkpoint {
    Directory { dir: Utf8PathBuf, digest: Digest },
    Hub { repo: HubRepo, raw: HubRaw },
}

impl Checkpoint {
    pub(crate) fn find(
        store: &ConvertedStore,
        entry: &ModelEntry,
        hub: Option<&HubModels>,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        match (&entry.source, hub) {
            (ModelSource::Local(model), _) => {
                let dir = files::canonical(&model.dir)?;
                let found = checkpoint_files(&dir).map_err(of_model(&entry.model_id))?;
                let digest = source::digest(&found, &store.source_note(&dir), cancel)?;
                Ok(Self::Directory { dir, digest })
            }
            (ModelSource::Hub(repo), Some(hub)) => {
                let raw = hub.raw(repo).map_err(of_model(&entry.model_id))?;
                Ok(Self::Hub { repo: repo.clone(), raw })
            }
            // There is a hub where there is a model of it.
            (ModelSource::Hub(repo), None) => {
                let repo = Box::new(repo.clone());
                Err(of_model(&entry.model_id)(FetchError::PolicyOff { repo }))
            }
        }
    }

    /// What stands for its content.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Directory { digest, .. } => digest.to_string(),
            Self::Hub { repo, raw } => format!("{repo}@{}", raw.commit),
        }
    }

    /// The same of its configs and its tokenizer.
    pub(crate) fn identity_of_configs(
        &self,
        store: &ConvertedStore,
        model_id: &ModelId,
        cancel: &Cancel,
    ) -> Result<String, Error> {
        let Self::Directory { dir, .. } = self else { return Ok(self.identity()) };
        let mut found = checkpoint_files(dir).map_err(of_model(model_id))?;
        found.retain(|(path, _)| is_config(path));
        // They are small: nothing is remembered of them.
        Ok(source::digest(&found, &store.source_note(&dir.join("configs")), cancel)?.to_string())
    }

    /// The names of its files, here or not. What lies in directories is none of a conversion's.
    pub(crate) fn names(&self, model_id: &ModelId) -> Result<Vec<String>, Error> {
        Ok(match self {
            Self::Directory { dir, .. } => {
                let found = checkpoint_files(dir).map_err(of_model(model_id))?;
                let names = found.iter().map(|(path, _)| path.to_string());
                names.filter(|name| !name.contains('/')).collect()
            }
            Self::Hub { raw, .. } => raw.paths().map(ToString::to_string).collect(),
        })
    }

    /// Where it is; of one from the Hub only configs and tokenizer, unless `whole`.
    pub(crate) fn dir(
        &self,
        model_id: &ModelId,
        hub: Option<&HubModels>,
        whole: bool,
        ui: &Ui,
    ) -> Result<Utf8PathBuf, Error> {
        let (repo, raw, hub) = match (self, hub) {
            (Self::Hub { repo, raw }, Some(hub)) => (repo, raw, hub),
            (Self::Directory { dir, .. }, _) => return Ok(dir.clone()),
            (Self::Hub { repo, .. }, None) => {
                let repo = Box::new(repo.clone());
                return Err(of_model(model_id)(FetchError::PolicyOff { repo }));
            }
        };
        let (count, bytes) = if whole { hub.raw_missing(repo, raw) } else { (0, 0) };
        if count > 0 && !hub.is_offline() {
            let bytes = ByteSize(bytes);
            ui.status("Downloading", &format!("{repo}: {bytes} in {count} files"));
        }
        let transfer = Transfer::new(ui, bytes);
        let dir = match whole {
            true => hub.raw_complete(repo, raw, &|event| show(&transfer, event)),
            false => hub.raw_configs(repo, raw, &|event| show(&transfer, event)),
        };
        dir.map_err(of_model(model_id))
    }

    /// Counts what has to be downloaded; gives its bytes.
    pub(crate) fn count_missing(&self, fetched: &mut Fetched) -> u64 {
        let (Self::Hub { repo, raw }, Some(hub)) = (self, &fetched.hub) else {
            return 0;
        };
        let (files, bytes) = hub.raw_missing(repo, raw);
        let is_same = |other: &Raw| match &other.checkpoint {
            Self::Hub { repo: known, raw: of_known } => {
                (known.user(), known.repo(), &of_known.commit)
                    == (repo.user(), repo.repo(), &raw.commit)
            }
            Self::Directory { .. } => false,
        };
        let again = fetched.raw.iter().any(is_same);
        if let Some(fetch) = fetched.fetch.as_mut().filter(|_| !again) {
            fetch.files += files;
            fetch.bytes.0 += bytes;
        }
        bytes
    }

    /// Whoever wrote to the checkpoint meanwhile may have left half of this and half of that.
    pub(crate) fn refuse_changed(
        &self,
        store: &ConvertedStore,
        model_id: &ModelId,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let Self::Directory { dir, digest } = self else { return Ok(()) };
        let found = checkpoint_files(dir).map_err(of_model(model_id))?;
        match source::digest(&found, &store.source_note(dir), cancel)? == *digest {
            true => Ok(()),
            false => Err(ConvertError::Changed { checkpoint: dir.clone() }.into()),
        }
    }
}

/// A checkpoint as MLC LLM's conversion reads it.
pub(crate) struct Shown<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) store: &'a ConvertedStore,
    pub(crate) model_id: &'a ModelId,
    pub(crate) hub: Option<&'a HubModels>,
    pub(crate) ui: &'a Ui,
    pub(crate) cancel: &'a Cancel,
}

impl Source for Shown<'_> {
    fn files(&self, whole: bool) -> Result<Files, Error> {
        let dir = self.checkpoint.dir(self.model_id, self.hub, whole, self.ui)?;
        Ok(match self.checkpoint {
            Checkpoint::Directory { .. } => {
                checkpoint_files(&dir).map_err(of_model(self.model_id))?
            }
            Checkpoint::Hub { raw, .. } => here(raw.paths().cloned(), &dir),
        })
    }

    fn refuse_changed(&self) -> Result<(), Error> {
        self.checkpoint.refuse_changed(self.store, self.model_id, self.cancel)
    }
}

/// Those of the files that are in the directory.
fn here(paths: impl Iterator<Item = crate::model::ShardPath>, dir: &Utf8Path) -> Files {
    let placed = paths.map(|path| {
        let place = dir.join(path.as_str());
        (path, place)
    });
    placed.filter(|(_, place)| files::is_file(place)).collect()
}
