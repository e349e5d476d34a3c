//! The list of a commit's files, by a snapshot that `huggingface_hub` downloaded whole.

use camino::Utf8Path;

use super::hub::{Commit, Listing, RemoteFile};
use super::local::read_tensor_cache;
use super::weights::{self, CachedFile, Content};
use crate::model::{ChatConfig, HubRepo, TensorCache};

/// The files of a snapshot, as the names of their blobs tell their digests. None unless the
/// model's config, its tensor cache and every shard are there. What else the repository has
/// nobody can tell from here, so this is no list to be kept or pinned.
pub(super) fn cached_listing(
    hub_cache: &Utf8Path,
    repo: &HubRepo,
    commit: &Commit,
) -> Option<Listing> {
    let repo_dir = weights::repo_dir(hub_cache, repo);
    let snapshot = repo_dir.join("snapshots").join(commit.as_str());
    let cached = weights::list(&repo_dir, &snapshot).ok()?;
    let listing = Listing::new(cached.iter().filter_map(remote).collect()).ok()?;
    listing.file(ChatConfig::FILE_NAME)?;
    TensorCache::FILE_NAMES.iter().find_map(|name| listing.file(name))?;
    let (_, tensor_cache) = read_tensor_cache(&snapshot).ok()?;
    let is_there = |path: &str| listing.file(path).is_some();
    tensor_cache.shards.iter().all(|shard| is_there(shard.path.as_str())).then_some(listing)
}

fn remote(file: &CachedFile) -> Option<RemoteFile> {
    let Content::Blob { path, bytes } = &file.content else { return None };
    let digest = path.file_name()?.parse().ok()?;
    Some(RemoteFile { path: file.path.as_str().parse().ok()?, bytes: *bytes, digest })
}
