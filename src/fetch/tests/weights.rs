use super::{Content, Verified, scan, verify};
use crate::fetch::hub_scene::{HubScene, commit};
use crate::io::cancel::Cancel;

#[test]
fn models_of_mlc_are_found_and_others_are_not() {
    let scene = HubScene::new();
    assert!(scan(&scene.hub).unwrap().models.is_empty());
    let (a, b) = (commit('a'), commit('b'));
    scene.put("mlc-ai/phi-2", &a, "mlc-chat-config.json", "{}");
    scene.put("mlc-ai/phi-2", &a, "params_shard_0.bin", "12345");
    scene.put("mlc-ai/phi-2", &a, "copy/params_shard_0.bin", "12345");
    scene.put("mlc-ai/phi-2", &b, "README.md", "#");
    scene.put("openai/gpt2", &a, "config.json", "{}");
    scene.set_ref("mlc-ai/phi-2", "main", &a);
    scene.set_ref("mlc-ai/phi-2", "refs/pr/1", &a);
    for junk in
        ["datasets--a--b", "models--a", "models--a--..", "models--mlc-ai--phi-2/snapshots/x"]
    {
        let dir = scene.hub.join(junk);
        fs_err::create_dir_all(&dir).unwrap();
        fs_err::write(dir.join("mlc-chat-config.json"), "{}").unwrap();
    }
    let scan = scan(&scene.hub).unwrap();
    assert_eq!(scan.unreadable, [""; 0]);
    let [model] = scan.models.as_slice() else { panic!("{scan:?}") };
    assert_eq!((model.repo.to_string().as_str(), &model.commit), ("mlc-ai/phi-2", &a));
    assert_eq!(model.refs, ["main", "refs/pr/1"]);
    assert_eq!((model.files.len(), model.bytes()), (3, 7));
}

#[test]
fn every_byte_is_held_against_its_name() {
    let scene = HubScene::new();
    let (name, a) = ("mlc-ai/phi-2", commit('a'));
    scene.put(name, &a, "mlc-chat-config.json", "{}");
    let shard = scene.put(name, &a, "params_shard_0.bin", "12345");
    scene.put(name, &a, "again.bin", "12345");
    let gone = scene.put(name, &a, "tokenizer.json", "tokens");
    let snapshot = scene.snapshot(name, &a);
    fs_err::write(snapshot.join("copy.bin"), "on a file system without links").unwrap();
    let look = || {
        let scan = scan(&scene.hub).unwrap();
        verify(&scan.models[0], &Cancel::default()).unwrap()
    };
    assert_eq!(look(), Verified { good: 4, unnamed: 1, bad: vec![] });

    // The same size, as after a fault of the disk.
    fs_err::write(&shard, "12346").unwrap();
    fs_err::remove_file(&gone).unwrap();
    fs_err::write(scene.hub.join("elsewhere"), "x").unwrap();
    let outside = snapshot.join("outside");
    fs_err::os::unix::fs::symlink("../../../elsewhere", &outside).unwrap();
    let verified = look();
    assert_eq!((verified.good, verified.unnamed), (1, 1));
    let bad: Vec<_> = verified
        .bad
        .iter()
        .map(|bad| (bad.path.as_str(), &bad.culprit, bad.why.as_str()))
        .collect();
    let digest = "its content has the digest \
                  34d128f5b3dede622e107438fbefabdf0519ebab21ac7b6f2075f974d09ce524";
    let missing = snapshot.join("tokenizer.json");
    let elsewhere = format!("it is a link to `{}/elsewhere`, which is not a blob", scene.hub);
    assert_eq!(
        bad,
        [
            ("again.bin", &shard, digest),
            ("outside", &outside, elsewhere.as_str()),
            ("params_shard_0.bin", &shard, digest),
            ("tokenizer.json", &missing, "its blob is missing"),
        ]
    );
}

#[test]
fn a_blob_of_git_is_held_against_gits_digest() {
    let scene = HubScene::new();
    let (name, a) = ("mlc-ai/phi-2", commit('a'));
    scene.put(name, &a, "mlc-chat-config.json", "{}");
    let blobs = scene.repo_dir(name).join("blobs");
    // `printf hello | git hash-object --stdin`.
    let git = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
    fs_err::write(blobs.join(git), "hello").unwrap();
    let link = scene.snapshot(name, &a).join("a.txt");
    fs_err::os::unix::fs::symlink(format!("../../blobs/{git}"), link).unwrap();
    let bad = || {
        let scan = scan(&scene.hub).unwrap();
        assert!(matches!(scan.models[0].files[0].content, Content::Blob { bytes: 5, .. }));
        verify(&scan.models[0], &Cancel::default()).unwrap().bad
    };
    assert_eq!(bad(), []);
    fs_err::write(blobs.join(git), "hallo").unwrap();
    assert_eq!(bad().len(), 1);
}
