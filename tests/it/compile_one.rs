//! `mlc-package compile`: one library for any target.

use serde_json::Value;

use crate::call::Call;
use crate::scene::Scene;
use crate::tree;

/// `mlc-package compile models/one --device DEVICE -o OUTPUT` and more, on a machine that names
/// its host: what processor runs the tests must not matter.
fn compile<'a>(scene: &'a Scene, device: &str, output: &str, more: &[&str]) -> Call<'a> {
    let call = ["compile", "models/one", "--device", device, "-o", output];
    scene.call(&[&call, more].concat())
}

/// How often the compiler was called, and what it was told last.
fn calls(scene: &Scene) -> (usize, Vec<String>) {
    let text = fs_err::read_to_string(scene.root.join("calls")).unwrap_or_default();
    let last = text.lines().last().map(|line| {
        let call: Value = serde_json::from_str(line).unwrap();
        serde_json::from_value(call["arguments"].clone()).unwrap()
    });
    (text.lines().count(), last.unwrap_or_default())
}

fn json(call: Call<'_>) -> Value {
    serde_json::from_str(&call.ok().stdout).unwrap()
}

#[test]
fn a_library_is_compiled_once_and_copied_out_of_the_store() {
    let scene = Scene::new("android");
    let more = ["--opt", "O0", "--overrides", "prefill_chunk_size=8;context_window_size=-1"];
    let more = [&more[..], &["--host", "x86_64-linux-gnu", "--format", "json"]].concat();
    let first = json(compile(&scene, "vulkan:generic", "out/a.so", &more));
    assert_eq!((&first["cache"], &first["reason"]), (&"miss".into(), &"new".into()), "{first}");
    let (count, told) = calls(&scene);
    assert_eq!(count, 1);
    let told: Vec<_> = told.iter().map(String::as_str).collect();
    assert_eq!(told[..2], ["compile", told[1]]);
    assert!(told[1].ends_with("/mlc-chat-config.json"));
    assert_eq!(
        told[2..8],
        [
            "--opt",
            "flashinfer=0;cublas_gemm=0;faster_transformer=0;cudagraph=0;cutlass=0;\
             ipc_allreduce_strategy=NONE",
            "--overrides",
            "context_window_size=-1;prefill_chunk_size=8",
            "--device",
            "vulkan:generic",
        ]
    );
    assert!(told[9].ends_with("/lib.so"), "{told:?}");
    assert_eq!(told[10..], ["--host", "x86_64-linux-gnu"]);

    let library = fs_err::read(scene.app().join("out/a.so")).unwrap();
    assert!(library.starts_with(b"\x7fELF vulkan:generic x86_64-linux-gnu "));
    let second = json(compile(&scene, "vulkan:generic", "b.so", &more));
    assert_eq!((&second["cache"], &second["digest"]), (&"hit".into(), &first["digest"]));
    assert_eq!(fs_err::read(scene.app().join("b.so")).unwrap(), library);
    assert_eq!((calls(&scene).0, scene.leftovers()), (1, vec![]));

    // What is done to the file is not done to the store.
    fs_err::write(scene.app().join("b.so"), "overwritten").unwrap();
    json(compile(&scene, "vulkan:generic", "b.so", &more));
    assert_eq!(fs_err::read(scene.app().join("b.so")).unwrap(), library);
    assert_eq!(calls(&scene).0, 1);
}

#[test]
fn what_changes_the_library_is_a_miss_with_its_reason() {
    let scene = Scene::new("android");
    scene.own_compiler();
    let reason = |device: &str, output: &str, more: &[&str], environment: &[(&str, &str)]| {
        let more = [more, &["--format", "json"]].concat();
        let mut call = compile(&scene, device, output, &more);
        for (name, value) in environment {
            call = call.env(name, value);
        }
        let found = json(call);
        match found["changes"].as_array() {
            Some(changes) => {
                let changes = changes.iter().map(|change| change["what"].as_str().unwrap());
                changes.collect::<Vec<_>>().join(", ")
            }
            None => found["reason"].as_str().or(found["cache"].as_str()).unwrap().to_owned(),
        }
    };
    let (a, b) = (["--host", "a-linux"], ["--host", "b-linux"]);
    assert_eq!(reason("cuda -arch=sm_80", "a.so", &a, &[]), "new");
    assert_eq!(reason("cuda -arch=sm_80", "a.so", &a, &[]), "hit");
    assert_eq!(reason("cuda -arch=sm_80", "a.so", &b, &[]), "host");
    assert_eq!(reason("cuda -arch=sm_80", "a.dll", &a, &[]), "format");
    let archs = [("MLC_MULTI_ARCH", "80,90")];
    assert_eq!(reason("cuda -arch=sm_80", "a.so", &a, &archs), "MLC_MULTI_ARCH");
    assert_eq!(reason("cuda -arch=sm_80", "a.so", &[&a[..], &["--opt=O3"]].concat(), &[]), "opt");
    // Another target has nothing to do with this one.
    assert_eq!(reason("webgpu", "a.wasm", &[], &[]), "new");
    let runtime = scene.write("sources/web/dist/wasm/mlc_wasm_runtime.bc", "runtime");
    let sources = [("MLC_LLM_SOURCE_DIR", "../sources")];
    assert_eq!(reason("webgpu", "a.wasm", &[], &sources), "mlc_wasm_runtime.bc");
    assert_eq!(reason("webgpu", "a.wasm", &[], &sources), "hit");
    fs_err::write(runtime, "another runtime").unwrap();
    assert_eq!(reason("webgpu", "a.wasm", &[], &sources), "mlc_wasm_runtime.bc");

    let wheel = "mlc_ai_nightly_cpu-0.26.0.dist-info";
    scene.edit(&format!("compiler/{wheel}/METADATA"), "Version: 0.26.0", "Version: 0.27.0");
    assert_eq!(reason("cuda -arch=sm_80", "a.so", &a, &[]), "tvm");
    let redo = [("MLC_JIT_POLICY", "REDO")];
    assert_eq!(reason("cuda -arch=sm_80", "a.so", &a, &redo), "redo");
    let config = "app/models/one/mlc-chat-config.json";
    scene.edit(config, "\"active_vocab_size\": 16", "\"active_vocab_size\": 15");
    assert_eq!(reason("cuda -arch=sm_80", "a.so", &a, &[]), "active_vocab_size");
}

#[test]
fn a_phones_library_is_the_one_that_packages_use() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    let more = ["--system-lib-prefix", "one_layer_", "--format", "json"];
    let compiled = json(compile(&scene, "android", "one.tar", &more));
    assert_eq!((&compiled["cache"], calls(&scene).0), (&"hit".into(), 1));
    assert_eq!(compiled["system_lib_prefix"], "one_layer_");
    scene.call(&["inspect", "one.tar"]).ok().says("one_layer");
    let path = scene.app().join("models/one/mlc-chat-config.json");
    let call = ["compile", path.as_str(), "--device=iphone", "-o", "i.tar"];
    let run = scene.call(&[&call[..], &["--system-lib-prefix=one_layer_"]].concat()).ok();
    assert!(run.stdout.starts_with("i.tar: ") && run.stdout.contains(", iphone, compiled in "));
}

#[test]
fn what_cannot_be_is_said_before_anything_runs() {
    let scene = Scene::new("android");
    let mut shown = String::new();
    for (device, output, more, code) in [
        ("cudda", "a.so", &[][..], 2),
        ("webgpu", "a.so", &[], 2),
        ("cuda", "a", &[], 2),
        ("cuda", "models", &[], 2),
        ("android:adreno", "a.tar", &["--system-lib-prefix", "x_"], 2),
        ("android", "a.tar", &["--system-lib-prefix", "phi-2"], 2),
        ("android", "a.tar", &["--overrides", "contxt=1"], 2),
    ] {
        shown += &compile(&scene, device, output, more).fails(code).shown();
    }
    for (model, code) in [("models", 11), ("mlc-package-config.json", 11)] {
        let call = ["compile", model, "--device", "cuda", "-o", "a.so"];
        shown += &scene.call(&call).fails(code).shown();
    }
    insta::assert_snapshot!("compile_one_refused", shown);
    assert_eq!(calls(&scene).0, 0);
}

#[test]
fn a_failure_leaves_the_old_library() {
    let scene = Scene::new("android");
    let host = ["--host", "x"];
    compile(&scene, "cuda -arch=sm_80", "a.so", &host).ok();
    let (before, entries) = (tree::state(&scene.app()), scene.entries());
    let redone = |behaviour: &str| {
        let call = compile(&scene, "cuda -arch=sm_80", "a.so", &host);
        call.env("MLC_JIT_POLICY", "REDO").env("STAND_IN", behaviour).fails(12).shown()
    };
    let mut shown = redone("exit-1");
    shown += &redone("garbage");
    shown += &redone("no-output");
    let call = compile(&scene, "rocm", "b.so", &host).env("MLC_JIT_POLICY", "READONLY");
    shown += &call.fails(12).shown();
    insta::assert_snapshot!("compile_one_failed", shown);
    assert_eq!((tree::state(&scene.app()), scene.entries()), (before, entries));
    assert_eq!(scene.leftovers(), [""; 0]);
}
