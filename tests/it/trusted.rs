//! Weights are what is said of them: by the Hub's list, the lock file and the tensor cache; not what
//! their size says, and not what somebody made of them through `dist/`, which shares them.

use camino::Utf8PathBuf;
use serde_json::json;

use crate::hub::{HubScene, entry, files};
use crate::hub_faults::big;
use crate::scene::{DATA, Scene};
use crate::server::{COMMIT, File, REPO, Server};
use crate::{raw, tree};

const SHARD: &str = "params_shard_0.bin";
const BUNDLE: &str = "app/dist/bundle/one-q0f16";
/// A shard of so many bytes is not read each time: what it is is noted.
const NOTED: usize = 100_000;

/// A file's blob in the Hub's cache.
fn blob(hub: &HubScene, name: &str) -> Utf8PathBuf {
    let snapshots = "home/.cache/huggingface/hub/models--user--model/snapshots";
    hub.scene.root.join(snapshots).join(COMMIT).join(name).canonicalize_utf8().unwrap()
}

/// Puts as many other bytes into a file, which stays the file that it is.
fn spoil(path: impl Into<Utf8PathBuf>) {
    let path = path.into();
    let zeros = vec![0; usize::try_from(fs_err::metadata(&path).unwrap().len()).unwrap()];
    fs_err::write(&path, zeros).unwrap();
}

fn forget_notes(scene: &Scene) {
    let _ = fs_err::remove_dir_all(scene.cache().join("weights/.known"));
}

/// Gives a local model a shard whose digest is noted.
fn grow(scene: &Scene, model: &str) {
    let dir = scene.app().join("models").join(model);
    let bytes: Vec<u8> = (0..251).cycle().take(NOTED).collect();
    let mut cache = scene.json(&format!("app/models/{model}/tensor-cache.json"));
    cache["records"][0]["nbytes"] = NOTED.into();
    cache["records"][0]["md5sum"] = GROWN_MD5.into();
    fs_err::write(dir.join(SHARD), bytes).unwrap();
    fs_err::write(dir.join("tensor-cache.json"), cache.to_string()).unwrap();
}

/// `python -c 'import hashlib; print(hashlib.md5(bytes(n % 251 for n in range(100000))).hexdigest())'`
const GROWN_MD5: &str = "28cb595c158e9b74e34ae9e8da710fff";

/// Whether the package has the model as the Hub has it.
#[track_caller]
fn check_bundle(hub: &HubScene) {
    check_bundle_of(hub, &files());
}

#[track_caller]
fn check_bundle_of(hub: &HubScene, files: &[(&str, File)]) {
    for (name, file) in files.iter().filter(|(name, _)| *name != ".gitattributes") {
        let bundled = fs_err::read(hub.scene.root.join(BUNDLE).join(name)).unwrap();
        assert_eq!(bundled, **file.bytes, "{name}");
    }
}

#[test]
fn a_damaged_file_of_the_hub_never_ships() {
    // Verified before or not, pinned or not: each file's digest is known.
    for (locked, notes) in [(true, true), (true, false), (false, true), (false, false)] {
        let files = big(NOTED);
        let hub = HubScene::new(Server::sound(&files), true);
        if locked {
            hub.call(&["lock"]).ok();
        }
        hub.build(&[]).ok();
        let before = tree::state(&hub.scene.dist());
        let more: &[&str] = if locked { &["--locked"] } else { &[] };
        let names = [SHARD, "tokenizer.json", "README.md"];
        for name in names.into_iter().chain(["mlc-chat-config.json", "tensor-cache.json"]) {
            // The other side of the link is the old package's.
            hub.build(&["--link-mode", "copy"]).ok();
            spoil(blob(&hub, name));
            if !notes {
                forget_notes(&hub.scene);
            }
            let offline = [more, &["--offline", "--link-mode", "copy"]].concat();
            let run = hub.build(&offline).fails(11).says(name).says(" digest ");
            let by = if locked && names.contains(&name) { "mlc-package.lock" } else { "the Hub" };
            run.says(by).says("help: run it once without --offline");
            hub.build(&[]).env("MLC_DOWNLOAD_CACHE_POLICY", "READONLY").fails(11).says("POLICY=ON");
            check_bundle_of(&hub, &files);
            hub.asked();
            hub.server.forget();
            let run = hub.build(more).ok();
            run.says("warning: ").says(&format!("{name} is downloaded again: "));
            assert_eq!(hub.server.downloads(name).len(), 1, "{name}");
            check_bundle_of(&hub, &files);
            hub.build(&offline).ok().never_says("warning");
        }
        assert_eq!(tree::state(&hub.scene.dist()).len(), before.len());
        hub.scene.call(&["cache", "verify"]).ok();
    }
}

#[test]
fn what_is_edited_in_a_package_does_not_reach_the_next_one() {
    for mode in ["auto", "hardlink", "copy"] {
        let files = big(NOTED);
        let hub = HubScene::new(Server::sound(&files), true);
        let build = |more: &[&str]| hub.build(&[&["--link-mode", mode], more].concat());
        // Whoever keeps it elsewhere.
        fs_err::create_dir(hub.scene.root.join("elsewhere")).unwrap();
        fs_err::os::unix::fs::symlink("../elsewhere", hub.scene.dist()).unwrap();
        build(&[]).ok();
        let bundled = hub.scene.root.join(BUNDLE).join(SHARD);
        let is_shared = tree::inode(&bundled) == tree::inode(blob(&hub, SHARD));
        assert!(is_shared == (mode == "hardlink") || mode == "auto");
        spoil(&bundled);
        hub.asked();
        if is_shared {
            build(&["--offline"]).fails(11).says(SHARD).says("SHA-256");
        }
        let run = build(&[]).ok();
        assert_eq!(run.stderr.contains("is downloaded again"), is_shared, "{}", run.shown());
        check_bundle_of(&hub, &files);
        assert!(hub.scene.dist().is_symlink());
        build(&["--offline"]).ok();
    }
}

#[test]
fn a_config_with_overrides_is_read_from_the_right_one() {
    let hub = HubScene::sound(true);
    hub.scene.configure(|config| {
        config["model_list"][0]["overrides"] = json!({"context_window_size": 64});
    });
    hub.build(&[]).ok();
    spoil(blob(&hub, "mlc-chat-config.json"));
    hub.build(&["--offline"]).fails(11).says("mlc-chat-config.json` has the Git SHA-1 digest");
    hub.build(&[]).ok().says("mlc-chat-config.json is downloaded again");
    let config = hub.scene.json(&format!("{BUNDLE}/mlc-chat-config.json"));
    assert_eq!(config["context_window_size"], 64);
}

#[test]
fn what_a_plan_is_made_of_is_right_also_where_nothing_is_bundled() {
    let hub = HubScene::sound(false);
    hub.plan(&[]).ok();
    for name in ["mlc-chat-config.json", "tensor-cache.json"] {
        spoil(blob(&hub, name));
        hub.plan(&["--offline"]).fails(11).says(name).says("help: ");
        hub.plan(&[]).ok().says(&format!("{name} is downloaded again"));
        hub.plan(&["--offline"]).ok();
    }
}

#[test]
fn a_cut_file_of_the_hub_is_missing() {
    let hub = HubScene::sound(true);
    hub.build(&["--link-mode", "copy"]).ok();
    let blob = blob(&hub, SHARD);
    fs_err::write(&blob, "cut").unwrap();
    hub.build(&["--offline"]).fails(11).says("cached with 3 of its 512 bytes").says("--offline");
    hub.build(&[]).ok();
    check_bundle(&hub);
}

#[test]
fn two_models_of_one_repository_are_repaired_once() {
    let hub = HubScene::sound(true);
    hub.scene.configure(|config| {
        let mut other = entry("other");
        other["bundle_weight"] = true.into();
        config["model_list"].as_array_mut().unwrap().push(other);
    });
    hub.build(&[]).ok();
    spoil(blob(&hub, SHARD));
    hub.server.forget();
    hub.build(&[]).ok();
    assert_eq!(hub.server.downloads(SHARD).len(), 1);
    check_bundle(&hub);
    let other = hub.scene.dist().join("bundle/other-q0f16").join(SHARD);
    assert_eq!(tree::digest(other), tree::digest(hub.scene.root.join(BUNDLE).join(SHARD)));
}

#[test]
fn a_shard_of_a_directory_is_what_its_tensor_cache_says() {
    for (mode, path, large) in [
        ("copy", "app/models/one", true),
        ("hardlink", "app/models/one", false),
        ("hardlink", BUNDLE, true),
    ] {
        let scene = Scene::new("android");
        if large {
            grow(&scene, "one");
        }
        let whole = fs_err::read(scene.app().join("models/one").join(SHARD)).unwrap();
        let build = || scene.build(&["--link-mode", mode]);
        build().ok();
        let before = tree::state(&scene.dist());
        for notes in [true, false] {
            spoil(scene.root.join(path).join(SHARD));
            if !notes {
                forget_notes(&scene);
            }
            let run = build().fails(11);
            let md5 = if large { GROWN_MD5 } else { "553c282f91931a154a0afc3f7710a644" };
            assert!(run.stderr.contains(md5), "{}", run.shown());
            run.says("model `one-q0f16`: `[ROOT]/app/models/one/params_shard_0.bin` has the MD5")
                .says("and the tensor cache says")
                .says("help: get the file again");
            // What lay in the package is there as it was, or as somebody made it.
            assert_eq!(tree::state(&scene.dist()).len(), before.len());
        }
        fs_err::write(scene.root.join(path).join(SHARD), &whole).unwrap();
        build().ok();
        assert_eq!(fs_err::read(scene.root.join(BUNDLE).join(SHARD)).unwrap(), whole);
    }
    // A first build finds it before it compiles anything.
    let scene = Scene::new("android");
    spoil(scene.root.join("app/models/other").join(SHARD));
    scene.build(&[]).fails(11).says("model `other-q0f16`: ");
    assert_eq!(scene.compiled(), [""; 0]);
}

#[test]
fn a_shard_in_mlc_llms_own_cache_is_what_its_tensor_cache_says() {
    let hub = HubScene::sound(true);
    let dir = hub.scene.root.join("mlc/model_weights/hf/user/model");
    tree::copy(format!("{DATA}/layer"), &dir);
    let root = hub.scene.root.join("mlc").into_string();
    hub.build(&[]).env("MLC_LLM_HOME", &root).ok();
    spoil(dir.join(SHARD));
    let run = hub.build(&[]).env("MLC_LLM_HOME", &root).fails(11).says("has the MD5 digest");
    run.says("help: remove `[ROOT]/mlc/model_weights/hf/user/model`");
    fs_err::remove_dir_all(&dir).unwrap();
    hub.build(&[]).env("MLC_LLM_HOME", &root).ok();
    check_bundle(&hub);
}

#[test]
fn a_snapshot_that_a_config_names_is_held_against_its_blobs_names() {
    let hub = HubScene::sound(true);
    hub.build(&["--link-mode", "copy"]).ok();
    let snapshot = "../home/.cache/huggingface/hub/models--user--model/snapshots";
    hub.scene.configure(|config| {
        config["model_list"][0]["model"] = format!("{snapshot}/{COMMIT}").into();
    });
    hub.build(&["--link-mode", "copy"]).ok();
    // The tensor cache says nothing of a tokenizer.
    for (name, kind) in [("tokenizer.json", "Git SHA-1"), (SHARD, "SHA-256")] {
        let blob = blob(&hub, name);
        let kept = fs_err::read(&blob).unwrap();
        spoil(&blob);
        let run = hub.build(&["--link-mode", "copy"]).fails(11);
        run.says(&format!("has the {kind} digest")).says("its name in the Hub's cache says");
        fs_err::write(&blob, kept).unwrap();
    }
    hub.build(&[]).ok();
}

#[test]
fn a_converted_model_is_what_was_converted() {
    let scene = raw::scene("android");
    let build = || raw::build(&scene, &["--link-mode", "hardlink"]);
    build().ok();
    let bundled = scene.dist().join("bundle").join(raw::MODEL).join(SHARD);
    let before = tree::digest(&bundled);
    let entry = raw::converted(&scene).remove(0);
    assert_eq!(tree::inode(&bundled), tree::inode(entry.join("model").join(SHARD)));
    spoil(&bundled);
    build().ok().says("the converted model `raw` is made again");
    assert_eq!(tree::digest(&bundled), before);
    // While the library is linked, somebody writes to it.
    let go = scene.root.join("go");
    fs_err::remove_dir_all(scene.cache().join("libs")).unwrap();
    let run = build().env("STAND_IN_WAIT", &go).spawn();
    scene.waiting();
    spoil(entry.join("model").join(SHARD));
    fs_err::write(go, "").unwrap();
    let run = run.wait().code(11).says("the record of its conversion says");
    run.says("help: run it again");
    build().ok();
    assert_eq!(tree::digest(&bundled), before);
}

#[test]
fn a_damaged_checkpoint_of_the_hub_is_not_converted() {
    let local = raw::scene("android");
    let file = |name: &str| fs_err::read(local.root.join(raw::RAW).join(name)).unwrap();
    let files = [
        ("config.json", File::small(&file("config.json"))),
        ("tokenizer.json", File::small(&file("tokenizer.json"))),
        ("model.safetensors", File::lfs(file("model.safetensors"))),
    ];
    let hub = HubScene::raw(&files);
    let build = |more: &[&str]| hub.build(more).env("STAND_IN", "as-asked");
    build(&[]).ok();
    let bundled = hub.scene.root.join(BUNDLE).join(SHARD);
    let before = tree::digest(&bundled);
    let again = || fs_err::remove_dir_all(hub.scene.cache().join("converted")).unwrap();
    // Weights that are numbers, too: the end of them.
    let weights = blob(&hub, "model.safetensors");
    let mut bytes = fs_err::read(&weights).unwrap();
    let end = bytes.len() - 64;
    bytes[end..].fill(0);
    fs_err::write(&weights, bytes).unwrap();
    again();
    build(&["--offline"]).fails(11).says("model.safetensors` has the SHA-256 digest");
    assert_eq!(raw::converted(&hub.scene), [""; 0]);
    build(&[]).ok().says("model.safetensors is downloaded again");
    assert_eq!(tree::digest(&bundled), before);
    spoil(blob(&hub, "tokenizer.json"));
    again();
    build(&["--offline"]).fails(11).says("tokenizer.json` has the Git SHA-1 digest");
    build(&[]).ok().says("tokenizer.json is downloaded again");
    // The verb too.
    let convert = ["convert", &format!("HF://{REPO}"), "--quantization", "q0f32", "-o", "model"];
    let convert =
        |more: &[&str]| hub.call(&[&convert[..], &["--conv-template", "llama-3"], more].concat());
    spoil(blob(&hub, "model.safetensors"));
    convert(&["--offline"]).fails(11).says("SHA-256");
    convert(&[]).ok().says("model.safetensors is downloaded again");
}

#[test]
fn a_damaged_note_costs_time_and_nothing_else() {
    let scene = Scene::new("android");
    grow(&scene, "one");
    scene.build(&[]).ok();
    let notes = scene.cache().join("weights/.known");
    // Of the other model, which is small, nothing is noted.
    assert_eq!(tree::names(&notes).len(), 1);
    for text in ["{", "{\"format\": 2}", "[1]"] {
        for name in tree::names(&notes) {
            fs_err::write(notes.join(name), text).unwrap();
        }
        scene.build(&[]).ok();
    }
    // One of another file's digest.
    for name in tree::names(&notes) {
        let text = fs_err::read_to_string(notes.join(&name)).unwrap();
        assert!(text.contains(&format!("md5:{GROWN_MD5}")), "{text}");
        let at = text.find("blake3:").unwrap() + "blake3:".len();
        let other = format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..]);
        fs_err::write(notes.join(&name), other).unwrap();
        scene.build(&[]).ok();
        assert_eq!(fs_err::read_to_string(notes.join(&name)).unwrap(), text);
    }
}

/// A `tokenizer.json` of so many tokens: at 10,000 it is large enough for a note.
fn tokenizer(tokens: usize) -> String {
    let vocabulary: serde_json::Map<_, _> =
        (0..tokens).map(|id| (format!("token{id}"), id.into())).collect();
    json!({"model": {"type": "BPE", "vocab": vocabulary, "merges": []}}).to_string()
}

#[test]
fn a_large_tokenizer_is_looked_into_once() {
    const LOOKED: &str = "Verifying tokenizer.json of one-q0f16";
    let scene = Scene::with_models("android", &["one"]);
    let path = "app/models/one/tokenizer.json";
    let large = tokenizer(10_000);
    scene.write(path, &large);
    scene.build(&["-v"]).ok().says(LOOKED);
    scene.build(&["-v"]).ok().never_says(LOOKED);
    scene.build(&["-v"]).ok().never_says(LOOKED);
    // Another one of the same size; and back.
    scene.write(path, large.replace("token9999", "token999x"));
    scene.build(&["-v"]).ok().says(LOOKED);
    scene.write(path, large.replace("\"vocab\"", "\"bocav\""));
    for _ in 0..2 {
        scene.build(&["-v"]).fails(11).says(LOOKED).says("its `model` has no `vocab`");
    }
    scene.write(path, &large);
    scene.build(&["-v"]).ok().never_says(LOOKED);
    // A note of something else is no note.
    let notes = scene.cache().join("weights/.known");
    assert_eq!(tree::names(&notes).len(), 2);
    for name in tree::names(&notes) {
        fs_err::write(
            notes.join(&name),
            format!("{{\"format\": 1, \"tokenizer\": \"blake3:{}\"}}", "0".repeat(64)),
        )
        .unwrap();
    }
    scene.build(&["-v"]).ok().says(LOOKED);
    scene.build(&["-v"]).ok().never_says(LOOKED);
}

#[test]
fn of_a_large_tokenizer_of_the_hub_not_even_a_digest_is_made_beforehand() {
    const LOOKED: &str = "Verifying tokenizer.json of one-q0f16";
    let large = tokenizer(10_000);
    let hub = HubScene::new(Server::sound(&crate::hub::files_but("tokenizer.json", &large)), true);
    hub.build(&["-v"]).ok().says(LOOKED);
    hub.build(&["-v"]).ok().never_says(LOOKED);
    // What is said of it is known, and it is held against that when it is bundled.
    spoil(blob(&hub, "tokenizer.json"));
    hub.build(&["-v"]).ok().never_says(LOOKED).says("tokenizer.json is downloaded again");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_was_verified_once_is_read_once_in_a_build() {
    let hub = HubScene::new(Server::sound(&big(NOTED)), true);
    hub.call(&["lock"]).ok();
    let traces = hub.scene.root.join("traces");
    // How many bytes of the shard are read. A file a thread: none interrupts another's lines.
    let read = || {
        fs_err::create_dir(&traces).unwrap();
        let call = hub.build(&["--locked"]);
        let arguments = format!("-ff -y -o {traces}/of -e trace=read,readv,pread64,preadv,preadv2");
        crate::lost::traced(call, &arguments).ok();
        let shard = format!("<{}>", blob(&hub, SHARD));
        let mut bytes = 0;
        for name in tree::names(&traces) {
            let text = fs_err::read(traces.join(name)).unwrap();
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().filter(|line| line.contains(&shard));
            let results = lines.filter_map(|line| line.rsplit("= ").next()?.parse::<usize>().ok());
            bytes += results.sum::<usize>();
        }
        fs_err::remove_dir_all(&traces).unwrap();
        bytes
    };
    hub.build(&["--locked"]).ok();
    assert_eq!(read(), NOTED);
    forget_notes(&hub.scene);
    assert_eq!(read(), 2 * NOTED);
    assert_eq!(read(), NOTED);
}
