//! manifest -> report: the sizes of packages against their baselines and limits.

use camino::{Utf8Path, Utf8PathBuf};

use super::report_baseline::{self, BaselineSource, Variable};
use crate::config;
use crate::config::project;
use crate::config::{Checked, OverBudget};
use crate::error::Error;
use crate::io::files;
use crate::io::process::Cancel;
use crate::manifest::{self, Manifest, ManifestError};
use crate::model::{Digest, Project, ProjectPackage};
use crate::report::{OverLimit, PackageInput, ReportContext, SizeReport};
use crate::ui::Ui;

/// The largest manifest that is read, in bytes: 50 models have a few hundred thousand.
const MAX_MANIFEST: u64 = 16 << 20;

/// What to report on.
#[derive(Clone, Debug, Default)]
pub struct ReportRequest {
    /// The packages: manifests, or directories that hold one. None for those of the project, or
    /// for `dist/`.
    pub manifests: Vec<NamedPath>,
    /// What they were.
    pub baselines: Vec<BaselineSource>,
    /// The `mlc-package.yml`; none for the usual one, if it is there.
    pub project: Option<Utf8PathBuf>,
    /// The package config of the only package, for annotations.
    pub package_config: Option<Utf8PathBuf>,
    /// The commit of the baseline.
    pub base: Option<String>,
    /// The commit that is reported on.
    pub head: Option<String>,
    /// The labels of the pull request.
    pub labels: Vec<String>,
}

/// A manifest, or a directory that holds one, and maybe the package it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPath {
    /// The package's name.
    pub name: Option<String>,
    /// The file or directory.
    pub path: Utf8PathBuf,
}

impl NamedPath {
    /// The file itself.
    pub(super) fn file(&self) -> Utf8PathBuf {
        match files::is_dir(&self.path) {
            true => self.path.join(manifest::FILE_NAME),
            false => self.path.clone(),
        }
    }
}

/// Compares packages with their baselines and holds them against their limits. Baselines that are
/// not on this machine are asked for as the variables say.
pub fn report(
    request: &ReportRequest,
    variable: Variable<'_>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<SizeReport, Error> {
    let project = super::project(request.project.as_deref(), ui)?;
    let manifests = manifests(request, &project);
    let mut packages = Vec::new();
    for named in &manifests {
        let file = named.file();
        let manifest = read_manifest(&file)?;
        let package = package_of(&project, named, &manifest);
        if let (None, Some(name)) = (package, &named.name) {
            warn_unlisted(&project, name, ui);
        }
        let name = match (package, &named.name) {
            (Some(package), _) => package.name.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => manifest.device.to_string(),
        };
        let budgets = project.budgets_of(package);
        // Where its config can be read, the project's own check has said it.
        let checked = |package: &ProjectPackage| config::check_file(&package.config);
        let is_checked = package.is_some_and(|package| checked(package).package().is_some());
        for model in budgets.models.keys().filter(|_| !is_checked) {
            if !manifest.models.iter().any(|record| record.model_id == *model) {
                ui.warn(&format!("the budget of `{model}`: the package {name} has no such model"));
            }
        }
        let config = package.map(|package| package.config.clone());
        let config = config.or_else(|| request.package_config.clone());
        let called = named.name.clone();
        packages.push(PackageInput { name, called, manifest, baseline: None, budgets, config });
    }
    if request.package_config.is_some() && packages.len() > 1 {
        return Err(Error::usage(
            "--package-config is of one package, and there are several",
            format!("name the packages and their configs in {}", project::FILE_NAME),
        ));
    }
    tell_apart(&mut packages, &manifests);
    report_baseline::pair(&mut packages, &request.baselines, variable, ui, cancel)?;
    let context = ReportContext {
        base: request.base.clone(),
        head: request.head.clone(),
        labels: request.labels.clone(),
        accept_label: project.budgets.accept_label.clone(),
    };
    Ok(SizeReport::new(&packages, &context))
}

fn manifests(request: &ReportRequest, project: &Project) -> Vec<NamedPath> {
    if !request.manifests.is_empty() {
        return request.manifests.clone();
    }
    let of_project = project.packages.iter().map(|package| NamedPath {
        name: Some(package.name.to_string()),
        path: package.output.clone(),
    });
    let found: Vec<_> = of_project.collect();
    match found.is_empty() {
        true => vec![NamedPath { name: None, path: "dist".into() }],
        false => found,
    }
}

pub(super) fn read_manifest(file: &Utf8Path) -> Result<Manifest, Error> {
    match files::read_at_most(file, MAX_MANIFEST) {
        Ok(Some(bytes)) => Ok(Manifest::read(file, &bytes)?),
        Ok(None) => Err(Error::from(ManifestError::Garbage {
            path: file.to_owned(),
            why: "it is larger than 16 MiB".to_owned(),
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::usage(
            format!("there is no manifest `{file}`"),
            format!("build the package first, or name its dist/ or its {}", manifest::FILE_NAME),
        )),
        Err(error) => Err(error.into()),
    }
}

/// The project's package that a manifest is of: by the name that was given, by the directory it
/// lies in, or by the config that it was made from. A name that the project lacks is no mistake: a
/// config that it does not list is known by its device, and a pull request may add a package.
fn package_of<'p>(
    project: &'p Project,
    named: &NamedPath,
    manifest: &Manifest,
) -> Option<&'p ProjectPackage> {
    let packages = || project.packages.iter();
    let by_name = || {
        let name = named.name.as_deref()?;
        packages().find(|package| package.name.as_str() == name)
    };
    let file = named.file();
    let by_place = || super::package_at(project, files::parent(&file));
    let by_config = || {
        packages().find(|package| {
            let checked = config::check_file(&package.config);
            Digest::of(checked.text().as_bytes()) == manifest.config.digest
        })
    };
    by_name().or_else(by_place).or_else(by_config)
}

/// A name that was mistyped loses the package's budgets.
fn warn_unlisted(project: &Project, name: &str, ui: &Ui) {
    let names: Vec<_> = project.packages.iter().map(|package| package.name.as_str()).collect();
    if !names.is_empty() {
        ui.warn(&format!(
            "{} lists no package `{name}`: it is held against the budgets of all packages alone \
             (listed: {})",
            project::FILE_NAME,
            names.join(", ")
        ));
    }
}

/// Packages of one name get the place of their manifest added.
fn tell_apart(packages: &mut [PackageInput], manifests: &[NamedPath]) {
    let names: Vec<_> = packages.iter().map(|package| package.name.clone()).collect();
    for ((package, name), named) in packages.iter_mut().zip(&names).zip(manifests) {
        if names.iter().filter(|other| *other == name).count() > 1 {
            package.name = format!("{name} ({})", named.path);
        }
    }
}

/// The package configs whose models are over their limits, with that as their only problems: for
/// annotations at the models' lines. Second, what is over a limit in packages whose config is not
/// known.
pub fn over_budget(report: &SizeReport) -> (Vec<Checked>, Vec<&OverLimit>) {
    let mut configs = Vec::new();
    let mut elsewhere = Vec::new();
    for package in &report.packages {
        let over: Vec<_> =
            report.over_budget.iter().filter(|over| over.package == package.name).collect();
        match &package.config {
            _ if over.is_empty() => {}
            None => elsewhere.extend(over),
            Some(config) => {
                let found: Vec<_> = over.into_iter().map(as_diagnostic).collect();
                configs.push(config::check_file(config).over_budget(&found));
            }
        }
    }
    (configs, elsewhere)
}

fn as_diagnostic(over: &OverLimit) -> OverBudget {
    OverBudget {
        model: over.model.clone(),
        level: over.level(),
        message: over.to_string(),
        help: over.help.clone(),
    }
}
