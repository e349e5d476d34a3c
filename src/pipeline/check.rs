//! A config's check, by all that this program knows of models.

use camino::Utf8Path;

use crate::config::{Checked, Disk, ModelDir, Surroundings, TemplateDoubt, check_file_with};
use crate::convert::ConvertError;
use crate::convert::derive::derive;
use crate::model::ChatConfig;

/// The disk, and what can be derived of checkpoints on it.
struct Checkpoints {
    /// Whether models are looked at as a build does when it reads them.
    whole: bool,
}

impl Surroundings for Checkpoints {
    fn model_dir(&self, dir: &Utf8Path) -> ModelDir {
        Disk.model_dir(dir)
    }

    fn is_file(&self, path: &Utf8Path) -> bool {
        Disk.is_file(path)
    }

    fn missing_files(&self, dir: &Utf8Path, chat_config: &ChatConfig) -> Vec<String> {
        if self.whole { Disk.missing_files(dir, chat_config) } else { Vec::new() }
    }

    /// What cannot be read at all is no matter of the config: a build says it.
    fn template_doubt(&self, checkpoint: &Utf8Path) -> Option<TemplateDoubt> {
        match derive(checkpoint, None) {
            Err(ConvertError::UncertainTemplate { why, likely, .. }) => {
                Some(TemplateDoubt { why, likely })
            }
            _ => None,
        }
    }
}

/// Reads a config file and checks it, the models and checkpoints on this machine included.
pub fn check(path: &Utf8Path) -> Checked {
    check_file_with(path, &Checkpoints { whole: true })
}

/// The same for who reads the models afterwards, and says what is missing of them as that.
pub(crate) fn check_config(path: &Utf8Path) -> Checked {
    check_file_with(path, &Checkpoints { whole: false })
}
