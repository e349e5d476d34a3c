//! What Python sees of a checkpoint: a directory of links. MLC LLM writes an index beside the
//! weights that it reads; the checkpoint is not ours to be written to.

use camino::{Utf8Path, Utf8PathBuf};

use crate::convert::ConvertError;
use crate::io::files;
use crate::model::ShardPath;

/// Files that hold weights, by the ends of their names.
const WEIGHTS: [&str; 9] =
    [".safetensors", ".bin", ".pt", ".pth", ".gguf", ".onnx", ".onnx_data", ".h5", ".msgpack"];
/// Texts for people.
const TEXT: &str = ".md";

/// The files of a checkpoint by their paths in it, and where they are.
pub type Listed = [(ShardPath, Utf8PathBuf)];

/// Whether a file is a config, the tokenizer's, or another small one that `gen_config` may read.
pub fn is_config(path: &ShardPath) -> bool {
    let path = path.as_str();
    !path.ends_with(TEXT) && !WEIGHTS.iter().any(|weights| path.ends_with(weights))
}

/// Makes a directory with a link to each of the files.
pub fn make_linked_copy(listed: &Listed, dir: &Utf8Path) -> Result<(), ConvertError> {
    let make = || {
        files::create_dir_all(dir)?;
        for (name, path) in listed.iter().filter(|(name, _)| !name.as_str().ends_with(TEXT)) {
            let link = dir.join(name.as_str());
            files::create_dir_all(files::parent(&link))?;
            files::symlink(&files::canonical(path)?, &link)?;
        }
        Ok(())
    };
    make().map_err(ConvertError::Write)
}

/// What `convert_weight` reads of an AWQ checkpoint: MLC LLM detects the other formats itself,
/// and takes a directory for none of this one.
pub fn awq_source(dir: &Utf8Path) -> Option<Utf8PathBuf> {
    let names = [
        "model.safetensors.index.json",
        "model.safetensors",
        "pytorch_model.bin.index.json",
        "pytorch_model.bin",
    ];
    names.into_iter().map(|name| dir.join(name)).find(|path| files::is_file(path))
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{awq_source, is_config, make_linked_copy};

    #[test]
    fn configs_and_tokenizers_are_no_weights() {
        let is = |path: &str| is_config(&path.parse().unwrap());
        for path in
            ["config.json", "tokenizer.model", "qwen.tiktoken", "model.safetensors.index.json"]
        {
            assert!(is(path), "{path}");
        }
        for path in ["model.safetensors", "pytorch_model.bin", "original/c.00.pth", "README.md"] {
            assert!(!is(path), "{path}");
        }
    }

    #[test]
    fn what_is_written_into_a_view_is_not_in_the_checkpoint() {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temp.path()).unwrap();
        let (checkpoint, view) = (root.join("checkpoint"), root.join("view"));
        fs_err::create_dir_all(checkpoint.join("deep")).unwrap();
        let names = ["model.safetensors", "deep/config.json", "README.md"];
        let listed = names.map(|name| {
            fs_err::write(checkpoint.join(name), name).unwrap();
            (name.parse().unwrap(), checkpoint.join(name))
        });
        make_linked_copy(&listed, &view).unwrap();
        assert_eq!(fs_err::read_to_string(view.join("deep/config.json")).unwrap(), names[1]);
        assert!(!view.join("README.md").exists());
        assert_eq!(awq_source(&view), Some(view.join("model.safetensors")));
        fs_err::write(view.join("model.safetensors.index.json"), "{}").unwrap();
        assert_eq!(awq_source(&view), Some(view.join("model.safetensors.index.json")));
        assert!(!checkpoint.join("model.safetensors.index.json").exists());
        assert_eq!(awq_source(&root.join("deep")), None);
    }
}
