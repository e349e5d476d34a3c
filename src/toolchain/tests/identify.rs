use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

use super::{Toolchain, ToolchainRequest, identify};
use crate::io::environment::Environment;
use crate::io::process::Cancel;
use crate::model::{CompilerChoice, Device};
use crate::stage_error::StageError as _;
use crate::toolchain::scene::{Scene, interpreter, settle};
use crate::toolchain::{Interpreter, ProbeEnd, ToolchainError};
use crate::ui::{Ui, Verbosity};

fn ask(
    scene: &Scene,
    python: &str,
    environment: &Environment,
    limit: Duration,
) -> Result<Toolchain, ToolchainError> {
    identify(&ToolchainRequest {
        compiler: &choice(Some(python)),
        environment,
        cache_dir: &scene.cache(),
        target: &Device::Android.into(),
        host: None,
        metal: Default::default(),
        limit,
        ui: &quiet(),
        cancel: &Cancel::default(),
    })
}

fn choice(python: Option<&str>) -> CompilerChoice {
    CompilerChoice { python: python.map(str::to_owned), ..CompilerChoice::default() }
}

fn quiet() -> Ui {
    Ui::new(Verbosity::Quiet, false)
}

fn identity(scene: &Scene, python_path: &str) -> Result<Toolchain, ToolchainError> {
    let environment = scene.environment(&[("PYTHONPATH", python_path)]);
    ask(scene, interpreter().as_str(), &environment, Toolchain::DEFAULT_LIMIT)
}

fn refused(result: Result<Toolchain, ToolchainError>) -> ToolchainError {
    result.unwrap_err()
}

/// All three modules as wheels in `site/`.
fn wheels() -> Scene {
    let scene = Scene::new();
    scene.module("site", "mlc_llm", Some(("mlc-llm-nightly-cpu", "0.20.dev1")));
    scene.module("site", "tvm", Some(("mlc-ai-nightly-cpu", "0.27")));
    scene.module("site", "tvm_ffi", Some(("apache-tvm-ffi", "0.1.15")));
    scene
}

#[test]
fn wheels_are_named_by_their_versions_and_the_next_time_no_python_starts() {
    let scene = wheels();
    settle();
    let real = interpreter();
    let counting = format!("echo started >> {}/starts; exec {real} \"$@\"", scene.root);
    let python = scene.script("counting/python", &counting);
    settle();
    let environment = scene.environment(&[("PYTHONPATH", "site")]);
    let cold = ask(&scene, "counting/python", &environment, Toolchain::DEFAULT_LIMIT).unwrap();
    assert_eq!(cold.python, Interpreter::Here(python));
    let mlc_llm = &cold.identity.mlc_llm;
    assert_eq!(mlc_llm.distribution.as_deref(), Some("mlc-llm-nightly-cpu"));
    assert_eq!(cold.identity.tvm.distribution.as_deref(), Some("mlc-ai-nightly-cpu"));
    let shown = [mlc_llm, &cold.identity.tvm, &cold.identity.tvm_ffi].map(ToString::to_string);
    assert_eq!(shown, ["0.20.dev1", "0.27", "0.1.15"]);
    assert!(cold.probed);

    // What Python and others put beside the modules does not matter.
    scene.write("site/__pycache__/six.pyc", "");
    scene.write("site/other.py", "");
    let warm = ask(&scene, "counting/python", &environment, Toolchain::DEFAULT_LIMIT).unwrap();
    assert_eq!(warm, Toolchain { probed: false, ..cold });
    assert_eq!(scene.read("starts"), "started\n");
}

#[test]
fn an_upgrade_changes_the_identity() {
    let scene = wheels();
    settle();
    let before = identity(&scene, "site").unwrap();
    assert!(!identity(&scene, "site").unwrap().probed);
    fs_err::remove_dir_all(scene.root.join("site/mlc_ai_nightly_cpu-0.27.dist-info")).unwrap();
    scene.module("site", "tvm", Some(("mlc-ai-nightly-cpu", "0.28")));
    let after = identity(&scene, "site").unwrap();
    assert_eq!(after.identity.tvm.version.as_deref(), Some("0.28"));
    assert_eq!(after.identity.mlc_llm, before.identity.mlc_llm);
}

#[test]
fn a_package_that_comes_to_lie_in_front_is_seen() {
    let scene = wheels();
    settle();
    let before = identity(&scene, "front:site").unwrap();
    assert!(!identity(&scene, "front:site").unwrap().probed);
    scene.module("front", "tvm", None);
    let after = identity(&scene, "front:site").unwrap();
    assert_eq!(after.identity.tvm.version, None);
    assert!(after.identity.tvm.files.is_some());
    assert_eq!(after.identity.mlc_llm, before.identity.mlc_llm);
}

#[test]
fn a_source_tree_is_named_by_its_files() {
    let scene = wheels();
    scene.module("source/python", "mlc_llm", None);
    scene.write("source/python/mlc_llm/op/attention.py", "block = 64\n");
    let path = "source/python:site";
    let files = || identity(&scene, path).unwrap().identity.mlc_llm.files.unwrap();
    let first = files();
    // Of the same size, within the same tick of the clock.
    scene.write("source/python/mlc_llm/op/attention.py", "block = 32\n");
    let second = files();
    assert_ne!(second, first);
    settle();
    assert_eq!(files(), second);
    let remembered = identity(&scene, path).unwrap();
    assert!(!remembered.probed);
    assert_eq!(remembered.identity.mlc_llm.files, Some(second));
    // Of the same size, its time set back.
    let edited = scene.root.join("source/python/mlc_llm/op/attention.py");
    let time = fs_err::metadata(&edited).unwrap().modified().unwrap();
    fs_err::write(&edited, "block = 64\n").unwrap();
    fs_err::OpenOptions::new()
        .write(true)
        .open(&edited)
        .unwrap()
        .file()
        .set_modified(time)
        .unwrap();
    assert_eq!(files(), first);
    // What Python leaves behind is not part of it; a native library in the build tree is.
    scene.write("source/python/mlc_llm/__pycache__/x.py", "");
    assert_eq!(files(), first);
    scene.write("source/build/libmlc_llm_module.so", "code");
    assert_ne!(files(), first);
}

#[test]
fn what_did_not_come_from_an_index_is_named_by_its_files() {
    let scene = wheels();
    let info = "site/mlc_llm_nightly_cpu-0.20.dev1.dist-info";
    scene.write(&format!("{info}/direct_url.json"), r#"{"url": "file:///a", "dir_info": {}}"#);
    let built = identity(&scene, "site").unwrap().identity.mlc_llm;
    assert!(built.files.is_some());
    assert_eq!(built.version.as_deref(), Some("0.20.dev1"));

    // Two distributions that both claim the files: neither version says what is there.
    scene.module("site", "tvm", Some(("apache-tvm", "0.26")));
    let tvm = identity(&scene, "site").unwrap().identity.tvm;
    assert!(tvm.files.is_some() && tvm.version.is_none());
}

#[test]
fn an_editable_install_has_its_version_and_the_digest_of_its_files() {
    let scene = wheels();
    fs_err::remove_dir_all(scene.root.join("site/mlc_llm")).unwrap();
    scene.module("tree/python", "mlc_llm", None);
    let info = "site/mlc_llm_nightly_cpu-0.20.dev1.dist-info";
    scene.write(&format!("{info}/RECORD"), "__editable__.mlc_llm.pth,,\n");
    let url =
        format!(r#"{{"url": "file://{}/tree", "dir_info": {{"editable": true}}}}"#, scene.root);
    scene.write(&format!("{info}/direct_url.json"), &url);
    let mlc_llm = identity(&scene, "site:tree/python").unwrap().identity.mlc_llm;
    assert_eq!(mlc_llm.version.as_deref(), Some("0.20.dev1"));
    let before = mlc_llm.files.unwrap();
    scene.write("tree/python/mlc_llm/__init__.py", "edited = True\n");
    let mlc_llm = identity(&scene, "site:tree/python").unwrap().identity.mlc_llm;
    assert_ne!(mlc_llm.files.unwrap(), before);
}

#[test]
fn libraries_that_a_variable_names_count() {
    let scene = wheels();
    let with = |value: &str| {
        let given = [("PYTHONPATH", "site"), ("TVM_LIBRARY_PATH", value)];
        let environment = scene.environment(&given);
        let python = interpreter();
        ask(&scene, python.as_str(), &environment, Toolchain::DEFAULT_LIMIT).unwrap().identity
    };
    scene.write("mine/libtvm.so", "code");
    assert_eq!(with("").tvm.files, None);
    let first = with("mine").tvm;
    assert!(first.files.is_some() && first.version.is_some());
    scene.write("mine/libtvm.so", "edoc");
    assert_ne!(with("mine").tvm, first);
}

#[test]
fn the_users_directory_shadows_nothing_unless_it_is_named() {
    let scene = wheels();
    scene.module(".", "tvm", None);
    for (path, shadowed) in [("site", false), (":site:", false), (".:site", true)] {
        let tvm = identity(&scene, path).unwrap().identity.tvm;
        assert_eq!(tvm.files.is_some(), shadowed, "{path}");
    }
}

#[test]
fn a_missing_module_is_named_with_the_remedy() {
    let scene = Scene::new();
    let error = refused(identity(&scene, "site"));
    let text = error.to_string();
    assert!(text.contains("has no module `mlc_llm`"), "{text}");
    assert!(text.contains(interpreter().as_str()), "{text}");
    // The whole set: a nightly of today beside sources of another day does not link.
    let help = error.help().unwrap();
    assert!(help.contains(&crate::model::pinned::install_wheels(interpreter().as_str())), "{help}");

    // PyPI's placeholder has the name and not the module.
    scene.module("site", "nothing", Some(("mlc-llm", "0.1.0")));
    let error = refused(identity(&scene, "site"));
    assert!(error.to_string().contains("mlc-llm 0.1.0 is a placeholder"), "{error}");
    assert!(error.help().unwrap().contains("pip uninstall mlc-llm &&"));

    // What an uninstallation leaves behind is no module.
    scene.module("site", "mlc_llm", Some(("mlc-llm-nightly-cpu", "1")));
    scene.write("site/tvm/__pycache__/left.pyc", "");
    assert!(refused(identity(&scene, "site")).to_string().contains("module `tvm`"));
    // Installed at once, seen at once.
    scene.module("site", "tvm", Some(("mlc-ai-nightly-cpu", "1")));
    scene.module("site", "tvm_ffi", Some(("apache-tvm-ffi", "1")));
    identity(&scene, "site").unwrap();
}

#[test]
fn a_python_that_does_not_answer_is_told_by_how_it_ends() {
    let scene = Scene::new();
    let environment = scene.environment(&[]);
    let run = |script: &str, limit| {
        scene.script("bad/python", script);
        refused(ask(&scene, "bad/python", &environment, Duration::from_millis(limit)))
    };
    let failed = |error| match error {
        ToolchainError::Failed { how, last_lines, .. } => (how, last_lines),
        other => panic!("{other}"),
    };
    let (how, lines) = failed(run("echo no module named json >&2; exit 1", 60_000));
    assert_eq!((how, lines), (ProbeEnd::Exit(1), vec!["no module named json".to_owned()]));
    assert_eq!(failed(run("kill -SEGV $$", 60_000)).0, ProbeEnd::Signal(11));
    assert_eq!(failed(run("exit 0", 60_000)).0, ProbeEnd::NoAnswer);
    assert_eq!(failed(run("echo '{\"python\": 3}' > $3", 60_000)).0, ProbeEnd::NoAnswer);
    let (how, lines) =
        failed(run("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo end; exit 2", 60_000));
    assert_eq!((how, lines.last().unwrap().as_str()), (ProbeEnd::Exit(2), "end"));
    let begun = Instant::now();
    let limit = Duration::from_millis(300);
    assert_eq!(failed(run("sleep 600", 300)).0, ProbeEnd::TimedOut(limit));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_python_that_is_not_there_is_told_by_who_asked_for_it() {
    let scene = Scene::new();
    let find = |python: Option<&str>, variables: &[(&str, &str)]| {
        identify(&ToolchainRequest {
            compiler: &choice(python),
            environment: &scene.environment(variables),
            cache_dir: &scene.cache(),
            target: &Device::Android.into(),
            host: None,
            metal: Default::default(),
            limit: Duration::from_secs(9),
            ui: &quiet(),
            cancel: &Cancel::default(),
        })
    };
    let text = |result| refused(result).to_string();
    assert_eq!(
        text(find(Some("no/python"), &[])),
        "found no executable `no/python`, which --python asks for"
    );
    assert_eq!(
        text(find(None, &[("MLC_PACKAGE_PYTHON", "nopython")])),
        "found no executable `nopython`, which MLC_PACKAGE_PYTHON asks for"
    );
    assert!(text(find(None, &[("PATH", "/nowhere")])).starts_with("found no Python"));
    // A virtual environment goes before PATH; one that is gone does not count.
    scene.script("venv/bin/python", "exit 7");
    let venv = [("VIRTUAL_ENV", "venv"), ("PATH", "/usr/bin:/bin")];
    assert!(text(find(None, &venv)).contains("venv/bin/python` exited with code 7"));
    let gone = [("VIRTUAL_ENV", "gone"), ("PATH", "/nowhere")];
    assert!(text(find(None, &gone)).starts_with("found no Python"));
    let broken = scene.write("broken", "\u{7f}ELF garbage");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&broken, mode).unwrap();
    assert!(text(find(Some("./broken"), &[])).starts_with("failed to start the Python"));
}

#[test]
fn a_cache_that_cannot_be_used_costs_only_time() {
    let scene = wheels();
    settle();
    scene.write("cache", "a file");
    assert!(identity(&scene, "site").unwrap().probed);
    fs_err::remove_file(scene.cache()).unwrap();
    let first = identity(&scene, "site").unwrap();
    let toolchain = scene.cache().join("toolchain");
    let name = crate::io::dir::names(&toolchain).unwrap().remove(0);
    for garbage in ["", "{", "{\"format\": 1}", "[1, 2]"] {
        fs_err::write(toolchain.join(&name), garbage).unwrap();
        assert_eq!(identity(&scene, "site").unwrap(), first, "{garbage}");
    }
    assert!(!identity(&scene, "site").unwrap().probed);
}

#[test]
fn asking_can_be_cancelled() {
    let scene = Scene::new();
    scene.script("python", "sleep 600");
    let cancel = Cancel::default();
    cancel.cancel();
    let result = identify(&ToolchainRequest {
        compiler: &choice(Some("./python")),
        environment: &scene.environment(&[]),
        cache_dir: &scene.cache(),
        target: &Device::Android.into(),
        host: None,
        metal: Default::default(),
        limit: Duration::from_secs(600),
        ui: &quiet(),
        cancel: &cancel,
    });
    assert!(result.unwrap_err().is_interrupted());
}

/// Not a check: prints how long it takes with a real environment and a source tree.
/// `MLC_TEST_PYTHON=… MLC_TEST_PYTHONPATH=… cargo test --release warm_identity -- --ignored
/// --nocapture`
#[test]
#[ignore = "a measurement"]
fn warm_identity_takes() {
    let scene = Scene::new();
    let python = std::env::var("MLC_TEST_PYTHON").unwrap();
    let path = std::env::var("MLC_TEST_PYTHONPATH").unwrap();
    let environment = scene.environment(&[("PYTHONPATH", &path)]);
    let mut times = Vec::new();
    for _ in 0..12 {
        let begun = Instant::now();
        let found = ask(&scene, &python, &environment, Toolchain::DEFAULT_LIMIT).unwrap();
        times.push(format!("{:?}{}", begun.elapsed(), if found.probed { " probed" } else { "" }));
    }
    let cache: Utf8PathBuf = scene.cache().join("toolchain");
    println!("{times:#?} {:?}", crate::io::dir::names(&cache).unwrap());
}
