//! Weights that are not those of the library that loads them.

use serde_json::json;

use crate::scene::Scene;

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
    run.says("model `one-q0f16`").says("`layer.weight` is float16 [16, 16]");
    let run = scene.call(&["inspect", library.as_str(), "--chat-config", config]).fails(13);
    run.says("model `one`").says("layer.0.weight");
}
