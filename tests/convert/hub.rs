//! A checkpoint of the Hub, which is on loopback.

use serde_json::json;

use crate::scene::{Run, Scene, Tensor, contents};
use crate::server::{File, REPO, Server};

/// The files of a checkpoint, as they are on the Hub.
fn on_hub(scene: &Scene) -> Vec<(String, File)> {
    let file = |name: &str, bytes: Vec<u8>| match name.ends_with(".safetensors") {
        true => File::lfs(bytes),
        false => File::small(&bytes),
    };
    let found = contents(&scene.source()).into_iter();
    found.map(|(name, bytes)| (name.clone(), file(&name, bytes))).collect()
}

fn served(files: &[(String, File)]) -> Server {
    let files: Vec<_> = files.iter().map(|(name, file)| (name.as_str(), file.clone())).collect();
    Server::sound(&files)
}

fn convert(scene: &Scene, server: &Server, more: &[&str]) -> Run {
    let model = format!("HF://{REPO}");
    let arguments = [model.as_str(), "--quantization", "q4f16_1", "-o", "from-hub"];
    let mut command = scene.command(&[&arguments, more].concat());
    Run::of(&command.env("HF_ENDPOINT", server.url()).output().unwrap())
}

#[test]
fn a_checkpoint_of_the_hub_becomes_what_the_same_directory_does() {
    let scene = Scene::new();
    scene.write_sharded();
    assert_eq!(scene.convert("q4f16_1", &[]).exit, Some(0));
    let expected = scene.result();

    let mut files = on_hub(&scene);
    // The same weights in other formats are not downloaded.
    for needless in ["pytorch_model.bin", "original/consolidated.00.pth", "onnx/model.onnx"] {
        files.push((needless.to_owned(), File::lfs(vec![0; 4096])));
    }
    let server = served(&files);
    let run = convert(&scene, &server, &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(contents(&scene.root.join("from-hub")), expected);
    for (name, _) in &files {
        let needless = name.contains(".bin") || name.contains('/');
        assert_eq!(server.downloads(name).is_empty(), needless, "{name}");
    }

    // What is in the cache needs no Hub.
    server.forget();
    fs_err::remove_dir_all(scene.root.join("from-hub")).unwrap();
    let run = convert(&scene, &server, &["--offline"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(contents(&scene.root.join("from-hub")), expected);
    assert!(server.seen().is_empty());
}

#[test]
fn an_argument_may_have_a_revision_and_be_a_clones_address() {
    let scene = Scene::new();
    scene.write_sharded();
    assert_eq!(scene.convert("q4f16_1", &[]).exit, Some(0));
    let expected = scene.result();
    let server = served(&on_hub(&scene));
    for (model, revision) in
        [(format!("HF://{REPO}@v1"), "v1"), (format!("https://huggingface.co/{REPO}.git"), "main")]
    {
        server.forget();
        let mut command = scene.command(&[&model, "--quantization", "q4f16_1", "-o", "from-hub"]);
        let run = Run::of(&command.env("HF_ENDPOINT", server.url()).output().unwrap());
        assert_eq!(run.exit, Some(0), "{run:?}");
        assert_eq!(contents(&scene.root.join("from-hub")), expected);
        let asked = format!("/revision/{revision}?");
        let seen = server.seen();
        assert!(seen.iter().any(|seen| seen.path.contains(&asked)), "{model}: {seen:?}");
    }
}

/// The field is told from the weights by the beginnings of their files.
#[test]
fn a_field_that_was_left_over_from_a_quantization_is_told_on_the_hub_as_in_a_directory() {
    let mut scene = Scene::new();
    scene.write_sharded();
    assert_eq!(scene.convert("q4f16_1", &[]).exit, Some(0));
    let expected = scene.result();
    scene.config["quantization_config"] =
        json!({"quant_method": "fp8", "weight_block_size": [4, 4]});
    scene.write_sharded();
    let said = "warning: config.json has a `quantization_config` (fp8), but the weights are not \
                quantized: they are converted as they are; remove the field, which is left over";
    let run = scene.convert("q4f16_1", &[]);
    assert!(run.err.contains(said), "{run:?}");
    let server = served(&on_hub(&scene));
    let run = convert(&scene, &server, &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(run.err.contains(said), "{run:?}");
    assert_eq!(contents(&scene.root.join("from-hub")), expected);
}

#[test]
fn quantized_weights_on_the_hub_are_refused_before_they_are_downloaded() {
    let mut scene = Scene::new();
    scene.config["model_type"] = "qwen3".into();
    scene.config["quantization_config"] =
        json!({"quant_method": "fp8", "weight_block_size": [4, 4]});
    let name = "model.layers.0.mlp.up_proj.weight";
    let weight = scene.tensor(name);
    weight.dtype = "F8_E4M3";
    weight.bytes.truncate(96 * 64);
    scene.tensors.push(Tensor::of_f32(format!("{name}_scale_inv"), vec![24, 16]));
    // Longer than what is asked for first.
    let filler = |number| Tensor::of_f32(format!("a.{number}.{}", "x".repeat(1000)), vec![1]);
    scene.tensors.splice(0..0, (0..100).map(filler));
    scene.write();
    let directory = scene.convert("q4f16_1", &[]);
    let server = served(&on_hub(&scene));
    let hub = convert(&scene, &server, &[]);
    for (run, checkpoint) in [(&directory, "checkpoint"), (&hub, "HF://user/model")] {
        assert_eq!(run.exit, Some(11), "{run:?}");
        let said = format!(
            "`{checkpoint}` is quantized already (FP8 in blocks), as `quantization_config` says \
             (fp8): `{name}_scale_inv`"
        );
        assert!(run.err.contains(&said), "{run:?}");
        assert!(run.err.contains("fp8_e4m3fn_bf16_block_scale"), "{run:?}");
    }
    let asked: Vec<_> = server.downloads("model.safetensors");
    assert!(asked.iter().all(|asked| asked.range.is_some()), "{asked:?}");
    let asked: usize = asked.iter().filter_map(|asked| asked.range).map(|(a, b)| b - a).sum();
    let size = fs_err::metadata(scene.source().join("model.safetensors")).unwrap().len();
    assert!((64 << 10..size as usize - 20_000).contains(&asked), "{asked} of {size}");
    // Offline nothing of them is known.
    let run = convert(&scene, &server, &["--offline"]);
    assert_eq!(run.exit, Some(11), "{run:?}");
    assert!(run.err.contains("offline"), "{run:?}");
}
