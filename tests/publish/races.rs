//! Runs that are killed, and two at once.

use std::sync::{Arc, OnceLock};

use super::github::{Fault, Github, State};
use super::scene::{Run, Scene, bytes, until};

const FILES: [&str; 5] = ["publish", "--tag=v1", "--file=a.bin", "--file=b.bin", "--file=c.bin"];

fn scene(github: &Github) -> Scene {
    let scene = Scene::new(github);
    for (name, seed) in [("a.bin", 1), ("b.bin", 2), ("c.bin", 3)] {
        scene.write(name, &bytes(900_000, seed));
    }
    scene
}

fn assert_whole(github: &Github) {
    let release = github.only_release();
    assert!(!release.draft);
    let mut names: Vec<_> = release.assets.iter().map(|asset| asset.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["SHA256SUMS", "a.bin", "b.bin", "c.bin"]);
    assert!(release.assets.iter().all(|asset| asset.state == "uploaded"), "{release:?}");
}

#[test]
fn a_killed_run_is_completed_by_the_next() {
    // The first upload of b never ends.
    let github = Github::new(|seen, _| {
        let of_b = seen.query.iter().any(|(_, value)| value == "b.bin");
        let first = || {
            static DONE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
            !DONE.swap(true, std::sync::atomic::Ordering::SeqCst)
        };
        (seen.method == "POST" && of_b && first()).then_some(Fault::Hang(300_000))
    });
    let scene = scene(&github);
    let mut child = scene.spawn(&FILES);
    let state = |name: &str| {
        let store = github.store();
        let asset = store.releases.first()?.assets.iter().find(|asset| asset.name == name)?;
        Some(asset.state)
    };
    until("the upload that hangs, and the others", || {
        state("b.bin") == Some("open")
            && ["a.bin", "c.bin"].iter().all(|name| state(name) == Some("uploaded"))
    });
    // On Unix this is SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(github.only_release().draft, "nothing is published by halves");
    github.forget();
    scene.run(&FILES, 0);
    assert_whole(&github);
    assert_eq!(github.uploads(), ["SHA256SUMS", "b.bin"], "what was up was sent again");
}

#[test]
fn a_run_is_interrupted_at_once_and_says_so() {
    let github = Github::new(|seen, _| {
        (seen.method == "POST" && seen.path.ends_with("/assets")).then_some(Fault::Hang(1))
    });
    let scene = scene(&github);
    let child = scene.spawn(&FILES);
    until("an upload", || !github.uploads().is_empty());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(130), "{}", run.stderr);
    assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
    assert!(run.stderr.contains("the draft of `v1` with what is up"), "{}", run.stderr);
    assert!(github.only_release().draft);
}

#[test]
fn two_runs_at_once_make_one_release_with_every_file_once() {
    for _ in 0..5 {
        let github = Github::sound();
        let scene = scene(&github);
        let children = [scene.spawn(&FILES), scene.spawn(&FILES)];
        for child in children {
            let run = Run::of(child.wait_with_output().unwrap());
            assert_eq!(run.code, Some(0), "{}", run.stderr);
        }
        assert_whole(&github);
    }
}

#[test]
fn a_draft_that_another_run_made_first_is_the_one() {
    // Between our look at the list and our own draft, another run makes one.
    let state: Arc<OnceLock<Arc<State>>> = Arc::default();
    let shared = state.clone();
    let github = Github::new(move |seen, _| {
        if seen.method == "POST" && seen.path.ends_with("/releases") {
            shared.get().unwrap().store().release("v1", true);
        }
        None
    });
    assert!(state.set(github.state.clone()).is_ok());
    let scene = scene(&github);
    scene.run(&FILES, 0);
    assert_whole(&github);
    assert_eq!(github.only_release().id, 1, "the older one counts");
}

#[test]
fn a_release_that_another_run_publishes_first_is_filled() {
    // Of two drafts, another run publishes the one that we do not fill.
    let state: Arc<OnceLock<Arc<State>>> = Arc::default();
    let shared = state.clone();
    let github = Github::new(move |seen, nth| {
        if seen.method == "PATCH" && nth == 0 {
            shared.get().unwrap().store().release("v1", false);
        }
        None
    });
    assert!(state.set(github.state.clone()).is_ok());
    let scene = scene(&github);
    scene.run(&FILES, 0);
    // Ours was of use to nobody, and is gone.
    assert_whole(&github);
}

#[test]
fn two_runs_with_other_files_do_not_replace_each_others_for_ever() {
    // When everything is up, another run replaces a file by its own.
    let state: Arc<OnceLock<Arc<State>>> = Arc::default();
    let shared = state.clone();
    let github = Github::new(move |seen, nth| {
        if seen.method == "GET" && seen.path.ends_with("/assets") && nth == 1 {
            let mut store = shared.get().unwrap().store();
            let id = store.releases[0].id;
            store.releases[0].assets.retain(|asset| asset.name != "b.bin");
            store.asset(id, "b.bin", b"another build", "uploaded");
        }
        None
    });
    assert!(state.set(github.state.clone()).is_ok());
    let scene = scene(&github);
    let run = scene.run(&FILES, 15);
    assert!(run.stderr.contains("`b.bin` in the release `v1` was replaced"), "{}", run.stderr);
    assert!(run.stderr.contains("concurrency:"), "{}", run.stderr);
    assert!(github.only_release().draft);
}
