use serde_json::{Value, json};

use super::{Weights, compare};
use crate::library::metadata::Metadata;
use crate::model::{ChatConfig, TensorCache};

/// A parameter and a tensor: name, shape, type.
type Tensor = (&'static str, Value, &'static str);

fn model() -> Vec<Tensor> {
    vec![
        ("embed.weight", json!([384, 16]), "float16"),
        ("layers.0.q_weight", json!([32, 2]), "uint32"),
        ("layers.0.norm", json!([16]), "float32"),
        ("layers.1.q_weight", json!([32, 2]), "uint32"),
        ("layers.1.norm", json!([16]), "float32"),
    ]
}

fn metadata(params: Value) -> Metadata {
    let json = json!({"model_type": "llama", "quantization": "q4f16_1", "params": params});
    Metadata::parse(&json.to_string()).unwrap()
}

fn library(mut tensors: Vec<Tensor>) -> Metadata {
    tensors[0].1 = json!(["vocab_size", 16]);
    let params = tensors.into_iter().map(|(name, shape, dtype)| {
        json!({"name": name, "shape": shape, "dtype": dtype, "preprocs": []})
    });
    metadata(params.collect())
}

fn cache(tensors: &[Tensor]) -> TensorCache {
    let mut offset = 0;
    let records: Vec<_> = tensors
        .iter()
        .map(|(name, shape, dtype)| {
            let count: u64 =
                shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product();
            let bytes = count * if *dtype == "uint32" { 4 } else { 2 };
            offset += bytes;
            json!({"name": name, "shape": shape, "dtype": dtype, "format": "f32-to-bf16",
                "nbytes": bytes, "byteOffset": offset - bytes})
        })
        .collect();
    let text = json!({"records": [{"dataPath": "a.bin", "nbytes": offset, "records": records}]});
    TensorCache::parse(text.to_string().as_bytes()).unwrap()
}

fn chat_config(vocab_size: u64) -> ChatConfig {
    let text = json!({"model_type": "llama", "quantization": "q4f16_1", "model_config": {},
        "vocab_size": vocab_size});
    ChatConfig::parse(text.to_string().as_bytes()).unwrap()
}

fn difference(metadata: &Metadata, tensors: &[Tensor], vocab_size: u64) -> String {
    let (chat_config, tensor_cache) = (chat_config(vocab_size), cache(tensors));
    let weights = Weights { chat_config: &chat_config, tensor_cache: &tensor_cache };
    compare(metadata, weights).map_or_else(String::new, |mismatch| mismatch.to_string())
}

/// What is said of weights that are not the library's.
fn changed(change: impl Fn(&mut Vec<Tensor>)) -> String {
    let mut tensors = model();
    change(&mut tensors);
    difference(&library(model()), &tensors, 384)
}

#[test]
fn weights_of_the_library_are_its_weights() {
    assert_eq!(changed(|_| {}), "");
    assert_eq!(changed(|tensors| tensors.reverse()), "");
}

#[test]
fn every_difference_names_the_tensor_and_says_what_both_sides_have() {
    assert_eq!(
        changed(|tensors| tensors.truncate(3)),
        "the library has 2 layers, the weights 1: `layers.1.q_weight` is uint32 [32, 2] in the \
         library and missing from the weights; `layers.1.norm` is float32 [16] in the library and \
         missing from the weights"
    );
    assert_eq!(
        changed(|tensors| drop(tensors.remove(2))),
        "`layers.0.norm` is float32 [16] in the library and missing from the weights"
    );
    assert_eq!(
        changed(|tensors| tensors.push(("head.bias", json!([8]), "float16"))),
        "`head.bias` is float16 [8] in the weights and unknown to the library"
    );
    assert_eq!(
        changed(|tensors| tensors[2].0 = "layers.0.ln"),
        "a tensor has another name: `layers.0.norm` is float32 [16] in the library and missing \
         from the weights; `layers.0.ln` is float32 [16] in the weights and unknown to the library"
    );
    assert_eq!(
        changed(|tensors| tensors[2].2 = "float16"),
        "`layers.0.norm` is float32 [16] in the library and float16 [16] in the weights"
    );
    assert_eq!(
        changed(|tensors| tensors.push(tensors[2].clone())),
        "`layers.0.norm` is in the tensor cache twice"
    );
}

#[test]
fn the_cause_is_guessed() {
    assert!(
        changed(|tensors| {
            tensors[1].1 = json!([2, 32]);
            tensors[3].1 = json!([2, 32]);
        })
        .starts_with("the layout is transposed, as that of q4f16_0 is against q4f16_1: ")
    );
    assert!(changed(|tensors| tensors[0].1 = json!([400, 16])).starts_with(
        "mlc-chat-config.json says `vocab_size` 384, and the weights have 400: `embed.weight`"
    ));
    assert!(
        changed(|tensors| tensors[1] = ("layers.0.weight", json!([32, 16]), "float16"))
            .starts_with("the library takes quantized weights, and these are not: ")
    );
    assert!(
        changed(|tensors| tensors[1].1 = json!([32, 3]))
            .starts_with("they are quantized to another number of bits, or have another width: ")
    );
    assert!(
        changed(|tensors| {
            tensors[2].2 = "float16";
            tensors[4].2 = "float16";
        })
        .starts_with("the library takes float32, the weights are float16: ")
    );
    let without = metadata(json!([]));
    assert!(
        difference(&without, &model(), 384).starts_with("the library names no parameters at all: ")
    );
    let more: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| (name, json!([1]), "float16")).to_vec();
    assert!(changed(|tensors| tensors.extend(more.clone())).ends_with("; and 2 more tensors"));
}

#[test]
fn a_field_that_the_config_lacks_is_named() {
    let mut params = model();
    params[0].1 = json!(["width", 16]);
    let params = params
        .into_iter()
        .map(|(name, shape, dtype)| json!({"name": name, "shape": shape, "dtype": dtype}));
    assert_eq!(
        difference(&metadata(params.collect()), &model(), 384),
        "mlc-chat-config.json has no number `width`, which the library asks it for: `embed.weight` \
         is float16 [width, 16] in the library and float16 [384, 16] in the weights"
    );
}

#[test]
fn what_is_divided_among_devices_is_stored_whole() {
    let divided = |step: Value| {
        metadata(json!([{"name": "w", "shape": [8, 4], "dtype": "float16", "preprocs": [step]}]))
    };
    let whole = [("w", json!([16, 4]), "float16")];
    let step = json!({"func_name": "shard", "in_shape": [16, 4], "out_shape": [2, 8, 4],
        "out_dtype": "float16"});
    assert_eq!(difference(&divided(step), &whole, 1), "");
    let step = json!({"func_name": "f", "out_shape": [16, 4], "out_dtype": "float16"});
    assert_eq!(difference(&divided(step), &whole, 1), "");
    let step = json!({"func_name": "f", "out_shape": [2, 8, 4], "out_dtype": "float16"});
    assert_eq!(
        difference(&divided(step), &whole, 1),
        "`w` is float16 [2, 8, 4] in the library and float16 [16, 4] in the weights"
    );
}

#[test]
fn bytes_are_those_of_the_shape() {
    // What is stored as bfloat16 has half the bytes of its type; what is not has all of them.
    let library = metadata(json!([{"name": "w", "shape": [2], "dtype": "float32"}]));
    let of = |format: &str, bytes: u64| {
        let text = json!({"records": [{"dataPath": "a.bin", "nbytes": 8, "records": [{"name": "w",
            "shape": [2], "dtype": "float32", "format": format, "nbytes": bytes,
            "byteOffset": 0}]}]});
        let tensor_cache = TensorCache::parse(text.to_string().as_bytes()).unwrap();
        let chat_config = chat_config(1);
        let weights = Weights { chat_config: &chat_config, tensor_cache: &tensor_cache };
        compare(&library, weights).map(|mismatch| mismatch.to_string())
    };
    assert_eq!(of("f32-to-bf16", 4), None);
    assert_eq!(of("raw", 8), None);
    assert_eq!(of("raw", 4).unwrap(), "`w` is float32 [2] and has 4 bytes");
}
