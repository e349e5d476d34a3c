//! Kernels for Apple's GPUs, stored as source where nothing compiles them.

use serde_json::Value;

use crate::scene::{DATA, Scene, python};

/// A directory with an `xcrun` that says yes to everything.
fn xcrun(scene: &Scene) -> String {
    let path = scene.write("mac/xcrun", "#!/bin/sh\nexit 0\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&path, mode).unwrap();
    format!("{}:{}", path.parent().unwrap(), std::env::var("PATH").unwrap())
}

#[test]
fn without_xcode_the_compiler_keeps_metal_source() {
    for device in ["iphone", "macabi"] {
        let scene = Scene::with_models(device, &["one"]);
        // What upstream's own call does here: its callback wants `xcrun`.
        let run = assert_cmd::Command::new(python())
            .args(["-m", "mlc_llm", "compile", &format!("{DATA}/layer/mlc-chat-config.json")])
            .args(["--opt", "O2", "--overrides", "", "--device", device])
            .args(["--output", "lib.tar", "--system-lib-prefix", "one_layer_"])
            .env("PYTHONPATH", format!("{DATA}/compiler"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("STAND_IN_LIBRARIES", format!("{DATA}/libraries"))
            .env("STAND_IN_CALLS", scene.root.join("calls-of-upstream"))
            .env("PATH", "/nowhere")
            .current_dir(&scene.root)
            .output()
            .unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        assert!(stderr.contains("FileNotFoundError") && stderr.contains("xcrun"), "{stderr}");

        scene.plan(&[]).ok().says("Metal source: the phone compiles each kernel");
        scene.build(&[]).ok();
        let call: Value = serde_json::from_str(scene.read("calls").trim()).unwrap();
        // As `python -m mlc_llm` has it.
        assert_eq!(call["program"], "mlc_llm/__main__.py");
        assert_eq!(call["arguments"][0], "compile");
        let manifest = scene.json("app/dist/mlc-package-manifest.json");
        assert_eq!(manifest["libraries"][0]["metal"], "source");
        let archive = ["inspect", "dist/lib/libmodel_iphone.a"];
        scene.call(&archive).ok().says("Metal source: the phone compiles each kernel");
    }
}

#[test]
fn a_metallib_is_another_library_than_source() {
    let scene = Scene::with_models("iphone", &["one"]);
    scene.build(&[]).ok();
    let path = xcrun(&scene);
    let with_xcode = |arguments: &[&str]| scene.plan(arguments).env("PATH", &path);
    with_xcode(&[]).ok().says("metal changed: source -> metallib");
    with_xcode(&["--metal", "source"]).ok().says("cached");
    scene.plan(&[]).env("PATH", &path).env("MLC_PACKAGE_METAL", "source").ok().says("cached");
    // The stand-in's libraries hold source, whatever is asked for.
    let run = scene.build(&[]).env("PATH", &path).fails(12);
    run.says("its Metal kernels are stored as source, not as metallib");
    assert_eq!(scene.entries().len(), 1);
}

#[test]
fn a_metallib_that_cannot_be_made_is_refused_before_anything_runs() {
    let scene = Scene::with_models("iphone", &["one"]);
    let run = scene.build(&["--metal", "metallib"]).fails(14);
    run.says("there is no `xcrun metal` here").says("--metal source");
    assert!(scene.compilations().is_empty());
    scene.plan(&["--metal", "none"]).fails(2).says("auto, metallib, source");
}

#[test]
fn a_project_says_how_its_kernels_are_stored() {
    let scene = Scene::with_models("iphone", &["one"]);
    let project = "packages:\n  - name: phone\n    config: mlc-package-config.json\n";
    scene.write("app/mlc-package.yml", format!("{project}    metal: source\n"));
    let path = xcrun(&scene);
    scene.plan(&[]).env("PATH", &path).ok().says("Metal source");
    scene.plan(&["--metal", "metallib"]).env("PATH", &path).ok().never_says("Metal source");
    scene.write("app/mlc-package.yml", format!("{project}    metal: air\n"));
    scene.plan(&[]).fails(10).says("write `auto`, `metallib` or `source`");
}
