//! `--compiler-image`, with a stand-in for the engine that refuses what a real one refuses.
//! tests/action/container_test.py has a real one.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::call::{Call, wait_for};
use crate::scene::{DATA, Scene, is_alive, python};
use crate::tree;

const IMAGE: &str = "example.com/compiler:1";

fn by_digest() -> String {
    format!("example.com/compiler@sha256:{}", "1".repeat(64))
}

/// A scene with engines on `PATH` and an image that has the compiler.
fn scene(engines: &[&str]) -> Scene {
    let scene = Scene::new("android");
    for engine in engines {
        let path = scene.root.join("bin").join(engine);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::os::unix::fs::symlink(format!("{DATA}/engine/engine"), path).unwrap();
    }
    let image = image(&scene, &[]);
    images(&scene, &json!({IMAGE: image, by_digest(): image}));
    scene
}

/// What the stand-in knows of the image: its variables are the image's.
fn image(scene: &Scene, more: &[(&str, &str)]) -> Value {
    let path = |name: &str| scene.root.join(name).into_string();
    let mut env = json!({
        "PYTHONPATH": format!("{DATA}/compiler"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "STAND_IN_LIBRARIES": format!("{DATA}/libraries"),
        "STAND_IN_CALLS": path("calls"),
        "STAND_IN_CONVERSIONS": path("conversions"),
        "STAND_IN_PROBE_CALLS": path("probe-calls"),
        "STAND_IN_WAITING": path("waiting"),
    });
    for (name, value) in more {
        env[name] = json!(value);
    }
    json!({
        "Id": format!("sha256:{}", "2".repeat(64)),
        "Architecture": "amd64",
        "env": env,
        "programs": {"python3": python(), python().as_str(): python()},
    })
}

fn images(scene: &Scene, images: &Value) {
    scene.write("engine/images.json", images.to_string());
}

fn settings(scene: &Scene, settings: &Value) {
    scene.write("engine/settings.json", settings.to_string());
}

/// A machine that has engines, and neither a Python nor the compiler.
fn on_bare_machine<'a>(scene: &'a Scene, arguments: &[&str]) -> Call<'a> {
    // The stand-in itself is a script of a Python, by its whole path.
    let env = scene.root.join("python-of-the-stand-in");
    fs_err::create_dir_all(&env).unwrap();
    if !env.join("python3").exists() {
        fs_err::os::unix::fs::symlink(python(), env.join("python3")).unwrap();
    }
    let call = scene.call(arguments).without("PYTHONPATH");
    call.env("PATH", format!("{}:{env}", scene.root.join("bin")))
        .env("STAND_IN_ENGINE", scene.root.join("engine"))
        .env("MLC_PACKAGE_PYTHON", "/nonexistent/python")
        .env("PATH_OF_TESTS", "not for the image")
}

fn build<'a>(scene: &'a Scene, image: &str) -> Call<'a> {
    on_bare_machine(scene, &["build", "--no-binding", "--compiler-image", image])
}

/// What the engine was told so far.
fn calls(scene: &Scene) -> Vec<Vec<String>> {
    let text = fs_err::read_to_string(scene.root.join("engine/calls")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn containers(scene: &Scene) -> Vec<String> {
    tree::names(&scene.root.join("engine/containers"))
}

#[test]
fn what_is_missing_is_compiled_in_the_image_and_nothing_else_starts_it() {
    let scene = scene(&["docker"]);
    let run = build(&scene, IMAGE).ok().says("2 compiled");
    assert!(!run.stderr.contains("Pulling"), "{}", run.shown());
    assert_eq!(scene.compiled(), ["one_layer", "other_layer"]);
    assert_eq!(scene.leftovers(), [""; 0]);
    assert_eq!(containers(&scene), [""; 0]);
    // The same libraries as a compiler of this machine makes, under the same names.
    let entries = scene.entries();
    scene.build(&[]).ok().says("2 cached");
    assert_eq!(scene.entries(), entries);
    // A tag is looked up, and no program of the image runs.
    let told = calls(&scene).len();
    build(&scene, IMAGE).ok().says("2 cached");
    let of_warm = calls(&scene).split_off(told);
    assert!(of_warm.iter().all(|call| call[1] != "run" && call[1] != "pull"), "{of_warm:?}");
}

#[test]
fn an_image_by_digest_is_known_without_its_engine() {
    let scene = scene(&["docker"]);
    build(&scene, &by_digest()).ok().says("2 compiled");
    assert_eq!(scene.probes(), 1);
    let told = calls(&scene).len();
    build(&scene, &by_digest()).ok().says("2 cached");
    // Nor is an engine looked for.
    fs_err::remove_dir_all(scene.root.join("bin")).unwrap();
    build(&scene, &by_digest()).ok().says("2 cached");
    assert_eq!((calls(&scene).len(), scene.probes()), (told, 1));
    scene.edit(
        "app/models/one/mlc-chat-config.json",
        "\"active_vocab_size\": 16",
        "\"active_vocab_size\": 15",
    );
    build(&scene, &by_digest()).fails(12).says("neither docker, podman nor nerdctl is on PATH");
}

#[test]
fn a_release_says_which_compiler_its_image_has() {
    let scene = scene(&["docker"]);
    let doctor = ["doctor", "--format", "json", "--device", "android", "--compiler-image"];
    let run = on_bare_machine(&scene, &[&doctor[..], &[&by_digest()]].concat()).run();
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let compiler = &report["compiler"];
    assert_eq!(compiler["tvm"]["version"], "0.26.0", "{report}");
    let identities = scene.write("ids.json", json!({by_digest(): compiler}).to_string());
    // A machine that never asked the image knows every fingerprint.
    let fresh = self::scene(&[]);
    let plan = |scene, engine: bool| {
        let call = on_bare_machine(scene, &["plan", "--no-binding", "--format", "json"]);
        let call = call.env("MLC_PACKAGE_COMPILER_IMAGE", by_digest());
        let call =
            if engine { call } else { call.env("MLC_PACKAGE_COMPILER_IDENTITIES", &identities) };
        let plan: Value = serde_json::from_str(&call.ok().stdout).unwrap();
        let libraries = plan["libraries"].as_array().unwrap().clone();
        libraries.into_iter().map(|library| library["fingerprint"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(plan(&fresh, false), plan(&scene, true));
    assert_eq!(calls(&fresh), Vec::<Vec<String>>::new());
    let wrong = scene.write("wrong.json", "[]");
    build(&fresh, &by_digest())
        .env("MLC_PACKAGE_COMPILER_IDENTITIES", wrong)
        .fails(12)
        .says("which MLC_PACKAGE_COMPILER_IDENTITIES names, cannot be used");
}

#[test]
fn a_compiler_sees_its_own_directory_and_nothing_of_the_caller() {
    let scene = scene(&["docker"]);
    let call = build(&scene, IMAGE).env("HF_TOKEN", "secret").env("GITHUB_TOKEN", "secret");
    call.env("TVM_NUM_THREADS", "2").ok();
    let runs: Vec<_> = calls(&scene).into_iter().filter(|call| call[1] == "run").collect();
    assert_eq!(runs.len(), 3, "{runs:?}");
    for run in &runs {
        let of = |name: &str| {
            let pairs = run.windows(2).filter(|pair| pair[0] == name);
            pairs.map(|pair| pair[1].as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of("--network"), ["none"], "{run:?}");
        assert_eq!((of("--cap-drop"), of("--pull")), (vec!["ALL"], vec!["never"]));
        assert_eq!(of("--mount").len(), 1);
        let env = of("--env");
        assert!(env.contains(&"TVM_NUM_THREADS"), "{env:?}");
        assert!(!env.iter().any(|name| name.contains("TOKEN") || name.starts_with("PATH")));
    }
    assert!(!fs_err::read_to_string(scene.root.join("engine/calls")).unwrap().contains("secret"));
    let [first, ..] = &scene.compilations()[..] else { panic!("nothing was compiled") };
    assert_eq!(first.directory, json!([]));
}

#[test]
fn podman_and_nerdctl_are_as_docker_is() {
    for (engine, set) in [
        ("podman", json!({})),
        ("podman", json!({"rootless": true})),
        ("nerdctl", json!({"rootless": true})),
        ("docker", json!({"rootless": true})),
        ("docker", json!({"userns": true})),
    ] {
        let scene = scene(&[engine]);
        settings(&scene, &set);
        build(&scene, IMAGE).ok().says("2 compiled");
    }
    // Podman in the place of docker.
    let scene = scene(&["docker", "podman"]);
    let call = build(&scene, IMAGE).env("MLC_PACKAGE_CONTAINER_ENGINE", "podman");
    call.ok();
    assert!(calls(&scene).iter().all(|call| call[0] == "podman"));
}

#[test]
fn an_image_is_pulled_once_when_it_is_needed() {
    let scene = scene(&["docker"]);
    let mut absent = image(&scene, &[]);
    absent["here"] = json!(false);
    images(&scene, &json!({IMAGE: absent}));
    let run =
        on_bare_machine(&scene, &["doctor", "--device", "android", "--compiler-image", IMAGE])
            .run();
    assert!(run.stdout.contains("is not here yet"), "{}", run.shown());
    build(&scene, IMAGE).ok().says("Pulling example.com/compiler:1 by docker").says("2 compiled");
    let pulls = || calls(&scene).iter().filter(|call| call[1] == "pull").count();
    assert_eq!(pulls(), 1);
    build(&scene, IMAGE).ok();
    assert_eq!(pulls(), 1);
}

#[test]
fn every_trouble_has_its_remedy() {
    let scene = scene(&["docker"]);
    let build = |image: &str| build(&scene, image);
    let remedy = |call: Call<'_>, texts: [&str; 2]| {
        let mut run = call.fails(12);
        for text in texts {
            run = run.says(text);
        }
        assert_eq!(scene.entries(), [""; 0]);
        assert_eq!(scene.leftovers(), [""; 0]);
    };
    let podman = build(IMAGE).env("MLC_PACKAGE_CONTAINER_ENGINE", "podman");
    remedy(podman, ["podman is not on PATH", "--compiler-image none"]);
    let down = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?";
    settings(&scene, &json!({"down": down}));
    remedy(build(IMAGE), ["`docker` does not answer: Cannot connect", "systemctl start docker"]);
    let denied = "permission denied while trying to connect to the Docker daemon socket";
    settings(&scene, &json!({"down": denied}));
    remedy(build(IMAGE), ["permission denied", "usermod --append --groups docker"]);
    settings(&scene, &json!({}));
    remedy(build("example.com/none:1"), ["could not be pulled", "check its name and its tag"]);
    settings(&scene, &json!({"pull": "Error response from daemon: denied: requires login"}));
    remedy(build("ghcr.io/o/n:1"), ["denied", "docker login ghcr.io"]);
    settings(&scene, &json!({}));
    let with = |name: &str, value: Value| {
        let mut changed = image(&scene, &[]);
        changed[name] = value;
        images(&scene, &json!({IMAGE: changed}));
    };
    with("Architecture", json!("arm64"));
    remedy(build(IMAGE), ["is for arm64", "take an image for this machine's processor"]);
    with("programs", json!({}));
    remedy(build(IMAGE), ["has no `python` that can be run", "name an image that has Python"]);
    with("env", json!({"STAND_IN_LIBRARIES": "x"}));
    remedy(build(IMAGE), ["has no module `mlc_llm`", "install"]);
    for (wrong, said) in [("--privileged", "not the name of an image"), ("", "2 compiled")] {
        let call = on_bare_machine(&scene, &["plan"]).env("MLC_PACKAGE_COMPILER_IMAGE", wrong);
        let run = call.run();
        // An empty variable asks for nothing: then it is the Python that is not there.
        let said = if wrong.is_empty() { "/nonexistent/python" } else { said };
        assert!(run.stderr.contains(said), "{}", run.shown());
    }
    let metal = ["compile", "models/one", "--device", "iphone", "-o", "x.tar", "--metal=metallib"];
    let call = on_bare_machine(&scene, &metal).env("MLC_PACKAGE_COMPILER_IMAGE", IMAGE);
    call.fails(12).says("takes Xcode");
}

#[test]
fn a_compiler_that_fails_is_told_as_one_of_this_machine() {
    for (behaviour, said) in [
        ("exit-1", "the compiler exited with code 1: ValueError: Cannot find quantization: q5"),
        ("die", "the compiler was ended by SIGSEGV"),
        ("no-output", "the compiler reported success but wrote no library"),
    ] {
        let scene = scene(&["docker"]);
        let changed = image(&scene, &[("STAND_IN", behaviour)]);
        images(&scene, &json!({IMAGE: changed}));
        let run = build(&scene, IMAGE).fails(12).says(said);
        assert!(run.stderr.contains("log: "), "{}", run.shown());
        assert_eq!(scene.leftovers(), [""; 0]);
    }
}

#[test]
fn a_container_ends_with_the_run_that_started_it() {
    for (engine, limit) in [("docker", None), ("podman", None), ("docker", Some("1"))] {
        let scene = scene(&[engine]);
        let changed = image(&scene, &[("STAND_IN", "hang"), ("STAND_IN_ONLY", "one_layer")]);
        images(&scene, &json!({IMAGE: changed}));
        let call = on_bare_machine(
            &scene,
            &["build", "--no-binding", "--only", "one-q0f16", "--compiler-image", IMAGE],
        );
        let call = match limit {
            Some(limit) => call.env("MLC_PACKAGE_COMPILE_TIMEOUT", limit),
            None => call,
        };
        let run = call.spawn();
        let processes = scene.waiting();
        assert_eq!((processes.len(), containers(&scene).len()), (2, 1));
        if limit.is_none() {
            run.signal(Signal::INT);
        }
        let code = if limit.is_none() { 130 } else { 12 };
        run.wait().code(code);
        let ended = || !processes.iter().any(|pid| is_alive(*pid));
        wait_for("the end of the container", || ended().then_some(()));
        assert_eq!(containers(&scene), [""; 0]);
        assert_eq!(scene.leftovers(), [""; 0]);
        assert!(calls(&scene).iter().any(|call| call[1] == "rm"));
    }
}

#[test]
fn conversions_by_mlc_llm_are_made_in_the_image() {
    let scene = scene(&["docker"]);
    scene.write("app/raw/model.safetensors", "quantized weights");
    scene.write(
        "app/raw/config.json",
        json!({
            "model_type": "llama", "hidden_size": 64, "vocab_size": 50,
            "quantization_config": {"quant_method": "awq"},
        })
        .to_string(),
    );
    scene.write("app/raw/tokenizer.json", "{}");
    let convert = |offline: bool| {
        let mut arguments = vec![
            "convert",
            "raw",
            "--quantization",
            "q4f16_autoawq",
            "--output",
            "converted",
            "--compiler-image",
            IMAGE,
            "--conv-template",
            "llama-3",
        ];
        arguments.extend(offline.then_some("--offline"));
        on_bare_machine(&scene, &arguments).env("HF_TOKEN", "secret")
    };
    convert(true).ok();
    assert!(scene.app().join("converted/mlc-chat-config.json").is_file());
    let runs = |from: usize| {
        let runs = calls(&scene).into_iter().skip(from).filter(|call| call[1] == "run");
        runs.collect::<Vec<_>>()
    };
    let offline = |run: &Vec<String>| run.windows(2).any(|pair| pair == ["--network", "none"]);
    let all = runs(0);
    assert_eq!((all.len(), all.iter().all(offline)), (3, true), "{all:?}");
    // Out of the cache no program runs; online, MLC LLM may ask the Hub, as somebody.
    let told = calls(&scene).len();
    convert(false).ok();
    assert_eq!(runs(told).len(), 0);
    scene.write("app/raw/tokenizer.json", "{ }");
    convert(false).ok();
    let online = runs(told);
    assert!(online.iter().all(|run| !offline(run) && run.contains(&"HF_TOKEN".to_owned())));
    assert_eq!(online.len(), 2);
}

#[test]
fn the_project_names_an_image_and_the_line_another_or_none() {
    let scene = scene(&["docker"]);
    scene.write(
        "app/mlc-package.yml",
        format!(
            "packages:\n  - {{name: a, config: mlc-package-config.json, compiler-image: '{IMAGE}'}}\n"
        ),
    );
    let plan = |more: &[&str]| on_bare_machine(&scene, &[&["plan", "--no-binding"], more].concat());
    plan(&[]).ok();
    let told = calls(&scene).len();
    assert!(told > 0);
    plan(&["--compiler-image", "none"]).fails(12).says("/nonexistent/python");
    assert_eq!(calls(&scene).len(), told);
    plan(&["--compiler-image", "example.com/none:1"]).fails(12).says("could not be pulled");
    scene.edit("app/mlc-package.yml", IMAGE, "--privileged");
    plan(&[]).fails(10).says("invalid-image");
}
