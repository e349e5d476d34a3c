//! Releases: what is sent, what is not, and what goes wrong on the way.

use serde_json::Value;

use super::github::{Fault, Github, Seen, hex};
use super::scene::{Scene, bytes};
use sha2::Digest as _;

const PUBLISH: [&str; 3] = ["publish", "--tag", "v1"];

/// A scene with three files.
fn scene(github: &Github) -> Scene {
    let scene = Scene::new(github);
    scene.write("a.tar.zst", &bytes(3_000_000, 1));
    scene.write("b.tar.zst", &bytes(700_000, 2));
    scene.write("m.json", b"{}");
    scene
}

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let files = ["--file", "a.tar.zst", "--file", "b.tar.zst", "--file", "m.json"];
    [&PUBLISH, &files[..], more].concat()
}

/// The release has every file as it is here, and no other.
fn assert_whole(github: &Github, scene: &Scene) {
    let release = github.only_release();
    let mut names: Vec<_> = release.assets.iter().map(|asset| asset.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["SHA256SUMS", "a.tar.zst", "b.tar.zst", "m.json"]);
    for asset in &release.assets {
        assert_eq!(asset.state, "uploaded");
        if asset.name != "SHA256SUMS" {
            let here = fs_err::read(scene.root.join(&asset.name)).unwrap();
            assert_eq!(asset.size, here.len() as u64);
            assert_eq!(asset.sha256, Some(hex(&sha2::Sha256::digest(&here))), "{}", asset.name);
        }
    }
}

fn is_upload_of(seen: &Seen, name: &str) -> bool {
    let named = |(key, value): &(String, String)| key == "name" && value == name;
    seen.path.ends_with("/assets") && seen.query.iter().any(named)
}

/// A fault at the first upload of a file.
fn once(name: &'static str, fault: Fault) -> Github {
    let done = std::sync::atomic::AtomicBool::new(false);
    Github::new(move |seen, _| {
        let now = seen.method == "POST" && is_upload_of(seen, name);
        (now && !done.swap(true, std::sync::atomic::Ordering::SeqCst)).then(|| fault.clone())
    })
}

#[test]
fn a_release_is_a_draft_until_all_is_up() {
    let github = Github::new(|seen, _| {
        let publishes = seen.method == "PATCH" && seen.body["draft"] == false;
        assert!(!publishes || seen.body["tag_name"].is_null());
        None
    });
    let scene = scene(&github);
    let run = scene.run(&arguments(&["--format", "json", "--prerelease"]), 0);
    assert_whole(&github, &scene);
    let release = github.only_release();
    assert!(!release.draft && release.prerelease);
    assert_eq!(release.target, super::scene::MERGE);
    let printed: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(printed["tag"], "v1");
    assert_eq!(printed["assets"].as_array().unwrap().len(), 4);
    // It was made a draft, and published by the last request that changed anything.
    let made = github.seen("POST", "/releases");
    assert_eq!((made.len(), &made[0].body["draft"]), (1, &Value::Bool(true)));
    let store = github.store();
    let changes: Vec<_> = store.seen.iter().filter(|seen| seen.method != "GET").collect();
    assert_eq!(changes.last().unwrap().method, "PATCH");
    let sizes = changes.iter().filter(|seen| seen.path.ends_with("/assets"));
    assert!(sizes.into_iter().all(|seen| seen.content_length.is_some()), "sent without a length");
    let sums = release.assets.iter().find(|asset| asset.name == "SHA256SUMS").unwrap();
    let sums = String::from_utf8(sums.bytes.clone()).unwrap();
    let lines: Vec<_> = sums.lines().map(|line| line.split_once("  ").unwrap()).collect();
    assert_eq!(lines.len(), 3);
    for (digest, name) in lines {
        let here = fs_err::read(scene.root.join(name)).unwrap();
        assert_eq!(digest, hex(&sha2::Sha256::digest(here)));
    }
}

#[test]
fn a_second_run_sends_nothing_and_changes_nothing() {
    let github = Github::sound();
    let scene = scene(&github);
    scene.run(&arguments(&[]), 0);
    github.forget();
    let run = scene.run(&arguments(&[]), 0);
    assert_whole(&github, &scene);
    assert_eq!(run.says("4 files that are up already"), 1, "{}", run.stderr);
    let store = github.store();
    assert!(store.seen.iter().all(|seen| seen.method == "GET"), "{:?}", store.seen);
}

#[test]
fn only_the_file_that_changed_is_sent_again() {
    let github = Github::sound();
    let scene = scene(&github);
    scene.run(&arguments(&[]), 0);
    github.forget();
    scene.write("b.tar.zst", &bytes(700_000, 3));
    scene.run(&arguments(&[]), 0);
    assert_whole(&github, &scene);
    assert_eq!(github.uploads(), ["SHA256SUMS", "b.tar.zst"]);
}

#[test]
fn a_draft_stays_one_if_asked_and_is_published_later() {
    let github = Github::sound();
    let scene = scene(&github);
    let run = scene.run(&arguments(&["--draft"]), 0);
    assert!(github.only_release().draft);
    assert_eq!(run.says("Drafted"), 1);
    github.forget();
    let mut scene = scene;
    scene.set("GITHUB_SHA", super::scene::HEAD);
    scene.run(&arguments(&[]), 0);
    let release = github.only_release();
    assert!(!release.draft);
    assert_eq!(release.target, super::scene::HEAD, "the tag is made where the last run was");
    assert_eq!(github.uploads(), [""; 0]);
}

#[test]
fn a_draft_is_found_behind_many_releases() {
    let github = Github::sound();
    {
        let mut store = github.store();
        store.release("v1", true);
        for nth in 0..250 {
            store.release(&format!("v0.{nth}"), false);
        }
    }
    let scene = scene(&github);
    scene.run(&arguments(&[]), 0);
    assert_eq!(github.seen("POST", "/releases").len(), 0);
    let store = github.store();
    assert!(store.releases.iter().any(|release| release.tag == "v1" && !release.draft));
    assert_eq!(store.releases.len(), 251);
}

#[test]
fn a_502_in_the_middle_of_an_upload_leaves_nothing_broken() {
    for fault in [Fault::BadGateway(100_000), Fault::Drop(100_000)] {
        let github = once("a.tar.zst", fault);
        let scene = scene(&github);
        let run = scene.run(&arguments(&[]), 0);
        assert_whole(&github, &scene);
        assert_eq!(run.says("warning"), 1, "{}", run.stderr);
        let of_a = github.uploads().iter().filter(|name| *name == "a.tar.zst").count();
        assert_eq!((of_a, github.uploads().len()), (2, 5));
    }
}

#[test]
fn an_answer_that_is_lost_after_the_upload_costs_no_second_one() {
    let github = once("a.tar.zst", Fault::LoseAnswer);
    let scene = scene(&github);
    scene.run(&arguments(&[]), 0);
    assert_whole(&github, &scene);
    assert_eq!(github.uploads().len(), 4);
}

#[test]
fn what_is_left_of_a_broken_upload_is_replaced() {
    let github = Github::sound();
    {
        let mut store = github.store();
        let id = store.release("v1", true);
        store.asset(id, "a.tar.zst", b"", "open");
        store.asset(id, "b.tar.zst", b"other bytes", "uploaded");
        store.asset(id, "notes.txt", b"somebody else's", "uploaded");
    }
    let scene = scene(&github);
    scene.run(&arguments(&[]), 0);
    let mut release = github.only_release();
    release.assets.retain(|asset| asset.name != "notes.txt");
    assert_eq!(release.assets.len(), 4);
    assert!(github.only_release().assets.len() == 5, "others' files are left alone");
    github.store().releases[0].assets.retain(|asset| asset.name != "notes.txt");
    assert_whole(&github, &scene);
}

#[test]
fn a_name_that_is_taken_meanwhile_is_looked_at_again() {
    let github = once("m.json", Fault::Taken);
    let scene = scene(&github);
    scene.run(&arguments(&[]), 0);
    assert_whole(&github, &scene);
    assert_eq!(github.uploads().len(), 4);
    assert_eq!(github.seen("DELETE", "").len(), 0, "what is there is what was to be there");
}

#[test]
fn a_refusal_for_another_reason_is_final() {
    let github = once("m.json", Fault::Refuse(422, vec![], "Validation Failed"));
    let scene = scene(&github);
    let run = scene.run(&arguments(&[]), 15);
    assert!(run.stderr.contains("Validation Failed"), "{}", run.stderr);
    assert!(github.only_release().draft);
}

#[test]
fn a_limit_is_waited_for_as_long_as_it_says() {
    let limits = [
        (403, "API rate limit exceeded"),
        (429, "Too many requests"),
        (403, "You have exceeded a secondary rate limit"),
    ];
    for (status, message) in limits {
        let github = Github::new(move |seen, nth| {
            let here = seen.method == "POST" && seen.path.ends_with("/releases") && nth == 0;
            here.then(|| Fault::Refuse(status, vec![("Retry-After", "1".to_owned())], message))
        });
        let scene = scene(&github);
        let begun = std::time::Instant::now();
        let run = scene.run(&arguments(&[]), 0);
        assert!(begun.elapsed() >= std::time::Duration::from_secs(1), "it did not wait");
        assert_eq!(run.says("limit on requests"), 1, "{}", run.stderr);
        assert_eq!(run.says("retrying in 1.0 s"), 1, "{}", run.stderr);
        assert_whole(&github, &scene);
        assert_eq!(github.only_release().tag, "v1");
    }
}

#[test]
fn a_limit_during_an_upload_stops_the_others_too() {
    let github =
        once("a.tar.zst", Fault::Refuse(403, vec![("Retry-After", "1".to_owned())], "limit"));
    let scene = scene(&github);
    let run = scene.run(&arguments(&[]), 0);
    assert_eq!(run.says("retrying in 1.0 s"), 1, "{}", run.stderr);
    assert_whole(&github, &scene);
}

#[test]
fn a_limit_that_ends_too_late_is_said_and_not_waited_for() {
    let github = Github::new(|seen, _| {
        let here = seen.method == "POST" && seen.path.ends_with("/releases");
        here.then(|| Fault::Refuse(429, vec![("Retry-After", "3000".to_owned())], "Too many"))
    });
    let scene = scene(&github);
    let run = scene.run(&arguments(&[]), 15);
    assert!(
        run.stderr.contains("it ends in 50 min, and we wait for 15 min at most"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("help: run it again then"), "{}", run.stderr);
}

#[test]
fn a_token_that_may_only_read_is_told_which_right_is_missing() {
    let github = Github::sound();
    github.store().read_only = true;
    let scene = scene(&github);
    let run = scene.run(&arguments(&[]), 15);
    assert!(run.stderr.contains("permissions: contents: write"), "{}", run.stderr);
    assert!(run.stderr.contains("Resource not accessible by integration"), "{}", run.stderr);
    assert_eq!(github.store().releases.len(), 0);
    // It was not asked again and again.
    assert_eq!(github.seen("POST", "/releases").len(), 1);
}

#[test]
fn a_token_that_is_wrong_or_missing_is_said() {
    let github = Github::sound();
    let mut scene = scene(&github);
    scene.set("GITHUB_TOKEN", "ghs_other");
    let run = scene.run(&arguments(&[]), 15);
    assert!(run.stderr.contains("does not know the token"), "{}", run.stderr);
    assert!(!run.stderr.contains("ghs_other"));
    scene.unset("GITHUB_TOKEN");
    let run = scene.run(&arguments(&[]), 15);
    assert!(run.stderr.contains("github.token"), "{}", run.stderr);
    scene.set("GITHUB_TOKEN", super::github::TOKEN);
    scene.unset("GITHUB_REPOSITORY");
    let run = scene.run(&arguments(&[]), 2);
    assert!(run.stderr.contains("--repo owner/name"), "{}", run.stderr);
    let run = scene.run(&["publish"], 2);
    assert!(run.stderr.contains("--tag"), "{}", run.stderr);
}

#[test]
fn a_release_that_is_final_is_left_alone() {
    let github = Github::sound();
    github.store().immutable = true;
    let scene = scene(&github);
    scene.run(&arguments(&[]), 0);
    assert!(github.only_release().immutable);
    github.forget();
    // All is there: nothing to do.
    scene.run(&arguments(&[]), 0);
    scene.write("b.tar.zst", b"changed");
    let run = scene.run(&arguments(&[]), 15);
    assert!(run.stderr.contains("the release `v1` is immutable"), "{}", run.stderr);
    assert!(run.stderr.contains("another tag"), "{}", run.stderr);
    let store = github.store();
    assert!(store.seen.iter().all(|seen| seen.method == "GET"), "{:?}", store.seen);
}

#[test]
fn a_release_that_becomes_final_meanwhile_is_said_to_be() {
    let github = once("b.tar.zst", Fault::Finalize);
    let scene = scene(&github);
    let run = scene.run(&arguments(&[]), 15);
    assert!(run.stderr.contains("is immutable"), "{}", run.stderr);
}

#[test]
fn names_are_ours_before_github_can_change_them() {
    let github = Github::sound();
    let scene = scene(&github);
    scene.write("größe & maß.tar.zst", b"1");
    scene.write("größe + maß.tar.zst", b"2");
    let files = ["--file", "größe & maß.tar.zst", "--file", "größe + maß.tar.zst"];
    scene.run(&[&PUBLISH, &files[..]].concat(), 0);
    let release = github.only_release();
    assert_eq!(release.assets.len(), 3);
    let labels: Vec<_> = release.assets.iter().map(|asset| asset.label.as_str()).collect();
    assert!(labels.contains(&"größe & maß.tar.zst"), "{labels:?}");
    github.forget();
    scene.run(&[&PUBLISH, &files[..]].concat(), 0);
    assert_eq!(github.uploads(), [""; 0], "the names came back as they were sent");
}

#[test]
fn what_arrives_damaged_is_no_release() {
    let github = once("b.tar.zst", Fault::Corrupt);
    let scene = scene(&github);
    let run = scene.run(&arguments(&[]), 15);
    assert!(run.stderr.contains("`b.tar.zst` arrived as something else"), "{}", run.stderr);
    assert!(github.only_release().draft);
    // The next run replaces it.
    scene.run(&arguments(&[]), 0);
    assert_whole(&github, &scene);
    assert!(!github.only_release().draft);
}

#[test]
fn a_server_that_knows_no_digests_gets_every_file_once_a_run() {
    let github = Github::sound();
    github.store().no_digests = true;
    let scene = scene(&github);
    scene.run(&arguments(&[]), 0);
    assert_eq!(github.uploads().len(), 4);
    assert!(!github.only_release().draft);
}

#[test]
fn an_answer_that_was_lost_makes_no_second_release() {
    let github = Github::new(|seen, nth| {
        let here = seen.method == "POST" && seen.path.ends_with("/releases") && nth == 0;
        here.then_some(Fault::LoseAnswer)
    });
    let scene = scene(&github);
    scene.run(&arguments(&[]), 0);
    assert_whole(&github, &scene);
}

#[test]
fn a_run_that_gives_up_leaves_a_draft_that_the_next_one_completes() {
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let shared = broken.clone();
    let github = Github::new(move |seen, _| {
        let here = is_upload_of(seen, "b.tar.zst") && seen.method == "POST";
        let refuse = || Fault::Refuse(403, vec![], "Resource not accessible by integration");
        (here && shared.load(std::sync::atomic::Ordering::SeqCst)).then(refuse)
    });
    let scene = scene(&github);
    let run = scene.run(&arguments(&[]), 15);
    assert!(run.stderr.contains("the draft of `v1` stays"), "{}", run.stderr);
    assert!(github.only_release().draft);
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    let up: Vec<_> = github.only_release().assets.iter().map(|asset| asset.name.clone()).collect();
    github.forget();
    scene.run(&arguments(&[]), 0);
    assert_whole(&github, &scene);
    assert!(!github.only_release().draft);
    assert!(github.uploads().iter().all(|name| !up.contains(name)), "{up:?}");
}

#[test]
fn answers_that_are_no_json_are_said_to_be_none() {
    let github = Github::new(|seen, _| (seen.method == "GET").then_some(Fault::Garbage));
    let scene = scene(&github);
    let run = scene.run(&arguments(&[]), 15);
    assert!(run.stderr.contains("answers what GitHub does not"), "{}", run.stderr);
}

#[test]
fn what_cannot_be_an_asset_is_refused_before_anything_is_sent() {
    let github = Github::sound();
    let scene = scene(&github);
    scene.write("empty.json", b"");
    let cases: [(&[&str], i32); 4] = [
        (&["--file", "empty.json"], 15),
        (&["--file", "a.tar.zst", "--file", "./a.tar.zst"], 15),
        (&[], 15),
        (&["--file", "absent.json"], 15),
    ];
    for (files, code) in cases {
        scene.run(&[&PUBLISH, files].concat(), code);
    }
    for tag in ["a b", "v..1", "-x", "a//b", "x\u{7}", "v1:x"] {
        scene.run(&["publish", &format!("--tag={tag}"), "--file", "a.tar.zst"], 2);
    }
    assert!(github.store().seen.is_empty());
}
