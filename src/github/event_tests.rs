use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Context, Event};

const HEAD: &str = "1111111111111111111111111111111111111111";
const BASE: &str = "2222222222222222222222222222222222222222";
const MERGE: &str = "3333333333333333333333333333333333333333";
const NONE: &str = "0000000000000000000000000000000000000000";

fn context(event: &str, payload: &Value) -> Context {
    of(event, payload.to_string().as_bytes())
}

fn of(event: &str, payload: &[u8]) -> Context {
    let get = |name: &str| {
        let value = match name {
            "GITHUB_REPOSITORY" => "octo/app",
            "GITHUB_EVENT_NAME" => event,
            "GITHUB_SHA" => MERGE,
            "GITHUB_REF" => "refs/pull/7/merge",
            "GITHUB_SERVER_URL" => "https://github.example/",
            "GITHUB_RUN_ID" => "42",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Context::new(&get, payload)
}

fn pull_request(head_repository: &Value) -> Value {
    json!({
        "action": "synchronize",
        "number": 7,
        "pull_request": {
            "number": 7,
            "labels": [{"name": "size-increase-ok"}, {"name": "two\nlines"}, {"id": 1}],
            "head": {"sha": HEAD, "ref": "feature", "repo": head_repository},
            "base": {"sha": BASE, "ref": "main", "repo": {"full_name": "octo/app"}},
        },
    })
}

#[test]
fn a_pull_request_is_about_its_head_and_not_the_merge() {
    let payload = pull_request(&json!({"full_name": "octo/app"}));
    for event in ["pull_request", "pull_request_target", "pull_request_review"] {
        let context = context(event, &payload);
        assert_eq!(context.pull_request(), Some(7));
        assert_eq!((context.head(), context.base()), (Some(HEAD), Some(BASE)));
        assert_eq!(context.labels(), ["size-increase-ok"]);
        assert!(!context.is_fork());
        assert_eq!(context.sha.as_deref(), Some(MERGE));
        assert_eq!(
            context.run_url.as_deref(),
            Some("https://github.example/octo/app/actions/runs/42")
        );
        assert_eq!(context.tag, None);
    }
}

#[test]
fn a_fork_is_known_even_if_it_is_gone() {
    for repository in [json!({"full_name": "stranger/app"}), Value::Null] {
        assert!(context("pull_request", &pull_request(&repository)).is_fork());
    }
}

#[test]
fn a_push_has_what_was_before_unless_the_branch_is_new() {
    let push = |before: &str, branch: &str| {
        let payload = json!({
            "ref": branch, "before": before, "after": HEAD,
            "repository": {"default_branch": "main"},
        });
        context("push", &payload)
    };
    let to_main = push(BASE, "refs/heads/main");
    assert_eq!((to_main.head(), to_main.base()), (Some(HEAD), Some(BASE)));
    assert!(matches!(&to_main.event, Event::Push(push) if push.default_branch));
    let new = push(NONE, "refs/heads/main2");
    assert_eq!((new.base(), new.pull_request()), (None, None));
    assert!(matches!(&new.event, Event::Push(push) if !push.default_branch));
}

#[test]
fn a_workflow_run_of_a_fork_names_no_pull_request() {
    let run = |repository: &str, pulls: Value| {
        let payload = json!({"workflow_run": {
            "id": 99, "event": "pull_request", "head_sha": HEAD, "head_branch": "feature",
            "head_repository": {"full_name": repository}, "pull_requests": pulls,
        }});
        context("workflow_run", &payload)
    };
    let ours = run("octo/app", json!([{"number": 7}]));
    assert_eq!((ours.pull_request(), ours.head(), ours.is_fork()), (Some(7), Some(HEAD), false));
    let theirs = run("stranger/app", json!([]));
    assert_eq!((theirs.pull_request(), theirs.is_fork()), (None, true));
    let Event::WorkflowRun(run) = theirs.event else { panic!("{theirs:?}") };
    assert_eq!(run.head_repository.unwrap().to_string(), "stranger/app");
    assert_eq!((run.run_id, run.head_branch.as_deref()), (99, Some("feature")));
}

#[test]
fn a_merge_group_has_its_number_in_its_branch() {
    let group = |branch: &str| {
        let payload =
            json!({"merge_group": {"head_sha": HEAD, "base_sha": BASE, "head_ref": branch}});
        context("merge_group", &payload)
    };
    let queue = "refs/heads/gh-readonly-queue/main/pr-104-2222222222222222222222222222222222222222";
    let queued = group(queue);
    assert_eq!(queued.pull_request(), Some(104));
    assert_eq!((queued.head(), queued.base()), (Some(HEAD), Some(BASE)));
    for branch in ["refs/heads/pr-104", "refs/heads/pr--1", "refs/heads/pr-0-x", ""] {
        assert_eq!(group(branch).pull_request(), None, "{branch}");
    }
}

#[test]
fn a_release_has_a_tag_and_others_have_their_name() {
    let release = context("release", &json!({"release": {"tag_name": "v1.2"}}));
    assert!(matches!(&release.event, Event::Release(release) if release.tag == "v1.2"));
    assert_eq!(release.head(), Some(MERGE));
    let dispatch = context("workflow_dispatch", &Value::Null);
    assert_eq!(dispatch.event, Event::Other("workflow_dispatch".to_owned()));
    assert_eq!(Context::new(&|_| None, b"").event, Event::None);
}

#[test]
fn the_tag_of_a_job_is_that_of_its_ref() {
    let get = |name: &str| (name == "GITHUB_REF").then(|| "refs/tags/v1/rc".to_owned());
    assert_eq!(Context::new(&get, b"").tag.as_deref(), Some("v1/rc"));
}

#[test]
fn a_payload_that_is_not_there_or_no_json_is_an_empty_one() {
    let get = |name: &str| match name {
        "GITHUB_EVENT_NAME" => Some("pull_request".to_owned()),
        "GITHUB_EVENT_PATH" => Some("/nonexistent/event.json".to_owned()),
        _ => None,
    };
    assert_eq!(Context::read(&get).event, Event::Other("pull_request".to_owned()));
    assert_eq!(of("pull_request", b"{").event, Event::Other("pull_request".to_owned()));
}

#[test]
fn words_of_strangers_are_checked() {
    let payload = json!({"pull_request": {
        "number": 7, "labels": "none",
        "head": {"sha": "1; rm -rf /", "repo": {"full_name": 5}},
        "base": {"sha": BASE.replace('2', "g"), "ref": "a\u{1b}[31m"},
    }});
    let hostile = context("pull_request", &payload);
    assert_eq!((hostile.head(), hostile.base()), (Some(MERGE), None));
    assert!(matches!(&hostile.event, Event::PullRequest(pull) if pull.base_branch.is_none()));
    for number in [json!(-7), json!(0), json!(7.5), json!("7; x")] {
        let payload = json!({"pull_request": {"number": number}});
        assert_eq!(context("pull_request", &payload).pull_request(), None);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9/:-]{0,42}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "pull_request",
        "workflow_run",
        "merge_group",
        "release",
        "number",
        "head",
        "base",
        "sha",
        "repo",
        "full_name",
        "labels",
        "name",
        "id",
        "head_ref",
        "tag_name",
        "pull_requests",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_payload_gives_names_that_are_safe(
        event in prop::sample::select(vec!["pull_request", "push", "workflow_run", "merge_group"]),
        payload in any_json(),
    ) {
        let context = context(event, &payload);
        for commit in [context.head(), context.base()].into_iter().flatten() {
            prop_assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        prop_assert!(context.pull_request() != Some(0));
    }
}
