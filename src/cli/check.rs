use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::Context;
use crate::config::project;
use crate::config::render::{self, Contents, Repository};
use crate::config::{self, Checked};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::files;

/// The width that source lines are shown in.
const WIDTH: usize = 120;

/// `mlc-package check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Package configs, or a mlc-package.yml [default: mlc-package.yml and all that it names, else
    /// mlc-package-config.json]
    #[arg(value_name = "CONFIG")]
    configs: Vec<Utf8PathBuf>,
    /// Make warnings errors
    #[arg(long)]
    strict: bool,
    /// How to print what is found
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: CheckFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CheckFormat {
    /// The lines, underlined
    Human,
    /// One JSON object a config, each on its line
    Json,
    /// Workflow commands, which GitHub shows at the lines
    Github,
}

pub(super) fn run(args: &CheckArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let repository = repository()?;
    let mut good = true;
    let mut configs = args.configs.clone();
    if configs.is_empty() {
        let project = Utf8Path::new(project::FILE_NAME);
        let usual = if files::is_file(project) { project } else { config::FILE_NAME.into() };
        configs.push(usual.to_owned());
    }
    for path in &configs {
        if is_project(path) {
            let checked = project::check_file(path);
            let checked = if args.strict { checked.deny_warnings() } else { checked };
            good &= print(&checked, args.format, &repository, context)?;
            let packages = checked.project().map(|project| project.packages.as_slice());
            for package in packages.unwrap_or_default() {
                let checked = checked_config(&package.config, args.strict);
                good &= print(&checked, args.format, &repository, context)?;
            }
        } else {
            good &= print(&checked_config(path, args.strict), args.format, &repository, context)?;
        }
    }
    Ok(if good { Exit::Ok } else { Exit::Config })
}

/// Prints what was found; says whether it is good.
fn print<T: Contents>(
    checked: &Checked<T>,
    format: CheckFormat,
    repository: &Repository,
    context: &mut Context<'_>,
) -> io::Result<bool> {
    match format {
        CheckFormat::Human => render::human(checked, WIDTH, &mut context.out)?,
        CheckFormat::Json => render::json(checked, &mut context.out)?,
        CheckFormat::Github => render::github(checked, repository, &mut context.out)?,
    }
    Ok(checked.errors() == 0)
}

fn is_project(path: &Utf8Path) -> bool {
    matches!(path.extension(), Some("yml" | "yaml"))
}

fn checked_config(path: &Utf8Path, strict: bool) -> Checked {
    let checked = config::check_file(path);
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
