//! `mlc-package unpack` of files on this machine.

use mlc_package::publish::pack::Compression;

use crate::scene::{MANIFEST, Scene, asset_names, options, pack};

#[test]
fn what_was_packed_is_laid_out_again_byte_for_byte() {
    for compression in [Compression::Zstd, Compression::Gzip] {
        for part_bytes in [2000 << 20, 60_000] {
            let (scene, tree) = Scene::with_package();
            let mut options = options();
            (options.compression, options.part_bytes) = (compression, part_bytes);
            pack(&scene.path("built"), &options, &scene.path("packed"));
            assert_eq!(scene.unpack(), tree, "{compression:?} in parts of {part_bytes}");
            scene.is_tidy();
        }
    }
}

#[test]
fn it_says_what_it_laid_out() {
    let (scene, _) = Scene::with_package();
    pack(&scene.path("built"), &options(), &scene.path("packed"));
    let list = "packed/chat-android-assets.json";
    let (code, stdout, stderr) = scene.run(&["unpack", "-v", list, "--output", "out/dist"]);
    assert_eq!(code, 0, "{stderr}");
    insta::assert_snapshot!(format!("{stdout}---\n{stderr}"), @r"
    out/dist: chat for android, 2 bundled models, 8 files, 1.1 MiB
    ---
       Unpacking chat for android (1.1 MiB)
        Verified chat-android-lib.tar.zst
        Verified chat-android-phi-2.tar.zst
        Verified chat-android-my.model-906ce4d3.tar.zst
    ");
}

#[test]
fn the_old_package_goes_and_what_nobody_built_stays() {
    let (scene, mut tree) = Scene::with_package();
    pack(&scene.path("built"), &options(), &scene.path("packed"));
    scene.unpack();
    fs_err::write(scene.path("dist/notes.txt"), "mine").unwrap();
    // A package without the second model.
    tree.retain(|path, _| !path.starts_with("bundle/my model/") && path != MANIFEST);
    let built = scene.path("built-again");
    let mut tree = crate::scene::lay_out(&built, &tree, &["phi-2"]);
    fs_err::remove_dir_all(scene.path("packed")).unwrap();
    pack(&built, &options(), &scene.path("packed"));
    tree.insert("notes.txt".to_owned(), (b"mine".to_vec(), false));
    assert_eq!(scene.unpack(), tree);
    assert!(!scene.path("dist/bundle/my model").exists());
}

#[test]
fn what_is_missing_cut_or_damaged_is_named() {
    let lib = "chat-android-lib.tar.zst";
    let (scene, _) = Scene::with_package();
    pack(&scene.path("built"), &options(), &scene.path("packed"));
    let path = scene.path("packed").join(lib);
    let whole = fs_err::read(&path).unwrap();

    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs_err::write(&path, &damaged).unwrap();
    scene.refuses(13, &[lib, "is damaged: its sha256 is", "download it again"]);

    fs_err::write(&path, &whole[..whole.len() - 1]).unwrap();
    scene.refuses(13, &[lib, "bytes, and the list says"]);

    fs_err::remove_file(&path).unwrap();
    scene.refuses(11, &[lib, "is not in", "must lie beside each other"]);
    fs_err::write(&path, &whole).unwrap();

    // The list itself: one digit of a size, still JSON.
    let list = scene.path("packed/chat-android-assets.json");
    let text = fs_err::read_to_string(&list).unwrap();
    fs_err::write(&list, text.replace("\"tool\"", "\"Tool\"")).unwrap();
    scene.refuses(13, &["chat-android-assets.json` is damaged", "SHA256SUMS says"]);
    fs_err::write(&list, text).unwrap();
    assert_eq!(scene.run(&["unpack", "packed"]).0, 0);
}

#[test]
fn parts_in_the_wrong_order_are_noticed() {
    let (scene, _) = Scene::with_package();
    let mut options = options();
    options.part_bytes = 100_000;
    pack(&scene.path("built"), &options, &scene.path("packed"));
    let parts = ["chat-android-phi-2.tar.zst.part01", "chat-android-phi-2.tar.zst.part02"]
        .map(|name| scene.path("packed").join(name));
    assert!(parts.iter().all(|part| part.exists()), "{:?}", asset_names(&scene.path("packed")));
    let other = scene.path("other");
    fs_err::rename(&parts[0], &other).unwrap();
    fs_err::rename(&parts[1], &parts[0]).unwrap();
    fs_err::rename(&other, &parts[1]).unwrap();
    scene.refuses(13, &["chat-android-phi-2.tar.zst.part01", "is damaged"]);
}

#[test]
fn what_is_no_package_is_said_to_be_none() {
    let (scene, _) = Scene::with_package();
    pack(&scene.path("built"), &options(), &scene.path("packed"));
    for (source, words) in [
        ("nothing", "there is no `nothing`"),
        ("built", "`built` holds no …-assets.json"),
        ("packed/chat-android-lib.tar.zst", "is not a list of assets"),
        ("https://example.com/a.zip", "it is not an address of a list of assets"),
        ("http://", "cannot be unpacked"),
    ] {
        let (code, _, stderr) = scene.run(&["unpack", source]);
        assert_eq!(code, 2, "{source}: {stderr}");
        assert!(stderr.contains(words) && stderr.contains("help: "), "{source}: {stderr}");
    }
    fs_err::write(scene.path("packed/other-assets.json"), "{}").unwrap();
    let (code, _, stderr) = scene.run(&["unpack", "packed"]);
    assert!(code == 2 && stderr.contains("several packages"), "{stderr}");
    let (code, _, stderr) = scene.run(&["unpack", "packed/other-assets.json"]);
    assert!(code == 13 && stderr.contains("missing field `schema`"), "{stderr}");
    assert!(!scene.path("dist").exists());
}

#[test]
fn a_place_that_cannot_be_written_to_fails_as_one() {
    let (scene, _) = Scene::with_package();
    pack(&scene.path("built"), &options(), &scene.path("packed"));
    fs_err::write(scene.path("file"), "").unwrap();
    let (code, _, stderr) = scene.run(&["unpack", "packed", "-o", "file"]);
    assert!(code == 14 && stderr.contains("`file` is a file"), "{stderr}");
    assert_eq!(asset_names(&scene.path("packed")).len(), 5);
}
