//! Variables that are set to nothing, or to what they cannot be.

use crate::hub::HubScene;
use crate::scene::Scene;

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let scene = Scene::with_models("android", &["one"]);
    let empty = [
        "MLC_PACKAGE_CACHE_DIR",
        "MLC_PACKAGE_JOBS",
        "MLC_PACKAGE_COMPILE_TIMEOUT",
        "MLC_LLM_SOURCE_DIR",
        "MLC_TEMP_DIR",
        "XDG_CACHE_HOME",
        "GITHUB_SHA",
    ];
    let call = |arguments: &[&str]| {
        empty.iter().fold(scene.call(arguments), |call, name| call.env(name, ""))
    };
    call(&["build", "--no-binding"]).ok();
    assert_eq!(crate::tree::names(&scene.app()), ["dist", "mlc-package-config.json", "models"]);
    assert_eq!(call(&["cache", "path"]).ok().stdout, format!("{}\n", scene.cache()));
    call(&["plan"]).ok().says("which the platform binding is built, are not named");
    call(&["report"]).ok();
    // Python is looked for where it is otherwise.
    let bin = scene.root.join("bin");
    fs_err::create_dir(&bin).unwrap();
    let python = scene.call(&["plan", "--no-binding"]).env("MLC_PACKAGE_PYTHON", "");
    python.env("PATH", &bin).fails(12).never_says("which --python asks for");
}

#[test]
fn a_cache_at_a_relative_path_is_not_made_in_each_working_directory() {
    let scene = Scene::with_models("android", &[]);
    let path = |home: &str| scene.call(&["cache", "path"]).env("XDG_CACHE_HOME", home).ok().stdout;
    assert_eq!(path("caches"), format!("{}\n", scene.cache()));
    let absolute = scene.root.join("caches");
    assert_eq!(path(absolute.as_str()), format!("{absolute}/mlc-package\n"));
}

#[test]
fn a_directory_for_temporary_files_that_is_not_there_is_named() {
    let scene = Scene::with_models("android", &["one"]);
    let run = scene.build(&[]).env("MLC_TEMP_DIR", "/absent/temporary").fails(12);
    run.says("failed to make a directory in `/absent/temporary`: it is not there\n");
}

#[test]
fn a_time_that_is_none_is_said_and_not_forgotten() {
    let hub = HubScene::sound(true);
    let run = hub.plan(&[]).env("HF_HUB_DOWNLOAD_TIMEOUT", "1m").fails(11);
    run.says("HF_HUB_DOWNLOAD_TIMEOUT: expected seconds, a whole number, not \"1m\"");
    hub.plan(&[]).env("HF_HUB_DOWNLOAD_TIMEOUT", "20").ok();
}
