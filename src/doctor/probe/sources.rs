use camino::{Utf8Path, Utf8PathBuf};

use super::Machine;
use crate::doctor::facts::Sources;
use crate::doctor::required::SUBMODULES;
use crate::io::{dir, files};
use crate::model::ShardPath;

/// How deep submodules lie in one another: MLC LLM, TVM, tvm-ffi, dlpack.
const DEPTH: usize = 3;
/// The most a `.gitmodules` may have in bytes.
const LIMIT: u64 = 1 << 20;

/// The sources that `MLC_LLM_SOURCE_DIR` names, or `MLC_LLM_HOME` as of old.
pub(super) fn sources(machine: &Machine<'_>) -> Sources {
    let Some(path) = machine.path("MLC_LLM_SOURCE_DIR").or_else(|| home(machine)) else {
        return Sources::Unnamed;
    };
    if files::is_file(&path) {
        Sources::File(path)
    } else if !files::is_dir(&path) {
        Sources::Missing(path)
    } else if !is_tree(&path) {
        let is_cache =
            ["model_weights", "model_lib"].iter().any(|part| files::is_dir(&path.join(part)));
        if is_cache { Sources::Cache(path) } else { Sources::Foreign(path) }
    } else {
        let tvm = machine.path("TVM_SOURCE_DIR");
        let mut empty = Vec::new();
        empty_submodules(&path, Utf8Path::new(""), tvm.is_some(), DEPTH, &mut empty);
        let not_tvm = tvm.filter(|tvm| !files::is_dir(&tvm.join("include/tvm")));
        Sources::Tree { path, empty, not_tvm }
    }
}

/// `MLC_LLM_HOME`, where it names sources as it did in older releases.
pub(super) fn home(machine: &Machine<'_>) -> Option<Utf8PathBuf> {
    machine.path("MLC_LLM_HOME").filter(|home| is_tree(home))
}

fn is_tree(dir: &Utf8Path) -> bool {
    ["android/mlc4j", "ios", "python/mlc_llm"].iter().all(|part| files::is_dir(&dir.join(part)))
}

/// Notes the needed submodules whose directory is empty or absent.
fn empty_submodules(
    root: &Utf8Path,
    tree: &Utf8Path,
    tvm_elsewhere: bool,
    depth: usize,
    empty: &mut Vec<Utf8PathBuf>,
) {
    let text = files::read_at_most(&root.join(tree).join(".gitmodules"), LIMIT).ok().flatten();
    // A tree that did not come by Git has none.
    let text = text.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let paths = lines.filter(|(name, _)| name.trim() == "path").map(|(_, path)| path.trim());
    // None leads out of the tree.
    for path in paths.filter(|path| path.parse::<ShardPath>().is_ok()) {
        let path = tree.join(path);
        let is_needed = path.file_name().is_some_and(|name| SUBMODULES.contains(&name));
        if !is_needed || (tvm_elsewhere && path == "3rdparty/tvm") {
            continue;
        }
        match dir::names(&root.join(&path)) {
            Ok(names) if !names.iter().any(|name| name != ".git") => empty.push(path),
            Ok(_) if depth > 0 => empty_submodules(root, &path, false, depth - 1, empty),
            _ => {}
        }
    }
}
