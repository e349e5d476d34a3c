//! Several packages of a `mlc-package.yml` in one step of GitHub Actions.

use serde_json::{Value, json};

use crate::call::Run;
use crate::github::{PLAN, told};
use crate::project::project;
use crate::scene::Scene;
use crate::tree;

/// Two packages for Android: `phone` of `one`, `tablet` of `one`, too, and of `other`.
fn alike() -> Scene {
    let scene = project("");
    let entry = |model: &str| {
        json!({"model": format!("../models/{model}"), "model_id": format!("{model}-q0f16"),
            "model_lib": format!("{model}_layer"), "bundle_weight": true,
            "estimated_vram_bytes": 1 << 20})
    };
    let config = json!({"device": "android", "model_list": [entry("one"), entry("other")]});
    scene.write("app/ios/config.json", config.to_string());
    scene
}

fn jobs(values: &serde_json::Map<String, Value>) -> Vec<(String, String)> {
    let matrix: Value = serde_json::from_str(values["matrix"].as_str().unwrap()).unwrap();
    let jobs = matrix["include"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    jobs.map(|job| (text(&job["package"]), text(&job["only"]))).collect()
}

#[test]
fn one_step_has_the_outputs_of_all_packages() {
    let scene = project("");
    let values = told(&scene, PLAN);
    assert_eq!(values["packages"], "phone\ntablet");
    assert_eq!(values["device"], "android\niphone");
    for (name, expected) in
        [("models", "2"), ("libraries", "2"), ("libs-to-compile", "2"), ("cache-hit", "false")]
    {
        assert_eq!(values[name], expected, "{name}");
    }
    assert_eq!(values["libs-path"], scene.cache().join("libs").as_str());
    assert!(values["libs-key"].as_str().unwrap().starts_with("mlc-package-libs-android.iphone-"));
    let shares = [("phone", "one-q0f16"), ("tablet", "other-q0f16")];
    assert_eq!(jobs(&values), shares.map(|(a, b)| (a.to_owned(), b.to_owned())));

    // The sums of a build, and where everything is.
    let build = ["build", "--no-binding", "--format", "github"];
    let made = told(&scene, &build);
    assert_eq!((&made["libs-compiled"], &made["libs-cached"]), (&"2".into(), &"0".into()));
    assert_eq!(made["packages"], "phone\ntablet");
    assert_eq!(made["dist"], "android/dist\nbuild/ios");
    for manifest in made["manifest"].as_str().unwrap().lines() {
        assert!(scene.app().join(manifest).is_file(), "{manifest}");
    }
    // A hit is one where no package misses.
    scene.edit("app/ios/config.json", "\"model_list\"", "\"model_list\" ");
    assert_eq!(told(&scene, &build)["cache-hit"], "true");
    scene.edit("app/ios/config.json", "other_layer", "changed_layer");
    let plan = told(&scene, PLAN);
    assert_eq!((&plan["cache-hit"], &plan["libs-to-compile"]), (&"false".into(), &"1".into()));
    assert_eq!(plan["models"], "2");
}

#[test]
fn one_named_package_has_the_keys_that_its_config_has_alone() {
    let scene = project("");
    let named = told(&scene, &[PLAN, &["--package=phone"]].concat());
    let mut alone = told(&scene, &[PLAN, &["--package-config=android/config.json"]].concat());
    assert_eq!((&named["packages"], &alone["packages"]), (&"phone".into(), &"".into()));
    alone.insert("packages".to_owned(), "phone".into());
    let matrix =
        alone["matrix"].as_str().unwrap().replace("\"package\":\"\"", "\"package\":\"phone\"");
    alone.insert("matrix".to_owned(), matrix.into());
    assert_eq!(named, alone);
    let all = told(&scene, PLAN);
    assert_ne!(all["manifest-key"], named["manifest-key"]);
    let restored = all["manifest-restore-keys"].as_str().unwrap();
    assert!(restored.lines().any(|key| key == named["manifest-key"]), "{restored}");
}

#[test]
fn a_library_of_two_packages_is_compiled_and_counted_once() {
    let scene = alike();
    let values = told(&scene, PLAN);
    assert_eq!(values["device"], "android");
    assert_eq!(values["libraries"], "2");
    assert_eq!(values["libs-to-compile"], "2");
    assert_eq!(values["models"], "3");
    assert_eq!(values["fingerprints"].as_str().unwrap().lines().count(), 2);
    let shares = [("phone", "one-q0f16"), ("tablet", "other-q0f16")];
    assert_eq!(jobs(&values), shares.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let made = told(&scene, &["build", "--no-binding", "--format", "github"]);
    assert_eq!((&made["libs-compiled"], &made["libs-cached"]), (&"2".into(), &"0".into()));
    assert_eq!(scene.compiled(), ["one_layer", "other_layer"]);
}

#[test]
fn a_job_of_the_matrix_compiles_its_share_and_nothing_else() {
    // One job of both packages, and one job for each.
    for most in ["1", "9"] {
        let scene = alike();
        let values = told(&scene, &[PLAN, &["--matrix-jobs", most]].concat());
        let jobs = jobs(&values);
        assert_eq!(jobs.len(), if most == "1" { 1 } else { 2 });
        let mut compiled = 0;
        for (package, only) in &jobs {
            let packages = package.lines().map(|name| format!("--package={name}"));
            let models = only.lines().map(|name| format!("--only={name}"));
            let given: Vec<String> = packages.chain(models).collect();
            let mut arguments = vec!["build", "--libs-only", "--format", "github"];
            arguments.extend(given.iter().map(String::as_str));
            let made = told(&scene, &arguments);
            assert!(!made.contains_key("dist"));
            compiled += made["libs-compiled"].as_str().unwrap().parse::<usize>().unwrap();
        }
        assert_eq!(compiled, 2);
        assert_eq!(scene.compiled(), ["one_layer", "other_layer"]);
        assert_eq!(told(&scene, PLAN)["libs-to-compile"], "0");
    }
}

#[test]
fn only_the_packages_that_have_a_model_are_built() {
    let scene = alike();
    scene.build(&["--only=other-q0f16"]).ok();
    assert!(!scene.app().join("android/dist").exists());
    let made = scene.json("app/build/ios/mlc-package-manifest.json");
    assert_eq!(made["models"].as_array().unwrap().len(), 1);
    // Both have it; with its package's name it is one.
    let lines = scene.plan(&["--only=one-q0f16", "--format=json"]).ok();
    assert_eq!(lines.stdout.lines().count(), 2);
    let plan = scene.plan(&["--only=tablet/one-q0f16", "--format=json"]).ok().json();
    assert_eq!(plan["models"].as_array().unwrap().len(), 1);
    scene
        .plan(&["--only=third"])
        .fails(2)
        .says("--only third: no package has such a model")
        .says("the models there are: one-q0f16, other-q0f16");
    scene.plan(&["--only=watch/one-q0f16"]).fails(2).says("there is no package `watch`");
    scene.plan(&["--only=phone/other-q0f16"]).fails(2).says("are: one-q0f16\n");
    scene.plan(&["--only=../one"]).fails(2).says("before the `/`");
    let alone = ["--package-config=android/config.json", "--only=phone/one-q0f16"];
    scene.plan(&alone).fails(2).says("write --only one-q0f16");
    scene.plan(&["--package=phone", "--only=third"]).fails(2).says("its models are: one-q0f16");
}

#[test]
fn what_is_wrong_with_a_config_is_said_also_where_a_model_is_looked_for() {
    let scene = alike();
    scene.write("app/ios/config.json", r#"{"device": "ios", "model_list": []}"#);
    scene.plan(&["--only=one-q0f16"]).fails(10).says("unknown device `ios`");
}

#[test]
fn a_failing_package_gives_no_outputs() {
    let scene = project("");
    scene.write("app/models/other/mlc-chat-config.json", "{");
    let file = scene.write("output", "");
    scene.build(&["--format=github"]).env("GITHUB_OUTPUT", &file).fails(10);
    assert_eq!(scene.read("output"), "");
    assert!(tree::files(&scene.app().join("android/dist")).len() > 1);
}

#[test]
fn check_is_about_the_named_packages_or_all_that_a_build_takes() {
    let scene = project("");
    scene.write("app/ios/config.json", "{}");
    let named = |run: &Run<'_>| run.stdout.contains("ios/config.json");
    assert!(named(&scene.call(&["check"]).run().code(10)));
    assert!(!named(&scene.call(&["check", "--package=phone"]).ok()));
    assert!(named(&scene.call(&["check", "--package=tablet"]).run().code(10)));
    scene.call(&["check", "--package=watch"]).fails(2).says("phone, tablet");
    scene.call(&["check", "--package=phone", "ios/config.json"]).fails(2);

    // A file without packages leaves the usual config to be built, and so to be checked.
    let scene = Scene::new("android");
    let absent = scene.call(&["check", "--package=phone"]).run().code(10);
    assert!(absent.stdout.contains("there is no such file"), "{}", absent.shown());
    scene.write("app/mlc-package.yml", "publish: {draft: true}");
    scene.call(&["check"]).ok();
    scene.write("app/mlc-package-config.json", "{}");
    let wrong = scene.call(&["check"]).run().code(10);
    assert!(wrong.stdout.contains("mlc-package-config.json:1:1"), "{}", wrong.shown());
}
