//! The same GitHub behind Prism, which holds every request of ours and every answer of the fake
//! against GitHub's own description of its API, and answers with an error where they differ.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::Utf8PathBuf;
use mlc_package::github::api::{Api, ApiOptions};
use mlc_package::io::cancel::Cancel;
use mlc_package::io::http::Url;
use mlc_package::io::secret::Secret;
use mlc_package::publish::{Annotation, Check, Conclusion, Level, baseline, check};
use serde_json::{Value, json};

use super::github::{Fault, Github, TOKEN, hex};
use super::scene::{HEAD, Scene, bytes};
use super::shapes::Pull;

const DESCRIPTION: &str = "node_modules/@octokit/openapi/generated/api.github.com.json";

/// Where scripts/setup-prism.sh has put it.
fn home() -> Utf8PathBuf {
    std::env::var("MLC_PACKAGE_TEST_PRISM").unwrap().into()
}

/// A proxy that ends with the test.
struct Prism {
    child: Child,
    url: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Prism {
    fn before(github: &Github) -> Self {
        let home = home();
        let mut child = Command::new(home.join("node_modules/.bin/prism"))
            .args(["proxy", "--errors", "--port", "0"])
            .arg(home.join(DESCRIPTION))
            .arg(github.url())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, url) = line.split_once("Prism is listening on ")?;
            Some(url.chars().take_while(|c| c.is_ascii_graphic()).collect::<String>())
        });
        let url = url.unwrap();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let shared = log.clone();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| shared.lock().unwrap().push(line));
        });
        github.is_behind(&url);
        Self { child, url, log }
    }

    fn said(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(scene: &Scene, prism: &Prism, arguments: &[&str]) -> super::scene::Run {
    let run = super::scene::Run::of(scene.spawn(arguments).wait_with_output().unwrap());
    assert_eq!(run.code, Some(0), "{}\n{}", run.stderr, prism.said());
    // A comment or a check run that failed is only a warning.
    assert_eq!(
        run.says("no comment") + run.says("no check run"),
        0,
        "{}\n{}",
        run.stderr,
        prism.said()
    );
    run
}

#[test]
#[ignore = "needs Prism: scripts/setup-prism.sh"]
fn prism_finds_nothing_wrong_with_a_release() {
    let github = Github::sound();
    let prism = Prism::before(&github);
    let mut scene = Scene::at(&prism.url);
    scene.of_pull_request();
    // Prism takes bodies for text.
    scene.write("a b.tar.zst", hex(&bytes(200_000, 1)).as_bytes());
    scene.write("m.json", b"{}");
    scene.write("report.md", b"sizes");
    let arguments = [
        "publish",
        "--tag=v1",
        "--file=a b.tar.zst",
        "--file=m.json",
        "--comment=always",
        "--check",
        "--report-markdown=report.md",
    ];
    let draft = [&arguments[..], &["--draft"]].concat();
    run(&scene, &prism, &draft);
    // Something in the way, in each of its forms.
    {
        let mut store = github.store();
        let release = store.releases[0].id;
        store.releases[0].assets.retain(|asset| asset.name != "m.json");
        store.asset(release, "m.json", b"", "open");
        for tag in 0..120 {
            store.release(&format!("v0.{tag}"), false);
        }
    }
    run(&scene, &prism, &[&arguments[..], &["--prerelease"]].concat());
    run(&scene, &prism, &arguments);
    {
        let store = github.store();
        let release = store.releases.iter().find(|release| release.tag == "v1").unwrap();
        assert!(!release.draft && release.prerelease && release.assets.len() == 3);
        assert_eq!((store.comments.len(), store.checks.len()), (1, 3));
    }
    let made: Vec<_> =
        ["POST", "PATCH", "DELETE"].map(|method| github.seen(method, "").len()).into();
    assert!(made.iter().all(|count| *count > 0), "every method went through the proxy: {made:?}");
}

#[test]
#[ignore = "needs Prism: scripts/setup-prism.sh"]
fn prism_finds_nothing_wrong_with_pull_requests_and_other_tokens() {
    let github = Github::sound();
    let text = fs_err::read(home().join(DESCRIPTION)).unwrap();
    let description: Value = serde_json::from_slice(&text).unwrap();
    let examples = &description["components"]["examples"]["pull-request-simple-items"]["value"];
    {
        let mut store = github.store();
        store.me = Some("octocat".to_owned());
        let mut shape = examples[0].clone();
        // The example's teams lack what the description demands of a team.
        shape["requested_teams"] = json!([]);
        store.pull_shape = Some(shape);
        let (head, branch) = (HEAD.to_owned(), "feature".to_owned());
        store.pulls = vec![Pull { number: 9, head, branch, open: true }];
    }
    let prism = Prism::before(&github);
    let mut scene = Scene::at(&prism.url);
    scene.write("m.json", b"{}");
    let arguments = ["publish", "--tag=v1", "--file=m.json", "--comment=always"];
    scene.of_event("push", &json!({"ref": "refs/heads/feature", "after": HEAD}));
    run(&scene, &prism, &arguments);
    let payload = json!({"workflow_run": {
        "id": 5, "event": "pull_request", "head_sha": HEAD, "head_branch": "feature",
        "head_repository": {"full_name": "stranger/app"}, "pull_requests": [],
    }});
    scene.of_event("workflow_run", &payload);
    run(&scene, &prism, &arguments);
    let store = github.store();
    assert!(store.comments.len() == 1 && store.comments[0].issue == 9);
}

#[test]
#[ignore = "needs Prism: scripts/setup-prism.sh"]
fn prism_finds_nothing_wrong_with_annotations_and_baselines() {
    let github = Github::sound();
    {
        let mut store = github.store();
        let release = store.release("v1", false);
        // Prism follows redirects itself, so that a download is not the same through it.
        store.asset(release, "notes.txt", b"{}", "uploaded");
    }
    let prism = Prism::before(&github);
    let url = Url::parse(&prism.url).unwrap();
    let mut options = ApiOptions::new(url, "octo/app".parse().unwrap(), Secret::new(TOKEN));
    options.system_proxy = false;
    options.retry.first = Duration::from_millis(1);
    let cancel = Cancel::default();
    let api = Api::new(&options, &cancel, &|_, _| {}).unwrap();
    let annotation = |line| Annotation {
        path: "mlc-package-config.json".to_owned(),
        line,
        level: Level::Warning,
        title: "title".to_owned(),
        message: "message".to_owned(),
    };
    let wanted = Check {
        name: "size",
        head: HEAD,
        conclusion: Conclusion::Neutral,
        title: "title",
        markdown: "text",
        annotations: &(1..=120).map(annotation).collect::<Vec<_>>(),
        details_url: Some("https://github.com/octo/app/actions/runs/1"),
        external_id: "x1",
    };
    check(&api, &wanted).map_err(|error| format!("{error}\n{}", prism.said())).unwrap();
    assert_eq!(github.store().checks[0].annotations.len(), 120);
    let found =
        baseline::latest_release(&api).map_err(|error| format!("{error}\n{}", prism.said()));
    assert_eq!(found.unwrap(), []);
}

#[test]
#[ignore = "needs Prism: scripts/setup-prism.sh"]
fn prism_would_say_if_something_were_wrong() {
    let github = Github::new(|seen, _| (seen.method == "GET").then_some(Fault::Garbage));
    let prism = Prism::before(&github);
    let url = Url::parse(&prism.url).unwrap();
    let mut options = ApiOptions::new(url, "octo/app".parse().unwrap(), Secret::new(TOKEN));
    options.system_proxy = false;
    (options.retry.attempts, options.retry.attempts_in_trouble) = (1, 1);
    let cancel = Cancel::default();
    let api = Api::new(&options, &cancel, &|_, _| {}).unwrap();
    let error = baseline::latest_release(&api).unwrap_err();
    assert!(error.to_string().contains("answers 500"), "{error}");
}
