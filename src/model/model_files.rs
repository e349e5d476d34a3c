use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{ChatConfig, ShardPath, TensorCache, total};

/// A model directory that was looked through and found whole.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFiles {
    /// The directory.
    pub dir: Utf8PathBuf,
    /// Its `mlc-chat-config.json`, read.
    pub chat_config: ChatConfig,
    /// Its tensor cache, read.
    pub tensor_cache: TensorCache,
    /// Every file, sorted by path.
    pub files: Vec<ModelFile>,
}

/// One file of a model directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Its path in the directory.
    pub path: ShardPath,
    /// The file on this machine, links resolved.
    pub source: Utf8PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it is for.
    pub role: FileRole,
}

/// What became of a file that was held against what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileCheck {
    /// It is that, as far as anything is said.
    AsSaid,
    /// It was not, and another one is in its place now.
    Replaced,
}

/// What a file of a model directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// A shard that the tensor cache names.
    Weights,
    /// A file that `tokenizer_files` names.
    Tokenizer,
    /// `mlc-chat-config.json`, the tensor cache.
    Config,
    /// Anything else that lies there.
    Other,
}

impl ModelFiles {
    /// Where `mlc-chat-config.json` is.
    pub fn chat_config_path(&self) -> Utf8PathBuf {
        self.dir.join(ChatConfig::FILE_NAME)
    }

    /// Where the tensor cache is. Where both names are there, the newer one counts.
    pub fn tensor_cache_path(&self) -> Utf8PathBuf {
        let [newer, older] = TensorCache::FILE_NAMES;
        self.dir.join(if self.older_tensor_cache().is_some() { older } else { newer })
    }

    /// Whether there is a tensor cache, by either name.
    pub fn has_tensor_cache(&self) -> bool {
        let is_cache = |file: &ModelFile| TensorCache::FILE_NAMES.contains(&file.path.as_str());
        self.files.iter().any(is_cache)
    }

    /// The tensor cache, where it is there by its older name only.
    pub fn older_tensor_cache(&self) -> Option<&ModelFile> {
        let [newer, older] = TensorCache::FILE_NAMES;
        let find = |name: &str| self.files.iter().find(|file| file.path.as_str() == name);
        find(older).filter(|_| find(newer).is_none())
    }

    /// The bytes of all files of a role.
    pub fn bytes_of(&self, role: FileRole) -> u64 {
        total(self.files.iter().filter(|file| file.role == role).map(|file| file.bytes))
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        total(self.files.iter().map(|file| file.bytes))
    }
}
