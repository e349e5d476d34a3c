//! Where a package must not be made.

use crate::error::Error;
use crate::io::files;
use crate::model::ModelSource;
use crate::pipeline::PackageRequest;
use crate::plan::Plan;

/// Refuses an output in a model's directory, whose files are bundled: the package would be in the
/// next package. And one that has the cache in it, which others use while it is exchanged.
pub(crate) fn refuse_occupied(request: &PackageRequest, plan: &Plan) -> Result<(), Error> {
    let output = files::real(&request.output);
    let refused = |what: String| {
        Error::usage(
            format!("--output {}: {what}", request.output),
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
    let hub_cache = request.hub_cache();
    for cache in std::iter::once(&request.cache_dir).chain(&hub_cache).map(|dir| files::real(dir)) {
        if cache.starts_with(&output) {
            return Err(refused("the cache is in this directory".to_owned()));
        }
    }
    Ok(())
}
