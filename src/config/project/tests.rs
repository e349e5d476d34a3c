use std::collections::HashSet;

use camino::Utf8Path;
use proptest::prelude::*;

use super::{ProjectTree, check};
use crate::config::{Checked, Code, render};
use crate::model::{
    ArchiveCompression, ArtifactKind, ArtifactSettings, ByteSize, CommentPolicy, Measure, ModelId,
    Project, PublishSettings, TryDevice,
};

/// Everything is there, but for what is called `missing`; what is called `link` leads out. Of the
/// config `known` the models are known.
struct Everything;

impl ProjectTree for Everything {
    fn is_file(&self, path: &Utf8Path) -> bool {
        !path.as_str().contains("missing")
    }

    fn is_dir(&self, path: &Utf8Path) -> bool {
        !path.as_str().contains("missing")
    }

    fn models(&self, config: &Utf8Path) -> Option<Vec<ModelId>> {
        let is_known = config.as_str().contains("known");
        is_known.then(|| ["phi-2", "Qwen3-1.7B"].map(|id| id.parse().unwrap()).into())
    }

    fn leads_out(&self, _: &Utf8Path, path: &Utf8Path) -> bool {
        path.starts_with("link")
    }
}

fn checked(text: &str) -> Checked<Project> {
    check(Utf8Path::new("mlc-package.yml"), text.as_bytes(), &Everything)
}

fn shown(text: &str) -> String {
    let mut out = Vec::new();
    let mut plain = anstream::StripStream::new(&mut out);
    render::human(&checked(text), 100, &mut plain).unwrap();
    String::from_utf8(out).unwrap()
}

const WHOLE: &str = r#"
packages:
  - name: android
    config: android/mlc-package-config.json
    source-dir: third_party/mlc-llm
    compiler-image: ghcr.io/mlc-package/mlc-package:1.0.0
    artifact: aar
    maven: { group: com.example, artifact: models, version: 1.2.0, weights: false }
    try:
      prompt: What is the capital of France?
      tokens: 12
      expect: [Paris, "/^The|It/"]
      must-stop: true
      max-perplexity: 60.5
      device: vulkan
      seconds: 600
    budgets:
      shipped: { fail: { max: 60MiB } }
      models:
        phi-2: { ram: { warn: { max: 3 GiB }, fail: { max: 4GiB } } }
  - name: ios
    config: ./ios/mlc-package-config.json
    output: build/ios/
    artifact: swift-package
    swift: { name: Models, version: 1.2.0-beta.1, slices: [android] }
budgets:
  accept-label: size-increase-ok
  package:
    shipped: { warn: { growth: 512KiB }, fail: { max: 40MiB, growth-percent: 5 } }
  model:
    ram: { fail: { max: 3GiB, growth-percent: "2.5 %" } }
publish:
  tag: v1.0
  draft: true
  compression: gzip
  weights: false
  comment: always
  check: false
"#;

#[test]
fn all_that_a_project_can_say_is_read() {
    let project = checked(WHOLE).into_project().unwrap();
    let artifacts = ["android", "ios"].map(|name| {
        let package = project.packages.iter().find(|package| package.name.as_str() == name);
        package.unwrap().artifact.clone()
    });
    let [ArtifactSettings { kind, maven, .. }, ArtifactSettings { swift, .. }] = artifacts;
    assert_eq!(kind, Some(ArtifactKind::Aar));
    assert_eq!(maven.group.unwrap().as_str(), "com.example");
    assert_eq!(maven.artifact.unwrap().as_str(), "models");
    assert_eq!((maven.version.unwrap().as_str(), maven.weights), ("1.2.0", Some(false)));
    assert_eq!(swift.name.unwrap().as_str(), "Models");
    assert_eq!(swift.version.unwrap().as_str(), "1.2.0-beta.1");
    assert_eq!(swift.slices, ["android".parse().unwrap()]);
    let [android, ios] = project.packages.as_slice() else { panic!("{project:?}") };
    assert_eq!(android.output, "android/dist");
    assert_eq!(android.source_dir.as_deref(), Some(Utf8Path::new("third_party/mlc-llm")));
    let image = android.compiler_image.as_ref().map(|image| image.as_str());
    assert_eq!(image, Some("ghcr.io/mlc-package/mlc-package:1.0.0"));
    assert_eq!(ios.config, "ios/mlc-package-config.json");
    assert_eq!(ios.output, "build/ios");
    let asked = android.trial.as_ref().unwrap();
    assert_eq!((asked.tokens, asked.seconds, asked.must_stop), (Some(12), Some(600), Some(true)));
    assert_eq!((asked.max_perplexity, asked.device), (Some(60.5), Some(TryDevice::Vulkan)));
    assert!(asked.expect.iter().all(|each| each.is_met_by("It is Paris.")));
    assert_eq!(ios.trial, None);
    let of_android = project.budgets_of(Some(android));
    let of_ios = project.budgets_of(Some(ios));
    assert_eq!(of_android.package.shipped.fail.max, Some(ByteSize(60 << 20)));
    assert_eq!(of_android.package.shipped.fail.growth_percent, None);
    assert_eq!(of_ios.package.shipped.fail.max, Some(ByteSize(40 << 20)));
    assert_eq!(of_ios.package.shipped.warn.growth, Some(ByteSize(512 << 10)));
    let phi: ModelId = "phi-2".parse().unwrap();
    let max = |budget: crate::model::Budget| budget.of(Measure::Ram).fail.max;
    assert_eq!(max(of_android.of_model(&phi)), Some(ByteSize(4 << 30)));
    assert_eq!(max(of_ios.of_model(&phi)), Some(ByteSize(3 << 30)));
    assert_eq!(of_ios.of_model(&phi).ram.fail.growth_percent, Some(2.5));
    assert_eq!(
        project.publish,
        PublishSettings {
            tag: Some("v1.0".parse().unwrap()),
            draft: Some(true),
            prerelease: None,
            compression: Some(ArchiveCompression::Gzip),
            weights: Some(false),
            comment: Some(CommentPolicy::Always),
            check: Some(false),
        }
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    for text in ["", "# nothing yet\n", "packages: []", "packages:\nbudgets:\npublish:\n"] {
        assert_eq!(checked(text).into_project().unwrap(), Project::default(), "{text:?}");
    }
    let anchored = "budgets:\n  package: &all\n    ram: {fail: {max: 1GiB}}\n  model: *all\n";
    let budgets = checked(anchored).into_project().unwrap().budgets;
    assert_eq!(budgets.model.ram.fail.max, Some(ByteSize(1 << 30)));
    assert_eq!(budgets.package, budgets.model);
}

/// Every problem of a file at once, each with its line.
#[test]
fn problems_are_shown_at_their_lines() {
    let mut seen = HashSet::new();
    for (name, text) in [
        (
            "fields",
            "package:\n  - name: a\npublish:\n  comment: sometimes\n  compresion: gzip\n  \
             draft: no\n  tag: -v1\nbudgets: 40MiB\n",
        ),
        (
            "packages",
            "packages:\n  - config: ../evil.json\n  - name: a b\n    config: missing.json\n  - \
             name: a\n    config: a/c.json\n  - name: A\n    config: a/d.json\n  - name: c\n    config: c/c.json\n    source-dir: \
             /opt/mlc\n    compiler-image: --privileged\n  - name: b\n    config: link/c.json\n  - android\n",
        ),
        (
            "budgets",
            "budgets:\n  accept-label: ' '\n  package:\n    shipped: { max: 40MiB }\n    ram:\n      \
             fail: { max: 40, growth: 5%, growth-percent: lots }\n    downloads: {}\n  model:\n    \
             download: { fail: { max: [1MiB] } }\npackages:\n  - name: a\n    config: \
             a/c.json\n    budgets:\n      models:\n        a/b: { ram: { fail: { max: 2Q } } \
             }\n",
        ),
        (
            "try",
            "packages:\n  - name: a\n    config: a/c.json\n    try:\n      prompt: ' '\n      tokens: \
             0\n      seconds: 1.5\n      max-perplexity: low\n      expect: ['', //, '/(/', 7]\n      \
             device: npu\n      must_stop: true\n",
        ),
        ("twice", "publish: {}\nbudgets: {}\npublish:\n  draft: true\n"),
        ("syntax", "packages:\n  - name: a\n   config: b\n"),
        ("unclosed", "publish: { draft: true\n"),
        ("tab", "publish:\n\tdraft: true\n"),
        ("list", "- name: a\n"),
        ("two_documents", "publish: {}\n---\npublish: {}\n"),
        ("key", "{[a]: 1}\n"),
        (
            "unknown_model",
            "packages:\n  - name: a\n    config: known.json\n    budgets:\n      models:\n        \
             phi2: { ram: { fail: { max: 3GiB } } }\n",
        ),
        (
            "artifacts",
            "packages:\n  - name: a\n    config: a/c.json\n    artifact: jar\n    \
             maven: { group: com/example, artifact: a b, version: 1.0-SNAPSHOT, weight: no }\n  \
             - name: b\n    config: b/c.json\n    artifact: swift-package\n    \
             swift: { name: my-models, version: '1.2', slices: [a b] }\n",
        ),
        (
            "artifacts_of_one_name",
            "packages:\n  - name: a\n    config: a/c.json\n    artifact: aar\n    \
             maven: { group: com.example, artifact: models }\n  \
             - name: Models\n    config: b/c.json\n    artifact: aar-native\n    \
             maven: { group: com.example }\n    swift: { slices: [c, Models] }\n",
        ),
        ("unknown_anchor", "publish: *nothing\n"),
    ] {
        insta::assert_snapshot!(name, shown(text));
        seen.extend(checked(text).diagnostics().iter().map(|found| found.code));
    }
    for code in OF_PROJECTS {
        assert!(seen.contains(code), "no project shows {}", code.as_str());
    }
}

/// The codes that only a project has.
pub(crate) const OF_PROJECTS: &[Code] = &[
    Code::UnknownKey,
    Code::InvalidPath,
    Code::MissingPath,
    Code::InvalidPackageName,
    Code::InvalidImage,
    Code::DuplicatePackage,
    Code::ConflictingOutput,
    Code::InvalidArtifact,
    Code::DuplicateArtifact,
    Code::InvalidBudget,
    Code::InvalidChoice,
    Code::InvalidTag,
    Code::InvalidTry,
    Code::UnknownModel,
];

#[test]
fn a_bomb_is_refused_and_so_is_a_deep_nest() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (last, next) in ('a'..'k').zip('b'..='k') {
        bomb += &format!("{next}: &{next} [{}]\n", vec![format!("*{last}"); 9].join(", "));
    }
    let deep = "[".repeat(5000);
    let long = format!("publish: {}", "x".repeat(1 << 20));
    for text in [bomb, deep, long] {
        let found = checked(&text);
        assert_eq!(found.errors(), 1, "{:?}", found.diagnostics());
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_and_a_mark_ahead_of_them_is_not() {
    let of = |bytes: &[u8]| check(Utf8Path::new("mlc-package.yml"), bytes, &Everything);
    assert_eq!(of(b"publish: \xff").errors(), 1);
    let marked = of("\u{feff}publish: {drafts: true}".as_bytes());
    let [found] = marked.diagnostics() else { panic!("{:?}", marked.diagnostics()) };
    let span = found.span.unwrap();
    assert_eq!(&"\u{feff}publish: {drafts: true}"[span.start..span.end], "drafts");
}

/// Paths are where the file is, whatever the working directory.
#[test]
fn paths_begin_where_the_file_is() {
    let text = "packages: [{name: a, config: x/c.json}]";
    let found = check(Utf8Path::new("some/where/mlc-package.yml"), text.as_bytes(), &Everything);
    let project = found.into_project().unwrap();
    assert_eq!(project.packages[0].config, "some/where/x/c.json");
    assert_eq!(project.packages[0].output, "some/where/x/dist");
}

mod schema {
    use serde_json::json;

    use super::{WHOLE, checked};
    use crate::config::tests::schema::faults;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/mlc-package.schema.json");

    #[test]
    fn the_committed_schema_is_current() {
        let schema = crate::config::project::schema();
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            fs_err::write(COMMITTED, &schema).unwrap();
        }
        let committed = fs_err::read_to_string(COMMITTED).unwrap();
        assert_eq!(committed, schema, "set UPDATE_SCHEMA=1 to write it again");
    }

    /// Each single value that the checker refuses, and each that it accepts.
    #[test]
    fn schema_and_checker_agree() {
        let schema = serde_json::from_str(&crate::config::project::schema()).unwrap();
        let whole: serde_json::Value = serde_saphyr::from_str(WHOLE).unwrap();
        assert_eq!(faults(&schema, &schema, &whole), <[&str; 0]>::default());
        let package = |field: &str, value: serde_json::Value| {
            let mut package = json!({"name": "a", "config": "a/c.json"});
            package[field] = value;
            json!({"packages": [package]})
        };
        let limits =
            |limits: serde_json::Value| json!({"budgets": {"model": {"ram": {"fail": limits}}}});
        let paths = [
            "a", "a/b", "./a/", ".a", "..a", "a b", "", "/a", "..", "../a", ".", "./", "./..",
            "a/../b", "a/./b", "a//b", "a//", "C:/a", "a\\b", "a\u{0}",
        ];
        let mut values: Vec<_> = paths.iter().map(|path| package("config", json!(path))).collect();
        values.extend(paths.iter().map(|path| package("output", json!(path))));
        values.extend(["a", "A.b-c_9", "", ".a", "a b", "ä"].map(|it| package("name", json!(it))));
        values.extend(
            ["1MiB", "1.5 GiB", "1", "1M", "1 g", "1Gi", "1gb", "1b", "1Mi B", "1X", "-1B", "5%"]
                .map(|it| limits(json!({"max": it}))),
        );
        values.extend(
            [json!(5), json!(0.5), json!("5%"), json!("5 %"), json!("5"), json!(-1), json!(true)]
                .map(|it| limits(json!({"growth-percent": it}))),
        );
        let of = |key: &str, field: &str, values: &[&str]| -> Vec<_> {
            values.iter().map(|value| package(key, json!({field: value}))).collect()
        };
        values.extend(of("maven", "group", &["a", "a.b-c", "a/b", "a..b", "", "-a", "ä"]));
        values.extend(of("maven", "artifact", &["a", "a.b", "a..b", "a/b", "-a", "a-"]));
        values.extend(of("maven", "version", &["1", "1.0-b+c", "v1", "1.+", "1-Snapshot", "1..2"]));
        values.extend(of("swift", "name", &["a", "A_1", "1a", "a-b", ""]));
        values.extend(of(
            "swift",
            "version",
            &["1.2.3", "1.2.3-a.1+b", "1.2", "01.2.3", "1.2.3-01"],
        ));
        for (field, good, bad) in [
            ("tag", json!("v1.0"), json!("-v")),
            ("draft", json!(true), json!("yes")),
            ("compression", json!("gzip"), json!("xz")),
            ("comment", json!("on-change"), json!("on_change")),
            ("check", json!(false), json!(0)),
            ("weights", json!(false), json!([])),
            ("tags", json!("v1"), json!("v1")),
        ] {
            values.extend([good, bad].map(|value| json!({"publish": {field: value}})));
        }
        for (field, good, bad) in [
            ("prompt", json!("Hi?"), json!(" ")),
            ("tokens", json!(1), json!(0)),
            ("tokens", json!(4_294_967_295_u32), json!(1.5)),
            ("seconds", json!(600), json!("600")),
            ("seconds", json!(7), json!(4_294_967_296_u64)),
            ("max-perplexity", json!(1.5), json!(0.5)),
            ("must-stop", json!(false), json!("no")),
            ("device", json!("metal"), json!("npu")),
            ("expect", json!(["Paris", "/Paris|paris/", "/"]), json!([""])),
            ("expect", json!([]), json!(["//"])),
            ("expect", json!(["a/", "/a"]), json!("Paris")),
            ("tries", json!(1), json!(1)),
        ] {
            values.extend([good, bad].map(|value| package("try", json!({field: value}))));
        }
        values.extend([
            json!({"package": []}),
            json!({"packages": [{"name": "a"}]}),
            json!({"packages": {}}),
            json!({"budgets": {"accept-label": " "}}),
            json!({"budgets": {"accept-label": "ok"}}),
            json!({"budgets": {"model": {"ram": {"max": "1MiB"}}}}),
            package("budgets", json!({"models": {"a/b": {}}})),
            package("artifact", json!("aar-native")),
            package("artifact", json!("jar")),
            package("maven", json!({"weights": false})),
            package("maven", json!({"groupId": "a"})),
            package("swift", json!({"slices": "a"})),
            package("budgets", json!({"models": {"a": {"ram": {"warn": {}}}}})),
        ]);
        for value in values {
            let found = checked(&value.to_string());
            let faults = faults(&schema, &schema, &value);
            assert_eq!(
                found.diagnostics().is_empty(),
                faults.is_empty(),
                "{value}: {:?}, {faults:?}",
                found.diagnostics()
            );
        }
    }
}

proptest! {
    /// Whatever it is, it is read or refused, and what is shown of it can be shown.
    #[test]
    fn any_text_is_a_project_or_not(
        text in "([ \\-]{0,4}(packages|name|config|budgets|ram|fail|max|publish|tag|a|1MiB|~|&a|\\*a|<<|'|\"|[\\[\\]{},:#|>!%@\n\t]){1,3}[: \n]{0,2}){0,24}|\\PC{0,40}"
    ) {
        let found = checked(&text);
        prop_assert_eq!(found.project().is_some(), found.errors() == 0);
        shown(&text);
    }
}

#[test]
fn a_budget_of_a_model_that_the_package_lacks_is_a_warning_where_its_config_can_be_read() {
    let with = |config: &str, model: &str| {
        let text = format!(
            "packages:\n  - name: a\n    config: {config}\n    budgets: {{models: {{{model}: {{}}}}}}\n"
        );
        let checked = checked(&text);
        assert_eq!(checked.errors(), 0);
        checked.diagnostics().iter().map(|found| found.help.clone()).collect::<Vec<_>>()
    };
    assert_eq!(with("known.json", "phi-2"), [""; 0]);
    assert_eq!(with("known.json", "phi2"), ["did you mean `phi-2`?"]);
    assert_eq!(with("known.json", "other"), ["its models are phi-2, Qwen3-1.7B"]);
    assert_eq!(with("a.json", "other"), [""; 0]);
}

/// The first byte of a value marks it, and there may be less than that.
#[test]
fn places_are_of_whole_characters() {
    for text in ["packages:\n  - &a", "packages:\n  - é: 1", "budgets: \n  模型: {}\n"] {
        let checked = checked(text);
        assert!(checked.errors() > 0, "{text:?}");
        for found in checked.diagnostics() {
            let span = found.span.unwrap();
            assert!(text.get(span.start..span.end).is_some(), "{text:?}: {found:?}");
        }
    }
}
