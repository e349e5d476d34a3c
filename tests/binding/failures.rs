//! Builds that fail or are ended, and what the next one finds.

use camino::Utf8Path;
use rustix::process::Signal;

use crate::call::wait_for;
use crate::scene::is_alive;
use crate::site::{Site, lld};
use crate::tree;

/// Breaks a file of the sources, sees the build fail in the part that it should, mends the file
/// and sees the build go through.
#[track_caller]
fn fails_and_recovers(name: &str, path: &str, from: &str, to: &str, says: &[&str]) {
    let site = Site::new("android");
    site.build(&["--no-binding"]).ok();
    let before = tree::state(&site.scene.dist());
    site.scene.edit(path, from, to);
    let run = site.build(&[]).fails(14);
    let first = run.stderr.lines().find(|line| line.starts_with("error")).unwrap();
    let script = site.scene.root.join("mlc-llm/android/mlc4j/prepare_libs.py");
    assert_eq!(
        first,
        format!("error: {name} the platform binding failed: `{script}` exited with code 1")
    );
    for text in says {
        assert!(run.stderr.contains(text), "expected {text}: {}", run.shown());
    }
    let log = run.stderr.lines().find_map(|line| line.trim().strip_prefix("log: ")).unwrap();
    assert_eq!(fs_err::read_to_string(log).unwrap(), site.log());
    assert_eq!(tree::state(&site.scene.dist()), before);
    assert_eq!((site.kits().len(), site.leftovers()), (0, Vec::new()));

    // In a job of GitHub Actions, all of the log, folded.
    let run = site.build(&[]).env("GITHUB_ACTIONS", "true").fails(14);
    run.says("::group::build log of the android binding (failed)").says("::endgroup::");
    site.scene.edit(path, to, from);
    site.build(&[]).ok().says("kit kept");
    assert_eq!(site.leftovers(), [""; 0]);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn configuring_fails() {
    let to = "project(mlc-chat C CXX)\nmessage(FATAL_ERROR \"no such luck\")";
    let says = [
        "CMake Error at CMakeLists.txt",
        "no such luck",
        "help: what CMake has built so far is kept",
    ];
    fails_and_recovers(
        "configuring",
        "mlc-llm/android/mlc4j/CMakeLists.txt",
        "project(mlc-chat C CXX)",
        to,
        &says,
    );
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn building_fails() {
    let to = "int tokenizers_c_encode(const char* text); error in the code";
    let says = ["tokenizers.c", "error: unknown type name 'error'"];
    fails_and_recovers(
        "building",
        "mlc-llm/3rdparty/tokenizers-cpp/tokenizers.c",
        "int tokenizers_c_encode(const char* text);",
        to,
        &says,
    );
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn installing_fails() {
    let from = "DESTINATION output)";
    let to = "DESTINATION output)\ninstall(CODE \"message(FATAL_ERROR full)\")";
    fails_and_recovers(
        "installing",
        "mlc-llm/android/mlc4j/CMakeLists.txt",
        from,
        to,
        &["CMake Error at cmake_install.cmake"],
    );
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn rusts_target_cannot_be_added() {
    let site = Site::new("android");
    site.program("rustup", "echo 'error: could not download'; exit 1");
    let run = site.build(&[]).fails(14);
    run.says("error: preparing the platform binding failed: ").says("| error: could not download");
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_script_that_makes_nothing_is_told_by_what_is_missing() {
    let site = Site::new("android");
    let lists = "mlc-llm/android/mlc4j/CMakeLists.txt";
    let jar = "install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tvm4j_core.jar DESTINATION output)\n";
    site.scene.edit(lists, jar, "");
    site.build(&[]).fails(14).says("reported success, but").says("lacks the library or the jar");
    assert_eq!(site.kits().len(), 0);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_link_that_fails_shows_the_linkers_words_and_leaves_dist() {
    let site = Site::new("android");
    site.build(&[]).ok();
    let before = tree::state(&site.scene.dist());
    let place = "ndk/toolchains/llvm/prebuilt/linux-x86_64/bin/ld.lld";
    site.executable(place, &format!("exec {} --require-defined=nobody \"$@\"", lld()));
    let run = site.build(&[]).fails(14);
    run.says("error: linking the platform binding failed: `[ROOT]/ndk/toolchains")
        .says("nobody")
        .says("help: if the kit is to blame, --rebuild-binding makes a new one");
    assert_eq!(tree::state(&site.scene.dist()), before);
    let [log] = site.leftovers().try_into().unwrap();
    assert!(site.scene.read(&format!("tmp/{log}")).contains("nobody"), "{log}");
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn sources_that_are_edited_while_they_are_built_give_no_kit() {
    let site = Site::new("android");
    site.program(
        "rustup",
        "echo >>\"$STAND_IN_RUSTUP\"; echo '// edited' >\"$MLC_LLM_SOURCE_DIR/cpp/engine.h\"",
    );
    site.build(&[]).fails(14).says("changed while the platform binding was built");
    assert_eq!((site.kits().len(), site.scene.dist().exists()), (0, false));
    site.build(&[]).ok().says("kit kept");
    assert_eq!(site.leftovers(), [""; 0]);
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn killed_while_it_links_it_leaves_no_log_for_ever() {
    let site = Site::new("android");
    site.build(&[]).ok();
    let place = "ndk/toolchains/llvm/prebuilt/linux-x86_64/bin/ld.lld";
    let waits = "echo $$ >\"$STAND_IN_WAITING.new\"; mv \"$STAND_IN_WAITING.new\" \
                 \"$STAND_IN_WAITING\"; exec sleep 600";
    site.executable(place, waits);
    let run = site.build(&[]).spawn();
    let waiting = site.scene.root.join("waiting");
    let pid = wait_for("the linker", || fs_err::read_to_string(&waiting).ok());
    run.signal(Signal::KILL);
    run.wait();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    assert_ne!(site.leftovers(), [""; 0]);
    site.executable(place, &format!("exec {} \"$@\"", lld()));
    site.build(&[]).ok();
    assert_eq!(site.leftovers(), [""; 0]);
}

/// Whether a process has its working directory there.
fn works_below(root: &Utf8Path) -> bool {
    let processes = fs_err::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let mut directories = processes.filter_map(|path| fs_err::read_link(path.join("cwd")).ok());
    directories.any(|directory| directory.starts_with(root))
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn ended_in_the_middle_it_goes_on_the_next_time() {
    for signal in [Signal::INT, Signal::KILL] {
        let site = Site::new("android");
        // The third compilation waits, with its process id told.
        site.program(
            "ccache",
            "case \"$*\" in *engine.cc*) if ! [ -e \"$STAND_IN_WAITING.go\" ]; then \
             echo $$ >\"$STAND_IN_WAITING.new\"; mv \"$STAND_IN_WAITING.new\" \"$STAND_IN_WAITING\"; \
             exec sleep 600; fi;; esac; exec \"$@\"",
        );
        let run = site.build(&[]).spawn();
        let waiting = site.scene.root.join("waiting");
        let pid: u32 = wait_for("the compiler", || fs_err::read_to_string(&waiting).ok())
            .trim()
            .parse()
            .unwrap();
        run.signal(signal);
        if signal == Signal::INT {
            run.wait().code(130).says("error: interrupted");
            wait_for("the compiler to end", || (!is_alive(pid)).then_some(()));
            assert_eq!(site.leftovers(), [""; 0]);
        } else {
            run.wait();
            let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
            rustix::process::kill_process(pid, Signal::KILL).unwrap();
            // Nobody ends what it had started; two builds in one directory are not what is tried.
            wait_for("the rest of the build to end", || {
                (!works_below(&site.scene.root)).then_some(())
            });
        }
        assert_eq!((site.kits().len(), site.scene.dist().exists()), (0, false));
        site.scene.write("waiting.go", "");
        site.build(&[]).ok().says("kit kept");
        assert_eq!(site.scripts(), 2);
        site.build(&[]).ok().says("kit cached");
        site.call(&["cache", "prune"]).ok();
        assert_eq!(site.leftovers(), [""; 0]);
    }
}

/// Mounting needs a right; a user namespace gives it where the system allows one.
#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn a_full_disk_under_the_kits_is_the_caches_fault() {
    let site = Site::new("android");
    site.build(&["--no-binding"]).ok();
    fs_err::create_dir_all(site.kits_dir()).unwrap();
    // Room for the locks, but for no jar.
    let script = format!(
        "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs -o size=8k tmpfs {} || exit 77; \
         exec \"$@\"' sh \"$@\"",
        site.kits_dir()
    );
    let run = site.build(&[]).through_shell(&script).run();
    if run.status.code() == Some(77) || run.stderr.contains("unshare:") {
        return;
    }
    let run = run.code(1);
    run.says("error: no space left for the cache directory `[ROOT]/home/.cache/mlc-package`");
    site.build(&[]).ok().says("kit kept");
}
