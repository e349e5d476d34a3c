//! What a binding cannot be built from: said at once, before anything is compiled.

use crate::site::Site;

/// Builds, which must fail before it has done anything.
#[track_caller]
fn refused(site: &Site, name: &str) {
    let run = site.build(&[]).fails(14);
    check_refusal(site, name, &run.shown());
}

#[track_caller]
fn check_refusal(site: &Site, name: &str, shown: &str) {
    insta::assert_snapshot!(name, shown);
    assert_eq!((site.scene.compilations().len(), site.scene.probes(), site.scripts()), (0, 0, 0));
    assert!(!site.scene.dist().exists());
}

#[test]
fn no_sources() {
    let site = Site::bare("android");
    let run = site.build(&[]).without("MLC_LLM_SOURCE_DIR").fails(14);
    check_refusal(&site, "no_source", &run.shown());
    for (name, source) in [
        ("source_missing", "nothing"),
        ("source_file", "file"),
        ("source_cache", "cache"),
        ("source_other", "app"),
    ] {
        site.scene.write("file", "");
        fs_err::create_dir_all(site.scene.root.join("cache/model_weights/hf")).unwrap();
        let run = site.build(&["--mlc-llm-source-dir", &format!("../{source}")]).fails(14);
        check_refusal(&site, name, &run.shown());
    }
}

#[test]
fn empty_submodules_all_at_once() {
    let site = Site::bare("android");
    let third = site.scene.root.join("mlc-llm/3rdparty");
    fs_err::remove_dir_all(third.join("tokenizers-cpp")).unwrap();
    fs_err::create_dir(third.join("tokenizers-cpp")).unwrap();
    fs_err::remove_dir_all(third.join("tvm/3rdparty/tvm-ffi")).unwrap();
    fs_err::create_dir(third.join("tvm/3rdparty/tvm-ffi")).unwrap();
    refused(&site, "empty_submodules");
    // TVM lies elsewhere: then its submodule may be empty.
    let elsewhere = site.scene.root.join("tvm");
    fs_err::rename(third.join("tvm"), &elsewhere).unwrap();
    fs_err::create_dir(third.join("tvm")).unwrap();
    let run = site.build(&[]).env("TVM_SOURCE_DIR", &elsewhere).fails(14);
    run.says("3rdparty/tokenizers-cpp").never_says("3rdparty/tvm");
    site.build(&[]).env("TVM_SOURCE_DIR", "../app").fails(14).says("has no `include/tvm`");
}

#[test]
fn an_ndk_that_is_none_or_too_old() {
    let site = Site::bare("android");
    // All that is missing is told at once.
    let run = site.build(&[]).without("ANDROID_NDK").fails(14);
    check_refusal(&site, "no_ndk_no_cmake", &run.shown());
    site.program("cmake", "echo cmake version 3.31.6");
    let run = site.build(&[]).without("ANDROID_NDK").fails(14);
    check_refusal(&site, "no_ndk", &run.shown());
    let run = site.build(&[]).env("ANDROID_NDK", "models").fails(14);
    check_refusal(&site, "ndk_other", &run.shown());
    site.scene.edit("ndk/source.properties", "27.0.11718014", "26.3.11579264");
    refused(&site, "ndk_old");
    site.scene.write("ndk/source.properties", "Pkg.Desc = Android NDK\n");
    site.build(&[]).fails(14).says("it has no Pkg.Revision in source.properties");
}

#[test]
fn programs_that_are_missing() {
    let site = Site::bare("android");
    refused(&site, "no_cmake");
    site.program("cmake", "echo cmake version 3.31.6");
    fs_err::remove_file(site.scene.root.join("bin/rustup")).unwrap();
    refused(&site, "no_rustup");
}

#[test]
fn apples_bindings_need_xcode_and_say_so_first() {
    for device in ["iphone", "macabi"] {
        let site = Site::bare(device);
        refused(&site, &format!("no_xcode_{device}"));
        site.program("xcrun", "");
        site.build(&[]).fails(14).says("there is no `xcodebuild` on PATH");
    }
}

/// The parts of MLC LLM's and TVM's build that have to go together, as of April 2026.
fn april(site: &Site) {
    let tvm = "mlc-llm/3rdparty/tvm";
    site.scene.edit(
        "mlc-llm/android/mlc4j/prepare_libs.py",
        "\"-DANDROID_ABI=arm64-v8a\"",
        "\"-DUSE_CUSTOM_LOGGING=ON\", \"-DANDROID_ABI=arm64-v8a\"",
    );
    let runtime = "#include <tvm/runtime/logging.h>\n#include <runtime/workspace.cc>\n\
                   void f() { throw InternalError(file, line, message); }\n";
    site.scene.write("mlc-llm/android/mlc4j/src/cpp/tvm_runtime.h", runtime);
    site.scene.write(&format!("{tvm}/include/tvm/runtime/logging.h"), "using InternalError = X;\n");
    let targets =
        "add_library(tvm_runtime_objs OBJECT ${S})\nadd_library(tvm_libinfo_objs OBJECT x)\n";
    site.scene.write(&format!("{tvm}/CMakeLists.txt"), targets);
    let logging = "if(USE_CUSTOM_LOGGING)\n  target_compile_definitions(tvm_runtime_objs PUBLIC X)\n  \
                   target_compile_definitions(tvm_libinfo_objs PUBLIC X)\nendif()\n";
    site.scene.write(&format!("{tvm}/cmake/modules/Logging.cmake"), logging);
    let metal = "if(USE_METAL)\n  list(APPEND RUNTIME_SRCS ${RUNTIME_METAL_SRCS})\nendif()\n";
    site.scene.write(&format!("{tvm}/cmake/modules/Metal.cmake"), metal);
}

#[test]
fn sources_that_cannot_be_built_are_told_before_anything_is_compiled() {
    let site = Site::bare("android");
    site.program("cmake", "echo cmake version 3.31.6");
    april(&site);
    assert_eq!(site.planned()["cache"], "miss");
    let tvm = "mlc-llm/3rdparty/tvm";
    site.scene.edit(&format!("{tvm}/CMakeLists.txt"), "add_library(tvm_libinfo_objs", "# (");
    let run = site.build(&[]).fails(14);
    run.says(
        "do not build for android: TVM's cmake/modules/Logging.cmake needs the target \
              `tvm_libinfo_objs`",
    );
    site.scene.edit("mlc-llm/android/mlc4j/src/cpp/tvm_runtime.h", "workspace", "nvtx");
    site.scene.write(&format!("{tvm}/include/tvm/runtime/logging.h"), "");
    insta::assert_snapshot!("unbuildable_android", site.build(&[]).fails(14).shown());
    assert_eq!((site.scene.compilations().len(), site.scripts()), (0, 0));
    let planned = site.planned();
    assert_eq!(planned["cache"], "impossible");
    assert!(planned["why"].as_str().unwrap().contains("`runtime/nvtx.cc`"), "{planned}");
    // Where it is not for TVM to say, it says nothing.
    site.scene.edit(
        "mlc-llm/android/mlc4j/prepare_libs.py",
        "CUSTOM_LOGGING=ON",
        "CUSTOM_LOGGING=OFF",
    );
    site.build(&[]).fails(14).says("`runtime/nvtx.cc`").never_says("Logging.cmake");
}

#[test]
fn libraries_that_call_what_the_runtime_does_not_have_are_told_before_it_is_built() {
    let site = Site::bare("android");
    site.program("cmake", "echo cmake version 3.31.6");
    let source = "mlc-llm/3rdparty/tvm/3rdparty/tvm-ffi/src/ffi.c";
    site.scene.edit(source, "TVMFFIHandleInitOnce(", "TVMFFIHandleInit(");
    let run = site.build(&[]).fails(14).says("the model libraries call `TVMFFIHandleInitOnce`");
    run.says("which the TVM in `[ROOT]/mlc-llm/3rdparty/tvm` does not have")
        .says("help: the sources of MLC LLM are older than the compiler");
    assert_eq!(site.scripts(), 0);
}

#[test]
fn a_runtime_without_metal_is_told_before_anything_is_compiled() {
    let site = Site::bare("iphone");
    site.xcode();
    site.program("bash", "exit 1");
    site.program("cmake", "echo cmake version 3.31.6");
    april(&site);
    assert_eq!(site.planned()["cache"], "miss");
    let tvm = "mlc-llm/3rdparty/tvm";
    let metal = "add_library(tvm_runtime_metal_objs OBJECT ${S})\nadd_library(tvm_runtime_metal SHARED x)\n";
    site.scene.write(&format!("{tvm}/cmake/modules/Metal.cmake"), metal);
    let own = "add_library(tvm_runtime_extra SHARED)\n";
    site.scene.write(&format!("{tvm}/CMakeLists.txt"), own);
    let lists = fs_err::read_to_string(site.scene.root.join("mlc-llm/CMakeLists.txt")).unwrap();
    let linked = format!("{lists}\ntarget_link_libraries(mlc_llm PRIVATE tvm_runtime_extra)\n");
    site.scene.write("mlc-llm/CMakeLists.txt", &linked);
    insta::assert_snapshot!("unbuildable_iphone", site.build(&[]).fails(14).shown());
    assert_eq!((site.scene.compilations().len(), site.scripts()), (0, 0));
    // Where MLC LLM builds it too, it is for the build to say.
    let linked = linked.replace("tvm_runtime_extra", "tvm_runtime_metal");
    site.scene.write("mlc-llm/CMakeLists.txt", linked);
    assert_eq!(site.planned()["cache"], "miss");
}

#[test]
fn a_plan_says_that_it_cannot_be_built() {
    let site = Site::bare("iphone");
    let run = site.call(&["plan"]).ok();
    insta::assert_snapshot!("plan_impossible", run.shown());
    let planned = site.planned();
    assert_eq!(planned["cache"], "impossible");
    assert!(planned["help"].as_str().unwrap().contains("--no-binding"), "{planned}");
    let without = site.call(&["plan", "--no-binding", "--format", "json"]).ok().json();
    assert!(without.get("binding").is_none(), "{without}");
}

#[test]
fn without_a_binding_there_is_nothing_to_say_of_it() {
    let site = Site::bare("android");
    for flags in [&["--rebuild-binding"][..], &["--build-dir", "x"]] {
        site.build(&[&["--no-binding"], flags].concat()).fails(2).says("cannot be used with");
    }
    let manifest = site.build(&["--no-binding", "--format", "json"]).without("ANDROID_NDK").ok();
    assert!(manifest.json().get("binding").is_none());
}
