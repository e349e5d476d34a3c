//! What the program has no verb for yet: annotations of a check run, and manifests of a release.

use std::time::Duration;

use mlc_package::github::api::{Api, ApiOptions};
use mlc_package::io::cancel::Cancel;
use mlc_package::io::http::Url;
use mlc_package::io::secret::Secret;
use mlc_package::publish::{Annotation, Check, Conclusion, Level, PublishError, baseline, check};

use mlc_package::ui::{Ui, Verbosity};

use super::github::{Fault, Github, TOKEN};
use super::scene::HEAD;

fn options(github: &Github) -> ApiOptions {
    let url = Url::parse(&github.url()).unwrap();
    let mut options = ApiOptions::new(url, "octo/app".parse().unwrap(), Secret::new(TOKEN));
    options.system_proxy = false;
    options.retry.first = Duration::from_millis(1);
    options
}

/// Does something with an API that says nothing of its waits.
fn with<T>(options: &ApiOptions, action: impl FnOnce(&Api<'_>) -> T) -> T {
    let cancel = Cancel::default();
    let api = Api::new(options, &cancel, &|_, _| {}).unwrap();
    action(&api)
}

fn annotations(count: u32) -> Vec<Annotation> {
    let annotation = |line| Annotation {
        path: "android/mlc-package-config.json".to_owned(),
        line,
        level: Level::Failure,
        title: "over budget".to_owned(),
        message: format!("line {line}"),
    };
    (1..=count).map(annotation).collect()
}

fn make(github: &Github, annotations: &[Annotation]) {
    let wanted = Check {
        name: "size",
        head: HEAD,
        conclusion: Conclusion::Failure,
        title: "1 over budget",
        markdown: "text",
        annotations,
        details_url: None,
        external_id: "x1",
    };
    with(&options(github), |api| check(api, &wanted)).unwrap();
}

/// The lines of the one check run's annotations.
fn lines(github: &Github) -> Vec<u64> {
    let store = github.store();
    assert_eq!(store.checks.len(), 1);
    let lines = store.checks[0].annotations.iter();
    lines.map(|annotation| annotation["start_line"].as_u64().unwrap()).collect()
}

#[test]
fn annotations_come_in_batches_each_once_and_in_order() {
    for count in [0, 1, 50, 51, 120] {
        let github = Github::sound();
        make(&github, &annotations(count));
        assert_eq!(lines(&github), (1..=u64::from(count)).collect::<Vec<_>>());
        let batches = usize::try_from(count).unwrap().div_ceil(50).max(1);
        assert_eq!(github.store().seen.len(), batches);
    }
}

#[test]
fn a_batch_whose_answer_is_lost_is_not_there_twice() {
    for method in ["POST", "PATCH"] {
        let github = Github::new(move |seen, nth| {
            (seen.method == method && nth == 0).then_some(Fault::LoseAnswer)
        });
        make(&github, &annotations(170));
        assert_eq!(lines(&github), (1..=170).collect::<Vec<_>>(), "{method}");
    }
}

#[test]
fn a_batch_that_did_not_arrive_is_sent_again() {
    let github = Github::new(|seen, nth| {
        (seen.method == "PATCH" && nth == 0).then(|| Fault::Refuse(502, vec![], "Server Error"))
    });
    make(&github, &annotations(120));
    assert_eq!(lines(&github), (1..=120).collect::<Vec<_>>());
}

#[test]
fn manifests_of_the_latest_release_are_found_past_drafts_and_redirects() {
    let github = Github::sound();
    {
        let mut store = github.store();
        let old = store.release("v1", false);
        store.asset(old, "app-android-manifest.json", b"old", "uploaded");
        let latest = store.release("v2", false);
        for nth in 0..120 {
            store.asset(latest, &format!("part{nth}"), b"x", "uploaded");
        }
        store.asset(latest, "app-android-manifest.json", b"{\"schema\": 1}", "uploaded");
        store.asset(latest, "app-iphone-manifest.json", b"two", "uploaded");
        store.release("v3", true);
    }
    let found = with(&options(&github), baseline::latest_release).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.origin.as_str(), std::str::from_utf8(&found.text).unwrap()))
        .collect();
    let expected = [
        ("app-android-manifest.json of v2", "{\"schema\": 1}"),
        ("app-iphone-manifest.json of v2", "two"),
    ];
    assert_eq!(found, expected);
    // The storage was asked without the token: the server would have said so.
    let storage =
        github.store().seen.iter().filter(|seen| seen.path.starts_with("/storage/")).count();
    assert_eq!(storage, 2);
}

#[test]
fn no_release_is_no_baseline_and_no_error() {
    let github = Github::sound();
    assert_eq!(with(&options(&github), baseline::latest_release).unwrap(), []);
}

#[test]
fn a_baseline_that_is_not_there_or_redirects_for_ever_is_said_to() {
    let github = Github::new(|seen, _| {
        let url = "/loop".to_owned();
        (seen.path == "/loop").then(|| Fault::Refuse(302, vec![("Location", url)], ""))
    });
    let download = |path: &str| {
        let url = Url::parse(&format!("{}{path}?signature=secret", github.url())).unwrap();
        with(&options(&github), |api| baseline::download(api, &url)).unwrap_err()
    };
    let error = download("/loop");
    assert!(matches!(error, PublishError::Download { .. }), "{error}");
    assert!(error.to_string().contains("redirects") && !error.to_string().contains("secret"));
    let error = download("/absent");
    assert!(error.to_string().contains("answers 404"), "{error}");
}

#[test]
fn a_baseline_at_an_address_needs_no_repository_and_gets_no_token() {
    let github = Github::sound();
    let storage = {
        let mut store = github.store();
        let release = store.release("v1", false);
        store.asset(release, "m.json", b"{\"schema\": 9}", "uploaded")
    };
    let variables = [("GITHUB_API_URL", github.url()), ("GH_TOKEN", TOKEN.to_owned())];
    let get =
        |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
    let mut options = ApiOptions::without_repository(&get).unwrap();
    options.system_proxy = false;
    // Another host than the API's: the server refuses the token there.
    let url = format!("{}/storage/{storage}?signature=secret", github.state.storage);
    let (ui, cancel) = (Ui::new(Verbosity::Quiet, false), Cancel::default());
    let found = baseline::baseline_at(&url, &options, &ui, &cancel).unwrap();
    assert_eq!(found.text, b"{\"schema\": 9}");
    assert!(!found.origin.contains("secret"));
    assert!(baseline::baseline_at("file:///etc/passwd", &options, &ui, &cancel).is_err());
    assert!(baseline::baselines(&options, &ui, &cancel).is_err(), "of which repository?");
}
