//! The packages of `mlc-package.yml` that a verb is about, and running it for each of them.

use std::io::Write;

use camino::Utf8PathBuf;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Context;
use super::suggest::suggest;
use crate::config;
use crate::config::project::FILE_NAME;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::{
    ArtifactSettings, CheckKernels, ImageName, KitChoice, MetalChoice, PackageName, Project,
    ProjectPackage, TrySettings,
};
use crate::pipeline::{self, PackageRequest};
use crate::ui::Ui;

/// Which package.
#[derive(Clone, Debug, Args)]
pub(super) struct ChoiceArgs {
    /// The package config [default: the configs in mlc-package.yml, else mlc-package-config.json]
    #[arg(value_name = "CONFIG")]
    config: Option<Utf8PathBuf>,
    /// The package config, as an option of `mlc_llm package`
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    package_config: Option<Utf8PathBuf>,
    /// Only this package of mlc-package.yml; may be given more than once
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "package_config"])]
    pub(super) package: Vec<PackageName>,
}

/// A package, as far as the file or the command line says what it is.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Its name; none for a config that no `mlc-package.yml` names.
    pub(super) name: Option<PackageName>,
    pub(super) package_config: Utf8PathBuf,
    pub(super) output: Option<Utf8PathBuf>,
    pub(super) source_dir: Option<Utf8PathBuf>,
    pub(super) compiler_image: Option<ImageName>,
    pub(super) metal: Option<MetalChoice>,
    pub(super) kit: Option<KitChoice>,
    pub(super) check_kernels: Option<CheckKernels>,
    pub(super) artifact: ArtifactSettings,
    /// The packages of its artifact's other slices, and where they are built.
    pub(super) slices: Vec<(PackageName, Utf8PathBuf)>,
    /// The tag of the project's releases.
    pub(super) tag: Option<String>,
    /// What the file has its models asked.
    pub(super) trial: Option<TrySettings>,
    /// The other configs of the project.
    pub(super) others: Vec<Utf8PathBuf>,
}

impl ChoiceArgs {
    /// The packages in the file's order; never none.
    pub(super) fn choose(self, ui: &Ui) -> Result<Vec<Chosen>, Error> {
        if let Some(config) = self.config.or(self.package_config) {
            if matches!(config.extension(), Some("yml" | "yaml")) {
                return Err(Error::usage(
                    format!("`{config}` is not a package config"),
                    format!(
                        "the packages of {FILE_NAME} are built in its directory: change to it, and \
                         leave the argument out"
                    ),
                ));
            }
            return Ok(vec![Chosen::config_alone(config)]);
        }
        let project = pipeline::project(None, ui)?;
        for name in &self.package {
            refuse_unknown(name, &project)?;
        }
        let wanted = |package: &&ProjectPackage| {
            self.package.is_empty() || self.package.contains(&package.name)
        };
        let chosen = project.packages.iter().filter(wanted);
        let chosen: Vec<_> = chosen.map(|package| Chosen::of(package, &project)).collect();
        Ok(match chosen.is_empty() {
            true => vec![Chosen::config_alone(config::FILE_NAME.into())],
            false => chosen,
        })
    }
}

pub(super) fn refuse_unknown(name: &PackageName, project: &Project) -> Result<(), Error> {
    if project.packages.iter().any(|package| package.name == *name) {
        return Ok(());
    }
    let names: Vec<_> = project.packages.iter().map(|package| package.name.as_str()).collect();
    Err(Error::usage(
        format!("--package {name}: {FILE_NAME} has no such package"),
        match names.is_empty() {
            true => format!("list it below `packages:` in a {FILE_NAME} here, with its config"),
            false => suggest(
                config::nearest(name.as_str(), names.iter().copied()),
                format!("its packages are: {}", names.join(", ")),
            ),
        },
    ))
}

impl Chosen {
    fn config_alone(package_config: Utf8PathBuf) -> Self {
        Self {
            name: None,
            package_config,
            output: None,
            source_dir: None,
            compiler_image: None,
            metal: None,
            kit: None,
            check_kernels: None,
            artifact: ArtifactSettings::default(),
            slices: Vec::new(),
            tag: None,
            trial: None,
            others: Vec::new(),
        }
    }

    fn of(package: &ProjectPackage, project: &Project) -> Self {
        let slices = &package.artifact.swift.slices;
        let slices = project.packages.iter().filter(|other| slices.contains(&other.name));
        let slices = slices.map(|other| (other.name.clone(), other.output.clone())).collect();
        let others = project.packages.iter().filter(|other| other.name != package.name);
        Self {
            name: Some(package.name.clone()),
            package_config: package.config.clone(),
            output: Some(package.output.clone()),
            source_dir: package.source_dir.clone(),
            compiler_image: package.compiler_image.clone(),
            metal: package.metal,
            kit: package.kit.clone(),
            check_kernels: package.check_kernels,
            artifact: package.artifact.clone(),
            slices,
            tag: project.publish.tag.as_ref().map(|tag| tag.as_str().to_owned()),
            trial: package.trial.clone(),
            others: others.map(|other| other.config.clone()).collect(),
        }
    }
}

/// What cannot be said of several packages at once.
pub(super) fn refuse_for_several<'p>(
    packages: impl Iterator<Item = &'p Chosen>,
    options: &[(&str, bool)],
) -> Result<(), Error> {
    let names = packages.filter_map(|chosen| chosen.name.as_ref());
    let names: Vec<_> = names.map(PackageName::as_str).collect();
    match options.iter().find(|(_, given)| *given) {
        Some((option, _)) if names.len() > 1 => Err(Error::usage(
            format!("{option} is of one package, and {FILE_NAME} has {}", names.len()),
            format!("name one with --package: {}", names.join(", ")),
        )),
        _ => Ok(()),
    }
}

/// A package and what to do with it.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) name: Option<PackageName>,
    pub(super) request: PackageRequest,
    pub(super) check_kernels: Option<CheckKernels>,
    /// What the file has its models asked when it is built.
    pub(super) trial: Option<TrySettings>,
    /// The other configs of the project.
    pub(super) others: Vec<Utf8PathBuf>,
}

/// Does something with each package, in order. One that fails does not keep the others from being
/// made, unless they would fail alike. `run` gets the package's name where there are several, which
/// what it prints must be told apart by.
pub(super) fn each(
    tasks: Vec<Task>,
    context: &mut Context<'_>,
    mut run: impl FnMut(Task, Option<&PackageName>, &mut Context<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let several = tasks.len() > 1;
    let mut failed = Vec::new();
    for task in tasks {
        let name = task.name.clone().filter(|_| several);
        if let Some(name) = &name {
            context.ui.status("Package", &format!("{name} ({})", task.request.package_config));
        }
        let done = run(task, name.as_ref(), context).and_then(|()| Ok(context.out.flush()?));
        match (name, done) {
            (_, Ok(())) => {}
            (Some(name), Err(error)) if !error.is_broken_pipe() => {
                let fails_them_all = matches!(error.exit(), Exit::Usage | Exit::Interrupted);
                failed.push((name.to_string(), error));
                if fails_them_all {
                    break;
                }
            }
            (_, Err(error)) => return Err(error),
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error::Packages(failed)),
    }
}

/// What a table for people begins with where there are several.
pub(super) fn print_heading(
    package: Option<&PackageName>,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    package.map_or(Ok(()), |name| writeln!(out, "== {name} =="))
}

/// Prints one JSON document; where there are several packages, one per line, with the package's
/// name: `{"package": …, "plan": …}`.
pub(super) fn print_json<T: Serialize>(
    value: &T,
    what: &str,
    package: Option<&PackageName>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let Some(name) = package else {
        writeln!(out, "{}", serde_json::to_string_pretty(value)?)?;
        return Ok(());
    };
    let mut line = Map::new();
    line.insert("package".to_owned(), Value::String(name.to_string()));
    line.insert(what.to_owned(), serde_json::to_value(value)?);
    writeln!(out, "{}", Value::Object(line))?;
    Ok(())
}
