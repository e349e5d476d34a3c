use std::ffi::OsString;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    Cancel, End, Ended, LogLimit, Program, Variables, find_program, last_lines, run,
    run_with_tokens,
};

struct Scene {
    _dir: tempfile::TempDir,
    path: Utf8PathBuf,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        Self { _dir: dir, path }
    }

    fn log(&self) -> Utf8PathBuf {
        self.path.join("log")
    }

    fn sh(&self, script: &str, limit: Option<Duration>, cancel: &Cancel) -> Ended {
        let args: Vec<OsString> = vec!["-c".into(), script.into()];
        let variables: Variables = [("PATH", "/usr/bin:/bin"), ("GREETING", "hello")]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        let program = Program {
            path: Utf8Path::new("/bin/sh"),
            args: &args,
            variables: &variables,
            directory: &self.path,
            log: &self.log(),
            log_limit: LogLimit { head: 4096, tail: 4096 },
            limit,
        };
        run(&program, cancel).unwrap()
    }
}

/// Whether a process is gone, or will be in a moment: a kill takes effect asynchronously.
fn dies(pid: &str) -> bool {
    let stat = format!("/proc/{}/stat", pid.trim());
    (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        // A zombie that nobody reaps in this container is not alive.
        !fs_err::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "))
    })
}

#[test]
fn both_streams_arrive_in_order_with_only_the_given_environment() {
    let scene = Scene::new();
    let script = "echo $GREETING; echo two >&2; echo ${HOME-none}; pwd; cat; exit 7";
    let ended = scene.sh(script, None, &Cancel::default());
    assert_eq!(ended.how, End::Exit(7));
    assert!(ended.log_error.is_none());
    let directory = scene.path.canonicalize_utf8().unwrap();
    assert_eq!(last_lines(&scene.log(), 9).unwrap(), ["hello", "two", "none", directory.as_str()]);
}

#[test]
fn a_signal_is_told_from_an_exit() {
    assert_eq!(Scene::new().sh("kill -SEGV $$", None, &Cancel::default()).how, End::Signal(11));
}

#[test]
fn a_flood_of_output_fills_neither_disk_nor_memory() {
    let scene = Scene::new();
    let script = "echo begin; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo end";
    let ended = scene.sh(script, None, &Cancel::default());
    assert_eq!(ended.how, End::Exit(0));
    let log = fs_err::read_to_string(scene.log()).unwrap();
    assert!(log.len() < 9000, "{}", log.len());
    assert!(log.starts_with("begin\n") && log.ends_with("x\nend\n"));
    assert!(log.contains("left out 999"));
}

#[test]
fn the_time_limit_ends_the_whole_group() {
    let scene = Scene::new();
    let begun = Instant::now();
    // The shell and its child both ignore SIGTERM.
    let script = "trap '' TERM; sleep 600 & echo $! > pid; wait; sleep 600";
    let ended = scene.sh(script, Some(Duration::from_millis(200)), &Cancel::default());
    assert_eq!(ended.how, End::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(dies(&fs_err::read_to_string(scene.path.join("pid")).unwrap()));
}

#[test]
fn cancelling_lets_what_the_program_started_clean_up_too() {
    let scene = Scene::new();
    let cancel = Cancel::default();
    // What leads the group ends at once.
    let script = "(trap 'sleep 0.2; touch cleaned; exit 0' TERM; touch ready; \
                  while :; do sleep 0.05; done) & exec sleep 600";
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| scene.sh(script, None, &cancel));
        while !scene.path.join("ready").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        cancel.cancel();
        running.join().unwrap()
    });
    assert_eq!(ended.how, End::Cancelled);
    assert!(scene.path.join("cleaned").exists());
}

#[test]
fn cancelling_lets_the_program_clean_up_first() {
    let scene = Scene::new();
    let cancel = Cancel::default();
    let script = "trap 'echo cleaned; exit 0' TERM; touch ready; while :; do sleep 0.05; done";
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| scene.sh(script, None, &cancel));
        while !scene.path.join("ready").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        cancel.cancel();
        running.join().unwrap()
    });
    assert_eq!(ended.how, End::Cancelled);
    assert_eq!(last_lines(&scene.log(), 1).unwrap(), ["cleaned"]);
}

#[test]
fn what_outlives_the_program_does_not_hold_us() {
    let scene = Scene::new();
    let begun = Instant::now();
    let ended = scene.sh("sleep 600 & echo $! > pid; echo done", None, &Cancel::default());
    assert_eq!(ended.how, End::Exit(0));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(last_lines(&scene.log(), 1).unwrap(), ["done"]);
    assert!(dies(&fs_err::read_to_string(scene.path.join("pid")).unwrap()));
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let scene = Scene::new();
    let program = Program {
        path: &scene.path.join("nothing"),
        args: &[],
        variables: &Variables::new(),
        directory: &scene.path,
        log: &scene.log(),
        log_limit: LogLimit::default(),
        limit: None,
    };
    let error = run(&program, &Cancel::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_log_that_cannot_be_written_does_not_stop_the_program() {
    let scene = Scene::new();
    std::os::unix::fs::symlink("/dev/full", scene.log()).unwrap();
    let ended = scene.sh("echo text; exit 3", None, &Cancel::default());
    assert_eq!(ended.how, End::Exit(3));
    assert_eq!(ended.log_error.unwrap().kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn programs_are_found_as_a_shell_finds_them() {
    let scene = Scene::new();
    let tool = scene.path.join("bin/tool");
    fs_err::create_dir_all(tool.parent().unwrap()).unwrap();
    fs_err::write(&tool, "#!/bin/sh\n").unwrap();
    fs_err::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let bin = scene.path.join("bin");
    let path = Some(bin.as_os_str());
    assert_eq!(find_program("tool", path, &scene.path), Some(tool.clone()));
    assert_eq!(find_program("tool", Some("bin".as_ref()), &scene.path), Some(tool.clone()));
    assert_eq!(find_program("bin/tool", None, &scene.path), Some(tool));
    assert_eq!(find_program("tool", None, &scene.path), None);
    assert_eq!(find_program("bin", Some(scene.path.as_os_str()), &scene.path), None);
}

#[test]
fn a_child_gets_no_token_and_does_not_search_where_it_stands() {
    let variables: Variables = [
        ("PATH", ":/usr/bin::/bin:"),
        ("HF_TOKEN", "hf_secret"),
        ("GITHUB_TOKEN", "ghs_secret"),
        ("GH_TOKEN", "ghp_secret"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret"),
        ("actions_runtime_token", "secret"),
        ("HF_HOME", "/cache"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let log = dir.join("log");
    let mut program = Program {
        path: Utf8Path::new("/usr/bin/env"),
        args: &[],
        variables: &variables,
        directory: dir,
        log: &log,
        log_limit: LogLimit::default(),
        limit: None,
    };
    assert!(matches!(run(&program, &Cancel::default()).unwrap().how, End::Exit(0)));
    let text = fs_err::read_to_string(&log).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["HF_HOME=/cache", "PATH=/usr/bin:/bin"]);
    program.limit = None;
    run_with_tokens(&program, &["HF_TOKEN"], &Cancel::default()).unwrap();
    let text = fs_err::read_to_string(&log).unwrap();
    assert!(text.contains("HF_TOKEN=hf_secret") && !text.contains("ghs_secret"), "{text}");
}

#[test]
fn a_program_is_not_looked_for_where_one_stands() {
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let tool = dir.join("tool");
    fs_err::write(&tool, "#!/bin/sh\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&tool, mode).unwrap();
    for path in ["", ":/nowhere", "/nowhere:", "/a::/b"] {
        assert_eq!(find_program("tool", Some(path.as_ref()), dir), None, "{path:?}");
    }
    assert_eq!(find_program("./tool", None, dir), Some(dir.join("./tool")));
}
