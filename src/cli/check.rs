use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::Context;
use crate::config::render::{self, Repository};
use crate::config::{self, Checked};
use crate::error::Error;
use crate::exit::Exit;

/// The width that source lines are shown in.
const WIDTH: usize = 120;

/// `mlc-package check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Package configs
    #[arg(value_name = "CONFIG", default_value = config::FILE_NAME)]
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
    for path in &args.configs {
        let checked = checked(path, args.strict);
        good &= checked.errors() == 0;
        match args.format {
            CheckFormat::Human => render::human(&checked, WIDTH, &mut context.out)?,
            CheckFormat::Json => render::json(&checked, &mut context.out)?,
            CheckFormat::Github => render::github(&checked, &repository, &mut context.out)?,
        }
    }
    Ok(if good { Exit::Ok } else { Exit::Config })
}

fn checked(path: &Utf8Path, strict: bool) -> Checked {
    let checked = config::check_file(path);
    if strict { checked.deny_warnings() } else { checked }
}

fn repository() -> io::Result<Repository> {
    let not_utf8 = |path: std::path::PathBuf| {
        io::Error::other(format!("the working directory `{}` is not UTF-8", path.display()))
    };
    let working_dir = std::env::current_dir()
        .and_then(|dir| Utf8PathBuf::from_path_buf(dir).map_err(not_utf8))?;
    let workspace = std::env::var("GITHUB_WORKSPACE").ok().filter(|dir| !dir.is_empty());
    let root = workspace.map_or_else(|| working_dir.clone(), Utf8PathBuf::from);
    Ok(Repository { root, working_dir })
}
