//! What people and programs read.

use crate::scene::Scene;

#[test]
fn what_people_read() {
    let scene = Scene::new("android");
    insta::assert_snapshot!("plan_cold", scene.plan(&[]).ok().shown());
    let build = scene.build(&["--jobs", "1"]).ok();
    insta::assert_snapshot!("build_cold", build.shown());
    insta::assert_snapshot!("build_warm", scene.build(&[]).ok().shown());
    insta::assert_snapshot!("plan_warm", scene.plan(&[]).ok().shown());
    insta::assert_snapshot!("inspect_dist", scene.call(&["inspect", "dist"]).ok().shown());
    let archive = "dist/lib/libmodel_android.a";
    let all = scene.call(&["inspect", archive, "--all"]).ok();
    insta::assert_snapshot!("inspect_all", all.shown());
    let verbose = scene.build(&["--verbose", "--jobs", "1"]).env("MLC_JIT_POLICY", "REDO").ok();
    insta::assert_snapshot!("build_verbose", verbose.shown());
}

#[test]
fn an_apple_library_is_read_too() {
    let scene = Scene::with_models("iphone", &[]);
    scene.library("iphone", "app/one.tar");
    insta::assert_snapshot!("inspect_iphone", scene.call(&["inspect", "one.tar"]).ok().shown());
}

#[test]
fn a_library_that_cannot_be_read_does_not_hide_the_others() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    let archive = scene.dist().join("lib/libmodel_android.a");
    let mut bytes = fs_err::read(&archive).unwrap();
    let magic = 0xD225_DE2F_4214_151E_u64.to_le_bytes();
    let last = bytes.windows(8).rposition(|window| window == magic).unwrap();
    bytes[last] ^= 1;
    fs_err::write(&archive, bytes).unwrap();
    let run = scene.call(&["inspect", "dist"]).fails(13);
    insta::assert_snapshot!("inspect_unreadable", run.shown());
    let json = scene.call(&["inspect", "dist", "--format", "json"]).fails(13).json();
    assert_eq!(json["libraries"].as_array().unwrap().len(), 1);
    assert_eq!(json["unreadable"][0]["model_lib"], "other_layer");
}

#[test]
fn why_the_memory_cannot_be_told_is_said() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    let archive = scene.dist().join("lib/libmodel_android.a");
    let mut bytes = fs_err::read(&archive).unwrap();
    let at = bytes.windows(7).position(|window| window == b"\"q0f16\"").unwrap();
    bytes[at..at + 7].copy_from_slice(b"\"q0int\"");
    fs_err::write(&archive, bytes).unwrap();
    let run = scene.call(&["inspect", "dist/lib/libmodel_android.a"]).ok();
    let run = run.says("memory      unknown: quantization `q0int` names no element type");
    run.never_says("--chat-config");
}

#[test]
fn programs_get_json() {
    let scene = Scene::new("android");
    let json = |arguments: &[&str]| {
        let run = scene.call(&[arguments, &["--format", "json", "-q"]].concat()).ok();
        assert_eq!(run.stderr, "", "{arguments:?}");
        run.json()
    };
    let plan = json(&["plan"]);
    assert_eq!(plan["schema"], 1);
    assert_eq!(plan["libraries"][0]["inputs"]["compiler"]["tvm"]["version"], "0.26.0");
    assert_eq!(plan["models"][1]["bundle"]["files"], 4);
    let manifest = json(&["build", "--no-binding"]);
    assert_eq!(manifest["libraries"][1]["fingerprint"], plan["libraries"][1]["fingerprint"]);
    let inspection = json(&["inspect", "dist"]);
    assert_eq!(inspection["device"], "android");
    assert_eq!(inspection["libraries"][0]["prefix"], "one_layer_");
    assert_eq!(inspection["libraries"][1]["metadata"]["model_type"], "linear");
    assert_eq!(json(&["check"])["errors"], 0);
}

#[test]
fn help_of_every_verb() {
    let scene = Scene::with_models("android", &[]);
    let top = scene.call(&["--help"]).ok();
    let verbs = [
        "init",
        "build",
        "compile",
        "convert",
        "check",
        "plan",
        "lock",
        "doctor",
        "try",
        "inspect",
        "report",
        "publish",
        "unpack",
        "cache",
        "explain",
        "schema",
        "completions",
    ];
    for verb in verbs {
        assert!(top.stdout.contains(&format!("\n  {verb} ")), "{}", top.shown());
        let help = scene.call(&[verb, "--help"]).ok();
        insta::assert_snapshot!(format!("help_{verb}"), help.shown());
    }
    insta::assert_snapshot!("help", top.shown());
    let version = scene.call(&["--version"]).ok();
    assert_eq!(version.stdout, format!("mlc-package {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_are_scripts_that_ask_the_program_and_the_manual_knows_the_verbs() {
    let scene = Scene::with_models("android", &[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = scene.call(&["completions", shell]).ok().stdout;
        assert!(script.contains("COMPLETE") && script.contains("mlc-package"), "{shell}");
    }
    let manual = scene.call(&["completions", "man"]).ok().stdout;
    assert!(manual.contains("inspect") && manual.contains("mlc-package"), "{manual}");
}

#[test]
fn mistakes_on_the_command_line() {
    let scene = Scene::with_models("android", &[]);
    for (name, arguments) in [
        ("typo", &["bulid"][..]),
        ("no_verb", &[]),
        ("typo_in_option", &["build", "--no-bindings"]),
        ("bad_link_mode", &["build", "--link-mode", "symlink"]),
        ("no_jobs", &["build", "--jobs", "0"]),
        ("no_time", &["build", "--compile-timeout", "0"]),
        ("inspect_nothing", &["inspect", "absent.tar"]),
        ("inspect_no_dist", &["inspect", "models"]),
    ] {
        fs_err::create_dir_all(scene.app().join("models")).unwrap();
        let run = scene.call(arguments).run().code(2);
        insta::assert_snapshot!(format!("mistake_{name}"), run.shown());
    }
}

#[test]
fn what_is_no_library_is_not_inspected() {
    let scene = Scene::with_models("android", &["one"]);
    scene.write("app/text.tar", "hello");
    let run = scene.call(&["inspect", "text.tar"]).fails(13);
    insta::assert_snapshot!("inspect_text", run.shown());
    scene.build(&[]).ok();
    scene.write("app/dist/mlc-package-manifest.json", "{");
    // The archive is there all the same.
    let run = scene.call(&["inspect", "dist"]).ok().says("model       linear q0f16");
    run.says("warning: `dist/mlc-package-manifest.json` cannot be used: EOF");
}

#[test]
fn in_a_job_of_github_the_compilers_log_is_folded_and_its_commands_are_not_obeyed() {
    let scene = Scene::with_models("android", &["one"]);
    for (behaviour, code) in [("", 0), ("exit-1", 12)] {
        let build = scene.build(&[]).env("GITHUB_ACTIONS", "true").env("MLC_JIT_POLICY", "REDO");
        let run = build.env("STAND_IN", behaviour).run().code(code);
        let lines: Vec<_> = run.stderr.lines().collect();
        let at = |text: &str| {
            let found = lines.iter().position(|line| line.starts_with(text));
            found.unwrap_or_else(|| panic!("{text}\n{}", run.shown()))
        };
        let stop = at("::stop-commands::");
        let word = lines[stop].strip_prefix("::stop-commands::").unwrap();
        let hostile = at("::error::not a command of ours");
        assert!(lines[stop - 1].starts_with("::group::compiler log of one"), "{}", run.shown());
        assert!(stop < hostile && hostile < at(&format!("::{word}::")));
        assert_eq!(lines[at(&format!("::{word}::")) + 1], "::endgroup::");
        // Outside of the group, no line of the log is a command either.
        let commands = lines.iter().filter(|line| line.trim_start().starts_with("::error"));
        let foreign = commands.clone().filter(|line| **line == lines[hostile]);
        assert_eq!(foreign.count(), 1, "{}", run.shown());
        // What failed is on the job's page, once.
        let told: Vec<_> = commands.filter(|line| **line != lines[hostile]).collect();
        let expected = "::error title=mlc-package::model one-q0f16: failed to compile `one_layer`: \
                        the compiler exited with code 1: ValueError: Cannot find quantization: q5";
        assert_eq!(told, if code == 0 { vec![] } else { vec![&expected] }, "{}", run.shown());
    }
    // Elsewhere the log is in its file alone.
    scene.build(&[]).env("MLC_JIT_POLICY", "REDO").ok().never_says("not a command of ours");
}

#[test]
fn a_name_of_a_stranger_is_no_command_and_steers_no_terminal() {
    let scene = Scene::with_models("android", &["one"]);
    let name = "one\n::error::mine\u{1b}[31m";
    fs_err::rename(scene.app().join("models/one"), scene.app().join("models").join(name)).unwrap();
    scene.configure(|config| config["model_list"][0]["model"] = format!("models/{name}").into());
    fs_err::remove_file(scene.app().join("models").join(name).join("params_shard_0.bin")).unwrap();
    let run = scene.build(&[]).env("GITHUB_ACTIONS", "true").fails(11);
    // The error, what to do, and both on the job's page.
    assert_eq!(run.stderr.lines().count(), 3, "{}", run.shown());
    assert!(!run.stderr.contains('\u{1b}'), "{}", run.shown());
    run.says(r"one\n::error::mine\u{1b}[31m");

    let run = scene.build(&["--nonsense"]).env("GITHUB_ACTIONS", "true").fails(2);
    run.says("\n::error title=mlc-package::unexpected argument '--nonsense' found\n");
}

#[test]
fn quiet_says_nothing_but_the_result() {
    let scene = Scene::with_models("android", &["one"]);
    let run = scene.build(&["-q"]).ok();
    assert_eq!(run.stderr, "");
    assert!(run.stdout.starts_with("dist: 1 model for android"), "{}", run.shown());
    scene.build(&["-q", "-v"]).fails(2);
    scene.build(&["-q"]).env("GITHUB_ACTIONS", "true").env("MLC_JIT_POLICY", "REDO").ok();
    let failed = scene.build(&["-q"]).env("STAND_IN", "exit-1").env("MLC_JIT_POLICY", "REDO");
    failed.fails(12).says("| ValueError: Cannot find quantization: q5");
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let scene = Scene::with_models("android", &["one"]);
    let escapes = |call: crate::call::Call<'_>| call.run().stderr.contains('\u{1b}');
    let redo = |more: &[&str]| scene.build(more).env("MLC_JIT_POLICY", "REDO");
    assert!(!escapes(redo(&[])));
    assert!(escapes(redo(&["--color", "always"])));
    assert!(!escapes(redo(&["--color", "never"]).env("CLICOLOR_FORCE", "1")));
    assert!(escapes(redo(&[]).env("CLICOLOR_FORCE", "1")));
    assert!(!escapes(redo(&[]).env("NO_COLOR", "1")));
    scene.configure(|config| config["device"] = "ios".into());
    assert!(escapes(redo(&["--color", "always"])));
    assert!(!escapes(redo(&[])));
}

#[test]
fn a_reader_that_has_enough_is_no_failure_and_a_full_disk_is_one() {
    let scene = Scene::with_models("android", &["one"]);
    // The reader is gone for sure when the program writes.
    let script = "{ sleep 0.1; \"$@\"; echo \"exit $?\" >&2; } | true";
    let piped = |call: crate::call::Call<'_>| call.through_shell(script).ok().stderr;
    assert_eq!(piped(scene.plan(&["--format", "json"])), "exit 0\n");
    assert_eq!(piped(scene.call(&["schema"])), "exit 0\n");
    assert_eq!(piped(scene.call(&["completions", "bash"])), "exit 0\n");
    assert!(piped(scene.build(&[])).ends_with("exit 0\n"));
    assert!(scene.dist().join("lib/libmodel_android.a").is_file());
    if cfg!(target_os = "linux") {
        let full = scene.plan(&[]).through_shell("\"$@\" >/dev/full").fails(1);
        full.says("No space left on device");
    }
}
