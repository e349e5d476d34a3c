//! A config's check, by all that this program knows of models.

use camino::{Utf8Path, Utf8PathBuf};

use crate::config::{
    self, Checked, Disk, ModelDir, ModelFault, NotInMlc, Place, Surroundings, TemplateDoubt,
    check_file_with,
};
use crate::convert::chat;
use crate::convert::derive::derive;
use crate::convert::{self, ConvertError};
use crate::fetch;
use crate::io::environment::Environment;
use crate::io::files;
use crate::model::{ChatConfig, Scheme};

/// Names the directory that a config's models and libraries must lie in: the action sets it to the
/// workspace, so that the config of somebody else's pull request bundles nothing out of the caches.
const CONFINE_TO: &str = "MLC_PACKAGE_CONFINE_TO";

/// The disk, and what can be derived of checkpoints on it.
struct Checkpoints {
    /// Whether models are looked at as a build does when it reads them.
    whole: bool,
    confined_to: Option<Utf8PathBuf>,
}

impl Surroundings for Checkpoints {
    /// By where links lead. What is not there is told as such, but for where that would be.
    fn outside_of(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        let confined = self.confined_to.as_ref()?;
        let root = files::canonical(confined).unwrap_or_else(|_| confined.clone());
        let real = files::real(path);
        (!real.starts_with(&root)).then_some(root)
    }

    fn model_dir(&self, dir: &Utf8Path) -> ModelDir {
        Disk.model_dir(dir)
    }

    fn is_file(&self, path: &Utf8Path) -> bool {
        Disk.is_file(path)
    }

    fn model_faults(&self, dir: &Utf8Path, chat_config: &ChatConfig) -> Vec<ModelFault> {
        if self.whole { fetch::model_faults(dir, chat_config) } else { Vec::new() }
    }

    fn checkpoint_faults(&self, checkpoint: &Utf8Path) -> Vec<ModelFault> {
        if !self.whole {
            return Vec::new();
        }
        let lacks = convert::lacks(checkpoint).into_iter();
        lacks.map(|(why, help)| ModelFault::Refused { why, help: Some(help) }).collect()
    }

    fn not_in_mlc(&self, checkpoint: &Utf8Path, quantization: Scheme) -> Option<NotInMlc> {
        // Of a checkpoint that cannot be read, its conversion tells more.
        let model_type = chat::model_type(checkpoint).ok()?;
        let others = chat::others_than(&model_type, quantization.name())?;
        Some(NotInMlc { model_type, others })
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
pub fn check(path: &Utf8Path, environment: &Environment) -> Checked {
    look(path, environment, true)
}

/// The same for who reads the models afterwards, and says what is missing of them as that.
pub(crate) fn check_config(path: &Utf8Path, environment: &Environment) -> Checked {
    look(path, environment, false)
}

/// Checks the text of a config that is not written yet.
pub fn check_text(path: &Utf8Path, text: &str, environment: &Environment) -> Checked {
    let checkpoints = Checkpoints::new(environment, true);
    config::check(path, text.as_bytes(), &Place::of(path), &checkpoints)
}

fn look(path: &Utf8Path, environment: &Environment, whole: bool) -> Checked {
    check_file_with(path, &Checkpoints::new(environment, whole))
}

impl Checkpoints {
    fn new(environment: &Environment, whole: bool) -> Self {
        let confined_to = environment.text(CONFINE_TO).map(|dir| environment.directory.join(dir));
        Self { whole, confined_to }
    }
}
