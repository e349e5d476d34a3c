//! Comments, check runs and the job's summary.

use serde_json::json;

use super::github::{Fault, Github};
use super::scene::{HEAD, Run, Scene};
use super::shapes::{Comment, Pull};

const PUBLISH: [&str; 7] = [
    "publish",
    "--tag=v1",
    "--file=a.bin",
    "--report-markdown=report.md",
    "--comment=always",
    "--check",
    "-v",
];
const MARKER: &str = "<!-- mlc-package:release -->\n";

fn scene(github: &Github) -> Scene {
    let mut scene = Scene::new(github);
    scene.of_pull_request();
    scene.write("a.bin", b"123");
    scene.write("report.md", b"### Sizes\n\n12 MiB more\n");
    scene
}

fn ours(github: &Github) -> Vec<Comment> {
    let store = github.store();
    let ours = store.comments.iter().filter(|comment| comment.body.starts_with(MARKER));
    ours.cloned().collect()
}

fn comment(id: u64, author: &str, kind: &'static str, body: &str) -> Comment {
    let author = Some((author.to_owned(), kind));
    Comment { id, issue: 7, author, body: body.to_owned() }
}

#[test]
fn a_release_is_told_in_a_comment_a_check_and_the_summary() {
    let github = Github::sound();
    let scene = scene(&github);
    scene.run(&PUBLISH, 0);
    let comments = ours(&github);
    assert_eq!(comments.len(), 1);
    assert_eq!(comments[0].issue, 7);
    for text in [&comments[0].body, &scene.summary(), &github.store().checks[0].summary] {
        assert!(text.contains("12 MiB more") && text.contains("| a.bin | 3 B | new |"), "{text}");
    }
    let store = github.store();
    assert_eq!(store.checks.len(), 1);
    let check = &store.checks[0];
    assert_eq!((check.head.as_str(), check.conclusion.as_str()), (HEAD, "success"));
}

#[test]
fn a_comment_is_written_over_and_not_at_all_if_nothing_changed() {
    let github = Github::sound();
    let scene = scene(&github);
    scene.run(&PUBLISH, 0);
    // Now the files are as they were, and the text says so.
    scene.run(&PUBLISH, 0);
    assert_eq!(ours(&github).len(), 1);
    assert!(ours(&github)[0].body.contains("as it was"));
    github.forget();
    let run = scene.run(&PUBLISH, 0);
    assert_eq!(run.says("as before"), 1, "{}", run.stderr);
    let store = github.store();
    let writes = store.seen.iter().filter(|seen| seen.method != "GET");
    assert!(writes.into_iter().all(|seen| seen.path.contains("check-runs")), "{:?}", store.seen);
}

#[test]
fn on_change_makes_no_comment_where_nothing_changed() {
    let github = Github::sound();
    let scene = scene(&github);
    let quiet = ["publish", "--tag=v1", "--file=a.bin"];
    scene.run(&quiet, 0);
    scene.run(&[&quiet[..], &["--comment=on-change"]].concat(), 0);
    assert_eq!(ours(&github).len(), 0);
    scene.write("a.bin", b"1234");
    scene.run(&[&quiet[..], &["--comment=on-change"]].concat(), 0);
    assert_eq!(ours(&github).len(), 1);
    // One that is there is kept up to date.
    scene.run(&[&quiet[..], &["--comment=on-change"]].concat(), 0);
    assert!(ours(&github)[0].body.contains("as it was"));
}

#[test]
fn three_hundred_comments_before_ours_do_not_hide_it() {
    let github = Github::sound();
    {
        let mut store = github.store();
        for _ in 0..300 {
            let id = store.id();
            store.comments.push(comment(id, "somebody", "User", "a comment"));
        }
        // Somebody who is gone, and a stranger who knows the marker.
        let id = store.id();
        let body = "hello".to_owned();
        store.comments.push(Comment { id, issue: 7, author: None, body });
        let id = store.id();
        store.comments.push(comment(id, "eve", "User", &format!("{MARKER}not ours")));
        let id = store.id();
        let quoted = format!("> {MARKER}quoted");
        store.comments.push(comment(id, "github-actions[bot]", "Bot", &quoted));
        let id = store.id();
        let old = format!("{MARKER}old");
        store.comments.push(comment(id, "github-actions[bot]", "Bot", &old));
    }
    let scene = scene(&github);
    scene.run(&PUBLISH, 0);
    let comments = ours(&github);
    assert_eq!(comments.len(), 2);
    assert!(comments[0].body.ends_with("not ours"), "a stranger's is left alone");
    assert!(comments[1].body.contains("12 MiB more"), "ours is written over");
    assert_eq!(github.store().comments.len(), 304);
    assert_eq!(github.seen("GET", "/issues/7/comments").len(), 4);
}

#[test]
fn a_token_of_a_person_finds_its_own_comment_only() {
    let github = Github::sound();
    {
        let mut store = github.store();
        store.me = Some("octocat".to_owned());
        let id = store.id();
        store.comments.push(comment(id, "other[bot]", "Bot", &format!("{MARKER}theirs")));
        let id = store.id();
        store.comments.push(comment(id, "octocat", "User", &format!("{MARKER}mine\r\n")));
    }
    scene(&github).run(&PUBLISH, 0);
    let comments = ours(&github);
    assert!(comments[0].body.ends_with("theirs"));
    assert!(comments[1].body.contains("12 MiB more") && comments.len() == 2);
}

#[test]
fn a_report_of_200_000_characters_is_cut_and_said_to_be() {
    let github = Github::sound();
    let scene = scene(&github);
    let row = "| ä model | 12 MiB |\n";
    let report = format!("<details>\n\n{}</details>\n", row.repeat(10_000));
    assert!(report.chars().count() > 200_000);
    scene.write("report.md", report.as_bytes());
    scene.run(&PUBLISH, 0);
    let body = &ours(&github)[0].body;
    assert!(body.chars().count() <= 65_536 && body.chars().count() > 60_000);
    assert!(
        body.ends_with("</details>\n\n_Cut here: the whole is in the summary of the job._\n"),
        "{}",
        &body[body.len() - 200..]
    );
    assert_eq!(github.store().checks.len(), 1);
    assert!(scene.summary().contains(&report), "the summary has all of it");
}

#[test]
fn a_summary_that_is_too_long_is_cut() {
    let github = Github::sound();
    let scene = scene(&github);
    scene.write("report.md", "| x |\n".repeat(500_000).as_bytes());
    let run = scene.run(&PUBLISH, 0);
    assert_eq!(run.says("the job's summary has no room for all"), 1);
    let summary = scene.summary();
    assert!(summary.len() <= 1 << 20 && summary.len() > 100_000, "{}", summary.len());
    assert!(summary.starts_with("### Release"));
}

#[test]
fn a_token_that_may_not_comment_still_leaves_a_summary() {
    let github = Github::new(|seen, _| {
        let writes = seen.method != "GET";
        let here = seen.path.contains("/issues/") || seen.path.contains("/check-runs");
        let message = "Resource not accessible by integration";
        (writes && here).then(|| Fault::Refuse(403, vec![], message))
    });
    let scene = scene(&github);
    let run = scene.run(&PUBLISH, 0);
    assert_eq!(run.says("no comment:"), 1, "{}", run.stderr);
    assert_eq!(run.says("no check run:"), 1, "{}", run.stderr);
    assert_eq!(run.says("pull-requests: write"), 1, "{}", run.stderr);
    assert_eq!(run.says("checks: write"), 1, "{}", run.stderr);
    assert!(scene.summary().contains("12 MiB more"));
    assert!(!github.only_release().draft);
}

#[test]
fn a_job_about_no_pull_request_says_so_and_goes_on() {
    let github = Github::sound();
    let mut scene = scene(&github);
    scene.of_event("workflow_dispatch", &json!({}));
    let run = scene.run(&PUBLISH, 0);
    assert_eq!(run.says("this job is about no pull request"), 1, "{}", run.stderr);
    assert_eq!(github.store().checks.len(), 1);
    assert!(scene.summary().contains("12 MiB more"));
}

#[test]
fn the_pull_request_of_a_fork_is_found_by_branch_and_commit() {
    let run = |head: &str| {
        let github = Github::sound();
        let pull = |number, head: &str, branch: &str| Pull {
            number,
            head: head.to_owned(),
            branch: branch.to_owned(),
            open: true,
        };
        github.store().pulls = vec![pull(8, HEAD, "other"), pull(9, head, "feature")];
        let mut scene = scene(&github);
        let payload = json!({"workflow_run": {
            "id": 5, "event": "pull_request", "head_sha": HEAD, "head_branch": "feature",
            "head_repository": {"full_name": "stranger/app"}, "pull_requests": [],
        }});
        scene.of_event("workflow_run", &payload);
        scene.run(&PUBLISH, 0);
        let asked = &github.seen("GET", "/pulls")[0];
        assert!(asked.query.contains(&("head".to_owned(), "stranger:feature".to_owned())));
        ours(&github).first().map(|comment| comment.issue)
    };
    assert_eq!(run(HEAD), Some(9));
    // The branch has moved on to something that this run has not seen.
    assert_eq!(run("2222222222222222222222222222222222222222"), None);
}

#[test]
fn a_push_is_about_the_pull_request_of_its_commit() {
    let github = Github::sound();
    let pull = Pull { number: 12, head: HEAD.to_owned(), branch: "b".to_owned(), open: false };
    github.store().pulls = vec![pull];
    let mut scene = scene(&github);
    scene.of_event("push", &json!({"ref": "refs/heads/main", "after": HEAD, "before": HEAD}));
    scene.run(&PUBLISH, 0);
    assert_eq!(ours(&github)[0].issue, 12);
}

#[test]
fn two_runs_at_once_leave_one_comment() {
    for _ in 0..3 {
        let github = Github::sound();
        let scene = scene(&github);
        // The release is there: both come to the comment at once.
        scene.run(&["publish", "--tag=v1", "--file=a.bin"], 0);
        let children = [scene.spawn(&PUBLISH), scene.spawn(&PUBLISH)];
        for child in children {
            let run = Run::of(child.wait_with_output().unwrap());
            assert_eq!(run.code, Some(0), "{}", run.stderr);
        }
        assert_eq!(ours(&github).len(), 1);
    }
}

#[test]
fn an_answer_that_was_lost_makes_no_second_comment_or_check() {
    let github = Github::new(|seen, nth| {
        let makes = seen.method == "POST" && nth == 0;
        let here = seen.path.ends_with("/comments") || seen.path.ends_with("/check-runs");
        (makes && here).then_some(Fault::LoseAnswer)
    });
    let scene = scene(&github);
    scene.run(&PUBLISH, 0);
    assert_eq!(ours(&github).len(), 1);
    assert_eq!(github.store().checks.len(), 1);
}

#[test]
fn a_report_that_is_not_there_stops_it_before_the_release() {
    let github = Github::sound();
    let scene = scene(&github);
    scene.run(&["publish", "--tag=v1", "--file=a.bin", "--report-markdown=absent.md"], 1);
    scene.write("latin.md", b"\xe9");
    scene.run(&["publish", "--tag=v1", "--file=a.bin", "--report-markdown=latin.md"], 2);
    assert!(github.store().seen.is_empty());
}
