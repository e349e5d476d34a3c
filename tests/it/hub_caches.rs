//! The caches that were there before: MLC LLM's own, and the policy of their use.

use crate::hub::{HubScene, files};
use crate::scene::DATA;
use crate::server::COMMIT;
use crate::tree;

#[test]
fn mlc_llms_own_caches_are_hits_without_a_request() {
    for (variable, root, below) in [
        ("MLC_LLM_READONLY_WEIGHT_CACHE", "shared", "shared/hf/user/model"),
        ("MLC_LLM_HOME", "mlc", "mlc/model_weights/hf/user/model"),
    ] {
        let hub = HubScene::sound(true);
        let dir = hub.scene.root.join(below);
        tree::copy(format!("{DATA}/layer"), &dir);
        let before = tree::state(&dir);
        let root = hub.scene.root.join(root).into_string();
        hub.build(&["-v"]).env(variable, &root).ok();
        assert_eq!(hub.asked(), [""; 0]);
        assert!(hub.scene.dist().join("bundle/one-q0f16/params_shard_0.bin").is_file());
        assert_eq!(tree::state(&dir), before);
        hub.plan(&["--offline"])
            .env(variable, &root)
            .ok()
            .never_says("files are not on this machine");

        // Whatever is there: nobody knows which commit it is.
        hub.scene.configure(|config| config["model_list"][0]["revision"] = "v1".into());
        hub.build(&[]).env(variable, &root).ok();
        assert!(hub.asked().contains(&"GET api/revision/v1".to_owned()));
        hub.build(&[]).env(variable, &root).env("MLC_DOWNLOAD_CACHE_POLICY", "OFF").fails(11);
    }
}

#[test]
fn the_policy_says_what_may_be_downloaded() {
    let hub = HubScene::sound(true);
    let with =
        |policy: &str, verb: &[&str]| hub.call(verb).env("MLC_DOWNLOAD_CACHE_POLICY", policy);
    let build = ["build", "--no-binding"];
    let run = with("OFF", &build).fails(11);
    run.says("model `one-q0f16`: `user/model` comes from the Hub").says("help: ");
    let run = with("READONLY", &build).fails(11);
    run.says("model `one-q0f16`: ").says("MLC_DOWNLOAD_CACHE_POLICY");
    let plan = ["plan", "--no-binding", "--format", "json"];
    for policy in ["OFF", "READONLY"] {
        let unfetched = with(policy, &plan).ok().json()["unfetched"].clone();
        assert_eq!(unfetched[0]["model_id"], "one-q0f16");
        assert!(unfetched[0]["why"].as_str().unwrap().contains(policy), "{unfetched}");
    }
    with("sometimes", &build).fails(2).says("MLC_DOWNLOAD_CACHE_POLICY");
    assert_eq!(hub.asked(), [""; 0]);

    hub.build(&[]).ok();
    let all = hub.snapshot(COMMIT);
    hub.asked();
    with("READONLY", &build).ok();
    assert_eq!(hub.asked(), [""; 0]);
    with("REDO", &build).ok();
    for (name, _) in files().iter().filter(|(name, _)| *name != ".gitattributes") {
        assert_eq!(hub.server.downloads(name).len(), 1, "{name}");
    }
    assert_eq!(hub.snapshot(COMMIT), all);
    hub.asked();

    // What cannot be had again is not thrown away.
    with("REDO", &["build", "--no-binding", "--offline"]).ok();
    assert_eq!(hub.snapshot(COMMIT), all);
    assert_eq!(hub.asked(), [""; 0]);
}

#[test]
fn offline_a_snapshot_of_another_tool_will_do_if_it_is_whole() {
    let hub = HubScene::sound(true);
    hub.build(&[]).ok();
    // Our lists of files are what `huggingface_hub` does not leave.
    fs_err::remove_dir_all(hub.scene.cache().join("hub-listings")).unwrap();
    hub.asked();
    hub.build(&["--offline"]).ok();
    hub.build(&[]).env("MLC_DOWNLOAD_CACHE_POLICY", "READONLY").ok();
    assert!(hub.scene.dist().join("bundle/one-q0f16/tokenizer.json").is_file());
    // A pin must be of all that the repository has.
    hub.call(&["lock", "--offline"]).fails(11).says("the list of files at ");
    let snapshots = "home/.cache/huggingface/hub/models--user--model/snapshots";
    fs_err::remove_file(hub.scene.root.join(snapshots).join(COMMIT).join("params_shard_0.bin"))
        .unwrap();
    hub.build(&["--offline"]).fails(11).says("the list of files at ");
    assert_eq!(hub.asked(), [""; 0]);
}

#[test]
fn offline_a_snapshot_on_a_file_system_without_links_will_do() {
    let hub = HubScene::sound(true);
    hub.build(&[]).ok();
    let built = hub.scene.dist().join("bundle/one-q0f16");
    let before = tree::digest(built.join("params_shard_0.bin"));
    // As `huggingface_hub` leaves it there: files in the snapshot, and no blobs.
    fs_err::remove_dir_all(hub.scene.cache().join("hub-listings")).unwrap();
    let model = hub.scene.root.join("home/.cache/huggingface/hub/models--user--model");
    let snapshot = model.join("snapshots").join(COMMIT);
    for name in tree::files(&snapshot) {
        let file = snapshot.join(&name);
        let bytes = fs_err::read(&file).unwrap();
        fs_err::remove_file(&file).unwrap();
        fs_err::write(&file, bytes).unwrap();
    }
    fs_err::remove_dir_all(model.join("blobs")).unwrap();
    fs_err::remove_dir_all(hub.scene.dist()).unwrap();
    hub.asked();
    hub.build(&["--offline"]).ok();
    assert_eq!(tree::digest(built.join("params_shard_0.bin")), before);
    fs_err::remove_file(snapshot.join("params_shard_0.bin")).unwrap();
    hub.build(&["--offline"]).fails(11).says("the list of files at ");
    assert_eq!(hub.asked(), [""; 0]);
}
