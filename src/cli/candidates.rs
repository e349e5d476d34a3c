//! What a shell offers while a command line is typed: a program that completes asks this one, which
//! knows the words of each option and reads the names of models and packages from the files beside it.

use camino::Utf8Path;
use clap::builder::ValueHint;
use clap::{Arg, Command, CommandFactory as _};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::{Cli, explain};
use crate::config;
use crate::config::project::{self, FILE_NAME};
use crate::convert;
use crate::error::Error;
use crate::io::files;
use crate::model::{
    CheckKernels, Device, EngineChoice, LinkerChoice, MetalChoice, PackageName, Project, Scheme,
    Target, TryDevice,
};

/// What a shell sets when it wants candidates.
const VARIABLE: &str = "MLC_PACKAGE_COMPLETE";

/// Answers a shell that asks for candidates. False if none did.
pub(super) fn answer() -> Result<bool, clap::Error> {
    let here = std::env::current_dir().ok();
    let offers = CompleteEnv::with_factory(|| offering(Cli::command())).var(VARIABLE);
    offers.try_complete(std::env::args_os(), here.as_deref())
}

/// The script that has a shell ask.
pub(super) fn script(shell: &str) -> Result<Vec<u8>, Error> {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(shell) {
        let name = "mlc-package";
        shell.write_registration(VARIABLE, name, name, name, &mut script)?;
    }
    Ok(script)
}

/// The command line with what may stand for each value.
fn offering(command: Command) -> Command {
    let verb = command.get_name().to_owned();
    command.mut_args(|argument| offer(&verb, argument)).mut_subcommands(offering)
}

fn offer(verb: &str, argument: Arg) -> Arg {
    let words = |words: &[&'static str]| {
        let words = words.to_vec();
        ArgValueCandidates::new(move || words.iter().map(CompletionCandidate::new).collect())
    };
    // As the types list them for their errors.
    let listed = |words: &'static str| {
        ArgValueCandidates::new(move || words.split(", ").map(CompletionCandidate::new).collect())
    };
    let name = argument.get_long().unwrap_or(argument.get_id().as_str()).to_owned();
    match (verb, &*name) {
        ("try", "device") => argument.add(words(&TryDevice::ALL.map(TryDevice::as_str))),
        ("compile", "device") => argument.add(words(&Target::KNOWN)),
        ("doctor" | "init", "device") => argument.add(words(&Device::ALL.map(Device::as_str))),
        ("convert", "quantization") => argument.add(words(&Scheme::NAMES)),
        ("convert", "conv-template") => argument.add(ArgValueCandidates::new(|| {
            std::iter::once("auto").chain(convert::template_names()).map(Into::into).collect()
        })),
        ("explain", "codes") => argument.add(words(&explain::codes())),
        (_, "metal") => argument.add(listed(MetalChoice::WORDS)),
        (_, "check-kernels") => argument.add(listed(CheckKernels::WORDS)),
        (_, "linker") => argument.add(listed(LinkerChoice::WORDS)),
        (_, "container-engine") => argument.add(listed(EngineChoice::WORDS)),
        (_, "opt") => argument.add(words(&["O0", "O1", "O2", "O3"])),
        (_, "only") => argument.add(ArgValueCandidates::new(models)),
        (_, "package") => argument.add(ArgValueCandidates::new(packages)),
        _ => {
            let hint = hint(&argument);
            argument.value_hint(hint)
        }
    }
}

/// Of what kind of file the value is, by what the help calls it.
fn hint(argument: &Arg) -> ValueHint {
    let value = argument.get_value_names().and_then(<[_]>::first).map(|name| name.as_str());
    match value {
        Some("DIR") => ValueHint::DirPath,
        Some("PYTHON") => ValueHint::ExecutablePath,
        Some("FILE" | "PATH" | "[NAME=]FILE" | "[NAME=]FILE|URL") => ValueHint::AnyPath,
        // What has no option before it is a file or a directory.
        _ if argument.is_positional() => ValueHint::AnyPath,
        _ => ValueHint::Unknown,
    }
}

fn project_here() -> Option<Project> {
    let path = Utf8Path::new(FILE_NAME);
    files::is_file(path).then(|| project::check_file(path).into_project().ok())?
}

fn packages() -> Vec<CompletionCandidate> {
    let packages = project_here().map(|project| project.packages).unwrap_or_default();
    packages.iter().map(|package| package.name.as_str().into()).collect()
}

/// The models of the configs that a verb here would read. What is wrong with them the verb says.
fn models() -> Vec<CompletionCandidate> {
    let packages = project_here().map(|project| project.packages).unwrap_or_default();
    let mut configs: Vec<_> =
        packages.into_iter().map(|package| (Some(package.name), package.config)).collect();
    if configs.is_empty() {
        configs.push((None, config::FILE_NAME.into()));
    }
    let several = configs.len() > 1;
    let mut found = Vec::new();
    for (package, path) in configs {
        let Ok(config) = config::check_file(&path).into_package() else { continue };
        for model in config.models {
            let package = package.as_ref().map(PackageName::as_str);
            let help = package.filter(|_| several).map(|name| format!("of {name}").into());
            found.push(CompletionCandidate::new(model.model_id.as_str()).help(help));
        }
    }
    found
}
