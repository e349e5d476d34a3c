use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use camino::Utf8Path;

use super::{
    Cancel, CompileErrors, CompileEvent, CompileJob, CompileRequest, CompiledLibrary, Compiler,
    Failure, JitPolicy, compile_all,
};
use crate::compile::scene::{Scene, job, remove_unused};
use crate::compile::{CompileError, LibraryStore};
use crate::io::dir::names;
use crate::store::{Lookup, Miss, Removal};
use crate::toolchain::Interpreter;

struct Options<'a> {
    policy: JitPolicy,
    parallel: usize,
    cancel: &'a Cancel,
    events: Mutex<Vec<String>>,
}

impl<'a> Options<'a> {
    fn new(cancel: &'a Cancel) -> Self {
        Self { policy: JitPolicy::On, parallel: 1, cancel, events: Mutex::default() }
    }

    fn run(
        &self,
        compiler: &dyn Compiler,
        store: &LibraryStore,
        jobs: &[CompileJob],
    ) -> Result<Vec<CompiledLibrary>, CompileErrors> {
        let check = |_: &CompileJob, library: &Utf8Path| {
            let text = fs_err::read_to_string(library).unwrap();
            let bad = || Failure::BadOutput("it is bad".to_owned());
            if text.contains("bad") { Err(bad()) } else { Ok(None) }
        };
        let request = CompileRequest {
            jobs,
            policy: self.policy,
            parallel: NonZeroUsize::new(self.parallel).unwrap(),
            check: &check,
            events: &|event| self.events.lock().unwrap().push(describe(&event)),
            cancel: self.cancel,
        };
        compile_all(compiler, store, &request)
    }

    fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

fn describe(event: &CompileEvent<'_>) -> String {
    match event {
        CompileEvent::Waiting { model_lib, .. } => format!("waiting {model_lib}"),
        CompileEvent::Started { model_lib } => format!("started {model_lib}"),
        CompileEvent::Finished { model_lib, seconds, .. } => {
            format!("{} {model_lib}", if seconds.is_some() { "finished" } else { "had" })
        }
        CompileEvent::Failed { model_lib, error } => format!("failed {model_lib}: {error}"),
    }
}

const WRITES: &str = "echo ran >> \"$HOME/runs\"; echo said; echo library > \"$output\"";

#[test]
fn only_what_is_missing_is_compiled_and_once() {
    let scene = Scene::new();
    let (compiler, store, cancel) = (scene.compiler(WRITES), scene.store(), Cancel::default());
    let options = Options::new(&cancel);
    let jobs = [job("a"), job("b"), job("a")];
    let had = options.run(&compiler, &store, &jobs).unwrap();
    let names: Vec<_> = had.iter().map(|had| had.stored.record.inputs.model_lib.as_str()).collect();
    assert_eq!(names, ["a", "b", "a"]);
    assert!(had.iter().all(|had| !had.cached));
    assert_eq!(fs_err::read_to_string(had[0].stored.log()).unwrap(), "said\n");
    assert_eq!(options.events(), ["started a", "finished a", "started b", "finished b"]);
    assert_eq!(scene.read("home/runs"), "ran\nran\n");

    let again = options.run(&compiler, &store, &jobs).unwrap();
    assert!(again.iter().all(|had| had.cached));
    assert_eq!(again[1].stored, had[1].stored);
    assert_eq!(options.events(), [""; 0]);
    assert_eq!(scene.read("home/runs"), "ran\nran\n");
}

#[test]
fn policies_decide_what_may_be_compiled() {
    let scene = Scene::new();
    let (compiler, store, cancel) = (scene.compiler(WRITES), scene.store(), Cancel::default());
    let mut options = Options::new(&cancel);
    let jobs = [job("a"), job("b")];

    options.policy = JitPolicy::ReadOnly;
    let errors = options.run(&compiler, &store, &jobs).unwrap_err();
    assert_eq!(
        errors.0[1].to_string(),
        "`b` is not in the cache (not compiled yet), and MLC_JIT_POLICY is READONLY"
    );
    assert_eq!(errors.0.len(), 2);
    assert!(!scene.cache().exists());

    options.policy = JitPolicy::On;
    options.run(&compiler, &store, &jobs).unwrap();
    options.policy = JitPolicy::ReadOnly;
    let before = crate::io::files::tree(&scene.cache(), |_| true).unwrap();
    assert!(options.run(&compiler, &store, &jobs).unwrap().iter().all(|had| had.cached));
    assert_eq!(crate::io::files::tree(&scene.cache(), |_| true).unwrap(), before);

    options.policy = JitPolicy::Off;
    let errors = options.run(&compiler, &store, &jobs).unwrap_err();
    assert!(matches!(errors.0[..], [CompileError::PolicyOff { .. }, _]), "{errors}");
    assert!(options.run(&compiler, &store, &[]).unwrap().is_empty());

    options.policy = JitPolicy::Redo;
    let other = scene.compiler("echo another library > \"$output\"");
    let had = options.run(&other, &store, &jobs).unwrap();
    assert!(had.iter().all(|had| !had.cached));
    assert_eq!(fs_err::read_to_string(had[1].stored.library()).unwrap(), "another library\n");
    assert_eq!(scene.read("home/runs"), "ran\nran\n");
}

#[test]
fn a_library_that_fails_stops_no_other_and_carries_its_reason() {
    let scene = Scene::new();
    let store = scene.store();
    let compiler = scene.compiler(
        "case \"$output$*\" in \
         *--system-lib-prefix\\ broken_*) seq 100; echo 'ValueError: it is broken'; seq 900; \
         touch \"$HOME/failed\"; exit 1;; \
         *--system-lib-prefix\\ slow_*) while [ ! -e \"$HOME/failed\" ]; do sleep 0.02; done; \
         echo library > \"$output\";; \
         *--system-lib-prefix\\ silent_*) seq 30; exit 2;; \
         *) echo library > \"$output\";; esac",
    );
    let cancel = Cancel::default();
    let options = Options { parallel: 2, ..Options::new(&cancel) };
    let jobs = [job("slow"), job("broken"), job("later"), job("silent"), job("last")];
    let errors = options.run(&compiler, &store, &jobs).unwrap_err();
    let [broken, silent] = &errors.0[..] else { panic!("{errors}") };
    assert_eq!(broken.to_string(), "failed to compile `broken`: the compiler exited with code 1");
    assert_eq!(broken.exception(), Some("ValueError: it is broken"));
    assert_eq!(broken.last_lines().len(), 20);
    assert_eq!(broken.last_lines()[14..], ["100", "ValueError: it is broken", "1", "2", "3", "4"]);
    let log = broken.log().unwrap();
    assert!(log.starts_with(scene.cache().join("logs")), "{log}");
    assert!(fs_err::read_to_string(log).unwrap().starts_with("1\n2\n"));
    assert_eq!(silent.exception(), None);
    assert_eq!(silent.last_lines()[18..], ["29", "30"]);
    for index in [0, 2, 4] {
        assert!(matches!(store.lookup(jobs[index].fingerprint), Lookup::Hit(_)), "{index}");
    }
    assert_eq!(store.lookup(jobs[1].fingerprint), Lookup::Miss(Miss::Absent));
}

#[test]
fn a_compiler_that_cannot_be_started_is_tried_once() {
    let scene = Scene::new();
    let mut compiler = scene.compiler("exit 0");
    compiler.python = Interpreter::Here(scene.root.join("absent"));
    let cancel = Cancel::default();
    let options = Options::new(&cancel);
    let errors = options.run(&compiler, &scene.store(), &[job("a"), job("b")]).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
}

#[test]
fn a_name_that_tvm_fails_with_is_told_by_its_remedy() {
    let scene = Scene::new();
    let compiler = scene.compiler(
        "echo 'TypeError: Cannot convert from type `ffi.SmallStr` to `ffi.Object`'; exit 1",
    );
    let cancel = Cancel::default();
    let errors = Options::new(&cancel).run(&compiler, &scene.store(), &[job("a")]).unwrap_err();
    assert!(errors.0[0].help().unwrap().contains("less than 7 letters"), "{errors}");
}

#[test]
fn all_failures_are_told() {
    let scene = Scene::new();
    let compiler = scene.compiler(
        "touch \"$HOME/$$\"; while [ $(ls \"$HOME\" | wc -l) -lt 2 ]; do sleep 0.02; done; exit 4",
    );
    let cancel = Cancel::default();
    let options = Options { parallel: 2, ..Options::new(&cancel) };
    let errors = options.run(&compiler, &scene.store(), &[job("a"), job("b")]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "failed to compile `a`: the compiler exited with code 4; \
         failed to compile `b`: the compiler exited with code 4"
    );
}

#[test]
fn a_library_that_is_refused_never_enters_the_store() {
    let scene = Scene::new();
    let compiler = scene.compiler("echo a bad library > \"$output\"");
    let (store, cancel) = (scene.store(), Cancel::default());
    let errors = Options::new(&cancel).run(&compiler, &store, &[job("a")]).unwrap_err();
    let CompileError::Compilation(failed) = &errors.0[0] else { panic!("{errors}") };
    assert!(matches!(&failed.failure, Failure::BadOutput(why) if why == "it is bad"));
    assert_eq!(store.lookup(job("a").fingerprint), Lookup::Miss(Miss::Absent));
    assert_eq!(names(&scene.cache().join("libs")).unwrap(), [".locks"]);
}

#[test]
fn a_damaged_entry_is_compiled_again() {
    let scene = Scene::new();
    let (compiler, store, cancel) = (scene.compiler(WRITES), scene.store(), Cancel::default());
    let options = Options::new(&cancel);
    let had = options.run(&compiler, &store, &[job("a")]).unwrap();
    fs_err::write(had[0].stored.library(), "lib").unwrap();
    let again = options.run(&compiler, &store, &[job("a")]).unwrap();
    assert!(!again[0].cached);
    assert_eq!(fs_err::read_to_string(again[0].stored.library()).unwrap(), "library\n");
}

#[test]
fn a_full_disk_is_told_by_its_remedy() {
    let scene = Scene::new();
    let compiler = scene.compiler("ln -s /dev/full \"$output\"; echo library | cat > \"$output\"");
    let cancel = Cancel::default();
    let errors = Options::new(&cancel).run(&compiler, &scene.store(), &[job("a")]).unwrap_err();
    assert!(errors.0[0].help().unwrap().starts_with("the disk is full"), "{errors}");
}

#[test]
fn asking_to_stop_ends_what_runs_and_leaves_nothing_half_done() {
    let scene = Scene::new();
    let compiler = scene.compiler("echo half > \"$output\"; echo $$ > \"$HOME/pid\"; sleep 600");
    let (store, cancel) = (scene.store(), Cancel::default());
    let options = Options::new(&cancel);
    let errors = std::thread::scope(|scope| {
        let running = scope.spawn(|| options.run(&compiler, &store, &[job("a"), job("b")]));
        while !scene.root.join("home/pid").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        cancel.cancel();
        running.join().unwrap().unwrap_err()
    });
    assert!(errors.is_interrupted() && errors.0.len() == 1, "{errors}");
    assert_eq!(names(&scene.cache().join("libs")).unwrap(), [".locks"]);
    assert!(!scene.cache().join("logs").exists());
}

#[test]
fn two_threads_make_one_library_once() {
    let scene = Scene::new();
    let compiler =
        scene.compiler(&format!("while [ ! -e \"$HOME/go\" ]; do sleep 0.02; done; {WRITES}"));
    let (store, cancel) = (scene.store(), Cancel::default());
    let options = Options::new(&cancel);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| options.run(&compiler, &store, &[job("a")]).unwrap());
        }
        let waiting = "waiting a".to_owned();
        while !options.events.lock().unwrap().contains(&waiting) {
            std::thread::sleep(Duration::from_millis(5));
        }
        scene.write("home/go", "");
    });
    let mut events = options.events();
    events.sort();
    assert_eq!(events, ["finished a", "had a", "started a", "waiting a"]);
    assert_eq!(scene.read("home/runs"), "ran\n");
}

/// Not a test of its own: another process, which the tests below start, kill and limit.
#[test]
#[ignore = "started by other tests"]
fn a_process_that_compiles() {
    let Ok(root) = std::env::var("MLC_TEST_ROOT") else { return };
    let root = Utf8Path::new(&root);
    let compiler = crate::compile::MlcCompiler {
        python: Interpreter::Here(root.join("python")),
        environment: crate::io::environment::Environment::current().unwrap(),
        limit: Duration::from_secs(60),
    };
    let cancel = Cancel::default();
    let store = LibraryStore::new(&root.join("cache"));
    let result = Options::new(&cancel).run(&compiler, &store, &[job("a")]);
    let text = result.map_or_else(|errors| errors.to_string(), |_| "ok".to_owned());
    fs_err::write(root.join(format!("result-{}", std::process::id())), text).unwrap();
}

/// Starts [`a_process_that_compiles`], through a shell that may set limits first.
#[expect(clippy::disallowed_methods, reason = "the test kills this process without warning")]
fn process(scene: &Scene, first: &str) -> std::process::Child {
    let script = format!("{first} exec \"$0\" \"$@\"");
    std::process::Command::new("/bin/sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "compile::run::tests::a_process_that_compiles", "--ignored"])
        .env("MLC_TEST_ROOT", &scene.root)
        .env("HOME", scene.root.join("home"))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

fn result(scene: &Scene, mut child: std::process::Child) -> String {
    let id = child.id();
    assert!(child.wait().unwrap().success());
    scene.read(&format!("result-{id}"))
}

#[test]
fn two_processes_make_one_library_once() {
    let scene = Scene::new();
    scene.compiler(&format!("sleep 0.4; {WRITES}"));
    let children = [process(&scene, ""), process(&scene, "")];
    assert_eq!(children.map(|child| result(&scene, child)), ["ok", "ok"]);
    assert_eq!(scene.read("home/runs"), "ran\n");
    assert!(matches!(scene.store().lookup(job("a").fingerprint), Lookup::Hit(_)));
}

#[test]
fn what_a_killed_process_left_does_not_hinder_the_next() {
    let scene = Scene::new();
    scene.compiler("echo half > \"$output\"; echo $$ > \"$HOME/pid\"; exec sleep 600");
    let mut child = process(&scene, "");
    let pid = scene.root.join("home/pid");
    while !fs_err::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let libs = scene.cache().join("libs");
    assert_eq!(names(&libs).unwrap().len(), 2, "the entry in the making and the locks");

    let (compiler, cancel) = (scene.compiler(WRITES), Cancel::default());
    let had = Options::new(&cancel).run(&compiler, &scene.store(), &[job("a")]).unwrap();
    assert_eq!(fs_err::read_to_string(had[0].stored.library()).unwrap(), "library\n");
    assert_eq!(names(&libs).unwrap(), [".locks".to_owned(), job("a").fingerprint.dir_name()]);
    // The compiler of the killed process still sleeps.
    let pid = scene.read("home/pid").trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_store_without_space_is_told_and_left_clean() {
    let scene = Scene::new();
    scene.compiler("echo library > \"$output\"");
    // Writing more than this to a file fails, as on a full disk; ignored, the signal that
    // comes with it does not kill. The record is longer.
    let child = process(&scene, "trap '' XFSZ; ulimit -f 1;");
    let text = result(&scene, child);
    assert!(text.starts_with("no space left for the cache directory `"), "{text}");
    assert!(text.contains(scene.cache().as_str()), "{text}");
    assert_eq!(names(&scene.cache().join("libs")).unwrap(), [".locks"]);
}

#[test]
fn what_a_build_was_given_stays_for_as_long_as_it_has_it() {
    let scene = Scene::new();
    let (compiler, store, cancel) = (scene.compiler(WRITES), scene.store(), Cancel::default());
    // Compiled, then cached.
    for cached in [false, true] {
        let had = Options::new(&cancel).run(&compiler, &store, &[job("a")]).unwrap();
        assert_eq!(had[0].cached, cached);
        let entry = &store.entries().unwrap()[0];
        assert_eq!(store.remove(entry, false).unwrap(), Removal::InUse);
        assert!(had[0].stored.library().exists());
    }
    let entry = &store.entries().unwrap()[0];
    remove_unused(&store, entry, false);
}
