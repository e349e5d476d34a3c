//! The list of a commit's files, by a snapshot that `huggingface_hub` downloaded whole.

use camino::Utf8Path;

use super::hub::{Commit, Listing, RemoteDigest, RemoteFile};
use super::local::read_tensor_cache;
use super::weights::{self, CachedFile, Content};
use crate::io::cancel::Cancel;
use crate::model::{ChatConfig, HubRepo, TensorCache};

/// The files of a snapshot, as the names of their blobs tell their digests; where the file system
/// has no links, and the files lie in the snapshot itself, they are read for them. None unless the
/// model's config, its tensor cache and every shard are there. What else the repository has
/// nobody can tell from here, so this is no list to be kept or pinned.
pub(super) fn cached_listing(
    hub_cache: &Utf8Path,
    repo: &HubRepo,
    commit: &Commit,
    cancel: &Cancel,
) -> Option<Listing> {
    let repo_dir = weights::repo_dir(hub_cache, repo);
    let snapshot = repo_dir.join("snapshots").join(commit.as_str());
    let cached = weights::list(&repo_dir, &snapshot).ok()?;
    let files = cached.iter().filter_map(|file| remote(&snapshot, file, cancel)).collect();
    let listing = Listing::new(files).ok()?;
    listing.file(ChatConfig::FILE_NAME)?;
    TensorCache::FILE_NAMES.iter().find_map(|name| listing.file(name))?;
    let (_, tensor_cache) = read_tensor_cache(&snapshot).ok()?;
    let is_there = |path: &str| listing.file(path).is_some();
    tensor_cache.shards.iter().all(|shard| is_there(shard.path.as_str())).then_some(listing)
}

fn remote(snapshot: &Utf8Path, file: &CachedFile, cancel: &Cancel) -> Option<RemoteFile> {
    let (bytes, digest) = match &file.content {
        Content::Blob { path, bytes } => (*bytes, path.file_name()?.parse().ok()?),
        Content::Inline { bytes } => {
            let place = snapshot.join(&file.path);
            (*bytes, RemoteDigest::Sha256([0; 32]).of_file(&place, cancel).ok()?)
        }
        Content::Broken { .. } => return None,
    };
    Some(RemoteFile { path: file.path.as_str().parse().ok()?, bytes, digest })
}
