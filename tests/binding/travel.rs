//! Kits as files: from where there is everything to where there is nothing.

use camino::Utf8PathBuf;

use crate::call::Call;
use crate::site::{LIBRARY, Site, lld};
use crate::tree;

/// Where nothing is built: no sources, no NDK, no JDK, no CMake, no Rust; a linker at most.
fn elsewhere(device: &str) -> Site {
    let site = Site::bare(device);
    let root = &site.scene.root;
    for dir in ["mlc-llm", "ndk", "include", "bin"] {
        fs_err::remove_dir_all(root.join(dir)).unwrap();
    }
    site.program("ld.lld", &format!("exec {} \"$@\"", lld()));
    site
}

fn call<'a>(site: &'a Site, arguments: &[&str]) -> Call<'a> {
    site.call(arguments).env("MLC_LLM_SOURCE_DIR", "").env("ANDROID_NDK", "")
}

fn exported(site: &Site) -> (Utf8PathBuf, String) {
    let file = site.scene.root.join("kit.tar.zst");
    let said = site.call(&["kit", "export", "-o", file.as_str(), "--format", "json"]).ok().json();
    assert_eq!(said["bytes"], fs_err::metadata(&file).unwrap().len());
    (file, said["sha256"].as_str().unwrap().to_owned())
}

fn bindings(site: &Site) -> Vec<(String, Vec<u8>)> {
    let dist = site.scene.dist().join("lib");
    let paths = tree::files(&dist).into_iter();
    paths.map(|path| (path.clone(), fs_err::read(dist.join(path)).unwrap())).collect()
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_whole_android_package_comes_of_a_kit_and_a_linker() {
    let site = Site::new("android");
    site.build(&[]).ok();
    let (file, sha256) = exported(&site);
    // The same kit, built again, is the same file.
    site.build(&["--rebuild-binding"]).ok();
    assert_eq!(exported(&site).1, sha256);

    let other = elsewhere("android");
    let planned = call(&other, &["plan", "--kit", file.as_str(), "--format", "json"]).ok().json();
    assert_eq!(planned["binding"]["inputs"]["kit"], format!("sha256:{sha256}"));
    assert_eq!(planned["binding"]["cache"], "hit");
    call(&other, &["build", "--kit", file.as_str()]).ok().says("kit cached");
    assert_eq!(bindings(&other), bindings(&site));
    assert!(other.scene.dist().join(LIBRARY).is_file());

    // It was put into the cache: `auto` finds it, and a file that is gone is not looked for.
    call(&other, &["build"]).ok().says("kit cached");
    call(&other, &["build", "--kit", "source"]).fails(14).says("and none are named");
    call(&other, &["build"])
        .env("MLC_PACKAGE_KIT", format!("{file}#sha256={}", "0".repeat(64)))
        .fails(14)
        .says("its SHA-256 is ");
    call(&other, &["build", "--kit", "https://example.com/kit.tar.zst"])
        .fails(2)
        .says("a kit from a server is taken by its digest only");
    fs_err::remove_file(other.scene.root.join("bin/ld.lld")).unwrap();
    call(&other, &["build"]).fails(14).says("`ld.lld` of an NDK or of PATH");
    // What was built here is not taken from a file, whatever that says it is made from.
    let imported = site.call(&["kit", "import", file.as_str(), "--format", "json"]).ok().json();
    assert_eq!(imported["sha256"], sha256);
    assert_eq!((site.kits().len(), site.reason().as_str()), (2, "cached"));
    assert_eq!(site.leftovers(), [""; 0]);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_whole_iphone_package_comes_of_a_kit_on_linux() {
    let site = Site::new("iphone");
    site.xcode();
    site.build(&[]).ok();
    let (file, _) = exported(&site);
    let other = elsewhere("iphone");
    call(&other, &["build", "--kit", file.as_str()]).ok();
    assert_eq!(bindings(&other), bindings(&site));
    let android = elsewhere("android");
    call(&android, &["build", "--kit", file.as_str()])
        .fails(14)
        .says("it is for iphone, not for android")
        .says("--kit source");
    assert_eq!(android.kits().len(), 0);
}
