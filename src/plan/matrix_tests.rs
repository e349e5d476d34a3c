use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::Fingerprint;
use crate::plan::Cached;
use crate::plan::test_plans::{compiled, miss, plan};

fn name(text: &str) -> PackageName {
    text.parse().unwrap()
}

/// Names, packages and what the jobs are: name, package, models.
fn jobs(matrix: &Matrix) -> Vec<(&str, &str, &str)> {
    let jobs = matrix.include.iter();
    jobs.map(|job| (&*job.name, &*job.package, &*job.only)).collect()
}

#[test]
fn a_matrix_has_every_library_that_must_be_compiled_once() {
    let libraries = vec![
        compiled("a", "O2", miss()),
        compiled("b", "O2", Cached::Hit),
        compiled("c", "O2", miss()),
        compiled("d", "O2", miss()),
    ];
    let alone = plan(libraries);
    let two = Matrix::new(&[(None, &alone)], 2);
    assert_eq!(jobs(&two), [("a and 1 more", "", "a\nd"), ("c", "", "c")]);
    assert_eq!(two.include.iter().map(|job| job.job).collect::<Vec<_>>(), [1, 2]);
    let cached = plan(vec![compiled("b", "O2", Cached::Hit)]);
    assert_eq!(Matrix::new(&[(None, &cached)], 9).include, []);
}

#[test]
fn jobs_are_of_one_package_where_there_are_enough() {
    let of =
        |opt, names: &[&str]| plan(names.iter().map(|name| compiled(name, opt, miss())).collect());
    // `b` of both is one library, `a` is two.
    let (chat, notes) = (of("O2", &["a", "b", "c", "d"]), of("O3", &["a"]));
    let mut notes = notes;
    notes.libraries.push(compiled("b", "O2", miss()));
    let (first, second) = (name("chat"), name("notes"));
    let packages = [(Some(&first), &chat), (Some(&second), &notes)];
    assert_eq!(Matrix::misses(&packages), 5);
    assert_eq!(
        jobs(&Matrix::new(&packages, 3)),
        [
            ("chat: a and 1 more", "chat", "a\nc"),
            ("chat: b and 1 more", "chat", "b\nd"),
            ("notes: a", "notes", "a")
        ]
    );
    assert_eq!(
        jobs(&Matrix::new(&packages, 1)),
        [("chat: a and 4 more", "chat\nnotes", "chat/a\nchat/b\nchat/c\nchat/d\nnotes/a")]
    );
    // A package that `mlc-package.yml` has alone needs no name in front of its models'.
    assert_eq!(jobs(&Matrix::new(&packages[1..], 1)), [("a and 1 more", "notes", "a\nb")]);
}

/// What a job compiles, as the command line reads it: of each chosen package the models that are
/// named with it or alone.
fn compiled_by(job: &MatrixJob, packages: &[(PackageName, Plan)]) -> Vec<Fingerprint> {
    let only: Vec<ModelChoice> = job.only.lines().map(|line| line.parse().unwrap()).collect();
    let mut found = Vec::new();
    for package in job.package.lines() {
        let (name, plan) = packages.iter().find(|(name, _)| name.as_str() == package).unwrap();
        for choice in only.iter().filter(|it| it.package.as_ref().is_none_or(|it| it == name)) {
            let of_model = plan.libraries.iter().filter(|it| it.models.contains(&choice.model_id));
            found.extend(of_model.filter(|it| it.is_miss()).filter_map(|it| it.fingerprint()));
        }
    }
    found
}

proptest! {
    #[test]
    fn shares_are_even_and_lose_nothing(libraries in 0..600_usize, most in 0..400_usize) {
        let all: Vec<_> =
            (0..libraries).map(|n| compiled(&format!("lib{n}"), "O2", miss())).collect();
        let matrix = Matrix::new(&[(None, &plan(all))], most);
        let sizes: Vec<_> = matrix.include.iter().map(|job| job.only.lines().count()).collect();
        prop_assert!(sizes.len() <= Matrix::MOST);
        prop_assert_eq!(sizes.iter().sum::<usize>(), libraries);
        let (low, high) = (sizes.iter().min().copied(), sizes.iter().max().copied());
        prop_assert!(high.unwrap_or(0) - low.unwrap_or(0) <= 1);
    }

    #[test]
    fn every_miss_is_in_exactly_one_job(
        // Of each package: models, which other ones have too, compiled in one of two ways.
        drawn in proptest::collection::vec(
            proptest::collection::btree_map(0..9_u8, any::<bool>(), 0..7),
            1..9,
        ),
        there in proptest::collection::btree_set((0..9_u8, any::<bool>()), 0..9),
        most in 0..12_usize,
    ) {
        let packages: Vec<(PackageName, Plan)> = drawn.iter().enumerate().map(|(at, models)| {
            let libraries = models.iter().map(|(model, fast)| {
                let cached = if there.contains(&(*model, *fast)) { Cached::Hit } else { miss() };
                compiled(&format!("m{model}"), if *fast { "O3" } else { "O2" }, cached)
            });
            (name(&format!("p{at}")), plan(libraries.collect()))
        }).collect();
        let named: Vec<_> = packages.iter().map(|(name, plan)| (Some(name), plan)).collect();
        let matrix = Matrix::new(&named, most);

        prop_assert!(matrix.include.len() <= most.max(1));
        let mut times: BTreeMap<Fingerprint, usize> = BTreeMap::new();
        for fingerprint in matrix.include.iter().flat_map(|job| compiled_by(job, &packages)) {
            *times.entry(fingerprint).or_default() += 1;
        }
        let missing = packages.iter().flat_map(|(_, plan)| &plan.libraries);
        let missing = missing.filter(|library| library.is_miss());
        let expected: BTreeMap<_, _> =
            missing.filter_map(|library| Some((library.fingerprint()?, 1))).collect();
        prop_assert_eq!(&times, &expected);
        prop_assert_eq!(Matrix::misses(&named), expected.len());

        let lacking = packages.iter().filter(|(_, plan)| plan.misses() > 0).count();
        if lacking <= most {
            for job in &matrix.include {
                prop_assert!(!job.package.contains('\n') && !job.only.contains('/'));
            }
        }
        // Nobody waits for nothing.
        prop_assert_eq!(matrix.include.len(), expected.len().min(most.max(1)));
        prop_assert!(matrix.include.iter().all(|job| !job.only.is_empty()));
    }
}
