//! `mlc-package cache` as a user runs it, on caches of its own.

#![expect(clippy::expect_used, reason = "a scene that cannot be set fails the test")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::compile::LibraryStore;
use mlc_package::fetch::{Register, SnapshotKey};
use mlc_package::model::{
    CompileInputs, CompileRecord, CompilerIdentity, Device, Digest, Fingerprint, HubRepo,
    LibraryFormat, PackageIdentity, Revision,
};
use serde_json::Value;

const DAY: u64 = 24 * 3600;
const REPO: &str = "mlc-ai/tiny-MLC";
const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

struct Scene {
    _temp: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Scene {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(temp.path()).expect("UTF-8");
        let root = root.canonicalize_utf8().expect("a directory");
        Self { _temp: temp, root }
    }

    fn cache_dir(&self) -> Utf8PathBuf {
        self.root.join("cache/mlc-package")
    }

    fn hub(&self) -> Utf8PathBuf {
        self.root.join("cache/huggingface/hub")
    }

    fn write(&self, path: &Utf8Path, text: &[u8]) {
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs_err::write(path, text).expect("written");
    }

    /// The program, with nothing of the machine's settings.
    fn run(&self, args: &[&str]) -> assert_cmd::assert::Assert {
        let mut command: Command = assert_cmd::cargo::cargo_bin_cmd!("mlc-package");
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("XDG_CACHE_HOME", self.root.join("cache"));
        command.current_dir(&self.root).arg("cache").args(args).assert()
    }

    /// What it prints, with paths and times that are the same on every run.
    fn human(&self, args: &[&str], code: i32) -> String {
        let run = self.run(args).code(code).stderr("");
        text(&run).replace(self.root.as_str(), "ROOT")
    }

    fn json(&self, args: &[&str], code: i32) -> Value {
        let run = self.run(&[args, &["--format", "json"]].concat()).code(code).stderr("");
        serde_json::from_str(&text(&run)).expect("JSON")
    }

    /// A compiled library that was made and used so many days ago.
    fn library(&self, model_lib: &str, bytes: usize, days: u64) -> Utf8PathBuf {
        let wheel = |name: &str, version: &str| PackageIdentity {
            distribution: Some(name.to_owned()),
            version: Some(version.to_owned()),
            files: None,
        };
        let library = vec![b'x'; bytes];
        let fingerprint = Fingerprint(Digest::of(model_lib.as_bytes()));
        let record = CompileRecord {
            fingerprint,
            inputs: CompileInputs {
                model_type: "llama".into(),
                quantization: "q4f16_1".into(),
                chat_config: serde_json::Map::new(),
                overrides: String::new(),
                opt: String::new(),
                device: Device::Android.into(),
                host: None,
                enable_subgroups: false,
                format: LibraryFormat::Tar,
                macabi_arch: None,
                metal: Default::default(),
                model_lib: model_lib.parse().expect("a name"),
                compiler: CompilerIdentity {
                    mlc_llm: wheel("mlc-llm", "0.20"),
                    tvm: wheel("apache-tvm", "0.26"),
                    tvm_ffi: wheel("apache-tvm-ffi", "0.1"),
                    tools: [].into(),
                },
            },
            seconds: 1.5,
            bytes: bytes as u64,
            digest: Digest::of(&library),
            created: now() - days * DAY,
            kernels: None,
        };
        let entry = self.cache_dir().join("libs").join(fingerprint.dir_name());
        self.write(&entry.join("lib.tar"), &library);
        self.write(&entry.join("record.json"), &serde_json::to_vec(&record).expect("JSON"));
        entry
    }

    /// A file of the model in the Hub's cache; gives its blob.
    fn hub_file(&self, name: &str, text: &str, blob: &str) -> Utf8PathBuf {
        let repo = self.hub().join("models--mlc-ai--tiny-MLC");
        let path = repo.join("blobs").join(blob);
        self.write(&path, text.as_bytes());
        let link = repo.join("snapshots").join(COMMIT).join(name);
        fs_err::create_dir_all(link.parent().expect("a parent")).expect("made");
        fs_err::os::unix::fs::symlink(format!("../../blobs/{blob}"), link).expect("a link");
        path
    }

    /// A model of three files, of which all but the README are said to be ours.
    fn model(&self, days: u64) -> Utf8PathBuf {
        // `printf … | git hash-object --stdin`, and `printf 12345 | sha256sum`.
        self.hub_file("mlc-chat-config.json", "{}", "9e26dfeeb6e641a33dae4961196235bdb965b21b");
        self.hub_file("README.md", "hello", "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
        let shard = self.hub_file(
            "params_shard_0.bin",
            "12345",
            "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5",
        );
        self.write(&self.hub().join("models--mlc-ai--tiny-MLC/refs/main"), COMMIT.as_bytes());
        let (hub_cache, repo, commit) = (self.hub(), repo(), commit());
        let key = SnapshotKey { hub_cache: &hub_cache, repo: &repo, commit: &commit };
        let names = ["mlc-chat-config.json", "params_shard_0.bin"];
        let names = names.map(|name| name.parse().expect("a path"));
        let files = names.iter().zip([2, 5]);
        Register::new(&self.cache_dir()).note(key, files, now() - days * DAY).expect("noted");
        shard
    }
}

fn repo() -> HubRepo {
    format!("HF://{REPO}").parse().expect("a repository")
}

fn commit() -> Revision {
    COMMIT.parse().expect("a commit")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn text(run: &assert_cmd::assert::Assert) -> String {
    String::from_utf8(run.get_output().stdout.clone()).expect("UTF-8")
}

fn names(result: &Value, list: &str) -> Vec<String> {
    let items = result[list].as_array().expect("a list").iter();
    items.map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn empty_caches_are_listed_verified_and_pruned() {
    let scene = Scene::new();
    assert_eq!(
        scene.human(&["list"], 0),
        "ROOT/cache/mlc-package: 0 compiled libraries, 0 B\n\n\
         ROOT/cache/huggingface/hub: 0 MLC models, 0 B\n"
    );
    assert_eq!(scene.human(&["verify"], 0), "ok: 0 libraries, 0 models, 0 B\n");
    assert_eq!(scene.human(&["prune", "--older-than", "0s"], 0), "freed 0 B; 0 B left\n");
    assert_eq!(scene.human(&["path"], 0), "ROOT/cache/mlc-package\n");
    assert_eq!(scene.human(&["path", "--cache-dir", "mine"], 0), "ROOT/mine\n");
    assert!(!scene.root.join("cache").exists(), "looking leaves no trace");
}

#[test]
fn the_list_says_what_there_is() {
    let scene = Scene::new();
    scene.library("new_lib", 2048, 3);
    let damaged = scene.library("old_lib", 10, 40);
    fs_err::write(damaged.join("lib.tar"), "short").expect("written");
    scene.model(5);
    scene.write(&scene.cache_dir().join("logs/20200101T000000Z-a.log"), b"why");
    let name = damaged.file_name().expect("a name");
    let shown = scene.human(&["list"], 0);
    for line in [
        "ROOT/cache/mlc-package: 2 compiled libraries, 3.",
        "new_lib  ",
        "3 days ago  3 days ago  mlc_llm 0.20, tvm 0.26",
        &format!("  {}  ", &name[..12]),
        "damaged: `lib.tar` has 5 bytes instead of 10",
        "  and 3 B of logs of failed compilations",
        "ROOT/cache/huggingface/hub: 1 MLC model, 12 B",
        "  mlc-ai/tiny-MLC  aaaaaaaaaaaa (main)  12 B      3  5 days ago  mlc-package (7 B) and \
         others",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let list = scene.json(&["list"], 0);
    assert_eq!(list["libraries"][1]["model_lib"], "new_lib");
    assert_eq!(list["libraries"][1]["compiler"]["tvm"]["version"], "0.26");
    assert_eq!(list["libraries"][0]["fingerprint"], name);
    assert_eq!(list["weights"][0]["commit"], COMMIT);
    assert_eq!(list["weights"][0]["downloaded"], 7);
    let libraries = scene.json(&["list", "--only", "libraries"], 0);
    assert_eq!(libraries.get("weights"), None);
    let weights = scene.json(&["list", "--only", "weights"], 0);
    assert_eq!(weights.get("libraries"), None);
}

#[test]
fn damage_is_named_with_what_to_remove() {
    let scene = Scene::new();
    let library = scene.library("tiny_lib", 10, 1);
    scene.library("good_lib", 10, 1);
    let shard = scene.model(1);
    assert!(scene.human(&["verify"], 0).starts_with("ok: 2 libraries, 1 model, 1."));
    // The same sizes: nothing but the digests can tell.
    fs_err::write(library.join("lib.tar"), "xxxxxxxxxy").expect("written");
    fs_err::write(&shard, "12346").expect("written");
    let shown = scene.human(&["verify"], 13);
    let lines: Vec<_> = shown.lines().collect();
    let [first, second, third, help] = lines.as_slice() else { panic!("{shown}") };
    let library = library.as_str().replace(scene.root.as_str(), "ROOT");
    let shard = shard.as_str().replace(scene.root.as_str(), "ROOT");
    let start = format!("damaged: {library} (tiny_lib): its lib.tar has the digest blake3:");
    assert!(first.starts_with(&start), "{first}");
    assert!(
        second.starts_with(&format!(
            "damaged: {shard} (params_shard_0.bin of {REPO} at aaaaaaaaaaaa): its content has the \
             digest "
        )),
        "{second}"
    );
    assert!(third.starts_with("2 things are damaged in 2 libraries, 1 model, "), "{third}");
    assert!(help.starts_with("help: remove what is named above"), "{help}");
    let verdict = scene.json(&["verify", "--only", "weights"], 13);
    assert_eq!(verdict["problems"].as_array().map(Vec::len), Some(1));
    assert_eq!(verdict["libraries"], 0);
    scene.human(&["verify", "--only", "libraries"], 13);
}

#[test]
fn what_is_old_goes_and_what_others_downloaded_stays() {
    let scene = Scene::new();
    let old = scene.library("old_lib", 10, 40);
    let new = scene.library("new_lib", 10, 3);
    let shard = scene.model(40);
    let readme = shard.with_file_name("b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
    let args = ["prune", "--older-than", "30d"];
    let planned = scene.json(&[&args[..], &["--dry-run"]].concat(), 0);
    assert!(old.exists() && shard.exists());
    let done = scene.json(&args, 0);
    assert_eq!(planned["removed"], done["removed"]);
    assert_eq!(planned["freed"], done["freed"]);
    assert_eq!(names(&done, "removed"), ["old_lib", "mlc-ai/tiny-MLC at aaaaaaaaaaaa"]);
    assert_eq!(done["removed"][1]["bytes"], 7);
    assert!(!old.exists() && new.exists());
    assert!(!shard.exists() && readme.exists());
    let shown = scene.human(&args, 0);
    assert!(shown.starts_with("freed 0 B; ") && shown.lines().count() == 1, "{shown}");
}

#[test]
fn what_was_used_longest_ago_goes_until_the_rest_fits() {
    let scene = Scene::new();
    let entries = [("a_lib", 9), ("b_lib", 2), ("c_lib", 5)]
        .map(|(name, days)| scene.library(name, 10_000, days));
    // A use makes the oldest the newest.
    let fingerprint = Fingerprint(Digest::of(b"a_lib"));
    drop(LibraryStore::new(&scene.cache_dir()).hold(fingerprint));
    let shown = scene.human(&["prune", "--max-size", "25KiB", "--dry-run"], 0);
    assert!(shown.contains("c_lib  library"), "{shown}");
    assert!(shown.contains("5 days ago\n\nwould free 10."), "{shown}");
    let done = scene.json(&["prune", "--max-size", "25KiB"], 0);
    assert_eq!(names(&done, "removed"), ["c_lib"]);
    assert!(entries[0].exists() && entries[1].exists());
    assert_eq!(
        names(&scene.json(&["prune", "--max-size", "0B"], 0), "removed"),
        ["b_lib", "a_lib"]
    );
}

#[test]
fn what_is_used_stays_and_is_named() {
    let scene = Scene::new();
    let library = scene.library("tiny_lib", 10, 9);
    let used = LibraryStore::new(&scene.cache_dir()).hold(Fingerprint(Digest::of(b"tiny_lib")));
    let args = ["prune", "--older-than", "0s"];
    assert_eq!(
        names(&scene.json(&[&args[..], &["--dry-run"]].concat(), 0), "in_use"),
        ["tiny_lib"]
    );
    let shown = scene.human(&args, 0);
    assert!(shown.starts_with("in use by a running build, and kept:\n"), "{shown}");
    assert!(library.exists());
    drop(used);
    scene.human(&args, 0);
    assert!(!library.exists());
}

#[test]
fn what_is_of_no_use_goes_without_being_asked_for() {
    let scene = Scene::new();
    let good = scene.library("good_lib", 10, 400);
    let damaged = scene.library("bad_lib", 10, 1);
    fs_err::remove_file(damaged.join("lib.tar")).expect("removed");
    let libs = scene.cache_dir().join("libs");
    scene.write(&libs.join(".tmp-0123-x/entry/lib.tar"), b"half");
    fs_err::create_dir_all(libs.join(".locks")).expect("made");
    let logs = ["20200101T000000Z-old.log", "20990101T000000Z-new.log"];
    for log in logs {
        scene.write(&scene.cache_dir().join("logs").join(log), b"why");
    }
    let old =
        fs_err::OpenOptions::new().write(true).open(scene.cache_dir().join("logs").join(logs[0]));
    let long_ago = UNIX_EPOCH + Duration::from_secs(now() - 31 * DAY);
    old.expect("a log").file().set_modified(long_ago).expect("set");
    let done = scene.json(&["prune"], 0);
    let name = damaged.file_name().expect("a name").to_owned();
    assert_eq!(names(&done, "removed"), [".tmp-0123-x", logs[0], &name]);
    assert!(good.exists());
    assert!(scene.cache_dir().join("logs").join(logs[1]).exists());
    assert!(!libs.join(".tmp-0123-x").exists());
}

/// Sets the time of a file's last use to so many days ago.
fn age(path: &Utf8Path, days: u64) {
    let file = fs_err::OpenOptions::new().write(true).open(path).expect("a file");
    let then = UNIX_EPOCH + Duration::from_secs(now() - days * DAY);
    file.file().set_modified(then).expect("set");
}

#[test]
fn notes_are_counted_and_go_with_their_files_or_when_they_are_old() {
    let scene = Scene::new();
    scene.model(5);
    let cache = scene.cache_dir();
    let listings = cache.join("hub-listings/0123456789abcdef");
    let gone = "b".repeat(40);
    let listing = listings.join("mlc-ai--tiny-MLC").join(format!("{COMMIT}.json"));
    let of_nothing = listings.join("mlc-ai--tiny-MLC").join(format!("{gone}.json"));
    let [old, new] = ["old", "new"].map(|name| cache.join(format!("weights/.known/{name}.json")));
    for path in [&listing, &of_nothing, &old, &new] {
        scene.write(path, b"{}");
    }
    age(&old, 91);
    age(&listing, 89);
    let list = scene.json(&["list"], 0);
    assert_eq!(list["listings"], serde_json::json!({ "files": 2, "bytes": 4 }));
    assert_eq!(list["notes"], serde_json::json!({ "files": 2, "bytes": 4 }));
    let shown = scene.human(&["list"], 0);
    for line in ["  and 2 lists of repositories, 4 B", "  and 2 notes on verified files, 4 B"] {
        assert!(shown.contains(line), "{shown}");
    }
    // They are of the Hub's models.
    scene.json(&["prune", "--only", "libraries", "--older-than", "0s"], 0);
    let planned = scene.json(&["prune", "--dry-run"], 0);
    let expected = ["old.json", "mlc-ai/tiny-MLC at bbbbbbbbbbbb"];
    assert_eq!(names(&planned, "removed"), expected);
    assert!(old.exists() && of_nothing.exists());
    let done = scene.json(&["prune"], 0);
    assert_eq!(
        (names(&done, "removed"), &done["freed"]),
        (expected.map(Into::into).to_vec(), &4.into())
    );
    assert!(!old.exists() && !of_nothing.exists() && listing.exists() && new.exists());
    let done = scene.json(&["prune", "--older-than", "30d"], 0);
    assert_eq!(names(&done, "removed"), ["mlc-ai/tiny-MLC at aaaaaaaaaaaa"]);
    assert!(!listing.exists() && new.exists());
}

#[test]
fn notes_behind_a_link_are_somebody_elses() {
    let scene = Scene::new();
    let elsewhere = scene.root.join("elsewhere");
    let note = elsewhere.join("note.json");
    scene.write(&note, b"{}");
    age(&note, 400);
    let cache = scene.cache_dir();
    fs_err::create_dir_all(cache.join("weights")).expect("made");
    fs_err::create_dir_all(cache.join("hub-listings/0123456789abcdef")).expect("made");
    for link in ["weights/.known", "hub-listings/0123456789abcdef/mlc-ai--tiny-MLC"] {
        fs_err::os::unix::fs::symlink(&elsewhere, cache.join(link)).expect("a link");
    }
    let run = scene.run(&["prune", "--older-than", "0s"]).success();
    let warned = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(warned.contains("weights/.known` is a symbolic link"), "{warned}");
    assert!(note.exists());
}

#[test]
fn nothing_is_removed_through_a_link_that_leads_out_of_the_cache() {
    let scene = Scene::new();
    let cache = scene.cache_dir();
    let elsewhere = scene.root.join("elsewhere");
    // What is there looks like ours in every way, and is old.
    let library = scene.library("old_lib", 10, 400);
    let theirs = [
        elsewhere.join("libs").join(library.file_name().expect("a name")).join("lib.tar"),
        elsewhere.join("libs/.tmp-0123-x/entry/lib.tar"),
        elsewhere.join("kits/0123/kit.json"),
        elsewhere.join("converted/.tmp-0123-x/entry/model/shard"),
        elsewhere.join("binding/android-1/build/main.o"),
        elsewhere.join("logs/20200101T000000Z-old.log"),
        elsewhere.join("weights/mlc-ai--tiny-MLC@aaaa.json"),
    ];
    fs_err::create_dir_all(&elsewhere).expect("made");
    fs_err::rename(cache.join("libs"), elsewhere.join("libs")).expect("moved");
    for path in &theirs[1..] {
        scene.write(path, b"theirs");
    }
    let long_ago = UNIX_EPOCH + Duration::from_secs(now() - 400 * DAY);
    let log = fs_err::OpenOptions::new().write(true).open(&theirs[5]).expect("a log");
    log.file().set_modified(long_ago).expect("set");
    let buckets = ["libs", "kits", "converted", "binding", "logs", "weights"];
    for bucket in buckets {
        fs_err::os::unix::fs::symlink(elsewhere.join(bucket), cache.join(bucket)).expect("a link");
    }
    for args in [&["prune", "--older-than", "0s"][..], &["prune", "--max-size", "0B"]] {
        let run = scene.run(args).code(0).stdout("freed 0 B; 0 B left\n");
        let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        for bucket in buckets {
            let bucket = cache.join(bucket);
            let word = format!("`{bucket}` is a symbolic link: nothing is removed from `{bucket}`");
            assert!(said.contains(&word), "{said}");
        }
        assert_eq!(said.lines().count(), buckets.len(), "{said}");
    }
    for path in &theirs {
        assert!(path.exists(), "{path}");
    }
    assert!(!elsewhere.join("libs/.locks").exists(), "no lock is made there either");
}

#[test]
fn an_entry_that_is_a_link_goes_as_a_link() {
    let scene = Scene::new();
    let entry = scene.library("old_lib", 10, 400);
    let binding = scene.cache_dir().join("binding/android-1");
    let logs = scene.cache_dir().join("logs");
    let leftover = scene.cache_dir().join("libs/.tmp-0123-x");
    let locks = scene.cache_dir().join("libs/.locks");
    fs_err::create_dir_all(&locks).expect("made");
    let elsewhere = scene.root.join("elsewhere");
    scene.write(&elsewhere.join("binding/.mlc-package-build.lock"), b"theirs");
    scene.write(&elsewhere.join("left/file"), b"theirs");
    scene.write(&elsewhere.join("a.log"), b"theirs");
    fs_err::rename(&entry, elsewhere.join("entry")).expect("moved");
    let links = [
        (elsewhere.join("entry"), entry),
        (elsewhere.join("binding"), binding),
        (elsewhere.join("left"), leftover),
        (elsewhere.join("a.log"), logs.join("20200101T000000Z-old.log")),
    ];
    for (target, link) in &links {
        fs_err::create_dir_all(link.parent().expect("a parent")).expect("made");
        fs_err::os::unix::fs::symlink(target, link).expect("a link");
    }
    let done = scene.json(&["prune", "--older-than", "0s"], 0);
    assert_eq!(names(&done, "removed"), [".tmp-0123-x", "android-1", "old_lib"]);
    // Nothing of what they lead to is freed.
    assert_eq!(done["freed"], 0);
    for (_, link) in &links[..3] {
        assert!(fs_err::symlink_metadata(link).is_err(), "{link}");
    }
    for path in ["entry/lib.tar", "binding/.mlc-package-build.lock", "left/file", "a.log"] {
        assert!(elsewhere.join(path).exists(), "{path}");
    }
}

#[test]
fn a_model_that_was_moved_to_another_disk_stays_there() {
    let scene = Scene::new();
    let shard = scene.model(40);
    let repo = scene.hub().join("models--mlc-ai--tiny-MLC");
    let elsewhere = scene.root.join("elsewhere");
    for (part, moved) in [("", "repo"), ("blobs", "blobs"), ("snapshots", "snapshots")] {
        let (link, target) = (repo.join(part), elsewhere.join(moved));
        let link = Utf8Path::new(link.as_str().trim_end_matches('/'));
        fs_err::create_dir_all(&elsewhere).expect("made");
        fs_err::rename(link, &target).expect("moved");
        fs_err::os::unix::fs::symlink(&target, link).expect("a link");
        for dry_run in [&["--dry-run"][..], &[]] {
            let args = [&["prune", "--older-than", "30d"], dry_run].concat();
            let run = scene.run(&args).code(0);
            let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
            assert!(said.contains(&format!("`{link}` leads out of the cache")), "{said}");
            assert!(shard.exists(), "{part}");
        }
        fs_err::remove_file(link).expect("removed");
        fs_err::rename(&target, link).expect("moved back");
    }
    scene.human(&["prune", "--older-than", "30d"], 0);
    assert!(!shard.exists());
}

/// The same with a mount, which only a user namespace may make here.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_removed_through_a_mount() {
    let scene = Scene::new();
    let cache = scene.cache_dir();
    let theirs = scene.root.join("elsewhere");
    scene.write(&theirs.join(".tmp-0123-x/entry/lib.tar"), b"theirs");
    fs_err::create_dir_all(theirs.join(".locks")).expect("made");
    // One in the place of a bucket, and one deep in a directory that would be removed whole.
    let deep = cache.join("binding/android-1/build");
    fs_err::create_dir_all(cache.join("libs")).expect("made");
    fs_err::create_dir_all(&deep).expect("made");
    let script = format!(
        "mount --bind '{theirs}' '{cache}/libs' && mount --bind '{theirs}' '{deep}' && \
         \"$0\" cache prune --older-than 0s"
    );
    let mut command = Command::new("unshare");
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("XDG_CACHE_HOME", scene.root.join("cache"));
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]).arg(script);
    command.arg(assert_cmd::cargo::cargo_bin!("mlc-package"));
    let output = command.output().expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("unshare") || said.contains("mount:") {
        // No right to mount here.
        return;
    }
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(&format!("`{cache}/libs` is a mount point: nothing is removed")),
        "{said}"
    );
    let away = format!("`{cache}/binding/android-1` leads out of the cache");
    assert!(said.contains(&away), "{said}");
    assert!(theirs.join(".tmp-0123-x/entry/lib.tar").exists());
}

#[test]
fn a_cache_that_is_a_file_is_named() {
    let scene = Scene::new();
    scene.write(&scene.root.join("mine/libs"), b"a file");
    let run = scene.run(&["list", "--cache-dir", "mine"]).code(1).stdout("");
    let told = String::from_utf8(run.get_output().stderr.clone()).expect("UTF-8");
    assert!(told.starts_with("error: the cache directory `"), "{told}");
    assert!(told.contains("mine` is not a directory"), "{told}");
}

#[test]
fn ages_and_sizes_need_their_unit() {
    let scene = Scene::new();
    for (args, wanted) in [
        (["prune", "--older-than", "30"], "expected an age such as 30d"),
        (["prune", "--max-size", "2Q"], "expected a size such as 2GiB"),
    ] {
        let run = scene.run(&args).code(2);
        let told = String::from_utf8(run.get_output().stderr.clone()).expect("UTF-8");
        assert!(told.contains(wanted), "{told}");
    }
}
