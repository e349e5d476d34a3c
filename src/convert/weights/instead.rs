//! What a directory without weights has instead.

use std::collections::BTreeMap;
use std::fmt;

/// Files by which another format is known: the end of the name, and what it is.
const FORMATS: [(&str, &str); 9] = [
    (".gguf", "llama.cpp's format"),
    (".ggml", "an old format of llama.cpp"),
    (".pth", "Meta's own format, or another of PyTorch's"),
    (".pt", "another format of PyTorch's"),
    (".h5", "TensorFlow's format"),
    (".msgpack", "Flax's format"),
    (".onnx", "ONNX"),
    (".npz", "NumPy's format"),
    (".ot", "Rust's tch format"),
];

/// What there is in the place of weights.
#[derive(Debug, PartialEq, Eq)]
pub enum Instead {
    /// Files of weights without the index that says which tensor is in which.
    Shards {
        /// The first of them.
        first: String,
        /// How many there are.
        found: usize,
        /// How many there should be, by their names.
        of: usize,
        /// The index that is looked for.
        index: String,
    },
    /// Mistral's or Meta's own format.
    Consolidated {
        /// A file of it.
        file: String,
    },
    /// The weights of an adapter alone.
    Adapter {
        /// Their file.
        file: String,
    },
    /// A model that is converted already.
    Converted {
        /// A file of it.
        file: String,
    },
    /// Weights in a file of another name.
    Name {
        /// It.
        file: String,
    },
    /// Weights in another format.
    Format {
        /// A file of them.
        file: String,
        /// The format.
        what: &'static str,
    },
    /// Nothing of the kind.
    Nothing,
}

impl Instead {
    /// Looks at the names of a directory's files.
    pub(super) fn of(names: &[String]) -> Self {
        let named = |test: &dyn Fn(&str) -> bool| names.iter().filter(|name| test(name)).min();
        if let Some(file) = named(&|name| name.starts_with("params_shard_")) {
            return Self::Converted { file: file.clone() };
        }
        let ends = |name: &str, ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        let weights = [".safetensors", ".bin", ".pth", ".pt"];
        let consolidated = |name: &str| name.starts_with("consolidated") && ends(name, &weights);
        if let Some(file) = named(&consolidated) {
            // Of several formats, that which is read is the one that lacks something.
            let others: Vec<_> = names.iter().filter(|name| !consolidated(name)).cloned().collect();
            return shards(&others).unwrap_or_else(|| Self::Consolidated { file: file.clone() });
        }
        if let Some(shards) = shards(names) {
            return shards;
        }
        let adapter = |name: &str| name.starts_with("adapter_model") && ends(name, &weights);
        if let Some(file) = named(&adapter) {
            return Self::Adapter { file: file.clone() };
        }
        // Of PyTorch's, optimizers and arguments of the training are .bin too.
        let other = |name: &str| {
            let is_model = name.contains("model") || name.contains("weight");
            name.ends_with(".safetensors") || (name.ends_with(".bin") && is_model)
        };
        if let Some(file) = named(&other) {
            return Self::Name { file: file.clone() };
        }
        let known = |(end, what): &(&str, &'static str)| {
            let file = named(&|name| name.ends_with(end))?;
            Some(Self::Format { file: file.clone(), what })
        };
        FORMATS.iter().find_map(known).unwrap_or(Self::Nothing)
    }

    /// What to do.
    pub fn help(&self) -> String {
        let text = match self {
            Self::Shards { index, .. } => {
                return format!(
                    "download `{index}` from where they are from: it says which tensor is in which"
                );
            }
            Self::Consolidated { .. } => {
                "its tensors have other names than those of transformers, which are read: \
                 download model*.safetensors of the same model, or of its conversion for transformers"
            }
            Self::Adapter { .. } => {
                "name the checkpoint that it was trained on, and the adapter with --lora-adapter"
            }
            Self::Converted { .. } => "it needs no conversion: name it as a model",
            Self::Name { .. } => "rename it, if it is the model's weights",
            Self::Format { .. } => "download the model's safetensors",
            Self::Nothing => "name a Hugging Face checkpoint: config.json beside weights",
        };
        text.to_owned()
    }
}

/// After "`PATH`".
impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shards { first, of: 1, index, .. } => {
                write!(f, "has its weights in `{first}`, and no `{index}`")
            }
            Self::Shards { first, found, of, index } if found == of => {
                write!(f, "has {of} files of weights, `{first}` and so on, and no `{index}`")
            }
            Self::Shards { first, found, of, index } => {
                write!(f, "has {found} of {of} files of weights, as `{first}`, and no `{index}`")
            }
            Self::Consolidated { file } => {
                write!(
                    f,
                    "has its weights only as `{file}`, the format of Mistral's or Meta's own code"
                )
            }
            Self::Adapter { file } => write!(f, "is a LoRA adapter, and no model: `{file}`"),
            Self::Converted { file } => write!(f, "is converted already: it has `{file}`"),
            Self::Name { file } => write!(
                f,
                "has `{file}`, and neither model.safetensors nor pytorch_model.bin, nor an index \
                 of one"
            ),
            Self::Format { file, what } => {
                write!(f, "has its weights only as `{file}`, {what}")
            }
            Self::Nothing => f.write_str(
                "has no weights: neither model.safetensors nor pytorch_model.bin, nor an index of \
                 one",
            ),
        }
    }
}

/// Files that are numbered `-00001-of-00002`; of several sets, the largest.
fn shards(names: &[String]) -> Option<Instead> {
    let mut sets: BTreeMap<(&str, usize, &str), Vec<&String>> = BTreeMap::new();
    for name in names {
        if let Some(set) = numbered(name) {
            sets.entry(set).or_default().push(name);
        }
    }
    let ((stem, of, ending), files) = sets.into_iter().max_by_key(|(_, files)| files.len())?;
    let first = files.iter().min()?.to_string();
    let index = format!("{stem}{ending}.index.json");
    Some(Instead::Shards { first, found: files.len(), of, index })
}

/// The parts of a numbered name: what stands before, how many there are, and the ending.
fn numbered(name: &str) -> Option<(&str, usize, &str)> {
    let (rest, ending) = name.rsplit_once('.')?;
    let ending = name.get(rest.len()..).filter(|_| matches!(ending, "safetensors" | "bin"))?;
    let (rest, of) = rest.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    number.parse::<usize>().ok()?;
    Some((stem, of.parse().ok()?, ending))
}

#[cfg(test)]
mod tests {
    use super::Instead;

    #[test]
    fn each_directory_is_said_to_be_what_it_is() {
        for (names, said) in [
            (
                &["model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"][..],
                "has 2 of 3 files of weights, as `model-00001-of-00003.safetensors`, and no \
                 `model.safetensors.index.json`",
            ),
            (
                &["pytorch_model-00001-of-00001.bin", "training_args.bin"],
                "has its weights in `pytorch_model-00001-of-00001.bin`, and no \
                 `pytorch_model.bin.index.json`",
            ),
            (
                &["consolidated.safetensors", "params.json"],
                "has its weights only as `consolidated.safetensors`, the format of Mistral's or \
                 Meta's own code",
            ),
            (
                &["consolidated.00.pth", "tokenizer.model"],
                "has its weights only as `consolidated.00.pth`, the format of Mistral's or Meta's \
                 own code",
            ),
            (
                &["consolidated-00001-of-00002.safetensors", "consolidated.safetensors.index.json"],
                "has its weights only as `consolidated-00001-of-00002.safetensors`, the format of \
                 Mistral's or Meta's own code",
            ),
            (
                &["adapter_config.json", "adapter_model.safetensors"],
                "is a LoRA adapter, and no model: `adapter_model.safetensors`",
            ),
            (
                &["params_shard_0.bin", "tensor-cache.json"],
                "is converted already: it has `params_shard_0.bin`",
            ),
            (
                &["weights.safetensors"],
                "has `weights.safetensors`, and neither model.safetensors nor pytorch_model.bin, \
                 nor an index of one",
            ),
            (&["m-q4_k_m.gguf"], "has its weights only as `m-q4_k_m.gguf`, llama.cpp's format"),
            (
                &["config.json", "optimizer.bin"],
                "has no weights: neither model.safetensors nor pytorch_model.bin, nor an index of \
                 one",
            ),
        ] {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let instead = Instead::of(&names);
            assert_eq!(instead.to_string(), said);
            assert!(!instead.help().is_empty());
        }
    }
}
