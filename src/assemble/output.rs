//! Where a package must not be made.

use camino::{Utf8Path, Utf8PathBuf};

use super::AssembleError;
use crate::io::files;
use crate::model::ModelSource;
use crate::plan::Plan;

/// Refuses an output in a model's directory, whose files are bundled: the package would be in the
/// next package. And one that has the cache in it, which others use while it is exchanged.
pub(crate) fn refuse_occupied(
    given: &Utf8Path,
    caches: &[Utf8PathBuf],
    plan: &Plan,
) -> Result<(), AssembleError> {
    let output = files::real(given);
    let refused = |what: String| {
        AssembleError::refused(
            format!("--output {given}: {what}"),
            "name one that holds the package alone, `dist` for instance",
        )
    };
    for model in &plan.models {
        if let ModelSource::Local(local) = &model.source
            && output.starts_with(files::real(&local.dir))
        {
            return Err(refused(format!("this is in the directory of `{}`", model.model_id)));
        }
    }
    if let Some(dir) = files::reserved(&output) {
        return Err(refused(format!("`{dir}` is not for packages")));
    }
    for cache in caches.iter().map(|dir| files::real(dir)) {
        if cache.starts_with(&output) {
            return Err(refused("the cache is in this directory".to_owned()));
        }
    }
    Ok(())
}
