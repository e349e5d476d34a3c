//! Compilers that do something else than compile.

use crate::scene::{Scene, python};
use crate::tree;

/// A scene in which a package was built, and one of its models has to be compiled again.
fn scene_with_dist() -> Scene {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    scene.edit(
        "app/models/one/mlc-chat-config.json",
        "\"active_vocab_size\": 16",
        "\"active_vocab_size\": 15",
    );
    scene
}

/// What every failure must leave: the package and the store as they were, nothing half-done.
fn fails(scene: &Scene, call: crate::call::Call<'_>, code: i32) -> String {
    let (dist, entries) = (tree::state(&scene.dist()), scene.entries());
    let run = call.fails(code);
    assert_eq!(tree::state(&scene.dist()), dist, "{}", run.shown());
    assert_eq!(scene.entries(), entries, "{}", run.shown());
    assert_eq!(scene.leftovers(), [""; 0], "{}", run.shown());
    run.shown()
}

#[test]
fn long_work_shows_itself_where_nothing_moves() {
    let scene = Scene::new("android");
    let (go, log) = (scene.root.join("go"), scene.root.join("log"));
    let build = scene.build(&["--jobs", "2"]).env("STAND_IN_WAIT", &go);
    let run =
        build.env("MLC_PACKAGE_HEARTBEAT", "1").through_shell(&format!("\"$@\" 2>{log}")).spawn();
    let said = || fs_err::read_to_string(&log).unwrap_or_default();
    crate::call::wait_for("a line", || {
        (said().contains("   Compiling ") && said().contains(" s so far)")).then_some(())
    });
    fs_err::write(&go, "").unwrap();
    run.wait().code(0);
    let said = said();
    assert!(said.contains("(1 of 2)") && said.contains("(2 of 2)"), "{said}");
    assert!(said.contains("one-q0f16 (1 of 2; ") || said.contains("one-q0f16 (2 of 2; "), "{said}");
    assert!(said.contains("    Compiled 2 libraries in "), "{said}");
}

#[test]
fn long_work_says_how_long_it_is_expected_to_take() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    for entry in scene.entries() {
        let path = entry.join("record.json");
        let text = fs_err::read_to_string(&path).unwrap();
        let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
        record["seconds"] = 600.into();
        fs_err::write(&path, record.to_string()).unwrap();
    }
    let (go, log) = (scene.root.join("go"), scene.root.join("log"));
    let build = scene.build(&["--jobs", "2"]).env("STAND_IN_WAIT", &go);
    let build = build.env("MLC_JIT_POLICY", "REDO").env("MLC_PACKAGE_HEARTBEAT", "1");
    let run = build.through_shell(&format!("\"$@\" 2>{log}")).spawn();
    let said = || fs_err::read_to_string(&log).unwrap_or_default();
    crate::call::wait_for("a line", || {
        let said = said();
        let mut lines = said
            .lines()
            .filter(|line| line.starts_with("   Compiling ") && line.contains(" so far)"));
        lines.any(|line| line.contains(" of 2, about 10 min; ")).then_some(())
    });
    fs_err::write(&go, "").unwrap();
    run.wait().code(0);
    let said = said();
    assert!(said.contains("Compiling 2 libraries, 2 at a time (about 10 min)"), "{said}");
}

#[test]
fn whatever_a_compiler_does_instead_is_said_and_nothing_of_it_is_kept() {
    let scene = scene_with_dist();
    for behaviour in [
        "exit-1",
        "die",
        "no-output",
        "empty",
        "directory",
        "garbage",
        "truncated",
        "old-tvm",
        "other-device",
        "other-prefix",
    ] {
        let shown = fails(&scene, scene.build(&[]).env("STAND_IN", behaviour), 12);
        insta::assert_snapshot!(format!("compiler_{behaviour}"), shown);
    }
    scene.build(&[]).ok().says("1 compiled, 1 cached");
}

#[test]
fn a_library_of_another_model_is_refused() {
    let scene = Scene::with_models("android", &["one"]);
    let config = "app/models/one/mlc-chat-config.json";
    scene.edit(config, "\"model_type\": \"linear\"", "\"model_type\": \"llama\"");
    let run = scene.build(&[]).fails(12);
    insta::assert_snapshot!("compiler_other_model", run.shown());
    assert!(!scene.dist().exists() && scene.entries().is_empty());
}

#[test]
fn the_log_of_a_failure_is_kept_whole() {
    let scene = Scene::with_models("android", &["one"]);
    let run = scene.build(&[]).env("STAND_IN", "exit-1").fails(12);
    let path = run.stderr.lines().find_map(|line| line.trim().strip_prefix("log: ")).unwrap();
    let log = fs_err::read_to_string(path).unwrap();
    assert!(log.starts_with("compiling one_layer_ for android\n"), "{log}");
    // Both streams, in the order they came.
    assert!(log.ends_with("in <module>\nValueError: Cannot find quantization: q5\n"), "{log}");
    assert!(path.starts_with(scene.cache().join("logs").as_str()), "{path}");
}

#[test]
fn the_others_are_finished_and_kept_when_one_fails() {
    let scene = Scene::new("android");
    let call = scene.build(&["--jobs", "2"]).env("STAND_IN", "exit-1");
    call.env("STAND_IN_ONLY", "other_layer")
        .fails(12)
        .says("other_layer")
        .never_says("`one_layer`");
    assert!(!scene.dist().exists());
    // Also one at a time, and every failure is told.
    let calls = scene.compilations().len();
    let call =
        scene.build(&["--jobs", "1"]).env("STAND_IN", "exit-1").env("MLC_JIT_POLICY", "REDO");
    let mut run = call.fails(12);
    assert_eq!(scene.compilations().len(), calls + 2);
    for (model, library) in [("one-q0f16", "one_layer"), ("other-q0f16", "other_layer")] {
        run = run.says(&format!(
            "error: model {model}: failed to compile `{library}`: the compiler exited with code 1: \
             ValueError: Cannot find quantization: q5"
        ));
    }
}

#[test]
fn logs_of_what_failed_are_copied_to_where_they_are_wanted() {
    let scene = Scene::new("android");
    let redo = || scene.build(&["--log-dir", "logs"]).env("MLC_JIT_POLICY", "REDO");
    redo().ok();
    assert!(!scene.app().join("logs").exists());
    redo().env("STAND_IN", "exit-1").env("STAND_IN_ONLY", "other_layer").fails(12);
    redo().env("STAND_IN", "exit-1").fails(12);
    let logs = crate::tree::names(&scene.app().join("logs"));
    assert_eq!(logs.len(), 3, "{logs:?}");
    for log in logs {
        let log = fs_err::read_to_string(scene.app().join("logs").join(log)).unwrap();
        assert!(log.ends_with("ValueError: Cannot find quantization: q5\n"), "{log}");
    }
}

#[test]
fn as_many_are_compiled_at_a_time_as_are_asked_for() {
    for (jobs, at_a_time) in [("2", 2), ("1", 1)] {
        let scene = Scene::new("android");
        let go = scene.root.join("go");
        let run = scene.build(&["--jobs", jobs]).env("STAND_IN_WAIT", go).spawn();
        crate::call::wait_for("the compilers", || {
            (scene.compilations().len() == at_a_time).then_some(())
        });
        // Time for one too many to begin.
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(scene.compilations().len(), at_a_time);
        scene.write("go", "");
        run.wait().code(0).says("2 compiled");
    }
}

#[test]
fn a_compiler_that_hangs_is_ended_with_its_children() {
    let scene = scene_with_dist();
    let call = scene.build(&["--compile-timeout", "1"]).env("STAND_IN", "hang");
    let shown = fails(&scene, call, 12);
    insta::assert_snapshot!("compiler_hangs", shown);
    for pid in scene.waiting() {
        assert!(!crate::scene::is_alive(pid));
    }
}

#[test]
fn a_hundred_megabytes_of_output_are_bounded_on_disk_and_in_memory() {
    let scene = Scene::with_models("android", &["one"]);
    let go = scene.root.join("go");
    let run = scene.build(&[]).env("STAND_IN", "flood").env("STAND_IN_WAIT", &go).spawn();
    scene.waiting();
    if cfg!(target_os = "linux") {
        let status = fs_err::read_to_string(format!("/proc/{}/status", run.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes < 64 << 10, "{peak}");
    }
    scene.write("go", "");
    let run = run.wait().code(12).says("| the last line\n");
    assert!(run.stderr.len() < 20_000);
    let logs = scene.cache().join("logs");
    let [log] = tree::names(&logs).try_into().unwrap();
    let log = fs_err::read_to_string(logs.join(log)).unwrap();
    assert!(log.len() < 6 << 20, "{} bytes", log.len());
    assert!(log.starts_with("compiling one_layer_ for android\n"));
    assert!(log.contains("[mlc-package left out "));
}

#[test]
fn a_missing_python_is_said() {
    let scene = Scene::with_models("android", &["one"]);
    let shown = scene.build(&["--python", "/nonexistent/python"]).fails(12).shown();
    insta::assert_snapshot!("python_asked_for", shown);
    fs_err::create_dir(scene.root.join("bin")).unwrap();
    let none = |call: crate::call::Call<'_>| {
        call.without("MLC_PACKAGE_PYTHON").env("PATH", scene.root.join("bin")).fails(12).shown()
    };
    insta::assert_snapshot!("python_not_on_path", none(scene.build(&[])));
    // The virtual environment comes before PATH.
    fs_err::create_dir_all(scene.root.join("venv/bin")).unwrap();
    fs_err::os::unix::fs::symlink(python(), scene.root.join("venv/bin/python")).unwrap();
    let call = scene.build(&[]).without("MLC_PACKAGE_PYTHON");
    call.env("PATH", "").env("VIRTUAL_ENV", scene.root.join("venv")).ok();
}

#[test]
fn a_python_without_the_compiler_is_said() {
    let scene = Scene::with_models("android", &["one"]);
    for call in [scene.build(&[]), scene.plan(&[])] {
        let isolated = call.env("PYTHONPATH", "").env("PYTHONNOUSERSITE", "1");
        insta::assert_snapshot!("no_mlc_llm", isolated.fails(12).shown());
    }
    // The dummies of PyPI have the name and not the module.
    scene.own_compiler();
    fs_err::remove_dir_all(scene.root.join("compiler/mlc_llm")).unwrap();
    let info = "compiler/mlc_llm_nightly_cpu-0.20.0.dist-info";
    fs_err::remove_dir_all(scene.root.join(info)).unwrap();
    scene.write(
        "compiler/mlc_llm-0.1.1.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: mlc-llm\nVersion: 0.1.1\n",
    );
    insta::assert_snapshot!("placeholder", scene.build(&[]).fails(12).shown());
}

#[test]
fn something_that_is_no_python_is_said() {
    let scene = Scene::with_models("android", &["one"]);
    for (name, script) in [("silent", "exit 0"), ("failing", "echo no; exit 3")] {
        let path = scene.write(name, format!("#!/bin/sh\n{script}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(&path, mode).unwrap();
        let shown = scene.build(&["--python", path.as_str()]).fails(12).shown();
        insta::assert_snapshot!(format!("python_{name}"), shown);
    }
    let text = scene.write("text", "hello");
    scene.build(&["--python", text.as_str()]).fails(12).says("found no executable");
}

#[test]
fn logs_of_failures_do_not_pile_up() {
    let scene = Scene::with_models("android", &["one"]);
    for n in 0..23 {
        scene.write(&format!("home/.cache/mlc-package/logs/20200101T0000{n:02}Z-x.log"), "");
    }
    scene.build(&[]).env("STAND_IN", "exit-1").fails(12);
    assert_eq!(tree::names(&scene.cache().join("logs")).len(), 20);
}
