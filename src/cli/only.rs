//! `--only`, where there are several packages: which of them have the models, and which of each.

use std::collections::BTreeSet;

use super::project::Chosen;
use super::suggest::suggest;
use crate::config;
use crate::error::Error;
use crate::model::{ModelChoice, ModelId, PackageName};

/// The packages that have one of the models, with those models; all packages with none, which
/// stands for all, if no model is named.
pub(super) fn share(
    chosen: Vec<Chosen>,
    only: &[ModelChoice],
) -> Result<Vec<(Chosen, Vec<ModelId>)>, Error> {
    for choice in only {
        refuse_unchosen(choice, &chosen)?;
    }
    let is_alone = chosen.len() == 1;
    let mut shared = Vec::new();
    for package in chosen {
        // Of one package it is said later, with its models, which it does not have.
        let models = if is_alone { None } else { models_of(&package) };
        let is_meant = |choice: &&ModelChoice| {
            let is_of_it = choice.package.is_none() || choice.package == package.name;
            // What is wrong with its config is said later too.
            is_of_it && models.as_ref().is_none_or(|models| models.contains(&choice.model_id))
        };
        let of_it: Vec<_> = only.iter().filter(is_meant).cloned().collect();
        shared.push((package, of_it, models.unwrap_or_default()));
    }
    if let Some(choice) = only.iter().find(|choice| !shared.iter().any(|it| it.1.contains(choice)))
    {
        let why = match choice.package {
            Some(_) => "the package has no such model",
            None => "no package has such a model",
        };
        let is_of_it =
            |package: &Chosen| choice.package.is_none() || choice.package == package.name;
        let known = shared.iter().filter(|(package, ..)| is_of_it(package));
        let known: BTreeSet<_> = known.flat_map(|it| &it.2).map(ModelId::as_str).collect();
        let known = Vec::from_iter(known);
        return Err(Error::usage(
            format!("--only {choice}: {why}"),
            suggest(
                config::nearest(choice.model_id.as_str(), known.iter().copied()),
                format!("the models there are: {}", known.join(", ")),
            ),
        ));
    }
    if !only.is_empty() {
        shared.retain(|(_, models, _)| !models.is_empty());
    }
    let ids = |models: Vec<ModelChoice>| models.into_iter().map(|model| model.model_id).collect();
    Ok(shared.into_iter().map(|(package, models, _)| (package, ids(models))).collect())
}

/// The models of a package's config; none if that is wrong.
fn models_of(package: &Chosen) -> Option<Vec<ModelId>> {
    let config = config::check_file(&package.package_config).into_package().ok()?;
    Some(config.models.into_iter().map(|entry| entry.model_id).collect())
}

fn refuse_unchosen(choice: &ModelChoice, chosen: &[Chosen]) -> Result<(), Error> {
    let Some(name) = &choice.package else { return Ok(()) };
    let names = || chosen.iter().filter_map(|package| package.name.as_ref());
    if names().any(|known| known == name) {
        return Ok(());
    }
    Err(Error::usage(
        format!("--only {choice}: there is no package `{name}`"),
        match names().next() {
            Some(_) => suggest(
                config::nearest(name.as_str(), names().map(PackageName::as_str)),
                format!("they are: {}", listed(names())),
            ),
            None => format!("the config is of no package: write --only {}", choice.model_id),
        },
    ))
}

fn listed<'a>(names: impl Iterator<Item = &'a PackageName>) -> String {
    names.map(PackageName::as_str).collect::<Vec<_>>().join(", ")
}
