//! What `publish` and `report` can be asked for besides: a rehearsal, title and text, several jobs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use serde_json::{Value, json};

use super::github::{Fault, Github, hex};
use super::package;
use super::scene::{Scene, bytes};
use sha2::Digest as _;

fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

/// The lines of the release's `SHA256SUMS`.
fn sums(github: &Github) -> Vec<String> {
    let release = github.only_release();
    let sums = release.assets.iter().find(|asset| asset.name == "SHA256SUMS").unwrap();
    String::from_utf8(sums.bytes.clone()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn jobs_that_fill_one_release_keep_each_others_digests() {
    let github = Github::sound();
    let scene = Scene::new(&github);
    for (name, seed) in [("a.bin", 1), ("b.bin", 2), ("c.bin", 3)] {
        scene.write(name, &bytes(2000, seed));
    }
    scene.run(&["publish", "--tag=v1", "--file=b.bin"], 0);
    scene.run(&["publish", "--tag=v1", "--file=a.bin", "--file=c.bin"], 0);
    let line =
        |name: &str| format!("{}  {name}", sha256(&fs_err::read(scene.root.join(name)).unwrap()));
    assert_eq!(sums(&github), [line("a.bin"), line("b.bin"), line("c.bin")]);
    // Each finds its own in it, and has nothing to do.
    github.forget();
    scene.run(&["publish", "--tag=v1", "--file=b.bin"], 0);
    assert_eq!(github.uploads(), [""; 0]);
    // A changed file's line changes, and the others' stay.
    scene.write("b.bin", &bytes(2000, 9));
    scene.run(&["publish", "--tag=v1", "--file=b.bin"], 0);
    assert_eq!(sums(&github), [line("a.bin"), line("b.bin"), line("c.bin")]);
    // What is there no more has no line.
    github.store().releases[0].assets.retain(|asset| asset.name != "a.bin");
    scene.write("b.bin", &bytes(2000, 10));
    scene.run(&["publish", "--tag=v1", "--file=b.bin"], 0);
    assert_eq!(sums(&github), [line("b.bin"), line("c.bin")]);
}

#[test]
fn jobs_at_the_same_time_lose_no_digest() {
    for _ in 0..3 {
        let github = Github::sound();
        let scene = Scene::new(&github);
        let files = ["a.bin", "b.bin", "c.bin"];
        for (seed, name) in files.iter().enumerate() {
            scene.write(name, &bytes(2000, seed as u64));
        }
        let runs = files.map(|name| scene.spawn(&["publish", "--tag=v1", "--file", name]));
        for run in runs {
            let run = super::scene::Run::of(run.wait_with_output().unwrap());
            assert_eq!(run.code, Some(0), "{}", run.stderr);
        }
        assert_eq!(sums(&github).len(), 3, "{:?}", sums(&github));
    }
}

#[test]
fn a_digest_that_a_run_has_taken_away_comes_back_whatever_another_wrote_meanwhile() {
    // The second run removes the first's file, and is held before it sends its own.
    let (held, is_held) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let (count, gone) = (AtomicUsize::new(0), Mutex::new(gone));
    let github = Github::new(move |seen, _| {
        let of_sums = seen.query.iter().any(|(_, value)| value == "SHA256SUMS");
        if seen.method == "POST" && of_sums && count.fetch_add(1, Ordering::SeqCst) == 1 {
            held.send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
        }
        None
    });
    let scene = Scene::new(&github);
    for (name, seed) in [("a.bin", 1), ("b.bin", 2), ("c.bin", 3)] {
        scene.write(name, &bytes(2000, seed));
    }
    scene.run(&["publish", "--tag=v1", "--file=a.bin"], 0);
    let second = scene.spawn(&["publish", "--tag=v1", "--file=b.bin"]);
    is_held.recv().unwrap();
    scene.run(&["publish", "--tag=v1", "--file=c.bin"], 0);
    assert_eq!(sums(&github).len(), 1, "{:?}", sums(&github));
    go.send(()).unwrap();
    let second = super::scene::Run::of(second.wait_with_output().unwrap());
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert_eq!(sums(&github).len(), 3, "{:?}", sums(&github));
}

#[test]
fn another_packages_assets_are_replaced_only_if_asked() {
    let github = Github::sound();
    let scene = Scene::new(&github);
    let manifest = |ids: &[&str]| {
        let models: Vec<_> = ids.iter().map(|id| json!({"model_id": id})).collect();
        json!({"schema": 1, "models": models}).to_string()
    };
    let publish = ["publish", "--tag=v1", "--file=app-android-manifest.json"];
    scene.write("app-android-manifest.json", manifest(&["phi-2", "qwen"]).as_bytes());
    scene.run(&publish, 0);
    // A later build of the package has a model more.
    scene.write("app-android-manifest.json", manifest(&["qwen", "gemma"]).as_bytes());
    scene.run(&publish, 0);
    scene.write("app-android-manifest.json", manifest(&["llama"]).as_bytes());
    github.forget();
    let run = scene.run(&publish, 15);
    assert!(
        run.stderr.contains("is of another package, a package of gemma, qwen"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("--name") && run.stderr.contains("--replace"), "{}", run.stderr);
    assert!(github.store().seen.iter().all(|seen| seen.method == "GET"));
    scene.run(&[&publish[..], &["--replace"]].concat(), 0);
    assert_eq!(github.uploads(), ["SHA256SUMS", "app-android-manifest.json"]);
}

#[test]
fn an_asset_that_another_packages_list_names_is_not_replaced() {
    let github = Github::sound();
    let (packed, _) = package::Scene::with_package();
    let assets = package::pack(&packed.path("built"), &package::options(), &packed.path("packed"));
    let scene = Scene::new(&github);
    let list = assets.assets.iter().find(|asset| asset.name.as_str().ends_with("-assets.json"));
    let lib = assets.assets.iter().find(|asset| asset.name.as_str().contains("-lib.")).unwrap();
    {
        let mut store = github.store();
        let id = store.release("v1", false);
        for asset in [list.unwrap(), lib] {
            let bytes = fs_err::read(&asset.path).unwrap();
            store.asset(id, asset.name.as_str(), &bytes, "uploaded");
        }
    }
    let name = lib.name.as_str();
    scene.write(name, b"something else");
    let run = scene.run(&["publish", "--tag=v1", "--file", name], 15);
    assert!(run.stderr.contains("is of another package, the package chat that "), "{}", run.stderr);
    scene.run(&["publish", "--tag=v1", "--replace", "--file", name], 0);
}

#[test]
fn a_plus_in_a_name_stays() {
    let github = Github::sound();
    let scene = Scene::new(&github);
    scene.write("app-1.2+7.aab", b"x");
    scene.run(&["publish", "--tag=v1", "--file=app-1.2+7.aab"], 0);
    let release = github.only_release();
    assert!(
        release.assets.iter().any(|asset| asset.name == "app-1.2+7.aab" && asset.label.is_empty())
    );
    assert!(sums(&github)[0].ends_with("  app-1.2+7.aab"));
}

#[test]
fn a_rehearsal_says_what_would_be_done_and_does_nothing() {
    let github = Github::sound();
    let scene = Scene::new(&github);
    for name in ["a.bin", "b.bin"] {
        scene.write(name, &bytes(2048, 1));
    }
    let rehearse = |more: &[&str]| {
        let arguments = ["publish", "--tag=v1", "--dry-run", "--file=a.bin", "--file=b.bin"];
        scene.run(&[&arguments[..], more].concat(), 0).stdout
    };
    assert_eq!(
        rehearse(&[]),
        "v1: a new release\n  send    a.bin (2.0 KiB)\n  send    b.bin (2.0 KiB)\n"
    );
    assert!(github.store().seen.iter().all(|seen| seen.method == "GET"));
    scene.run(&["publish", "--tag=v1", "--draft", "--file=a.bin", "--file=b.bin"], 0);
    scene.write("b.bin", b"other");
    let text = rehearse(&[]);
    assert!(text.starts_with("v1: https://") && text.contains("(draft)"), "{text}");
    assert!(text.contains("  keep    a.bin") && text.contains("  replace b.bin (5 B)"), "{text}");
    let printed: Value = serde_json::from_str(&rehearse(&["--format=json"])).unwrap();
    assert_eq!((&printed["tag"], &printed["draft"]), (&json!("v1"), &json!(true)));
    assert_eq!(printed["assets"][1], json!({"name": "b.bin", "bytes": 5, "action": "replace"}));
    assert!(github.only_release().draft);
}

#[test]
fn a_wrong_token_or_repository_is_found_before_anything_is_packed() {
    let github = Github::sound();
    let mut scene = Scene::new(&github);
    package::lay_out(&scene.root.join("dist"), &package::package(), &["phi-2", "my model"]);
    scene.set("GITHUB_TOKEN", "ghs_wrong");
    let run = scene.run(&["publish", "--tag=v1"], 15);
    assert!(run.stderr.contains("does not know the token"), "{}", run.stderr);
    scene.set("GITHUB_TOKEN", super::github::TOKEN);
    let wrong = scene.run(&["publish", "--tag=v1", "--repo=octo/typo"], 15);
    assert!(wrong.stderr.contains("/repos/octo/typo/"), "{}", wrong.stderr);
    let rehearsed = scene.run(&["publish", "--tag=v1", "--dry-run", "--repo=octo/typo"], 15);
    for run in [run, wrong, rehearsed] {
        assert!(!run.stderr.contains("Pack"), "{}", run.stderr);
        assert!(!scene.root.join(".dist-assets").exists());
    }
    let run = scene.run(&["publish", "--tag=v1", "--dry-run"], 0);
    assert!(run.stdout.contains("  pack    app-android-lib.tar.zst"), "{}", run.stdout);
    assert!(!scene.root.join(".dist-assets").exists());
}

#[test]
fn a_release_has_the_title_and_the_text_that_it_is_given() {
    let github = Github::sound();
    let scene = Scene::new(&github);
    scene.write("a.bin", b"x");
    scene.write("notes.md", "# Neu\nschöner".as_bytes());
    let publish = ["publish", "--tag=v1", "--file=a.bin"];
    let given = ["--title=Version 1", "--notes-file=notes.md", "--make-latest=false"];
    scene.run(&[&publish[..], &given].concat(), 0);
    let made = &github.seen("POST", "/releases")[0].body;
    assert_eq!((&made["name"], &made["body"]), (&json!("Version 1"), &json!("# Neu\nschöner")));
    let published = github.seen("PATCH", "").pop().unwrap().body;
    assert_eq!((&published["draft"], &published["make_latest"]), (&json!(false), &json!("false")));
    // Of one that is there, what is not given stays.
    github.forget();
    scene.run(&publish, 0);
    assert_eq!(github.seen("PATCH", "").len(), 0);
    scene.run(&[&publish[..], &["--title=Version 1.0", "--make-latest"]].concat(), 0);
    let changed = github.seen("PATCH", "").pop().unwrap().body;
    assert_eq!(changed, json!({"name": "Version 1.0", "make_latest": "true"}));
    assert_eq!(github.only_release().name, "Version 1.0");
}

#[test]
fn several_jobs_write_one_comment_a_section_each() {
    let github = Github::sound();
    let mut scene = Scene::new(&github);
    scene.of_pull_request();
    scene.write("a.bin", b"x");
    let job = |section: &str, text: &str| {
        scene.write("report.md", text.as_bytes());
        let section = format!("--comment-section={section}");
        let arguments = [
            "publish",
            "--tag=v1",
            "--file=a.bin",
            "--report-markdown=report.md",
            "--comment=always",
            "--comment-key=sizes",
            &section,
        ];
        scene.run(&arguments, 0);
    };
    job("ios", "of iOS");
    job("android", "of Android");
    job("ios", "of iOS again");
    {
        let store = github.store();
        assert_eq!(store.comments.len(), 1);
        let body = &store.comments[0].body;
        assert!(body.starts_with("<!-- mlc-package:sizes -->\n"), "{body}");
        let at = |text: &str| body.find(text).unwrap_or_else(|| panic!("{text}: {body}"));
        assert!(at("of Android") < at("of iOS again"));
        assert_eq!(body.matches("of iOS").count(), 1);
    }
    // Another key is another comment.
    scene.run(&["publish", "--tag=v1", "--file=a.bin", "--comment=always"], 0);
    assert_eq!(github.store().comments.len(), 2);
    for wrong in ["a b", "a--b", "-a", "", "-->"] {
        scene.run(&["publish", "--tag=v1", "--file=a.bin", &format!("--comment-key={wrong}")], 2);
    }
}

#[test]
fn a_section_that_another_job_wrote_over_is_written_again() {
    // After our first write another job, which has not seen it, writes the comment.
    let shared: std::sync::Arc<std::sync::OnceLock<_>> = std::sync::Arc::default();
    let state = shared.clone();
    let github = Github::new(move |seen, nth| {
        if seen.method == "GET" && seen.path.ends_with("/comments") && nth == 1 {
            let state: &std::sync::Arc<super::github::State> = state.get().unwrap();
            state.store().comments[0].body =
                "<!-- mlc-package:k -->\n<!-- mlc-package-section:b -->\nof b\n".to_owned();
        }
        None::<Fault>
    });
    assert!(shared.set(github.state.clone()).is_ok());
    let mut scene = Scene::new(&github);
    scene.of_pull_request();
    scene.write("a.bin", b"x");
    let place = ["--comment=always", "--comment-key=k", "--comment-section=a"];
    scene.run(&[&["publish", "--tag=v1", "--file=a.bin"], &place[..]].concat(), 0);
    let store = github.store();
    let body = &store.comments[0].body;
    assert!(body.contains("section:a -->") && body.contains("of b"), "{body}");
}
