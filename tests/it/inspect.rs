//! `inspect` of what is not a library's archive: shared libraries, model directories, names.

use camino::Utf8PathBuf;

use crate::raw;
use crate::scene::{DATA, Scene};
use crate::tree;

/// The members of a library of the tests' data, as files.
fn objects(scene: &Scene, library: &str) -> Vec<Utf8PathBuf> {
    let bytes = fs_err::read(format!("{DATA}/libraries/{library}.tar")).unwrap();
    let mut inflated = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(&*bytes);
    let plain = match std::io::Read::read_to_end(&mut decoder, &mut inflated) {
        Ok(_) => inflated,
        Err(_) => bytes,
    };
    let dir = scene.root.join("objects");
    tar::Archive::new(&*plain).unpack(&dir).unwrap();
    let names = tree::names(&dir).into_iter().filter(|name| name.ends_with(".o"));
    names.map(|name| dir.join(name)).collect()
}

// Xcode's linker makes no ELF.
#[cfg(target_os = "linux")]
#[test]
fn a_shared_library_is_looked_into_also_when_it_is_stripped() {
    let scene = Scene::with_models("android", &[]);
    let library = scene.app().join("one.so");
    let clang = ["clang", "cc"].into_iter().find_map(|name| which::which(name).ok());
    let mut link = assert_cmd::Command::new(clang.unwrap());
    link.args(["-shared", "-nostdlib", "-Wl,--strip-all", "-o", library.as_str()]);
    link.args(objects(&scene, "cpu")).unwrap();
    let run = scene.call(&["inspect", "one.so"]).ok();
    run.says("one.so: ").says("model       linear q0f16").says("functions");
    let json = scene.call(&["inspect", "one.so", "--format", "json"]).ok().json();
    assert_eq!(json["objects"][0]["name"], "one.so");
    assert_eq!(json["libraries"].as_array().unwrap().len(), 1);
    let run = scene.call(&["inspect", library.as_str(), "--kernels"]).ok();
    run.says("the phone compiles none from source");
}

/// The linker's mark alone distinguishes a library from the object that it was made of, as far as the symbols
/// and sections go.
#[test]
fn a_dylib_is_looked_into() {
    const FILE_TYPE: usize = 12;
    const MH_DYLIB: u32 = 6;
    let scene = Scene::with_models("iphone", &[]);
    let with_blob = |path: &Utf8PathBuf| {
        let bytes = fs_err::read(path).unwrap();
        memchr::memmem::find(&bytes, b"__tvm_ffi__library_bin\0").is_some()
    };
    let object = objects(&scene, "iphone").into_iter().find(with_blob).unwrap();
    let mut bytes = fs_err::read(object).unwrap();
    bytes[FILE_TYPE..FILE_TYPE + 4].copy_from_slice(&MH_DYLIB.to_le_bytes());
    scene.write("app/one.dylib", bytes);
    let run = scene.call(&["inspect", "one.dylib"]).ok();
    run.says("one.dylib: ").says("for iphone").says("model       linear q0f16");
    scene.write("app/universal.dylib", b"\xca\xfe\xba\xbe\0\0\0\x02");
    let universal = scene.call(&["inspect", "universal.dylib"]).fails(13);
    universal
        .says("`universal.dylib`: it cannot be used: it is a universal file")
        .says("lipo -thin");
}

#[test]
fn what_is_in_a_dist_stands_for_it() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    let dist = scene.call(&["inspect", "dist"]).ok();
    for inside in ["dist/lib", "dist/mlc-package-manifest.json"] {
        assert_eq!(scene.call(&["inspect", inside]).ok().stdout, dist.stdout, "{inside}");
    }
}

#[test]
fn a_converted_model_says_what_it_is_and_what_to_do_with_it() {
    let scene = Scene::with_models("android", &["one"]);
    let run = scene.call(&["inspect", "models/one"]).ok();
    insta::assert_snapshot!("inspect_model", run.shown());
    for config in ["mlc-chat-config.json", "tensor-cache.json"] {
        let same = scene.call(&["inspect", &format!("models/one/{config}")]).ok();
        assert_eq!(same.stdout, run.stdout, "{config}");
    }
    let json = scene.call(&["inspect", "models/one", "--format", "json"]).ok().json();
    assert_eq!((&json["kind"], &json["quantization"]), (&"model".into(), &"q0f16".into()));
    assert_eq!(json["weight_bytes"], 512);
    // The command that it names runs.
    let next = run.stdout.lines().find_map(|line| line.strip_prefix("next:  mlc-package "));
    let words = shlex::split(next.unwrap()).unwrap();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    scene.call(&[&words[..], &["--system-lib-prefix", "one_layer_"]].concat()).ok();
    scene.call(&["inspect", "one.tar"]).ok().says("model       linear q0f16");
    // Weights without the model's config are told as that.
    scene.write(
        "app/weights/tensor-cache.json",
        fs_err::read(scene.app().join("models/one/tensor-cache.json")).unwrap(),
    );
    let weights = scene.call(&["inspect", "weights"]).ok();
    weights
        .says("weights: 512 B, converted weights without a model's config")
        .says("missing     mlc-chat-config.json and the tokenizer, which");
    fs_err::remove_file(scene.app().join("models/one/params_shard_0.bin")).unwrap();
    scene.call(&["inspect", "models/one"]).fails(11).says("has no `params_shard_0.bin`");
}

#[test]
fn what_cannot_be_converted_says_what_is_missing_and_names_no_command() {
    let scene = raw::scene("android");
    for (file, why) in [
        ("model.safetensors", "missing     it has no weights: "),
        ("tokenizer.json", "missing     it has no tokenizer.json, and no other tokenizer"),
    ] {
        let (path, aside) = (scene.root.join(raw::RAW).join(file), scene.root.join("aside"));
        fs_err::rename(&path, &aside).unwrap();
        scene.call(&["inspect", "models/raw"]).ok().says(why).never_says("next:");
        fs_err::rename(&aside, &path).unwrap();
    }
}

#[test]
fn weights_that_are_fp8_are_taken_as_they_are() {
    let scene = raw::scene("android");
    for file in ["config.json", "model.safetensors"] {
        let data =
            format!("{}/tests/data/conversions/qwen3-fp8/{file}", env!("CARGO_MANIFEST_DIR"));
        fs_err::copy(data, scene.root.join(raw::RAW).join(file)).unwrap();
    }
    let run = scene.call(&["inspect", "models/raw"]).ok().says("in 1 file, FP8 in blocks");
    let command = "convert models/raw --quantization fp8_e4m3fn_bf16_block_scale -o ";
    let convert = run.stdout.lines().find(|line| line.contains(command)).unwrap();
    let words = shlex::split(&convert.replace(" NAME", " chatml")).unwrap();
    let words: Vec<_> = words.iter().skip(2).map(String::as_str).collect();
    scene.call(&words).ok();
}

#[test]
fn a_raw_checkpoint_says_how_it_is_converted() {
    let scene = raw::scene("android");
    let run = scene.call(&["inspect", "models/raw"]).ok();
    insta::assert_snapshot!("inspect_checkpoint", run.shown());
    let same = scene.call(&["inspect", "models/raw/config.json"]).ok();
    assert_eq!(same.stdout, run.stdout);
    let json = scene.call(&["inspect", "models/raw", "--format", "json"]).ok().json();
    assert_eq!((&json["kind"], &json["model_type"]), (&"checkpoint".into(), &"llama".into()));
    // With the name of a template in its place, the command that it names runs.
    let next = run.stdout.lines().find_map(|line| line.strip_prefix("next:  mlc-package "));
    let next = next.unwrap().replace(" NAME", " llama-3");
    let words = shlex::split(&next).unwrap();
    scene.call(&words.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    scene.call(&["inspect", "raw-q4f16_1-MLC"]).ok().says("llama q4f16_1");
    scene.write(&format!("{}/config.json", raw::RAW), "{");
    scene.call(&["inspect", "models/raw"]).fails(11).says("it is not valid JSON: EOF");
}

#[test]
fn what_a_config_means_by_a_name_has_one_remedy() {
    let scene = Scene::with_models("android", &["one"]);
    for (model, remedy) in [
        ("HF://mlc-ai/m@v1", "write `\"model\": \"HF://mlc-ai/m\", \"revision\": \"v1\"`"),
        ("HF://mlc-ai/m.git", "write `HF://mlc-ai/m`"),
        (r"C:\models\m", "in WSL it is `/mnt/c/models/m`"),
        ("D:/m", "in WSL it is `/mnt/d/m`"),
    ] {
        scene.configure(|config| config["model_list"][0]["model"] = model.into());
        let run = scene.call(&["check"]).run().code(10).says(remedy);
        assert_eq!(run.stdout.matches("help: ").count(), 1, "{}", run.shown());
    }
}

#[test]
fn names_that_are_no_files_and_files_of_other_verbs_have_one_remedy() {
    let scene = Scene::with_models("android", &["one"]);
    for (name, remedy) in [
        ("HF://mlc-ai/m", "`hf download mlc-ai/m --local-dir m`, then run `mlc-package inspect m`"),
        ("https://huggingface.co/mlc-ai/m.git", "`hf download mlc-ai/m --local-dir m`"),
        ("HF://mlc-ai/m@v1", "`hf download mlc-ai/m --local-dir m --revision v1`"),
        ("https://example.com/m.tar", "download it first"),
        ("mlc-package-config.json", "run `mlc-package check mlc-package-config.json`"),
    ] {
        let run = scene.call(&["inspect", name]).fails(2).says(remedy);
        assert_eq!(run.stderr.matches("help: ").count(), 1, "{}", run.shown());
    }
}
