//! `mlc-package.yml`: what the command line does not say is taken from it.

use serde_json::{Value, json};

use crate::scene::Scene;
use crate::tree;

/// Two packages, `android/` and `ios/`, of a model each; the config at the root is moved away.
pub(crate) fn project(more: &str) -> Scene {
    let scene = Scene::new("android");
    for (dir, device, model) in [("android", "android", "one"), ("ios", "iphone", "other")] {
        let config = json!({"device": device, "model_list": [
            {"model": format!("../models/{model}"), "model_id": format!("{model}-q0f16"), "model_lib": format!("{model}_layer"),
             "bundle_weight": true, "estimated_vram_bytes": 1 << 20}]});
        scene.write(&format!("app/{dir}/config.json"), config.to_string());
    }
    fs_err::remove_file(scene.app().join("mlc-package-config.json")).unwrap();
    scene.write(
        "app/mlc-package.yml",
        format!(
            "packages:\n  - {{name: phone, config: android/config.json{more}}}\n  - name: tablet\n    \
             config: ios/config.json\n    output: build/ios\n"
        ),
    );
    scene
}

/// The documents of several packages, one per line.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn all_packages_are_built_each_where_the_file_says() {
    let scene = project("");
    let run = scene.build(&["--format=json"]).ok();
    let made = lines(&run.stdout);
    let said: Vec<_> = made
        .iter()
        .map(|line| (line["package"].as_str().unwrap(), line["manifest"]["device"].as_str()))
        .collect();
    assert_eq!(said, [("phone", Some("android")), ("tablet", Some("iphone"))]);
    assert_eq!(scene.json("app/android/dist/mlc-package-manifest.json"), made[0]["manifest"]);
    assert!(scene.app().join("build/ios/lib/libmodel_iphone.a").exists());
    assert!(!scene.dist().exists());
    assert_eq!(scene.compiled(), ["one_layer", "other_layer"]);
}

#[test]
fn a_budget_of_a_model_that_is_not_there_is_told_by_its_line() {
    let scene = project(", budgets: {models: {one-q0f17: {ram: {warn: {max: 1GiB}}}}}");
    let run = scene.call(&["check"]).ok();
    let run = run.says("warning[unknown-model]: `packages[0].budgets.models.one-q0f17`: the ");
    run.says("package has no such model").says("--> mlc-package.yml:2:").says("mean `one-q0f16`?");
    scene.call(&["check", "--strict"]).run().code(10).says("error[unknown-model]");
    // Said once, by whoever reads the file.
    scene.build(&["-q"]).ok();
    let run = scene.call(&["report"]).ok();
    assert_eq!(run.stderr.matches("no such model").count(), 1, "{}", run.shown());
    scene.edit("app/mlc-package.yml", "one-q0f17", "one-q0f16");
    scene.call(&["check", "--strict"]).ok();
}

#[test]
fn one_package_is_named_and_is_printed_as_ever() {
    let scene = project("");
    let run = scene.build(&["--package=tablet", "--format=json"]).ok();
    assert_eq!(run.json(), scene.json("app/build/ios/mlc-package-manifest.json"));
    assert!(!scene.app().join("android/dist").exists());
    // The command line stands over the file.
    scene.build(&["--package=tablet", "--output=elsewhere"]).ok();
    assert!(scene.app().join("elsewhere/lib/libmodel_iphone.a").exists());
    let plan = scene.plan(&["--package=phone", "--format=json"]).ok().json();
    assert_eq!(plan["device"], "android");
    scene
        .build(&["--package=watch"])
        .fails(2)
        .says("--package watch: mlc-package.yml has no such package")
        .says("phone, tablet");
    scene.build(&["--package=phone", "--package-config=x.json"]).fails(2).says("--package-config");
}

#[test]
fn plan_says_of_all_what_build_would_do() {
    let scene = project("");
    let plans = lines(&scene.plan(&["--format=json"]).ok().stdout);
    let dry = lines(&scene.build(&["--dry-run", "--format=json"]).ok().stdout);
    assert_eq!(plans, dry);
    let devices: Vec<_> = plans.iter().map(|line| &line["plan"]["device"]).collect();
    assert_eq!(devices, ["android", "iphone"]);
    let libraries = lines(&scene.build(&["--libs-only", "--format=json"]).ok().stdout);
    assert_eq!(libraries[1]["package"], "tablet");
    assert_eq!(libraries[1]["libraries"]["device"], "iphone");
    let human = scene.plan(&[]).ok();
    let headings: Vec<_> = human.stdout.lines().filter(|line| line.starts_with("==")).collect();
    assert_eq!(headings, ["== phone ==", "== tablet =="]);
}

#[test]
fn a_package_that_fails_is_named_and_leaves_the_others() {
    let scene = project("");
    let chat_config = "app/models/other/mlc-chat-config.json";
    let good = scene.read(chat_config);
    scene.write(chat_config, "{");
    // The second fails, after the first's document was printed.
    let run = scene.build(&["--format=json"]).fails(10).says("the package `tablet` failed");
    assert_eq!(lines(&run.stdout)[0]["package"], "phone");
    assert_eq!(lines(&run.stdout).len(), 1);
    assert!(scene.app().join("android/dist/lib").exists());
    // The first fails, and the second is made all the same.
    scene.write(chat_config, good);
    scene.write("app/models/one/mlc-chat-config.json", "{");
    let run = scene.build(&["--format=json"]).fails(10).says("the package `phone` failed");
    assert_eq!(lines(&run.stdout)[0]["package"], "tablet");
    assert!(scene.app().join("build").exists());
    // Both fail, each with its reason.
    scene.write(chat_config, "[");
    let run = scene.build(&["--format=json"]).fails(10);
    let run = run.says("2 packages failed: `phone`, `tablet`");
    run.says("`../models/one`").says("`../models/other`");
}

#[test]
fn what_is_of_one_package_is_refused_for_several() {
    let scene = project("");
    let run = scene.build(&["--output=x"]).fails(2);
    run.says("is of one package, and mlc-package.yml has 2").says("--package: phone, tablet");
    let run = scene.call(&["build", "--build-dir=x"]).fails(2);
    run.says("--build-dir is of one package");
    assert_eq!(scene.compiled(), [""; 0]);
}

#[test]
fn the_sources_are_those_of_the_command_line_the_environment_and_the_file_in_this_order() {
    let scene = project(", source-dir: sources");
    fs_err::create_dir(scene.app().join("sources")).unwrap();
    // What is looked at is named when it is none.
    let build = |more: &[&str]| scene.call(&[&["build", "--package=phone"], more].concat());
    build(&[]).fails(14).says("app/sources");
    let of_environment = build(&[]).env("MLC_LLM_SOURCE_DIR", "of-environment").fails(14);
    of_environment.says("of-environment").never_says("app/sources");
    let of_both = build(&["--mlc-llm-source-dir=of-line"]);
    of_both.env("MLC_LLM_SOURCE_DIR", "of-environment").fails(14).says("of-line");
    // In the image both name its own sources, for whoever names none.
    let in_image = |scene: &Scene| {
        let variables = ["MLC_LLM_SOURCE_DIR", "MLC_PACKAGE_IMAGE_SOURCE_DIR"];
        let call = scene.call(&["build", "--package=phone"]);
        let run = variables.into_iter().fold(call, |call, name| call.env(name, "/of-image"));
        run.fails(14).stderr
    };
    assert!(in_image(&scene).contains("app/sources"));
    assert!(in_image(&project("")).contains("/of-image"));
}

#[test]
fn a_config_that_is_named_or_a_file_without_packages_is_as_ever() {
    let scene = project("");
    scene.build(&["--package-config=android/config.json"]).ok();
    assert!(tree::files(&scene.dist()).contains(&"lib/libmodel_android.a".to_owned()));
    let scene = Scene::new("android");
    scene.write("app/mlc-package.yml", "budgets: {package: {shipped: {fail: {max: 1GiB}}}}");
    scene.build(&[]).ok();
    assert!(scene.dist().join("lib/libmodel_android.a").exists());
    scene.write("app/mlc-package.yml", "package: []");
    scene.build(&[]).fails(10).says("there is no field `package`");
}
