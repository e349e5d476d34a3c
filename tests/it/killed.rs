//! 200 kills at random, each before a system call that changes something others can see: what is
//! there then is whole, and the next run comes to the same end as one that nobody disturbed.
//!
//! `MLC_PACKAGE_TEST_SEED` repeats what a failure prints.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::io::cancel::Cancel;
use mlc_package::publish::pack::{self, PackOptions};

use crate::call::{Call, wait_for};
use crate::hub::HubScene;
use crate::lost::traced;
use crate::releases::github::{Github, TOKEN};
use crate::scene::Scene;
use crate::{raw, tree};

/// Of each of the five verbs.
const KILLS: usize = 40;

/// The system calls that change what others see, or wait for them.
const CALLS: &str = "open,openat,creat,write,pwrite64,writev,pwritev,sendto,sendmsg,rename,renameat,\
                     renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,unlink,unlinkat,rmdir,\
                     ftruncate,fallocate,copy_file_range,fsync,fdatasync,flock,utimensat";

/// The files of a directory and their digests; of the manifest, in which times are, only that it is
/// one.
type State = BTreeMap<String, String>;

fn state(dir: &Utf8Path) -> State {
    let of = |path: String| {
        let digest = match path.as_str() {
            "mlc-package-manifest.json" => {
                let text = fs_err::read(dir.join(&path)).unwrap();
                let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
                read["outputs"].to_string()
            }
            _ => tree::digest(dir.join(&path)),
        };
        (path, digest)
    };
    tree::files(dir).into_iter().map(of).collect()
}

/// Numbers that a seed decides (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

/// A verb that is killed.
struct Victim<'a> {
    scene: &'a Scene,
    /// Prepares the n-th run; the number is a random one.
    prepare: &'a dyn Fn(usize, usize),
    /// The n-th run.
    call: &'a dyn Fn(usize) -> Call<'a>,
    /// Looks at what is there after the n-th run was killed: it may have come to its end.
    check_killed: &'a dyn Fn(usize),
    /// Looks at what is there after the same run came to its end.
    check_done: &'a dyn Fn(usize),
}

impl Victim<'_> {
    /// The places where a run can be killed: the names of system calls, and which of their kind in a
    /// thread.
    fn places(&self, n: usize) -> Vec<(String, usize)> {
        let log = self.scene.root.join("trace");
        traced((self.call)(n), &format!("-f -b execve -o {log} -e trace={CALLS}")).ok();
        let text = fs_err::read_to_string(&log).unwrap();
        let mut counted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut places = BTreeSet::new();
        for line in text.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
            if !call.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
                continue;
            }
            let count = counted.entry((thread, call)).or_default();
            *count += 1;
            if !call.starts_with("open") || arguments.contains("O_CREAT") {
                places.insert((call.to_owned(), *count));
            }
        }
        assert!(places.len() > 20, "{places:?}\n{text}");
        places.into_iter().collect()
    }

    #[expect(clippy::print_stdout, reason = "what a failure is repeated with")]
    fn survives(&self) {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let given = std::env::var("MLC_PACKAGE_TEST_SEED").ok();
        let seed = given.map_or_else(now, |seed| seed.parse().unwrap());
        println!("MLC_PACKAGE_TEST_SEED={seed}");
        let mut random = Random(seed);
        let mut places = Vec::new();
        for n in 0..2 {
            (self.prepare)(n, 1);
            places.push(self.places(n));
            (self.check_done)(n);
        }
        let (mut kills, mut n) = (0, 2);
        while kills < KILLS {
            assert!(n < 4 * KILLS, "{kills} kills in {n} runs");
            (self.prepare)(n, random.below(1 << 30));
            let places = &places[n % 2];
            let (call, at) = &places[random.below(places.len())];
            println!("run {n}: killed at {call} {at}");
            let kill = format!("-e trace={call} -e inject={call}:signal=KILL:when={at}");
            let arguments = format!("-f -b execve --seccomp-bpf -o /dev/null {kill}");
            let run = traced((self.call)(n), &arguments).run();
            if run.status.signal() == Some(9) {
                kills += 1;
                // A child of its own may live a moment longer.
                wait_for("its children", || is_quiet(&self.scene.root).then_some(()));
                (self.check_killed)(n);
                self.scene.call(&["cache", "verify"]).ok();
                (self.call)(n).ok();
            } else {
                // Not every run comes to the same places.
                run.code(0);
            }
            (self.check_done)(n);
            assert_eq!(self.scene.leftovers(), [""; 0]);
            n += 1;
        }
    }
}

/// Whether no process has anything to do with a directory.
fn is_quiet(root: &Utf8Path) -> bool {
    let processes = fs_err::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok().filter(|pid| *pid != std::process::id())?;
        fs_err::read(entry.path().join("cmdline")).ok()
    });
    !lines.any(|line| String::from_utf8_lossy(&line).contains(root.as_str()))
}

/// A directory that is replaced: what it may hold after a kill, and must after a whole run.
struct Replaced {
    dir: Utf8PathBuf,
    states: [State; 2],
}

impl Replaced {
    /// The states of two runs.
    fn of<'a>(dir: Utf8PathBuf, call: impl Fn(usize) -> Call<'a>) -> Self {
        let states = [0, 1].map(|n| {
            call(n).ok();
            state(&dir)
        });
        assert_ne!(states[0], states[1]);
        Self { dir, states }
    }

    #[track_caller]
    fn is_whole(&self) {
        let found = state(&self.dir);
        assert!(self.states.contains(&found), "{found:#?}");
    }

    #[track_caller]
    fn is(&self, n: usize) {
        assert_eq!(state(&self.dir), self.states[n % 2]);
    }
}

#[test]
fn builds() {
    let scene = Scene::new("android");
    let only = |n: usize| if n.is_multiple_of(2) { &["--only", "one-q0f16"][..] } else { &[] };
    let call = |n: usize| scene.build(only(n));
    let dist = Replaced::of(scene.dist(), call);
    Victim {
        scene: &scene,
        // Some have to compile.
        prepare: &|_, random| {
            if random % 4 == 1 {
                fs_err::remove_dir_all(scene.cache().join("libs")).unwrap();
            }
        },
        call: &call,
        check_killed: &|_| dist.is_whole(),
        check_done: &|n| dist.is(n),
    }
    .survives();
}

#[test]
fn conversions() {
    let scene = raw::scene("android");
    let call = |n: usize| {
        let quantization = ["q0f16", "q0f32"][n % 2];
        let convert = ["convert", "models/raw", "--conv-template", "llama-3", "-o", "model"];
        scene.call(&[&convert[..], &["--quantization", quantization]].concat())
    };
    let model = Replaced::of(scene.app().join("model"), call);
    Victim {
        scene: &scene,
        prepare: &|_, _| {},
        call: &call,
        check_killed: &|_| model.is_whole(),
        check_done: &|n| model.is(n),
    }
    .survives();
}

#[test]
fn downloads() {
    let hub = HubScene::sound(true);
    hub.call(&["lock"]).ok();
    let name = |n: usize| ["one-q0f16", "two-q0f16"][n % 2];
    let call = |n: usize| {
        hub.scene.configure(|config| config["model_list"][0]["model_id"] = name(n).into());
        hub.build(&["--locked"])
    };
    let dist = Replaced::of(hub.scene.dist(), call);
    let home = hub.scene.root.join("home/.cache/huggingface/hub");
    let blobs = home.join("models--user--model/blobs");
    let all = tree::names(&blobs);
    Victim {
        scene: &hub.scene,
        prepare: &|_, random| {
            fs_err::remove_dir_all(&home).unwrap();
            if random.is_multiple_of(2) {
                fs_err::remove_dir_all(hub.scene.cache().join("weights")).unwrap();
            }
        },
        call: &call,
        check_killed: &|_| dist.is_whole(),
        check_done: &|n| {
            dist.is(n);
            assert_eq!(tree::names(&blobs), all);
        },
    }
    .survives();
}

#[test]
fn unpackings() {
    let scene = Scene::new("android");
    for (assets, only) in [("assets0", &["--only", "one-q0f16"][..]), ("assets1", &[])] {
        scene.build(only).ok();
        let plan = pack::plan(&scene.dist(), &PackOptions::new("app".parse().unwrap())).unwrap();
        pack::write(&plan, &scene.root.join(assets), &Cancel::default(), &|_| {}).unwrap();
    }
    let call = |n: usize| scene.call(&["unpack", &format!("../assets{}", n % 2), "-o", "again"]);
    let again = Replaced::of(scene.app().join("again"), call);
    Victim {
        scene: &scene,
        prepare: &|_, _| {},
        call: &call,
        check_killed: &|_| again.is_whole(),
        check_done: &|n| again.is(n),
    }
    .survives();
}

#[test]
fn publishing() {
    let scene = Scene::new("android");
    scene.build(&[]).ok();
    let built = state(&scene.dist());
    let github = Github::sound();
    let tag = |n: usize| format!("v{n}");
    let call = |n: usize| {
        let call = scene.call(&["publish", "--output=dist", "--tag", &tag(n)]);
        let call = call.env("GITHUB_API_URL", github.url()).env("GITHUB_SERVER_URL", github.url());
        let call = call.env("GITHUB_TOKEN", TOKEN).env("GITHUB_REPOSITORY", "octo/app");
        call.env("NO_PROXY", "127.0.0.1,localhost")
    };
    let assets = |n: usize| {
        let store = github.store();
        let release = store.releases.iter().find(|release| release.tag == tag(n))?;
        let whole = release.assets.iter().filter(|asset| asset.state == "uploaded");
        let assets = whole.map(|asset| (asset.name.clone(), asset.bytes.clone()));
        Some((release.draft, release.assets.len(), assets.collect::<BTreeMap<_, _>>()))
    };
    call(1000).ok();
    let (_, count, all) = assets(1000).unwrap();
    assert_eq!(count, 6, "{:?}", all.keys());
    Victim {
        scene: &scene,
        prepare: &|_, _| {},
        call: &call,
        check_killed: &|n| {
            assert_eq!(state(&scene.dist()), built);
            let Some((draft, _, up)) = assets(n) else { return };
            assert!(up.iter().all(|(name, bytes)| all.get(name) == Some(bytes)));
            assert!(draft || up == all, "visible before it is whole");
        },
        check_done: &|n| {
            let (draft, found, up) = assets(n).unwrap();
            assert!(!draft && found == count && up == all, "{:?}", up.keys());
        },
    }
    .survives();
}
