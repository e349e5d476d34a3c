//! Where a package's bytes are, and the memory that the app is told its models need.

use crate::scene::Scene;

/// What the model of tests/data/layer needs by its library's metadata.
fn needed(scene: &Scene) -> u64 {
    let manifest = scene.json("app/dist/mlc-package-manifest.json");
    manifest["models"][0]["memory"]["runtime"].as_u64().unwrap()
}

/// A scene whose first model declares too little.
fn declaring(bytes: u64) -> Scene {
    let scene = Scene::new("iphone");
    scene.configure(|config| config["model_list"][0]["estimated_vram_bytes"] = bytes.into());
    scene
}

#[test]
fn the_largest_parts_are_named_largest_first() {
    for device in ["android", "iphone"] {
        let scene = Scene::new(device);
        scene.build(&[]).ok();
        let manifest = scene.json("app/dist/mlc-package-manifest.json");
        for (list, whole) in [
            (&manifest["models"][0]["largest_tensors"], &manifest["models"][0]["sizes"]["weights"]),
            (
                &manifest["libraries"][0]["largest_kernels"],
                &manifest["libraries"][0]["sizes"]["kernels"],
            ),
        ] {
            let sizes: Vec<_> = list
                .as_array()
                .unwrap()
                .iter()
                .map(|part| part["bytes"].as_u64().unwrap())
                .collect();
            assert!(!sizes.is_empty() && sizes.len() <= 10, "{device}: {list}");
            assert!(sizes.is_sorted_by(|a, b| a >= b), "{device}: {list}");
            assert!(sizes.iter().sum::<u64>() <= whole.as_u64().unwrap(), "{device}: {list}");
            assert_ne!(list[0]["name"], "", "{device}");
        }
    }
}

#[test]
fn what_a_package_holds_twice_is_named_with_its_owners() {
    for device in ["android", "iphone"] {
        let scene = Scene::new(device);
        scene.build(&[]).ok();
        let manifest = scene.json("app/dist/mlc-package-manifest.json");
        let duplicates = manifest["duplicates"].as_array().unwrap().clone();
        let of = |kind: &str| duplicates.iter().filter(|it| it["kind"] == kind).collect::<Vec<_>>();
        let shards = of("shard");
        assert_eq!(shards.len(), 1, "{device}: {duplicates:?}");
        assert_eq!(shards[0]["name"], "params_shard_0.bin");
        assert_eq!(shards[0]["owners"], serde_json::json!(["one-q0f16", "other-q0f16"]));
        assert_eq!(shards[0]["bytes"], manifest["models"][0]["sizes"]["weights"]);
        // Both libraries were compiled from one model.
        let kernels = of("kernel");
        assert!(!kernels.is_empty(), "{device}");
        for kernel in kernels {
            assert_eq!(kernel["owners"], serde_json::json!(["one_layer", "other_layer"]));
        }
        let wasted = |it: &serde_json::Value| {
            it["bytes"].as_u64().unwrap() * (it["owners"].as_array().unwrap().len() as u64 - 1)
        };
        assert!(duplicates.iter().map(wasted).is_sorted_by(|a, b| a >= b), "{device}");
    }
}

#[test]
fn a_model_that_needs_more_than_it_declares_is_a_warning_with_the_number_to_write() {
    let scene = declaring(7);
    let run = scene.build(&[]).ok();
    let needed = needed(&scene);
    run.says("warning[vram-too-low]")
        .says(&format!("`model_list[0].estimated_vram_bytes` is 7, and the model needs {needed}"))
        .says(&format!("write {needed}"))
        .says("KV cache for");
    // One that is enough is no problem: the other model has the same library's needs.
    scene.configure(|config| config["model_list"][0]["estimated_vram_bytes"] = needed.into());
    scene.build(&["--strict"]).ok().never_says("vram");
}

#[test]
fn with_strict_it_is_an_error_and_the_package_stays_as_it_was() {
    let scene = declaring(7);
    scene.build(&[]).ok();
    let before = scene.read("app/dist/mlc-package-manifest.json");
    scene.build(&["--strict"]).fails(10).says("error[vram-too-low]");
    assert_eq!(scene.read("app/dist/mlc-package-manifest.json"), before);
}

#[test]
fn fix_vram_changes_the_number_and_nothing_else() {
    let scene = declaring(7);
    let path = "app/mlc-package-config.json";
    // A file as people write them.
    let text = scene.read(path).replace("  ", "\t").replace("\": 7,", "\" :   7 ,");
    scene.write(path, format!("\u{feff}{text}"));
    scene.build(&["--fix-vram", "--strict"]).ok().says("Raised").says("one-q0f16 from 7 to");
    let needed = needed(&scene);
    assert_eq!(
        scene.read(path),
        format!("\u{feff}{}", text.replace(":   7 ,", &format!(":   {needed} ,")))
    );
    let app = scene.json("app/dist/bundle/mlc-app-config.json");
    assert_eq!(app["model_list"][0]["estimated_vram_bytes"], needed);
    assert_eq!(app["model_list"][1]["estimated_vram_bytes"], 104_857_600);
    let manifest = scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["models"][0]["estimated_vram_bytes"], needed);
    // The record is of the config as it is now.
    let plan = scene.read("app/dist/mlc-package-manifest.json");
    scene.build(&["--fix-vram", "--strict"]).ok();
    assert_eq!(scene.json("app/dist/mlc-package-manifest.json")["config"], manifest["config"]);
    assert!(plan.contains("largest_kernels"));
    scene.build(&["--fix-vram", "--dry-run"]).fails(2);
}

#[test]
fn in_a_job_the_warning_is_an_annotation_at_the_line() {
    let scene = declaring(7);
    let workspace = scene.root.as_str();
    scene
        .build(&[])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", workspace)
        .ok()
        .says("::warning file=app/mlc-package-config.json,line=");
}
