//! `mlc-package try` on models that real TVM compiled for this machine: one that knows a text and two
//! answers (`train.py`), whole and broken in every way, and those of `examples/tiny`.

use std::path::PathBuf;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use super::{TINY, python};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/answer/model");
/// What the model's perplexity is far below, and that of any broken one above.
const LIMIT: &str = "2";

/// A copy of a model, to be broken, beside a cache that all tests share: each library is compiled
/// once.
struct Model {
    _dir: tempfile::TempDir,
    dir: Utf8PathBuf,
}

fn cache() -> &'static Utf8Path {
    static CACHE: OnceLock<(tempfile::TempDir, Utf8PathBuf)> = OnceLock::new();
    let (_, path) = CACHE.get_or_init(|| {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        (dir, path)
    });
    path
}

impl Model {
    fn of(source: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap().join("model");
        fs_err::create_dir(&dir).unwrap();
        for entry in fs_err::read_dir(source).unwrap() {
            let entry = entry.unwrap();
            let to = dir.as_std_path().join(entry.file_name());
            fs_err::copy(entry.path(), to).unwrap();
        }
        Self { _dir: temp, dir }
    }

    fn whole() -> Self {
        Self::of(MODEL)
    }

    fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let path = self.dir.join(file);
        let mut value: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs_err::write(path, value.to_string()).unwrap();
    }

    fn template(&self, change: impl FnOnce(&mut Value)) {
        self.edit("mlc-chat-config.json", |config| change(&mut config["conv_template"]));
    }

    fn tensors(&self, change: impl FnOnce(&mut Vec<Value>)) {
        self.edit("tensor-cache.json", |cache| {
            change(cache["records"][0]["records"].as_array_mut().unwrap());
        });
    }

    /// The bytes of a tensor, to be changed where they lie.
    fn bytes(&self, tensor: &str, change: impl FnOnce(&mut [u8])) {
        let cache: Value =
            serde_json::from_slice(&fs_err::read(self.dir.join("tensor-cache.json")).unwrap())
                .unwrap();
        let records = cache["records"][0]["records"].as_array().unwrap();
        let record = records.iter().find(|record| record["name"] == tensor).unwrap();
        let at = usize::try_from(record["byteOffset"].as_u64().unwrap()).unwrap();
        let count = usize::try_from(record["nbytes"].as_u64().unwrap()).unwrap();
        let path = self.dir.join("params_shard_0.bin");
        let mut shard = fs_err::read(&path).unwrap();
        change(&mut shard[at..at + count]);
        fs_err::write(path, shard).unwrap();
        // It was made so, not damaged afterwards.
        self.edit("tensor-cache.json", |cache| {
            cache["records"][0].as_object_mut().unwrap().remove("md5sum");
        });
    }

    fn command(&self, arguments: &[&str]) -> assert_cmd::Command {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("mlc-package");
        command
            .args(["try", self.dir.as_str(), "--cache-dir", cache().as_str()])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", cache())
            .env("PYTHONPATH", format!("{TINY}/compiler"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("MLC_PACKAGE_PYTHON", python());
        command
    }

    /// The answer and the verdict.
    fn good(&self, arguments: &[&str]) -> Value {
        let run = self.command(&[arguments, &["--format", "json"]].concat()).assert().success();
        let report: Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
        report["models"][0].clone()
    }

    /// What is said of a model that fails with this code.
    fn bad(&self, code: i32, arguments: &[&str]) -> String {
        let run = self.command(&[arguments, &["--format", "json"]].concat()).assert().code(code);
        String::from_utf8_lossy(&run.get_output().stderr).into_owned()
    }
}

#[test]
#[ignore = "needs target/venv: make test"]
fn the_paged_path_answers_and_ends() {
    let model = Model::whole();
    let tried = model.good(&["--max-perplexity", LIMIT, "--must-stop", "--expect", "/Paris\\.$/"]);
    assert_eq!(tried["answer"]["text"], "The capital of France is Paris.", "{tried}");
    assert_eq!(tried["answer"]["end"], "stop-token");
    assert_eq!(tried["answer"]["scored"], 64);
    assert_eq!(tried["verdict"], json!({"failures": [], "warnings": []}));

    let run = model.command(&["--prompt", "Where does the sun rise?"]).assert().success();
    let said = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(said.starts_with("It rises in the east.\nmodel: "), "{said}");
    let told = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    let cost = "Trying model: 0.13 M parameters, up to 176 tokens on cpu, a few seconds";
    assert!(told.contains(cost), "{told}");

    // One of the texts that end an answer, where no token does.
    model.template(|template| {
        template["stop_token_ids"] = json!([]);
        template["stop_str"] = json!(["is Pa"]);
    });
    let tried = model.good(&[]);
    assert_eq!(tried["answer"]["text"], "The capital of France ");
    assert_eq!(tried["answer"]["end"], "stop-text");

    // The older name of the tensor cache, which a build mends.
    let cache = model.dir.join("tensor-cache.json");
    fs_err::rename(&cache, model.dir.join("ndarray-cache.json")).unwrap();
    assert_eq!(model.good(&[])["answer"]["text"], tried["answer"]["text"]);

    // What a person wants and does not get.
    let told = model.bad(21, &["--expect", "London"]);
    assert!(told.contains("the answer does not contain `London`"), "{told}");
    model.template(|template| template["stop_str"] = json!([]));
    let told = model.bad(21, &["--must-stop", "--tokens", "5"]);
    assert!(told.contains("the answer did not end within 5 tokens"), "{told}");
    assert!(told.contains("the template has neither `stop_token_ids` nor `stop_str`"), "{told}");
}

#[test]
#[ignore = "needs target/venv: make test"]
fn broken_weights_are_found() {
    let model = Model::whole();
    let shard = model.dir.join("params_shard_0.bin");
    let bytes = fs_err::read(&shard).unwrap();
    fs_err::write(&shard, &bytes[..bytes.len() - 64]).unwrap();
    let told = model.bad(11, &[]);
    assert!(told.contains("params_shard_0.bin` has 74304 bytes, and the tensor cache says 74368"));

    let model = Model::whole();
    model.tensors(|tensors| {
        tensors.retain(|tensor| tensor["name"] != "model.layers.1.mlp.down_proj.q_scale");
    });
    let told = model.bad(13, &[]);
    let says =
        "`model.layers.1.mlp.down_proj.q_scale`: library float16 [64, 4], missing from the weights";
    assert!(told.contains(says), "{told}");

    let model = Model::whole();
    model.tensors(|tensors| {
        for tensor in tensors {
            let shape = tensor["shape"].as_array().unwrap().clone();
            let name = tensor["name"].as_str().unwrap();
            // [rows, words] is what [words, rows] was.
            if name.ends_with("q_weight") && !name.contains("embed") {
                tensor["shape"] = json!([shape[1], shape[0]]);
            }
        }
    });
    let told = model.bad(13, &[]);
    assert!(told.contains("the layout is transposed, as that of q4f16_0 is against q4f16_1"));

    let model = Model::whole();
    let scale = "model.layers.1.self_attn.o_proj.q_scale";
    model.bytes(scale, |bytes| bytes[..2].copy_from_slice(&0x7e00_u16.to_le_bytes()));
    let told = model.bad(21, &[]);
    let says = format!(
        "the first prompt gave logits that are no numbers: the weights `{scale}` hold NaN or \
         infinity"
    );
    assert!(told.contains(&says), "{told}");

    // Queries and keys have the same shape, so that nothing but what it says is wrong.
    let model = Model::whole();
    for part in ["q_weight", "q_scale"] {
        model.bytes(&format!("model.layers.0.self_attn.qkv_proj.{part}"), |bytes| {
            let (queries, rest) = bytes.split_at_mut(bytes.len() / 3);
            let keys = rest.len() / 2;
            queries.swap_with_slice(&mut rest[..keys]);
        });
    }
    let told = model.bad(21, &["--max-perplexity", LIMIT]);
    assert!(told.contains("the perplexity of the built-in text is "), "{told}");
    assert!(told.contains(", and the limit is 2: the model was converted wrongly"), "{told}");
}

#[test]
#[ignore = "needs target/venv: make test"]
fn a_wrong_rope_base_is_found_by_perplexity() {
    let model = Model::whole();
    model.edit("mlc-chat-config.json", |config| {
        config["model_config"]["position_embedding_base"] = 100.into();
    });
    let told = model.bad(21, &["--max-perplexity", LIMIT]);
    assert!(told.contains("the perplexity of the built-in text is "), "{told}");
}

#[test]
#[ignore = "needs target/venv: make test"]
fn a_template_of_another_model_is_found() {
    let model = Model::whole();
    model.template(|template| {
        template["name"] = "gemma_instruction".into();
        template["system_template"] = "{system_message}".into();
        template["roles"] =
            json!({"user": "<start_of_turn>user", "assistant": "<start_of_turn>model"});
        template["seps"] = json!(["<end_of_turn>\n"]);
        template["stop_str"] = json!(["<end_of_turn>"]);
        template["stop_token_ids"] = json!([1, 107_000]);
    });
    let told = model.bad(21, &[]);
    let says = "the template `gemma_instruction` has `<start_of_turn>` in it, which is not a token \
                of tokenizer.json, and that has `<|im_start|>`: the template is that of another model";
    assert!(told.contains(says), "{told}");
    assert!(told.contains("an answer ends at the token 107000 (`stop_token_ids`)"), "{told}");

    model.template(|template| *template = "chatml".into());
    let told = model.bad(10, &[]);
    assert!(told.contains("is the name `chatml`, and apps read the template itself"), "{told}");
}

#[test]
#[ignore = "needs target/venv: make test"]
fn a_tokenizer_of_another_model_is_found() {
    // More tokens than the model knows.
    let model = Model::whole();
    model.edit("tokenizer.json", |tokenizer| {
        for token in tokenizer["added_tokens"].as_array_mut().unwrap() {
            token["id"] = (token["id"].as_u64().unwrap() + 1000).into();
        }
        let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
        for special in ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"] {
            let id = vocabulary[special].as_u64().unwrap() + 1000;
            vocabulary[special] = id.into();
        }
    });
    let told = model.bad(21, &[]);
    let says = "the tokenizer makes the token 1003 of the prompt, and the model knows 384: it is \
                the tokenizer of another model";
    assert!(told.contains(says), "{told}");

    // As many tokens, with other numbers.
    let model = Model::whole();
    model.edit("tokenizer.json", |tokenizer| {
        let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
        let highest = vocabulary.len() as u64 - 1;
        for id in vocabulary.values_mut().skip(5) {
            *id = (highest + 5 - id.as_u64().unwrap()).into();
        }
    });
    let told = model.bad(21, &[]);
    assert!(told.contains("or the tokenizer is that of another model"), "{told}");

    fs_err::remove_file(model.dir.join("tokenizer.json")).unwrap();
    model.edit("mlc-chat-config.json", |config| config["tokenizer_files"] = json!([]));
    let told = model.bad(11, &[]);
    assert!(told.contains("it has no tokenizer that an app opens"), "{told}");
}

#[test]
#[ignore = "needs target/venv: make test"]
fn a_sliding_window_forgets_and_keeps_its_sinks() {
    let model = Model::whole();
    model.edit("mlc-chat-config.json", |config| {
        for fields in ["model_config", ""] {
            let fields = match fields {
                "" => &mut *config,
                name => &mut config[name],
            };
            fields["sliding_window_size"] = 32.into();
            fields["attention_sink_size"] = 4.into();
            fields["prefill_chunk_size"] = 16.into();
        }
    });
    // Longer than the window, in pieces: it runs, and knows what the window shows.
    let tried = model.good(&["--max-perplexity", "300"]);
    assert_eq!(tried["answer"]["scored"], 64);
    assert!(tried["answer"]["perplexity"].as_f64().unwrap() > 1.02, "{tried}");
}

/// The first tokens that `reference.py` gives after a prompt, with numpy alone.
fn reference(model: &str, prompt: &[u32], count: usize) -> Vec<u32> {
    let script = format!(
        "import json, sys\n\
         from pathlib import Path\n\
         sys.path.insert(0, {TINY:?})\n\
         from reference import forward\n\
         from verify import load_weights\n\
         model = Path({model:?})\n\
         config = json.loads((model / 'mlc-chat-config.json').read_text())\n\
         weights, tokens = load_weights(model), json.loads(sys.argv[1])\n\
         for _ in range({count}):\n\
         \x20   tokens.append(int(forward(config, weights, tokens)[-1].argmax()))\n\
         print(json.dumps(tokens[-{count}:]))\n"
    );
    let mut run = assert_cmd::Command::new(python());
    let run = run.arg("-c").arg(script).arg(json!(prompt).to_string());
    let run = run.env("PYTHONDONTWRITEBYTECODE", "1").assert().success();
    serde_json::from_slice(&run.get_output().stdout).unwrap()
}

#[test]
#[ignore = "needs target/venv: make test"]
fn the_tiny_llama_says_what_numpy_says() {
    let source = format!("{TINY}/models/tiny-llama-q4f16_1");
    let tokenizer = PathBuf::from(&source).join("tokenizer.json");
    let tokenizer = tokenizers::Tokenizer::from_file(tokenizer).unwrap();
    let said = "user: What is the capital of France?\nassistant:";
    let mut prompt = vec![1];
    prompt.extend(tokenizer.encode(said, false).unwrap().get_ids());
    let expected = reference(&source, &prompt, 12);
    let expected = tokenizer.decode(&expected, false).unwrap();

    let model = Model::of(&source);
    let tried = model.good(&["--tokens", "12", "--max-perplexity", "100000"]);
    assert_eq!(tried["answer"]["text"], expected, "{tried}");
    assert_eq!(tried["answer"]["tokens"], 12);
    // Its weights are random: it knows no language, and that is found.
    let told = model.bad(21, &["--tokens", "1"]);
    assert!(told.contains(", and the limit is 384: "), "{told}");
}

/// A package for android with the model, and what its `mlc-package.yml` asks for.
fn package(model: &Model, asks: &Value) -> Utf8PathBuf {
    let root = model.dir.parent().unwrap().to_owned();
    let config = json!({"device": "android", "model_list": [{
        "model": "model", "model_id": "tiny", "bundle_weight": true,
        "estimated_vram_bytes": 100_000_000,
    }]});
    fs_err::write(root.join("mlc-package-config.json"), config.to_string()).unwrap();
    let mut package = json!({"name": "android", "config": "mlc-package-config.json"});
    package["try"] = asks.clone();
    let project = json!({"packages": [package]});
    fs_err::write(root.join("mlc-package.yml"), project.to_string()).unwrap();
    root
}

fn call(root: &Utf8Path, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("mlc-package");
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", cache())
        .env("PYTHONPATH", format!("{TINY}/compiler"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MLC_PACKAGE_PYTHON", python())
        .env("MLC_PACKAGE_CACHE_DIR", cache())
        .current_dir(root);
    command
}

#[test]
#[ignore = "needs target/venv: make test"]
fn a_model_that_does_not_answer_leaves_dist_as_it_was() {
    // Its weights are random: what it says has no meaning, but it says something.
    let model = Model::of(&format!("{TINY}/models/tiny-llama-q4f16_1"));
    let asks = |expect: &str| json!({"expect": [expect], "tokens": 3, "max-perplexity": 10_000, "seconds": 3600});
    let root = package(&model, &asks("/./"));
    let build = ["build", "--no-binding", "--format", "json"];
    let run = call(&root, &build).assert().success();
    let manifest: Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    let answer = &manifest["models"][0]["answer"];
    assert_eq!(answer["prompt"], "What is the capital of France?", "{answer}");
    assert_eq!((&answer["tokens"], &answer["end"]), (&json!(3), &json!("length")));
    let stages = manifest["stages"].as_array().unwrap();
    assert!(stages.iter().any(|stage| stage["stage"] == "try"), "{manifest}");
    let told = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(told.contains("Answered tiny: \""), "{told}");

    let shown = call(&root, &["report"]).assert().success();
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    assert!(shown.contains("    tiny, perplexity "), "{shown}");
    assert!(shown.contains("      asked    What is the capital of France?\n"), "{shown}");
    let again = call(&root, &["try", "dist", "--tokens", "1", "--max-perplexity", "10000"]);
    let again = { again }.assert().success();
    let said = String::from_utf8_lossy(&again.get_output().stdout).into_owned();
    assert!(said.contains("tiny: 1 tokens without an end, perplexity "), "{said}");

    let before = fs_err::read(root.join("dist/mlc-package-manifest.json")).unwrap();
    package(&model, &asks("London"));
    let run = call(&root, &build).assert().code(21);
    let told = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(told.contains("model `tiny`: the answer does not contain `London`"), "{told}");
    assert_eq!(fs_err::read(root.join("dist/mlc-package-manifest.json")).unwrap(), before);
    let run = call(&root, &[&build[..], &["--no-try"]].concat()).assert().success();
    let manifest: Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!(manifest["models"][0]["answer"], Value::Null);
}
