use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::FetchError;
use crate::io::files::{self, TreeKind};
use crate::model::loadable::Unloadable;
use crate::model::{
    ChatConfig, FileRole, ModelFile, ModelFiles, ShardPath, TensorCache, git_lfs, loadable,
    tokenizer_json,
};

/// Where `hf download --local-dir` notes what it has downloaded.
const HUB_NOTES: &str = ".cache/huggingface";

/// Looks through a model directory: reads its config and tensor cache, lists every file, and
/// holds the shards against the tensor cache by name and size. `.git` and
/// `.cache/huggingface` are left out: they are no part of a model. What no app could load is refused,
/// as far as it can be told without reading large files.
pub fn local(dir: &Utf8Path) -> Result<ModelFiles, FetchError> {
    let model = listed(dir)?;
    let has = |name: &str| model.files.iter().any(|file| file.path.as_str() == name);
    match loadable::bundled(&model.chat_config, has).into_iter().next() {
        Some(why) => Err(FetchError::Unloadable { model: model.dir.to_string(), why }),
        None => Ok(model),
    }
}

/// The same, with its tokenizer looked into.
pub fn judged(dir: &Utf8Path) -> Result<ModelFiles, FetchError> {
    let model = local(dir)?;
    let text = files::read_if_there(&model.dir.join(loadable::TOKENIZER_JSON))?;
    match text.map_or(Ok(()), |text| tokenizer_json::judge(&text)) {
        Err(why) => {
            let (model, why) = (model.dir.to_string(), Unloadable::TokenizerContent(why));
            Err(FetchError::Unloadable { model, why })
        }
        Ok(()) => Ok(model),
    }
}

fn listed(dir: &Utf8Path) -> Result<ModelFiles, FetchError> {
    let dir = files::canonical(dir)?;
    let found = list(&dir)?;
    let chat_config = read_chat_config(&dir)?;
    let (cache_path, tensor_cache) = read_tensor_cache(&dir)?;
    for shard in &tensor_cache.shards {
        let file = found.iter().find(|(path, ..)| *path == shard.path);
        let (_, source, bytes) = file.ok_or_else(|| FetchError::Missing {
            dir: dir.clone(),
            file: shard.path.to_string(),
        })?;
        if *bytes != shard.nbytes {
            refuse_lfs_pointer(source, *bytes)?;
            return Err(FetchError::Size {
                path: source.clone(),
                found: *bytes,
                expected: shard.nbytes,
            });
        }
    }
    let role_of = roles(&chat_config, cache_path, &tensor_cache);
    let mut listed = Vec::with_capacity(found.len());
    for (path, source, bytes) in found {
        let role = role_of(&path);
        if role == FileRole::Tokenizer {
            refuse_lfs_pointer(&source, bytes)?;
        }
        listed.push(ModelFile { path, source, bytes, role });
    }
    drop(role_of);
    Ok(ModelFiles { dir, chat_config, tensor_cache, files: listed })
}

/// Every file of a raw checkpoint's directory, by its path there, and where it is. A link that
/// leads out of the directory is refused: what it leads to could end up in the app.
pub fn checkpoint_files(dir: &Utf8Path) -> Result<Vec<(ShardPath, Utf8PathBuf)>, FetchError> {
    let found = list(&files::canonical(dir)?)?.into_iter();
    Ok(found.map(|(path, source, _)| (path, source)).collect())
}

/// What the files of a model are for. `cache_name` is the name of its tensor cache.
pub(super) fn roles<'a>(
    chat_config: &'a ChatConfig,
    cache_name: &'a str,
    tensor_cache: &'a TensorCache,
) -> impl Fn(&ShardPath) -> FileRole + 'a {
    let shards: BTreeSet<_> = tensor_cache.shards.iter().map(|shard| &shard.path).collect();
    let tokenizer: BTreeSet<_> = chat_config.tokenizer_files().collect();
    move |path| {
        if shards.contains(path) {
            FileRole::Weights
        } else if tokenizer.contains(path.as_str()) {
            FileRole::Tokenizer
        } else if path.as_str() == ChatConfig::FILE_NAME || path.as_str() == cache_name {
            FileRole::Config
        } else {
            FileRole::Other
        }
    }
}

pub(super) fn read_chat_config(dir: &Utf8Path) -> Result<ChatConfig, FetchError> {
    let path = dir.join(ChatConfig::FILE_NAME);
    let text = files::read_if_there(&path)?.ok_or_else(|| FetchError::Missing {
        dir: dir.to_owned(),
        file: ChatConfig::FILE_NAME.to_owned(),
    })?;
    refuse_lfs_pointer(&path, text.len() as u64)?;
    ChatConfig::parse(&text).map_err(|why| FetchError::ChatConfig { path, why })
}

/// The tensor cache and its name. Where both names are there, the newer one counts.
pub fn read_tensor_cache(dir: &Utf8Path) -> Result<(&'static str, TensorCache), FetchError> {
    let [newer, _] = TensorCache::FILE_NAMES;
    tensor_cache_if_there(dir)?
        .ok_or_else(|| FetchError::Missing { dir: dir.to_owned(), file: newer.to_owned() })
}

/// The same, where a directory may have none.
pub fn tensor_cache_if_there(
    dir: &Utf8Path,
) -> Result<Option<(&'static str, TensorCache)>, FetchError> {
    for name in TensorCache::FILE_NAMES {
        let path = dir.join(name);
        if let Some(text) = files::read_if_there(&path)? {
            refuse_lfs_pointer(&path, text.len() as u64)?;
            let cache =
                TensorCache::parse(&text).map_err(|why| FetchError::TensorCache { path, why })?;
            return Ok(Some((name, cache)));
        }
    }
    Ok(None)
}

/// Every file with its place on this machine and its size, sorted by path.
fn list(dir: &Utf8Path) -> Result<Vec<(ShardPath, Utf8PathBuf, u64)>, FetchError> {
    let mut found = Vec::new();
    // Git's history, and the notes of `hf download --local-dir`.
    let foreign = |path: &Utf8Path| path.file_name() == Some(".git") || path == HUB_NOTES;
    for entry in files::tree(dir, |path| !foreign(path))? {
        let path = dir.join(&entry.path);
        let (source, bytes) = match entry.kind {
            TreeKind::Dir => continue,
            TreeKind::File(bytes) => (path, bytes),
            TreeKind::Symlink => follow(dir, path)?,
            TreeKind::Other => return Err(FetchError::NotAFile { path }),
        };
        // A submodule has a file of that name.
        if entry.path.file_name() == Some(".git") {
            continue;
        }
        let name = entry.path.as_str().parse();
        let name = name.map_err(|why| FetchError::Name { path: entry.path.clone(), why })?;
        found.push((name, source, bytes));
    }
    Ok(found)
}

/// The file that a link in a model directory means. It may lie inside the directory, or where
/// the Hugging Face cache keeps the files of a snapshot (`<repo>/snapshots/<commit>/x` links to
/// `<repo>/blobs/<digest>`). A link to anywhere else could carry any file of this machine into
/// the app.
fn follow(dir: &Utf8Path, path: Utf8PathBuf) -> Result<(Utf8PathBuf, u64), FetchError> {
    let Ok(target) = files::canonical(&path) else {
        return Err(FetchError::BrokenLink { path });
    };
    let snapshot_of = dir.parent().filter(|above| above.file_name() == Some("snapshots"));
    let blobs = snapshot_of.and_then(Utf8Path::parent).map(|repo| repo.join("blobs"));
    if !target.starts_with(dir) && !blobs.is_some_and(|blobs| target.starts_with(blobs)) {
        return Err(FetchError::LinkOutside { path, target });
    }
    if !files::is_file(&target) {
        return Err(FetchError::NotAFile { path });
    }
    let bytes = files::size(&target)?;
    Ok((target, bytes))
}

fn refuse_lfs_pointer(path: &Utf8Path, bytes: u64) -> Result<(), FetchError> {
    // No pointer is longer (git-lfs, docs/spec.md).
    if bytes < 1024 && git_lfs::is_pointer(&files::read(path)?) {
        return Err(FetchError::LfsPointer { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use camino::{Utf8Path, Utf8PathBuf};

    use super::local;
    use crate::model::FileRole;

    fn model() -> (tempfile::TempDir, Utf8PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap().canonicalize_utf8().unwrap();
        let put = |name: &str, text: &str| fs_err::write(dir.join(name), text).unwrap();
        put(
            "mlc-chat-config.json",
            r#"{"model_type": "llama", "quantization": "q0f16", "model_config": {},
                "vocab_size": 4, "prefill_chunk_size": 4, "tokenizer_files": ["tokenizer.json"],
                "conv_template": {"system_template": "", "system_message": "",
                "add_role_after_system_message": true, "roles": {"user": "", "assistant": ""},
                "messages": [], "seps": [""], "role_content_sep": "", "role_empty_sep": "",
                "stop_str": [], "stop_token_ids": []}}"#,
        );
        put(
            "tensor-cache.json",
            r#"{"records": [{"dataPath": "params_shard_0.bin", "format": "raw-shard", "nbytes": 4,
                "records": [{"name": "w", "shape": [2], "dtype": "float16", "format": "raw",
                "nbytes": 4, "byteOffset": 0}]}]}"#,
        );
        put("params_shard_0.bin", "1234");
        put("tokenizer.json", r#"{"model": {"vocab": {"a": 0}}}"#);
        put("README.md", "#");
        for path in [".git/HEAD", ".cache/huggingface/download/tokenizer.json.metadata"] {
            fs_err::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            fs_err::write(dir.join(path), "x").unwrap();
        }
        (temp, dir)
    }

    fn why(dir: &Utf8Path) -> String {
        let text = local(dir).unwrap_err().to_string();
        text.replace(dir.as_str(), "DIR")
    }

    #[test]
    fn every_file_has_its_role_and_what_tools_leave_there_has_none() {
        let (_temp, dir) = model();
        let files = local(&dir).unwrap();
        let listed: Vec<_> =
            files.files.iter().map(|file| (file.path.as_str(), file.role)).collect();
        assert_eq!(
            listed,
            [
                ("README.md", FileRole::Other),
                ("mlc-chat-config.json", FileRole::Config),
                ("params_shard_0.bin", FileRole::Weights),
                ("tensor-cache.json", FileRole::Config),
                ("tokenizer.json", FileRole::Tokenizer),
            ]
        );
        assert_eq!(files.bytes_of(FileRole::Weights), 4);
    }

    #[test]
    fn incomplete_directories_are_refused_by_name() {
        let (_temp, dir) = model();
        fs_err::write(dir.join("params_shard_0.bin"), "123").unwrap();
        assert_eq!(why(&dir), "`DIR/params_shard_0.bin` has 3 bytes, and the tensor cache says 4");
        fs_err::remove_file(dir.join("params_shard_0.bin")).unwrap();
        assert_eq!(why(&dir), "the model directory `DIR` has no `params_shard_0.bin`");
        fs_err::remove_file(dir.join("tensor-cache.json")).unwrap();
        assert_eq!(why(&dir), "the model directory `DIR` has no `tensor-cache.json`");
    }

    #[test]
    fn a_tokenizer_file_that_is_named_and_not_there_is_refused() {
        let (_temp, dir) = model();
        fs_err::remove_file(dir.join("tokenizer.json")).unwrap();
        assert_eq!(
            why(&dir),
            "no app can load `DIR`: `tokenizer_files` of its mlc-chat-config.json names \
             `tokenizer.json`, which it does not have"
        );
    }

    #[test]
    fn lfs_pointers_are_noticed() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n";
        for name in ["params_shard_0.bin", "tokenizer.json", "tensor-cache.json"] {
            let (_temp, dir) = model();
            fs_err::write(dir.join(name), pointer).unwrap();
            assert_eq!(
                why(&dir),
                format!("`DIR/{name}` is a git-lfs pointer, not the file itself")
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_may_stay_inside_or_lead_to_the_hubs_blobs() {
        use fs_err::os::unix::fs::symlink;
        let (_temp, dir) = model();
        symlink("README.md", dir.join("link.md")).unwrap();
        assert!(local(&dir).is_ok());
        symlink("/etc/hostname", dir.join("secret")).unwrap();
        assert!(why(&dir).ends_with("outside of the model directory"), "{}", why(&dir));
        fs_err::remove_file(dir.join("secret")).unwrap();

        let repo = dir.parent().unwrap().join(format!("{}-cache", dir.file_name().unwrap()));
        let snapshot = repo.join("snapshots/0123");
        fs_err::create_dir_all(&snapshot).unwrap();
        fs_err::create_dir_all(repo.join("blobs")).unwrap();
        for file in local(&dir).unwrap().files {
            fs_err::copy(&file.source, repo.join("blobs").join(file.path.as_str())).unwrap();
            symlink(format!("../../blobs/{}", file.path), snapshot.join(file.path.as_str()))
                .unwrap();
        }
        let files = local(&snapshot).unwrap();
        assert!(files.files.iter().all(|file| file.source.starts_with(repo.join("blobs"))));
        fs_err::remove_dir_all(repo).unwrap();
    }
}
