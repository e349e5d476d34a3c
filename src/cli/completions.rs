use clap::{Args, CommandFactory as _};

use super::{Cli, Context, candidates};
use crate::error::Error;
use crate::exit::Exit;

/// `mlc-package completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell; or `man` for a manual page
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    #[value(name = "powershell")]
    Pwsh,
    /// A manual page in roff
    Man,
}

pub(super) fn run(args: &CompletionsArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let shell = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Elvish => "elvish",
        Shell::Pwsh => "powershell",
        Shell::Man => {
            clap_mangen::Man::new(Cli::command()).render(&mut context.out)?;
            return Ok(Exit::Ok);
        }
    };
    context.out.write_all(&candidates::script(shell)?)?;
    Ok(Exit::Ok)
}
