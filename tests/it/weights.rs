//! Weights that are not those of the library that loads them.

use serde_json::{Value, json};

use crate::hub::{HubScene, files_but};
use crate::scene::{DATA, Scene};
use crate::server::Server;

const CACHE: &str = "app/models/one/tensor-cache.json";
const TENSOR: &str = r#""name": "layer.weight", "shape": [16, 16], "dtype": "float16""#;

#[test]
fn weights_of_another_model_are_an_error_that_names_the_tensor() {
    for (name, changed) in [
        ("renamed", TENSOR.replace("layer.weight", "layer.kernel")),
        ("shape", TENSOR.replace("[16, 16]", "[8, 32]")),
        ("type", TENSOR.replace("float16", "bfloat16")),
    ] {
        let scene = Scene::with_models("android", &["one"]);
        scene.edit(CACHE, TENSOR, &changed);
        let run = scene.build(&[]).fails(13);
        insta::assert_snapshot!(format!("weights_{name}"), run.shown());
        assert!(!scene.dist().exists());
        // The library is good: it is compiled once, and found wanting again.
        scene.build(&[]).fails(13).says("layer.weight");
        assert_eq!(scene.compiled().len(), 1);
    }
}

#[test]
fn a_prepared_library_is_held_against_the_weights_before_anything_is_compiled() {
    let scene = Scene::new("android");
    scene.library("android", "app/libs/one.tar");
    scene.configure(|config| {
        config["model_lib_path_for_prepare_libs"] = json!({"one_layer": "libs/one.tar"});
    });
    scene.edit(CACHE, TENSOR, &TENSOR.replace("[16, 16]", "[16, 8, 2]"));
    scene.build(&[]).fails(13).says("[wrong-weights]").says("`layer.weight`");
    assert_eq!(scene.compiled().len(), 0);
}

#[test]
fn inspect_holds_what_lies_beside_a_library_against_it() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&["--link-mode", "copy"]).ok();
    scene.call(&["inspect", "dist"]).ok();
    let library = scene.library("android", "app/one.tar");
    let config = "models/one/mlc-chat-config.json";
    scene.call(&["inspect", library.as_str(), "--chat-config", config]).ok();
    for cache in [CACHE, "app/dist/bundle/one-q0f16/tensor-cache.json"] {
        scene.edit(cache, TENSOR, &TENSOR.replace("layer.weight", "layer.0.weight"));
    }
    let run = scene.call(&["inspect", "dist"]).fails(13);
    run.says("model `one-q0f16`").says("`layer.weight`: library float16 [16, 16]");
    let run = scene.call(&["inspect", library.as_str(), "--chat-config", config]).fails(13);
    run.says("model `one`").says("layer.0.weight");
}

/// What becomes of the tensors that a tensor cache lists, and what is said of it.
type Way = (fn(&mut Vec<Value>), &'static str);

/// Each public report of weights that are not their library's; the library takes one tensor,
/// `layer.weight`, float16 [16, 16].
const WAYS: [Way; 5] = [
    (
        |tensors| {
            tensors[0]["name"] = "layers.0.weight".into();
            let mut second = tensors[0].clone();
            second["name"] = "layers.1.weight".into();
            second["nbytes"] = 0.into();
            tensors.push(second);
        },
        "the library has 0 layers, the weights 2\n  | `layer.weight`: library float16 [16, 16]",
    ),
    (
        |tensors| tensors[0]["name"] = "layer.kernel".into(),
        "a tensor has another name\n  | `layer.weight`: library float16 [16, 16], missing",
    ),
    (
        |tensors| tensors[0]["shape"] = json!([8, 32]),
        "`layer.weight`: library float16 [16, 16], weights float16 [8, 32]",
    ),
    (
        |tensors| tensors[0]["dtype"] = "bfloat16".into(),
        "`layer.weight`: library float16 [16, 16], weights bfloat16 [16, 16]",
    ),
    (
        |tensors| {
            let mut more = tensors[0].clone();
            more["name"] = "layer.bias".into();
            more["nbytes"] = 0.into();
            tensors.push(more);
        },
        "`layer.bias`: weights float16 [16, 16], unknown to the library",
    ),
];

/// The tensor cache of the model, changed.
fn changed(change: fn(&mut Vec<Value>)) -> String {
    let text = fs_err::read_to_string(format!("{DATA}/layer/tensor-cache.json")).unwrap();
    let mut cache: Value = serde_json::from_str(&text).unwrap();
    change(cache["records"][0]["records"].as_array_mut().unwrap());
    cache.to_string()
}

#[test]
fn a_tensor_cache_that_lists_nothing_is_found_everywhere() {
    let scene = Scene::with_models("android", &["one"]);
    scene.write(CACHE, r#"{"records": []}"#);
    let says = "tensor-cache.json` cannot be used: it lists no tensors";
    scene.call(&["check"]).run().code(11).says("[incomplete-model]").says(says);
    scene.build(&[]).fails(11).says(says);
    scene.call(&["try", "models/one"]).fails(11).says(says);
    let library = scene.library("android", "app/one.tar");
    scene.configure(|config| {
        config["model_lib_path_for_prepare_libs"] = json!({"one_layer": "one.tar"});
    });
    scene.build(&[]).fails(11).says(says);
    let beside = ["inspect", library.as_str(), "--chat-config", "models/one/mlc-chat-config.json"];
    scene.call(&beside).fails(11).says(says);
}

#[test]
fn each_way_is_found_in_a_compiled_a_prepared_and_an_inspected_library() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&["--link-mode", "copy"]).ok();
    let library = scene.library("android", "app/one.tar");
    let config = "models/one/mlc-chat-config.json";
    let bundled = "app/dist/bundle/one-q0f16/tensor-cache.json";
    let sound = scene.read(bundled);
    for (change, says) in WAYS {
        scene.write(CACHE, changed(change));
        scene.configure(|config| {
            config.as_object_mut().unwrap().remove("model_lib_path_for_prepare_libs");
        });
        scene.build(&[]).fails(13).says("[wrong-weights]").says(says);
        scene.configure(|config| {
            config["model_lib_path_for_prepare_libs"] = json!({"one_layer": "one.tar"});
        });
        scene.build(&[]).fails(13).says("[wrong-weights]").says(says);
        let beside = ["inspect", library.as_str(), "--chat-config", config];
        scene.call(&beside).fails(13).says("[wrong-weights]").says(says);
        scene.write(bundled, changed(change));
        scene.call(&["inspect", "dist"]).fails(13).says("[wrong-weights]").says(says);
        scene.write(bundled, &sound);
    }
    scene.write(CACHE, changed(|_| ()));
    scene.build(&[]).ok();
}

#[test]
fn each_way_is_found_in_a_model_of_the_hub_bundled_or_not() {
    for (change, says) in WAYS {
        let files = files_but("tensor-cache.json", changed(change));
        for bundled in [false, true] {
            let hub = HubScene::new(Server::sound(&files), bundled);
            hub.build(&[]).fails(13).says("[wrong-weights]").says(says);
        }
    }
}

#[test]
fn another_vocabulary_than_the_configs_is_found() {
    let scene = Scene::with_models("android", &["one"]);
    let library = scene.library("android", "app/one.tar");
    let (packed, mut plain) = (fs_err::read(&library).unwrap(), Vec::new());
    let mut unpacked = flate2::read::GzDecoder::new(packed.as_slice());
    std::io::Read::read_to_end(&mut unpacked, &mut plain).unwrap();
    // A dimension that is a field of the config, in as many bytes.
    let (fixed, named) = (br#""shape": [16, 16]"#, br#""shape": ["v",16]"#);
    let at = memchr::memmem::find(&plain, fixed).unwrap();
    plain[at..at + fixed.len()].copy_from_slice(named);
    fs_err::write(&library, plain).unwrap();
    let chat_config = "app/models/one/mlc-chat-config.json";
    scene.edit(chat_config, r#"  "vocab_size": 16,"#, r#"  "vocab_size": 16, "v": 16,"#);
    scene.configure(|config| {
        config["model_lib_path_for_prepare_libs"] = json!({"one_layer": "one.tar"});
    });
    scene.build(&[]).ok();
    scene.edit(chat_config, r#""v": 16,"#, r#""v": 32,"#);
    let says = "mlc-chat-config.json says `v` 32, and the weights have 16\n  | `layer.weight`: library float16";
    scene.build(&[]).fails(13).says("[wrong-weights]").says(says);
    let config = "models/one/mlc-chat-config.json";
    let beside = ["inspect", "one.tar", "--chat-config", config];
    scene.call(&beside).fails(13).says("[wrong-weights]").says(says);
}
