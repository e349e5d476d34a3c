//! A package as a release, and back.

use super::github::{Fault, Github};
use super::package::{self, Scene as Package};
use super::scene::Scene;

/// A package in `built/`, and a job beside it.
fn scenes(github: &Github) -> (Scene, Package, package::Tree, String) {
    let (package, tree) = Package::with_package();
    let output = format!("--output={}", package.path("built"));
    let mut scene = Scene::new(github);
    scene.set("GITHUB_SERVER_URL", &github.url());
    (scene, package, tree, output)
}

#[test]
fn a_package_comes_back_from_its_release_byte_for_byte() {
    let github = Github::sound();
    let (scene, package, tree, output) = scenes(&github);
    scene.write("report.html", b"<html></html>");
    scene.run(&["publish", "--tag=v1", &output, "--file=report.html"], 0);
    let release = github.only_release();
    let mut names: Vec<_> = release.assets.iter().map(|asset| asset.name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "SHA256SUMS",
        "app-android-assets.json",
        "app-android-lib.tar.zst",
        "app-android-manifest.json",
        "app-android-my.model-906ce4d3.tar.zst",
        "app-android-phi-2.tar.zst",
        "report.html",
    ];
    assert_eq!(names, expected);
    // What every run makes again lies about nowhere.
    package.is_tidy();

    let url = format!("{}/octo/app/releases/download/v1/app-android-assets.json", github.url());
    scene.run(&["unpack", &url], 0);
    assert_eq!(package::read(&scene.root.join("dist")), tree);

    github.forget();
    scene.run(&["publish", "--tag=v1", &output, "--file=report.html"], 0);
    assert_eq!(github.uploads(), [""; 0], "the same package is the same bytes");
}

#[test]
fn archives_stay_until_they_are_up() {
    let done = std::sync::atomic::AtomicBool::new(false);
    let github = Github::new(move |seen, _| {
        let upload = seen.method == "POST" && seen.path.ends_with("/assets");
        let fault = || Fault::Refuse(403, vec![], "Resource not accessible by integration");
        (upload && !done.swap(true, std::sync::atomic::Ordering::SeqCst)).then(fault)
    });
    let (scene, package, _, output) = scenes(&github);
    scene.run(&["publish", "--tag=v1", &output], 15);
    let staging = package.path(".built-assets");
    assert!(staging.join("app-android-lib.tar.zst").exists());
    let run = scene.run(&["publish", "--tag=v1", &output, "-v"], 0);
    assert!(run.says("app-android-lib.tar.zst before") == 1, "packed again: {}", run.stderr);
    assert!(!staging.exists());
}

#[test]
fn another_name_compression_and_place_are_what_was_asked_for() {
    let github = Github::sound();
    let (scene, _package, _, output) = scenes(&github);
    let arguments =
        ["publish", "--tag=v1", &output, "--name=chat", "--compression=gzip", "--staging=packed"];
    scene.run(&arguments, 0);
    let release = github.only_release();
    assert!(release.assets.iter().any(|asset| asset.name == "chat-android-lib.tar.gz"));
    assert!(scene.root.join("packed/android/chat-android-lib.tar.gz").exists());
}

#[test]
fn a_directory_that_is_no_package_is_said_to_be_none() {
    let github = Github::sound();
    let scene = Scene::new(&github);
    let run = scene.run(&["publish", "--tag=v1"], 15);
    assert!(run.stderr.contains("`dist` is no dist/"), "{}", run.stderr);
    assert!(github.store().seen.is_empty());
}

#[test]
fn sizes_are_compared_with_the_latest_release_and_with_an_address() {
    let github = Github::sound();
    let (scene, package, _, output) = scenes(&github);
    let report = |baseline: &str| {
        let manifest = format!("--manifest={}", package.path("built"));
        scene.run(&["report", &manifest, &format!("--baseline={baseline}")], 0)
    };
    // The first release has nothing to be compared with.
    let run = report("latest-release");
    assert!(run.stdout.contains("no baseline") && run.stderr.is_empty(), "{run:?}");
    scene.run(&["publish", "--tag=v1", &output], 0);
    let run = report("latest-release");
    assert!(!run.stdout.contains("no baseline"), "{run:?}");
    let release = github.only_release();
    let is_manifest = |name: &str| name == "app-android-manifest.json";
    let asset = release.assets.iter().find(|asset| is_manifest(&asset.name)).unwrap();
    let run = report(&format!("{}/storage/{}", github.state.storage, asset.id));
    assert!(!run.stdout.contains("no baseline"), "{run:?}");
    // What cannot be had is no reason to fail.
    let run = report(&format!("{}/nowhere.json", github.url()));
    assert!(run.stdout.contains("no baseline"), "{run:?}");
    assert!(run.stderr.contains("warning: reported without the baseline `http://"), "{run:?}");
}

#[test]
fn without_a_repository_the_latest_release_is_no_baseline() {
    let github = Github::sound();
    let (mut scene, package, _, _) = scenes(&github);
    scene.unset("GITHUB_REPOSITORY");
    let manifest = format!("--manifest={}", package.path("built"));
    let run = scene.run(&["report", &manifest, "--baseline=latest-release"], 0);
    assert!(run.stdout.contains("no baseline"), "{run:?}");
    assert!(run.stderr.contains("GITHUB_REPOSITORY is not set"), "{run:?}");
}
