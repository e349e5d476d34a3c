use camino::{Utf8Path, Utf8PathBuf};

use super::{Pruned, Pruner};
use crate::fetch::SnapshotKey;
use crate::fetch::hub_scene::{HubScene, commit, repo};
use crate::io::cancel::Cancel;
use crate::io::files;
use crate::io::lock::Lock;
use crate::model::ShardPath;

const NAME: &str = "mlc-ai/phi-2";

fn remove(scene: &HubScene, dry_run: bool) -> Vec<Pruned> {
    let mut pruner = Pruner::new(&scene.register, dry_run);
    scene.register.records().iter().map(|record| pruner.remove(record).unwrap()).collect()
}

/// The files and links of the Hub's cache, without locks.
fn left(scene: &HubScene) -> Vec<String> {
    let tree = files::tree(&scene.hub, |path| path != ".locks").unwrap();
    tree.into_iter().map(|entry| entry.path.into_string()).collect()
}

fn freed(bytes: u64) -> Pruned {
    Pruned::Removed { freed: bytes }
}

#[test]
fn what_we_downloaded_goes_with_all_that_names_it() {
    let scene = HubScene::new();
    let a = commit('a');
    scene.put(NAME, &a, "mlc-chat-config.json", "{}");
    scene.put(NAME, &a, "deep/er/shard.bin", "12345");
    scene.set_ref(NAME, "main", &a);
    scene.note(NAME, &a, &["mlc-chat-config.json"], 1);
    scene.note(NAME, &a, &["deep/er/shard.bin"], 2);
    let record = &scene.register.records()[0];
    assert_eq!((record.files.len(), record.bytes, record.bytes_there()), (2, 7, 7));
    let before = left(&scene);
    assert_eq!(remove(&scene, true), [freed(7)]);
    assert_eq!(left(&scene), before);
    assert_eq!(remove(&scene, false), [freed(7)]);
    assert_eq!(left(&scene), [""; 0]);
    assert!(scene.register.records().is_empty());
}

#[test]
fn what_others_downloaded_stays() {
    let scene = HubScene::new();
    let (a, b) = (commit('a'), commit('b'));
    scene.put(NAME, &a, "mlc-chat-config.json", "{}");
    let theirs = scene.put(NAME, &a, "README.md", "theirs");
    // One content, in their commit and in ours.
    let shared = scene.put(NAME, &a, "shard.bin", "shared");
    scene.put(NAME, &b, "shard.bin", "shared");
    scene.set_ref(NAME, "main", &a);
    scene.put("mlc-ai/other", &a, "mlc-chat-config.json", "{}");
    scene.note(NAME, &a, &["mlc-chat-config.json", "shard.bin"], 1);
    assert_eq!(remove(&scene, true), [freed(2)]);
    assert_eq!(remove(&scene, false), [freed(2)]);
    let there = |path: Utf8PathBuf| fs_err::read(path).is_ok();
    assert!(there(theirs) && there(shared));
    assert!(there(scene.snapshot(NAME, &b).join("shard.bin")));
    assert!(there(scene.snapshot(NAME, &a).join("README.md")));
    assert!(there(scene.repo_dir(NAME).join("refs/main")));
    assert!(there(scene.snapshot("mlc-ai/other", &a).join("mlc-chat-config.json")));
    assert!(!there(scene.snapshot(NAME, &a).join("shard.bin")));
}

#[test]
fn a_dry_run_frees_what_two_commits_share_once() {
    let scene = HubScene::new();
    for digit in ['a', 'b'] {
        scene.put(NAME, &commit(digit), "shard.bin", "shared");
        scene.note(NAME, &commit(digit), &["shard.bin"], 1);
    }
    assert_eq!(remove(&scene, true), [freed(0), freed(6)]);
    assert_eq!(remove(&scene, false), [freed(0), freed(6)]);
    assert_eq!(left(&scene), [""; 0]);
}

#[test]
fn what_is_used_stays() {
    let scene = HubScene::new();
    let (a, phi) = (commit('a'), repo(NAME));
    let blob = scene.put(NAME, &a, "shard.bin", "12345");
    scene.note(NAME, &a, &["shard.bin"], 1);
    let key = SnapshotKey { hub_cache: &scene.hub, repo: &phi, commit: &a };
    let held = scene.register.hold(key, &Cancel::default()).unwrap();
    for dry_run in [true, false] {
        assert_eq!(remove(&scene, dry_run), [Pruned::InUse]);
    }
    assert!(scene.register.records()[0].last_used > 1_700_000_000, "a use is written down");
    drop(held);

    // Another tool is just about to link the blob.
    let locks = scene.hub.join(".locks/models--mlc-ai--phi-2");
    fs_err::create_dir_all(&locks).unwrap();
    let lock = locks.join(format!("{}.lock", blob.file_name().unwrap()));
    let theirs = Lock::try_acquire(&lock).unwrap();
    assert_eq!(remove(&scene, false), [freed(0)]);
    assert!(fs_err::read(&blob).is_ok());
    drop(theirs);
}

#[test]
fn who_wants_what_is_being_removed_waits() {
    let scene = HubScene::new();
    let (a, phi) = (commit('a'), repo(NAME));
    let key = SnapshotKey { hub_cache: &scene.hub, repo: &phi, commit: &a };
    let seized = scene.register.seize(key).unwrap().unwrap();
    let cancel = Cancel::default();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| scene.register.hold(key, &cancel).is_some());
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!waiting.is_finished());
        drop(seized);
        assert!(waiting.join().unwrap());
    });
    let _seized = scene.register.seize(key).unwrap().unwrap();
    cancel.cancel();
    assert!(scene.register.hold(key, &cancel).is_none());
}

#[test]
fn records_that_others_wrote_are_passed_over() {
    let scene = HubScene::new();
    let a = commit('a');
    scene.put(NAME, &a, "shard.bin", "12345");
    scene.note(NAME, &a, &["shard.bin"], 1);
    let dir = scene.hub.parent().unwrap().join("ours/weights");
    let good = format!("mlc-ai--phi-2@{a}.json");
    let text = fs_err::read_to_string(dir.join(&good)).unwrap();
    fs_err::write(dir.join("copy.json"), &text).unwrap();
    fs_err::write(dir.join("junk.json"), "{").unwrap();
    for (from, to) in [
        ("HF://mlc-ai/phi-2", "HF://mlc-ai/../x"),
        ("\"shard.bin\"", "\"../../../x\""),
        (a.as_str(), "../../x"),
    ] {
        assert!(text.contains(from));
        fs_err::write(dir.join(&good), text.replace(from, to)).unwrap();
        assert_eq!(scene.register.records(), [], "{to}");
    }
    fs_err::write(dir.join(&good), &text).unwrap();
    assert_eq!(scene.register.records().len(), 1);
}

#[test]
fn a_cache_that_cannot_be_written_to_is_no_reason_to_fail_a_build() {
    let phi = repo(NAME);
    let a = commit('a');
    let hub_cache = Utf8Path::new("/nonexistent");
    let register = super::Register::new(Utf8Path::new("/sys/kernel/mlc-package"));
    let key = SnapshotKey { hub_cache, repo: &phi, commit: &a };
    assert!(register.hold(key, &Cancel::default()).is_some());
    assert!(register.note(key, <[(&ShardPath, u64); 0]>::default(), 1).is_err());
    assert!(register.records().is_empty());
}
