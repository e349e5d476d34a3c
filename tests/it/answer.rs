//! `mlc-package try` where the compiler's Python does not do as it should. Models that answer are in
//! `tests/answer`.

use serde_json::{Value, json};

use crate::call::Run;
use crate::hub::{HubScene, files_but};
use crate::scene::Scene;
use crate::server::{COMMIT, File, Server};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/answer/model");

/// A library of shared objects is not linked, and the stand-in compiler writes one of any device.
fn on_vulkan<'a>(scene: &'a Scene, more: &[&str]) -> crate::call::Call<'a> {
    scene.call(&[&["try", MODEL, "--device", "vulkan"], more].concat())
}

/// Stand-ins for the two modules that the driver imports: a library with these functions, that says
/// this of itself.
fn runtime(scene: &Scene, functions: &[&str], metadata: &Value) {
    let metadata = metadata.to_string();
    scene.write(
        "compiler/tvm_ffi/__init__.py",
        "class libinfo:\n    find_libtvm_ffi = staticmethod(lambda: None)\n",
    );
    let library = format!(
        "class Device:\n    exist, index = True, 0\n    def dlpack_device_type(self):\n        return 1\n\
         device = lambda name: Device()\ncpu = lambda: Device()\n\
         def nothing(*arguments):\n    print('noise')\n\
         class Library:\n    def __getitem__(self, name):\n\
         \x20       if name == 'vm_load_executable':\n            return lambda: self\n\
         \x20       if name == '_metadata':\n            return lambda: {metadata:?}\n\
         \x20       if name in {functions:?} or name == 'vm_initialization':\n            return nothing\n\
         \x20       raise AttributeError(name)\n\
         load_module = lambda path: Library()\n"
    );
    scene.write("compiler/tvm/__init__.py", "");
    scene.write("compiler/tvm/runtime.py", library);
}

#[test]
fn models_with_another_state_are_told_that_they_cannot_be_tried() {
    let scene = Scene::with_models("android", &[]);
    scene.own_compiler();
    let all = ["embed", "prefill", "decode", "create_tir_paged_kv_cache"];
    let with = |name: &'static str| [&all[..], &[name]].concat();
    let plain = json!({"model_type": "a", "quantization": "q4f16_1"});
    let saying = |field: &str, value: Value| {
        let mut metadata = plain.clone();
        metadata[field] = value;
        metadata
    };
    for (functions, metadata, why) in [
        (with("image_embed"), plain.clone(), "it looks at images"),
        (with("create_rnn_state"), plain.clone(), "a recurrent state in the place of a KV cache"),
        (all.to_vec(), saying("kv_state_kind", "rnn_state".into()), "a recurrent state"),
        (all.to_vec(), saying("kv_state_kind", "hybrid".into()), "a state of recurrent layers"),
        (all.to_vec(), saying("kv_state_kind", "none".into()), "it has no state"),
        (all.to_vec(), saying("tensor_parallel_shards", 2.into()), "divided among several devices"),
        (all[..2].to_vec(), plain.clone(), "its library has no function `decode`"),
    ] {
        runtime(&scene, &functions, &metadata);
        on_vulkan(&scene, &[])
            .fails(2)
            .says("model `model`: this model cannot be tried: ")
            .says(why);
    }
    // What the library takes, and the model does not have.
    runtime(&scene, &all, &plain);
    on_vulkan(&scene, &[]).fails(13).says("the library names no parameters at all");
}

#[test]
fn a_python_that_crashes_hangs_or_lacks_a_module_is_told_with_what_it_was_at() {
    let scene = Scene::with_models("android", &[]);
    scene.own_compiler();
    let module = "compiler/tvm_ffi/__init__.py";
    scene.write(module, "import os\nos._exit(3)\n");
    on_vulkan(&scene, &[])
        .fails(12)
        .says("model `model`: Python exited with code 3 while starting")
        .says("mlc-package doctor");
    scene.write(module, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n");
    on_vulkan(&scene, &[]).fails(12).says("this machine may have too little memory for the model");
    scene.write(module, "raise ImportError('libtvm_ffi.so: cannot open')\n");
    on_vulkan(&scene, &[]).fails(12).says("ImportError: libtvm_ffi.so: cannot open");
    scene.write(module, "import time\ntime.sleep(1000)\n");
    on_vulkan(&scene, &["--seconds", "1"])
        .fails(12)
        .says("Python was not done within 1 s while starting")
        .says("give it more time (--seconds)");
    assert_eq!(scene.leftovers(), Vec::<String>::new());
}

#[test]
fn what_pythons_start_prints_is_passed_over() {
    let scene = Scene::with_models("android", &[]);
    scene.own_compiler();
    let all = ["embed", "prefill", "decode", "create_tir_paged_kv_cache"];
    runtime(&scene, &all, &json!({"model_type": "a", "quantization": "q4f16_1"}));
    let printing = "import sys\nsys.stdout.write('hello\\n{}\\nhalf a line')\n";
    scene.write("compiler/sitecustomize.py", printing);
    // It comes as far as without it.
    on_vulkan(&scene, &[]).fails(13).says("the library names no parameters at all");
    // One that prints beside the answers.
    let late = "import os\nkept = os.dup(1)\nreal = os.fdopen\n\
                def fdopen(*all, **more):\n    file = real(*all, **more)\n    write = file.write\n\
                \x20   class Noisy:\n        flush = file.flush\n        def write(self, text):\n\
                \x20           write(text if 'ready' in text else 'noise\\n' + text)\n\
                \x20   return Noisy()\nos.fdopen = fdopen\n";
    scene.write("compiler/sitecustomize.py", late);
    on_vulkan(&scene, &[])
        .fails(12)
        .says("looking for the device: Python printed what is not an answer: `noise`")
        .says("sitecustomize");
}

#[test]
fn a_tokenizer_that_makes_no_tokens_is_refused_before_anything_is_compiled() {
    let scene = Scene::with_models("android", &[]);
    crate::tree::copy(MODEL, scene.root.join("mute"));
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "vocab": {"\u{1}": 0}, "merges": []},
    });
    scene.write("mute/tokenizer.json", tokenizer.to_string());
    let model = scene.root.join("mute");
    let run = scene.call(&["try", model.as_str()]).fails(11);
    run.says("tokenizer.json` cannot be used: it makes 0 tokens of a whole text");
    assert!(!scene.root.join("calls").exists());
}

/// The functions of a library that can be run.
const FUNCTIONS: [&str; 4] = ["embed", "prefill", "decode", "create_tir_paged_kv_cache"];

/// `try` of the hub's model, by a runtime that comes as far as the weights.
fn on_hub<'h>(hub: &'h HubScene, more: &[&str]) -> Run<'h> {
    hub.scene.own_compiler();
    runtime(&hub.scene, &FUNCTIONS, &json!({"model_type": "a", "quantization": "q4f16_1"}));
    hub.call(&[&["try", "HF://user/model", "--device", "vulkan"], more].concat()).run()
}

#[test]
fn a_model_of_the_hub_is_downloaded_and_tried() {
    let hub = HubScene::sound(true);
    on_hub(&hub, &["--offline"]).code(11).says("model `model`: ").says("--offline");
    let run = on_hub(&hub, &[]).code(13);
    run.says("model `model`: the weights do not belong to the library")
        .says("no parameters at all");
    assert!(hub.snapshot(COMMIT).contains(&"params_shard_0.bin".to_owned()));
    hub.asked();
    on_hub(&hub, &["--offline"]).code(13);
    assert_eq!(hub.asked(), [""; 0]);
    for (file, bytes, said) in [
        ("tokenizer.json", "{}", "its tokenizer.json is not a tokenizer: it has no object `model`"),
        ("tensor-cache.json", r#"{"records": []}"#, "it lists no tensors"),
    ] {
        let hub = HubScene::new(Server::sound(&files_but(file, bytes)), true);
        on_hub(&hub, &[]).code(11).says(said);
        hub.build(&[]).fails(11).says(said);
    }
    let raw = HubScene::raw(&[("config.json", File::small(b"{}"))]);
    on_hub(&raw, &[]).code(11).says("is not a model").says("`mlc-package convert`");
}

#[test]
fn a_device_that_is_not_there_is_told_with_the_model_and_what_to_do() {
    let scene = Scene::with_models("android", &[]);
    scene.own_compiler();
    runtime(&scene, &FUNCTIONS, &json!({"model_type": "a", "quantization": "q4f16_1"}));
    let module = "compiler/tvm/runtime.py";
    let without = scene.read(module).replace("exist, index = True, 0", "exist, index = False, 0");
    scene.write(module, without);
    on_vulkan(&scene, &[])
        .fails(2)
        .says("model `model`: TVM finds no vulkan device on this machine")
        .says("`--device cpu` tries the model on the processor");
    // One that TVM cannot compile for.
    let run = on_vulkan(&scene, &["--opt", "O0"]).env("STAND_IN", "exit-1").fails(12);
    run.says("model model: ").says("`--device cpu` tries the model on the processor");
}

#[test]
fn a_raw_checkpoint_is_told_to_be_converted_first() {
    let scene = Scene::with_models("android", &[]);
    scene.write("app/raw/config.json", "{}");
    scene
        .call(&["try", "raw"])
        .fails(2)
        .says("`raw` is a raw checkpoint, not a converted model")
        .says("mlc-package convert raw --quantization q4f16_1 -o OUTPUT");
    scene.call(&["try", "HF://user"]).fails(2).says("write HF://user/repo");
}

#[test]
fn a_tokenizer_that_only_apps_read_is_no_fault_of_the_model() {
    let scene = Scene::with_models("android", &[]);
    crate::tree::copy(MODEL, scene.root.join("sentencepiece"));
    let dir = scene.root.join("sentencepiece");
    fs_err::rename(dir.join("tokenizer.json"), dir.join("tokenizer.model")).unwrap();
    let (from, to) = (r#""tokenizer.json""#, r#""tokenizer.model""#);
    scene.edit("sentencepiece/mlc-chat-config.json", from, to);
    let run = scene.call(&["try", dir.as_str()]).fails(2);
    run.says("this model cannot be tried: its tokenizer is `tokenizer.model`");
}

#[test]
fn shards_are_held_against_their_md5() {
    // One that was found right before, and is changed: large enough to be remembered.
    let scene = Scene::with_models("android", &[]);
    scene.own_compiler();
    runtime(&scene, &FUNCTIONS, &json!({"model_type": "a", "quantization": "q4f16_1"}));
    crate::tree::copy(MODEL, scene.root.join("copy"));
    let model = scene.root.join("copy");
    let tried = || scene.call(&["try", model.as_str(), "--device", "vulkan"]);
    tried().fails(13).says("no parameters at all");
    let shard = model.join("params_shard_0.bin");
    let mut bytes = fs_err::read(&shard).unwrap();
    assert!(bytes.len() > 1 << 16);
    bytes[1000] ^= 1;
    fs_err::write(&shard, bytes).unwrap();
    tried().fails(11).says("params_shard_0.bin` has the MD5 digest");
    // And one that never was.
    let scene = Scene::with_models("android", &["one"]);
    let shard = scene.root.join("app/models/one/params_shard_0.bin");
    let mut bytes = fs_err::read(&shard).unwrap();
    bytes[0] ^= 1;
    fs_err::write(&shard, bytes).unwrap();
    scene.call(&["try", "models/one"]).fails(11).says("has the MD5 digest");
}

#[test]
fn what_cannot_be_tried_is_said_before_anything_is_compiled() {
    let scene = Scene::with_models("android", &["one"]);
    scene
        .call(&["try", "models/nothing"])
        .fails(2)
        .says("is neither a model directory nor a package");
    scene.call(&["try", MODEL, "--expect", "/(/"]).fails(2).says("it is not a regular expression");
    scene.call(&["try", MODEL, "--tokens", "0"]).fails(2).says("at least 1");
    let at_most = "expected a number, at most 4294967295";
    scene.call(&["try", MODEL, "--tokens", "5000000000"]).fails(2).says(at_most);
    scene.call(&["try", MODEL, "--tokens", "-1"]).fails(2).says("at least 1");
    scene.call(&["try", MODEL, "--max-perplexity", "-1"]).fails(2).says("at least 1");
    scene.call(&["try", MODEL, "--prompt", " "]).fails(2).says("a text that is not blank");
    scene.call(&["try", MODEL, "--device", "npu"]).fails(2).says("cpu, metal, vulkan, cuda");
    assert!(!scene.root.join("calls").exists());
}
