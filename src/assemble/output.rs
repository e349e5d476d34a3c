//! Where a package must not be made.

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Error;
use crate::io::files;
use crate::model::ModelSource;
use crate::pipeline::PackageRequest;
use crate::plan::Plan;

/// Refuses an output in a model's directory, whose files are bundled: the package would be in the
/// next package. And one that has the cache in it, which others use while it is exchanged.
pub(crate) fn refuse_occupied(request: &PackageRequest, plan: &Plan) -> Result<(), Error> {
    let output = real(&request.output);
    let refused = |what: String| {
        Error::usage(
            format!("--output {}: {what}", request.output),
            "name one that holds the package alone, `dist` for instance",
        )
    };
    for model in &plan.models {
        if let ModelSource::Local(local) = &model.source
            && output.starts_with(real(&local.dir))
        {
            return Err(refused(format!("this is in the directory of `{}`", model.model_id)));
        }
    }
    match real(&request.cache_dir).starts_with(&output) {
        true => Err(refused("the cache is in this directory".to_owned())),
        false => Ok(()),
    }
}

/// The path without links, as far as it is there.
fn real(path: &Utf8Path) -> Utf8PathBuf {
    let mut missing = Utf8PathBuf::new();
    let mut there = path;
    loop {
        if let Ok(found) = files::canonical(if there == "" { Utf8Path::new(".") } else { there }) {
            return found.join(missing);
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing = match missing.as_str() {
                    "" => name.into(),
                    _ => Utf8Path::new(name).join(missing),
                };
                there = parent;
            }
            _ => return path.to_owned(),
        }
    }
}
