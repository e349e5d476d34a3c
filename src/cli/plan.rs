use clap::Args;

use super::package::PackageArgs;
use super::{Context, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::pipeline;
use crate::plan::Plan;
use crate::report;

/// `mlc-package plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    package: PackageArgs,
    /// How to print the plan
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

pub(super) fn run(args: PlanArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let request = args.package.request(&context.ui)?;
    let plan = pipeline::plan(&request, &context.ui, &context.cancel)?;
    print(&plan, args.format, context)?;
    Ok(Exit::Ok)
}

/// Prints a plan to standard output.
pub(super) fn print(plan: &Plan, format: Format, context: &mut Context<'_>) -> Result<(), Error> {
    match format {
        Format::Human => report::write_plan(&mut context.out, plan)?,
        Format::Json => writeln!(context.out, "{}", serde_json::to_string_pretty(plan)?)?,
    }
    Ok(())
}
