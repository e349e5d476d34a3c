//! The library stage: every library opened and held against the package and the others.

use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::compile::package::Had;
use crate::error::Error;
use crate::io::map::MappedFile;
use crate::library::{self, Expectation, LibraryError, LibraryFile, Linked, Problem, Target};
use crate::model::Fingerprint;
use crate::plan::{Origin, Plan, PlannedLibrary};

/// A library's file, mapped.
pub(crate) struct LibrarySource<'a> {
    pub(crate) planned: &'a PlannedLibrary,
    path: &'a Utf8Path,
    pub(crate) bytes: MappedFile,
    pub(crate) had: Option<&'a Had>,
}

pub(crate) fn source<'a>(
    planned: &'a PlannedLibrary,
    had: &'a BTreeMap<Fingerprint, Had>,
) -> Result<LibrarySource<'a>, Error> {
    let (path, had) = match &planned.origin {
        Origin::Prepared { path } => (path.as_path(), None),
        Origin::Compiled { fingerprint, .. } => {
            let had = had.get(fingerprint).ok_or_else(|| {
                let message = format!("`{}` was neither cached nor compiled", planned.model_lib);
                std::io::Error::other(message)
            })?;
            (had.stored.library.as_path(), Some(had))
        }
    };
    Ok(LibrarySource { planned, path, bytes: MappedFile::open(path)?, had })
}

/// Opens and validates libraries, all problems at once, and goes on with them.
pub(crate) fn with_libraries<T>(
    plan: &Plan,
    sources: &[LibrarySource<'_>],
    go_on: impl FnOnce(&[Linked<'_>]) -> Result<T, Error>,
) -> Result<T, Error> {
    let bytes: Vec<_> = sources.iter().map(|source| (source.path, &*source.bytes)).collect();
    let files = all(LibraryFile::parse_all(&bytes))?;
    let libraries = all(LibraryFile::open_all(&files))?;
    let expects: Vec<_> = sources.iter().map(|source| expectations(plan, source.planned)).collect();
    let linked: Vec<_> = sources
        .iter()
        .zip(&libraries)
        .zip(&expects)
        .map(|((source, library), expects)| Linked {
            name: &source.planned.model_lib,
            library,
            expects,
        })
        .collect();
    let problems = library::validate(target(plan), &linked);
    if problems.is_empty() { go_on(&linked) } else { Err(Error::Validation(problems)) }
}

/// Validates the libraries that the user compiled: whoever waited for a compilation should not
/// be told after it.
pub(crate) fn check_prepared(plan: &Plan) -> Result<(), Error> {
    let none = BTreeMap::new();
    let prepared =
        plan.libraries.iter().filter(|library| matches!(library.origin, Origin::Prepared { .. }));
    let sources: Vec<_> =
        prepared.map(|planned| source(planned, &none)).collect::<Result<_, _>>()?;
    with_libraries(plan, &sources, |_| Ok(()))
}

/// All, or the problems of all that are none.
fn all<T>(opened: Vec<Result<T, LibraryError>>) -> Result<Vec<T>, Error> {
    let mut problems = Vec::new();
    let mut good = Vec::new();
    for opened in opened {
        match opened {
            Ok(opened) => good.push(opened),
            Err(error) => problems.push(Problem::from(&error)),
        }
    }
    if problems.is_empty() { Ok(good) } else { Err(Error::Validation(problems)) }
}

fn expectations(plan: &Plan, library: &PlannedLibrary) -> Vec<Expectation> {
    plan.models
        .iter()
        .filter(|model| model.model_lib == library.model_lib)
        .map(|model| Expectation {
            model_id: Some(model.model_id.clone()),
            model_type: model.model_type.clone(),
            quantization: model.quantization.clone(),
        })
        .collect()
}

pub(crate) fn target(plan: &Plan) -> Target {
    Target { device: plan.device, macabi_arch: plan.macabi_arch.unwrap_or_default() }
}
