//! `mlc-package lock`: the commits and digests of a config's models, beside it.

use camino::{Utf8Path, Utf8PathBuf};

use super::package::{hub_models, of_model};
use crate::config;
use crate::error::Error;
use crate::fetch::{FetchError, Lock};
use crate::io::process::Cancel;
use crate::model::{HubRepo, ModelId, ModelSource};
use crate::pipeline::{PackageRequest, read_whole_config};
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

/// Pins every hub model of a config. Those of `others` that have the same lock file stay in it.
pub fn lock(
    request: &PackageRequest,
    others: &[Utf8PathBuf],
    update: &Update,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Locked, Error> {
    let (config, _) = read_whole_config(request, ui)?;
    let path = Lock::path_for(&request.package_config);
    let before = Lock::read(&path)?;
    let mut lock = before.clone().unwrap_or_else(Lock::new);
    let all: Vec<(&ModelId, &HubRepo)> = config
        .models
        .iter()
        .filter_map(|entry| match &entry.source {
            ModelSource::Hub(repo) => Some((&entry.model_id, repo)),
            ModelSource::Local(_) => None,
        })
        .collect();
    let chosen = |id: &ModelId| request.only.is_empty() || request.only.contains(id);
    let models: Vec<_> = all.iter().filter(|(id, _)| chosen(id)).copied().collect();
    if let Update::One(name) = update
        && !models.iter().any(|(id, repo)| id.as_str() == name || repo.to_string() == *name)
    {
        let known: Vec<_> = models.iter().map(|(id, _)| id.as_str()).collect();
        return Err(Error::usage(
            format!("--update {name}: the config has no such model of the Hub"),
            match known.is_empty() {
                true => "it has none at all: there is nothing to pin".to_owned(),
                false => format!("its models of the Hub are: {}", known.join(", ")),
            },
        ));
    }
    let hub = hub_models(request, cancel)?;
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
            None if request.locked => {
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
    let others = repos_beside(others, &path, ui)?;
    repos.extend(&others);
    let dropped = lock.keep_only(&repos);
    // A file that pins nothing says nothing, unless it did pin something.
    let is_new = before.is_none() && lock.models().is_empty();
    if before.as_ref() != Some(&lock) && !is_new {
        lock.write(&path)?;
    }
    Ok(Locked { path, models: pinned, dropped })
}

/// The models of the Hub of the configs that have the same lock file.
fn repos_beside(others: &[Utf8PathBuf], lock: &Utf8Path, ui: &Ui) -> Result<Vec<HubRepo>, Error> {
    let mut repos = Vec::new();
    for other in others.iter().filter(|other| Lock::path_for(other) == *lock) {
        let checked = config::check_file(other);
        if checked.errors() > 0 {
            ui.block(true, |width, out| config::render::human(&checked, width, out));
        }
        let package = checked.into_package()?;
        repos.extend(package.models.into_iter().filter_map(|entry| match entry.source {
            ModelSource::Hub(repo) => Some(repo),
            ModelSource::Local(_) => None,
        }));
    }
    Ok(repos)
}
