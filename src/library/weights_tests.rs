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
    let shard = json!({"dataPath": "a.bin", "format": "raw-shard", "nbytes": offset,
        "records": records});
    let text = json!({"records": [shard]});
    TensorCache::parse(text.to_string().as_bytes()).unwrap()
}

fn chat_config(vocab_size: u64) -> ChatConfig {
    let text = json!({"model_type": "llama", "quantization": "q4f16_1", "model_config": {"hidden_size": 96},
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
        "the library has 2 layers, the weights 1\n\
         `layers.1.q_weight`: library uint32 [32, 2], missing from the weights\n\
         `layers.1.norm`: library float32 [16], missing from the weights"
    );
    assert_eq!(
        changed(|tensors| drop(tensors.remove(2))),
        "1 tensor differs\n`layers.0.norm`: library float32 [16], missing from the weights"
    );
    assert_eq!(
        changed(|tensors| tensors.push(("head.bias", json!([8]), "float16"))),
        "the weights have biases that the library lacks\n\
         `head.bias`: weights float16 [8], unknown to the library"
    );
    assert_eq!(
        changed(|tensors| tensors[2].0 = "layers.0.ln"),
        "a tensor has another name\n\
         `layers.0.norm`: library float32 [16], missing from the weights\n\
         `layers.0.ln`: weights float32 [16], unknown to the library"
    );
    assert_eq!(
        changed(|tensors| tensors[2].2 = "float16"),
        "1 tensor differs\n`layers.0.norm`: library float32 [16], weights float16 [16]"
    );
    assert_eq!(
        changed(|tensors| tensors.push(tensors[2].clone())),
        "1 tensor differs\n`layers.0.norm` is in the tensor cache twice"
    );
}

/// The first line of what is said: the cause.
fn cause(change: impl Fn(&mut Vec<Tensor>)) -> String {
    changed(change).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_cause_is_guessed() {
    let turned = cause(|tensors| {
        tensors[1].1 = json!([2, 32]);
        tensors[3].1 = json!([2, 32]);
    });
    let transposed = "the layout is transposed, as that of q4f16_0 is against q4f16_1";
    assert_eq!(turned, transposed);
    let all = cause(|tensors| {
        for tensor in tensors {
            tensor.1.as_array_mut().unwrap().reverse();
        }
    });
    assert_eq!(all, transposed);
    let renamed = cause(|tensors| {
        (tensors[0].0, tensors[1].0) = ("emb.weight", "h.0.q_weight");
        (tensors[2].0, tensors[3].0, tensors[4].0) =
            ("h.0.norm.weight", "h.1.q_weight", "h.1.norm");
    });
    assert_eq!(renamed, "5 tensors have other names");
    assert_eq!(
        cause(|tensors| tensors[0].1 = json!([400, 16])),
        "mlc-chat-config.json says `vocab_size` 384, and the weights have 400"
    );
    assert_eq!(
        cause(|tensors| tensors[1] = ("layers.0.weight", json!([32, 16]), "float16")),
        "the library takes quantized weights, and these are not"
    );
    assert_eq!(
        cause(|tensors| tensors[1].1 = json!([32, 3])),
        "they are quantized to another number of bits, or have another width"
    );
    let types = cause(|tensors| {
        tensors[2].2 = "float16";
        tensors[4].2 = "float16";
    });
    assert_eq!(types, "the library takes float32, the weights are float16");
    let without = difference(&metadata(json!([])), &model(), 384);
    assert!(without.starts_with("the library names no parameters at all\n"), "{without}");
    let more: Vec<_> =
        ["a", "b", "c", "d", "e", "f", "g"].map(|it| (it, json!([1]), "float16")).to_vec();
    assert!(changed(|tensors| tensors.extend(more.clone())).ends_with("\nand 2 more tensors"));
    assert!(
        changed(|tensors| tensors.extend(more[1..].iter().cloned()))
            .ends_with("\nand 1 more tensor")
    );
}

#[test]
fn an_output_layer_on_one_side_only_is_told() {
    let head = ("lm_head.q_weight", json!([384, 2]), "uint32");
    assert_eq!(
        cause(|tensors| tensors.push(head.clone())),
        "the weights have an output layer of their own, and the library shares it with the \
         embedding (`tie_word_embeddings`)"
    );
    let mut with = model();
    with.push(head);
    let said = difference(&library(with), &model(), 384);
    assert!(said.starts_with("the library takes an output layer of its own, and the"), "{said}");
}

#[test]
fn what_was_cut_for_several_devices_is_told() {
    let said = cause(|tensors| {
        let mut cut = tensors[1].clone();
        (tensors[1].0, cut.0) =
            ("layers.0.q_weight_shard-1-of-2", "layers.0.q_weight_shard-2-of-2");
        tensors.push(cut);
    });
    assert!(said.starts_with("the weights are cut for 2 devices, and the library takes"), "{said}");
}

#[test]
fn sizes_of_the_model_are_told_by_their_names_however_many_differ() {
    let quantized = |vocabulary: u64, hidden: u64| {
        vec![
            ("embed.q_weight", json!([vocabulary, hidden / 8]), "uint32"),
            ("embed.q_scale", json!([vocabulary, hidden / 32]), "float16"),
            ("layers.0.norm", json!([hidden]), "float16"),
        ]
    };
    let params = |tensors: Vec<Tensor>| {
        let params = tensors.into_iter();
        let params = params
            .map(|(name, shape, dtype)| json!({"name": name, "shape": shape, "dtype": dtype}));
        metadata(params.collect())
    };
    let said = |vocabulary: u64, hidden: u64| {
        let said = difference(&params(quantized(512, 64)), &quantized(vocabulary, hidden), 384);
        said.lines().next().unwrap_or_default().to_owned()
    };
    let vocab_size = "`vocab_size` is 512 in the library and 384 in the weights";
    let hidden_size = "`hidden_size` is 64 in the library and 96 in the weights";
    assert_eq!(said(384, 64), vocab_size);
    assert_eq!(said(512, 96), hidden_size);
    assert_eq!(said(384, 96), format!("{vocab_size}, {hidden_size}"));
    assert_eq!(said(384, 80), vocab_size);
    let mut deeper = quantized(384, 64);
    deeper.push(("layers.1.norm", json!([64]), "float16"));
    let said = difference(&params(quantized(512, 64)), &deeper, 384);
    let layers = format!("the library has 1 layer, the weights 2; {vocab_size}\n");
    assert!(said.starts_with(&layers), "{said}");
}

#[test]
fn names_that_all_begin_otherwise_are_told_by_how() {
    let names = [
        "model.embed.weight",
        "model.layers.0.q_weight",
        "model.layers.0.norm",
        "model.layers.1.q_weight",
        "model.layers.1.norm",
    ];
    let mut prefixed = model();
    for (tensor, name) in prefixed.iter_mut().zip(names) {
        tensor.0 = name;
    }
    let said = difference(&library(model()), &prefixed, 384);
    let expected =
        "the names of tensors begin with `model.` in the weights, and not in the library\n";
    assert!(said.starts_with(expected), "{said}");
    let said = difference(&library(prefixed), &model(), 384);
    let expected =
        "the names of tensors begin with `model.` in the library, and not in the weights\n";
    assert!(said.starts_with(expected), "{said}");
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
        "mlc-chat-config.json has no number `width`, which the library asks it for\n\
         `embed.weight`: library float16 [width, 16], weights float16 [384, 16]"
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
        "1 tensor differs\n`w`: library float16 [2, 8, 4], weights float16 [16, 4]"
    );
}

#[test]
fn bytes_are_those_of_the_shape() {
    // What is stored as bfloat16 has half the bytes of its type; what is not has all of them.
    let library = metadata(json!([{"name": "w", "shape": [2], "dtype": "float32"}]));
    let of = |format: &str, bytes: u64| {
        let record = json!({"name": "w", "shape": [2], "dtype": "float32", "format": format,
            "nbytes": bytes, "byteOffset": 0});
        let text = json!({"records": [{"dataPath": "a.bin", "format": "raw-shard", "nbytes": 8,
            "records": [record]}]});
        let tensor_cache = TensorCache::parse(text.to_string().as_bytes()).unwrap();
        let chat_config = chat_config(1);
        let weights = Weights { chat_config: &chat_config, tensor_cache: &tensor_cache };
        compare(&library, weights).map(|mismatch| mismatch.to_string())
    };
    assert_eq!(of("f32-to-bf16", 4), None);
    assert_eq!(of("raw", 8), None);
    assert_eq!(of("raw", 4).unwrap(), "1 tensor differs\n`w` is float32 [2] and has 4 bytes");
}
