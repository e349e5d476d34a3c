use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::package::PackageArgs;
use super::project::{self, refuse_outputs_of_several};
use super::{Context, Format, outputs};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::PackageName;
use crate::pipeline::{self, PackageRequest};
use crate::plan::Plan;
use crate::plan::keys::{self, CacheEntry, KeyPrefix, Matrix};
use crate::report;

/// `mlc-package plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    package: PackageArgs,
    /// How to print the plan
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: PlanFormat,
    #[command(flatten)]
    github: GithubArgs,
}

/// What `--format github` is made with.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --format github")]
struct GithubArgs {
    /// How the keys of caches begin
    #[arg(long, value_name = "TEXT", default_value = "mlc-package")]
    prefix_key: KeyPrefix,
    /// The most jobs that the matrix may have
    #[arg(long, value_name = "N", default_value_t = Matrix::MOST)]
    matrix_jobs: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PlanFormat {
    /// Tables
    Human,
    /// One object
    Json,
    /// Outputs of a step of GitHub Actions: keys and paths for actions/cache, a job matrix
    Github,
}

pub(super) fn run(args: PlanArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let tasks = args.package.tasks(&context.ui)?;
    refuse_outputs_of_several(&tasks, matches!(args.format, PlanFormat::Github))?;
    project::each(tasks, context, |task, name, context| {
        let request = task.request;
        let plan = pipeline::plan(&request, &context.ui, &context.cancel)?;
        match args.format {
            PlanFormat::Human => print(&plan, Format::Human, name, context)?,
            PlanFormat::Json => print(&plan, Format::Json, name, context)?,
            PlanFormat::Github => {
                let values = github_outputs(&plan, &args.github, &request)?;
                outputs::write(&values, context, |out| report::write_plan(out, &plan))?;
            }
        }
        Ok(())
    })?;
    Ok(Exit::Ok)
}

/// Prints a plan to standard output.
pub(super) fn print(
    plan: &Plan,
    format: Format,
    package: Option<&PackageName>,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    match format {
        Format::Human => {
            project::print_heading(package, context.out)?;
            report::write_plan(&mut context.out, plan)?;
        }
        Format::Json => project::print_json(plan, "plan", package, context.out)?,
    }
    Ok(())
}

/// The outputs of a step that plans; README.md lists them.
fn github_outputs(
    plan: &Plan,
    args: &GithubArgs,
    request: &PackageRequest,
) -> Result<Vec<(&'static str, String)>, Error> {
    let (prefix, cache_dir) = (&args.prefix_key, &request.cache_dir);
    let libraries = keys::libraries(plan, prefix, cache_dir);
    let kit = keys::kit(plan, prefix, cache_dir);
    let weights = keys::weights(plan, prefix, cache_dir);
    let misses = plan.misses();
    let paths = |entry: &CacheEntry| {
        let paths: Vec<_> = entry.paths.iter().map(|path| path.as_str()).collect();
        paths.join("\n")
    };
    let key = |entry: &Option<CacheEntry>| match entry {
        Some(entry) => entry.key.clone(),
        None => String::new(),
    };
    let path = |entry: &Option<CacheEntry>| entry.as_ref().map(paths).unwrap_or_default();
    Ok(vec![
        ("device", plan.device.to_string()),
        ("models", (plan.models.len() + plan.unfetched.len()).to_string()),
        ("libraries", plan.libraries.len().to_string()),
        ("libs-to-compile", misses.to_string()),
        ("cache-hit", (misses == 0).to_string()),
        ("matrix", serde_json::to_string(&Matrix::new(plan, args.matrix_jobs))?),
        ("fingerprints", keys::fingerprints(plan).join("\n")),
        ("libs-key", libraries.key.clone()),
        ("libs-restore-keys", libraries.restore_key.clone().unwrap_or_default()),
        ("libs-path", paths(&libraries)),
        ("kit-key", key(&kit)),
        ("kit-path", path(&kit)),
        ("weights-key", key(&weights)),
        ("weights-path", path(&weights)),
        ("manifest-key", keys::manifests(plan, prefix, &config_in_repository(request))),
    ])
}

/// The config's path from the repository's root, as far as it is known to be in one.
fn config_in_repository(request: &PackageRequest) -> Utf8PathBuf {
    let environment = &request.environment;
    let config = environment.directory.join(&request.package_config);
    let workspace = environment.text("GITHUB_WORKSPACE").unwrap_or_default();
    match config.strip_prefix(workspace) {
        // `./config.json` is `config.json`.
        Ok(path) => path.components().filter(|part| part.as_str() != ".").collect(),
        Err(_) => request.package_config.clone(),
    }
}
