//! The Hub's own client, `huggingface_hub` from PyPI, on the same cache and the same hub.

use std::process::{Command, Output, Stdio};

use super::place::{Place, weights};
use super::server::{Fault, File, Server};

const BIG: &str = "params_shard_0.bin";

fn files() -> Vec<(&'static str, File)> {
    vec![
        (BIG, File::lfs(weights(450_000))),
        ("mlc-chat-config.json", File::small(b"{}")),
        ("sub/dir/tokenizer.json", File::small(&weights(5_000))),
    ]
}

/// Python with `huggingface_hub`, for the cache of a place and nothing of the machine's own.
fn python(place: &Place, script: &str) -> Command {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-venv/bin/python");
    let python = std::env::var("MLC_PACKAGE_TEST_HUB_PYTHON").unwrap_or_else(|_| own.to_owned());
    let mut command = Command::new(python);
    command
        .args(["-I", "-c", script])
        .env_clear()
        .env("HF_ENDPOINT", place.options.endpoint.as_str().trim_end_matches('/'))
        .env("HF_HUB_CACHE", &place.options.cache_dir)
        .env("HF_HOME", place.options.cache_dir.parent().unwrap())
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .env("HF_HUB_DISABLE_UPDATE_CHECK", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn said(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "python failed (scripts/setup-python.sh?): {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const SNAPSHOT: &str = "from huggingface_hub import snapshot_download
print(snapshot_download('user/model'))";

#[test]
#[ignore = "needs huggingface_hub: scripts/test.sh"]
fn what_it_downloaded_is_a_hit_for_us() {
    let server = Server::sound(&files());
    let place = Place::new(&server.url());
    let dir = said(python(&place, SNAPSHOT).output().unwrap());
    assert!(!server.downloads(BIG).is_empty(), "it downloaded nothing");
    server.forget();
    assert_eq!(place.fetch().unwrap(), dir);
    let asked: Vec<_> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked.iter().all(|path| path.starts_with("/api/models/")), "{asked:?}");
    place.assert_complete(&files());
}

#[test]
#[ignore = "needs huggingface_hub: scripts/test.sh"]
fn what_we_downloaded_is_a_hit_for_it() {
    let server = Server::sound(&files());
    let place = Place::new(&server.url());
    let dir = place.fetch().unwrap();
    server.forget();
    let offline = python(&place, SNAPSHOT).env("HF_HUB_OFFLINE", "1").output().unwrap();
    assert_eq!(said(offline), dir);
    assert_eq!(server.seen().len(), 0);
    assert_eq!(said(python(&place, SNAPSHOT).output().unwrap()), dir);
    for (path, _) in files() {
        assert_eq!(server.downloads(path).len(), 0, "{path} was downloaded again");
    }
    place.assert_complete(&files());

    let scan = "from huggingface_hub import scan_cache_dir
found = scan_cache_dir()
assert not found.warnings, found.warnings
repo, = found.repos
revision, = repo.revisions
print(repo.repo_id, repo.size_on_disk, repo.nb_files, *revision.refs, revision.commit_hash)";
    let text = said(python(&place, scan).output().unwrap());
    assert_eq!(text, format!("user/model 455002 3 main {}", super::server::COMMIT));
}

#[test]
#[ignore = "needs huggingface_hub: scripts/test.sh"]
fn both_at_once_download_a_file_once() {
    // Whoever is first holds the lock for a second and more; the other is there by then.
    let files = [(BIG, File::lfs(weights(4 << 20)))];
    let server = Server::new(&files, |seen, _| {
        (seen.method == "GET" && seen.path.ends_with(BIG)).then_some(Fault::slow(1_500))
    });
    for we_begin in [true, false] {
        server.forget();
        let mut place = Place::new(&server.url());
        place.options.connections = 1;
        place.options.range_bytes = 1 << 30;
        let theirs = python(&place, SNAPSHOT);
        let theirs = std::thread::scope(|scope| {
            let (server, mut theirs) = (&server, theirs);
            let wait = move || {
                while server.downloads(BIG).is_empty() {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
            };
            let child = scope.spawn(move || {
                if we_begin {
                    wait();
                }
                theirs.output().unwrap()
            });
            if !we_begin {
                wait();
            }
            place.fetch().unwrap();
            child.join().unwrap()
        });
        said(theirs);
        place.assert_complete(&files);
        assert_eq!(server.downloads(BIG).len(), 1, "we began: {we_begin}");
    }
}
