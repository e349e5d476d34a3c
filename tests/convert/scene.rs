//! A small checkpoint in a directory of its own, and the program run on it.

use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value, json};

/// A checkpoint to be, of one layer of Llama.
pub(crate) struct Scene {
    _dir: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
    pub(crate) config: Value,
    pub(crate) tensors: Vec<Tensor>,
}

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let layer = "model.layers.0.";
        let tensors = [
            ("model.embed_tokens.weight".to_owned(), vec![50, 64]),
            (format!("{layer}self_attn.q_proj.weight"), vec![64, 64]),
            (format!("{layer}self_attn.k_proj.weight"), vec![32, 64]),
            (format!("{layer}self_attn.v_proj.weight"), vec![32, 64]),
            (format!("{layer}self_attn.o_proj.weight"), vec![64, 64]),
            (format!("{layer}mlp.gate_proj.weight"), vec![96, 64]),
            (format!("{layer}mlp.up_proj.weight"), vec![96, 64]),
            (format!("{layer}mlp.down_proj.weight"), vec![64, 96]),
            (format!("{layer}input_layernorm.weight"), vec![64]),
            (format!("{layer}post_attention_layernorm.weight"), vec![64]),
            ("model.norm.weight".to_owned(), vec![64]),
            ("lm_head.weight".to_owned(), vec![50, 64]),
        ]
        .map(|(name, shape)| Tensor::of_f32(name, shape));
        let config = json!({
            "model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
            "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 1,
            "vocab_size": 50, "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
        });
        Self { _dir: dir, root, config, tensors: tensors.to_vec() }
    }

    pub(crate) fn source(&self) -> Utf8PathBuf {
        self.root.join("checkpoint")
    }

    pub(crate) fn output(&self) -> Utf8PathBuf {
        self.root.join("model")
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name.contains(name)).unwrap()
    }

    /// Writes the checkpoint in one file.
    pub(crate) fn write(&self) -> &Self {
        fs_err::create_dir_all(self.source()).unwrap();
        fs_err::write(self.source().join("config.json"), self.config.to_string()).unwrap();
        fs_err::write(self.source().join("model.safetensors"), safetensors(&self.tensors)).unwrap();
        self
    }

    /// Writes the checkpoint in two files with an index.
    pub(crate) fn write_sharded(&self) -> &Self {
        self.write();
        fs_err::remove_file(self.source().join("model.safetensors")).unwrap();
        let mut weight_map = Map::new();
        for (file, tensors) in [("a", &self.tensors[..6]), ("b", &self.tensors[6..])] {
            let file = format!("{file}.safetensors");
            fs_err::write(self.source().join(&file), safetensors(tensors)).unwrap();
            for tensor in tensors {
                weight_map.insert(tensor.name.clone(), file.as_str().into());
            }
        }
        self.write_index(&json!({ "weight_map": weight_map }));
        self
    }

    pub(crate) fn write_index(&self, index: &Value) {
        let path = self.source().join("model.safetensors.index.json");
        fs_err::write(path, index.to_string()).unwrap();
    }

    pub(crate) fn index(&self) -> Value {
        let path = self.source().join("model.safetensors.index.json");
        serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
    }

    /// The program with these arguments; of this environment it sees nothing but `PATH`.
    /// Unless they name a template, only the weights are converted.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.whole_command(arguments);
        let says = |option: &&str| ["--conv-template", "--weights-only"].contains(option);
        if !arguments.iter().any(says) {
            command.arg("--weights-only");
        }
        command
    }

    /// The same with these arguments and no other.
    pub(crate) fn whole_command(&self, arguments: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the program is what is tested")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlc-package"));
        command.arg("convert").args(arguments).current_dir(&self.root).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HOME", self.root.join("home"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&self.command(arguments).output().unwrap())
    }

    /// Converts to `model/` in one quantization, with more arguments.
    pub(crate) fn convert(&self, quantization: &str, more: &[&str]) -> Run {
        let arguments = ["checkpoint", "--quantization", quantization, "-o", "model"];
        self.run(&[&arguments, more].concat())
    }

    /// The run fails with this code; nothing is left where the result would be, nor beside it.
    pub(crate) fn refuses(&self, quantization: &str, exit: i32) -> String {
        let run = self.convert(quantization, &[]);
        assert_eq!(run.exit, Some(exit), "{run:?}");
        let left: Vec<_> = names(&self.root).into_iter().filter(|name| name != "home").collect();
        assert_eq!(left, ["checkpoint"], "{run:?}");
        run.err
    }

    /// The files of the result and their bytes.
    pub(crate) fn result(&self) -> Vec<(String, Vec<u8>)> {
        contents(&self.output())
    }
}

impl Tensor {
    /// Values of a small range, the same on every run.
    pub(crate) fn of_f32(name: String, shape: Vec<usize>) -> Self {
        let count: usize = shape.iter().product();
        let seed = name.bytes().fold(7_u32, |seed, byte| seed.wrapping_mul(31) + u32::from(byte));
        let value = |at: usize| {
            let mixed = (at as u32).wrapping_mul(2_654_435_761).wrapping_add(seed);
            (mixed >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let bytes = (0..count).flat_map(|at| value(at).to_le_bytes()).collect();
        Self { name, dtype: "F32", shape, bytes }
    }

    /// Changes one value.
    pub(crate) fn set(&mut self, at: usize, value: f32) {
        self.bytes[4 * at..4 * at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let exit = output.status.code();
        Self { exit, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// A safetensors file.
pub(crate) fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let mut header = Map::new();
    let mut end = 0;
    for tensor in tensors {
        let start = end;
        end += tensor.bytes.len();
        let entry =
            json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert(tensor.name.clone(), entry);
    }
    let mut file = with_header(&Value::Object(header));
    file.extend(tensors.iter().flat_map(|tensor| &tensor.bytes));
    file
}

/// The beginning of a safetensors file.
pub(crate) fn with_header(header: &Value) -> Vec<u8> {
    let header = header.to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file
}

pub(crate) fn names(dir: &Utf8Path) -> Vec<String> {
    let entries = fs_err::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn contents(dir: &Utf8Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = fs_err::read(dir.join(&name)).unwrap();
        (name, bytes)
    };
    names(dir).into_iter().map(read).collect()
}
