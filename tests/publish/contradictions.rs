//! A GitHub whose lists never show what it has taken, or never end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use camino::Utf8Path;
use mlc_package::github::api::{Api, ApiError, ApiOptions, Call, Permission, Release};
use mlc_package::io::cancel::Cancel;
use mlc_package::io::http::Url;
use mlc_package::io::secret::Secret;
use mlc_package::publish::{PublishError, ReleaseFile, ReleaseRequest, release};
use mlc_package::stage_error::StageError as _;

use super::github::{Fault, Github, State, TOKEN};
use super::scene::bytes;
use super::shapes::Asset;

fn options(github: &Github) -> ApiOptions {
    let url = Url::parse(&github.url()).unwrap();
    let mut options = ApiOptions::new(url, "octo/app".parse().unwrap(), Secret::new(TOKEN));
    options.system_proxy = false;
    options.retry.first = Duration::from_millis(1);
    options.retry.longest = Duration::from_millis(2);
    options
}

/// What becomes of a release's assets.
type Change = fn(&mut Vec<Asset>);

/// A GitHub that does something to every asset before it lists them.
fn lists(change: Change) -> Github {
    let state: Arc<OnceLock<Arc<State>>> = Arc::default();
    let shared = state.clone();
    let github = Github::new(move |seen, _| {
        if seen.method == "GET" && seen.path.ends_with("/assets") {
            let mut store = shared.get().unwrap().store();
            store.releases.iter_mut().for_each(|release| change(&mut release.assets));
        }
        None
    });
    assert!(state.set(github.state.clone()).is_ok());
    github
}

#[test]
fn a_list_that_never_agrees_ends_the_run_after_few_uploads() {
    let changes: [(Change, &str); 4] = [
        (Vec::clear, "does not show it"),
        (
            |assets| assets.iter_mut().for_each(|asset| asset.state = "starter"),
            "shows it as `starter`",
        ),
        (
            |assets| assets.iter_mut().for_each(|asset| asset.sha256 = Some("0".repeat(64))),
            "shows the digest sha256:0000",
        ),
        (|assets| assets.iter_mut().for_each(|asset| asset.size = 7), "shows 7 bytes instead of"),
    ];
    for (change, shown) in changes {
        let github = lists(change);
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let files = ["a.bin", "b.bin"].map(|name| {
            fs_err::write(root.join(name), bytes(10_000, 1)).unwrap();
            ReleaseFile::read(&root.join(name)).unwrap()
        });
        let request = ReleaseRequest {
            tag: "v1".to_owned(),
            files: files.to_vec(),
            ..ReleaseRequest::default()
        };
        let waits = std::sync::atomic::AtomicUsize::new(0);
        let error = release(&options(&github), &request, &Cancel::default(), &|happening| {
            if let mlc_package::publish::Happening::Waiting { .. } = happening {
                waits.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        });
        let error = error.unwrap_err();
        assert!(error.to_string().contains(shown), "{shown}: {error}");
        assert!(error.to_string().contains("was sent 3 times"), "{error}");
        assert!(matches!(error, PublishError::Unfinished { .. }), "{error}");
        assert!(error.help().unwrap().contains("githubstatus"), "{:?}", error.help());
        assert_eq!(github.uploads().len(), 6, "three times each");
        assert_eq!(waits.into_inner(), 12, "four looks after each");
        assert!(github.only_release().draft);
    }
}

#[test]
fn a_list_that_is_behind_for_a_moment_costs_no_second_upload() {
    // What it shows is what there was two looks before.
    let state: Arc<OnceLock<Arc<State>>> = Arc::default();
    let shared = state.clone();
    let kept: Arc<std::sync::Mutex<Vec<Asset>>> = Arc::default();
    let github = Github::new(move |seen, nth| {
        if seen.method == "GET" && seen.path.ends_with("/assets") {
            let (mut store, mut kept) = (shared.get().unwrap().store(), kept.lock().unwrap());
            let assets = &mut store.releases[0].assets;
            match nth {
                1 | 2 => kept.append(assets),
                _ => assets.append(&mut kept),
            }
        }
        None
    });
    assert!(state.set(github.state.clone()).is_ok());
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().join("a.bin");
    fs_err::write(&path, bytes(10_000, 1)).unwrap();
    let files = vec![ReleaseFile::read(&path).unwrap()];
    let request = ReleaseRequest { tag: "v1".to_owned(), files, ..ReleaseRequest::default() };
    release(&options(&github), &request, &Cancel::default(), &|_| {}).unwrap();
    assert_eq!(github.uploads(), ["a.bin"]);
    assert!(!github.only_release().draft);
}

#[test]
fn a_list_whose_pages_never_end_is_an_error() {
    let github = Github::new(|seen, _| seen.path.ends_with("/releases").then_some(Fault::Endless));
    let (options, cancel) = (options(&github), Cancel::default());
    let api = Api::new(&options, &cancel, &|_, _| {}).unwrap();
    let call = Call::get(&["releases"], Permission::Read);
    let error = api.each_page(call, |_: Vec<Release>| {}).unwrap_err();
    assert!(matches!(error, ApiError::Endless { pages: 100, .. }), "{error}");
    assert!(error.to_string().contains("/repos/octo/app/releases: the list goes on"), "{error}");
    assert_eq!(github.seen("GET", "/releases").len(), 100);
}

#[test]
fn a_page_instead_of_json_and_a_body_without_measure_are_asked_for_once() {
    let github = Github::new(|_, _| Some(Fault::Garbage));
    let (options, cancel) = (options(&github), Cancel::default());
    let api = Api::new(&options, &cancel, &|_, _| {}).unwrap();
    let error = api.get::<Release>(Call::get(&["releases", "1"], Permission::Read)).unwrap_err();
    assert!(error.to_string().contains("an HTML page came instead of JSON"), "{error}");
    assert!(error.help().unwrap().contains("GITHUB_API_URL"), "{error}");
    let url = Url::parse(&github.url()).unwrap();
    let error = api.download(&url, 3).unwrap_err();
    assert!(error.to_string().contains("longer than 3 bytes"), "{error}");
    assert_eq!(github.store().seen.len(), 2);
}
