//! Ctrl-C, and kill -9 in each stage: what is left, and whether the next run gets through.

use std::time::Duration;

use rustix::process::Signal;

use crate::call::{Running, wait_for};
use crate::package::check_outputs;
use crate::scene::{Scene, is_alive};
use crate::tree;

/// The next run must find nothing of the killed one in its way.
fn recovers(scene: &Scene) {
    scene.build(&[]).ok();
    assert_eq!(scene.leftovers(), [""; 0]);
    let fresh = Scene::new("android");
    fresh.build(&[]).ok();
    let archive = "lib/libmodel_android.a";
    assert_eq!(tree::digest(scene.dist().join(archive)), tree::digest(fresh.dist().join(archive)));
    assert_eq!(tree::files(&scene.dist()), tree::files(&fresh.dist()));
}

/// A package of one model, and a config that has another one too.
fn scene_with_old_dist() -> Scene {
    let scene = Scene::new("android");
    scene.build(&["--only", "one-q0f16"]).ok();
    scene
}

#[test]
fn ctrl_c_ends_the_compiler_and_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM] {
        let scene = scene_with_old_dist();
        let before = (tree::state(&scene.dist()), scene.entries());
        let run = scene.build(&[]).env("STAND_IN", "hang").spawn();
        let processes = scene.waiting();
        assert!(processes.iter().all(|pid| is_alive(*pid)) && processes.len() == 2);
        run.signal(signal);
        let run = run.wait().code(130);
        assert_eq!(run.stderr, "   Compiling 1 of 2 libraries\nerror: interrupted\n");
        assert!(!processes.iter().any(|pid| is_alive(*pid)));
        assert_eq!((tree::state(&scene.dist()), scene.entries()), before);
        assert_eq!(scene.leftovers(), [""; 0]);
        recovers(&scene);
    }
}

#[test]
fn ctrl_c_is_said_once_of_several_compilers() {
    let scene = Scene::new("android");
    let run = scene.build(&["--jobs", "2"]).env("STAND_IN", "hang").spawn();
    wait_for("both compilers", || (scene.compilations().len() == 2).then_some(()));
    run.signal(Signal::INT);
    let run = run.wait().code(130);
    assert_eq!(
        run.stderr,
        "   Compiling 2 libraries, 2 at a time\nerror: interrupted\n",
        "{}",
        run.shown()
    );
}

#[test]
fn ctrl_c_while_python_is_asked_ends_it() {
    let scene = Scene::new("android");
    let go = scene.root.join("go");
    let run = scene.build(&[]).env("STAND_IN_PROBE_WAIT", go).spawn();
    let [python] = scene.waiting().try_into().unwrap();
    run.signal(Signal::INT);
    run.wait().code(130);
    assert!(!is_alive(python));
    assert_eq!(scene.leftovers(), [""; 0]);
    recovers(&scene);
}

#[test]
fn ctrl_c_while_another_compiles_ends_the_wait() {
    let scene = Scene::with_models("android", &["one"]);
    let go = scene.root.join("go");
    let first = scene.build(&["-o", "a"]).env("STAND_IN_WAIT", &go).spawn();
    scene.waiting();
    let second = scene.build(&["-o", "b"]).through_shell("exec \"$@\" 2>../second").spawn();
    wait_for("the second to wait", || {
        let said = fs_err::read_to_string(scene.root.join("second")).unwrap_or_default();
        said.contains("Waiting").then_some(())
    });
    second.signal(Signal::INT);
    second.wait().code(130);
    scene.write("go", "");
    first.wait().code(0);
    assert_eq!(tree::names(&scene.app()), ["a", "mlc-package-config.json", "models"]);
}

/// A pipe that nobody writes into, in the place of a config.
/// Standard input is a pipe that nobody writes into.
const SILENT: &str = "exec \"$@\" <>pipe";

fn with_a_silent_config() -> Scene {
    let scene = Scene::with_models("android", &[]);
    let config = scene.app().join("mlc-package-config.json");
    fs_err::remove_file(&config).unwrap();
    scene.call(&["pipe"]).through_shell("mkfifo pipe").ok();
    scene
}

#[test]
fn what_cannot_look_for_the_wish_to_stop_is_ended_by_the_signal() {
    use std::os::unix::process::ExitStatusExt as _;
    let scene = with_a_silent_config();
    let mut run = scene.call(&["check", "/dev/stdin"]).through_shell(SILENT).spawn();
    // It may be at its beginning still: then it is ended there.
    std::thread::sleep(Duration::from_millis(100));
    run.signal(Signal::TERM);
    wait_for("the end of check", || run.has_ended().then_some(()));
    assert_eq!(run.wait().status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn who_asks_again_and_again_is_not_kept_waiting() {
    use std::os::unix::process::ExitStatusExt as _;
    let scene = with_a_silent_config();
    let build = scene.build(&["--package-config", "/dev/stdin"]);
    let mut run = build.through_shell(SILENT).spawn();
    wait_for("the end of build", || {
        let ended = run.has_ended();
        if !ended {
            run.signal(Signal::INT);
        }
        ended.then_some(())
    });
    let status = run.wait().status;
    // The first may come before anybody listens to it.
    let at_once = status.signal() == Some(Signal::INT.as_raw());
    assert!(status.code() == Some(130) || at_once, "{status}");
}

/// Kills it as nothing can prepare for.
fn kill(run: Running<'_>) {
    run.signal(Signal::KILL);
    assert_eq!(run.wait().status.code(), None);
}

#[test]
fn killed_while_python_is_asked() {
    let scene = Scene::new("android");
    let go = scene.root.join("go");
    let run = scene.build(&[]).env("STAND_IN_PROBE_WAIT", go).spawn();
    let [python] = scene.waiting().try_into().unwrap();
    kill(run);
    // The stand-in ends with its caller; what the dead one had in /tmp is the system's.
    wait_for("the end of Python", || (!is_alive(python)).then_some(()));
    for name in tree::names(&scene.root.join("tmp")) {
        assert!(name.starts_with("mlc-package-"), "{name}");
        fs_err::remove_dir_all(scene.root.join("tmp").join(name)).unwrap();
    }
    recovers(&scene);
}

#[test]
fn killed_while_compiling() {
    let scene = scene_with_old_dist();
    let before = (tree::state(&scene.dist()), scene.entries());
    let go = scene.root.join("go");
    let run = scene.build(&[]).env("STAND_IN_WAIT", go).spawn();
    let [compiler] = scene.waiting().try_into().unwrap();
    kill(run);
    assert_eq!((tree::state(&scene.dist()), scene.entries()), before);
    assert_ne!(scene.leftovers(), [""; 0], "the entry in the making lies there");
    wait_for("the end of the compiler", || (!is_alive(compiler)).then_some(()));
    // The stand-in, seeing its caller gone, goes on and writes into the dead entry.
    recovers(&scene);
}

/// Stops a run while it assembles.
fn stopped_while_assembling(scene: &Scene) -> Running<'_> {
    let staging = || {
        let names = tree::names(&scene.app());
        names.into_iter().find(|name| name.starts_with(".dist.mlc-package-"))
    };
    // The store has everything: what takes time is the assembly.
    scene.build(&["-o", "warm"]).ok();
    fs_err::remove_dir_all(scene.app().join("warm")).unwrap();
    let mut files = 500;
    while files < 100_000 {
        for n in 0..files {
            scene.write(&format!("app/models/other/extra/{n}.txt"), format!("{n}"));
        }
        let mut run = scene.build(&["-q"]).spawn();
        while staging().is_none() && !run.has_ended() {}
        if !run.has_ended() {
            run.signal(Signal::STOP);
            if staging().is_some_and(|name| {
                !scene.app().join(name).join("mlc-package-manifest.json").exists()
            }) {
                return run;
            }
            run.signal(Signal::KILL);
        }
        drop(run.wait());
        fs_err::remove_dir_all(scene.dist()).unwrap();
        scene.build(&["--only", "one-q0f16"]).ok();
        files *= 2;
    }
    panic!("the assembly is never caught");
}

#[test]
fn killed_while_assembling() {
    let scene = scene_with_old_dist();
    let run = stopped_while_assembling(&scene);
    let before = tree::state(&scene.dist());
    kill(run);
    assert_eq!(tree::names(&scene.dist().join("bundle")), ["mlc-app-config.json", "one-q0f16"]);
    assert_eq!(tree::state(&scene.dist()), before, "the old package is as it was");
    assert_ne!(scene.leftovers(), [""; 0], "the next one lies beside it");
    fs_err::remove_dir_all(scene.app().join("models/other/extra")).unwrap();
    recovers(&scene);
}

/// While libraries are validated, while `dist/` is exchanged, while the old one is removed: it is
/// one package or the other, and whole.
#[test]
fn killed_at_any_moment_of_a_cached_build() {
    let scene = scene_with_old_dist();
    let one = tree::files(&scene.dist());
    scene.build(&[]).ok();
    let both = tree::files(&scene.dist());
    for millis in 0..40 {
        let only: &[&str] = if millis % 2 == 0 { &["--only", "one-q0f16"] } else { &[] };
        let run = scene.build(only).spawn();
        std::thread::sleep(Duration::from_millis(millis));
        run.signal(Signal::KILL);
        drop(run.wait());
        let found = tree::files(&scene.dist());
        assert!(found == one || found == both, "after {millis} ms: {found:?}");
        check_outputs(&scene, &scene.json("app/dist/mlc-package-manifest.json"));
    }
    recovers(&scene);
}

#[test]
fn ctrl_c_while_assembling_leaves_the_old_package() {
    let scene = scene_with_old_dist();
    let run = stopped_while_assembling(&scene);
    let before = tree::state(&scene.dist());
    run.signal(Signal::INT);
    run.signal(Signal::CONT);
    let run = run.wait().code(130);
    assert_eq!(run.stderr, "error: interrupted\n");
    assert_eq!(tree::state(&scene.dist()), before);
    assert_eq!(scene.leftovers(), [""; 0]);
}
