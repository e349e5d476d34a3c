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
    assert!(run.stderr.contains("`dist` is not a dist/"), "{}", run.stderr);
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
    // What was named and cannot be had is an error: limits on growth would hold no more.
    let manifest = format!("--manifest={}", package.path("built"));
    let nowhere = github.url().replace("http://", "http://me:pw@");
    let nowhere = format!("--baseline={nowhere}/nowhere.json?signature=secret");
    let run = scene.run(&["report", &manifest, &nowhere], 11);
    assert!(run.stderr.contains("error: the baseline `http://127.0.0.1"), "{run:?}");
    assert!(!run.stderr.contains("secret") && !run.stderr.contains("pw@"), "{run:?}");
    assert!(run.stdout.is_empty(), "{run:?}");
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

/// Two packages of a project, both for the same phone, built in `first/dist` and `second/dist`.
fn project(github: &Github, publish: &str) -> (Scene, Vec<package::Tree>) {
    let scene = Scene::new(github);
    let mut trees = Vec::new();
    for name in ["first", "second"] {
        let dist = scene.root.join(name).join("dist");
        trees.push(package::lay_out(&dist, &package::package(), &["phi-2", "my model"]));
        scene.write(&format!("{name}/config.json"), b"{}");
    }
    let packages = "packages: [{name: chat, config: first/config.json}, \
                    {name: Watch, config: second/config.json}]";
    scene.write("mlc-package.yml", format!("{packages}\npublish: {{{publish}}}\n").as_bytes());
    (scene, trees)
}

fn assets(github: &Github) -> Vec<String> {
    let mut names: Vec<_> =
        github.only_release().assets.iter().map(|asset| asset.name.clone()).collect();
    names.sort();
    names
}

#[test]
fn what_mlc_package_yml_says_is_published() {
    let github = Github::sound();
    let settings = "tag: v7, draft: true, prerelease: true, compression: gzip, comment: always, \
                    check: true";
    let (mut scene, _) = project(&github, settings);
    scene.of_pull_request();
    scene.run(&["publish"], 0);
    let release = github.only_release();
    assert_eq!(release.tag, "v7");
    assert!(release.draft && release.prerelease);
    let mut expected: Vec<_> = ["Watch", "chat"]
        .iter()
        .flat_map(|name| {
            let ends = ["assets.json", "lib.tar.gz", "manifest.json"];
            let models = ["my.model-906ce4d3.tar.gz", "phi-2.tar.gz"];
            ends.into_iter().chain(models).map(move |end| format!("{name}-android-{end}"))
        })
        .chain(["SHA256SUMS".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(assets(&github), expected);
    let store = github.store();
    assert_eq!((store.comments.len(), store.checks.len()), (1, 1));
}

#[test]
fn the_command_line_and_the_job_stand_over_mlc_package_yml() {
    let github = Github::sound();
    let settings = "tag: v7, draft: true, prerelease: true, compression: gzip, comment: always, \
                    check: true";
    let (mut scene, _) = project(&github, settings);
    scene.of_pull_request();
    scene.set("GITHUB_REF", "refs/tags/v8");
    let line = ["--draft=false", "--prerelease=false", "--check=false", "--comment=never"];
    let packed = ["--compression=zstd", "--output=second/dist", "--weights=false"];
    scene.run(&[&["publish"], &line[..], &packed].concat(), 0);
    let release = github.only_release();
    assert_eq!(release.tag, "v8");
    assert!(!release.draft && !release.prerelease);
    let names = [
        "SHA256SUMS",
        "Watch-android-assets.json",
        "Watch-android-lib.tar.zst",
        "Watch-android-manifest.json",
    ];
    assert_eq!(assets(&github), names);
    let store = github.store();
    assert_eq!((store.comments.len(), store.checks.len()), (0, 0));
}

#[test]
fn a_package_without_its_weights_comes_back_without_them_and_that_is_said() {
    let github = Github::sound();
    let (mut scene, trees) = project(&github, "tag: v7, weights: false");
    scene.set("GITHUB_SERVER_URL", &github.url());
    scene.run(&["publish"], 0);
    assert!(!assets(&github).iter().any(|name| name.contains("phi-2")), "{:?}", assets(&github));
    let url = format!("{}/octo/app/releases/download/v7/chat-android-assets.json", github.url());
    let run = scene.run(&["unpack", &url], 0);
    assert_eq!(run.says("the release is without the weights of `phi-2`"), 1, "{}", run.stderr);
    assert_eq!(run.says("the release is without the weights of `my model`"), 1);
    let mut expected = trees[0].clone();
    expected.retain(|path, _| {
        !path.starts_with("bundle/phi-2/") && !path.starts_with("bundle/my model/")
    });
    assert_eq!(package::read(&scene.root.join("dist")), expected);
}

#[test]
fn a_project_that_is_wrong_publishes_nothing() {
    let github = Github::sound();
    let (scene, _) = project(&github, "tag: v7, draft: sometimes");
    let run = scene.run(&["publish"], 10);
    assert!(run.stderr.contains("mlc-package.yml"), "{}", run.stderr);
    assert!(github.store().seen.is_empty());
}
