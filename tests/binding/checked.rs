//! What was linked is looked at before it is in a package, and the compiler's tvm-ffi before that.

use crate::site::{Site, lld};
use crate::tree;

const ENGINE: &str = "mlc-llm/cpp/engine.cc";
const CALLS: &str = "extern \"C\" int TVMFuncCall(int);\n\
                     extern \"C\" int mlc_llm_call() { return TVMFuncCall(1); }\n";

fn mac() -> Site {
    let site = Site::new("iphone");
    site.xcode();
    site
}

/// Builds once with a good tree, spoils it, and builds again: an error, and `dist/` as it was.
#[track_caller]
fn refused(site: &Site, spoil: impl FnOnce(&Site), says: &[&str]) {
    site.build(&[]).ok();
    let before = tree::state(&site.scene.dist());
    spoil(site);
    let mut run = site.build(&[]).fails(14);
    for text in says {
        run = run.says(text);
    }
    assert_eq!(tree::state(&site.scene.dist()), before);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_library_for_small_pages() {
    refused(
        &Site::new("android"),
        |site| {
            site.program("ld.lld", &format!("exec {} \"$@\" -z max-page-size=4096", lld()));
        },
        &["error: [page-size] `lib/mlc4j/output/arm64-v8a/libtvm4j_runtime_packed.so`: ", "16 KiB"],
    );
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_library_that_java_cannot_call() {
    refused(
        &Site::new("android"),
        |site| {
            let source = "org_apache_tvm_native_c_api.cc";
            let source = format!("mlc-llm/3rdparty/tvm/jvm/native/src/main/native/{source}");
            site.scene.edit(&source, "Java_org_apache_tvm_LibInfo_nativeLibInit", "lib_init");
        },
        &["error: [missing-entry-point] ", "Java_org_apache_tvm_LibInfo_nativeLibInit"],
    );
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_runtime_that_calls_what_nobody_has() {
    let spoil = |site: &Site| {
        let text = site.scene.read(ENGINE);
        site.scene.write(ENGINE, text + CALLS);
    };
    let side = "help: MLC LLM and the TVM in its sources do not go together: use a commit";
    // Upstream has Android's linker look, and Apple's libraries are not linked before the app is.
    refused(&Site::new("android"), spoil, &["error: undefined symbol: TVMFuncCall", side]);
    refused(&mac(), spoil, &["error: [undefined-symbol] ", "TVMFuncCall", side]);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn libraries_for_another_processor() {
    refused(
        &mac(),
        |site| {
            let script = "mlc-llm/ios/prepare_libs.sh";
            site.scene.edit(script, "COMPILER_TARGET=\"$arch-", "COMPILER_TARGET=\"x86_64-");
        },
        &["error: [wrong-target] `lib/libmlc_llm.a`: "],
    );
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_compiler_of_another_abi_than_the_kits() {
    let site = Site::new("android");
    site.scene.own_compiler();
    let wheel = |version: &str| {
        let metadata = site.scene.root.join("compiler");
        let names = tree::names(&metadata);
        let old = names.iter().find(|name| name.starts_with("apache_tvm_ffi-")).unwrap();
        let new = format!("apache_tvm_ffi-{version}.dist-info");
        fs_err::rename(metadata.join(old), metadata.join(&new)).unwrap();
        let file = format!("compiler/{new}/METADATA");
        let text = site.scene.read(&file);
        let lines = text.lines().map(|line| match line.starts_with("Version:") {
            true => format!("Version: {version}\n"),
            false => format!("{line}\n"),
        });
        site.scene.write(&file, lines.collect::<String>());
    };
    refused(
        &site,
        |_| wheel("0.2.0"),
        &[
            "error: the compiler's tvm-ffi 0.2.0 and that of the sources, 0.1.13, have different \
             C ABIs",
            "help: the sources are older than the compiler; use the two that belong together",
        ],
    );
    // Nothing was compiled for nothing: only the first build's.
    assert_eq!(site.scene.compilations().len(), 2);
    // Within one ABI it is worth a word.
    wheel("0.1.15");
    site.build(&[]).ok().says("warning: the compiler has tvm-ffi 0.1.15, the sources have 0.1.13");
}
