use camino::{Utf8Path, Utf8PathBuf};

use crate::model::loadable::Unloadable;
use crate::model::{ChatConfig, Scheme};

/// From where the relative paths of a config are taken.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The directory of the config; empty for the working directory.
    pub config_dir: Utf8PathBuf,
    /// The working directory, where upstream looks; empty for that of the process.
    pub working_dir: Utf8PathBuf,
}

impl Place {
    /// The place of a config file, with the process's own working directory.
    pub fn of(config: &Utf8Path) -> Self {
        let config_dir = config.parent().map(Utf8Path::to_owned).unwrap_or_default();
        Self { config_dir, working_dir: Utf8PathBuf::new() }
    }

    /// Where a path of the config may lead, the likelier first.
    pub(super) fn candidates(&self, written: &str) -> Vec<Utf8PathBuf> {
        let mut found = vec![self.config_dir.join(written)];
        let other = self.working_dir.join(written);
        if !found.contains(&other) {
            found.push(other);
        }
        found
    }
}

/// What a check must know of the disk.
pub trait Surroundings {
    /// What a model's directory holds.
    fn model_dir(&self, dir: &Utf8Path) -> ModelDir;

    /// Whether there is a regular file.
    fn is_file(&self, path: &Utf8Path) -> bool;

    /// What is wrong with a converted model whose config can be read. None where nobody looks.
    fn model_faults(&self, _dir: &Utf8Path, _chat_config: &ChatConfig) -> Vec<ModelFault> {
        Vec::new()
    }

    /// What a raw checkpoint lacks to be converted and loaded. None where nobody looks.
    fn checkpoint_faults(&self, _checkpoint: &Utf8Path) -> Vec<ModelFault> {
        Vec::new()
    }

    /// The directory that models and libraries must lie in, if this path does not.
    fn outside_of(&self, _path: &Utf8Path) -> Option<Utf8PathBuf> {
        None
    }

    /// What of MLC LLM's registry a raw checkpoint can become, if this quantization is not of it. None
    /// where nobody looks.
    fn not_in_mlc(&self, _checkpoint: &Utf8Path, _quantization: Scheme) -> Option<NotInMlc> {
        None
    }

    /// Why a raw checkpoint's conversation template does not follow from its files; none where it
    /// does, and where nobody looks.
    fn template_doubt(&self, _checkpoint: &Utf8Path) -> Option<TemplateDoubt> {
        None
    }
}

/// Something wrong with the directory of a model, converted or raw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelFault {
    /// Files that its tensor cache names, and that are not there.
    MissingShards(Vec<String>),
    /// Something without which an app cannot load it.
    Unloadable(Unloadable),
    /// Whatever else a build would refuse.
    Refused {
        /// What is wrong, with the path of the file.
        why: String,
        /// What to do about it.
        help: Option<String>,
    },
}

/// A conversation template that a config has to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateDoubt {
    /// What was seen of the checkpoint.
    pub why: String,
    /// The templates that are likely.
    pub likely: Vec<&'static str>,
}

/// A quantization that MLC LLM does not have for an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInMlc {
    /// The architecture.
    pub model_type: String,
    /// The quantizations that it has.
    pub others: Vec<&'static str>,
}

/// What is found where a local model should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelDir {
    /// Nothing.
    Missing,
    /// A file, most likely.
    NotADirectory,
    /// Something that cannot be looked at, and why.
    Unreadable(String),
    /// A directory.
    Directory {
        /// Its `mlc-chat-config.json`.
        chat_config: FileText,
        /// Whether there is a `tensor-cache.json` or `ndarray-cache.json`.
        has_tensor_cache: bool,
        /// Whether there is a `config.json`, as raw checkpoints have it.
        is_checkpoint: bool,
    },
}

/// The text of a file that may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileText {
    /// There is none.
    Missing,
    /// It cannot be read, and why.
    Unreadable(String),
    /// What it holds.
    Text(Vec<u8>),
}
