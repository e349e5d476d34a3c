//! What is kept between the machines of two runs: the entry of weights, played by directories.

use camino::Utf8PathBuf;
use serde_json::{Map, Value};

use crate::github::{PLAN, outputs};
use crate::hub::HubScene;
use crate::raw::{self, RAW};
use crate::scene::Scene;
use crate::server::File;
use crate::tree;

/// The entry that a plan names, and everything in it.
struct Entry {
    key: Value,
    paths: Vec<Utf8PathBuf>,
}

impl Entry {
    fn of(values: &Map<String, Value>) -> Self {
        let paths = values["weights-path"].as_str().unwrap().lines().map(Utf8PathBuf::from);
        Self { key: values["weights-key"].clone(), paths: paths.collect() }
    }

    /// Keeps it, and everything else is gone.
    fn save_and_begin_anew(&self, scene: &Scene) {
        for (at, path) in self.paths.iter().enumerate() {
            tree::copy(path, scene.root.join(format!("kept/{at}")));
        }
        fs_err::remove_dir_all(scene.root.join("home/.cache")).unwrap();
        fs_err::remove_dir_all(scene.dist()).unwrap();
    }

    fn restore(&self, scene: &Scene) {
        for (at, path) in self.paths.iter().enumerate() {
            tree::copy(scene.root.join(format!("kept/{at}")), path.clone());
        }
    }
}

fn weights(scene: &Scene) -> String {
    let bundle = scene.dist().join("bundle");
    let model = tree::names(&bundle).into_iter().find(|name| !name.ends_with(".json")).unwrap();
    tree::digest(bundle.join(model).join("params_shard_0.bin"))
}

#[test]
fn a_model_converted_from_a_checkpoint_of_the_repository_is_kept() {
    let scene = raw::scene("iphone");
    let plan = || Entry::of(&outputs(&scene.call(PLAN).ok().stdout));
    let build = || scene.build(&["-v"]).env("STAND_IN", "as-asked").ok();
    let first = plan();
    let [path] = first.paths.as_slice() else { panic!("{:?}", first.paths) };
    assert!(path.starts_with(scene.cache().join("converted")), "{path}");
    build().says("Converting raw to q0f16");
    let made = weights(&scene);
    first.save_and_begin_anew(&scene);

    let second = plan();
    assert_eq!((&second.key, &second.paths), (&first.key, &first.paths));
    second.restore(&scene);
    build().never_says("Converting").says("Converted raw: cached");
    assert_eq!(weights(&scene), made);

    // Another checkpoint is another entry.
    scene.edit(&format!("{RAW}/tokenizer.json"), "\"b\": 1", "\"c\": 1");
    let third = plan();
    assert_ne!(third.key, first.key);
    assert_ne!(third.paths, first.paths);
}

#[test]
fn a_model_converted_from_a_checkpoint_of_the_hub_is_kept_without_it() {
    let local = raw::scene("android");
    let file = |name: &str| fs_err::read(local.root.join(RAW).join(name)).unwrap();
    let files = [
        ("config.json", File::small(&file("config.json"))),
        ("tokenizer.json", File::small(&file("tokenizer.json"))),
        ("model.safetensors", File::lfs(file("model.safetensors"))),
    ];
    let hub = HubScene::raw(&files);
    let plan = || Entry::of(&outputs(&hub.call(PLAN).ok().stdout));
    let build = || hub.build(&["-v"]).env("STAND_IN", "as-asked").ok();
    let first = plan();
    assert!(first.paths.iter().all(|path| path.starts_with(hub.scene.cache().join("converted"))));
    build().says("Converting one-q0f16");
    let made = weights(&hub.scene);
    assert_eq!(hub.server.downloads("model.safetensors").len(), 1);
    first.save_and_begin_anew(&hub.scene);
    hub.server.forget();

    let second = plan();
    assert_eq!((&second.key, &second.paths), (&first.key, &first.paths));
    second.restore(&hub.scene);
    build().never_says("Converting").never_says("Downloading");
    assert_eq!(weights(&hub.scene), made);
    assert_eq!(hub.server.downloads("model.safetensors").len(), 0);
}
