//! The static libraries for iPhone and Mac Catalyst, by a clang that needs no Mac.

use crate::scene::entry;
use crate::site::{Site, stable};
use crate::tree;

const LIBRARIES: [&str; 7] = [
    "libmlc_llm.a",
    "libmodel_iphone.a",
    "libsentencepiece.a",
    "libtokenizers_c.a",
    "libtokenizers_cpp.a",
    "libtvm_ffi_static.a",
    "libtvm_runtime.a",
];

fn site(device: &str) -> Site {
    let site = Site::new(device);
    site.xcode();
    site
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn iphones_libraries_lie_beside_the_models_and_come_from_the_kit() {
    let site = site("iphone");
    let run = site.build(&["-j", "1"]).ok();
    insta::assert_snapshot!("iphone_cold", stable(&run));
    assert_eq!(tree::names(&site.scene.dist().join("lib")), LIBRARIES);
    assert!(site.scene.dist().join("bundle/mlc-app-config.json").is_file());
    let manifest = site.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["binding"]["libraries"].as_array().unwrap().len(), 6);
    for output in manifest["outputs"].as_array().unwrap() {
        let path = site.scene.dist().join(output["path"].as_str().unwrap());
        assert_eq!(output["digest"], tree::digest(&path), "{path}");
    }
    let digest = || tree::digest(site.scene.dist().join("lib/libmlc_llm.a"));
    let cold = digest();
    assert!(site.log().contains("arm64-apple-ios14.0"), "{}", site.log());

    // In a fresh checkout the app's project still finds TVM's headers.
    let root = &site.scene.root;
    let home = root.join("mlc-llm/ios/MLCSwift/tvm_home");
    assert_eq!(home.read_link_utf8().unwrap(), root.join("mlc-llm/3rdparty/tvm"));
    tree::copy(format!("{}/mlc-llm", crate::scene::DATA), root.join("fresh"));
    site.build(&[]).env("MLC_LLM_SOURCE_DIR", "../fresh").ok().never_says("Building");
    let home = root.join("fresh/ios/MLCSwift/tvm_home");
    assert_eq!(home.read_link_utf8().unwrap(), root.join("fresh/3rdparty/tvm"));
    assert_eq!((digest(), site.scripts()), (cold, 1));
    // Other models, and no other binding.
    assert_eq!(site.built()["origin"], "cached");
    assert_eq!(site.leftovers(), [""; 0]);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn mac_catalyst_by_processor_and_system() {
    let site = site("macabi");
    site.scene.configure(|config| config["model_list"] = serde_json::json!([entry("one")]));
    for (n, (arch, target)) in [("arm64", "18.0"), ("x86_64", "17.2")].into_iter().enumerate() {
        let call = || {
            let run = site.build(&[]).env("MLC_MACABI_ARCH", arch);
            run.env("MLC_MACABI_DEPLOYMENT_TARGET", if arch == "arm64" { "" } else { target })
        };
        call().ok().says("Built the macabi binding");
        assert_eq!(tree::names(&site.scene.dist().join("lib")), LIBRARIES);
        call().ok().never_says("Building");
        assert_eq!(site.scripts(), n + 1);
        let dir = site.scene.cache().join("binding");
        let name = tree::names(&dir).into_iter().find(|name| name.contains(arch)).unwrap();
        let log = fs_err::read_to_string(dir.join(name).join("prepare_libs.log")).unwrap();
        assert!(log.contains(&format!("{arch}-apple-ios{target}-macabi")), "{log}");
    }
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_failing_script_and_one_that_makes_nothing() {
    let site = site("iphone");
    let script = "mlc-llm/ios/prepare_libs.sh";
    site.scene.edit(
        script,
        "cmake --build . --target install",
        "false cmake --build . --target install",
    );
    site.build(&[]).fails(14).says("error: installing the platform binding failed: ");
    site.scene.edit(script, "false cmake --build . --target install --config release -j\n", "\n");
    site.build(&[]).fails(14).says("reported success, but").says("holds no library");
    assert_eq!((site.kits().len(), site.scene.dist().exists()), (0, false));
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_shared_library_among_the_static_ones_is_said_to_be_one() {
    let site = site("iphone");
    // The header of a Mach-O library for arm64 without load commands.
    let header = r"\317\372\355\376\014\0\0\001\0\0\0\0\006\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let more =
        format!("config release -j\nprintf '{header}' >lib/libtvm_runtime_extra.dylib\ncd ..");
    site.scene.edit("mlc-llm/ios/prepare_libs.sh", "config release -j\ncd ..", &more);
    site.build(&[])
        .fails(14)
        .says("libtvm_runtime_extra.dylib`: it is a shared library")
        .says("check out the pinned sources");
    assert!(!site.scene.dist().exists());
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn apples_linker_takes_the_archive_for_one_of_ios() {
    let site = site("iphone");
    site.build(&["--no-binding"]).ok();
    let archive = site.scene.dist().join("lib/libmodel_iphone.a");
    let lld = ["ld64.lld", "ld64.lld-14", "ld64.lld-16", "ld64.lld-19"];
    let lld = lld.iter().find_map(|name| which::which(name).ok()).expect("setup-cross.sh: lld");
    let linked = site.scene.root.join("models.dylib");
    let link = assert_cmd::Command::new(lld)
        .args(["-arch", "arm64", "-platform_version", "ios", "14.0", "14.0", "-dylib"])
        .args(["-fatal_warnings", "-undefined", "dynamic_lookup", "-all_load"])
        .args([archive.as_str(), "-o", linked.as_str()])
        .output()
        .unwrap();
    assert!(link.status.success(), "{}", String::from_utf8_lossy(&link.stderr));
    let nm = assert_cmd::Command::new(which::which("llvm-nm").expect("setup-tools.sh: llvm"))
        .args(["--defined-only", linked.as_str()])
        .output()
        .unwrap();
    let symbols = String::from_utf8(nm.stdout).unwrap();
    for model_lib in ["one_layer", "other_layer"] {
        assert!(symbols.contains(&format!("_{model_lib}___tvm_ffi__library_bin")), "{symbols}");
    }
}
