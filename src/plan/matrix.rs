//! What has to be compiled, shared out to jobs of GitHub Actions.

use std::collections::HashSet;

use serde::Serialize;

use super::Plan;
use crate::model::{ModelChoice, ModelId, PackageName};

/// Jobs that compile what the store lacks, in the form of `strategy.matrix`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The jobs.
    pub include: Vec<MatrixJob>,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixJob {
    /// What people see.
    pub name: String,
    /// Its number, from 1: fit for the name of an artifact.
    pub job: usize,
    /// The packages of `mlc-package.yml` that it is about, one per line; empty for a config that is
    /// none of them. It is one package, unless there are more of them than jobs.
    pub package: String,
    /// The models whose libraries it compiles, one per line, as `--only` takes them: no `model_id`
    /// has a line break.
    pub only: String,
}

/// A library that has to be compiled: its package's place in the list, and a model that names it.
type Miss<'a> = (usize, &'a ModelId);

/// A package, by its name if it has one, and its plan.
pub type NamedPlan<'a> = (Option<&'a PackageName>, &'a Plan);

impl Matrix {
    /// The most jobs of one matrix.
    /// <https://docs.github.com/actions/reference/limits>
    pub const MOST: usize = 256;

    /// Shares the libraries that have to be compiled out to at most `most` jobs. One that several
    /// packages need is compiled for the first of them.
    pub fn new(packages: &[NamedPlan<'_>], most: usize) -> Self {
        let misses = misses(packages);
        let shares = share_out(&misses, most.clamp(1, Self::MOST));
        let job = |(at, share): (usize, Vec<Miss<'_>>)| MatrixJob {
            name: name(packages, &share),
            job: at + 1,
            package: names(packages, &share).join("\n"),
            only: only(packages, &share).join("\n"),
        };
        Self { include: shares.into_iter().enumerate().map(job).collect() }
    }

    /// How many libraries have to be compiled; one that several packages need counts once.
    pub fn misses(packages: &[NamedPlan<'_>]) -> usize {
        misses(packages).iter().map(Vec::len).sum()
    }
}

/// What each package lacks, without what one before it lacks too.
fn misses<'a>(packages: &[NamedPlan<'a>]) -> Vec<Vec<Miss<'a>>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (at, (_, plan)) in packages.iter().enumerate() {
        let libraries = plan.libraries.iter().filter(|library| library.is_miss());
        let new = libraries.filter(|library| seen.insert(library.fingerprint()));
        let models = new.filter_map(|library| library.models.first());
        found.push(models.map(|model| (at, model)).collect::<Vec<_>>());
    }
    found.retain(|misses| !misses.is_empty());
    found
}

/// Each package gets jobs of its own, as many as its part of the work; where there are fewer jobs
/// than packages, a job is of several.
fn share_out<'a>(misses: &[Vec<Miss<'a>>], most: usize) -> Vec<Vec<Miss<'a>>> {
    let total: usize = misses.iter().map(Vec::len).sum();
    let jobs = total.min(most);
    if misses.len() > jobs {
        let all = misses.concat();
        let bounds = |job: usize| job * total / jobs..(job + 1) * total / jobs;
        return (0..jobs).map(|job| all.get(bounds(job)).unwrap_or_default().to_vec()).collect();
    }
    let mut allotted = vec![1; misses.len()];
    for _ in misses.len()..jobs {
        // The next job goes where one has most to do, of equals to the first.
        let load = |(of, jobs): &(&Vec<Miss<'_>>, &mut usize)| (of.len(), **jobs);
        let busiest = misses.iter().zip(&mut allotted).reduce(|best, other| {
            let ((most, by), (more, than)) = (load(&best), load(&other));
            if more * by > most * than { other } else { best }
        });
        if let Some((_, jobs)) = busiest {
            *jobs += 1;
        }
    }
    let of_package = |(misses, jobs): (&Vec<Miss<'a>>, usize)| {
        let share = |job| misses.iter().skip(job).step_by(jobs).copied().collect();
        (0..jobs).map(share).collect::<Vec<_>>()
    };
    misses.iter().zip(allotted).flat_map(of_package).collect()
}

fn names(packages: &[NamedPlan<'_>], share: &[Miss<'_>]) -> Vec<String> {
    let mut at: Vec<_> = share.iter().map(|(at, _)| *at).collect();
    at.dedup();
    let name = |at: usize| packages.get(at)?.0.map(PackageName::to_string);
    at.into_iter().filter_map(name).collect()
}

/// Two packages may have a model of one name, which are told apart in a job of both.
fn only(packages: &[NamedPlan<'_>], share: &[Miss<'_>]) -> Vec<String> {
    let is_of_several = share.iter().any(|(at, _)| share.first().is_some_and(|(of, _)| of != at));
    let name = |at: usize| packages.get(at)?.0.filter(|_| is_of_several).cloned();
    let choice =
        |(at, model): &Miss<'_>| ModelChoice { package: name(*at), model_id: (*model).clone() };
    share.iter().map(|miss| choice(miss).to_string()).collect()
}

fn name(packages: &[NamedPlan<'_>], share: &[Miss<'_>]) -> String {
    let Some((at, first)) = share.first() else { return String::new() };
    let package = packages.get(*at).and_then(|(name, _)| *name);
    let package = package.filter(|_| packages.len() > 1).map(|name| format!("{name}: "));
    let rest = match share.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{first}{rest}", package.unwrap_or_default())
}

#[cfg(test)]
#[path = "matrix_tests.rs"]
mod tests;
