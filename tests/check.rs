//! `mlc-package check` and `mlc-package schema` as a user runs them.

use std::path::Path;

use assert_cmd::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const GOOD: &str = r#"{"device": "iphone", "model_list": [
    {"model": "HF://a/b", "model_id": "b", "estimated_vram_bytes": 1}]}"#;
const WARNED: &str = r#"{"device": "iphone", "model_list": []}"#;
const BAD: &str = "{\n  \"device\": \"ios\",\n  \"model_list\": []\n}\n";

/// The program, in a directory, with nothing of the machine's GitHub or MLC settings.
fn mlc_package(dir: &Path) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("mlc-package");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["GITHUB_", "RUNNER_", "MLC_", "HF_", "CLICOLOR", "NO_COLOR"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command.current_dir(dir);
    command
}

fn dir_with(files: &[(&str, &str)]) -> std::io::Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    for (name, text) in files {
        let path = dir.path().join(name);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(path, text)?;
    }
    Ok(dir)
}

#[test]
fn the_usual_config_is_checked_if_none_is_named() {
    let dir = dir_with(&[("mlc-package-config.json", GOOD)]).unwrap();
    let run = mlc_package(dir.path()).arg("check").assert().code(0);
    run.stdout("ok: 1 model for iphone in mlc-package-config.json\n").stderr("");

    let empty = dir_with(&[]).unwrap();
    let run = mlc_package(empty.path()).arg("check").assert().code(10);
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    assert!(text.starts_with("error[unreadable]: cannot read the config"), "{text}");
}

#[test]
fn a_config_in_a_directory_beside_is_named() {
    let dir = dir_with(&[("android/mlc-package-config.json", GOOD), ("ios/x", "")]).unwrap();
    let run = mlc_package(dir.path()).arg("check").assert().code(10);
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    assert!(
        text.contains("name the config, for instance android/mlc-package-config.json"),
        "{text}"
    );
}

#[test]
fn what_real_apps_carry_and_forget_has_one_sensible_remedy() {
    let config = r#"{"device": "iphone", "model_list": [
        {"model": "a/b", "model_id": "b", "estimated_vram_bytes": 1,
         "model_path": "x", "name": "y", "bytes": 1}]}"#;
    let dir = dir_with(&[("mlc-package-config.json", config)]).unwrap();
    let run = mlc_package(dir.path()).arg("check").assert().code(10);
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    // The field that was meant is there, so that another one is not.
    assert!(!text.contains("did you mean"), "{text}");
    assert_eq!(text.matches("help: remove it").count(), 3, "{text}");
    assert!(text.contains("a model on the Hugging Face Hub is written `HF://a/b`"), "{text}");
    assert!(!text.contains("is not bundled"), "{text}");
}

#[test]
fn a_comma_too_many_hides_no_other_mistake() {
    let config = r#"{"device": "phone", "model_list": [
        {"model": "HF://a/b", "model_id": "b", "estimated_vram_bytes": 1,},
    ],}"#;
    let dir = dir_with(&[("mlc-package-config.json", config)]).unwrap();
    let run = mlc_package(dir.path()).arg("check").assert().code(10);
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    assert_eq!(text.matches("a comma with nothing after it").count(), 3, "{text}");
    assert!(text.contains("unknown device `phone`"), "{text}");
    // Alone it is an error all the same: other readers refuse it.
    let config = GOOD.replace("1}]", "1,}]");
    let dir = dir_with(&[("mlc-package-config.json", &config)]).unwrap();
    mlc_package(dir.path()).arg("check").assert().code(10);
}

#[test]
fn one_bad_config_of_several_is_an_error_and_all_are_checked() {
    let dir = dir_with(&[("a.json", BAD), ("b.json", GOOD), ("c.json", WARNED)]).unwrap();
    let run = mlc_package(dir.path()).args(["check", "a.json", "b.json", "c.json"]).assert();
    let text = String::from_utf8(run.code(10).get_output().stdout.clone()).unwrap();
    for line in [
        "error[unknown-device]: unknown device `ios`",
        "1 error, 1 warning in a.json",
        "ok: 1 model for iphone in b.json",
        "ok with 1 warning: 0 models for iphone in c.json",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
    let strict = mlc_package(dir.path()).args(["check", "--strict", "c.json"]).assert();
    strict.code(10);
    mlc_package(dir.path()).args(["check", "c.json"]).assert().code(0);
}

#[test]
fn programs_get_a_line_of_json_for_each_config() {
    let dir = dir_with(&[("a.json", BAD), ("b.json", GOOD)]).unwrap();
    let run = mlc_package(dir.path())
        .args(["check", "--format", "json", "a.json", "b.json"])
        .assert()
        .code(10)
        .stderr("");
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let reports: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0]["config"], "a.json");
    assert_eq!(reports[0]["diagnostics"][0]["code"], "unknown-device");
    assert_eq!(reports[0]["diagnostics"][0]["line"], 2);
    assert_eq!(reports[0]["diagnostics"][0]["column"], 13);
    assert_eq!(reports[1]["errors"], 0);
}

#[test]
fn annotations_name_files_from_the_repositorys_root() {
    let dir = dir_with(&[("apps/ios/a.json", BAD)]).unwrap();
    // The temporary directory itself may be a link.
    let root = fs_err::canonicalize(dir.path()).unwrap();
    let run = mlc_package(&root.join("apps"))
        .env("GITHUB_WORKSPACE", &root)
        .args(["check", "--format", "github", "ios/a.json"])
        .assert()
        .code(10);
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let wanted = "::error file=apps/ios/a.json,line=2,col=13,endLine=2,endColumn=18,\
                  title=unknown-device::unknown device `ios`%0Ahelp: did you mean `iphone`?";
    assert!(text.lines().any(|line| line == wanted), "{text}");
}

#[test]
fn the_schema_is_the_committed_one() {
    let committed =
        fs_err::read_to_string(format!("{ROOT}/schema/mlc-package-config.schema.json")).unwrap();
    mlc_package(Path::new(ROOT)).arg("schema").assert().code(0).stdout(committed).stderr("");
}

#[test]
fn the_schema_of_a_project_is_the_committed_one() {
    let committed =
        fs_err::read_to_string(format!("{ROOT}/schema/mlc-package.schema.json")).unwrap();
    let run = mlc_package(Path::new(ROOT)).args(["schema", "--for", "project"]).assert();
    run.code(0).stdout(committed).stderr("");
}

/// A repository with a project: its packages, one of which is bad.
fn repository(project: &str) -> std::io::Result<tempfile::TempDir> {
    let files = [("mlc-package.yml", project), ("ios/c.json", GOOD), ("android/c.json", BAD)];
    dir_with(&files)
}

#[test]
fn a_project_is_checked_with_every_config_it_names() {
    let dir = repository(
        "packages:\n  - {name: ios, config: ios/c.json}\n  - {name: android, config: android/c.json}\n",
    )
    .unwrap();
    // A config beside it is not of the project, and not checked.
    fs_err::write(dir.path().join("mlc-package-config.json"), "{").unwrap();
    for arguments in [&["check"][..], &["check", "mlc-package.yml"]] {
        let run = mlc_package(dir.path()).args(arguments).assert().code(10);
        let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "ok: 2 packages in mlc-package.yml");
        assert_eq!(lines[1], "ok: 1 model for iphone in ios/c.json");
        assert_eq!(lines[2], "error[unknown-device]: unknown device `ios`");
        assert_eq!(
            lines[lines.len() - 2..],
            [
                "1 error, 1 warning in android/c.json",
                "explain: mlc-package explain unknown-device no-models",
            ]
        );
    }
    let json = mlc_package(dir.path()).args(["check", "--format", "json"]).assert().code(10);
    let text = String::from_utf8(json.get_output().stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    mlc_package(dir.path()).args(["check", "ios/c.json"]).assert().code(0);
}

#[test]
fn a_bad_project_is_shown_as_configs_are() {
    let dir = repository("packages:\n  - {name: ios, confg: ios/c.json}\n").unwrap();
    let run = mlc_package(dir.path()).args(["check", "--format", "github"]).assert().code(10);
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let wanted = "::error file=mlc-package.yml,line=2,col=17,endLine=2,endColumn=22,\
                  title=unknown-key::there is no field `packages[0].confg`%0Ahelp: did you mean \
                  `config`?";
    assert!(text.lines().any(|line| line == wanted), "{text}");
}

/// What is in a repository may come from a fork: no path of it leads out, also by no link.
#[cfg(unix)]
#[test]
fn a_project_does_not_lead_out_of_its_repository() {
    let outside = dir_with(&[("c.json", GOOD)]).unwrap();
    let dir = repository("").unwrap();
    let link = |to: &Path, name: &str| {
        fs_err::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
    };
    link(outside.path(), "linked");
    link(&outside.path().join("c.json"), "c.json");
    link(outside.path(), "ios/dist");
    link(Path::new("ios"), "inside");
    link(&outside.path().join("nothing"), "dangling");
    for (package, good) in [
        ("config: linked/c.json", false),
        ("config: c.json", false),
        ("config: ios/c.json", false),
        ("config: ios/c.json, output: linked", false),
        ("config: ios/c.json, output: linked/new", false),
        ("config: ios/c.json, output: ../new", false),
        ("config: ios/c.json, output: dangling", false),
        ("config: ios/c.json, output: dangling/new", false),
        ("config: ios/c.json, output: out, source-dir: linked", false),
        ("config: inside/c.json, output: out/new", true),
    ] {
        let text = format!("packages: [{{name: a, {package}}}]");
        fs_err::write(dir.path().join("mlc-package.yml"), text).unwrap();
        let run = mlc_package(dir.path()).args(["check", "mlc-package.yml"]).assert();
        let run = run.code(if good { 0 } else { 10 });
        let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
        assert_eq!(text.contains("error[invalid-path]"), !good, "{package}\n{text}");
    }
}

#[test]
fn the_examples_are_good() {
    for device in ["android", "iphone"] {
        let dir = Path::new(ROOT).join("examples/tiny").join(device);
        mlc_package(&dir).args(["check", "--strict"]).assert().code(0);
    }
}
