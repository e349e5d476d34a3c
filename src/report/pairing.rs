//! Which baseline belongs to which package.

use std::collections::HashSet;

use super::size::PackageInput;
use crate::manifest::Manifest;
use crate::model::ModelId;

/// A baseline, and the package that it is said to be of.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The package's name in the report; none to find it.
    pub name: Option<String>,
    /// What it was.
    pub manifest: Manifest,
}

/// Gives each package its baseline: the one that names it, else one for the same phone, of several
/// the one that has most models in common. Returned are those that no package wants, by their
/// index.
pub fn pair(packages: &mut [PackageInput], baselines: Vec<Baseline>) -> Vec<usize> {
    let mut left = Vec::new();
    let (named, others): (Vec<_>, Vec<_>) =
        baselines.into_iter().enumerate().partition(|(_, baseline)| baseline.name.is_some());
    for (index, baseline) in named.into_iter().chain(others) {
        let free = packages.iter_mut().filter(|package| package.baseline.is_none());
        let wanted = free.filter(|package| match &baseline.name {
            Some(name) => package.name == *name || package.called.as_ref() == Some(name),
            None => is_alike(&package.manifest, &baseline.manifest),
        });
        // Of equals the first, as they were given.
        let best = wanted.reduce(|best, package| {
            let common = |of: &PackageInput| in_common(&of.manifest, &baseline.manifest);
            if common(package) > common(best) { package } else { best }
        });
        match best {
            Some(package) => package.baseline = Some(baseline.manifest),
            None => left.push(index),
        }
    }
    left.sort_unstable();
    left
}

fn is_alike(now: &Manifest, before: &Manifest) -> bool {
    now.device == before.device && now.macabi_arch == before.macabi_arch
}

/// How alike two packages are: the same config's name counts, then models in common.
fn in_common(now: &Manifest, before: &Manifest) -> (bool, usize) {
    let ids: HashSet<&ModelId> = before.models.iter().map(|model| &model.model_id).collect();
    let common = now.models.iter().filter(|model| ids.contains(&model.model_id)).count();
    (now.config.name == before.config.name, common)
}
