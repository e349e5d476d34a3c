//! A checkpoint of the Hub, which is on loopback.

use crate::scene::{Run, Scene, contents};
use crate::server::{File, REPO, Server};

#[test]
fn a_checkpoint_of_the_hub_becomes_what_the_same_directory_does() {
    let scene = Scene::new();
    scene.write_sharded();
    assert_eq!(scene.convert("q4f16_1", &[]).exit, Some(0));
    let expected = scene.result();

    let mut files: Vec<_> = contents(&scene.source())
        .into_iter()
        .map(|(name, bytes)| {
            let file = match name.ends_with(".safetensors") {
                true => File::lfs(bytes),
                false => File::small(&bytes),
            };
            (name, file)
        })
        .collect();
    // The same weights in other formats are not downloaded.
    for needless in ["pytorch_model.bin", "original/consolidated.00.pth", "onnx/model.onnx"] {
        files.push((needless.to_owned(), File::lfs(vec![0; 4096])));
    }
    let files: Vec<_> = files.iter().map(|(name, file)| (name.as_str(), file.clone())).collect();
    let server = Server::sound(&files);
    let convert = |endpoint: &str, more: &[&str]| {
        let model = format!("HF://{REPO}");
        let arguments = [model.as_str(), "--quantization", "q4f16_1", "-o", "from-hub"];
        let mut command = scene.command(&[&arguments, more].concat());
        Run::of(&command.env("HF_ENDPOINT", endpoint).output().unwrap())
    };
    let run = convert(&server.url(), &[]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(contents(&scene.root.join("from-hub")), expected);
    for (name, _) in &files {
        let needless = name.contains(".bin") || name.contains('/');
        assert_eq!(server.downloads(name).is_empty(), needless, "{name}");
    }

    // What is in the cache needs no Hub.
    server.forget();
    fs_err::remove_dir_all(scene.root.join("from-hub")).unwrap();
    let run = convert(&server.url(), &["--offline"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(contents(&scene.root.join("from-hub")), expected);
    assert!(server.seen().is_empty());
}
