use std::time::{Duration, UNIX_EPOCH};

use super::tests as making;
use crate::compile::scene::{Scene, job, remove_unused};
use crate::compile::{CompileJob, LibraryStore, StoredLibrary};
use crate::io::dir::names;
use crate::io::process::Cancel;
use crate::model::CompileRecord;
use crate::store::{Lookup, Miss, Removal};

fn insert(store: &LibraryStore, job: &CompileJob, library: &str) -> StoredLibrary {
    making::insert(store, job, library).unwrap()
}

fn is_hit(lookup: &Lookup<CompileRecord>) -> bool {
    matches!(lookup, Lookup::Hit(_))
}

#[test]
fn what_is_used_cannot_be_removed() {
    let scene = Scene::new();
    let (store, job) = (scene.store(), job("tiny"));
    let made = insert(&store, &job, "library");
    let entry = &store.entries().unwrap()[0];
    // Who made it uses it, and so does who takes it and clones that.
    assert_eq!(store.remove(entry, true).unwrap(), Removal::InUse);
    assert_eq!(store.remove(entry, false).unwrap(), Removal::InUse);
    drop(made);
    let taken = store.hold(job.fingerprint);
    let clone = taken.clone();
    drop(taken);
    assert_eq!(store.remove(entry, false).unwrap(), Removal::InUse);
    assert!(is_hit(&store.lookup(job.fingerprint)));
    drop(clone);
    remove_unused(&store, entry, true);

    let making = store.begin(job.fingerprint, &Cancel::default(), |_| ()).unwrap().unwrap();
    assert_eq!(store.remove(entry, false).unwrap(), Removal::InUse);
    drop(making);
    remove_unused(&store, entry, false);
    assert_eq!(store.lookup(job.fingerprint), Lookup::Miss(Miss::Absent));
    assert_eq!(names(&scene.cache().join("libs")).unwrap(), [".locks"]);
}

#[test]
fn looking_at_the_store_is_no_use_and_taking_is() {
    let scene = Scene::new();
    let (store, job) = (scene.store(), job("tiny"));
    drop(insert(&store, &job, "library"));
    let stamp = scene.cache().join(format!("libs/.locks/{}.used", job.fingerprint.dir_name()));
    let set = |seconds: u64| {
        let file = fs_err::OpenOptions::new().write(true).open(&stamp).unwrap();
        file.file().set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    };
    let created = store.records()[0].created;
    let last_used = || store.entries().unwrap()[0].last_used;
    set(1000);
    assert!(is_hit(&store.lookup(job.fingerprint)));
    assert_eq!(last_used(), created);
    set(created + 7);
    assert_eq!(last_used(), created + 7);
    set(created - 7200);
    assert!(is_hit(&store.hold(job.fingerprint)));
    let stamped = fs_err::metadata(&stamp).unwrap().modified().unwrap();
    assert!(stamped >= UNIX_EPOCH + Duration::from_secs(created));
}

#[test]
fn a_miss_leaves_no_trace() {
    let scene = Scene::new();
    let taken = scene.store().hold(job("tiny").fingerprint);
    assert_eq!(taken, Lookup::Miss(Miss::Absent));
    assert!(!scene.cache().exists());
}

#[test]
fn a_store_that_cannot_be_locked_is_used_all_the_same() {
    let scene = Scene::new();
    let (store, job) = (scene.store(), job("tiny"));
    drop(insert(&store, &job, "library"));
    // Not even root makes files below a file.
    let locks = scene.cache().join("libs/.locks");
    fs_err::remove_dir_all(&locks).unwrap();
    fs_err::write(&locks, "").unwrap();
    assert!(is_hit(&store.hold(job.fingerprint)));
}

#[test]
fn entries_say_what_is_wrong_with_them() {
    let scene = Scene::new();
    let store = scene.store();
    assert_eq!(store.entries().unwrap(), []);
    let jobs = ["good", "flipped", "short", "lost"].map(job);
    let stored = jobs.each_ref().map(|job| insert(&store, job, "library"));
    // What only a look at every byte can see.
    fs_err::write(stored[1].library(), "librarY").unwrap();
    fs_err::write(stored[2].library(), "libra").unwrap();
    fs_err::remove_file(stored[3].library().with_file_name("record.json")).unwrap();
    let renamed = scene.cache().join("libs/0123");
    fs_err::create_dir(&renamed).unwrap();
    for file in ["lib.tar", "record.json"] {
        fs_err::copy(stored[0].library().with_file_name(file), renamed.join(file)).unwrap();
    }
    let entries = store.entries().unwrap();
    assert_eq!(entries.len(), 5);
    let why = |name: &str| {
        let entry = entries.iter().find(|entry| entry.name == name).unwrap();
        (
            entry.record.is_ok(),
            store.verify(entry).err().map(|why| why.to_string()).unwrap_or_default(),
        )
    };
    let of = |index: usize| why(&jobs[index].fingerprint.dir_name());
    assert_eq!(of(0), (true, String::new()));
    assert!(of(1).0 && of(1).1.starts_with("its lib.tar has the digest blake3:"), "{:?}", of(1));
    assert!(!of(2).0 && of(2).1.ends_with("has 5 bytes instead of 7"), "{:?}", of(2));
    assert!(!of(3).0 && of(3).1.contains("record.json"), "{:?}", of(3));
    assert!(!why("0123").0 && why("0123").1.ends_with("is about another library"));
    let record = fs_err::metadata(stored[0].library().with_file_name("record.json")).unwrap().len();
    let good = entries.iter().find(|e| e.name == jobs[0].fingerprint.dir_name()).unwrap();
    assert_eq!(good.bytes, record + "library".len() as u64 + "said".len() as u64);
}

#[test]
fn every_leftover_is_found_and_what_is_being_made_is_not() {
    let scene = Scene::new();
    let (store, live, dead) = (scene.store(), job("live"), job("dead"));
    let making = store.begin(live.fingerprint, &Cancel::default(), |_| ()).unwrap().unwrap();
    fs_err::write(making.library(), "half").unwrap();
    for mark in ["x1", "x2"] {
        let path = format!("cache/libs/.tmp-{}-{mark}/entry/lib.tar", dead.fingerprint.dir_name());
        scene.write(&path, "half");
    }
    let leftovers = store.leftovers();
    assert_eq!(leftovers.iter().map(|left| left.bytes).collect::<Vec<_>>(), [4, 4]);
    for left in &leftovers {
        left.remove().unwrap();
    }
    drop(leftovers);
    assert!(store.leftovers().is_empty());
    assert!(making.library().exists());
}
