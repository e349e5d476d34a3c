use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::Context;
use super::project::refuse_unknown;
use crate::config::project;
use crate::config::render::{self, Contents, Repository};
use crate::config::{self, Checked};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::environment::Environment;
use crate::io::files;
use crate::model::{PackageName, Project};
use crate::pipeline;

/// The width that source lines are shown in, if no terminal is narrower.
const WIDTH: usize = 120;

/// `mlc-package check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Package configs, or a mlc-package.yml [default: mlc-package.yml and all that it names; where
    /// it names none, mlc-package-config.json]
    #[arg(value_name = "CONFIG")]
    configs: Vec<Utf8PathBuf>,
    /// Only this package of mlc-package.yml; may be given more than once
    #[arg(long, value_name = "NAME", conflicts_with = "configs")]
    package: Vec<PackageName>,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// How to print what is found
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: CheckFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CheckFormat {
    /// Source lines, with the problems underlined
    Human,
    /// One JSON object per config, one per line
    Json,
    /// Workflow commands, which GitHub shows as annotations
    Github,
}

pub(super) fn run(args: &CheckArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let repository = repository()?;
    let environment = Environment::current()?;
    let mut found = Exit::Ok;
    let (project_file, usual) =
        (Utf8Path::new(project::FILE_NAME), Utf8Path::new(config::FILE_NAME));
    let mut configs = args.configs.clone();
    if configs.is_empty() {
        let is_project = files::is_file(project_file) || !args.package.is_empty();
        configs.push(if is_project { project_file } else { usual }.to_owned());
    }
    for path in &configs {
        if !is_project(path) {
            let checked = checked_config(path, args.strict, &environment);
            found = worse(found, print(&checked, args.format, &repository, context)?);
            continue;
        }
        let checked = project::check_file(path);
        let checked = if args.strict { checked.deny_warnings() } else { checked };
        found = worse(found, print(&checked, args.format, &repository, context)?);
        let Some(project) = checked.project() else { continue };
        let mut named: Vec<_> = chosen(project, &args.package)?;
        // What a build takes where no packages are listed.
        if project.packages.is_empty() && args.configs.is_empty() && files::is_file(usual) {
            named.push(usual);
        }
        for path in named {
            let checked = checked_config(path, args.strict, &environment);
            found = worse(found, print(&checked, args.format, &repository, context)?);
        }
    }
    Ok(found)
}

/// What two files come to: a config that is wrong counts for more than a model's files.
fn worse(one: Exit, other: Exit) -> Exit {
    match (one, other) {
        (Exit::Config, _) | (_, Exit::Ok) => one,
        (_, other) => other,
    }
}

/// The configs of a project's packages; of those that are named, if any are.
fn chosen<'p>(project: &'p Project, names: &[PackageName]) -> Result<Vec<&'p Utf8Path>, Error> {
    for name in names {
        refuse_unknown(name, project)?;
    }
    let packages = project.packages.iter();
    let wanted = packages.filter(|package| names.is_empty() || names.contains(&package.name));
    Ok(wanted.map(|package| package.config.as_path()).collect())
}

/// Prints what was found; gives the exit code for it.
fn print<T: Contents>(
    checked: &Checked<T>,
    format: CheckFormat,
    repository: &Repository,
    context: &mut Context<'_>,
) -> io::Result<Exit> {
    match format {
        CheckFormat::Human => {
            let width = context.width.map_or(WIDTH, |columns| columns.min(WIDTH));
            render::human(checked, width, &mut context.out)?;
        }
        CheckFormat::Json => render::json(checked, &mut context.out)?,
        CheckFormat::Github => render::github(checked, repository, &mut context.out)?,
    }
    Ok(match checked.errors() {
        0 => Exit::Ok,
        _ if checked.is_of_models() => Exit::Fetch,
        _ => Exit::Config,
    })
}

fn is_project(path: &Utf8Path) -> bool {
    matches!(path.extension(), Some("yml" | "yaml"))
}

fn checked_config(path: &Utf8Path, strict: bool, environment: &Environment) -> Checked {
    let checked = pipeline::check(path, environment);
    if strict { checked.deny_warnings() } else { checked }
}

/// The repository that annotations name files from.
pub(super) fn repository() -> io::Result<Repository> {
    let not_utf8 = |path: std::path::PathBuf| {
        io::Error::other(format!("the working directory `{}` is not UTF-8", path.display()))
    };
    let working_dir = std::env::current_dir()
        .and_then(|dir| Utf8PathBuf::from_path_buf(dir).map_err(not_utf8))?;
    let workspace = std::env::var("GITHUB_WORKSPACE").ok().filter(|dir| !dir.is_empty());
    let root = workspace.map_or_else(|| working_dir.clone(), Utf8PathBuf::from);
    Ok(Repository { root, working_dir })
}
