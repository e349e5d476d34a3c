//! mlc4j: what comes out, and that it comes out of a kit the next time.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::scene::{entry, settle};
use crate::site::{LIBRARY, Site, elf, stable};
use crate::tree;

const BLOBS: [&str; 2] = ["one_layer___tvm_ffi__library_bin", "other_layer___tvm_ffi__library_bin"];

/// What must be in `dist/` beside the bundled models.
const FILES: [&str; 8] = [
    "lib/mlc4j/build.gradle",
    "lib/mlc4j/output/arm64-v8a/libtvm4j_runtime_packed.so",
    "lib/mlc4j/output/tvm4j_core.jar",
    "lib/mlc4j/src/cpp/tvm_runtime.h",
    "lib/mlc4j/src/main/AndroidManifest.xml",
    "lib/mlc4j/src/main/assets/mlc-app-config.json",
    "lib/mlc4j/src/main/java/ai/mlc/mlcllm/MLCEngine.java",
    "mlc-package-manifest.json",
];

#[track_caller]
fn check_library(site: &Site, blobs: &[&str]) {
    let library = elf(&site.library());
    let has = |name: &str| library.symbols.iter().any(|symbol| symbol == name);
    for blob in BLOBS {
        assert_eq!(has(blob), blobs.contains(&blob), "{blob}: {:?}", library.symbols);
    }
    for name in
        ["Java_org_apache_tvm_LibInfo_nativeLibInit", "TVMFFIFunctionCall", "mlc_llm_version"]
    {
        assert!(has(name), "{name}: {:?}", library.symbols);
    }
    assert!(library.pages.iter().all(|page| *page == 16 << 10), "{:?}", library.pages);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_package_is_upstreams_and_the_next_one_comes_from_the_kit() {
    let site = Site::new("android");
    let sources = tree::state(&site.scene.root.join("mlc-llm"));
    assert_eq!(site.reason(), "build: not built before");
    let run = site.build(&["-j", "1"]).ok();
    let mut files = tree::files(&site.scene.dist());
    files.retain(|path| !path.starts_with("bundle/"));
    assert_eq!(files, FILES);
    let bundled = tree::names(&site.scene.dist().join("bundle"));
    assert_eq!(bundled, ["one-q0f16", "other-q0f16"]);
    let app_config = site.scene.json("app/dist/lib/mlc4j/src/main/assets/mlc-app-config.json");
    assert_eq!(app_config["model_list"][1]["model_lib"], "other_layer");
    let jar = fs_err::read(site.scene.dist().join("lib/mlc4j/output/tvm4j_core.jar")).unwrap();
    assert!(jar.starts_with(b"PK"), "not a zip");
    check_library(&site, &BLOBS);
    insta::assert_snapshot!("android_cold", stable(&run));
    let manifest = site.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["binding"]["origin"], "built");
    assert_eq!(manifest["binding"]["libraries"][0]["name"], LIBRARY);
    for output in manifest["outputs"].as_array().unwrap() {
        let path = site.scene.dist().join(output["path"].as_str().unwrap());
        assert_eq!(output["digest"], tree::digest(&path), "{path}");
        assert_eq!(output["bytes"], fs_err::metadata(&path).unwrap().len(), "{path}");
    }

    site.call(&["inspect", "dist"]).ok().says("libtvm4j_runtime_packed.so: ").says("linear q0f16");

    let cold = site.library();
    assert_eq!(site.reason(), "cached");
    let run = site.build(&[]).ok();
    insta::assert_snapshot!("android_warm", stable(&run));
    assert_eq!(site.library(), cold, "a kit gives what a build gave");
    let warm = site.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(warm["binding"]["origin"], "cached");
    assert_eq!((&warm["outputs"], site.scripts()), (&manifest["outputs"], 1));
    assert_eq!(
        tree::state(&site.scene.root.join("mlc-llm")),
        sources,
        "the sources stay as they are"
    );
    assert_eq!(site.leftovers(), [""; 0]);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn other_models_are_linked_with_the_same_kit() {
    let site = Site::new("android");
    site.scene.configure(|config| config["model_list"] = json!([entry("one")]));
    site.build(&[]).ok();
    check_library(&site, &BLOBS[..1]);
    site.scene.configure(|config| config["model_list"] = json!([entry("other")]));
    assert_eq!(site.built()["origin"], "cached");
    check_library(&site, &BLOBS[1..]);
    assert_eq!(site.scripts(), 1);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn makefiles_do_as_well_as_ninja_and_a_launcher_is_used() {
    let site = Site::new("android");
    site.program("ccache", "echo \"$*\" >>\"$STAND_IN_RUSTUP.ccache\"; exec \"$@\"");
    site.build(&[]).ok();
    let ninja = site.library();
    let compiled = site.scene.read("rustup-calls.ccache");
    assert!(compiled.lines().count() >= 8, "{compiled}");
    assert!(site.log().contains("Ninja") || !site.log().contains("gmake"), "{}", site.log());
    // How it is built changes nothing: it is the same kit.
    let makefiles = |more: &[&str]| site.build(more).env("CMAKE_GENERATOR", "Unix Makefiles");
    makefiles(&[]).ok().says("kit cached");
    makefiles(&["--rebuild-binding"]).ok().says("kit kept");
    assert_eq!(site.library(), ninja);
    assert!(site.log().contains("Built target tvm4j_runtime_packed"), "{}", site.log());
    makefiles(&[]).ok().says("kit cached");
    assert_eq!((site.library(), site.scripts()), (ninja, 2));
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_read_only_source_tree_is_enough() {
    let site = Site::new("android");
    let root = site.scene.root.join("mlc-llm");
    let all: Vec<_> = walkdir::WalkDir::new(&root).into_iter().map(Result::unwrap).collect();
    let set = |dir: u32, file: u32| {
        for entry in &all {
            let mode = if entry.file_type().is_dir() { dir } else { file };
            fs_err::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555, 0o444);
    let before = tree::state(&root);
    site.build(&[]).ok();
    site.build(&[]).ok();
    check_library(&site, &BLOBS);
    // As root nothing is read-only: then this is what there is to see.
    assert_eq!(tree::state(&root), before);
    set(0o755, 0o644);
    assert_eq!(site.scripts(), 1);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn what_upstream_built_beside_the_config_is_nobodys_business() {
    let site = Site::new("android");
    let left = site.scene.write("app/build/CMakeCache.txt", "CMAKE_GENERATOR:INTERNAL=Ninja\n");
    let run = site.build(&["--build-dir", "."]).fails(14);
    insta::assert_snapshot!("foreign_build", run.shown());
    assert_eq!(site.scene.compilations().len(), 0);
    site.build(&[]).ok();
    assert_eq!(fs_err::read_to_string(left).unwrap(), "CMAKE_GENERATOR:INTERNAL=Ninja\n");
    // In a directory of one's own choice that is free, and again.
    site.build(&["--build-dir", "../b", "--rebuild-binding"]).ok();
    assert!(site.scene.root.join("b/build/CMakeCache.txt").is_file());
    fs_err::os::unix::fs::symlink("b", site.scene.root.join("link")).unwrap();
    site.build(&["--build-dir", "../link", "--rebuild-binding"]).ok().says("kit kept");
    assert_eq!(site.scripts(), 3);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn without_a_kit_the_scripts_own_library_is_taken() {
    let site = Site::new("android");
    let lists = "mlc-llm/android/mlc4j/CMakeLists.txt";
    let more = "add_dependencies(tvm4j_runtime_packed tvm4j_core)\n\
                add_custom_command(TARGET tvm4j_runtime_packed POST_BUILD COMMAND true)\n";
    site.scene.edit(lists, "add_dependencies(tvm4j_runtime_packed tvm4j_core)\n", more);
    let run = site.build(&[]).ok().says("no kit of it could be kept").says("it also runs");
    run.never_says("Linked");
    check_library(&site, &BLOBS);
    assert_eq!((site.kits().len(), site.built()["origin"].clone()), (0, json!("built")));
    assert_eq!(site.scripts(), 2);
    settle();
    assert_eq!(site.leftovers(), [""; 0]);
}
