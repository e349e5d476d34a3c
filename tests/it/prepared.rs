//! `model_lib_path_for_prepare_libs`: libraries that were compiled beforehand.

use serde_json::{Value, json};

use crate::scene::Scene;
use crate::{llvm, tree};

fn prepare(scene: &Scene, libraries: Value) {
    scene.configure(|config| config["model_lib_path_for_prepare_libs"] = libraries);
}

/// The objects of a compiled library.
fn objects(scene: &Scene, library: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = fs_err::read(scene.library(library, "tmp/lib.tar")).unwrap();
    fs_err::remove_file(scene.root.join("tmp/lib.tar")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
    let members = archive.entries().unwrap().map(|member| {
        let mut member = member.unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut bytes).unwrap();
        (member.path().unwrap().to_str().unwrap().to_owned(), bytes)
    });
    members.collect()
}

#[test]
fn with_nothing_to_compile_no_python_is_needed() {
    let scene = Scene::new("android");
    scene.library("android", "app/libs/one.tar");
    scene.library("other-android", "app/libs/other.tar");
    prepare(&scene, json!({"one_layer": "libs/one.tar", "other_layer": "libs/other.tar"}));
    scene.build(&["--python", "/nonexistent"]).ok().says("0 compiled, 0 cached, 2 prepared");
    scene.plan(&["--python", "/nonexistent"]).ok().says("prepared: libs/one.tar");
    // Nor a cache.
    assert!(!scene.root.join("home/.cache").exists());
    let manifest = scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["compiler"], Value::Null);
    assert_eq!(manifest["libraries"][0]["origin"], "prepared");
    let digest = tree::digest(scene.app().join("libs/one.tar"));
    assert_eq!(manifest["libraries"][0]["digest"], digest);
    // The same objects as when they are compiled.
    let compiled = Scene::new("android");
    compiled.build(&[]).ok();
    let archive = |scene: &Scene| tree::digest(scene.dist().join("lib/libmodel_android.a"));
    assert_eq!(archive(&scene), archive(&compiled));
}

#[test]
fn a_tar_an_archive_and_an_object_do() {
    let scene = Scene::new("iphone");
    let objects = objects(&scene, "iphone");
    for (name, bytes) in &objects {
        scene.write(&format!("app/{name}"), bytes);
    }
    let archive = scene.app().join("one.a");
    let members: Vec<_> = objects.iter().map(|(name, _)| scene.app().join(name)).collect();
    let [first, second] = members.try_into().unwrap();
    llvm::run("llvm-ar", &["rcs", archive.as_str(), first.as_str()], &second);
    let mut plain = tar::Builder::new(Vec::new());
    for (name, bytes) in &objects {
        // What a Mac's tar adds for extended attributes.
        for (name, bytes) in [(name.clone(), bytes), (format!("._{name}"), &b"junk".to_vec())] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            plain.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
    }
    scene.write("app/one.tar", plain.into_inner().unwrap());
    for path in ["one.tar", "one.a", "one_layer_devc.o"] {
        prepare(&scene, json!({"one_layer": path}));
        scene.build(&[]).ok().says("1 prepared");
        let archive = scene.dist().join("lib/libmodel_iphone.a");
        let found = llvm::run("llvm-nm", &["--defined-only"], &archive);
        assert!(found.contains("S _one_layer___tvm_ffi__library_bin"), "{path}: {found}");
        assert!(!llvm::run("llvm-ar", &["t"], &archive).contains("._"));
    }
}

#[test]
fn a_dash_in_a_librarys_name_is_an_underscore() {
    let scene = Scene::new("android");
    scene.library("android", "app/one.tar");
    prepare(&scene, json!({"one-layer": "one.tar"}));
    scene.configure(|config| config["model_list"][0]["model_lib"] = "one-layer".into());
    scene.configure(|config| config["model_list"][1]["model_lib"] = "other-layer".into());
    scene.build(&[]).ok().says("1 compiled, 0 cached, 1 prepared");
    let app = scene.json("app/dist/bundle/mlc-app-config.json");
    assert_eq!(app["model_list"][0]["model_lib"], "one_layer");
    assert_eq!(app["model_list"][1]["model_lib"], "other_layer");
}

#[test]
fn an_unused_library_is_linked_too_with_a_warning() {
    let scene = Scene::with_models("android", &["one"]);
    scene.library("other-android", "app/other.tar");
    prepare(&scene, json!({"other_layer": "other.tar"}));
    scene.build(&[]).ok().says("warning[unused-library]").says("1 compiled, 0 cached, 1 prepared");
    let archive = scene.dist().join("lib/libmodel_android.a");
    let found = llvm::run("llvm-nm", &["--defined-only"], &archive);
    assert!(found.contains("other_layer___tvm_ffi__library_bin"), "{found}");
    scene.build(&["--strict"]).fails(10).says("error[unused-library]");
}

#[test]
fn what_does_not_fit_is_said() {
    let scene = Scene::new("android");
    scene.library("android", "app/one.tar");
    scene.library("other-android", "app/other.tar");
    scene.library("iphone", "app/iphone.tar");
    let names = objects(&scene, "android");
    let whole = fs_err::read(scene.app().join("one.tar")).unwrap();
    scene.write("app/cut.tar", &whole[..whole.len() / 2]);
    scene.write("app/empty.a", "!<arch>\n");
    scene.write("app/text.tar", "hello");
    scene.write("app/host.o", &names.iter().find(|(name, _)| name == "lib0.o").unwrap().1);
    for path in ["cut.tar", "empty.a", "text.tar", "host.o", "iphone.tar", "other.tar"] {
        prepare(&scene, json!({"one_layer": path}));
        let run = scene.build(&["--only", "one-q0f16"]).fails(13);
        insta::assert_snapshot!(format!("prepared_{path}"), run.shown());
    }
    // One library under two names.
    prepare(&scene, json!({"one_layer": "one.tar", "other_layer": "one.tar"}));
    insta::assert_snapshot!("prepared_twice", scene.build(&[]).fails(13).shown());
    scene.edit("app/models/one/mlc-chat-config.json", "linear", "llama");
    prepare(&scene, json!({"one_layer": "one.tar"}));
    insta::assert_snapshot!("prepared_of_another_model", scene.build(&[]).fails(13).shown());
    assert!(!scene.dist().exists());
}

#[test]
fn a_missing_library_is_an_error_of_the_config() {
    let scene = Scene::new("android");
    prepare(&scene, json!({"one_layer": "absent.tar"}));
    scene.build(&[]).fails(10).says("error[missing-library]").says("absent.tar");
    assert_eq!(scene.compiled(), [""; 0]);
}

#[test]
fn a_git_lfs_pointer_is_no_library_and_no_config_and_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n";
    let scene = Scene::new("android");
    scene.write("app/libs/one.tar", pointer.as_bytes());
    prepare(&scene, json!({"one_layer": "libs/one.tar"}));
    scene.build(&[]).fails(13).says("one.tar").says("git lfs pull");

    let scene = Scene::with_models("android", &["one"]);
    let mut files = tree::files(&scene.app()).into_iter();
    let config = files.find(|path| path.ends_with("mlc-chat-config.json")).unwrap();
    fs_err::write(scene.app().join(config), pointer).unwrap();
    scene.build(&[]).fails(10).says("git lfs pull");
}

#[test]
fn a_library_of_an_older_compiler_is_refused_by_what_its_metadata_lacks() {
    let scene = Scene::with_models("android", &["one"]);
    let path = scene.library("android", "app/libs/one.tar");
    let (packed, mut plain) = (fs_err::read(&path).unwrap(), Vec::new());
    let mut unpacked = flate2::read::GzDecoder::new(packed.as_slice());
    std::io::Read::read_to_end(&mut unpacked, &mut plain).unwrap();
    // Names of the same length that no compiler writes: the objects stay whole.
    for field in ["max_batch_size", "memory_usage", "preprocs"] {
        let (name, other) = (format!("\"{field}\""), format!("\"{}\"", "x".repeat(field.len())));
        let places: Vec<_> = memchr::memmem::find_iter(&plain, &name).collect();
        assert!(!places.is_empty(), "{field}");
        for at in places {
            plain[at..at + name.len()].copy_from_slice(other.as_bytes());
        }
    }
    fs_err::write(&path, plain).unwrap();
    scene.configure(|config| {
        config["model_list"][0]["model_lib"] = "one_layer".into();
        config["model_lib_path_for_prepare_libs"] = json!({"one_layer": "libs/one.tar"});
    });
    let said = "its metadata lacks `max_batch_size`, `memory_usage`, `params[].preprocs`";
    scene.build(&[]).fails(13).says("[old-metadata]").says(said);
    assert_eq!(scene.compiled(), [""; 0]);
    scene.call(&["inspect", "libs/one.tar"]).fails(13).says("[old-metadata]").says(said);
}
