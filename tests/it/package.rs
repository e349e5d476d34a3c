//! What a build makes: the tree, the archive, the app's config, the manifest.

use serde_json::{Value, json};

use crate::llvm;
use crate::scene::Scene;
use crate::tree;

const MODEL_FILES: [&str; 4] =
    ["mlc-chat-config.json", "params_shard_0.bin", "tensor-cache.json", "tokenizer.json"];

/// The tree of a package with these models.
fn expected_tree(archive: &str, models: &[&str]) -> Vec<String> {
    let mut files = vec!["bundle/mlc-app-config.json".to_owned()];
    for model in models {
        files.extend(MODEL_FILES.map(|file| format!("bundle/{model}-q0f16/{file}")));
    }
    files.extend([format!("lib/{archive}"), "mlc-package-manifest.json".to_owned()]);
    files.sort();
    files
}

#[test]
fn each_device_has_its_tree() {
    for (device, archive, models) in [
        ("android", "libmodel_android.a", &["one", "other"][..]),
        ("iphone", "libmodel_iphone.a", &["one", "other"]),
        ("macabi", "libmodel_iphone.a", &["one"]),
    ] {
        let scene = Scene::with_models(device, models);
        scene.build(&[]).ok();
        assert_eq!(tree::files(&scene.dist()), expected_tree(archive, models), "{device}");
        assert_eq!(scene.leftovers(), [""; 0], "{device}");
    }
}

#[test]
fn a_mac_with_another_processor_gets_its_library() {
    let scene = Scene::with_models("macabi", &["one"]);
    scene.build(&[]).env("MLC_MACABI_ARCH", "x86_64").ok();
    let archive = scene.dist().join("lib/libmodel_iphone.a");
    let objects = scene.call(&["inspect", "--format", "json", archive.as_str()]).ok().json();
    assert_eq!(objects["objects"][0]["processor"], "x86_64");
    assert_eq!(scene.json("app/dist/mlc-package-manifest.json")["macabi_arch"], "x86_64");
    scene.build(&[]).env("MLC_MACABI_ARCH", "ppc").fails(2).says("MLC_MACABI_ARCH").says("arm64");
    // arm64 is another library.
    scene.build(&[]).ok();
    assert_eq!(scene.compiled(), ["one_layer", "one_layer"]);
}

#[test]
fn the_apps_config_is_upstreams_byte_for_byte() {
    let path = "app/dist/bundle/mlc-app-config.json";
    let apple = r#"{
  "model_list": [
    {
      "model_id": "one-q0f16",
      "model_lib": "one_layer",
      "model_path": "one-q0f16",
      "estimated_vram_bytes": 104857600
    },
    {
      "model_id": "other-q0f16",
      "model_lib": "other_layer",
      "model_path": "other-q0f16",
      "estimated_vram_bytes": 2097152
    }
  ]
}
"#;
    // Android's app wants a URL even for what is pushed to the phone; never this machine's.
    let android = apple
        .replace("\"model_path\": \"one-q0f16\"", "\"model_url\": \"models/one\"")
        .replace("\"model_path\": \"other-q0f16\"", "\"model_url\": \"other-q0f16\"");
    for (device, expected) in [("iphone", apple), ("android", &android)] {
        let scene = Scene::new(device);
        let absolute = scene.app().join("models/other");
        scene.configure(|config| {
            config["model_list"][1]["estimated_vram_bytes"] = 2_097_152.into();
            config["model_list"][1]["model"] = absolute.as_str().into();
        });
        scene.build(&[]).ok();
        let found = scene.read(path);
        assert!(!found.contains(scene.root.as_str()), "{found}");
        assert_eq!(found, expected, "{device}");
    }
}

#[test]
fn llvm_reads_the_archive() {
    for (device, underscore) in [("android", ""), ("iphone", "_")] {
        let scene = Scene::new(device);
        scene.build(&[]).ok();
        let archive = scene.dist().join(format!("lib/libmodel_{device}.a"));
        let mut members: Vec<_> =
            llvm::run("llvm-ar", &["t"], &archive).lines().map(str::to_owned).collect();
        members.sort();
        let expected =
            ["one_layer_devc.o", "one_layer_lib0.o", "other_layer_devc.o", "other_layer_lib0.o"];
        assert_eq!(members, expected, "{device}");
        let map = llvm::run("llvm-nm", &["--print-armap", "--defined-only"], &archive);
        let (index, symbols) = map.split_once("\n\n").unwrap();
        for name in ["one_layer", "other_layer"] {
            let blob = format!("{underscore}{name}___tvm_ffi__library_bin");
            assert!(index.contains(&format!("{blob} in {name}_devc.o")), "{index}");
            let defined = symbols.lines().filter(|line| line.ends_with(&format!(" {blob}")));
            assert_eq!(defined.count(), 1, "{symbols}");
        }
    }
}

#[test]
fn bundled_files_are_links_unless_copies_are_asked_for() {
    for (mode, is_link) in [(None, true), (Some("hardlink"), true), (Some("copy"), false)] {
        let scene = Scene::with_models("android", &["one"]);
        let build = scene.build(&mode.map_or(vec![], |mode| vec!["--link-mode", mode]));
        build.ok();
        for file in MODEL_FILES {
            let source = scene.app().join("models/one").join(file);
            let bundled = scene.dist().join("bundle/one-q0f16").join(file);
            assert_eq!(tree::digest(&source), tree::digest(&bundled), "{mode:?} {file}");
            let shared = tree::inode(&source) == tree::inode(&bundled);
            // Where the file system shares blocks, auto gives a file of its own.
            let own_blocks = mode.is_none() && !shared && reflinks(&scene);
            assert!(shared == is_link || own_blocks, "{mode:?} {file}");
        }
    }
}

fn reflinks(scene: &Scene) -> bool {
    let from = scene.write("tmp/reflink-from", "x");
    let to = scene.root.join("tmp/reflink-to");
    let can = reflink_copy::reflink(&from, &to).is_ok();
    fs_err::remove_file(&from).unwrap();
    if can {
        fs_err::remove_file(&to).unwrap();
    }
    can
}

#[test]
fn overrides_are_written_into_the_bundled_config_and_nothing_else_changes() {
    let scene = Scene::new("android");
    scene.configure(|config| {
        config["model_list"][0]["overrides"] =
            json!({"context_window_size": 64, "prefill_chunk_size": 2, "sliding_window_size": -1});
    });
    let source = scene.read("app/models/one/mlc-chat-config.json");
    let before = tree::state(&scene.app().join("models"));
    scene.build(&[]).ok();
    let expected = source
        .replace("\"context_window_size\": 128", "\"context_window_size\": 64")
        .replace("\"prefill_chunk_size\": 1,", "\"prefill_chunk_size\": 2,");
    assert_ne!(source, expected);
    assert_eq!(scene.read("app/dist/bundle/one-q0f16/mlc-chat-config.json"), expected);
    assert_eq!(scene.read("app/dist/bundle/other-q0f16/mlc-chat-config.json"), source);
    assert_eq!(tree::state(&scene.app().join("models")), before);
    let calls = scene.compilations();
    let call = calls.iter().find(|call| call.model_lib == "one_layer").unwrap();
    let place = call.arguments.iter().position(|argument| argument == "--overrides").unwrap();
    assert_eq!(call.arguments[place + 1], "context_window_size=64;prefill_chunk_size=2");
}

#[test]
fn the_compiler_is_called_as_upstream_calls_it() {
    let scene = Scene::with_models("iphone", &["one"]);
    scene.configure(|config| config["model_list"][0]["overrides"] = json!({"opt": "O0"}));
    // Beside the user's config; it must not be taken for the compiler's.
    scene.write("app/tvm.py", "raise SystemExit('the stray module was imported')\n");
    scene.build(&[]).ok();
    let calls = scene.compilations();
    let [call] = calls.as_slice() else { panic!("{} calls", calls.len()) };
    assert_eq!(call.directory, json!([]));
    let arguments: Vec<_> = call
        .arguments
        .iter()
        .map(|argument| scene.placeholders(argument))
        .map(|argument| argument.rsplit('/').next().unwrap().to_owned())
        .collect();
    let opt = "flashinfer=0;cublas_gemm=0;faster_transformer=0;cudagraph=0;cutlass=0;\
               ipc_allreduce_strategy=NONE";
    let expected = [
        "compile",
        "mlc-chat-config.json",
        "--opt",
        opt,
        "--overrides",
        "",
        "--device",
        "iphone",
        "--output",
        "lib.tar",
        "--system-lib-prefix",
        "one_layer_",
    ];
    assert_eq!(arguments, expected);
}

#[test]
fn the_manifest_records_the_package() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    let path = "app/dist/mlc-package-manifest.json";
    let first = scene.json(path);
    assert_eq!(first["schema"], 1);
    assert_eq!(first["tool"], env!("CARGO_PKG_VERSION"));
    assert_eq!(first["device"], "android");
    let config = scene.app().join("mlc-package-config.json");
    let expected = json!({"name": "mlc-package-config.json", "digest": tree::digest(config)});
    assert_eq!(first["config"], expected);
    assert_eq!(
        first["compiler"]["tvm"],
        json!({"distribution": "mlc-ai-nightly-cpu", "version": "0.26.0"})
    );
    check_outputs(&scene, &first);
    check_model(&scene, &first["models"][0]);
    check_library(&scene, &first["libraries"][0]);
    let stages = first["stages"].as_array().unwrap().iter();
    let stages: Vec<_> = stages.map(|stage| stage["stage"].as_str().unwrap()).collect();
    let expected =
        ["config", "fetch", "toolchain", "plan", "download", "compile", "library", "assemble"];
    assert_eq!(stages, expected);

    let printed = scene.build(&["--format", "json"]).ok();
    let second = scene.json(path);
    assert_eq!(printed.stdout, scene.read(path));
    let origins = |manifest: &Value| {
        let libraries = manifest["libraries"].as_array().unwrap().iter();
        libraries.map(|library| library["origin"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(origins(&first), ["compiled", "compiled"]);
    assert_eq!(origins(&second), ["cached", "cached"]);
    let mut same = second;
    for (library, old) in same["libraries"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(first["libraries"].as_array().unwrap())
    {
        library["origin"] = old["origin"].clone();
    }
    same["stages"] = first["stages"].clone();
    assert_eq!(same, first);
}

/// Every file of the package is recorded with its true size and digest, but the manifest.
pub(crate) fn check_outputs(scene: &Scene, manifest: &Value) {
    let mut recorded = Vec::new();
    for output in manifest["outputs"].as_array().unwrap() {
        let name = output["path"].as_str().unwrap();
        let path = scene.dist().join(name);
        assert_eq!(output["bytes"], fs_err::metadata(&path).unwrap().len(), "{name}");
        assert_eq!(output["digest"], tree::digest(&path), "{name}");
        recorded.push(name.to_owned());
    }
    recorded.push("mlc-package-manifest.json".to_owned());
    assert_eq!(recorded, tree::files(&scene.dist()));
}

fn check_model(scene: &Scene, model: &Value) {
    let size =
        |file: &str| fs_err::metadata(scene.app().join("models/one").join(file)).unwrap().len();
    let expected = json!({
        "model_id": "one-q0f16",
        "model_lib": "one_layer",
        "model": "models/one",
        "model_type": "linear",
        "quantization": "q0f16",
        "overrides": {},
        "chat_config": tree::digest(scene.app().join("models/one/mlc-chat-config.json")),
        "bundled": true,
        "sizes": {
            "weights": size("params_shard_0.bin"),
            "tokenizer": size("tokenizer.json"),
            "other": size("mlc-chat-config.json") + size("tensor-cache.json"),
        },
        "estimated_vram_bytes": 104_857_600,
        "largest_tensors": [{"name": "layer.weight", "bytes": 512}],
    });
    let mut model = model.clone();
    let memory = model.as_object_mut().unwrap().remove("memory").unwrap();
    assert_eq!(model, expected);
    // 16 x 16 of two bytes; one layer, one head of 16, keys and values of two bytes.
    assert_eq!(memory["parameters"], 512);
    assert_eq!(memory["kv_cache_per_token"], 64);
    assert_eq!(memory["context"], 128);
    let total = memory["temporary"].as_u64().unwrap() + 512 + 64 * 128;
    assert_eq!(memory["total"], total);
}

fn check_library(scene: &Scene, library: &Value) {
    assert_eq!(library["model_lib"], "one_layer");
    assert_eq!(library["models"], json!(["one-q0f16"]));
    let fingerprint = library["fingerprint"].as_str().unwrap();
    let entry =
        scene.entries().into_iter().find(|entry| fingerprint.contains(entry.file_name().unwrap()));
    let stored = entry.unwrap().join("lib.tar");
    assert_eq!(library["digest"], tree::digest(&stored));
    let sizes = &library["sizes"];
    assert_eq!(sizes["file"], fs_err::metadata(&stored).unwrap().len());
    let [host, kernels, blob, archive] =
        ["host_code", "kernels", "blob", "archive"].map(|part| sizes[part].as_u64().unwrap());
    assert!(0 < kernels && kernels < blob && 0 < host && host + blob < archive, "{sizes}");
}

#[test]
fn equal_inputs_give_equal_bytes_wherever_they_lie() {
    let scenes = [Scene::new("android"), Scene::new("android")];
    for scene in &scenes {
        scene.build(&[]).ok();
        // From the store, not from the compiler.
        scene.build(&["-o", "again"]).ok();
    }
    let [first, second] = &scenes;
    for path in ["lib/libmodel_android.a", "bundle/mlc-app-config.json"] {
        let digest = tree::digest(first.dist().join(path));
        assert_eq!(digest, tree::digest(second.dist().join(path)), "{path}");
        assert_eq!(digest, tree::digest(first.app().join("again").join(path)), "{path}");
    }
}
