//! What is wrong with a model's directory, for who looks at it before a build does.

use camino::Utf8Path;

use super::{FetchError, judged, tensor_cache_if_there};
use crate::config::ModelFault;
use crate::io::files;
use crate::model::{ChatConfig, ShardPath, TensorCache, loadable};

/// All that can be told of a model's files at once, else the first thing that a build would refuse.
pub(crate) fn model_faults(dir: &Utf8Path, chat_config: &ChatConfig) -> Vec<ModelFault> {
    let is_there = |name: &str| {
        // Names that would leave the directory are refused where they are read.
        name.parse::<ShardPath>().is_ok_and(|name| files::is_file(&dir.join(name.as_path())))
    };
    let unloadable = loadable::bundled(chat_config, is_there);
    let mut faults: Vec<_> = unloadable.into_iter().map(ModelFault::Unloadable).collect();
    if let Ok(Some((_, cache))) = tensor_cache_if_there(dir) {
        let shards = || cache.shards.iter().map(|shard| &shard.path);
        let missing = shards().filter(|path| !is_there(path.as_str()));
        let missing: Vec<_> = missing.map(ToString::to_string).collect();
        if !missing.is_empty() {
            faults.push(ModelFault::MissingShards(missing));
        }
    }
    match judged(dir) {
        // That there is none at all is told of every model.
        Err(FetchError::Missing { file, .. }) if TensorCache::FILE_NAMES.contains(&&*file) => {}
        Err(_) if !faults.is_empty() => {}
        Err(FetchError::Unloadable { why, .. }) => faults.push(ModelFault::Unloadable(why)),
        Err(error) => {
            faults.push(ModelFault::Refused { why: error.to_string(), help: error.help() });
        }
        Ok(_) => {}
    }
    faults
}
