//! Where results go: standard output, and files that are named.

use crate::scene::Scene;
use crate::tree;

#[test]
fn a_standard_output_that_cannot_be_written_to_is_named() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    for arguments in [
        &["plan", "--no-binding"][..],
        &["check"],
        &["schema"],
        &["completions", "bash"],
        &["completions", "man"],
        &["report", "--format", "html"],
        &["inspect", "dist"],
        &["cache", "list"],
    ] {
        let full = scene.call(arguments).through_shell("exec \"$@\" >/dev/full").fails(1);
        full.says("error: failed to write to standard output: No space left on device");
    }
}

#[test]
fn a_pipe_is_written_into_and_stays_a_pipe() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    let script = "mkfifo pipe && { cat pipe & } && \"$@\"; code=$?; wait; exit $code";
    let call = scene.call(&["report", "--format", "json", "-o", "pipe"]).through_shell(script);
    let run = call.ok().says("Wrote pipe (");
    assert_eq!(run.json()["schema"], 1);
    let is_pipe = || {
        use std::os::unix::fs::FileTypeExt as _;
        fs_err::symlink_metadata(scene.app().join("pipe")).unwrap().file_type().is_fifo()
    };
    assert!(is_pipe());
    // What is made beside its place is not put over one.
    fs_err::rename(scene.app().join("pipe"), scene.app().join("pipe.tar")).unwrap();
    let compile = ["compile", "models/one", "--device", "android", "-o", "pipe.tar"];
    let run = scene.call(&compile).fails(2);
    run.says("error: --output: cannot replace `pipe.tar`: it is a device or a pipe");
    fs_err::rename(scene.app().join("pipe.tar"), scene.app().join("pipe")).unwrap();
    assert!(is_pipe());
}

#[test]
fn a_report_goes_through_a_link_into_the_file_that_is_meant() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    scene.write("elsewhere/report.html", "old");
    let link = scene.app().join("report.html");
    fs_err::os::unix::fs::symlink("../elsewhere/report.html", &link).unwrap();
    scene.call(&["report", "--format", "html", "-o", "report.html"]).ok();
    assert!(link.is_symlink());
    assert!(scene.read("elsewhere/report.html").starts_with("<!doctype html>"));
    assert_eq!(tree::names(&scene.root.join("elsewhere")), ["report.html"]);
}

#[test]
fn why_a_report_cannot_be_written_is_said() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    let report = |output: &str| scene.call(&["report", "-o", output]).fails(1);
    report("absent/r.txt").says("failed to create `absent/r.txt`: there is no directory `absent`");
    report("models").says("cannot replace `models`: it is a directory");
    assert!(scene.app().join("models/one/mlc-chat-config.json").is_file());
}
