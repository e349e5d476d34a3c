use camino::{Utf8Path, Utf8PathBuf};

use super::{ProjectTree, artifact, budgets, trial};
use crate::config::diagnostic::Sink;
use crate::config::fields::{At, Fields};
use crate::config::quote::quote_path;
use crate::config::tree::Node;
use crate::config::{Code, Diagnostic, FILE_NAME, Span};
use crate::model::{KitChoice, PackageName, Project, ProjectPackage, PublishSettings};

const PACKAGE: [&str; 13] = [
    "name",
    "config",
    "output",
    "source-dir",
    "compiler-image",
    "metal",
    "kit",
    "check-kernels",
    "artifact",
    "maven",
    "swift",
    "try",
    "budgets",
];
const PUBLISH: [&str; 7] =
    ["tag", "draft", "prerelease", "compression", "weights", "comment", "check"];

/// What a check carries along.
pub(super) struct Checker<'a> {
    pub(super) sink: Sink,
    /// The directory of the project's file.
    pub(super) root: &'a Utf8Path,
    pub(super) tree: &'a dyn ProjectTree,
}

/// A package, and where what must be unique was written.
struct Placed {
    package: ProjectPackage,
    name: Span,
    output: Span,
    artifact: Span,
    slices: Vec<At<PackageName>>,
}

/// Reads the whole project. There is a result unless an error has been reported.
pub(super) fn read(checker: &mut Checker, root: &Node) -> Option<Project> {
    let fields = Fields::yaml(&mut checker.sink, root, "", Span::default())?;
    fields.only(&mut checker.sink, &["packages", "budgets", "publish"]);
    let packages = packages(checker, &fields);
    let sink = &mut checker.sink;
    let budgets = fields.map(sink, "budgets").map(|fields| budgets::read(sink, &fields));
    let publish = fields.map(sink, "publish").map(|fields| publish(sink, &fields));
    Some(Project {
        packages: packages?,
        budgets: budgets.unwrap_or_default(),
        publish: publish.unwrap_or_default(),
    })
}

fn packages(checker: &mut Checker, fields: &Fields) -> Option<Vec<ProjectPackage>> {
    let list = fields.list(&mut checker.sink, "packages").unwrap_or_default();
    let mut good = true;
    let mut placed: Vec<Placed> = Vec::new();
    for (index, node) in list.iter().enumerate() {
        if checker.sink.is_full() {
            return None;
        }
        match package(checker, node, &format!("packages[{index}]")) {
            Some(found) => {
                unique(&mut checker.sink, &placed, &found);
                placed.push(found);
            }
            None => good = false,
        }
    }
    let slices: Vec<_> = placed.iter().map(|found| (&found.package, &*found.slices)).collect();
    artifact::known_slices(&mut checker.sink, &slices);
    good.then(|| placed.into_iter().map(|placed| placed.package).collect())
}

/// Two packages cannot share a name, nor one's output lie in another's.
fn unique(sink: &mut Sink, before: &[Placed], found: &Placed) {
    let name = &found.package.name;
    let same = |other: &&Placed| other.package.name.as_str().eq_ignore_ascii_case(name.as_str());
    if let Some(other) = before.iter().find(same) {
        let message = format!("two packages are named `{name}`");
        let help = "rename one: the name tells them apart in reports and releases";
        let found = Diagnostic::new(Code::DuplicatePackage, found.name, message, help);
        sink.push(found.related(other.name, "the other"));
    }
    let output = &found.package.output;
    let overlaps = |other: &&Placed| {
        output.starts_with(&other.package.output) || other.package.output.starts_with(output)
    };
    if let Some(other) = before.iter().find(overlaps) {
        let message = format!("two packages are written to {}", quote_path(output));
        let help = "give each an `output` of its own";
        let found = Diagnostic::new(Code::ConflictingOutput, found.output, message, help);
        sink.push(found.related(other.output, "the other"));
    }
    let Some(artifact) = artifact::name(&found.package) else { return };
    let same = |other: &&Placed| {
        let other = artifact::name(&other.package);
        other.is_some_and(|other| other.eq_ignore_ascii_case(&artifact))
    };
    if let Some(other) = before.iter().find(same) {
        let message = format!("two packages make the artifact `{artifact}`");
        let help =
            "give each a name of its own, by `maven: { artifact: … }` or `swift: { name: … }`";
        let found = Diagnostic::new(Code::DuplicateArtifact, found.artifact, message, help);
        sink.push(found.related(other.artifact, "the other"));
    }
}

fn package(checker: &mut Checker, node: &Node, path: &str) -> Option<Placed> {
    let fields = Fields::yaml(&mut checker.sink, node, path, node.opening())?;
    let sink = &mut checker.sink;
    fields.only(sink, &PACKAGE);
    fields.require(sink, "name", "add a name, `name: android` for instance");
    fields.require(sink, "config", &format!("add `config: android/{FILE_NAME}`"));
    let help = "write a short word, `android` for instance";
    let name: Option<At<PackageName>> = fields.parsed(sink, "name", Code::InvalidPackageName, help);
    let config = existing(checker, &fields, "config");
    let source_dir = existing(checker, &fields, "source-dir");
    let output = inside(checker, &fields, "output");
    let sink = &mut checker.sink;
    let help = "write `name:tag`, or better `name@sha256:…`, which always is the same image";
    let compiler_image = fields.parsed(sink, "compiler-image", Code::InvalidImage, help);
    let metal =
        fields.parsed(sink, "metal", Code::InvalidChoice, "write `auto`, `metallib` or `source`");
    let kit: Option<At<KitChoice>> = fields.parsed(
        sink,
        "kit",
        Code::InvalidChoice,
        "write `auto`, `source`, a file, or an address with its digest: URL#sha256=…",
    );
    let check_kernels = fields.parsed(
        sink,
        "check-kernels",
        Code::InvalidChoice,
        "write `auto`, `never` or `always`",
    );
    let artifact = artifact::read(sink, &fields);
    let trial = fields.map(sink, "try").map(|fields| trial::read(sink, &fields));
    let budgets = fields.map(sink, "budgets");
    let (budget, model_budgets) = match &budgets {
        Some(fields) => budgets::of_package(sink, fields),
        None => Default::default(),
    };
    let (name, config) = (name?, config?);
    // Reading a config takes its models' directories: only for who asks.
    if let Some(fields) = budgets.filter(|_| !model_budgets.is_empty())
        && let Some(models) = checker.tree.models(&checker.root.join(&config.value))
    {
        budgets::known(&mut checker.sink, &fields, &models);
    }
    if source_dir.is_none() && fields.get("source-dir").is_some() {
        return None;
    }
    let output = match (output, fields.get("output")) {
        (Some(output), _) => output,
        (None, Some(_)) => return None,
        // Beside the config, so that two packages of one repository do not meet.
        (None, None) => {
            let output = At { value: beside(&config.value), span: config.span };
            stays(checker, &output).then_some(output)?
        }
    };
    let root = checker.root;
    Some(Placed {
        name: name.span,
        output: output.span,
        artifact: artifact.span,
        slices: artifact.slices,
        package: ProjectPackage {
            name: name.value,
            config: root.join(config.value),
            output: root.join(output.value),
            source_dir: source_dir.map(|dir| root.join(dir.value)),
            compiler_image: compiler_image.map(|at| at.value),
            metal: metal.map(|at| at.value),
            kit: kit.map(|at| match at.value {
                KitChoice::File(path, sha256) => KitChoice::File(root.join(path), sha256),
                other => other,
            }),
            check_kernels: check_kernels.map(|at| at.value),
            artifact: artifact.settings,
            trial,
            budget,
            model_budgets,
        },
    })
}

fn beside(config: &Utf8Path) -> Utf8PathBuf {
    config.parent().unwrap_or(Utf8Path::new("")).join("dist")
}

/// A path that must lead to something.
fn existing(checker: &mut Checker, fields: &Fields, name: &str) -> Option<At<Utf8PathBuf>> {
    let found = inside(checker, fields, name)?;
    let full = checker.root.join(&found.value);
    let (there, what) = match name {
        "config" => (checker.tree.is_file(&full), "file"),
        _ => (checker.tree.is_dir(&full), "directory"),
    };
    if !there {
        let message = format!("there is no {what} {}", quote_path(&found.value));
        let help = match name {
            "source-dir" => "is the submodule checked out? (`git submodule update --init`)",
            _ => "write the path from the directory of this file",
        };
        checker.sink.push(Diagnostic::new(Code::MissingPath, found.span, message, help));
        return None;
    }
    Some(found)
}

/// A path that stays inside the project, also where links lead.
fn inside(checker: &mut Checker, fields: &Fields, name: &str) -> Option<At<Utf8PathBuf>> {
    let found = fields.inner_path(&mut checker.sink, name)?;
    stays(checker, &found).then_some(found)
}

fn stays(checker: &mut Checker, found: &At<Utf8PathBuf>) -> bool {
    let leads_out = checker.tree.leads_out(checker.root, &found.value);
    if leads_out {
        let message = format!("{} leads out of the project", quote_path(&found.value));
        let help = "a symbolic link on the way points elsewhere: take a path inside";
        checker.sink.push(Diagnostic::new(Code::InvalidPath, found.span, message, help));
    }
    !leads_out
}

fn publish(sink: &mut Sink, fields: &Fields) -> PublishSettings {
    fields.only(sink, &PUBLISH);
    let choice = Code::InvalidChoice;
    PublishSettings {
        tag: fields
            .parsed(sink, "tag", Code::InvalidTag, "write a tag's name: v1.0, for instance")
            .map(|at| at.value),
        draft: fields.boolean(sink, "draft").map(|at| at.value),
        prerelease: fields.boolean(sink, "prerelease").map(|at| at.value),
        compression: fields
            .parsed(sink, "compression", choice, "write `zstd` or `gzip`")
            .map(|at| at.value),
        weights: fields.boolean(sink, "weights").map(|at| at.value),
        comment: fields
            .parsed(sink, "comment", choice, "write `never`, `on-change` or `always`")
            .map(|at| at.value),
        check: fields.boolean(sink, "check").map(|at| at.value),
    }
}
