//! What people read.

use crate::machine::Machine;

#[test]
fn a_machine_that_has_everything_is_ready() {
    let machine = Machine::good();
    let run = machine.doctor(&["--device", "android"]).ok();
    insta::assert_snapshot!("good", Machine::shown(&run));
    assert_eq!(run.stderr, "");
}

#[test]
fn a_bare_machine_is_told_all_it_lacks() {
    let machine = Machine::bare();
    let run = machine.doctor(&["--device", "android"]).run().code(14);
    insta::assert_snapshot!("bare", Machine::shown(&run));
}

#[test]
fn old_and_broken_tools_are_named_with_the_remedy() {
    let machine = Machine::good();
    machine.tool("cmake", "echo cmake version 4.0.2");
    machine.tool("ninja", "exit 1");
    machine.tool("rustup", "exit 127");
    machine.ndk("ndk", "26.3.11579264");
    machine.jdk("jdk", "1.8.0_392");
    machine.ffi("mlc-llm", "0.2.0");
    let call = machine.doctor(&["--device", "android"]);
    let run = call.env("TVM_NDK_CC", "bin/aarch64-linux-android24-clang").run().code(14);
    insta::assert_snapshot!("broken", Machine::shown(&run));
}

#[test]
fn without_a_python_that_has_the_compiler_the_rest_is_told_all_the_same() {
    let machine = Machine::good();
    machine.scene.write("empty/x", "");
    let call = machine.doctor(&["--device", "android"]);
    let run = call.env("PYTHONPATH", machine.scene.root.join("empty")).run().code(14);
    let run = run.says("problem  python").says("has no module `mlc_llm`");
    let run = run.says("https://mlc.ai/wheels mlc-llm-nightly-cpu").says("ok       cmake");
    run.says("android  1 problem: python");
}

#[test]
fn the_empty_wheels_of_pypi_are_told_from_the_compiler() {
    let machine = Machine::good();
    let info = "site/mlc_llm-0.1.1.dist-info";
    let metadata = "Metadata-Version: 2.1\nName: mlc-llm\nVersion: 0.1.1\n";
    machine.scene.write(&format!("{info}/METADATA"), metadata);
    let call = machine.doctor(&[]).env("PYTHONPATH", machine.scene.root.join("site"));
    let run = call.run().code(14).says("mlc-llm 0.1.1 is a placeholder from PyPI");
    run.says("pip uninstall mlc-llm");
}

#[test]
fn sources_are_told_from_what_is_called_so() {
    let machine = Machine::good();
    let root = machine.scene.root.clone();
    machine.scene.write("cache/model_lib/x", "");
    machine.scene.write("file", "");
    machine.scene.write("other/x", "");
    for (dir, message) in [
        ("cache", "`[ROOT]/cache` is MLC LLM's cache, not its sources"),
        ("file", "`[ROOT]/file` is a file, not a directory"),
        ("other", "`[ROOT]/other` is not a source tree of MLC LLM"),
        ("absent", "there is no directory `[ROOT]/absent`"),
    ] {
        let call = machine.doctor(&["--device", "android"]);
        let run = call.env("MLC_LLM_SOURCE_DIR", root.join(dir)).run().code(14);
        run.says(message).says("1 problem for the binding: sources; --no-binding is ready");
    }
    let old = machine.doctor(&["--device", "android"]).without("MLC_LLM_SOURCE_DIR");
    let run = old.env("MLC_LLM_HOME", root.join("mlc-llm")).ok();
    run.says("warning  home").says("ok       sources       [ROOT]/mlc-llm, with its submodules");
}

#[test]
fn empty_submodules_are_named_however_deep_they_lie() {
    let machine = Machine::good();
    let ffi = machine.scene.root.join("mlc-llm/3rdparty/tvm/3rdparty/tvm-ffi");
    fs_err::remove_dir_all(&ffi).unwrap();
    fs_err::create_dir(&ffi).unwrap();
    let run = machine.doctor(&["--device", "android"]).run().code(14);
    // Tests' submodules may be absent.
    let run = run.never_says("googletest");
    let run = run.says("lacks its submodules 3rdparty/tvm/3rdparty/tvm-ffi");
    run.says("help: git -C [ROOT]/mlc-llm submodule update --init --recursive");
}

#[test]
fn sources_of_a_day_on_which_nothing_builds_are_a_problem() {
    let machine = Machine::good();
    let runtime = "#include <runtime/nvtx.cc>\n#include <runtime/module.cc>\n";
    machine.scene.write("mlc-llm/android/mlc4j/src/cpp/tvm_runtime.h", runtime);
    machine.scene.write("mlc-llm/3rdparty/tvm/src/runtime/module.cc", "");
    let run = machine.doctor(&["--device", "android"]).run().code(14);
    let run = run.says("problem  source-commit").says("includes `runtime/nvtx.cc`, which TVM does");
    let run = run.says("git -C \"$MLC_LLM_SOURCE_DIR\" checkout 1307bcae887f");
    run.says("1 problem for the binding: source-commit; --no-binding is ready");
    // Apple's libraries do not include it.
    let report = machine.doctor(&["--device", "iphone", "--format", "json"]).run().json();
    assert!(!report.to_string().contains("source-commit"), "{report}");
    machine.scene.write("mlc-llm/3rdparty/tvm/src/runtime/nvtx.cc", "");
    machine.doctor(&["--device", "android"]).ok().never_says("source-commit");
}

#[test]
fn an_ndk_and_a_jdk_that_are_not_named_are_found() {
    let machine = Machine::good();
    let root = machine.scene.root.clone();
    machine.ndk("sdk/ndk/9.0.1", "9.0.1");
    machine.ndk("sdk/ndk/28.0.1", "28.0.1");
    fs_err::os::unix::fs::symlink(root.join("jdk/bin/javac"), root.join("bin/javac")).unwrap();
    let call = machine.doctor(&["--device", "android"]).without("ANDROID_NDK").without("JAVA_HOME");
    let run = call.env("ANDROID_HOME", root.join("sdk")).run().code(14);
    let run = run.says("help: export ANDROID_NDK=[ROOT]/sdk/ndk/28.0.1");
    let run = run.says("21.0.4 in [ROOT]/jdk, found by `javac`");
    run.says("help: export JAVA_HOME=[ROOT]/jdk");
}

#[test]
fn a_tool_that_writes_nonsense_steers_no_terminal() {
    let machine = Machine::good();
    machine.tool("git", "printf '\\033[31mgit \\r::error::x\\nsecond line\\n'");
    let run = machine.doctor(&["--device", "android"]).ok();
    assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains("second line"));
    assert!(!run.stdout.lines().any(|line| line.starts_with("::")), "{}", run.shown());
}

#[test]
fn a_device_that_is_none_is_a_mistake_of_the_command_line() {
    let machine = Machine::bare();
    machine.doctor(&["--device", "ios"]).fails(2).says("unknown device \"ios\"");
}
