//! The JSON schema of `mlc-package.yml`, for editors.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::config::schema::{MODEL_ID, NO_REVISION, REVISION, render};
use crate::model::{
    ArchiveCompression, ArtifactKind, CheckKernels, CommentPolicy, MetalChoice, TryDevice,
};

/// The text of `schema/mlc-package.schema.json`.
pub fn schema() -> String {
    render::<Project>()
}

const ID: &str = concat!(
    "https://raw.githubusercontent.com/mlc-package/mlc-package/main/schema/",
    "mlc-package.schema.json"
);

/// A name, as `PackageName` reads it.
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";

/// The name of an image, as `ImageName` reads it.
const IMAGE: &str = "^[A-Za-z0-9](?:[A-Za-z0-9._:/-]*[A-Za-z0-9._-])?(?:@sha256:[0-9a-f]{64})?$";

/// A size, as `ByteSize` reads it.
const SIZE: &str = r"^[0-9]+(?:\.[0-9]{1,6})? ?(?:[bB]|[kKmMgGtTpP][iI]?[bB]?)$";

/// What an answer must have in it: neither nothing, nor a regular expression of nothing.
const EXPECTATION: &str = r"^(?:[^/][\s\S]*|/|/[\s\S]*[^/]|/[\s\S]+/)$";

/// A path below the project's root: not absolute, with `/` between its parts.
const PATH: &str = r"^[^/\\\x00-\x1f\x7f-\x9f][^\\\x00-\x1f\x7f-\x9f]*$";

/// What no path has: `..`, `.`, an empty part, a drive.
const NO_PATH: &str = r"^.:|//|^\.{1,2}/?$|^\.\./|(?:^\./|/)\.{1,2}(?:/|$)";

/// Words with dots between them.
const GROUP: &str = "^[A-Za-z0-9_][A-Za-z0-9_-]*(?:\\.[A-Za-z0-9_][A-Za-z0-9_-]*)*$";

const MAVEN_ID: &str = "^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$";

const MAVEN_VERSION: &str = "^[0-9](?:[A-Za-z0-9._+-]*[A-Za-z0-9])?$";

/// SemVer's own pattern, without the names of its groups.
const SEMVER: &str = concat!(
    r"^(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)",
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)",
    r"(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?",
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$",
);

/// The packages of a repository, the limits of their sizes, and what is published.
#[derive(JsonSchema)]
#[schemars(title = "MLC package project", deny_unknown_fields, extend("$id" = ID))]
#[expect(dead_code, reason = "only its schema is used")]
struct Project {
    /// The packages that are built, reported and published.
    #[serde(default)]
    packages: Vec<Package>,
    /// The limits of sizes.
    budgets: Option<Budgets>,
    /// What `mlc-package publish` does unless its arguments say otherwise.
    publish: Option<Publish>,
}

/// One package.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Package {
    /// Its unique name, in reports and in the names of release assets.
    #[schemars(regex(pattern = NAME))]
    name: String,
    /// Its package config, from the directory of this file.
    #[schemars(
        regex(pattern = PATH),
        extend("not" = {"pattern": NO_PATH}, "examples" = ["android/mlc-package-config.json"])
    )]
    config: String,
    /// Where it is built; `dist` beside the config if absent.
    #[schemars(regex(pattern = PATH), extend("not" = {"pattern": NO_PATH}))]
    output: Option<String>,
    /// The sources of MLC LLM.
    #[serde(rename = "source-dir")]
    #[schemars(regex(pattern = PATH), extend("not" = {"pattern": NO_PATH}))]
    source_dir: Option<String>,
    /// The container image that has MLC LLM's compiler, in the place of a Python of the machine;
    /// best by its digest.
    #[serde(rename = "compiler-image")]
    #[schemars(
        length(max = 512),
        regex(pattern = IMAGE),
        extend("examples" = ["ghcr.io/mlc-package/mlc-package:1.0.0"])
    )]
    compiler_image: Option<String>,
    /// How kernels for iphone and macabi are stored: compiled by `xcrun metal`, or as source that
    /// the phone compiles; `auto` compiles them where `xcrun metal` runs.
    #[serde(default)]
    metal: MetalChoice,
    /// Where the kit of the platform binding comes from: `auto`, `source`, a file from the directory of
    /// this file, or an address with its digest, `URL#sha256=…`. `source` builds it; `auto` does where
    /// sources are named, and uses a kit that was imported otherwise.
    #[schemars(length(min = 1))]
    kit: Option<String>,
    /// Whose kernels clang compiles, as the phone will, before they ship: those of libraries that were
    /// just compiled where there is a clang that can (`auto`), all, or none.
    #[serde(rename = "check-kernels", default)]
    check_kernels: CheckKernels,
    /// What apps may depend on by a line: a Maven artifact of an Android package, with mlc4j's own
    /// classes or without, or a Swift package of an iphone or macabi package.
    artifact: Option<ArtifactKind>,
    /// How the Maven artifact is named.
    maven: Option<Maven>,
    /// How the Swift package is named.
    swift: Option<Swift>,
    /// What its bundled models are asked when it is built. They must answer, or nothing is built.
    #[serde(rename = "try")]
    trial: Option<Try>,
    /// Its own limits, each measure in place of the general one.
    budgets: Option<PackageBudgets>,
}

/// A Maven artifact.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Maven {
    /// Its `groupId`; an `aar` needs one.
    #[schemars(length(max = 100), regex(pattern = GROUP), extend("examples" = ["com.example"]))]
    group: Option<String>,
    /// Its `artifactId`; the package's name if absent.
    #[schemars(
        length(max = 100),
        regex(pattern = MAVEN_ID),
        extend("not" = {"pattern": r"\.\."}, "examples" = ["models"])
    )]
    artifact: Option<String>,
    /// Its version; that of the release's tag if absent.
    #[schemars(
        length(max = 100),
        regex(pattern = MAVEN_VERSION),
        extend(
            "not" = {"pattern": r"\.\.|[sS][nN][aA][pP][sS][hH][oO][tT]$"},
            "examples" = ["1.2.0"]
        )
    )]
    version: Option<String>,
    /// Whether the models of `bundle_weight` are in the archive.
    #[serde(default = "yes")]
    weights: bool,
}

/// A Swift package.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Swift {
    /// The name of the package, the product and the module; the package's name if absent.
    #[schemars(
        length(max = 100),
        regex(pattern = "^[A-Za-z][A-Za-z0-9_]*$"),
        extend("examples" = ["Models"])
    )]
    name: Option<String>,
    /// Its version, by SemVer; that of the release's tag if absent.
    #[schemars(length(max = 100), regex(pattern = SEMVER), extend("examples" = ["1.2.0"]))]
    version: Option<String>,
    /// Other packages with the same models, built before for another system or processor, whose
    /// libraries go into the XCFramework too.
    #[serde(default)]
    #[schemars(inner(regex(pattern = NAME)))]
    slices: Vec<String>,
}

/// What a package's models are asked.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
struct Try {
    /// What is asked; by default for the capital of France.
    #[schemars(regex(pattern = r"\S"))]
    prompt: Option<String>,
    /// The most tokens of the answer.
    #[serde(default = "forty")]
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    tokens: u32,
    /// What the answer must have in it: texts, and regular expressions between slashes.
    #[schemars(inner(regex(pattern = EXPECTATION)))]
    expect: Option<Vec<String>>,
    /// Whether the model must end its answer by itself.
    #[serde(default)]
    must_stop: bool,
    /// The limit of the perplexity of a text of ours; 1000 if absent, or the size of the vocabulary
    /// if that is less.
    #[schemars(range(min = 1))]
    max_perplexity: Option<f64>,
    /// Where the models run.
    #[serde(default)]
    device: TryDevice,
    /// How many seconds loading and running a model may take; any number if absent.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    seconds: Option<u32>,
}

fn forty() -> u32 {
    40
}

/// The limits of sizes.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
struct Budgets {
    /// The label of a pull request that accepts any growth; it does not lift a `max`.
    #[schemars(regex(pattern = r"\S"))]
    accept_label: Option<String>,
    /// Of every package as a whole.
    package: Option<Budget>,
    /// Of every model.
    model: Option<Budget>,
}

/// The limits of one package.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct PackageBudgets {
    /// Linked code and bundled models.
    shipped: Option<Levels>,
    /// What the phone downloads.
    download: Option<Levels>,
    /// The memory of the largest model.
    ram: Option<Levels>,
    /// Of models, by their `model_id`.
    #[schemars(extend("propertyNames" = {
        "pattern": MODEL_ID, "minLength": 1, "maxLength": 255, "not": {"enum": [".", ".."]}
    }))]
    models: Option<BTreeMap<String, Budget>>,
}

/// The limits of one model, or of a package.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Budget {
    /// Linked code and bundled files.
    shipped: Option<Levels>,
    /// What the phone downloads.
    download: Option<Levels>,
    /// Memory, by the library's own metadata; of a package, that of its largest model.
    ram: Option<Levels>,
}

/// The limits of one size.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Levels {
    /// Over these, the report says so.
    warn: Option<Limits>,
    /// Over these, the report says so and exits with 20.
    fail: Option<Limits>,
}

/// What a size must not exceed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
struct Limits {
    /// The size itself.
    #[schemars(regex(pattern = SIZE), extend("examples" = ["40MiB"]))]
    max: Option<String>,
    /// Its growth against the baseline.
    #[schemars(regex(pattern = SIZE), extend("examples" = ["512KiB"]))]
    growth: Option<String>,
    /// Its growth in percent of the baseline.
    growth_percent: Option<Percent>,
}

/// A number of percent.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Percent {
    /// `5`
    Number(#[schemars(range(min = 0, max = 100_000))] f64),
    /// `5%`
    Text(#[schemars(regex(pattern = r"^[0-9]{1,5}(?:\.[0-9]+)? *%$"))] String),
}

/// What is published.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Publish {
    /// The release's tag.
    #[schemars(
        length(max = 255),
        regex(pattern = REVISION),
        extend("not" = {"pattern": NO_REVISION}, "examples" = ["v1.0"])
    )]
    tag: Option<String>,
    /// Whether the release stays a draft.
    #[serde(default)]
    draft: bool,
    /// Whether it is a prerelease.
    #[serde(default)]
    prerelease: bool,
    /// How archives are compressed.
    #[serde(default)]
    compression: ArchiveCompression,
    /// Whether bundled weights are assets too.
    #[serde(default = "yes")]
    weights: bool,
    /// When a pull request gets a comment about the release.
    #[serde(default)]
    comment: CommentPolicy,
    /// Whether the head commit gets a check run of the release.
    #[serde(default)]
    check: bool,
}

fn yes() -> bool {
    true
}
