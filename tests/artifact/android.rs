//! A Maven artifact.

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use crate::run;
use crate::scene::entry;
use crate::site::Site;
use crate::tree;

const DIR: &str = "maven/com/example/models/1.2.0";
const AAR: &str = "maven/com/example/models/1.2.0/models-1.2.0.aar";

/// A project with one package; `lines` are of it.
pub(crate) fn project(site: &Site, lines: &str) {
    let text = format!(
        "packages:\n  - name: models\n    config: mlc-package-config.json\n    {}\n",
        lines.trim().replace('\n', "\n    ")
    );
    site.scene.write("app/mlc-package.yml", text);
}

pub(crate) const MAVEN: &str =
    "artifact: aar-native\nmaven: { group: com.example, version: 1.2.0 }";

fn python(script: &str, arguments: &[&str]) -> String {
    run(crate::scene::python().as_str(), &[&["-c", script], arguments].concat())
}

/// The archive's entries by Python's zipfile: name, method, packed and unpacked size.
pub(crate) fn entries(archive: &str) -> Vec<(String, u64, u64, u64)> {
    let script = "import json, sys, zipfile\n\
                  z = zipfile.ZipFile(sys.argv[1])\n\
                  assert z.testzip() is None\n\
                  print(json.dumps([[i.filename, i.compress_type, i.compress_size, i.file_size]\
                  for i in z.infolist()]))";
    serde_json::from_str(&python(script, &[archive])).unwrap()
}

pub(crate) fn member(archive: &str, name: &str) -> String {
    let script = "import sys, zipfile\n\
                  sys.stdout.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]).decode())";
    python(script, &[archive, name])
}

/// Maven's resolver on the repository: what it says.
pub(crate) fn resolve(site: &Site, coordinates: &str) -> String {
    let classpath = "/usr/share/java/maven-resolver-transport-file.jar:/usr/share/maven/lib/*";
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/artifact/Resolve.java");
    let repository = site.scene.dist().join("maven");
    let local = site.scene.root.join("m2");
    run("java", &["-cp", classpath, program, repository.as_str(), local.as_str(), coordinates])
}

#[test]
#[ignore = "needs scripts/setup-cross.sh and scripts/setup-jvm.sh: make test"]
fn maven_resolves_it_and_androids_tools_read_it() {
    let site = Site::new("android");
    project(&site, MAVEN);
    site.scene.configure(|config| {
        config["model_list"] = json!([entry("one")]);
        config["model_list"][0]["overrides"] = json!({"context_window_size": 512});
    });
    site.build(&["--dry-run"]).ok();
    site.build(&[]).ok().says("com.example:models:1.2.0");
    let dist = site.scene.dist();
    let aar = dist.join(AAR);

    // Each file has its four digests beside it.
    let mut files = tree::names(&dist.join(DIR));
    files.retain(|name| !["md5", "sha1", "sha256", "sha512"].iter().any(|end| name.ends_with(end)));
    assert_eq!(files, ["models-1.2.0.aar", "models-1.2.0.module", "models-1.2.0.pom"]);
    for file in files.iter().map(|name| dist.join(DIR).join(name)) {
        for end in ["md5", "sha1", "sha256", "sha512"] {
            let sum = fs_err::read_to_string(format!("{file}.{end}")).unwrap();
            let theirs = run(&format!("{end}sum"), &[file.as_str()]);
            assert!(theirs.starts_with(&format!("{sum} ")), "{file}.{end}");
        }
    }
    let said = resolve(&site, "com.example:models:aar:1.2.0");
    assert!(said.contains("versions [1.2.0]") && !said.contains("depends"), "{said}");
    let resolved = said.lines().find_map(|line| line.strip_prefix("file ")).unwrap();
    assert_eq!(tree::digest(Utf8PathBuf::from(resolved)), tree::digest(&aar));
    let module: Value = serde_json::from_str(
        &fs_err::read_to_string(dist.join(DIR).join("models-1.2.0.module")).unwrap(),
    )
    .unwrap();
    insta::with_settings!({filters => vec![
        (r#""size": \d+"#, r#""size": "[SIZE]""#),
        (r#""(\w+)": "[0-9a-f]{32,128}""#, r#""$1": "[DIGEST]""#),
    ]}, {
        insta::assert_snapshot!("module", serde_json::to_string_pretty(&module).unwrap());
    });
    assert_eq!(module["variants"][0]["files"][0]["size"], fs_err::metadata(&aar).unwrap().len());
    let pom = fs_err::read_to_string(dist.join(DIR).join("models-1.2.0.pom")).unwrap();
    insta::assert_snapshot!("pom", pom);

    let found = entries(aar.as_str());
    let names: Vec<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
    let (fixed, weights) = names.split_at(8);
    assert_eq!(
        fixed,
        [
            "AndroidManifest.xml",
            "META-INF/com/android/build/gradle/aar-metadata.properties",
            "R.txt",
            "classes.jar",
            "proguard.txt",
            "jni/arm64-v8a/libtvm4j_runtime_packed.so",
            "assets/mlc-app-config.json",
            "assets/one-q0f16/mlc-chat-config.json",
        ]
    );
    // Weights are as they are in the package, and stored.
    for (name, method, packed, bytes) in &found[7..] {
        let file = dist.join("bundle").join(name.strip_prefix("assets/").unwrap());
        assert_eq!((*method, packed), (0, bytes), "{name}");
        assert_eq!(fs_err::metadata(&file).unwrap().len(), *bytes, "{name}");
    }
    assert!(weights.iter().any(|name| name.ends_with("params_shard_0.bin")), "{weights:?}");
    assert!(member(aar.as_str(), "assets/one-q0f16/mlc-chat-config.json").contains("512"));
    assert!(member(aar.as_str(), "proguard.txt").contains("-keep class org.apache.tvm.** { *; }"));
    insta::assert_snapshot!("manifest", member(aar.as_str(), "AndroidManifest.xml"));
    assert_eq!(run("jar", &["tf", aar.as_str()]).lines().count(), found.len());
    compiled_by_aapt(&site, aar.as_str());

    // The same again, and without the weights.
    let before = tree::digest(&aar);
    site.build(&[]).ok();
    assert_eq!(tree::digest(&aar), before);
    let manifest = site.scene.json("app/dist/mlc-package-manifest.json");
    assert_eq!(manifest["artifact"]["kind"], "aar-native");
    assert_eq!(manifest["artifact"]["file"], AAR);
    assert_eq!(manifest["artifact"]["bytes"], fs_err::metadata(&aar).unwrap().len());
    crate::published::comes_back(&site, AAR);
    crate::published::from_a_release(&site, AAR, |server, _| {
        format!("{server}/octo/app/releases/download/v1.2.0/models-1.2.0.aar")
    });
    project(&site, &MAVEN.replace("1.2.0 ", "1.2.0, weights: false "));
    site.build(&[]).ok();
    assert!(!entries(aar.as_str()).iter().any(|(name, ..)| name.starts_with("assets/one")));
    // Another version takes the place of this one.
    project(&site, &MAVEN.replace("1.2.0", "1.3.0"));
    site.build(&[]).ok();
    assert_eq!(tree::names(&dist.join("maven/com/example/models")).len(), 6);
    assert!(!aar.exists() && dist.join(AAR.replace("1.2.0", "1.3.0")).exists());
    assert_eq!((site.scripts(), site.leftovers()), (1, vec![]));
}

/// Android's own compiler of resources takes the manifest, and reads it back.
fn compiled_by_aapt(site: &Site, aar: &str) {
    let manifest = site.scene.write("apk/AndroidManifest.xml", member(aar, "AndroidManifest.xml"));
    let apk = site.scene.root.join("apk/out.apk");
    let framework = "/usr/share/android-framework-res/framework-res.apk";
    run("aapt", &["package", "-f", "-M", manifest.as_str(), "-I", framework, "-F", apk.as_str()]);
    let said = run("aapt", &["dump", "badging", apk.as_str()]);
    assert!(said.contains("package: name='com.example.models'"), "{said}");
    assert!(said.contains("sdkVersion:'24'"), "{said}");
}
