//! Several processes, killed ones, and full disks.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::place::{Place, weights};
use super::server::{Fault, File, Server};

const BIG: &str = "params_shard_0.bin";
const ENDPOINT: &str = "MLC_PACKAGE_TEST_ENDPOINT";
const ROOT: &str = "MLC_PACKAGE_TEST_ROOT";

/// What the other process does.
#[test]
#[ignore = "other tests run it, as a process of its own"]
fn child() {
    let (Ok(endpoint), Ok(root)) = (std::env::var(ENDPOINT), std::env::var(ROOT)) else { return };
    let mut place = Place::at(&endpoint, Utf8Path::new(&root));
    place.options.range_bytes = 1 << 20;
    place.options.stall = Duration::from_secs(20);
    match place.fetch() {
        Ok(dir) => println!("fetched {dir}"),
        Err(error) => panic!("failed: {error}"),
    }
}

/// A process that fetches; `before` is what a shell does first.
fn spawn(before: &str, endpoint: &str, root: &Utf8Path) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .args(["-c", &format!("{before} exec \"$0\" \"$@\"")])
        .arg(program)
        .args(["processes::child", "--exact", "--ignored", "--nocapture"])
        .env(ENDPOINT, endpoint)
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_run_is_gone_on_with_where_it_was() {
    // 24 MiB in ranges of 1 MiB; from 12 MiB on the server is slow.
    let file = File::lfs(weights(24 << 20));
    let files = [(BIG, file)];
    let server = Server::new(&files, |seen, _| {
        seen.range.is_some_and(|range| range.0 >= 12 << 20).then_some(Fault::slow(100))
    });
    let place = Place::new(&server.url());
    let root = place.options.cache_dir.parent().unwrap().to_owned();
    let mut child = spawn("", &server.url(), &root);
    let sidecar = || {
        let names = place.blobs();
        let name = names.iter().find(|name| name.ends_with(".mlc-package.ranges"))?;
        let text = fs_err::read(place.repo_dir().join("blobs").join(name)).ok()?;
        serde_json::from_slice::<serde_json::Value>(&text).ok()
    };
    let written = |state: &serde_json::Value| -> Vec<u64> {
        let written = state["written"].as_array().unwrap();
        written.iter().map(|bytes| bytes.as_u64().unwrap()).collect()
    };
    until("half of the file", || {
        sidecar().is_some_and(|state| written(&state).iter().sum::<u64>() >= 8 << 20)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let before = written(&sidecar().unwrap());
    assert!(!place.repo_dir().join("snapshots").exists());
    assert!(before.iter().any(|bytes| *bytes < 1 << 20), "it was killed too late");

    // As if it had been killed while it wrote that file anew.
    let half = format!("{}.mlc-package.ranges.new", files[0].1.etag);
    fs_err::write(place.repo_dir().join("blobs").join(half), "{").unwrap();
    server.forget();
    let sound = Server::sound(&files);
    let mut again = Place::at(&sound.url(), &root);
    again.options.range_bytes = 1 << 20;
    again.fetch().unwrap();
    again.assert_complete(&files);
    // Only what was missing was asked for.
    let mut asked: Vec<_> = sound.downloads(BIG).iter().map(|seen| seen.range.unwrap()).collect();
    asked.sort_unstable();
    let missing: Vec<_> = before
        .iter()
        .enumerate()
        .map(|(index, bytes)| ((index << 20) + usize::try_from(*bytes).unwrap(), (index + 1) << 20))
        .filter(|(from, end)| from < end)
        .collect();
    assert_eq!(asked, missing);
    let bytes: usize = missing.iter().map(|(from, end)| end - from).sum();
    assert!(bytes <= 16 << 20, "8 MiB were there");
}

#[test]
fn what_was_damaged_between_two_runs_is_noticed() {
    let files = [(BIG, File::lfs(weights(300_000)))];
    let server = Server::new(&files, |_, nth| (nth >= 2).then_some(Fault::Status(500, "")));
    let place = Place::new(&server.url());
    place.fetch().unwrap_err();
    let names = place.blobs();
    let incomplete = names.iter().find(|name| name.ends_with(".incomplete")).unwrap();
    let path = place.repo_dir().join("blobs").join(incomplete);
    let mut bytes = fs_err::read(&path).unwrap();
    assert!(bytes.len() >= 100_000, "{}", bytes.len());
    // Which ranges came is chance; what did not come is written anew.
    bytes.iter_mut().step_by(10_000).for_each(|byte| *byte ^= 1);
    fs_err::write(&path, bytes).unwrap();
    let sound = Server::sound(&files);
    let root = place.options.cache_dir.parent().unwrap().to_owned();
    let again = Place::at(&sound.url(), &root);
    again.fetch().unwrap();
    again.assert_complete(&files);
    assert_eq!(again.retries().len(), 1, "{:?}", again.retries());
}

#[test]
fn two_processes_download_a_file_once() {
    let files = [(BIG, File::lfs(weights(4 << 20))), ("b.json", File::small(b"{}"))];
    let server =
        Server::new(&files, |seen, _| seen.path.ends_with(BIG).then_some(Fault::slow(20_000)));
    let place = Place::new(&server.url());
    let root = place.options.cache_dir.parent().unwrap();
    let children = [(); 3].map(|()| spawn("", &server.url(), root));
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    place.assert_complete(&files);
    let mut asked: Vec<_> = server.downloads(BIG).iter().map(|seen| seen.range.unwrap()).collect();
    asked.sort_unstable();
    assert_eq!(asked, [0, 1, 2, 3].map(|index| (index << 20, (index + 1) << 20)));
}

#[test]
fn cancelling_is_quick_and_keeps_what_is_there() {
    let files = [(BIG, File::lfs(weights(600_000)))];
    let server = Server::new(&files, |seen, _| {
        seen.range.is_some_and(|range| range.0 >= 100_000).then_some(Fault::Stall(50_000))
    });
    let mut place = Place::new(&server.url());
    place.options.stall = Duration::from_secs(60);
    let cancel = place.cancel.clone();
    let waiting = server.clone();
    let canceller = std::thread::spawn(move || {
        until("the requests", || waiting.downloads(BIG).len() >= 4);
        std::thread::sleep(Duration::from_millis(100));
        cancel.cancel();
        Instant::now()
    });
    let error = place.fetch().unwrap_err();
    let took = canceller.join().unwrap().elapsed();
    assert_eq!(error.to_string(), "cancelled");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let sound = Server::sound(&files);
    let root = place.options.cache_dir.parent().unwrap();
    let again = Place::at(&sound.url(), root);
    again.fetch().unwrap();
    again.assert_complete(&files);
    let asked: usize = sound
        .downloads(BIG)
        .iter()
        .map(|seen| seen.range.map_or(600_000, |range| range.1 - range.0))
        .sum();
    assert!(asked <= 400_000, "{asked} bytes were asked for again");
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_that_names_the_directory() {
    let files = [(BIG, File::lfs(weights(4 << 20)))];
    let server = Server::sound(&files);
    let place = Place::new(&server.url());
    let root = place.options.cache_dir.parent().unwrap();
    // No file may become larger than 1 MiB; writing beyond is an error rather than a signal.
    let child = spawn("trap '' XFSZ; ulimit -f 2048;", &server.url(), root);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("no room for `params_shard_0.bin` of `user/model` in `"), "{said}");
    assert!(said.contains("/hub/models--user--model/blobs`"), "{said}");
    place.assert_sound(&files);
    place.fetch().unwrap();
    place.assert_complete(&files);
}
