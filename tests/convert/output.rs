//! What a conversion leaves: all of the result or nothing, and the checkpoint as it was.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::scene::{Run, Scene, contents, names};

#[test]
fn the_result_is_the_same_however_it_is_made() {
    let scene = Scene::new();
    scene.write();
    let before = contents(&scene.source());
    assert_eq!(scene.convert("q4f16_0", &[]).exit, Some(0));
    let first = scene.result();
    let files: Vec<_> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(files, ["params_shard_0.bin", "tensor-cache.json"]);
    for jobs in ["1", "3"] {
        assert_eq!(scene.convert("q4f16_0", &["-j", jobs]).exit, Some(0));
        assert_eq!(scene.result(), first, "{jobs} threads");
    }
    assert_eq!(contents(&scene.source()), before, "the checkpoint was written to");
}

#[test]
fn old_shards_go_and_what_is_not_of_a_model_stays() {
    let scene = Scene::new();
    scene.write();
    fs_err::create_dir(scene.output()).unwrap();
    for name in ["params_shard_0.bin", "params_shard_41.bin", "ndarray-cache.json", "notes.txt"] {
        fs_err::write(scene.output().join(name), "old").unwrap();
    }
    assert_eq!(scene.convert("q4f16_1", &[]).exit, Some(0));
    assert_eq!(names(&scene.output()), ["notes.txt", "params_shard_0.bin", "tensor-cache.json"]);
    // Of f32 there is a second index, and it goes with the f32.
    assert_eq!(scene.convert("q4f32_1", &[]).exit, Some(0));
    assert!(names(&scene.output()).contains(&"tensor-cache-b16.json".to_owned()));
    assert_eq!(scene.convert("q4f16_1", &[]).exit, Some(0));
    assert_eq!(names(&scene.output()), ["notes.txt", "params_shard_0.bin", "tensor-cache.json"]);
}

#[test]
fn the_checkpoint_is_never_the_output() {
    let scene = Scene::new();
    scene.write();
    let before = contents(&scene.source());
    for output in ["checkpoint", "checkpoint/model", ".", "checkpoint/../checkpoint/a/b"] {
        let run = scene.run(&["checkpoint", "--quantization", "q4f16_1", "-o", output]);
        assert_eq!(run.exit, Some(2), "{output}: {run:?}");
        assert!(run.err.contains("one is inside the other"), "{run:?}");
    }
    assert_eq!(contents(&scene.source()), before);
}

#[test]
fn a_model_directory_is_whole_with_a_template() {
    let scene = Scene::new();
    scene.write();
    fs_err::write(scene.source().join("vocab.json"), "{}").unwrap();
    let overrides = "context_window_size=48";
    let more = ["--conv-template", "llama-2", "--overrides", overrides, "--format", "json"];
    let run = scene.convert("q4f16_1", &more);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let config = fs_err::read(scene.output().join("mlc-chat-config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["context_window_size"], json!(48));
    assert_eq!(config["quantization"], json!("q4f16_1"));
    let printed: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(printed["chat"]["conv_template"], json!("llama-2"));
    let weights = &printed["weights"];
    let shard = fs_err::metadata(scene.output().join("params_shard_0.bin")).unwrap().len();
    assert_eq!(weights["weight_bytes"], json!(shard));
    let elements: u64 = scene.tensors.iter().map(|tensor| tensor.bytes.len() as u64 / 4).sum();
    assert_eq!(weights["parameters"], json!(elements));
    assert_eq!(weights["source_bytes"], json!(4 * elements));
    let bits = weights["bits_per_parameter"].as_f64().unwrap();
    assert!((bits - 8.0 * shard as f64 / elements as f64).abs() < 1e-9, "{bits}");
    assert!(printed["seconds"].as_f64().is_some());
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_what_was_there() {
    let scene = Scene::new();
    scene.write();
    assert_eq!(scene.convert("q4f16_1", &[]).exit, Some(0));
    let before = scene.result();
    // A limit of the size of files, of 4 KiB, stands for the disk: writing beyond it fails.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
    #[expect(clippy::disallowed_methods, reason = "a shell sets the limit")]
    let mut shell = std::process::Command::new("/bin/sh");
    let run = shell
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_mlc-package"), "convert"])
        .args(["checkpoint", "--quantization", "q0f16", "-o", "model", "--weights-only"])
        .env_clear()
        .env("HOME", scene.root.join("home"))
        .current_dir(&scene.root)
        .output()
        .unwrap();
    let run = Run::of(&run);
    assert_eq!(run.exit, Some(14), "{run:?}");
    assert!(run.err.contains("make room"), "{run:?}");
    assert_eq!(scene.result(), before);
    assert_eq!(names(&scene.root), ["checkpoint", "model"], "{run:?}");
}

/// A checkpoint of zeros that takes much longer than a signal does, and no room.
#[cfg(unix)]
fn huge(scene: &mut Scene) {
    scene.config["hidden_size"] = json!(1 << 14);
    scene.config["intermediate_size"] = json!(1 << 14);
    scene.config["vocab_size"] = json!(1 << 14);
    scene.config["tie_word_embeddings"] = json!(true);
    let hidden = 1_u64 << 14;
    let layer = "model.layers.0.";
    let tensors = [
        ("model.embed_tokens.weight".to_owned(), vec![hidden, hidden]),
        (format!("{layer}self_attn.q_proj.weight"), vec![hidden, hidden]),
        (format!("{layer}self_attn.k_proj.weight"), vec![hidden / 2, hidden]),
        (format!("{layer}self_attn.v_proj.weight"), vec![hidden / 2, hidden]),
        (format!("{layer}self_attn.o_proj.weight"), vec![hidden, hidden]),
        (format!("{layer}mlp.gate_proj.weight"), vec![hidden, hidden]),
        (format!("{layer}mlp.up_proj.weight"), vec![hidden, hidden]),
        (format!("{layer}mlp.down_proj.weight"), vec![hidden, hidden]),
        (format!("{layer}input_layernorm.weight"), vec![hidden]),
        (format!("{layer}post_attention_layernorm.weight"), vec![hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().product::<u64>();
        let entry = json!({"dtype": "F16", "shape": shape, "data_offsets": [start, end]});
        header.insert(name, entry);
    }
    let header = crate::scene::with_header(&Value::Object(header));
    fs_err::create_dir_all(scene.source()).unwrap();
    fs_err::write(scene.source().join("config.json"), scene.config.to_string()).unwrap();
    let path = scene.source().join("model.safetensors");
    fs_err::write(&path, &header).unwrap();
    let file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(header.len() as u64 + end).unwrap();
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_nothing_and_the_next_one_converts() {
    let mut scene = Scene::new();
    huge(&mut scene);
    let arguments = ["checkpoint", "--quantization", "q4f16_1", "-o", "model"];
    let mut child = scene
        .command(&arguments)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It is at work once a shard is there.
    let deadline = Instant::now() + Duration::from_secs(60);
    let at_work = || {
        let staged = names(&scene.root).into_iter().find(|name| name.starts_with(".model."));
        staged.is_some_and(|staged| {
            let files = walkdir::WalkDir::new(scene.root.join(staged)).into_iter().flatten();
            files.into_iter().any(|file| {
                file.file_name().to_str().is_some_and(|name| name.starts_with("params_shard"))
            })
        })
    };
    while !at_work() {
        assert!(Instant::now() < deadline, "no shard appeared");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(&scene.root), ["checkpoint"]);

    // A run that was killed outright cleans nothing up: the next one does.
    let scene = Scene::new();
    scene.write();
    fs_err::create_dir(scene.root.join(".model.mlc-package-dead")).unwrap();
    fs_err::write(scene.root.join(".model.mlc-package-dead/params_shard_0.bin"), "half").unwrap();
    fs_err::write(scene.root.join(".model.mlc-package-dead/.mlc-package"), "").unwrap();
    assert_eq!(scene.convert("q4f16_1", &[]).exit, Some(0));
    assert_eq!(names(&scene.root), ["checkpoint", "model"]);
}

/// Python with a stand-in for MLC LLM, which has the arguments of the real one.
#[cfg(unix)]
#[test]
fn what_is_not_native_is_left_to_mlc_llm() {
    let mut scene = Scene::new();
    scene.config["model_type"] = "llava".into();
    scene.write();
    let before = names(&scene.source());
    let calls = scene.root.join("home/calls");
    fs_err::create_dir_all(calls.parent().unwrap()).unwrap();
    let convert = || {
        let arguments = ["checkpoint", "--quantization", "q4f16_1", "-o", "model"];
        let mut command = scene.command(&arguments);
        command.env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/compiler"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("STAND_IN_CONVERSIONS", &calls);
        Run::of(&command.output().unwrap())
    };
    let run = convert();
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(run.out.contains("by python -m mlc_llm: the architecture `llava`"), "{run:?}");
    assert_eq!(names(&scene.output()), ["params_shard_0.bin", "tensor-cache.json"]);
    let told: Value = serde_json::from_slice(&fs_err::read(&calls).unwrap()).unwrap();
    assert_eq!(
        (&told["verb"], &told["quantization"]),
        (&"convert_weight".into(), &"q4f16_1".into())
    );
    // MLC LLM writes beside the weights that it reads; it has links to the checkpoint.
    assert_eq!(names(&scene.source()), before);
    let run = convert();
    assert!(run.out.contains("out of the cache"), "{run:?}");
}
