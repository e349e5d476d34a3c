use camino::{Utf8Path, Utf8PathBuf};

use super::{Checked, FileText, MAX_BYTES, ModelDir, Place, Surroundings};
use crate::io::{dir, files};
use crate::model::{ChatConfig, TensorCache, git_lfs};

/// A `mlc-chat-config.json` larger than this is none: they have a few kilobytes.
const MAX_CHAT_CONFIG: u64 = 16 << 20;

/// The disk as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Surroundings for Disk {
    fn model_dir(&self, path: &Utf8Path) -> ModelDir {
        if !files::is_dir(path) {
            let something = files::is_file(path);
            return match files::unreadable(path) {
                Some(why) => ModelDir::Unreadable(why),
                None if something => ModelDir::NotADirectory,
                None => ModelDir::Missing,
            };
        }
        if let Err(error) = dir::names(path) {
            return ModelDir::Unreadable(error.kind().to_string());
        }
        let has_tensor_cache =
            TensorCache::FILE_NAMES.iter().any(|name| files::is_file(&path.join(name)));
        ModelDir::Directory {
            chat_config: text_of(&path.join(ChatConfig::FILE_NAME)),
            has_tensor_cache,
            is_checkpoint: files::is_file(&path.join("config.json")),
        }
    }

    fn is_file(&self, path: &Utf8Path) -> bool {
        files::is_file(path)
    }
}

fn text_of(path: &Utf8Path) -> FileText {
    if !files::is_file(path) {
        return FileText::Missing;
    }
    match files::read_at_most(path, MAX_CHAT_CONFIG) {
        Ok(Some(text)) if git_lfs::is_pointer(&text) => {
            FileText::Unreadable(git_lfs::NOT_PULLED.to_owned())
        }
        Ok(Some(text)) => FileText::Text(text),
        Ok(None) => FileText::Unreadable("it is larger than 16 MiB".to_owned()),
        Err(error) => FileText::Unreadable(error.to_string()),
    }
}

/// Reads a config file and checks it. That it cannot be read is among the diagnostics too.
pub fn check_file(path: &Utf8Path) -> Checked {
    check_file_with(path, &Disk)
}

/// The configs in the directories beside a config that is not there, as they are named.
fn below(path: &Utf8Path) -> Vec<String> {
    let home = path.parent().unwrap_or(Utf8Path::new(""));
    let place = if home.as_str().is_empty() { Utf8Path::new(".") } else { home };
    let named = dir::names(place).unwrap_or_default().into_iter();
    let found = named
        .filter(|name| !name.starts_with('.'))
        .map(|name| home.join(name).join(path.file_name().unwrap_or(super::FILE_NAME)));
    found.filter(|config| files::is_file(config)).map(Utf8PathBuf::into_string).take(3).collect()
}

/// [`check_file`] with other eyes on the models.
pub fn check_file_with(path: &Utf8Path, surroundings: &dyn Surroundings) -> Checked {
    if files::is_dir(path) {
        let inside = path.join(super::FILE_NAME);
        let help = match files::is_file(&inside) {
            true => format!("name the file: {inside}"),
            false => format!("name a config, not a directory; there is no {inside}"),
        };
        return Checked::unreadable(path, "it is a directory", &help);
    }
    match files::read_at_most(path, MAX_BYTES) {
        Ok(Some(bytes)) => super::check(path, &bytes, &Place::of(path), surroundings),
        Ok(None) => Checked::too_large(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let help = match below(path).as_slice() {
                [] if path != super::FILE_NAME => "check the path".to_owned(),
                [] => "`mlc-package init` writes one; or name the config".to_owned(),
                found => format!("name the config, for instance {}", found.join(" or ")),
            };
            Checked::unreadable(path, "there is no such file", &help)
        }
        Err(error) => Checked::unreadable(path, &error.to_string(), "may you read it?"),
    }
}
