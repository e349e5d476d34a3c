//! Where the checkpoint of `mlc-package convert` is.

use camino::Utf8PathBuf;

use super::mlc::{Files, listed};
use super::verb::ConvertRequest;
use crate::error::Error;
use crate::fetch::HubCheckpoint;
use crate::fetch::hub::{Hub, HubOptions};
use crate::fetch::package::show;
use crate::io::cancel::Cancel;
use crate::io::{dir, files};
use crate::model::{ByteSize, HubRepo};
use crate::ui::{Transfer, Ui};

/// A checkpoint, wherever it is.
pub(crate) enum Place<'a> {
    Directory(Utf8PathBuf),
    Hub { repo: &'a HubRepo, found: HubCheckpoint<'a>, ui: &'a Ui },
}

/// The Hub, as the environment and the command line have it.
pub(crate) fn hub(request: &ConvertRequest, cancel: &Cancel) -> Result<Hub, Error> {
    let environment = &request.environment;
    let home = environment.directory.join(environment.text("HOME").unwrap_or_default());
    let get = |name: &str| environment.text(name).map(str::to_owned);
    let mut options = HubOptions::from_variables(&get, &home, &request.cache_dir)?;
    options.offline |= request.offline;
    options.cache_dir = environment.directory.join(&options.cache_dir);
    Ok(Hub::new(options, cancel.clone()))
}

impl Place<'_> {
    /// The names of its files, here or not.
    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        Ok(match self {
            Self::Directory(dir) => dir::names(dir)?,
            Self::Hub { found, .. } => found.paths().map(ToString::to_string).collect(),
        })
    }

    /// Its directory; of one from the Hub only configs and tokenizer are there, unless `whole`.
    pub(crate) fn dir(&self, whole: bool) -> Result<Utf8PathBuf, Error> {
        let (repo, found, ui) = match self {
            Self::Directory(dir) => return Ok(dir.clone()),
            Self::Hub { repo, found, ui } => (repo, found, ui),
        };
        let (count, bytes) = if whole { found.missing() } else { (0, 0) };
        if count > 0 {
            let bytes = ByteSize(bytes);
            ui.status("Downloading", &format!("{repo}: {bytes} in {count} files"));
        }
        let transfer = Transfer::new(ui, bytes);
        Ok(match whole {
            true => found.fetch(&|event| show(&transfer, event))?,
            false => found.configs(&|event| show(&transfer, event))?,
        })
    }

    /// Its files, and where they are.
    pub(crate) fn files(&self, whole: bool) -> Result<Files, Error> {
        let dir = self.dir(whole)?;
        let Self::Hub { found, .. } = self else { return Ok(listed(&dir)?) };
        let placed = found.paths().map(|path| (path.clone(), dir.join(path.as_str())));
        Ok(placed.filter(|(_, place)| files::is_file(place)).collect())
    }
}
