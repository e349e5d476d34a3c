use clap::Args;

use super::Context;
use super::package::ModelsArgs;
use super::project::{self, Task};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::{visible, without_command};
use crate::pipeline::{self, Update};

/// `mlc-package lock`.
#[derive(Debug, Args)]
pub(super) struct LockArgs {
    #[command(flatten)]
    models: ModelsArgs,
    /// Update the pin of MODEL (its model_id, or user/repo), or every pin, to the current commit
    #[arg(long, value_name = "MODEL", num_args = 0..=1, default_missing_value = "", conflicts_with = "locked")]
    update: Option<String>,
}

pub(super) fn run(args: LockArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let tasks = args.models.tasks(&context.ui)?;
    let update = match args.update.as_deref() {
        None => Update::Missing,
        Some("") => Update::All,
        Some(model) => Update::One(model.to_owned()),
    };
    project::each(tasks, context, |task, _, context| one(&task, &update, context))?;
    Ok(Exit::Ok)
}

fn one(task: &Task, update: &Update, context: &mut Context<'_>) -> Result<(), Error> {
    let (request, others) = (&task.request, &task.others);
    let locked = pipeline::lock(request, others, update, &context.ui, &context.cancel)?;
    for (model_id, old, new) in &locked.models {
        let line = match old {
            Some(old) if old == new => format!("{model_id}  {new}"),
            Some(old) => format!("{model_id}  {old} -> {new}"),
            None => format!("{model_id}  {new} (new)"),
        };
        // A config's names may be a stranger's.
        writeln!(context.out, "{}", without_command(&visible(&line, usize::MAX)))?;
    }
    for name in &locked.dropped {
        writeln!(context.out, "{name}  dropped: the config does not have it")?;
    }
    if locked.models.is_empty() {
        writeln!(context.out, "no models of the Hub in {}", request.package_config)?;
    }
    let is_new = |(_, old, new): &(_, Option<_>, _)| old.as_ref() != Some(new);
    if locked.models.iter().any(is_new) || !locked.dropped.is_empty() {
        context.ui.status("Locked", locked.path.as_str());
    } else if !locked.models.is_empty() {
        context.ui.status("Up to date", locked.path.as_str());
    }
    Ok(())
}
