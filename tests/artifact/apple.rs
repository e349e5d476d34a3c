//! A Swift package, by LLVM's tools and lld.

use camino::Utf8Path;
use serde_json::{Value, json};

use crate::android::entries;
use crate::run;
use crate::scene::entry;
use crate::site::Site;
use crate::tree;

const MODELS: [&str; 2] = ["one_layer", "other_layer"];

fn site(device: &str) -> Site {
    let site = Site::new(device);
    site.xcode();
    site
}

fn project(site: &Site, swift: &str) {
    crate::android::project(site, &format!("artifact: swift-package\nswift: {swift}"));
}

/// LLVM's program of this name, of whichever version.
fn llvm(name: &str) -> String {
    let names = std::iter::once(name.to_owned()).chain((14..22).map(|n| format!("{name}-{n}")));
    names.into_iter().find(|name| which::which(name).is_ok()).expect("setup-cross.sh: llvm, lld")
}

fn plist(path: &Utf8Path) -> Value {
    let script = "import json, plistlib, sys\n\
                  print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let python = crate::scene::python().as_str();
    serde_json::from_str(&run(python, &["-c", script, path.as_str()])).unwrap()
}

/// Links a program of one line with the library, as an app is linked: with `-dead_strip`, without
/// `-all_load`. Gives the names that it defines.
fn linked(site: &Site, library: &Utf8Path, target: bool) -> String {
    let root = &site.scene.root;
    let clang = ["-target", "arm64-apple-ios14.0", "-c"];
    let main = site.scene.write("link/main.c", "int main(void) { return 0; }\n");
    let (main_o, target_o, app) =
        (root.join("link/main.o"), root.join("link/target.o"), root.join("link/app"));
    run("clang", &[&clang[..], &[main.as_str(), "-o", main_o.as_str()]].concat());
    let source = site.scene.dist().join("swift/Sources/Models/Models.c");
    run(
        "clang",
        &[&clang[..], &["-Wall", "-Werror", source.as_str(), "-o", target_o.as_str()]].concat(),
    );
    let mut arguments = vec!["-arch", "arm64", "-platform_version", "ios", "14.0", "14.0"];
    arguments.extend(["-fatal_warnings", "-undefined", "dynamic_lookup", "-dead_strip"]);
    arguments.push(main_o.as_str());
    if target {
        arguments.push(target_o.as_str());
    }
    arguments.extend([library.as_str(), "-o", app.as_str()]);
    run(&llvm("ld64.lld"), &arguments);
    run(&llvm("llvm-nm"), &["--defined-only", app.as_str()])
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_linker_keeps_the_models_and_what_registers_itself() {
    let site = site("iphone");
    let engine = site.scene.read("mlc-llm/cpp/engine.cc");
    // As TVM's functions do.
    let registers = "extern \"C\" { volatile int mlc_registered = 0; }\n\
                     __attribute__((constructor)) static void registers() { mlc_registered = 1; }\n\
                     extern \"C\" int stat(const char*, void*);\n\
                     extern \"C\" int mlc_llm_looks() { return stat(\"x\", nullptr); }\n";
    site.scene.write("mlc-llm/cpp/engine.cc", engine + registers);
    project(&site, "{ name: Models, version: 1.2.0 }");
    let release = [
        ("GITHUB_REF", "refs/tags/v1.2.0"),
        ("GITHUB_REPOSITORY", "me/app"),
        ("GITHUB_SERVER_URL", "https://github.com"),
    ];
    let build = || {
        let call =
            release.iter().fold(site.build(&[]), |call, (name, value)| call.env(name, value));
        call.ok()
    };
    build().says("Models 1.2.0");
    let swift = site.scene.dist().join("swift");
    let framework = swift.join("Models.xcframework");
    let info = plist(&framework.join("Info.plist"));
    insta::assert_snapshot!("info", serde_json::to_string_pretty(&info).unwrap());
    let library = framework.join("ios-arm64/libModels.a");

    let with = linked(&site, &library, true);
    for model in MODELS {
        for end in ["__tvm_ffi__library_bin", "__tvm_ffi__library_ctx"] {
            assert!(with.contains(&format!("_{model}_{end}")), "{model} {end}: {with}");
        }
    }
    assert!(with.contains("_mlc_registered"), "{with}");
    let without = linked(&site, &library, false);
    assert!(!without.contains("layer") && !without.contains("registered"), "{without}");

    let headers = run(&llvm("llvm-readobj"), &["--macho-version-min", library.as_str()]);
    let objects = headers.matches("\nFile: ").count() + usize::from(headers.starts_with("File: "));
    let platforms = headers.matches("Platform: ios").count()
        + headers.matches("LC_VERSION_MIN_IPHONEOS").count();
    assert_eq!(objects, platforms, "{headers}");
    assert!(run(&llvm("llvm-ar"), &["t", library.as_str()]).starts_with("Models_mlc_anchor.o\n"));

    // One file, and its digest as SwiftPM has it.
    let zip = swift.join("Models.xcframework.zip");
    let checksum = fs_err::read_to_string(swift.join("Models.xcframework.zip.checksum")).unwrap();
    assert!(run("sha256sum", &[zip.as_str()]).starts_with(checksum.trim()));
    let names: Vec<_> = entries(zip.as_str()).into_iter().map(|(name, ..)| name).collect();
    let mut files = tree::files(&framework);
    files.iter_mut().for_each(|file| file.insert_str(0, "Models.xcframework/"));
    assert_eq!(names, files);
    insta::assert_snapshot!(
        "package",
        fs_err::read_to_string(swift.join("Package.swift")).unwrap()
    );
    let released = fs_err::read_to_string(swift.join("release/Package.swift")).unwrap();
    assert!(released.contains(&format!("checksum: \"{}\"", checksum.trim())), "{released}");
    insta::assert_snapshot!("released", released.replace(checksum.trim(), "[CHECKSUM]"));

    // Clang takes the module and the headers; Apple's format takes the manifest.
    let include = swift.join("Sources/Models/include");
    let module = site.scene.write(
        "link/module.m",
        "@import Models;\nconst void *first(void) { return Models_models[0]; }\n",
    );
    let cache = site.scene.root.join("modules");
    run(
        "clang",
        &[
            "-target",
            "arm64-apple-ios14.0",
            "-fsyntax-only",
            "-fmodules",
            &format!("-fmodules-cache-path={cache}"),
            "-I",
            include.as_str(),
            module.as_str(),
        ],
    );
    insta::assert_snapshot!(
        "module",
        fs_err::read_to_string(include.join("module.modulemap")).unwrap()
    );
    let privacy = plist(&swift.join("Sources/Models/PrivacyInfo.xcprivacy"));
    assert_eq!(privacy["NSPrivacyTracking"], false);
    let accessed = json!([{
        "NSPrivacyAccessedAPIType": "NSPrivacyAccessedAPICategoryFileTimestamp",
        "NSPrivacyAccessedAPITypeReasons": ["C617.1"],
    }]);
    assert_eq!(privacy["NSPrivacyAccessedAPITypes"], accessed);
    for header in ["include/tvm/ffi/c_api.h", "include/tvm/runtime/base.h"] {
        assert!(site.scene.dist().join(header).is_file(), "{header}");
        assert!(framework.join("ios-arm64/Headers").join(&header[8..]).is_file(), "{header}");
    }
    let config = site.scene.json("app/dist/swift/Sources/Models/bundle/mlc-app-config.json");
    assert_eq!(config, site.scene.json("app/dist/bundle/mlc-app-config.json"));

    let before = tree::digest(&zip);
    build();
    assert_eq!(tree::digest(&zip), before);
    let manifest = site.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["artifact"]["name"], "Models 1.2.0");
    assert_eq!(manifest["artifact"]["file"], "swift/Models.xcframework.zip");
    crate::published::comes_back(&site, "swift/Models.xcframework.zip");
    crate::published::from_a_release(&site, "swift/Models.xcframework.zip", |_, dist| {
        let package = fs_err::read_to_string(dist.join("swift/release/Package.swift")).unwrap();
        let (_, url) = package.split_once("url: \"").unwrap();
        url.split_once('"').unwrap().0.to_owned()
    });
    // Without a tag there is nothing to release.
    site.build(&[]).ok();
    assert!(!swift.join("release").exists());
    assert_eq!((site.scripts(), site.leftovers()), (1, vec![]));
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn an_xcframework_of_three_packages() {
    let site = site("iphone");
    site.scene.configure(|config| config["model_list"] = json!([entry("one")]));
    let macabi = site.scene.read("app/mlc-package-config.json").replace("iphone", "macabi");
    site.scene.write("app/mac.json", &macabi);
    let text = |slices: &str| {
        format!(
            "packages:\n  - {{ name: ios, config: mlc-package-config.json, output: ios }}\n  \
             - {{ name: intel, config: mac.json, output: intel }}\n  \
             - {{ name: mac, config: mac.json, output: dist, artifact: swift-package,\n      \
             swift: {{ name: Models, slices: {slices} }} }}\n"
        )
    };
    site.scene.write("app/mlc-package.yml", text("[ios, intel]"));
    let refused = |says: &[&str]| {
        let scripts = site.scripts();
        let mut run = site.build(&["--package", "mac"]).fails(2);
        for text in says {
            run = run.says(text);
        }
        assert_eq!(site.scripts(), scripts);
        assert!(!site.scene.dist().exists());
    };
    refused(&["the slice `ios` of Models: there is no `[ROOT]/app/ios/mlc-package-manifest.json`"]);
    let build = |name: &str, arch: &str| {
        site.build(&["--package", name]).env("MLC_MACABI_ARCH", arch).ok();
    };
    build("ios", "arm64");
    build("intel", "arm64");
    refused(&["the slice `intel` of Models: there is one for macabi on arm64 already"]);
    build("intel", "x86_64");

    // Another model in one of them.
    let other = macabi.replace("one", "other");
    site.scene.write("app/mac.json", &other);
    refused(&["the slice `ios` of Models: it has other models", "the same model_list"]);
    site.scene.write("app/mac.json", &macabi);
    // And one whose file is not what was built.
    let archive = site.scene.app().join("ios/lib/libmlc_llm.a");
    let bytes = fs_err::read(&archive).unwrap();
    fs_err::write(&archive, [&bytes[..], b"x"].concat()).unwrap();
    refused(&["libmlc_llm.a` is not what was built"]);
    fs_err::write(&archive, bytes).unwrap();

    build("mac", "arm64");
    let framework = site.scene.dist().join("swift/Models.xcframework");
    let info = plist(&framework.join("Info.plist"));
    let identifiers: Vec<_> = info["AvailableLibraries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|library| library["LibraryIdentifier"].as_str().unwrap())
        .collect();
    assert_eq!(identifiers, ["ios-arm64", "ios-arm64_x86_64-maccatalyst"]);
    let variant = &info["AvailableLibraries"][1];
    assert_eq!(variant["SupportedPlatformVariant"], "maccatalyst");
    assert_eq!(variant["SupportedArchitectures"], json!(["arm64", "x86_64"]));
    let universal = framework.join("ios-arm64_x86_64-maccatalyst/libModels.a");
    let said = run(&llvm("llvm-lipo"), &["-info", universal.as_str()]);
    assert!(said.contains("x86_64") && said.contains("arm64"), "{said}");
    let thin = site.scene.root.join("thin.a");
    for arch in ["arm64", "x86_64"] {
        run(&llvm("llvm-lipo"), &[universal.as_str(), "-thin", arch, "-output", thin.as_str()]);
        let symbols = run(&llvm("llvm-nm"), &[thin.as_str()]);
        assert!(symbols.contains("_Models_mlc_anchor"), "{symbols}");
        assert!(symbols.contains("_one_layer___tvm_ffi__library_bin"), "{symbols}");
    }
    let kept = linked(&site, &framework.join("ios-arm64/libModels.a"), true);
    assert!(kept.contains("_one_layer___tvm_ffi__library_bin"), "{kept}");
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn objects_that_name_no_system_are_given_one() {
    let site = site("iphone");
    project(&site, "{ name: Models }");
    // As old assembly does, and TVM's own objects.
    site.scene.edit(
        "mlc-llm/ios/prepare_libs.sh",
        "cmake --build . --target install --config release -j\n",
        "cmake --build . --target install --config release -j\n\
         echo 'int bare(void) { return 1; }' >bare.c\n\
         clang -target arm64-apple-none-macho -c bare.c -o bare.o\n\
         llvm-ar rc lib/libbare.a bare.o\n",
    );
    site.build(&[]).ok();
    let library = site.scene.dist().join("swift/Models.xcframework/ios-arm64/libModels.a");
    let objects = run(&llvm("llvm-ar"), &["t", library.as_str()]);
    assert!(objects.contains("bare_bare.o\n"), "{objects}");
    let said = run(&llvm("llvm-readobj"), &["--macho-version-min", library.as_str()]);
    assert!(!said.contains("Platform: macos") && !said.contains("MACOSX"), "{said}");
    assert_eq!(said.matches("Platform: ios").count(), objects.lines().count(), "{said}");
    linked(&site, &library, true);
}
