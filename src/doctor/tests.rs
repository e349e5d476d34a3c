//! The rules, on facts of machines that are not this one.

use super::facts::{Abi, Facts, Host, Jdk, Kit, Ndk, NdkCompiler, Python, Sources, Tool, Xcode};
use super::{AppleChoices, Build, DoctorError, Finding, Status, needed_for, report, require};
use crate::model::{Device, MacabiArch, MetalChoice};

fn found(path: &str, says: &str) -> Tool {
    Tool::Found { path: path.into(), says: says.to_owned() }
}

/// A Mac that has everything.
fn good() -> Facts {
    let targets = ["aarch64-linux-android", "aarch64-apple-ios", "aarch64-apple-ios-macabi"];
    Facts {
        host: Host::MacOs,
        python: Some(Python::Compiler {
            path: "/venv/bin/python".into(),
            wheels: "mlc-llm-nightly-cpu 0.20.0".to_owned(),
        }),
        sources: Sources::Tree { path: "/src/mlc-llm".into(), empty: Vec::new(), not_tvm: None },
        home_is_sources: None,
        abi: Some(Abi::Same("tvm-ffi 0.1.13".to_owned())),
        kits: Vec::new(),
        unbuildable: Vec::new(),
        cmake: found("/usr/bin/cmake", "cmake version 3.28.1"),
        ninja: found("/usr/bin/ninja", "1.11.1"),
        git: found("/usr/bin/git", "git version 2.47.3"),
        rustup: found("/usr/bin/rustup", "rustup 1.29.0"),
        rust_targets: targets.map(str::to_owned).into(),
        ndk: Ndk::Found {
            path: "/ndk".into(),
            revision: "27.2.12479018".to_owned(),
            compiler: Some("/ndk/bin/aarch64-linux-android24-clang".into()),
        },
        ndk_compiler: Some(compiler("/ndk/bin/aarch64-linux-android24-clang")),
        jdk: jdk("17.0.9", true),
        opencl_clang: Some(Ok("/usr/bin/clang, clang version 19.1.7".to_owned())),
        metal_clang: Some(Ok("/usr/bin/clang, clang version 19.1.7".to_owned())),
        xcode: Some(Xcode {
            developer_dir: Some("/Applications/Xcode.app/Contents/Developer".to_owned()),
            version: Some("Xcode 16.2".to_owned()),
            has_iphone_sdk: true,
            metal_runs: true,
        }),
        disks: vec![("the cache", "/cache".into(), 100 << 30)],
        memory: Some(16 << 30),
    }
}

fn compiler(path: &str) -> NdkCompiler {
    NdkCompiler { path: path.into(), is_executable: true }
}

fn jdk(version: &str, has_jni: bool) -> Jdk {
    let version = Some(version.to_owned());
    Jdk::Found { home: "/jdk".into(), version, has_jni, is_named: true }
}

/// What is not as it should be.
fn complaints(facts: &Facts) -> Vec<Finding> {
    let mut findings = report(facts, None, AppleChoices::default()).findings;
    findings.retain(|finding| finding.status != Status::Ok);
    findings
}

#[test]
fn a_machine_that_has_everything_is_ready_for_every_device() {
    assert_eq!(complaints(&good()), []);
    let report = report(&good(), None, AppleChoices::default());
    assert!(report.ok && report.devices.iter().all(|verdict| verdict.ok && verdict.compile));
}

#[test]
fn a_kit_needs_nothing_that_builds() {
    let mut facts = good();
    facts.sources = Sources::Unnamed;
    facts.cmake = Tool::Missing;
    facts.ndk = Ndk::Unnamed(None);
    let verdicts = |facts: &Facts| {
        let report = report(facts, None, AppleChoices::default());
        report.devices.into_iter().map(|it| (it.ok, it.problems)).collect::<Vec<_>>()
    };
    assert!(verdicts(&facts).iter().all(|(ok, _)| !ok));
    facts.kits = vec![
        (Device::Android, Kit::Usable("the file kit.tar.zst".to_owned())),
        (Device::Iphone, Kit::Unusable { message: "no".to_owned(), help: "yes".to_owned() }),
    ];
    let [android, iphone, macabi] = verdicts(&facts).try_into().unwrap();
    assert_eq!(android, (true, vec![]));
    assert_eq!(iphone, (false, vec!["kit"]));
    assert_eq!(macabi, (false, vec!["sources", "cmake"]));
}

/// What is found where one fact is as it should not be: how bad, by which check, and a part of the
/// message and of the remedy.
type Case = (Status, &'static str, &'static str, &'static str, fn(&mut Facts));

#[track_caller]
fn each_is_one_finding_with_its_remedy(cases: &[Case]) {
    for (status, check, message, help, change) in cases {
        let mut facts = good();
        change(&mut facts);
        let found = complaints(&facts);
        let [finding] = found.as_slice() else { panic!("{check}, {message}: {found:?}") };
        assert_eq!((finding.status, finding.check), (*status, *check), "{finding:?}");
        assert!(finding.message.contains(message), "{finding:?}");
        assert!(finding.help.as_deref().unwrap().contains(help), "{finding:?}");
    }
}

#[test]
fn each_known_failure_of_the_compiler_and_the_sources_is_found() {
    use Status::{Problem, Warning};
    each_is_one_finding_with_its_remedy(&[
        (Problem, "python", "placeholder", "uninstall", |facts| {
            facts.python = Some(Python::Unusable {
                message: "its distribution mlc-llm 0.1.1 is a placeholder".to_owned(),
                help: Some("pip uninstall mlc-llm".to_owned()),
            });
        }),
        (Problem, "sources", "is not set", "checkout 1307bcae", |facts| {
            facts.sources = Sources::Unnamed;
        }),
        (Problem, "sources", "no directory `/x`", "git clone", |facts| {
            facts.sources = Sources::Missing("/x".into());
        }),
        (Problem, "sources", "is a file", "git clone", |facts| {
            facts.sources = Sources::File("/x".into());
        }),
        (Problem, "sources", "is MLC LLM's cache", "git clone", |facts| {
            facts.sources = Sources::Cache("/x".into());
        }),
        (Problem, "sources", "not a source tree of MLC LLM", "git clone", |facts| {
            facts.sources = Sources::Foreign("/x".into());
        }),
        (Problem, "sources", "3rdparty/tvm, 3rdparty/stb", "git -C /x submodule update", |facts| {
            let empty = vec!["3rdparty/tvm".into(), "3rdparty/stb".into()];
            facts.sources = Sources::Tree { path: "/x".into(), empty, not_tvm: None };
        }),
        (Problem, "sources", "TVM_SOURCE_DIR: `/y`", "TVM_SOURCE_DIR=/x/3rdparty/tvm", |facts| {
            let not_tvm = Some("/y".into());
            facts.sources = Sources::Tree { path: "/x".into(), empty: Vec::new(), not_tvm };
        }),
        (Warning, "home", "MLC_LLM_HOME", "export MLC_LLM_SOURCE_DIR=/src", |facts| {
            facts.home_is_sources = Some("/src".into());
        }),
        (Problem, "abi", "different C ABIs", "upgrade", |facts| {
            facts.abi = Some(Abi::Broken("different C ABIs".to_owned(), "upgrade".to_owned()));
        }),
        (Warning, "abi", "the same", "mlc-ai-nightly-cpu==", |facts| {
            facts.abi = Some(Abi::Drift("the same".to_owned()));
        }),
    ]);
}

#[test]
fn each_known_failure_of_the_tools_is_found() {
    use Status::{Problem, Warning};
    each_is_one_finding_with_its_remedy(&[
        (Problem, "cmake", "no `cmake`", "cmake>=3.24,<4", |facts| facts.cmake = Tool::Missing),
        (Problem, "cmake", "older than 3.24", "cmake>=3.24", |facts| {
            facts.cmake = found("/c", "cmake version 3.23.5");
        }),
        (Problem, "cmake", "CMake 4 refuses", "cmake>=3.24,<4", |facts| {
            facts.cmake = found("/c", "cmake version 4.0.0");
        }),
        (Warning, "clang", "no clang on PATH", "apt-get install clang", |facts| {
            facts.opencl_clang = Some(Err("there is no clang on PATH".to_owned()));
        }),
        (Warning, "ninja", "slower", "install ninja", |facts| facts.ninja = Tool::Missing),
        (Warning, "git", "no `git`", "install git", |facts| facts.git = Tool::Missing),
        (Problem, "rustup", "no `rustup`", "sh.rustup.rs", |facts| facts.rustup = Tool::Missing),
        (Warning, "rust-target", "linux-android", "target add aarch64-linux-android", |facts| {
            facts.rust_targets.remove(0);
        }),
        (Problem, "ndk", "not set", "sdkmanager", |facts| facts.ndk = Ndk::Unnamed(None)),
        (Problem, "ndk", "there is an NDK", "export ANDROID_NDK=/sdk/ndk/28", |facts| {
            facts.ndk = Ndk::Unnamed(Some("/sdk/ndk/28".into()));
        }),
        (Problem, "ndk", "older than r27", "ndk;27.2", |facts| {
            let (path, revision) = ("/ndk".into(), "26.3.11579264".to_owned());
            facts.ndk = Ndk::Found { path, revision, compiler: None };
        }),
        (Problem, "ndk", "is not an NDK", "ndk;27.2", |facts| {
            facts.ndk = Ndk::Incomplete("/x".into(), "build/cmake/android.toolchain.cmake");
        }),
        (Warning, "ndk-compiler", "relative", "TVM_NDK_CC=/ndk/bin/aarch64", |facts| {
            facts.ndk_compiler = Some(compiler("bin/aarch64-linux-android24-clang"));
        }),
        (Warning, "ndk-compiler", "not a program", "export TVM_NDK_CC", |facts| {
            let path = "/x/aarch64-linux-android24-clang".into();
            facts.ndk_compiler = Some(NdkCompiler { path, is_executable: false });
        }),
        (Warning, "ndk-compiler", "API level 21", "android24-clang", |facts| {
            facts.ndk_compiler = Some(compiler("/x/aarch64-linux-android21-clang"));
        }),
        (Warning, "ndk-compiler", "arm64", "android24-clang", |facts| {
            facts.ndk_compiler = Some(compiler("/usr/bin/gcc"));
        }),
    ]);
}

#[test]
fn each_known_failure_of_java_xcode_and_the_machine_is_found() {
    use Status::{Problem, Warning};
    each_is_one_finding_with_its_remedy(&[
        (Problem, "jdk", "JAVA_HOME is not set", "install JDK 17", |facts| {
            facts.jdk = Jdk::Missing;
        }),
        (Problem, "jdk", "it is not a JDK", "install JDK 17", |facts| {
            facts.jdk = Jdk::NoCompiler("/jre".into());
        }),
        (Problem, "jdk", "1.8.0_392, older than 17", "install JDK 17", |facts| {
            facts.jdk = jdk("1.8.0_392", true);
        }),
        (Problem, "jdk", "24.0.1: an app's build refuses", "install JDK 17", |facts| {
            facts.jdk = jdk("24.0.1", true);
        }),
        (Problem, "jdk", "no include/jni.h", "install JDK 17", |facts| {
            facts.jdk = jdk("21.0.1", false);
        }),
        (Problem, "xcode", "no Xcode is selected", "xcode-select", |facts| {
            facts.xcode = Some(Xcode::default());
        }),
        (Problem, "xcode", "full Xcode", "xcode-select --switch", |facts| {
            let dir = Some("/Library/Developer/CommandLineTools".to_owned());
            facts.xcode = Some(Xcode { developer_dir: dir, ..Xcode::default() });
        }),
        (Problem, "iphone-sdk", "no iPhone SDK", "downloadPlatform iOS", |facts| {
            facts.xcode.as_mut().unwrap().has_iphone_sdk = false;
        }),
        (Problem, "disk", "10.0 MiB free", "cache prune", |facts| {
            facts.disks[0].2 = 10 << 20;
        }),
        (Warning, "disk", "may need 4.0 GiB", "--cache-dir", |facts| facts.disks[0].2 = 1 << 30),
        (Warning, "memory", "1.0 GiB", "--jobs 1", |facts| facts.memory = Some(1 << 30)),
    ]);
}

#[test]
fn a_device_is_not_blamed_for_what_it_does_not_need() {
    let mut facts = good();
    (facts.host, facts.xcode, facts.ndk) = (Host::Linux, None, Ndk::Unnamed(None));
    let all = report(&facts, None, AppleChoices::default());
    let verdict = |device| all.devices.iter().find(|verdict| verdict.device == device).unwrap();
    assert!(!all.ok);
    assert_eq!(verdict(Device::Android).problems, ["ndk"]);
    assert_eq!(verdict(Device::Iphone).problems, ["macos"]);
    // Libraries are compiled all the same.
    assert!(verdict(Device::Android).compile && verdict(Device::Iphone).compile);
    facts.ndk = good().ndk;
    assert!(report(&facts, None, AppleChoices::default()).ok, "one device is enough");
    assert!(!report(&facts, Some(Device::Macabi), AppleChoices::default()).ok);
    let android = report(&facts, Some(Device::Android), AppleChoices::default());
    assert!(android.ok && android.findings.iter().all(|finding| finding.check != "metal"));
}

#[test]
fn a_build_is_told_of_what_it_needs_and_of_nothing_else() {
    let mut facts = good();
    facts.python = None;
    (facts.cmake, facts.ndk, facts.jdk) = (Tool::Missing, Ndk::Unnamed(None), Jdk::Missing);
    facts.memory = Some(1 << 30);
    let needed = |device, compile, binding| {
        let build = Build { device, apple: AppleChoices::default(), compile, binding };
        needed_for(&facts, build)
    };
    let checks =
        |findings: &[Finding]| -> Vec<_> { findings.iter().map(|finding| finding.check).collect() };
    assert_eq!(checks(&needed(Device::Android, true, false)), ["memory"]);
    let android = needed(Device::Android, false, true);
    assert_eq!(checks(&android), ["cmake", "ndk", "jdk", "memory"]);
    assert_eq!(checks(&needed(Device::Iphone, true, true)), ["cmake", "memory"]);
    assert_eq!(needed(Device::Iphone, false, false), []);

    let DoctorError::Needs(problems) = require(android).unwrap_err() else { panic!() };
    assert_eq!(checks(&problems), ["cmake", "ndk", "jdk"]);
    let warnings = require(needed(Device::Android, true, false)).unwrap();
    assert_eq!(checks(&warnings), ["memory"]);
}

#[test]
fn the_target_of_mac_catalyst_follows_its_processor() {
    let x86_64 = AppleChoices { macabi_arch: MacabiArch::X86_64, ..AppleChoices::default() };
    let findings = report(&good(), Some(Device::Macabi), x86_64).findings;
    let target = findings.iter().find(|finding| finding.check == "rust-target").unwrap();
    assert_eq!(target.status, Status::Warning);
    assert!(target.message.starts_with("x86_64-apple-ios-macabi is not installed"));
}

#[test]
fn without_a_metal_compiler_kernels_stay_source_unless_a_metallib_is_asked_for() {
    let mut without = good();
    let xcode = without.xcode.as_mut().unwrap();
    (xcode.version, xcode.metal_runs) = (Some("Xcode 26.1".to_owned()), false);
    let linux = Facts { host: Host::Linux, xcode: None, ..good() };
    for (facts, remedy) in
        [(&without, "downloadComponent MetalToolchain"), (&linux, "--metal source")]
    {
        let metal = |choice| {
            let apple = AppleChoices { metal: choice, ..AppleChoices::default() };
            let findings = report(facts, Some(Device::Iphone), apple).findings;
            findings.into_iter().find(|finding| finding.check == "metal").unwrap()
        };
        for choice in [MetalChoice::Auto, MetalChoice::Source] {
            let finding = metal(choice);
            assert_eq!(finding.status, Status::Ok, "{finding:?}");
            assert!(finding.message.contains("the phone compiles each kernel"), "{finding:?}");
        }
        let finding = metal(MetalChoice::Metallib);
        assert_eq!(finding.status, Status::Problem);
        assert!(finding.help.as_deref().unwrap().contains(remedy), "{finding:?}");
    }
}
