//! Models of the Hub: what is asked of it, what is downloaded, what a package is told of them.

use serde_json::{Value, json};

use crate::call::Call;
use crate::scene::{DATA, Scene};
use crate::server::{COMMIT, Fault, File, REPO, Seen, Server};
use crate::tree;

/// What `user/model` moves to.
pub(crate) const LATER: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// A scene whose config has models of a hub of its own.
pub(crate) struct HubScene {
    pub(crate) scene: Scene,
    pub(crate) server: Server,
}

/// The files of a small converted model, and git's.
pub(crate) fn files() -> Vec<(&'static str, File)> {
    let of_layer = |name: &str| fs_err::read(format!("{DATA}/layer/{name}")).unwrap();
    let small = ["mlc-chat-config.json", "tensor-cache.json", "tokenizer.json"]
        .map(|name| (name, File::small(&of_layer(name))));
    let others = [
        (".gitattributes", File::small(b"*.bin filter=lfs\n")),
        ("README.md", File::small(b"# A model\n")),
        ("params_shard_0.bin", File::lfs(of_layer("params_shard_0.bin"))),
    ];
    small.into_iter().chain(others).collect()
}

/// The files with another content of one of them.
pub(crate) fn files_but(path: &str, bytes: impl AsRef<[u8]>) -> Vec<(&'static str, File)> {
    let file =
        |lfs| if lfs { File::lfs(bytes.as_ref().to_vec()) } else { File::small(bytes.as_ref()) };
    let replaced = files().into_iter().map(|(name, old)| match name == path {
        true => (name, file(old.lfs)),
        false => (name, old),
    });
    replaced.collect()
}

/// A config's entry of the hub's model.
pub(crate) fn entry(name: &str) -> Value {
    json!({
        "model": format!("HF://{REPO}"),
        "model_id": format!("{name}-q0f16"),
        "estimated_vram_bytes": 104_857_600,
        "model_lib": format!("{name}_layer"),
    })
}

impl HubScene {
    /// One model, `one-q0f16`, bundled or not.
    pub(crate) fn new(server: Server, bundled: bool) -> Self {
        let hub = Self { scene: Scene::with_models("android", &[]), server };
        hub.scene.configure(|config| {
            config["model_list"] = json!([entry("one")]);
            config["model_list"][0]["bundle_weight"] = bundled.into();
        });
        hub
    }

    pub(crate) fn sound(bundled: bool) -> Self {
        Self::new(Server::sound(&files()), bundled)
    }

    /// One bundled model, converted to q0f16 from a raw checkpoint of these files.
    pub(crate) fn raw(files: &[(&str, File)]) -> Self {
        let hub = Self::new(Server::sound(files), true);
        hub.scene.configure(|config| {
            let entry = &mut config["model_list"][0];
            entry["quantization"] = "q0f16".into();
            entry["conv_template"] = "llama-3".into();
        });
        hub
    }

    pub(crate) fn call(&self, arguments: &[&str]) -> Call<'_> {
        self.scene.call(arguments).env("HF_ENDPOINT", self.server.url())
    }

    pub(crate) fn build(&self, more: &[&str]) -> Call<'_> {
        self.call(&[&["build", "--no-binding"], more].concat())
    }

    pub(crate) fn plan(&self, more: &[&str]) -> Call<'_> {
        self.call(&[&["plan"], more].concat())
    }

    /// What was asked since the last look, shortened.
    pub(crate) fn asked(&self) -> Vec<String> {
        let seen = self.server.seen();
        self.server.forget();
        let mut asked: Vec<_> = seen.iter().map(shortened).collect();
        // Files come at once, in any order.
        asked.sort();
        asked
    }

    pub(crate) fn snapshot(&self, commit: &str) -> Vec<String> {
        let repo = self.scene.root.join("home/.cache/huggingface/hub/models--user--model");
        tree::names(&repo.join("snapshots").join(commit))
    }

    /// The branch moves on: another tokenizer.
    pub(crate) fn push(&self) {
        self.server.push(
            LATER,
            "tokenizer.json",
            File::small(br#"{"model": {"vocab": {"later": 0}}}"#),
        );
    }
}

fn shortened(seen: &Seen) -> String {
    let path = seen.path.replace(COMMIT, "[COMMIT]").replace(LATER, "[LATER]");
    let path = path.replace(&format!("/api/models/{REPO}"), "api");
    let path = path.replace(&format!("/{REPO}/resolve/"), "file ");
    format!("{} {}", seen.method, path.split('?').next().unwrap())
}

pub(crate) const COMMIT_ASKED: &str = "GET api/revision/main";
const TREE_ASKED: &str = "GET api/tree/[COMMIT]";
const SMALL: [&str; 2] =
    ["GET file [COMMIT]/mlc-chat-config.json", "GET file [COMMIT]/tensor-cache.json"];

#[test]
fn asked_twice_for_details_every_request_and_program_is_named_and_no_token() {
    let hub = HubScene::sound(true);
    let traced = |flags: &[&str]| {
        let run = hub.build(flags).env("HF_TOKEN", "hf_top_secret").ok().never_says("hf_top");
        let line = |word: &str| {
            let lines = run.stderr.lines().map(str::trim_start);
            lines.filter(|line| line.starts_with(word)).map(str::to_owned).collect::<Vec<_>>()
        };
        (line("Asked "), line("Running "))
    };
    let (asked, running) = traced(&["-vv"]);
    let requests = hub.asked().len();
    assert_eq!(asked.len(), requests, "{asked:?}");
    assert!(asked.iter().any(|line| line.ends_with("/revision/main: 200 OK")), "{asked:?}");
    // A query may be a signature.
    assert!(asked.iter().all(|line| !line.contains('?')), "{asked:?}");
    let compile = running.iter().find(|line| line.contains(" -m mlc_llm compile ")).unwrap();
    assert!(compile.contains("--device android") && compile.contains("(in "), "{compile}");
    assert_eq!(traced(&["-v"]), (vec![], vec![]));
}

#[test]
fn without_bundling_two_small_files_are_all_that_is_downloaded() {
    let hub = HubScene::sound(false);
    hub.plan(&[]).ok().never_says("to download");
    assert_eq!(hub.asked(), [COMMIT_ASKED, TREE_ASKED, SMALL[0], SMALL[1]]);
    assert_eq!(hub.snapshot(COMMIT), ["mlc-chat-config.json", "tensor-cache.json"]);
    hub.build(&[]).ok().never_says("Downloading");
    assert_eq!(hub.asked(), [COMMIT_ASKED]);
    let app_config = hub.scene.json("app/dist/bundle/mlc-app-config.json");
    assert_eq!(app_config["model_list"][0]["model_url"], "https://huggingface.co/user/model");
    assert_eq!(tree::names(&hub.scene.dist().join("bundle")), ["mlc-app-config.json"]);
    let manifest = hub.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["models"][0]["commit"], COMMIT);
    // The tokenizer is not here: its size is the list's.
    let size = |path: &str| {
        let is_it = |(name, _): &(&str, File)| *name == path;
        files().into_iter().find(is_it).unwrap().1.bytes.len()
    };
    let sizes = &manifest["models"][0]["sizes"];
    assert_eq!(sizes["tokenizer"], size("tokenizer.json"));
    assert_eq!(sizes["weights"], size("params_shard_0.bin"));

    let dist = tree::digest(hub.scene.dist().join("lib/libmodel_android.a"));
    hub.build(&["--offline"]).ok();
    assert_eq!(hub.asked(), [""; 0]);
    assert_eq!(tree::digest(hub.scene.dist().join("lib/libmodel_android.a")), dist);
    hub.call(&["lock"]).ok();
    assert_eq!(hub.asked(), [COMMIT_ASKED]);
    hub.build(&["--locked"]).ok();
    hub.plan(&[]).ok();
    assert_eq!(hub.asked(), [""; 0]);
}

#[test]
fn offline_with_an_empty_cache_is_said_by_name() {
    let hub = HubScene::sound(false);
    let plan = hub.plan(&["--offline"]).ok();
    let plan = plan.says("one-q0f16").says("https://huggingface.co/user/model");
    plan.says("the revision `main` of `user/model` is not in the cache");
    for call in [hub.build(&["--offline"]), hub.build(&[]).env("HF_HUB_OFFLINE", "1")] {
        let run = call.fails(11).says("model `one-q0f16`: the revision `main` of `user/model`");
        run.says("help: ").says("HF_HUB_OFFLINE");
    }
    assert_eq!(hub.asked(), [""; 0]);
    assert!(!hub.scene.dist().exists());
}

#[test]
fn offline_a_bundled_model_that_is_there_in_part_names_what_lacks() {
    let hub = HubScene::sound(true);
    hub.plan(&[]).ok();
    hub.asked();
    let run = hub.build(&["--offline"]).fails(11);
    run.says("model `one-q0f16`: ")
        .says("of `user/model` is not in the cache")
        .never_says("Downloading");
    assert_eq!(hub.asked(), [""; 0]);
}

#[test]
fn a_bundled_model_is_downloaded_whole_but_for_gits_own_files() {
    let hub = HubScene::sound(true);
    let bytes: usize = ["README.md", "tokenizer.json", "params_shard_0.bin"]
        .map(|name| files().iter().find(|(path, _)| *path == name).unwrap().1.bytes.len())
        .iter()
        .sum();
    let plan = hub.plan(&[]).ok();
    let plan = plan.says(&format!("to download for the bundled models: {bytes} B in 3 files ("));
    plan.says(" free)");
    let json = hub.plan(&["--format", "json"]).ok().json();
    assert_eq!(
        (json["fetch"]["files"].as_u64(), json["fetch"]["bytes"].as_u64()),
        (Some(3), Some(bytes as u64))
    );
    hub.asked();
    let build = hub.build(&[]).ok();
    build.says(&format!("one-q0f16: {bytes} B in 3 files"));
    let wanted = ["README.md", "params_shard_0.bin", "tokenizer.json"]
        .map(|name| format!("GET file [COMMIT]/{name}"));
    assert_eq!(hub.asked(), [&[COMMIT_ASKED.to_owned()], &wanted[..]].concat());
    let bundle = hub.scene.dist().join("bundle/one-q0f16");
    let names = [
        "README.md",
        "mlc-chat-config.json",
        "params_shard_0.bin",
        "tensor-cache.json",
        "tokenizer.json",
    ];
    assert_eq!(tree::files(&bundle), names);
    for (name, file) in files().iter().filter(|(name, _)| *name != ".gitattributes") {
        assert!(!bundle.join(name).is_symlink(), "{name}");
        assert_eq!(fs_err::read(bundle.join(name)).unwrap(), **file.bytes, "{name}");
    }
    let app_config = hub.scene.json("app/dist/bundle/mlc-app-config.json");
    assert_eq!(app_config["model_list"][0]["model_path"], Value::Null, "{app_config}");
    hub.build(&["--offline"]).ok().never_says("Downloading");
    hub.plan(&["--offline"]).ok().never_says("to download");
    assert_eq!(hub.asked(), [""; 0]);
}

#[test]
fn two_entries_of_one_repository_are_downloaded_once() {
    let hub = HubScene::sound(true);
    hub.scene.configure(|config| {
        let mut other = entry("other");
        other["bundle_weight"] = true.into();
        config["model_list"].as_array_mut().unwrap().push(other);
    });
    let json = hub.plan(&["--format", "json"]).ok().json();
    assert_eq!(json["fetch"]["files"], 3);
    let run = hub.build(&[]).ok();
    assert_eq!(hub.server.downloads("params_shard_0.bin").len(), 1);
    assert_eq!(run.stderr.matches("Downloading").count(), 1, "{}", run.shown());
}

#[test]
fn a_repository_that_contradicts_itself_is_refused_every_time() {
    let md5 = "553c282f91931a154a0afc3f7710a644";
    let cache = fs_err::read_to_string(format!("{DATA}/layer/tensor-cache.json")).unwrap();
    assert!(cache.contains(md5));
    let wrong = cache.replace(md5, &"0".repeat(32));
    let hub = HubScene::new(Server::sound(&files_but("tensor-cache.json", wrong)), true);
    for _ in 0..2 {
        let run = hub.build(&[]).fails(11).says("params_shard_0.bin` has the MD5 digest");
        assert!(run.stderr.contains(md5));
        run.says("help: ");
        assert!(!hub.scene.dist().exists());
    }

    let hub = HubScene::new(Server::sound(&files_but("params_shard_0.bin", [7; 511])), true);
    let run = hub.build(&[]).fails(11);
    run.says("params_shard_0.bin` has 511 bytes, and the tensor cache says 512");
    assert!(hub.server.downloads("params_shard_0.bin").is_empty());
}

#[test]
fn what_the_disk_has_no_room_for_is_refused_before_it_is_downloaded() {
    let listed = |(path, file): &(&str, File)| {
        let bytes = if *path == "README.md" { 1 << 60 } else { file.bytes.len() as u64 };
        let mut entry = json!({"type": "file", "path": path, "size": bytes, "oid": file.etag});
        if file.lfs {
            entry["lfs"] = json!({"oid": file.etag, "size": bytes});
        }
        entry
    };
    let tree = Value::Array(files().iter().map(listed).collect()).to_string();
    let server = Server::new(&files(), move |seen, _| {
        seen.path.contains("/tree/").then(|| Fault::Json(tree.clone(), String::new()))
    });
    let hub = HubScene::new(server, true);
    hub.build(&[])
        .fails(11)
        .says("the bundled models need 1024.0 PiB of disk space")
        .says("HF_HUB_CACHE");
    assert!(!hub.asked().iter().any(|asked| asked.contains("params_shard_0")), "{:?}", hub.asked());
}

#[test]
fn what_no_app_can_load_of_the_hub_is_an_error_if_bundled_and_else_a_warning() {
    let config = fs_err::read_to_string(format!("{DATA}/layer/mlc-chat-config.json")).unwrap();
    let without =
        |name: &str| files().into_iter().filter(|(path, _)| *path != name).collect::<Vec<_>>();
    let with = |from: &str, to: &str| {
        assert!(config.contains(from));
        files_but("mlc-chat-config.json", config.replace(from, to))
    };
    let named = r#""tokenizer_files": ["tokenizer.json"]"#;
    // With what follows for an app that gets the whole repository: an exit code, or nothing.
    let ways = [
        (without("tokenizer.json"), "names `tokenizer.json`, which it does not have", Some(11)),
        (with(named, r#""tokenizer_files": []"#), "names no tokenizer that an app opens", None),
        (with(r#""messages": [], "#, ""), "`conv_template.messages` of its", Some(10)),
        (with(r#"  "prefill_chunk_size": 1,"#, ""), "`prefill_chunk_size` of its", Some(10)),
    ];
    for (files, said, exit) in ways {
        let hub = HubScene::new(Server::sound(&files), false);
        let warning = format!("warning: model `one-q0f16`: no app can load `{REPO}`: ");
        hub.build(&[]).ok().says(&warning).says(said);
        let hub = HubScene::new(Server::sound(&files), true);
        match exit {
            Some(code) => hub.build(&[]).fails(code).says("no app can load").says(said),
            None => hub.build(&[]).ok().never_says("no app can load"),
        };
    }
}

#[test]
fn a_shard_that_the_android_app_cannot_download_is_warned_of() {
    let (shard, nested) = ("params_shard_0.bin", "sub/params_shard_0.bin");
    let cache = fs_err::read_to_string(format!("{DATA}/layer/tensor-cache.json")).unwrap();
    let moved: Vec<_> = files_but("tensor-cache.json", cache.replace(shard, nested))
        .into_iter()
        .map(|(name, file)| (if name == shard { nested } else { name }, file))
        .collect();
    let said = "its shard `sub/params_shard_0.bin` lies in a subdirectory";
    for (device, bundled, warned) in
        [("android", false, true), ("android", true, false), ("iphone", false, false)]
    {
        let hub = HubScene::new(Server::sound(&moved), bundled);
        hub.scene.configure(|config| config["device"] = device.into());
        let run = hub.build(&[]).ok();
        assert_eq!(run.stderr.contains(said), warned, "{}", run.shown());
    }
}
