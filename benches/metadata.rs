//! What MLCChat's own Android config, six models of the Hub, costs in bytes when nothing is
//! bundled, against the repositories that upstream downloads whole. The repositories are made
//! here in the shapes of the real ones: the same tensors by name, shape and type, in shards as
//! upstream cuts them; their bytes are never asked for. The goal: under 1 MiB for all six.

#![expect(clippy::disallowed_methods, reason = "what is measured is a program")]
#![expect(clippy::print_stdout, reason = "the numbers are the result")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use mlc_package::model::ByteSize;
use serde_json::{Value, json};
use sha1::Digest as _;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const GOAL: u64 = 1 << 20;

/// A decoder's sizes, from the models' own `config.json` on the Hub.
struct Shape {
    repo: &'static str,
    model_type: &'static str,
    quantization: &'static str,
    layers: u64,
    hidden: u64,
    intermediate: u64,
    /// The rows of the fused query, key and value projection, and the columns of the output's.
    qkv: u64,
    heads: u64,
    vocab: u64,
    tied: bool,
    norms: &'static [(&'static str, Option<u64>)],
}

const LLAMA_NORMS: &[(&str, Option<u64>)] =
    &[("input_layernorm", None), ("post_attention_layernorm", None)];
const QWEN_NORMS: &[(&str, Option<u64>)] = &[
    ("input_layernorm", None),
    ("post_attention_layernorm", None),
    ("self_attn.q_norm", Some(128)),
    ("self_attn.k_norm", Some(128)),
];
const GEMMA_NORMS: &[(&str, Option<u64>)] = &[
    ("input_layernorm", None),
    ("post_attention_layernorm", None),
    ("pre_feedforward_layernorm", None),
    ("post_feedforward_layernorm", None),
];

const MODELS: [Shape; 6] = [
    Shape {
        repo: "mlc-ai/Phi-3.5-mini-instruct-q4f16_0-MLC",
        model_type: "phi3",
        quantization: "q4f16_0",
        layers: 32,
        hidden: 3072,
        intermediate: 8192,
        qkv: 9216,
        heads: 3072,
        vocab: 32064,
        tied: false,
        norms: LLAMA_NORMS,
    },
    Shape {
        repo: "mlc-ai/Qwen3-0.6B-q0f16-MLC",
        model_type: "qwen3",
        quantization: "q0f16",
        layers: 28,
        hidden: 1024,
        intermediate: 3072,
        qkv: 4096,
        heads: 2048,
        vocab: 151_936,
        tied: true,
        norms: QWEN_NORMS,
    },
    Shape {
        repo: "mlc-ai/Qwen3-1.7B-q4f16_1-MLC",
        model_type: "qwen3",
        quantization: "q4f16_1",
        layers: 28,
        hidden: 2048,
        intermediate: 6144,
        qkv: 4096,
        heads: 2048,
        vocab: 151_936,
        tied: true,
        norms: QWEN_NORMS,
    },
    Shape {
        repo: "mlc-ai/gemma-2-2b-it-q4f16_1-MLC",
        model_type: "gemma2",
        quantization: "q4f16_1",
        layers: 26,
        hidden: 2304,
        intermediate: 9216,
        qkv: 4096,
        heads: 2048,
        vocab: 256_000,
        tied: true,
        norms: GEMMA_NORMS,
    },
    Shape {
        repo: "mlc-ai/Llama-3.2-3B-Instruct-q4f16_0-MLC",
        model_type: "llama",
        quantization: "q4f16_0",
        layers: 28,
        hidden: 3072,
        intermediate: 8192,
        qkv: 5120,
        heads: 3072,
        vocab: 128_256,
        tied: true,
        norms: LLAMA_NORMS,
    },
    Shape {
        repo: "mlc-ai/Mistral-7B-Instruct-v0.3-q4f16_1-MLC",
        model_type: "mistral",
        quantization: "q4f16_1",
        layers: 32,
        hidden: 4096,
        intermediate: 14336,
        qkv: 6144,
        heads: 4096,
        vocab: 32768,
        tied: false,
        norms: LLAMA_NORMS,
    },
];

/// A repository: the files that have bytes, and the sizes of the others.
struct Repository {
    files: BTreeMap<String, Vec<u8>>,
    shards: Vec<(String, u64)>,
}

fn main() -> anyhow::Result<()> {
    let repositories: BTreeMap<_, _> = MODELS
        .iter()
        .map(|shape| Ok((shape.repo, shape.repository()?)))
        .collect::<Result<_, serde_json::Error>>()?;
    let sent = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let whole: BTreeMap<_, u64> =
        repositories.iter().map(|(repo, files)| (*repo, files.bytes())).collect();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (shared, noted) = (Arc::new(repositories), sent.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (repositories, sent) = (shared.clone(), noted.clone());
            // A client that goes away in the middle fails the build, which is seen there.
            std::thread::spawn(move || serve(&stream, &repositories, &sent));
        }
    });
    plan(&format!("http://{address}"))?;
    let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{:<44} {:>10} {:>10}", "model", "fetched", "upstream");
    for (repo, whole) in &whole {
        let fetched = sent.get(*repo).copied().unwrap_or_default();
        ensure!(fetched > 0, "{repo} was not asked for");
        println!("{repo:<44} {:>10} {:>10}", ByteSize(fetched), ByteSize(*whole));
    }
    let (fetched, whole) = (sent.values().sum(), whole.values().sum());
    println!("{:<44} {:>10} {:>10}", "all", ByteSize(fetched), ByteSize(whole));
    println!("answers of the API included; goal: under {}", ByteSize(GOAL));
    ensure!(fetched < GOAL, "the goal is missed");
    Ok(())
}

/// `mlc-package plan` on MLCChat's config, from nothing.
fn plan(endpoint: &str) -> anyhow::Result<()> {
    let python = std::env::var("MLC_PACKAGE_TEST_PYTHON")
        .context("MLC_PACKAGE_TEST_PYTHON: run scripts/bench.sh")?;
    let home = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_mlc-package"))
        .args(["plan", "--package-config"])
        .arg(format!("{ROOT}/tests/data/configs/good/mlcchat-android.json"))
        .args(["--python", &python])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("HF_ENDPOINT", endpoint)
        .env("PYTHONPATH", format!("{ROOT}/examples/tiny/compiler"))
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mlc-package plan failed: {complaint}");
    Ok(())
}

fn serve(
    stream: &TcpStream,
    repositories: &BTreeMap<&str, Repository>,
    sent: &Mutex<BTreeMap<String, u64>>,
) -> anyhow::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let Some(request) = lines.next().transpose()? else { return Ok(()) };
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let path = request.split(' ').nth(1).unwrap_or_default().split('?').next();
        let path =
            path.unwrap_or_default().trim_start_matches("/api/models").trim_start_matches('/');
        let found = repositories.iter().find(|(repo, _)| path.starts_with(*repo));
        let answer =
            found.and_then(|(repo, files)| Some((repo, files.answer(path.strip_prefix(repo)?)?)));
        let (status, body, etag) = match answer {
            Some((repo, (body, etag))) => {
                let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
                *sent.entry((*repo).to_owned()).or_default() += body.len() as u64;
                ("200 OK", body, etag)
            }
            None => ("404 Not Found", Vec::new(), String::new()),
        };
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"{etag}\"\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)?;
    }
}

impl Repository {
    fn bytes(&self) -> u64 {
        let files: u64 = self.files.values().map(|bytes| bytes.len() as u64).sum();
        files + self.shards.iter().map(|(_, bytes)| bytes).sum::<u64>()
    }

    /// The body and ETag of an answer to what follows the repository's name in an address.
    fn answer(&self, path: &str) -> Option<(Vec<u8>, String)> {
        if path.starts_with("/revision/") {
            return Some((json!({"sha": COMMIT}).to_string().into_bytes(), String::new()));
        }
        if path.starts_with("/tree/") {
            return Some((self.tree().to_string().into_bytes(), String::new()));
        }
        let file = path.strip_prefix("/resolve/")?.strip_prefix(COMMIT)?.strip_prefix('/')?;
        let bytes = self.files.get(file)?;
        Some((bytes.clone(), git_sha1(bytes)))
    }

    fn tree(&self) -> Value {
        let small = self.files.iter().map(|(path, bytes)| {
            json!({"type": "file", "oid": git_sha1(bytes), "size": bytes.len(), "path": path})
        });
        let large = self.shards.iter().map(|(path, bytes)| {
            let lfs = json!({"oid": "0".repeat(64), "size": bytes, "pointerSize": 134});
            json!({"type": "file", "oid": "0".repeat(40), "size": bytes, "path": path, "lfs": lfs})
        });
        small.chain(large).collect()
    }
}

fn git_sha1(bytes: &[u8]) -> String {
    let mut hasher = sha1::Sha1::new();
    hasher.update(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Shape {
    fn repository(&self) -> Result<Repository, serde_json::Error> {
        let mut shards = Vec::new();
        let mut pending = (Vec::new(), 0);
        let mut lists = Vec::new();
        let mut flush = |pending: &mut (Vec<Value>, u64)| {
            let (records, nbytes) = std::mem::take(pending);
            let path = format!("params_shard_{}.bin", shards.len());
            lists.push(json!({"dataPath": path, "format": "raw-shard", "nbytes": nbytes,
                "records": records, "md5sum": "0".repeat(32)}));
            shards.push((path, nbytes));
        };
        for (name, shape, dtype) in self.tensors() {
            let size = if dtype == "uint32" { 4 } else { 2 };
            let nbytes = shape.iter().product::<u64>() * size;
            // The cap of `tvmjs.dump_tensor_cache`.
            if pending.1 > 0 && pending.1 + nbytes > 32 << 20 {
                flush(&mut pending);
            }
            pending.0.push(json!({"name": name, "shape": shape, "dtype": dtype,
                "format": "f32-to-bf16", "nbytes": nbytes, "byteOffset": pending.1}));
            pending.1 += nbytes;
        }
        flush(&mut pending);
        let cache = json!({"metadata": {"ParamSize": 1, "ParamBytes": 1.0, "BitsPerParam": 4.5},
            "records": lists});
        let chat = json!({"version": "0.1.0", "model_type": self.model_type,
            "quantization": self.quantization, "vocab_size": self.vocab,
            "context_window_size": 4096, "prefill_chunk_size": 2048,
            "tokenizer_files": ["tokenizer.json", "tokenizer_config.json"],
            "model_config": {"hidden_size": self.hidden, "num_hidden_layers": self.layers,
                "intermediate_size": self.intermediate, "vocab_size": self.vocab,
                "context_window_size": 4096, "prefill_chunk_size": 2048},
            // As long as the longest of the real ones.
            "conv_template": {"system_template": "x".repeat(3000), "system_message": "",
                "add_role_after_system_message": true, "roles": {"user": "", "assistant": ""},
                "messages": [], "seps": [""], "role_content_sep": "", "role_empty_sep": "",
                "stop_str": [], "stop_token_ids": []}});
        let text = |value: &Value| serde_json::to_string_pretty(value).map(String::into_bytes);
        let files = [
            ("mlc-chat-config.json".to_owned(), text(&chat)?),
            ("tensor-cache.json".to_owned(), text(&cache)?),
            ("tokenizer.json".to_owned(), b"{}".to_vec()),
            ("tokenizer_config.json".to_owned(), b"{}".to_vec()),
        ];
        Ok(Repository { files: files.into(), shards })
    }

    /// Every tensor's name, shape and type, as upstream's converter writes them.
    fn tensors(&self) -> Vec<(String, Vec<u64>, &'static str)> {
        let mut tensors = Vec::new();
        let mut matrix = |name: String, rows: u64, columns: u64| {
            if self.quantization == "q0f16" {
                tensors.push((format!("{name}.weight"), vec![rows, columns], "float16"));
            } else {
                tensors.push((format!("{name}.q_weight"), vec![rows, columns / 8], "uint32"));
                tensors.push((format!("{name}.q_scale"), vec![rows, columns / 32], "float16"));
            }
        };
        matrix("model.embed_tokens".to_owned(), self.vocab, self.hidden);
        if !self.tied {
            matrix("lm_head".to_owned(), self.vocab, self.hidden);
        }
        for layer in 0..self.layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            matrix(name("self_attn.qkv_proj"), self.qkv, self.hidden);
            matrix(name("self_attn.o_proj"), self.hidden, self.heads);
            matrix(name("mlp.gate_up_proj"), 2 * self.intermediate, self.hidden);
            matrix(name("mlp.down_proj"), self.hidden, self.intermediate);
        }
        for layer in 0..self.layers {
            for (norm, width) in self.norms {
                let name = format!("model.layers.{layer}.{norm}.weight");
                tensors.push((name, vec![width.unwrap_or(self.hidden)], "float16"));
            }
        }
        tensors.push(("model.norm.weight".to_owned(), vec![self.hidden], "float16"));
        tensors
    }
}
