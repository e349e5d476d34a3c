use clap::{Args, CommandFactory as _};

use super::{Cli, Context};
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
    let mut command = Cli::command();
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Elvish => clap_complete::Shell::Elvish,
        Shell::Pwsh => clap_complete::Shell::PowerShell,
        Shell::Man => {
            clap_mangen::Man::new(command).render(&mut context.out)?;
            return Ok(Exit::Ok);
        }
    };
    // It panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "mlc-package", &mut script);
    context.out.write_all(&script)?;
    Ok(Exit::Ok)
}
