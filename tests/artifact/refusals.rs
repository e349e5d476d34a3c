//! What cannot be an artifact is refused before anything is built.

use crate::android::{MAVEN, project};
use crate::scene::Scene;
use crate::site::Site;

#[track_caller]
fn refused(site: &Site, code: i32, arguments: &[&str], says: &[&str]) {
    let mut run = site.build(arguments).fails(code);
    for text in says {
        run = run.says(text);
    }
    assert_eq!((site.scripts(), site.scene.compilations().len()), (0, 0));
    assert!(!site.scene.dist().exists());
}

#[test]
fn names_and_versions_that_are_none() {
    let site = Site::bare("android");
    for (line, says) in [
        ("maven: { group: com/example, version: 1.2.0 }", "`packages[0].maven.group` cannot be"),
        ("maven: { group: com.example, version: '[1.0,2.0)' }", "`packages[0].maven.version`"),
        ("maven: { group: com.example, version: 1.0-SNAPSHOT }", "it is not a snapshot"),
        ("maven: { group: com.example, version: 1.2 }", "put it in quotes"),
        ("maven: { group: com.example, artifact: a/b }", "`packages[0].maven.artifact`"),
        ("maven: { groupId: com.example }", "there is no field `packages[0].maven.groupId`"),
        ("swift: { name: my-models }", "is an identifier"),
        ("swift: { name: Models, version: '1.2' }", "SwiftPM takes versions of three numbers"),
    ] {
        project(&site, &format!("artifact: aar-native\n{line}"));
        refused(&site, 10, &[], &[says]);
    }
    project(&site, "artifact: jar");
    refused(&site, 10, &[], &["write `aar`, `aar-native` or `swift-package`"]);
    project(&site, "artifact: aar-native");
    refused(&site, 2, &[], &["has no group", "maven: { group: com.example }"]);
    project(&site, MAVEN);
    let version = ["--artifact-version", "1.+"];
    refused(&site, 2, &version, &["--artifact-version 1.+: a version has"]);
    project(&site, "artifact: aar-native\nmaven: { group: com.example }");
    let nightly = site.build(&[]).env("GITHUB_REF", "refs/tags/nightly").fails(2);
    nightly.says("the tag `nightly` names no version of an artifact");
}

#[test]
fn two_packages_of_one_name() {
    let scene = Scene::new("android");
    scene.write("app/b.json", scene.read("app/mlc-package-config.json"));
    let package = |name: &str, config: &str, artifact: &str| {
        format!("  - {{ name: {name}, config: {config}, output: {name}, {artifact} }}\n")
    };
    let two = |first: &str, second: &str| {
        let first = package("a", "mlc-package-config.json", first);
        let text = format!("packages:\n{first}{}", package("b", "b.json", second));
        scene.write("app/mlc-package.yml", text);
        scene.call(&["check"]).run()
    };
    let maven = |kind: &str, name: &str| {
        format!("artifact: {kind}, maven: {{ group: com.example, artifact: {name} }}")
    };
    two(&maven("aar", "models"), &maven("aar-native", "Models"))
        .code(10)
        .says("two packages make the artifact `com.example:Models`");
    let swift = |name: &str| format!("artifact: swift-package, swift: {{ name: {name} }}");
    two(&swift("Models"), &swift("models"))
        .code(10)
        .says("two packages make the artifact `models`");
    two(&maven("aar", "models"), &maven("aar", "others")).code(0);
    // By the package's name, where none is written.
    two("artifact: swift-package", &swift("a")).code(10).says("[duplicate-artifact]");
}

#[test]
fn an_artifact_of_another_system_or_without_a_binding() {
    let site = Site::bare("android");
    project(&site, MAVEN);
    refused(&site, 2, &["--no-binding"], &["is built without", "leave out --no-binding"]);
    project(&site, "artifact: swift-package\nswift: { name: Models }");
    refused(&site, 2, &["--no-binding"], &["cannot be made for android", "--artifact aar"]);
    // What makes no package asks for none.
    site.call(&["plan", "--no-binding"]).ok();
}

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn weights_that_are_too_large_for_one_file() {
    let site = Site::new("android");
    project(&site, MAVEN);
    // Sparse: nothing is written.
    let shard = site.scene.write("app/models/one/params_shard_9.bin", "");
    let file = fs_err::OpenOptions::new().write(true).open(shard).unwrap();
    file.set_len(2 << 30).unwrap();
    let mut cache = site.scene.json("app/models/one/tensor-cache.json");
    let record = serde_json::json!({
        "dataPath": "params_shard_9.bin", "format": "raw-shard", "nbytes": 2_u64 << 30,
        "records": [], "md5sum": "0".repeat(32),
    });
    cache["records"].as_array_mut().unwrap().push(record);
    site.scene.write("app/models/one/tensor-cache.json", cache.to_string());
    let says = ["the artifact is one file of less than 2.0 GiB", "maven: { weights: false }"];
    refused(&site, 2, &[], &says);
}
