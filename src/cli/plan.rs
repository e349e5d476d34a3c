use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::outputs::{self, Values, lines};
use super::package::PackageArgs;
use super::project::{self, Task};
use super::{Context, Format};
use crate::config::project::FILE_NAME;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::PackageName;
use crate::pipeline::{self, PackageRequest};
use crate::plan::keys::{self, CacheEntry, KeyPrefix};
use crate::plan::{Matrix, Plan};
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
    let names: Vec<_> = args.package.names().iter().map(PackageName::to_string).collect();
    let tasks = args.package.tasks(&context.ui)?;
    let mut planned = Vec::new();
    project::each(tasks, context, |task, name, context| {
        let plan = pipeline::plan(&task.request, &context.ui, &context.cancel)?;
        match args.format {
            PlanFormat::Human => print(&plan, Format::Human, name, context)?,
            PlanFormat::Json => print(&plan, Format::Json, name, context)?,
            PlanFormat::Github => {
                outputs::show(context, |out| {
                    project::print_heading(name, out)?;
                    report::write_plan(out, &plan, None)
                })?;
                planned.push((task, plan));
            }
        }
        Ok(())
    })?;
    if let PlanFormat::Github = args.format {
        outputs::set(&args.github.outputs(&planned, names)?, context)?;
    }
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
            report::write_plan(&mut context.out, plan, context.width)?;
        }
        Format::Json => project::print_json(plan, "plan", package, context.out)?,
    }
    Ok(())
}

impl GithubArgs {
    /// The outputs of a step that plans. `names` are the packages that were asked for.
    fn outputs(&self, planned: &[(Task, Plan)], names: Vec<String>) -> Result<Values, Error> {
        let plans: Vec<_> = planned.iter().map(|(_, plan)| plan).collect();
        let named: Vec<_> = planned.iter().map(|(task, plan)| (task.name.as_ref(), plan)).collect();
        let first = planned.first().map(|(task, _)| &task.request);
        let cache_dir = first.map_or(Utf8Path::new(""), |request| &request.cache_dir);
        let prefix = &self.prefix_key;
        let libraries = keys::libraries(&plans, prefix, cache_dir);
        let kits = keys::kits(&plans, prefix, cache_dir);
        let weights = keys::weights(&plans, prefix, cache_dir);
        let config = |request: &PackageRequest| in_repository(request, &request.package_config);
        let configs = planned.iter().map(|(task, plan)| (plan, config(&task.request)));
        let configs: Vec<_> = configs.collect();
        let manifests = keys::manifests(&configs, &choice(first, names), prefix);
        let matrix = Matrix::new(&named, self.matrix_jobs);
        let misses = Matrix::misses(&named);
        let prepared = plans.iter().flat_map(|plan| &plan.libraries);
        let prepared = prepared.filter(|library| library.fingerprint().is_none()).count();
        let fingerprints = keys::fingerprints(&plans);
        let models = plans.iter().map(|plan| plan.models.len() + plan.unfetched.len());
        let key = |entry: &Option<CacheEntry>| {
            entry.as_ref().map(|entry| entry.key.clone()).unwrap_or_default()
        };
        let path = |entry: &Option<CacheEntry>| {
            entry.as_ref().map(|entry| lines(&entry.paths)).unwrap_or_default()
        };
        Ok(vec![
            ("packages", lines(named.iter().filter_map(|(name, _)| *name))),
            ("device", lines(keys::devices(&plans))),
            ("models", models.sum::<usize>().to_string()),
            ("libraries", (fingerprints.len() + prepared).to_string()),
            ("libs-to-compile", misses.to_string()),
            ("cache-hit", (misses == 0).to_string()),
            ("matrix", serde_json::to_string(&matrix)?),
            ("fingerprints", lines(fingerprints)),
            ("libs-key", libraries.key),
            ("libs-restore-keys", lines(libraries.restore_keys)),
            ("libs-path", lines(libraries.paths)),
            ("kit-key", key(&kits)),
            ("kit-path", path(&kits)),
            ("weights-key", key(&weights)),
            ("weights-path", path(&weights)),
            ("manifest-key", manifests.key),
            ("manifest-restore-keys", lines(manifests.restore_keys)),
        ])
    }
}

/// What was asked for: the project, and the names of its packages, if any were given.
fn choice(request: Option<&PackageRequest>, mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    let project = request.map(|request| in_repository(request, Utf8Path::new(FILE_NAME)));
    [project.unwrap_or_default().into_string()].into_iter().chain(names).collect()
}

/// A file's path from the repository's root, as far as it is known to be in one.
fn in_repository(request: &PackageRequest, path: &Utf8Path) -> Utf8PathBuf {
    let environment = &request.environment;
    let full = environment.directory.join(path);
    let workspace = environment.text("GITHUB_WORKSPACE").unwrap_or_default();
    match full.strip_prefix(workspace) {
        // `./config.json` is `config.json`.
        Ok(path) => path.components().filter(|part| part.as_str() != ".").collect(),
        Err(_) => path.to_owned(),
    }
}
