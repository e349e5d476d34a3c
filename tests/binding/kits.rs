//! When a kit is used, when it is not, and why.

use crate::call::wait_for;
use crate::scene::settle;
use crate::site::{Site, lld};
use crate::tree;

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_kit_serves_another_checkout_and_another_place_of_everything() {
    let site = Site::new("android");
    site.build(&[]).ok();
    let library = site.library();
    let root = &site.scene.root;
    tree::copy(root.join("mlc-llm"), root.join("elsewhere/mlc-llm"));
    tree::copy(root.join("ndk"), root.join("another ndk"));
    tree::copy(site.scene.cache(), root.join("restored"));
    for old in ["mlc-llm", "ndk", "home/.cache"] {
        fs_err::remove_dir_all(root.join(old)).unwrap();
    }
    site.build(&["--cache-dir", "../restored"])
        .env("MLC_LLM_SOURCE_DIR", "../elsewhere/mlc-llm")
        .env("ANDROID_NDK", "../another ndk")
        .ok()
        .says("kit cached");
    assert_eq!((site.library(), site.scripts()), (library, 1));
    // Built there it is the same.
    site.build(&["--rebuild-binding"])
        .env("MLC_LLM_SOURCE_DIR", "../elsewhere/mlc-llm")
        .env("ANDROID_NDK", "../another ndk")
        .ok()
        .says("kit kept");
}

/// The library as CMake had the compiler's driver link it.
fn of_driver(site: &Site) -> Vec<u8> {
    let dir = site.scene.cache().join("binding");
    let [name] = tree::names(&dir).try_into().unwrap();
    let output = dir.join(name).join("build/output/arm64-v8a/libtvm4j_runtime_packed.so");
    fs_err::read(output).unwrap()
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn the_linker_alone_makes_what_the_driver_made_byte_for_byte() {
    let site = Site::new("android");
    site.build(&["--keep-symbols"]).ok().says("the debug information of libtvm4j_runtime_packed");
    let whole = of_driver(&site);
    assert_eq!(site.library(), whole);
    assert!(sections(&whole, 0).iter().any(|name| name == ".debug_info"));
    // Without debug information in the kit, against a driver that drops it while it links.
    site.build(&["--rebuild-binding"]).env("LDFLAGS", "-Wl,--strip-debug").ok();
    assert_eq!(site.library(), of_driver(&site));
    let kept = site.library();
    assert!(!sections(&kept, 0).iter().any(|name| name.starts_with(".debug")));
    assert!(sections(&kept, 0).iter().any(|name| name == ".symtab"));
    for kit in site.kits() {
        let record = fs_err::read_to_string(kit.join("kit.json")).unwrap();
        let is_whole = record.contains("debug information");
        for name in tree::names(&kit.join("files")) {
            let bytes = fs_err::read(kit.join("files").join(&name)).unwrap();
            if name.ends_with(".o") {
                let has = sections(&bytes, 1).iter().any(|name| name.starts_with(".debug"));
                assert_eq!(has, is_whole, "{name}");
            }
        }
        assert!(!record.contains(site.scene.root.as_str()), "{record}");
        assert!(kit.join("notices/ndk/NOTICE").is_file());
    }
}

/// The names of sections of at least so many bytes.
fn sections(bytes: &[u8], least: u64) -> Vec<String> {
    use object::{Object as _, ObjectSection as _};
    let file = object::File::parse(bytes).unwrap();
    let sections = file.sections().filter(|section| section.size() >= least);
    sections.map(|section| section.name().unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn rusts_linker_makes_the_same_library_of_a_kit_and_wild_is_asked_for_by_name() {
    let site = Site::new("android");
    site.build(&[]).ok();
    let lld = lld();
    // A toolchain of Rust's shape around the same lld: which version it is, is another matter.
    let sysroot = site.scene.root.join("rust");
    site.program(
        "rustc",
        &format!("case $1 in --print) echo '{sysroot}';; *) echo 'rustc 1.95.0 (test)';; esac"),
    );
    site.executable(
        "rust/lib/rustlib/host/bin/rust-lld",
        &format!("[ \"$1 $2\" = '-flavor gnu' ] || exit 9\nshift 2\nexec {lld} \"$@\""),
    );
    let library = site.library();
    site.build(&["--linker", "rust-lld"]).ok().says("kit cached");
    assert_eq!(site.library(), library);
    site.build(&["--linker", "wild"])
        .fails(14)
        .says("linked with `wild`, and there is none here")
        .says("leave --linker out");
    site.program("wild", &format!("exec {lld} \"$@\" --build-id=none"));
    site.build(&["--linker", "wild"]).ok().says("kit cached");
    assert_ne!(site.library(), library);
    site.build(&["--linker", "gold"]).fails(2).says("expected one of auto, lld, rust-lld, wild");
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn the_linker_of_a_real_toolchain_of_rust_links_a_kit() {
    let site = Site::new("android");
    site.build(&[]).ok();
    let linked = crate::site::elf(&site.library());
    let asked = assert_cmd::Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let sysroot = String::from_utf8(asked.stdout).unwrap();
    site.program(
        "rustc",
        &format!(
            "case $1 in --print) echo '{}';; *) echo 'rustc 1.95.0 (test)';; esac",
            sysroot.trim()
        ),
    );
    site.build(&["--linker", "rust-lld"]).ok().says("kit cached");
    let again = crate::site::elf(&site.library());
    assert_eq!(again.symbols, linked.symbols);
    assert!(again.pages.iter().all(|align| *align >= 16 << 10), "{:?}", again.pages);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn what_changes_a_binding_is_a_miss_that_says_so() {
    let site = Site::new("android");
    site.build(&[]).ok();
    assert_eq!(site.reason(), "cached");
    let reason = |name: &str, value: &str| {
        let run = site.call(&["plan"]).env(name, value).ok();
        run.stdout.lines().find(|line| line.starts_with("platform")).unwrap().to_owned()
    };
    assert!(reason("LDFLAGS", "-s").ends_with("LDFLAGS changed: none -> -s"));
    assert!(reason("CMAKE_BUILD_PARALLEL_LEVEL", "1").ends_with("cached"));
    let tvm = site.scene.root.join("tvm");
    tree::copy(site.scene.root.join("mlc-llm/3rdparty/tvm"), &tvm);
    assert!(
        reason("TVM_SOURCE_DIR", tvm.as_str()).contains("TVM_SOURCE_DIR changed: none -> files")
    );
    assert!(reason("TVM_SOURCE_DIR", "../mlc-llm/3rdparty/tvm").ends_with("cached"));

    site.scene.edit("ndk/source.properties", "27.0.11718014", "28.0.13004108");
    assert_eq!(site.reason(), "build: ndk changed: 27.0.11718014 -> 28.0.13004108");
    site.scene.edit("ndk/source.properties", "28.0.13004108", "27.0.11718014");
    // The answer of a program is remembered until the program changes.
    settle();
    assert_eq!(site.reason(), "cached");
    // A library of the NDK that was repaired, or is somebody's own.
    let library = "ndk/toolchains/llvm/prebuilt/linux-x86_64/sysroot/usr/lib/aarch64-linux-android";
    for name in ["libc++_static.a", "24/crtbegin_so.o"] {
        site.scene.write(&format!("{library}/{name}"), name);
        let reason = site.reason();
        assert!(reason.starts_with("build: ndk libraries changed: none -> files "), "{reason}");
    }
    fs_err::remove_dir_all(site.scene.root.join(library)).unwrap();
    assert_eq!(site.reason(), "cached");
    site.program("rustc", "echo 'rustc 1.96.0 (test)'");
    assert_eq!(site.reason(), "build: rustc changed: rustc 1.95.0 (test) -> rustc 1.96.0 (test)");
    site.program("rustc", "echo 'rustc 1.95.0 (test)'");
    let source = "mlc-llm/3rdparty/tvm/src/runtime/workspace.cc";
    site.scene.edit(source, "return 0;", "return 1;");
    assert!(site.reason().starts_with("build: mlc-llm changed: files "), "{}", site.reason());
    assert_eq!(site.built()["origin"], "built");
    site.scene.edit(source, "return 1;", "return 0;");
    assert_eq!((site.reason().as_str(), site.kits().len()), ("cached", 2));
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn with_git_it_is_commits_and_changes_that_count() {
    let site = Site::new("android");
    // As upstream: TVM is a repository of its own, in a submodule.
    fs_err::rename(site.scene.root.join("mlc-llm/3rdparty/tvm"), site.scene.root.join("tvm"))
        .unwrap();
    for dir in ["tvm", "mlc-llm"] {
        site.git(dir, &["init", "--quiet"]);
        if dir == "mlc-llm" {
            fs_err::remove_file(site.scene.root.join("mlc-llm/.gitmodules")).unwrap();
            site.git(dir, &["submodule", "--quiet", "add", "../tvm", "3rdparty/tvm"]);
        }
        site.git(dir, &["add", "--all"]);
        site.git(dir, &["commit", "--quiet", "--message", "all"]);
    }
    assert!(site.planned()["inputs"]["mlc-llm"].as_str().unwrap().starts_with("commit "));
    site.build(&[]).ok();
    // A fresh checkout, with other times.
    fs_err::rename(site.scene.root.join("mlc-llm"), site.scene.root.join("first")).unwrap();
    site.git("", &["clone", "--quiet", "--recurse-submodules", "first", "mlc-llm"]);
    assert_eq!(site.reason(), "cached");
    let workspace = "mlc-llm/3rdparty/tvm/src/runtime/workspace.cc";
    for (path, text) in [
        (workspace, "broken"),
        ("mlc-llm/cpp/more.cc", "int more;"),
        ("mlc-llm/3rdparty/tvm/new.h", ""),
    ] {
        let before = fs_err::read(site.scene.root.join(path)).ok();
        site.scene.write(path, text);
        let reason = site.reason();
        assert!(reason.contains("build: mlc-llm changed: commit "), "{path}: {reason}");
        assert!(reason.contains(" and changes "), "{path}: {reason}");
        match before {
            Some(before) => drop(site.scene.write(path, before)),
            None => fs_err::remove_file(site.scene.root.join(path)).unwrap(),
        }
        assert_eq!(site.reason(), "cached", "{path}");
    }
    // What upstream's script for Apple leaves there is no change.
    fs_err::os::unix::fs::symlink("x", site.scene.root.join("mlc-llm/ios/MLCSwift/tvm_home"))
        .unwrap();
    assert_eq!(site.reason(), "cached");
    // Another commit of the submodule.
    site.scene.write(workspace, "extern \"C\" const char* tvm_version() { return \"2\"; }\n");
    site.git("mlc-llm/3rdparty/tvm", &["commit", "--quiet", "--all", "--message", "more"]);
    assert!(site.reason().contains(" and changes "), "{}", site.reason());
    assert_eq!(site.scripts(), 1);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_damaged_kit_is_noticed_and_built_again() {
    let site = Site::new("android");
    site.build(&[]).ok();
    let library = site.library();
    let kit = || site.kits().pop().unwrap();
    let damages: [(&str, bool); 4] = [
        ("files/003-libmlc_llm.a", true),
        ("output/tvm4j_core.jar", true),
        ("kit.json", false),
        ("kit.digest", false),
    ];
    for (n, (name, as_long)) in damages.into_iter().enumerate() {
        let path = kit().join(name);
        let mut bytes = fs_err::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs_err::write(&path, bytes).unwrap();
        // `plan` does not read the files: that is not its business, and takes long.
        let reason = site.reason();
        assert_eq!(reason == "cached", as_long, "{name}: {reason}");
        let run = site.build(&[]).ok().says("is not what was stored").says("kit kept");
        assert_eq!((site.library() == library, site.scripts()), (true, n + 2), "{}", run.shown());
        assert_eq!(site.reason(), "cached");
    }
    fs_err::remove_file(kit().join("files/003-libmlc_llm.a")).unwrap();
    assert!(
        site.reason().starts_with("build: the cached kit cannot be used: "),
        "{}",
        site.reason()
    );
    site.build(&[]).ok().says("kit kept");
    assert_eq!(site.leftovers(), [""; 0]);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn two_builds_at_once_build_it_once() {
    let site = Site::new("android");
    site.program(
        "rustup",
        "echo \"$*\" >>\"$STAND_IN_RUSTUP\"; while ! [ -e \"$STAND_IN_RUSTUP.go\" ]; do sleep 0.01; done",
    );
    let first = site.build(&["-o", "a"]).spawn();
    wait_for("the first to build", || (site.scripts() == 1).then_some(()));
    let second = site.build(&["-o", "b"]).through_shell("exec \"$@\" 2>../second").spawn();
    wait_for("the second to wait", || {
        let said = fs_err::read_to_string(site.scene.root.join("second")).unwrap_or_default();
        said.contains("Waiting for another mlc-package at the android binding").then_some(())
    });
    site.scene.write("rustup-calls.go", "");
    first.wait().code(0).says("kit kept");
    second.wait().code(0);
    assert!(site.scene.read("second").contains("kit cached"));
    assert_eq!(site.scripts(), 1);
    assert_eq!(tree::files(&site.scene.app().join("a")), tree::files(&site.scene.app().join("b")));
}
