//! What a model costs a cached build for its weights to be held against its library: a decoder of 36
//! layers with 323 parameters, like Qwen3-4B in q4f16_1. The goal: under 1 ms a model. Beside it, what
//! looking into its tokenizer costs, 150,000 tokens in 10 MB.

#![expect(clippy::unwrap_used, reason = "the inputs are made here")]

use std::fmt::Write as _;

use camino::Utf8Path;
use divan::{Bencher, counter::BytesCount};
use mlc_package::io::digest;
use mlc_package::library::metadata::Metadata;
use mlc_package::library::weights::{Weights, compare};
use mlc_package::model::{ChatConfig, TensorCache, tokenizer_json};
use serde_json::{Value, json};

const LAYERS: u64 = 36;
const HIDDEN: u64 = 2560;
const INTERMEDIATE: u64 = 9728;
const VOCABULARY: u64 = 151_936;

fn main() {
    divan::main();
}

/// Every tensor's name, shape and type.
fn tensors() -> Vec<(String, Vec<u64>, &'static str)> {
    let mut tensors = Vec::new();
    let mut matrix = |name: String, rows: u64, columns: u64| {
        tensors.push((format!("{name}.q_weight"), vec![rows, columns / 8], "uint32"));
        tensors.push((format!("{name}.q_scale"), vec![rows, columns / 32], "float16"));
    };
    matrix("model.embed_tokens".to_owned(), VOCABULARY, HIDDEN);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        matrix(name("self_attn.c_attn"), 6144, HIDDEN);
        matrix(name("self_attn.o_proj"), HIDDEN, 4096);
        matrix(name("mlp.gate_up_proj"), 2 * INTERMEDIATE, HIDDEN);
        matrix(name("mlp.down_proj"), HIDDEN, INTERMEDIATE);
    }
    for layer in 0..LAYERS {
        tensors.push((
            format!("model.layers.{layer}.input_layernorm.weight"),
            vec![HIDDEN],
            "float16",
        ));
    }
    tensors.truncate(322);
    tensors.push(("model.norm.weight".to_owned(), vec![HIDDEN], "float16"));
    tensors
}

fn metadata() -> String {
    let param = |(name, shape, dtype): (String, Vec<u64>, &str)| {
        let mut shape: Vec<Value> = shape.into_iter().map(Value::from).collect();
        if shape[0] == VOCABULARY {
            shape[0] = "vocab_size".into();
        }
        json!({"name": name, "shape": shape, "dtype": dtype, "preprocs": []})
    };
    let params: Vec<_> = tensors().into_iter().map(param).collect();
    json!({"model_type": "qwen3", "quantization": "q4f16_1", "params": params}).to_string()
}

fn tensor_cache() -> String {
    let shard = |(index, (name, shape, dtype)): (usize, (String, Vec<u64>, &str))| {
        let bytes = shape.iter().product::<u64>() * if dtype == "uint32" { 4 } else { 2 };
        let record = json!({"name": name, "shape": shape, "dtype": dtype, "format": "f32-to-bf16",
            "nbytes": bytes, "byteOffset": 0});
        json!({"dataPath": format!("params_shard_{index}.bin"), "format": "raw-shard",
            "nbytes": bytes, "records": [record]})
    };
    json!({"records": tensors().into_iter().enumerate().map(shard).collect::<Vec<_>>()}).to_string()
}

fn chat_config() -> ChatConfig {
    let text = json!({"model_type": "qwen3", "quantization": "q4f16_1", "vocab_size": VOCABULARY,
        "model_config": {"hidden_size": HIDDEN}});
    ChatConfig::parse(text.to_string().as_bytes()).unwrap()
}

/// Both are read by a build in any case.
#[divan::bench]
fn comparison(bencher: Bencher) {
    let (metadata, chat_config) = (Metadata::parse(&metadata()).unwrap(), chat_config());
    let tensor_cache = TensorCache::parse(tensor_cache().as_bytes()).unwrap();
    assert_eq!(metadata.params.len(), 323);
    let weights = Weights { chat_config: &chat_config, tensor_cache: &tensor_cache };
    bencher.bench(|| assert!(compare(divan::black_box(&metadata), weights).is_none()));
}

#[divan::bench]
fn comparison_and_reading(bencher: Bencher) {
    let (metadata, chat_config, cache) = (metadata(), chat_config(), tensor_cache());
    bencher.bench(|| {
        let metadata = Metadata::parse(divan::black_box(&metadata)).unwrap();
        let tensor_cache = TensorCache::parse(divan::black_box(cache.as_bytes())).unwrap();
        let weights = Weights { chat_config: &chat_config, tensor_cache: &tensor_cache };
        assert!(compare(&metadata, weights).is_none());
    });
}

/// A `tokenizer.json` as it comes with large vocabularies.
fn tokenizer_json() -> String {
    let mut text = r#"{"version": "1.0", "model": {"type": "BPE", "vocab": {"#.to_owned();
    for token in 0..VOCABULARY {
        let comma = if token > 0 { "," } else { "" };
        write!(text, "{comma}\n      \"\u{120}token{token}\": {token}").unwrap();
    }
    text.push_str("}, \"merges\": [\"a b\"");
    for token in 0..VOCABULARY {
        write!(text, ",\n      \"\u{120}tok en{token}\"").unwrap();
    }
    text.push_str("]}}");
    text
}

#[divan::bench]
fn tokenizer_once(bencher: Bencher) {
    let text = tokenizer_json();
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| tokenizer_json::judge(divan::black_box(text.as_bytes())).unwrap());
}

/// What is left of it once it was found good, where its digest is not known from elsewhere.
#[divan::bench]
fn tokenizer_again(bencher: Bencher) {
    let text = tokenizer_json();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), &text).unwrap();
    let path = Utf8Path::from_path(file.path()).unwrap();
    bencher.counter(BytesCount::of_str(&text)).bench(|| digest::file(path).unwrap());
}
