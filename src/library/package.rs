//! The library stage: every library opened and held against the package and the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;

use super::parallel;
use crate::io::contents::Contents;
use crate::io::files;
use crate::library::blob::DeviceKind;
use crate::library::kernels::{Gate, Verdict};
use crate::library::weights::{self, Weights};
use crate::library::{
    self, Expectation, LibrariesError, LibraryError, LibraryFile, Linked, Problem, Target,
};
use crate::model::{Device, Fingerprint, Metal, ModelFiles, ModelId};
use crate::plan::{Origin, Plan, PlannedLibrary};

/// A library's file, read.
pub(crate) struct LibrarySource<'a> {
    pub(crate) planned: &'a PlannedLibrary,
    path: Utf8PathBuf,
    pub(crate) bytes: Arc<Contents>,
}

/// Reads libraries, several at a time. `compiled` says where one that was compiled lies, and what it
/// holds if it was read already.
pub(crate) fn sources<'a>(
    planned: impl Iterator<Item = &'a PlannedLibrary>,
    compiled: impl Fn(Fingerprint) -> Option<(Utf8PathBuf, Option<Arc<Contents>>)>,
) -> Result<Vec<LibrarySource<'a>>, LibrariesError> {
    let placed = |planned: &'a PlannedLibrary| match &planned.origin {
        Origin::Prepared { path } => Ok((planned, (path.clone(), None))),
        Origin::Compiled { fingerprint, .. } => match compiled(*fingerprint) {
            Some(place) => Ok((planned, place)),
            None => {
                let message = format!("`{}` was neither cached nor compiled", planned.model_lib);
                Err(std::io::Error::other(message))
            }
        },
    };
    let placed: Vec<_> = planned.map(placed).collect::<Result<_, _>>()?;
    // A file that cannot be asked for its size is told of when it is opened.
    let size = |(_, (path, read)): &(_, (Utf8PathBuf, Option<_>))| match read {
        Some(_) => 0,
        None => usize::try_from(files::size(path).unwrap_or_default()).unwrap_or(usize::MAX),
    };
    let opened = parallel::map(&placed, size, |(_, (path, read))| match read {
        Some(read) => Ok(Arc::clone(read)),
        None => Contents::open(path).map(Arc::new),
    });
    let sources = placed.iter().zip(opened).map(|((planned, (path, _)), bytes)| {
        Ok(LibrarySource { planned, path: path.clone(), bytes: bytes? })
    });
    sources.collect()
}

/// Opens and validates libraries, all problems at once, and goes on with them.
pub(crate) fn with_libraries<T, E: From<LibrariesError>>(
    plan: &Plan,
    models: &BTreeMap<ModelId, ModelFiles>,
    sources: &[LibrarySource<'_>],
    go_on: impl FnOnce(&[Linked<'_>]) -> Result<T, E>,
) -> Result<T, E> {
    let bytes: Vec<_> =
        sources.iter().map(|source| (source.path.as_path(), &**source.bytes)).collect();
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
    let mut problems = library::validate(target(plan), &linked);
    problems.extend(wrong_weights(models, &linked));
    if problems.is_empty() {
        go_on(&linked)
    } else {
        Err(LibrariesError::Problems(problems).into())
    }
}

/// Weights that are not those of the library that loads them.
fn wrong_weights(models: &BTreeMap<ModelId, ModelFiles>, linked: &[Linked<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for linked in linked {
        let prefix = linked.name.system_lib_prefix();
        let Some(blob) = linked.library.blobs().flatten().find(|blob| blob.prefix == prefix) else {
            continue;
        };
        for expected in linked.expects.iter().filter(|expected| expected.is_met_by(blob)) {
            let Some(model_id) = &expected.model_id else { continue };
            // A checkpoint that is not converted yet has no files, and a model of the Hub that the app
            // downloads may have no tensor cache: nothing says what its weights are. A tensor cache
            // that lists nothing says that there are none.
            let files = models.get(model_id).filter(|files| files.has_tensor_cache());
            let Some(files) = files else { continue };
            let weights =
                Weights { chat_config: &files.chat_config, tensor_cache: &files.tensor_cache };
            let path = files.tensor_cache_path();
            problems.extend(weights::check(
                &blob.metadata,
                weights,
                model_id.as_str(),
                linked.name.as_str(),
                &path,
            ));
        }
    }
    problems
}

/// Validates the libraries that the user compiled: whoever waited for a compilation should not
/// be told after it.
pub(crate) fn check_prepared(
    plan: &Plan,
    models: &BTreeMap<ModelId, ModelFiles>,
    kernels: &Gate<'_>,
) -> Result<(), LibrariesError> {
    let prepared =
        plan.libraries.iter().filter(|library| matches!(library.origin, Origin::Prepared { .. }));
    let sources = sources(prepared, |_| None)?;
    with_libraries(plan, models, &sources, |linked| {
        let mut problems = Vec::new();
        for (source, linked) in sources.iter().zip(linked).filter(|_| kernels.checks_all()) {
            match kernels.check(linked.library, &source.path)? {
                Verdict::Bad(problem) => problems.push(problem),
                Verdict::NoClang(why) => return Err(LibrariesError::NoClang(why)),
                Verdict::Good(_) | Verdict::Unchecked => {}
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(LibrariesError::Problems(problems)) }
    })
}

/// Refuses what cannot be checked though it has to be, before anything is compiled.
pub(crate) fn require_clang(
    gate: &Gate<'_>,
    device: Device,
    metal: Metal,
) -> Result<(), LibrariesError> {
    let kind = match (device.is_apple(), metal) {
        (false, _) => DeviceKind::OpenCl,
        (true, Metal::Source) => DeviceKind::Metal,
        (true, Metal::Metallib) => return Ok(()),
    };
    gate.require(kind)
}

/// All, or the problems of all that are none.
fn all<T>(opened: Vec<Result<T, LibraryError>>) -> Result<Vec<T>, LibrariesError> {
    let mut problems = Vec::new();
    let mut good = Vec::new();
    for opened in opened {
        match opened {
            Ok(opened) => good.push(opened),
            Err(error) => problems.push(Problem::from(&error)),
        }
    }
    if problems.is_empty() { Ok(good) } else { Err(LibrariesError::Problems(problems)) }
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
