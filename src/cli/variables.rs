use clap::Command;
use clap::builder::Resettable;

/// The command line without the variables that are set to nothing: a workflow's `env:` gives that
/// to what it leaves open, and no argument means anything by it.
pub(super) fn without_empty(command: Command) -> Command {
    command
        .mut_args(|argument| {
            let value = argument.get_env().and_then(std::env::var_os);
            if value.is_some_and(|value| value.is_empty()) {
                argument.env(Resettable::Reset)
            } else {
                argument
            }
        })
        .mut_subcommands(without_empty)
}
