use crate::compile::scene::{Scene, job};
use crate::compile::{CompileJob, LibraryStore, StoredLibrary};
use crate::io::dir::names;
use crate::io::process::Cancel;
use crate::model::Digest;
use crate::stage_error::StageError as _;
use crate::store::{Lookup, Miss, StoreError};

pub(super) fn insert(
    store: &LibraryStore,
    job: &CompileJob,
    library: &str,
) -> Result<StoredLibrary, StoreError> {
    let entry = store.begin(job.fingerprint, &Cancel::default(), |_| ())?.unwrap();
    fs_err::write(entry.library(), library).unwrap();
    fs_err::write(entry.log(), "said").unwrap();
    entry.keep(&job.inputs, 1.5, None)
}

fn damage(store: &LibraryStore, job: &CompileJob) -> String {
    match store.lookup(job.fingerprint) {
        Lookup::Miss(Miss::Damaged(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_put_in_is_found_with_its_record() {
    let scene = Scene::new();
    let (store, job) = (scene.store(), job("tiny"));
    assert_eq!(store.lookup(job.fingerprint), Lookup::Miss(Miss::Absent));
    assert!(store.records().is_empty());
    let stored = insert(&store, &job, "library").unwrap();
    assert_eq!(store.lookup(job.fingerprint), Lookup::Hit(Box::new(stored.clone())));
    assert_eq!(fs_err::read(stored.library()).unwrap(), b"library");
    assert_eq!(fs_err::read(stored.log()).unwrap(), b"said");
    let record = &stored.record;
    assert_eq!((record.bytes, record.digest), (7, Digest::of(b"library")));
    assert_eq!((record.inputs.clone(), record.seconds), (job.inputs, 1.5));
    assert_eq!(store.records(), [stored.record]);
}

#[test]
fn a_damaged_entry_is_a_miss_with_a_reason_and_is_replaced() {
    let scene = Scene::new();
    let (store, job) = (scene.store(), job("tiny"));
    let stored = insert(&store, &job, "library").unwrap();
    let record = stored.library().with_file_name("record.json");
    let intact = fs_err::read_to_string(&record).unwrap();

    fs_err::write(stored.library(), "libra").unwrap();
    assert!(damage(&store, &job).ends_with("has 5 bytes instead of 7"));
    fs_err::remove_file(stored.library()).unwrap();
    assert!(damage(&store, &job).contains("lib.tar"));
    insert(&store, &job, "library").unwrap();
    assert!(matches!(store.lookup(job.fingerprint), Lookup::Hit(_)));

    for garbage in ["", "{}", "null", &intact[..intact.len() / 2]] {
        fs_err::write(&record, garbage).unwrap();
        assert!(damage(&store, &job).contains("record.json` is unreadable"), "{garbage}");
        assert!(store.records().is_empty());
    }
    let other = crate::compile::scene::job("other").fingerprint.0.to_string();
    fs_err::write(&record, intact.replace(&job.fingerprint.0.to_string(), &other)).unwrap();
    assert!(damage(&store, &job).ends_with("is about another library"));
    fs_err::remove_file(&record).unwrap();
    assert!(damage(&store, &job).contains("record.json"));
    let again = insert(&store, &job, "other library").unwrap();
    assert_eq!(store.lookup(job.fingerprint), Lookup::Hit(Box::new(again)));
    let left = names(&scene.cache().join("libs")).unwrap();
    assert_eq!(left, [".locks".to_owned(), job.fingerprint.dir_name()]);
}

#[test]
fn an_entry_that_is_given_up_leaves_no_trace_but_its_log() {
    let scene = Scene::new();
    let (store, job) = (scene.store(), job("tiny"));
    for _ in 0..2 {
        let entry = store.begin(job.fingerprint, &Cancel::default(), |_| ()).unwrap().unwrap();
        fs_err::write(entry.log(), "why").unwrap();
        let log = entry.keep_log("compile.log", "tiny").unwrap();
        assert_eq!(fs_err::read(log).unwrap(), b"why");
    }
    assert_eq!(names(&scene.cache().join("libs")).unwrap(), [".locks"]);
    assert_eq!(names(&scene.cache().join("logs")).unwrap().len(), 2);
}

#[test]
fn old_logs_make_room_for_new_ones() {
    let scene = Scene::new();
    let (store, job) = (scene.store(), job("tiny"));
    for n in 10..40 {
        scene.write(&format!("cache/logs/202001{n}T000000Z-old.log"), "");
    }
    let entry = store.begin(job.fingerprint, &Cancel::default(), |_| ()).unwrap().unwrap();
    fs_err::write(entry.log(), "why").unwrap();
    let log = entry.keep_log("compile.log", "tiny").unwrap();
    let left = names(&scene.cache().join("logs")).unwrap();
    assert_eq!(left.len(), 20);
    assert_eq!(left.last().map(String::as_str), log.file_name());
    assert_eq!(left[0], "20200121T000000Z-old.log");
}

#[test]
fn what_a_dead_process_left_is_swept_and_what_is_being_made_is_not() {
    let scene = Scene::new();
    let (store, live, dead) = (scene.store(), job("live"), job("dead"));
    let entry = store.begin(live.fingerprint, &Cancel::default(), |_| ()).unwrap().unwrap();
    let name = dead.fingerprint.dir_name();
    let [left, foreign] = ["x1", "x2"].map(|end| format!("cache/libs/.tmp-{name}-{end}"));
    for dir in [&left, &foreign] {
        scene.write(&format!("{dir}/entry/lib.tar"), "half");
    }
    scene.write(&format!("{left}/.mlc-package"), "");
    // Whoever looks for any entry sweeps.
    assert!(matches!(store.hold(job("other").fingerprint), Lookup::Miss(Miss::Absent)));
    assert!(entry.library().parent().unwrap().exists());
    assert!(!scene.root.join(left).exists());
    assert!(scene.root.join(foreign).exists());
}

#[test]
fn a_cache_directory_that_cannot_be_one_is_named() {
    let scene = Scene::new();
    scene.write("cache", "a file");
    let error = insert(&scene.store(), &job("tiny"), "library").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the cache directory `{}` is not a directory", scene.cache())
    );
    assert!(error.help().unwrap().contains("--cache-dir"));
    let below = LibraryStore::new(&scene.cache().join("below/deeper"));
    assert!(matches!(insert(&below, &job("tiny"), "library"), Err(StoreError::NotADirectory(_))));
    // Reading from it finds nothing, and is no error.
    assert!(below.records().is_empty());
    assert_eq!(below.lookup(job("tiny").fingerprint), Lookup::Miss(Miss::Absent));
}

#[cfg(target_os = "linux")]
#[test]
fn a_cache_directory_that_is_read_only_is_named() {
    // Not even root makes directories there.
    let store = LibraryStore::new(camino::Utf8Path::new("/sys/kernel/mlc-package"));
    let error = insert(&store, &job("tiny"), "library").unwrap_err();
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("the cache directory `/sys/kernel/mlc-package` cannot be written to: ")
    );
}
