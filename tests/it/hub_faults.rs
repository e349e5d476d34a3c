//! A Hub that says no, a token, an interrupted download, and what a log shows of a big file.

use rustix::process::Signal;

use crate::call::wait_for;
use crate::hub::{HubScene, files, files_but};
use crate::scene::DATA;
use crate::server::{COMMIT, Fault, File, Seen, Server};
use crate::tree;

const TOKEN: &str = "hf_never_to_be_shown";

#[test]
fn what_the_hub_refuses_is_said_with_a_remedy() {
    for (status, header, why) in [
        (401, "", "`user/model` is private or gated, or does not exist (401"),
        (403, "", "`user/model` is private or gated, or does not exist (403"),
        (
            404,
            "X-Error-Code: RepoNotFound",
            "no such repository or revision: `user/model` at `main` (404",
        ),
    ] {
        let rule = move |_: &_, _| Some(Fault::Status(status, header));
        let hub = HubScene::new(Server::new(&files(), rule), false);
        for call in [hub.build(&[]), hub.plan(&[]), hub.call(&["lock"])] {
            let run = call.fails(11);
            let run = run.says("model `one-q0f16`: ").says(why).says("/api/models/user/model");
            run.says("help: ").says("HF_TOKEN");
        }
        assert!(!hub.scene.dist().exists());
        assert_eq!(hub.asked().len(), 3, "asking again changes nothing");
    }
}

#[test]
fn that_the_hub_is_asked_again_is_said() {
    let rule = |seen: &Seen, nth| {
        (nth == 0 && seen.path.starts_with("/api/")).then_some(Fault::Status(502, ""))
    };
    let hub = HubScene::new(Server::new(&files(), rule), false);
    let run = hub.plan(&[]).ok();
    // The commit, and the list of its files.
    assert_eq!(run.stderr.matches("warning: the Hub: 502").count(), 2, "{}", run.shown());
    assert!(run.stderr.contains("; retrying in 0."), "{}", run.shown());
}

#[test]
fn a_token_is_sent_and_never_shown() {
    let rule = |seen: &Seen, _| seen.authorization.is_none().then_some(Fault::Status(401, ""));
    let hub = HubScene::new(Server::new(&files(), rule), true);
    hub.build(&[]).fails(11).says("HF_TOKEN");
    hub.asked();
    hub.plan(&["-v"]).env("HF_TOKEN", TOKEN).ok().never_says(TOKEN);
    hub.build(&["-v"]).env("HF_TOKEN", TOKEN).ok().never_says(TOKEN);
    hub.build(&["-v", "--format", "json"]).env("HF_TOKEN", TOKEN).ok().never_says(TOKEN);
    let bearer = format!("Bearer {TOKEN}");
    assert!(hub.server.seen().iter().all(|seen| seen.authorization.as_ref() == Some(&bearer)));
    for entry in walkdir::WalkDir::new(&hub.scene.root) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let bytes = fs_err::read(entry.path()).unwrap();
            let found = bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
            assert!(!found, "{}", entry.path().display());
        }
    }

    let refused = HubScene::new(Server::new(&files(), |_, _| Some(Fault::Status(403, ""))), true);
    let run = refused.build(&["-v"]).env("HF_TOKEN", TOKEN).fails(11);
    run.never_says(TOKEN);
}

#[test]
fn a_model_without_a_tensor_cache_is_taken_if_the_app_downloads_it() {
    let mut lacking = files();
    lacking.retain(|(name, _)| *name != "tensor-cache.json");
    let hub = HubScene::new(Server::sound(&lacking), false);
    hub.build(&[]).ok();
    let manifest = hub.scene.json("app/dist/mlc-package-manifest.json");
    let sizes = &manifest["models"][0]["sizes"];
    let shard = lacking.iter().find(|(name, _)| *name == "params_shard_0.bin").unwrap();
    assert_eq!(sizes["weights"], shard.1.bytes.len());
    // What ships with the app has to be whole, and nothing says what that is.
    let hub = HubScene::new(Server::sound(&lacking), true);
    hub.build(&[]).fails(11).says("`user/model` has no `tensor-cache.json`");
}

#[test]
fn a_repository_that_nobody_converted_is_named_as_such() {
    let raw =
        [("config.json", File::small(b"{}")), ("model.safetensors", File::lfs(vec![1; 1000]))];
    let hub = HubScene::new(Server::sound(&raw), true);
    let run = hub.build(&[]).fails(11);
    run.says("model `one-q0f16`: `user/model` has no `mlc-chat-config.json`").says("help: ");
    assert_eq!(hub.asked().len(), 2);

    let hub = HubScene::new(Server::sound(&files_but("mlc-chat-config.json", "{")), false);
    let run = hub.build(&[]).fails(10);
    run.says("mlc-chat-config.json");
}

/// The model with a shard so big, and a tensor cache that says so.
pub(crate) fn big(bytes: usize) -> Vec<(&'static str, File)> {
    let cache = fs_err::read_to_string(format!("{DATA}/layer/tensor-cache.json")).unwrap();
    let mut cache: serde_json::Value = serde_json::from_str(&cache).unwrap();
    let record = &mut cache["records"][0];
    record["nbytes"] = bytes.into();
    record.as_object_mut().unwrap().remove("md5sum");
    let mut files = files_but("tensor-cache.json", cache.to_string());
    let mut content = Vec::from_iter(0..251).repeat(bytes / 251 + 1);
    content.truncate(bytes);
    files.retain(|(name, _)| *name != "params_shard_0.bin");
    files.push(("params_shard_0.bin", File::lfs(content)));
    files
}

#[test]
fn ctrl_c_ends_a_download_which_is_gone_on_with() {
    // Some seconds, were nobody to interrupt it.
    let rule =
        |seen: &Seen, nth| (nth == 0 && seen.path.ends_with(".bin")).then_some(Fault::slow(1000));
    let bytes = 6_000_000;
    let hub = HubScene::new(Server::new(&big(bytes), rule), true);
    let run = hub.build(&[]).spawn();
    let blobs = hub.scene.root.join("home/.cache/huggingface/hub/models--user--model/blobs");
    wait_for("the shard's first bytes", || {
        let mut names = tree::names(&blobs).into_iter();
        let is_there = |name: &String| {
            let size = fs_err::metadata(blobs.join(name)).map_or(0, |file| file.len());
            name.contains(".mlc-package.") && size > 200_000
        };
        names.find(is_there)
    });
    run.signal(Signal::INT);
    let run = run.wait().code(130);
    assert!(run.stderr.ends_with("error: interrupted\n"), "{}", run.shown());
    assert!(!hub.snapshot(COMMIT).contains(&"params_shard_0.bin".to_owned()));
    assert!(!hub.scene.dist().exists());
    hub.asked();
    hub.build(&[]).ok();
    let ranges: Vec<_> =
        hub.server.downloads("params_shard_0.bin").iter().map(|seen| seen.range).collect();
    assert!(ranges.iter().all(|range| range.is_some_and(|(start, _)| start > 0)), "{ranges:?}");
}

#[test]
fn a_log_has_a_line_for_every_tenth_of_a_big_file() {
    // Slow enough for ten looks at it, and no slower.
    let slow = |seen: &Seen, _| seen.path.ends_with(".bin").then_some(Fault::slow(60_000));
    let files = big(70 << 20);
    let hub = HubScene::new(Server::new(&files, slow), true);
    let run = hub.build(&[]).ok();
    let tenths = run.stderr.matches("params_shard_0.bin: ").count();
    assert!((1..=9).contains(&tenths), "{}", run.shown());
    run.says("Downloaded params_shard_0.bin (70.0 MiB)");
    let quiet = HubScene::new(Server::sound(&files), true);
    assert_eq!(quiet.build(&["-q"]).ok().stderr, "");
}
