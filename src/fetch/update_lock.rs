//! `mlc-package lock`: the commits and digests of a config's models, beside it.

use camino::{Utf8Path, Utf8PathBuf};

use super::package::{HubRequest, ModelsError, of_model};
use super::{FetchError, Lock};
use crate::io::cancel::Cancel;
use crate::model::{HubRepo, ModelId, ModelSource, PackageConfig};
use crate::ui::Ui;

/// Which pins are moved to what their revisions are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// None: only what is not pinned yet is looked up.
    Missing,
    /// All.
    All,
    /// That of one model: its `model_id`, or `user/repo`.
    One(String),
}

/// What became of a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The file.
    pub path: Utf8PathBuf,
    /// The models, and each's commit before, where there was one, and after.
    pub models: Vec<(ModelId, Option<String>, String)>,
    /// Pins of models that the config has no more, and that are gone.
    pub dropped: Vec<String>,
}

/// What is to be pinned.
#[derive(Debug)]
pub struct LockRequest<'a> {
    /// The config.
    pub config: &'a PackageConfig,
    /// Where it is.
    pub package_config: &'a Utf8Path,
    /// The configs that have the same lock file: pins of their models stay in it.
    pub beside: &'a [PackageConfig],
    /// The models to pin; all if empty.
    pub only: &'a [ModelId],
    /// Which pins are moved.
    pub update: &'a Update,
    /// How the Hub is to be asked.
    pub hub: HubRequest<'a>,
}

/// Pins every hub model of a config.
pub fn lock(request: &LockRequest<'_>, ui: &Ui, cancel: &Cancel) -> Result<Locked, ModelsError> {
    let LockRequest { config, package_config, only, update, .. } = request;
    let path = Lock::path_for(package_config);
    let before = Lock::read(&path)?;
    let mut lock = before.clone().unwrap_or_else(Lock::new);
    let all: Vec<(&ModelId, &HubRepo)> = hub_models(config).collect();
    let chosen = |id: &ModelId| only.is_empty() || only.contains(id);
    let models: Vec<_> = all.iter().filter(|(id, _)| chosen(id)).copied().collect();
    if let Update::One(name) = *update
        && !models.iter().any(|(id, repo)| id.as_str() == name || repo.to_string() == *name)
    {
        let known = models.iter().map(|(id, _)| id.to_string()).collect();
        return Err(ModelsError::NotInConfig { name: name.clone(), known });
    }
    let hub = request.hub.open(ui, cancel)?;
    let mut pinned = Vec::new();
    for (model_id, repo) in &models {
        let old = before.as_ref().and_then(|lock| lock.find(repo)).map(|pin| pin.commit.clone());
        let moves = match update {
            Update::Missing => false,
            Update::All => true,
            Update::One(name) => model_id.as_str() == name || repo.to_string() == *name,
        };
        let commit = match old.clone().filter(|_| !moves) {
            Some(commit) => commit,
            None if request.hub.locked => {
                let repo = Box::new((*repo).clone());
                return Err(of_model(model_id)(FetchError::NotLocked { repo }));
            }
            None => {
                let (commit, listing) = hub.resolve(repo).map_err(of_model(model_id))?;
                lock.pin(repo, commit.clone(), listing);
                commit
            }
        };
        let old = old.map(|commit| commit.to_string());
        pinned.push(((*model_id).clone(), old, commit.to_string()));
    }
    // What `--only` leaves out is still in the config.
    let mut repos: Vec<_> = all.iter().map(|(_, repo)| *repo).collect();
    repos.extend(request.beside.iter().flat_map(hub_repos));
    let dropped = lock.keep_only(&repos);
    // A file that pins nothing says nothing, unless it did pin something.
    let is_new = before.is_none() && lock.models().is_empty();
    if before.as_ref() != Some(&lock) && !is_new {
        lock.write(&path)?;
    }
    Ok(Locked { path, models: pinned, dropped })
}

fn hub_models(config: &PackageConfig) -> impl Iterator<Item = (&ModelId, &HubRepo)> {
    config.models.iter().filter_map(|entry| match &entry.source {
        ModelSource::Hub(repo) => Some((&entry.model_id, repo)),
        ModelSource::Local(_) => None,
    })
}

fn hub_repos(config: &PackageConfig) -> impl Iterator<Item = &HubRepo> {
    hub_models(config).map(|(_, repo)| repo)
}
