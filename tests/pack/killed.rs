//! Runs that are killed in the middle, and the runs after them.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use mlc_package::io::cancel::Cancel;
use mlc_package::publish::pack::{self, PackEvent, PackedAssets};

use crate::remote::{assets_of, list_url};
use crate::scene::{Scene, asset_names, names, options, pack, read};
use crate::server::{Fault, Server};

const ROOT: &str = "MLC_PACKAGE_TEST_ROOT";

/// Packs until it is in the middle of the second archive, says so, and waits to be killed.
#[test]
#[ignore = "another test runs it, as a process of its own"]
fn child() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let root = Utf8Path::new(&root);
    let mut options = options();
    options.part_bytes = 100_000;
    let plan = pack::plan(&root.join("built"), &options).unwrap();
    let _ = pack::write(&plan, &root.join("packed"), &Cancel::default(), &|event| {
        if let PackEvent::Progress { name, bytes_so_far } = event
            && name.as_str().contains("my.model")
            && bytes_so_far > 0
        {
            println!("in the middle");
            std::thread::sleep(Duration::from_secs(600));
        }
    });
}

#[test]
fn packing_goes_on_after_what_was_packed() {
    let (scene, tree) = Scene::with_package();
    #[expect(clippy::disallowed_methods, reason = "it is killed")]
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["killed::child", "--exact", "--ignored", "--nocapture"])
        .env(ROOT, &scene.root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    let middle = said.lines().map_while(Result::ok).any(|line| line.contains("in the middle"));
    assert!(middle, "it ended");
    child.kill().unwrap();
    child.wait().unwrap();
    let before = asset_names(&scene.path("packed"));
    assert!(before.iter().any(|name| name.contains("phi-2.tar.zst.part03")), "{before:?}");
    assert!(!before.iter().any(|name| name.contains("my.model")), "{before:?}");

    let mut options = options();
    options.part_bytes = 100_000;
    let plan = pack::plan(&scene.path("built"), &options).unwrap();
    let kept = RefCell::new(Vec::new());
    pack::write(&plan, &scene.path("packed"), &Cancel::default(), &|event| {
        if let PackEvent::Kept { name } = event {
            kept.borrow_mut().push(name.to_string());
        }
    })
    .unwrap();
    assert_eq!(kept.into_inner(), ["chat-android-lib.tar.zst", "chat-android-phi-2.tar.zst"]);
    assert_eq!(names(&scene.path("packed"))[..2], [".lock", ".packed"]);
    pack(&scene.path("built"), &options, &scene.path("fresh"));
    let visible = |dir: &str| {
        let mut files = read(&scene.path(dir));
        files.retain(|name, _| !name.starts_with('.'));
        files
    };
    assert_eq!(visible("packed"), visible("fresh"));
    assert_eq!(scene.unpack(), tree);
}

/// A run of `unpack` in the middle of the second model, whose archive does not come to its end.
fn in_the_middle(scene: &Scene, packed: &PackedAssets) -> Child {
    let files = assets_of(packed);
    let files: Vec<_> = files.iter().map(|(name, file)| (name.as_str(), file.clone())).collect();
    let server = Server::new(&files, |seen, _| {
        seen.path.contains("my.model").then_some(Fault::Stall(200_000))
    });
    fs_err::create_dir(scene.path("dist")).unwrap();
    fs_err::write(scene.path("dist/before.txt"), "as it was").unwrap();
    let mut command = scene.command(&["unpack", &list_url(&server.url())]);
    let child = command.stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let unfinished = || {
        let name = names(&scene.root).into_iter().find(|name| name.starts_with(".dist."));
        name.is_some_and(|name| {
            let files = walkdir::WalkDir::new(scene.root.join(name)).into_iter().flatten();
            files
                .into_iter()
                .any(|file| file.path().ends_with("bundle/my model/params_shard_0.bin"))
        })
    };
    while !unfinished() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came so far");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn unpacking_leaves_the_old_package_and_the_next_run_clears_up() {
    let (scene, mut tree) = Scene::with_package();
    let packed = pack(&scene.path("built"), &options(), &scene.path("packed"));
    let mut child = in_the_middle(&scene, &packed);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(&scene.path("dist")), ["before.txt"]);
    tree.insert("before.txt".to_owned(), (b"as it was".to_vec(), false));
    assert_eq!(scene.unpack(), tree);
    scene.is_tidy();
}

#[test]
fn unpacking_that_is_ended_leaves_nothing() {
    let (scene, _) = Scene::with_package();
    let packed = pack(&scene.path("built"), &options(), &scene.path("packed"));
    let mut child = in_the_middle(&scene, &packed);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(&scene.path("dist")), ["before.txt"]);
    scene.is_tidy();
}
