//! `mlc-package.yml`, for the verbs that ask it what the command line does not say.

use camino::Utf8Path;

use crate::config;
use crate::config::project;
use crate::error::Error;
use crate::io::files;
use crate::model::{Project, ProjectPackage};
use crate::ui::Ui;

/// The project, if there is one; nothing in it otherwise. Without a path it is the
/// `mlc-package.yml` of the working directory. Its problems are shown.
pub fn project(path: Option<&Utf8Path>, ui: &Ui) -> Result<Project, Error> {
    let usual = Utf8Path::new(project::FILE_NAME);
    let path = match path {
        Some(path) => path,
        None if files::is_file(usual) => usual,
        None => return Ok(Project::default()),
    };
    let checked = project::check_file(path);
    if !checked.diagnostics().is_empty() {
        ui.block(true, |width, out| config::render::human(&checked, width, out));
    }
    Ok(checked.into_project()?)
}

/// The package that is built in a directory.
pub fn package_at<'p>(project: &'p Project, dir: &Utf8Path) -> Option<&'p ProjectPackage> {
    let dir = files::canonical(dir).ok()?;
    let is_there = |other: &Utf8Path| files::canonical(other).is_ok_and(|other| other == dir);
    project.packages.iter().find(|package| is_there(&package.output))
}
