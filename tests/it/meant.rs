//! Arguments as people write them: a config without its option, and values that are nearly right.

use serde_json::json;

use crate::scene::Scene;

#[test]
fn a_package_config_is_an_argument() {
    let scene = Scene::with_models("android", &["one"]);
    fs_err::rename(scene.app().join("mlc-package-config.json"), scene.app().join("other.json"))
        .unwrap();
    let plan = scene.call(&["plan", "other.json", "--format", "json"]).ok().json();
    assert_eq!(plan["models"].as_array().unwrap().len(), 1);
    scene.call(&["lock", "other.json"]).ok().says("no models of the Hub in other.json");
    scene.call(&["build", "other.json", "--libs-only"]).ok();
    let option = scene.call(&["plan", "--package-config", "other.json", "--format", "json"]).ok();
    assert_eq!(
        option.json()["libraries"],
        scene.call(&["plan", "other.json", "--format", "json"]).ok().json()["libraries"]
    );
    for verb in ["build", "plan", "lock"] {
        let both = scene.call(&[verb, "other.json", "--package-config", "other.json"]).fails(2);
        both.says("cannot be used with '--package-config <FILE>'");
        let package = scene.call(&[verb, "other.json", "--package", "a"]).fails(2);
        package.says("cannot be used with");
        scene.call(&[verb, "mlc-package.yml"]).fails(2).says("leave the argument out");
    }
}

#[test]
fn values_that_are_nearly_right_are_recognised() {
    let scene = Scene::new("android");
    let says = |arguments: &[&str], meant: &str| {
        scene.call(arguments).fails(2).says(&format!("did you mean `{meant}`?"));
    };
    says(&["compile", "m", "--device", "Android", "-o", "m.tar"], "android");
    says(&["compile", "m", "--device", "ios", "-o", "m.tar"], "iphone");
    says(&["doctor", "--device", "ios"], "iphone");
    says(&["kit", "export", "--device", "Macabi", "-o", "k"], "macabi");
    let compile = ["compile", "m", "--device", "android", "-o", "m.tar", "--overrides"];
    says(&[&compile[..], &["context_windw_size=1"]].concat(), "context_window_size");
    let opt = scene.call(&[&compile[..], &["opt=O3"]].concat()).fails(2);
    opt.says("it is an option of its own");
    says(&["plan", "--only", "ONE-q0f16"], "one-q0f16");
    let project = json!({"packages": [
        {"name": "phone", "config": "mlc-package-config.json"},
        {"name": "tablet", "config": "two.json", "output": "dist-two"},
    ]});
    fs_err::write(scene.app().join("mlc-package.yml"), project.to_string()).unwrap();
    fs_err::copy(scene.app().join("mlc-package-config.json"), scene.app().join("two.json"))
        .unwrap();
    says(&["plan", "--package", "Phone"], "phone");
    says(&["plan", "--only", "ONE-q0f16"], "one-q0f16");
    says(&["plan", "--only", "Tablet/one-q0f16"], "tablet");
}

#[test]
fn sizes_need_no_second_letter() {
    let scene = Scene::with_models("android", &[]);
    for size in ["1G", "500M", "1gib", "1.5 GB"] {
        scene.call(&["cache", "prune", "--dry-run", "--max-size", size]).ok();
    }
    scene
        .call(&["cache", "prune", "--max-size", "1"])
        .fails(2)
        .says("expected a size such as 2GiB");
}

/// What is named by mistake is told as what it is, with what to name instead.
#[test]
fn what_is_no_model_is_told_as_what_it_is() {
    let scene = Scene::new("android");
    scene.write("app/file", "x");
    scene.write("app/converted/mlc-chat-config.json", "{}");
    scene.write("app/list/config.json", "[]");
    scene.write("app/cut/config.json", "{");
    let convert = |model| ["convert", model, "--quantization", "q4f16_1", "-o", "out"];
    for (arguments, exit, says) in [
        (&convert("converted")[..], 11, "it is converted already: `mlc-package inspect converted`"),
        (&convert("list")[..], 11, "else it is damaged or was not downloaded whole"),
        (&convert("cut")[..], 11, "else it is damaged or was not downloaded whole"),
        (&["inspect", "list"][..], 11, "else it is damaged or was not downloaded whole"),
        (&["try", "file"][..], 2, "is neither a model directory nor a package"),
        (&["inspect", "--chat-config", "cut", "file"][..], 2, "cannot be used: it is a directory"),
    ] {
        scene.call(arguments).fails(exit).says(says).never_says("os error");
    }
    let check = scene.call(&["check", "cut"]).run().code(10);
    check.says("there is no cut/mlc-package-config.json");
}

#[test]
fn help_and_errors_are_coloured_as_is_asked() {
    let scene = Scene::new("android");
    for always in [&["--color=always"][..], &["--color", "always"][..]] {
        scene.call(&[&["build", "--nope"][..], always].concat()).fails(2).says("\u{1b}[");
    }
    scene.call(&["build", "--nope", "--color=never"]).fails(2).never_says("\u{1b}[");
}

#[test]
fn a_usage_line_requires_what_is_required_whatever_variables_say() {
    let scene = Scene::new("android");
    let run = scene.call(&["convert", "m"]).env("MLC_PACKAGE_CACHE_DIR", "c").fails(2);
    let usage = "mlc-package convert [OPTIONS] --quantization <NAME> --output <DIR> <MODEL>";
    run.says(usage).never_says("--cache-dir");
    let nested = scene.call(&["kit", "import"]).env("MLC_PACKAGE_CACHE_DIR", "c").fails(2);
    nested.says("Usage: mlc-package kit import [OPTIONS] <FILE>");
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_told_and_end_nothing() {
    use std::os::unix::ffi::OsStrExt as _;
    let name = std::ffi::OsStr::from_bytes(b"a\xff");
    for arguments in [[std::ffi::OsStr::new("inspect"), name], [name, name]] {
        let mut program = assert_cmd::Command::new(env!("CARGO_BIN_EXE_mlc-package"));
        program.args(arguments).assert().code(2);
    }
}
