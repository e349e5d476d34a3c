//! A package that was built, packed as `publish` does it, and laid out again for an app's build.

use mlc_package::io::cancel::Cancel;
use mlc_package::publish::pack::{self, PackOptions};

use crate::scene::Scene;
use crate::tree;

#[test]
fn a_built_package_comes_back_from_its_assets_and_is_built_over() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    let mut options = PackOptions::new("app".parse().unwrap());
    options.part_bytes = 1 << 20;
    let plan = pack::plan(&scene.dist(), &options).unwrap();
    assert_eq!(plan.assets.len(), 3);
    let assets = scene.root.join("assets");
    pack::write(&plan, &assets, &Cancel::default(), &|_| {}).unwrap();

    let digests = |dist: &str| {
        let dist = scene.app().join(dist);
        let files = tree::files(&dist);
        files.into_iter().map(|path| (tree::digest(dist.join(&path)), path)).collect::<Vec<_>>()
    };
    let run = scene.call(&["unpack", "../assets", "-o", "again"]).ok();
    assert!(
        run.stdout.starts_with("again: app for android, 2 bundled models, "),
        "{}",
        run.shown()
    );
    assert_eq!(digests("again"), digests("dist"));
    scene.call(&["inspect", "again"]).ok().says("one_layer");

    // Who stands in the directory would stand in what was there before.
    let before = tree::state(&scene.app().join("again"));
    for output in [".", "..", "../again"] {
        let run = scene.call(&["unpack", "../../assets", "-o", output]).in_dir("app/again");
        run.fails(2).says("the working directory is in this directory");
    }
    assert_eq!(tree::state(&scene.app().join("again")), before);

    // It is a dist/ like any: the next build knows which files are its own.
    scene.configure(|config| drop(config["model_list"].as_array_mut().unwrap().pop()));
    scene.build(&["-o", "again"]).ok();
    assert!(!scene.app().join("again/bundle/other-q0f16").exists());
    assert_eq!(scene.leftovers(), [""; 0]);
}
