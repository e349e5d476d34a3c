//! The sources of MLC LLM: whether a binding can be built from them.

use camino::{Utf8Path, Utf8PathBuf};

use super::{BindingError, Surroundings};
use crate::io::dir;
use crate::io::files::{self, TreeKind};
use crate::io::marked::MarkedDir;
use crate::model::Device;

/// The submodules, by their last name, that a binding is built from. Others (tests, kernels of
/// servers) may be absent.
const NEEDED: [&str; 8] =
    ["tvm", "tokenizers-cpp", "xgrammar", "stb", "tvm-ffi", "dlpack", "msgpack", "sentencepiece"];
/// How deep submodules lie in one another: `mlc-llm`, `tvm`, `tvm-ffi`, `dlpack`.
const DEPTH: usize = 3;
/// The most a `.gitmodules` may have in bytes.
const GITMODULES_LIMIT: u64 = 1 << 20;

/// Trees that a binding can be built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTree {
    /// That of MLC LLM, absolute, without links.
    pub mlc_llm: Utf8PathBuf,
    /// That of TVM where it is not the submodule, absolute: `TVM_SOURCE_DIR`.
    pub tvm: Option<Utf8PathBuf>,
}

impl SourceTree {
    /// The trees that `MLC_LLM_SOURCE_DIR` and `TVM_SOURCE_DIR` name.
    pub(super) fn find(given: Surroundings<'_>, device: Device) -> Result<Self, BindingError> {
        let mlc_llm = given.path("MLC_LLM_SOURCE_DIR").ok_or(BindingError::NoSource)?;
        refuse_other(&mlc_llm, device)?;
        let tvm = given.path("TVM_SOURCE_DIR");
        if let Some(tvm) = &tvm
            && !files::is_dir(&tvm.join("include/tvm"))
        {
            return Err(BindingError::NotTvm(tvm.clone()));
        }
        let own = mlc_llm.join("3rdparty/tvm");
        let mut empty = Vec::new();
        empty_submodules(&mlc_llm, Utf8Path::new(""), tvm.is_some(), DEPTH, &mut empty);
        if !empty.is_empty() {
            return Err(BindingError::EmptySubmodules { dir: mlc_llm, submodules: empty });
        }
        let real = |dir: &Utf8Path| {
            files::canonical(dir)
                .map_err(|source| BindingError::Source { dir: dir.to_owned(), source })
        };
        let tvm = tvm.map(|tvm| real(&tvm)).transpose()?;
        let tvm = tvm.filter(|tvm| files::canonical(&own).ok().as_ref() != Some(tvm));
        Ok(Self { mlc_llm: real(&mlc_llm)?, tvm })
    }

    /// The sources of TVM.
    pub fn tvm(&self) -> Utf8PathBuf {
        self.tvm.clone().unwrap_or_else(|| self.mlc_llm.join("3rdparty/tvm"))
    }

    /// Whether upstream's script for Apple can leave its link.
    pub(super) fn check_writable(&self) -> Result<(), BindingError> {
        let dir = files::parent(&self.tvm_home()).to_owned();
        match MarkedDir::new_in(&dir, ".mlc-package-") {
            Ok(probe) => Ok(probe.remove()?),
            Err(source) => Err(BindingError::ReadOnlySource { dir, source }),
        }
    }

    /// Leaves the link that upstream's script for Apple leaves: the app's project finds TVM's
    /// headers by it. A link that is right stays.
    ///
    /// # Errors
    /// The sources cannot be written to.
    pub fn link_tvm_home(&self) -> std::io::Result<()> {
        let (link, target) = (self.tvm_home(), self.mlc_llm.join("3rdparty/tvm"));
        match files::kind(&link)? {
            Some(TreeKind::Symlink) if files::read_link(&link)? != target => {
                files::remove_file(&link)?;
            }
            None => {}
            Some(_) => return Ok(()),
        }
        match files::symlink(&target, &link) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    fn tvm_home(&self) -> Utf8PathBuf {
        self.mlc_llm.join("ios/MLCSwift/tvm_home")
    }

    /// The script of upstream's that builds the binding.
    pub(super) fn script(&self, device: Device) -> Utf8PathBuf {
        self.mlc_llm.join(script_of(device))
    }
}

fn script_of(device: Device) -> &'static str {
    if device.is_apple() { "ios/prepare_libs.sh" } else { "android/mlc4j/prepare_libs.py" }
}

fn refuse_other(dir: &Utf8Path, device: Device) -> Result<(), BindingError> {
    if files::is_file(dir) {
        return Err(BindingError::SourceIsFile(dir.to_owned()));
    }
    if !files::is_dir(dir) {
        return Err(BindingError::SourceMissing(dir.to_owned()));
    }
    let lacks = script_of(device);
    if files::is_file(&dir.join(lacks)) {
        return Ok(());
    }
    let is_cache = ["model_weights", "model_lib"].iter().any(|name| files::is_dir(&dir.join(name)));
    Err(match is_cache {
        true => BindingError::SourceIsCache(dir.to_owned()),
        false => BindingError::NotSource { dir: dir.to_owned(), lacks },
    })
}

/// Notes the needed submodules of a tree whose directory is empty or absent.
fn empty_submodules(
    root: &Utf8Path,
    tree: &Utf8Path,
    tvm_elsewhere: bool,
    depth: usize,
    empty: &mut Vec<Utf8PathBuf>,
) {
    let text = files::read_at_most(&root.join(tree).join(".gitmodules"), GITMODULES_LIMIT);
    // A tree without Git has none, and what it lacks the compiler will say.
    let Ok(Some(text)) = text else { return };
    for path in submodule_paths(&String::from_utf8_lossy(&text)) {
        let path = tree.join(path);
        let name = path.file_name().unwrap_or_default();
        if !NEEDED.contains(&name) || (tvm_elsewhere && path == "3rdparty/tvm") {
            continue;
        }
        match dir::names(&root.join(&path)) {
            Ok(names) if names.is_empty() => empty.push(path),
            Ok(_) if depth > 0 => empty_submodules(root, &path, false, depth - 1, empty),
            _ => {}
        }
    }
}

/// The values of `path` in a `.gitmodules`; those that leave the tree are left out.
fn submodule_paths(text: &str) -> Vec<&str> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let paths = lines.filter(|(name, _)| name.trim() == "path").map(|(_, path)| path.trim());
    let inside = |path: &&str| path.parse::<crate::model::ShardPath>().is_ok();
    paths.filter(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::submodule_paths;

    #[test]
    fn submodules_are_read_and_none_lies_outside() {
        let text = "[submodule \"3rdparty/tvm\"]\n\tpath = 3rdparty/tvm\n\turl = x\n\
                    [submodule \"a\"]\npath=b\n\tpath = ../evil\npath = /etc\nbranch = path\n";
        assert_eq!(submodule_paths(text), ["3rdparty/tvm", "b"]);
    }
}
