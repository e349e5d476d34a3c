use std::io::Write;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::kernels::KernelArgs;
use super::libraries::{self, StepOutputs};
use super::package::PackageArgs;
use super::project::{self, Task};
use super::{Context, Format, outputs};
use crate::compile::MlcCompiler;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::{LinkMode, PackageName, TrySettings};
use crate::pipeline::{self, BuildRequest, Trial};
use crate::report;

pub(super) const DEFAULT_TIMEOUT: NonZeroU64 =
    NonZeroU64::new(MlcCompiler::DEFAULT_LIMIT.as_secs()).unwrap();

/// `mlc-package build`.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    package: PackageArgs,
    /// Number of libraries to compile in parallel [default: the processors, at most 4]
    #[arg(
        short,
        long,
        value_name = "N",
        env = "MLC_PACKAGE_JOBS",
        hide_env_values = true,
        value_parser = at_least_one::<NonZeroUsize>
    )]
    jobs: Option<NonZeroUsize>,
    /// How weights get into the package
    #[arg(long, value_name = "HOW", default_value = "auto")]
    link_mode: LinkModeArg,
    #[command(flatten)]
    kernels: KernelArgs,
    /// Raise an `estimated_vram_bytes` that is too small, in the config
    #[arg(long, conflicts_with = "dry_run")]
    fix_vram: bool,
    /// End a compilation, or a conversion by MLC LLM, that takes longer
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MLC_PACKAGE_COMPILE_TIMEOUT",
        hide_env_values = true,
        default_value_t = DEFAULT_TIMEOUT,
        value_parser = at_least_one::<NonZeroU64>
    )]
    compile_timeout: NonZeroU64,
    /// Have every bundled model answer before anything is made, as `mlc-package try` does; what is
    /// asked is in mlc-package.yml, which may ask for this itself
    #[arg(long = "try", conflicts_with_all = ["dry_run", "libs_only"])]
    trial: bool,
    /// Leave out what `try` in mlc-package.yml asks for
    #[arg(long, conflicts_with = "trial")]
    no_try: bool,
    /// End a model that takes longer to load and answer [default: that of mlc-package.yml]
    #[arg(long, value_name = "SECONDS", value_parser = at_least_one::<NonZeroU64>)]
    try_seconds: Option<NonZeroU64>,
    /// Compile what is not cached, and make no dist/
    #[arg(long, conflicts_with = "dry_run")]
    libs_only: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: BuildFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum BuildFormat {
    /// Tables
    Human,
    /// One object: the manifest
    Json,
    /// Tables, and the outputs of a step of GitHub Actions
    Github,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LinkModeArg {
    /// The first of the others that the file system can do
    Auto,
    /// Share the blocks, copy on write
    Reflink,
    /// Give the file a second name
    Hardlink,
    /// Copy the bytes
    Copy,
}

impl From<LinkModeArg> for LinkMode {
    fn from(mode: LinkModeArg) -> Self {
        match mode {
            LinkModeArg::Auto => Self::Auto,
            LinkModeArg::Reflink => Self::Reflink,
            LinkModeArg::Hardlink => Self::Hardlink,
            LinkModeArg::Copy => Self::Copy,
        }
    }
}

pub(super) fn at_least_one<T: std::str::FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "expected a whole number, at least 1")
}

/// A compiler uses one processor most of the time, and a gigabyte or two of memory.
fn default_jobs() -> NonZeroUsize {
    const MOST: NonZeroUsize = NonZeroUsize::new(4).unwrap();
    std::thread::available_parallelism().map_or(NonZeroUsize::MIN, |n| n.min(MOST))
}

pub(super) fn run(args: BuildArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let tasks = args.package.clone().tasks(&context.ui)?;
    let mut made = StepOutputs::default();
    project::each(tasks, context, |task, name, context| args.one(task, name, &mut made, context))?;
    if !args.dry_run && matches!(args.format, BuildFormat::Github) {
        outputs::set(&made.outputs(), context)?;
    }
    Ok(Exit::Ok)
}

impl BuildArgs {
    /// Builds one package. `name` is given where there are several.
    fn one(
        &self,
        task: Task,
        name: Option<&PackageName>,
        made: &mut StepOutputs,
        context: &mut Context<'_>,
    ) -> Result<(), Error> {
        let mut package = task.request;
        if self.libs_only {
            package.binding = None;
        }
        if self.dry_run {
            let plan = pipeline::plan(&package, &context.ui, &context.cancel)?;
            let format = match self.format {
                BuildFormat::Json => Format::Json,
                BuildFormat::Human | BuildFormat::Github => Format::Human,
            };
            return super::plan::print(&plan, format, name, context);
        }
        let given = self.trial.then(TrySettings::default);
        let trial = task.trial.or(given).filter(|_| !self.no_try);
        let request = BuildRequest {
            package,
            trial: trial.map(|settings| Trial {
                device: settings.device.unwrap_or_default(),
                limit: match self.try_seconds {
                    Some(seconds) => Some(Duration::from_secs(seconds.get())),
                    None => settings.seconds.map(|seconds| Duration::from_secs(seconds.into())),
                },
                question: settings.into(),
            }),
            jobs: self.jobs.unwrap_or_else(default_jobs),
            link_mode: self.link_mode.into(),
            fix_vram: self.fix_vram,
            check_kernels: self.kernels.check_kernels.or(task.check_kernels),
            compile_limit: Duration::from_secs(self.compile_timeout.get()),
        };
        if self.libs_only {
            let there = pipeline::libraries(&request, &context.ui, &context.cancel)?;
            made.libraries(task.name, &there);
            return libraries::print(&there, self.format, name, context);
        }
        let manifest = pipeline::build(&request, &context.ui, &context.cancel)?;
        let output = &request.package.output;
        made.package(task.name, &manifest, output);
        let summary = |out: &mut dyn Write, width| {
            project::print_heading(name, out)?;
            report::write_summary(out, &manifest, output, width)
        };
        match self.format {
            BuildFormat::Human => summary(&mut context.out, context.width)?,
            BuildFormat::Json => project::print_json(&manifest, "manifest", name, context.out)?,
            BuildFormat::Github => outputs::show(context, |out| summary(out, None))?,
        }
        Ok(())
    }
}
