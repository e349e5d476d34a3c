//! Nothing is lost: what a power cut, a kill, a file system without locks or with few abilities
//! leaves. System calls are counted and made to fail by strace.

use serde_json::json;

use crate::call::Call;
use crate::hub::HubScene;
use crate::releases::github::{Github, TOKEN};
use crate::scene::Scene;
use crate::{raw, tree};

/// Runs the program below strace, with these arguments.
pub(crate) fn traced<'a>(call: Call<'a>, arguments: &str) -> Call<'a> {
    assert!(which::which("strace").is_ok(), "strace is missing: scripts/setup-tools.sh");
    // The leak check of the compiler's stand-in and Python know nothing of it: only we are traced.
    call.through_shell(&format!("exec strace -qq {arguments} \"$@\""))
}

/// What was synced and renamed in a run, in its order: `sync <path>` and `rename <from> <to>`.
fn calls(scene: &Scene, call: Call<'_>) -> Vec<String> {
    calls_until(scene, call, 0)
}

/// The same of a run that ends with this exit code.
fn calls_until(scene: &Scene, call: Call<'_>, code: i32) -> Vec<String> {
    let log = scene.root.join("trace");
    let traced = traced(
        call,
        &format!("-f -y -s 4096 -o {log} -e trace=fsync,fdatasync,rename,renameat,renameat2"),
    );
    traced.run().code(code);
    let text = fs_err::read_to_string(log).unwrap();
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.contains(" = -1 ")) {
        let paths: Vec<_> = line.split('"').skip(1).step_by(2).collect();
        if line.contains("sync(") {
            let path = line.split(['<', '>']).nth(1).unwrap();
            found.push(format!("sync {path}"));
        } else if let [from, to] = paths[..] {
            found.push(format!("rename {from} {to}").replace("/./", "/"));
        }
    }
    found
}

/// Every rename into `place` comes after a sync of something below what is renamed, and before one
/// of the directory.
#[track_caller]
fn check_order(calls: &[String], place: &str, directory: &str) {
    let at = calls.iter().position(|call| call.starts_with("rename ") && call.ends_with(place));
    let at = at.unwrap_or_else(|| panic!("{place} is not renamed to: {calls:#?}"));
    let from = calls[at].split(' ').nth(1).unwrap();
    let synced = |call: &String, path: &str| call.starts_with(&format!("sync {path}"));
    assert!(calls[..at].iter().any(|call| synced(call, from)), "{from}: {calls:#?}");
    assert!(calls[at..].iter().any(|call| call == &format!("sync {directory}")), "{calls:#?}");
}

#[test]
fn what_becomes_visible_is_on_the_disk_and_so_is_its_name() {
    let scene = Scene::new("android");
    let found = calls(&scene, scene.build(&[]));
    let root = scene.root.as_str();
    check_order(&found, "/app/dist", &format!("{root}/app"));
    let entry = scene.entries().remove(0);
    check_order(&found, entry.as_str(), &format!("{root}/home/.cache/mlc-package/libs"));
    for file in ["lib/libmodel_android.a", "mlc-package-manifest.json", "bundle/one-q0f16"] {
        assert!(found.iter().any(|call| call.ends_with(&format!("/new/{file}"))), "{found:#?}");
    }
}

#[test]
fn what_is_converted_or_locked_or_downloaded_is_on_the_disk() {
    let scene = raw::scene("android");
    let arguments = [
        "convert",
        raw::RAW.strip_prefix("app/").unwrap(),
        "--quantization",
        "q0f16",
        "-o",
        "model",
    ];
    let found =
        calls(&scene, scene.call(&[&arguments[..], &["--conv-template", "llama-3"]].concat()));
    check_order(&found, "/app/model", &format!("{}/app", scene.root));
    assert!(found.iter().any(|call| call.ends_with("/new/params_shard_0.bin")), "{found:#?}");

    let hub = HubScene::sound(true);
    let found = calls(&hub.scene, hub.call(&["lock"]));
    check_order(&found, "mlc-package.lock", &format!("{}/app", hub.scene.root));
    let found = calls(&hub.scene, hub.call(&["build", "--no-binding"]));
    let blobs = found.iter().filter(|call| call.starts_with("rename "));
    let blobs: Vec<_> = blobs.filter(|call| call.contains(".incomplete ")).collect();
    assert_eq!(blobs.len(), 5, "{found:#?}");
    for blob in blobs {
        let (from, to) = blob.strip_prefix("rename ").unwrap().split_once(' ').unwrap();
        check_order(&found, to, to.rsplit_once('/').unwrap().0);
        assert!(found.contains(&format!("sync {from}")), "{found:#?}");
    }
}

#[test]
fn what_is_packed_or_kept_as_a_log_is_on_the_disk() {
    let scene = Scene::with_models("android", &["one"]);
    let failing =
        scene.build(&["--log-dir", scene.app().join("logs").as_str()]).env("STAND_IN", "exit-1");
    let found = calls_until(&scene, failing, 12);
    let logs = scene.cache().join("logs");
    let kept = logs.join(&tree::names(&logs)[0]);
    check_order(&found, kept.as_str(), logs.as_str());
    let copied = scene.app().join("logs");
    check_order(&found, copied.join(kept.file_name().unwrap()).as_str(), copied.as_str());

    scene.build(&[]).ok();
    let github = Github::sound();
    let staging = scene.root.join("packed");
    let publish = ["publish", "--output=dist", "--tag=v1", "--staging", staging.as_str()];
    let publish = scene.call(&publish).env("GITHUB_REPOSITORY", "octo/app");
    let publish = publish.env("GITHUB_API_URL", github.url()).env("GITHUB_TOKEN", TOKEN);
    let found = calls(&scene, publish);
    let packed = staging.join("android");
    let names = tree::names(&packed).into_iter().filter(|name| !name.starts_with('.'));
    let names: Vec<_> = names.collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for name in names {
        check_order(&found, packed.join(name).as_str(), packed.as_str());
    }
    let found = calls(&scene, scene.call(&["unpack", packed.as_str(), "--output=again"]));
    check_order(&found, "/app/again", scene.app().as_str());
}

#[test]
fn a_config_that_is_put_right_is_on_the_disk() {
    let scene = Scene::new("iphone");
    scene.configure(|config| config["model_list"][0]["estimated_vram_bytes"] = 7.into());
    let found = calls(&scene, scene.build(&["--fix-vram"]));
    check_order(&found, "/app/mlc-package-config.json", scene.app().as_str());
}

#[test]
#[ignore = "needs the right to mount: cargo test --test it -- --ignored"]
fn a_power_cut_on_a_mount_after_the_end_loses_nothing() {
    for rounds in [1, 2] {
        let scene = Scene::new("android");
        // What is on the device is what a power cut leaves: not what the file system still has in
        // memory, as it does for five seconds and more.
        let builds = "( cd app && \"$@\" >&2 ) && ".repeat(rounds);
        let script = format!(
            "set -e; cd ..; truncate -s 256M disk; mkfs.ext4 -q disk; mkdir mnt after; \
             mount -o loop disk mnt; cp -a app home tmp mnt/; sync; cd mnt; \
             mount --bind app ../app; mount --bind home ../home; cd ..; {builds} \
             cp --sparse=always disk cut; mount -o loop cut after; \
             cp -a after/app/dist after/home/.cache/mlc-package/libs .; cp -a app/dist whole; \
             umount after"
        );
        let mut call = scene.build(&[]);
        if rounds == 2 {
            call = call.env("MLC_JIT_POLICY", "REDO");
        }
        call.through_unshare(&script).ok();
        let content = |dir: &str| {
            let dir = scene.root.join(dir);
            let files = tree::files(&dir).into_iter().map(|path| {
                let digest = tree::digest(dir.join(&path));
                (path, digest)
            });
            files.collect::<Vec<_>>()
        };
        assert_eq!(content("dist"), content("whole"));
        let libraries = content("libs").into_iter().filter(|(path, _)| path.ends_with("lib.tar"));
        let empty = format!("blake3:{}", blake3::hash(b""));
        assert_eq!(libraries.filter(|(_, digest)| *digest != empty).count(), 2);
    }
}

/// As `strace -e inject=` has it: no lock is to be had.
const NO_LOCKS: &str = "-f -o /dev/null -e trace=flock -e inject=flock:error=ENOLCK";

#[test]
fn without_locks_everything_works_with_one_warning() {
    let scene = Scene::new("android");
    for compiled in ["2 compiled", "2 cached"] {
        let run = traced(scene.build(&[]), NO_LOCKS).ok().says(compiled);
        assert_eq!(run.stderr.matches("warning").count(), 1, "{}", run.shown());
        run.says("cannot be locked, since its file system has no locks").says("`[ROOT]/");
    }
    traced(scene.call(&["cache", "prune", "--max-size", "0B"]), NO_LOCKS).ok();
    assert_eq!(scene.entries(), [""; 0]);
    let hub = HubScene::sound(true);
    traced(hub.call(&["build", "--no-binding"]), NO_LOCKS).ok();
    assert_eq!(scene.leftovers(), [""; 0]);
}

/// No two directories can be exchanged at once.
const NO_EXCHANGE: &str = "-e inject=renameat2:error=EINVAL";

#[test]
fn a_kill_between_two_renames_loses_nobodys_files() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    scene.build(&["--only", "one-q0f16"]).ok();
    scene.write("app/dist/mine/diary.txt", "dear diary");
    let before = tree::state(&scene.dist());
    // The rename after the one that puts the old state aside.
    let killed = |at: u32| {
        let kill = format!("-e inject=rename:signal=KILL:when={at}");
        let run = traced(
            scene.build(&[]),
            &format!("-o {}/trace {NO_EXCHANGE} -e trace=rename,renameat2 {kill}", scene.root),
        );
        run.run();
        let text = scene.read("trace");
        (text.contains("KILL"), scene.dist().exists())
    };
    let mut between = 0;
    for at in 1..100 {
        let (was_killed, exists) = killed(at);
        between += u32::from(!exists);
        scene.build(&["--only", "one-q0f16"]).ok();
        assert_eq!(scene.read("app/dist/mine/diary.txt"), "dear diary", "{at}");
        assert_eq!(scene.leftovers(), [""; 0]);
        assert_eq!(tree::state(&scene.dist()).len(), before.len());
        if !was_killed {
            break;
        }
    }
    assert_eq!(between, 1, "killed when dist/ had been put aside");
}

#[test]
fn what_only_looks_like_ours_is_left_alone() {
    let scene = Scene::with_models("android", &["one"]);
    scene.write("app/.dist.mlc-package-backup/diary.txt", "dear diary");
    scene.write("tmp/mlc-package-notes/diary.txt", "dear diary");
    scene.build(&[]).ok();
    for path in ["app/.dist.mlc-package-backup/diary.txt", "tmp/mlc-package-notes/diary.txt"] {
        assert_eq!(scene.read(path), "dear diary");
    }
}

#[test]
fn two_packages_in_turn_leave_one() {
    let scene = Scene::new("android");
    let both = [&["--only", "one-q0f16"], &["--only", "other-q0f16"]];
    for only in both {
        scene.build(only).ok();
    }
    for _ in 0..12 {
        let running: Vec<_> = both.iter().map(|only| scene.build(*only).spawn()).collect();
        for run in running {
            run.wait().code(0);
        }
        let manifest = scene.json("app/dist/mlc-package-manifest.json");
        let mut listed: Vec<_> = manifest["outputs"].as_array().unwrap().iter().collect();
        let mut found = tree::files(&scene.dist());
        found.retain(|path| path != "mlc-package-manifest.json");
        listed.sort_by_key(|output| output["path"].as_str().unwrap().to_owned());
        let listed: Vec<_> = listed.iter().map(|output| output["path"].as_str().unwrap()).collect();
        assert_eq!(found, listed);
    }
}

#[test]
fn a_manifest_takes_nothing_of_others_away() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    // As that of a release, which is a stranger's, may say.
    scene.write("app/dist/notes.md", "mine");
    scene.write("app/dist/bundle/other-q0f16/params_shard_0.bin.bak", "mine");
    let mut manifest = scene.json("app/dist/mlc-package-manifest.json");
    let outputs = manifest["outputs"].as_array_mut().unwrap();
    for path in ["notes.md", "bundle/other-q0f16/params_shard_0.bin.bak"] {
        let digest = format!("blake3:{}", blake3::hash(b"theirs"));
        outputs.push(json!({"path": path, "bytes": 4, "digest": digest}));
    }
    scene.write("app/dist/mlc-package-manifest.json", manifest.to_string());
    scene.build(&["--only", "one-q0f16"]).ok();
    assert_eq!(scene.read("app/dist/notes.md"), "mine");
    let left = tree::files(&scene.dist().join("bundle/other-q0f16"));
    assert_eq!(left, ["params_shard_0.bin.bak"]);
}

#[test]
#[ignore = "needs the right to mount: cargo test --test it -- --ignored"]
fn a_manifest_in_a_mount_point_leads_nowhere() {
    let scene = Scene::with_models("android", &["one"]);
    let victim = scene.write("elsewhere/victim", "dear diary");
    let digest = format!("blake3:{}", blake3::hash(b"dear diary"));
    let manifest = json!({"outputs": [
        {"path": "gone/victim", "bytes": 10, "digest": digest},
        {"path": "old.txt", "bytes": 10, "digest": digest},
    ]});
    scene.write("manifest.json", manifest.to_string());
    fs_err::create_dir_all(scene.dist()).unwrap();
    let script = "mount -t tmpfs tmpfs dist && ln -s ../../elsewhere dist/gone && \
                  cp ../elsewhere/victim dist/old.txt && \
                  cp ../manifest.json dist/mlc-package-manifest.json && \"$@\" >&2 && ls dist";
    let listed = scene.build(&[]).through_unshare(script).ok().stdout;
    assert!(victim.exists());
    assert!(listed.contains("gone\n") && !listed.contains("old.txt"), "{listed}");
}

#[test]
fn a_killed_run_leaves_nothing_among_temporary_files() {
    let scene = Scene::with_models("android", &["one"]);
    let go = scene.root.join("go");
    let run = scene.build(&[]).env("STAND_IN_PROBE_WAIT", &go).spawn();
    scene.waiting();
    run.signal(rustix::process::Signal::KILL);
    run.wait();
    assert_ne!(tree::names(&scene.root.join("tmp")), [""; 0]);
    fs_err::write(go, "").unwrap();
    scene.build(&[]).ok();
    assert_eq!(tree::names(&scene.root.join("tmp")), [""; 0]);
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_with_the_path() {
    let scene = Scene::with_models("android", &["one"]);
    let limited = scene.build(&[]).through_shell("ulimit -f 8; exec \"$@\"");
    let run = limited.run();
    assert!(run.status.code().is_some(), "{:?}", run.status);
    run.says("[ROOT]").says("error");
    assert!(!scene.dist().exists());
    scene.build(&[]).ok();
    let before = tree::state(&scene.dist());
    let limited = scene.build(&[]).through_shell("ulimit -f 8; exec \"$@\"");
    limited.fails(14).says("libmodel_android.a");
    assert_eq!(tree::state(&scene.dist()), before);
    assert_eq!(scene.leftovers(), [""; 0]);
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_an_error_with_its_path() {
    let scene = Scene::with_models("android", &["one"]);
    scene.build(&[]).ok();
    let entry = scene.entries().remove(0);
    let app = scene.app();
    for (path, code) in [
        (app.join("mlc-package-config.json"), Some(10)),
        (app.join("models/one/mlc-chat-config.json"), Some(11)),
        (app.join("models/one/tensor-cache.json"), Some(11)),
        // What is in a cache, or of an earlier build, is made again.
        (entry.join("record.json"), None),
        (entry.join("lib.tar"), None),
        (app.join("dist/mlc-package-manifest.json"), None),
    ] {
        let kept = fs_err::read(&path).ok();
        let _ = fs_err::remove_file(&path);
        assert_cmd::Command::new("mkfifo").arg(&path).assert().success();
        match code {
            Some(code) => drop(scene.build(&[]).fails(code).says(path.file_name().unwrap())),
            None => drop(scene.build(&[]).ok()),
        }
        let _ = fs_err::remove_file(&path);
        if let Some(kept) = kept {
            fs_err::write(&path, kept).unwrap();
        }
    }
    let hub = HubScene::sound(false);
    let lock = hub.scene.app().join("mlc-package.lock");
    assert_cmd::Command::new("mkfifo").arg(lock).assert().success();
    hub.build(&[]).fails(11).says("mlc-package.lock");
    let run = scene.call(&["report", "/dev/stdin"]).through_shell("echo '{}' | \"$@\"").run();
    assert!(!run.stderr.contains("it is a pipe"), "{}", run.shown());
}
