//! The command line: arguments -> a request -> the result, printed. One file a verb.

mod artifact;
mod build;
mod cache;
mod candidates;
mod check;
mod compile;
mod compiler;
mod completions;
mod convert;
mod doctor;
mod explain;
mod failure;
mod feedback;
mod init;
mod inspect;
mod kernels;
mod kit;
mod libraries;
mod lock;
mod metal;
mod next;
mod occupied;
mod only;
mod outputs;
mod package;
mod plan;
mod project;
mod publish;
mod report;
mod schema;
mod signals;
mod sources;
mod stdout;
mod suggest;
mod try_model;
mod unpack;
mod upstream;
mod variables;

use std::io::Write;

use camino::Utf8PathBuf;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use self::stdout::Stdout;
use crate::error::Error;
use crate::exit::Exit;
use crate::io::process::Cancel;
use crate::ui::{Ui, Verbosity, heartbeat};

/// Build the dist/ that an iOS or Android app needs to run LLMs on the phone with MLC LLM.
#[derive(Debug, Parser)]
#[command(name = "mlc-package", version, max_term_width = 100, subcommand_required = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
struct Global {
    /// Show details and the compiler's logs; twice (-vv), also every request and program
    #[arg(short, long, action = clap::ArgAction::Count, global = true, conflicts_with = "quiet",
        help_heading = "Messages")]
    verbose: u8,
    /// Show only errors and the result
    #[arg(short, long, global = true, help_heading = "Messages")]
    quiet: bool,
    /// Copy the logs of what fails into this directory
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "MLC_PACKAGE_LOG_DIR",
        hide_env_values = true,
        help_heading = "Messages"
    )]
    log_dir: Option<Utf8PathBuf>,
    /// Colour results and messages
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Messages"
    )]
    color: Color,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Human,
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the files that a first package needs: its config, mlc-package.yml, a workflow
    ///
    /// Models and the device are asked for, unless they are given. No file that exists is changed.
    Init(init::InitArgs),
    /// Build the package: the model library, the bundled models, the app's config
    #[command(visible_alias = "package")]
    Build(build::BuildArgs),
    /// Compile one model's library, for any device that MLC LLM knows
    Compile(compile::CompileArgs),
    /// Convert a Hugging Face checkpoint to an MLC model
    Convert(convert::ConvertArgs),
    /// Check package configs: every problem at once
    Check(check::CheckArgs),
    /// Show what build would do, and why
    Plan(plan::PlanArgs),
    /// Pin every model from the Hub to a commit and digests, in mlc-package.lock
    Lock(lock::LockArgs),
    /// Check whether this machine can build for a device, and what is missing
    Doctor(doctor::DoctorArgs),
    /// Show what is inside a model library, a model directory or a package
    Inspect(inspect::InspectArgs),
    /// Run a prompt through a model on this machine: does it answer?
    ///
    /// The library is compiled for this machine, or taken from the cache. The exit code is 21
    /// if the model does not answer as required.
    Try(try_model::TryArgs),
    /// Report sizes, and how they differ from a baseline
    Report(report::ReportArgs),
    /// Publish packages and files as a release on GitHub
    ///
    /// The release is a draft until everything is up. A run that fails leaves the draft, and the
    /// next one sends what is missing. Needs GITHUB_TOKEN or GH_TOKEN with `contents: write`.
    Publish(publish::PublishArgs),
    /// Unpack a release into dist/
    ///
    /// Every byte is verified before dist/ changes. A release of a private repository needs
    /// GH_TOKEN or GITHUB_TOKEN.
    Unpack(unpack::UnpackArgs),
    /// List, verify and prune the caches of libraries and weights
    Cache(cache::CacheArgs),
    /// Build, export and import kits, which the platform binding is linked from
    Kit(kit::KitArgs),
    /// Explain the code of a problem, or an exit code
    Explain(explain::ExplainArgs),
    /// Print the JSON schema of package configs, or of mlc-package.yml, for editors
    Schema(schema::SchemaArgs),
    /// Print the completions for a shell
    Completions(completions::CompletionsArgs),
}

impl Verb {
    /// Whether it looks for the wish to stop. Those that do not, and make nothing that would be
    /// left behind, are ended by the signal itself.
    fn stops_when_asked(&self) -> bool {
        match self {
            Self::Inspect(args) => args.starts_programs(),
            verb => !matches!(
                verb,
                Self::Init(_)
                    | Self::Check(_)
                    | Self::Explain(_)
                    | Self::Schema(_)
                    | Self::Completions(_)
            ),
        }
    }
}

/// What a verb gets beside its own arguments.
pub struct Context<'a> {
    /// For people.
    pub ui: Ui,
    /// Standard output, for data.
    pub out: &'a mut dyn Write,
    /// The columns of the terminal that standard output is; none where it is none.
    pub width: Option<usize>,
    /// Set by Ctrl-C and SIGTERM.
    pub cancel: Cancel,
}

/// Runs the command line of this process and gives its exit code.
pub fn main() -> Exit {
    match candidates::answer() {
        Ok(false) => {}
        Ok(true) => return Exit::Ok,
        Err(error) => {
            // A shell shows nothing of it.
            let _ = error.print();
            return Exit::Usage;
        }
    }
    Color::of_environment();
    let asked = Color::of_arguments();
    let command = variables::without_empty(Cli::command()).color(asked.of_clap());
    let parsed = command.try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(mut error) => {
            let arguments: Vec<_> = std::env::args_os().skip(1).collect();
            let arguments: Vec<_> =
                arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            if let Some(answer) = upstream::answer(&error, &arguments) {
                let ui = Ui::new(Verbosity::Quiet, in_github());
                ui.error(&answer, None);
                if ui.in_github() {
                    ui.annotate(&answer);
                }
                return Exit::Usage;
            }
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            upstream::say_usage(&mut error, &arguments);
            // Help that nobody can read any more needs no complaint.
            let _ = error.print();
            if exit == Exit::Usage {
                annotate_usage(&error);
            }
            return exit;
        }
    };
    cli.global.color.apply();
    let verbosity = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, 0) => Verbosity::Normal,
        (_, _) => Verbosity::Verbose,
    };
    let log_dir = cli.global.log_dir;
    let mut out = std::io::BufWriter::new(Stdout(anstream::stdout().lock()));
    let cancel = Cancel::default();
    signals::survive_limits();
    if cli.verb.stops_when_asked() {
        signals::handle(&cancel);
    }
    let ui = Ui::new(verbosity, in_github());
    let ui = if in_ci() { ui.still() } else { ui };
    let beat = std::env::var("MLC_PACKAGE_HEARTBEAT").ok();
    let ui = ui.beating(heartbeat::every(beat.as_deref()));
    if cli.global.verbose > 1 {
        let ui = ui.clone();
        crate::io::trace::listen(move |verb, what| ui.detail(verb, what));
    }
    let mut context = Context { ui, out: &mut out, width: width(), cancel };
    let result = run(cli.verb, &mut context);
    let result = result.and_then(|exit| context.out.flush().map(|()| exit).map_err(Error::from));
    if let Some(path) = crate::io::lock::unlockable() {
        context.ui.warn(&format!(
            "`{path}` cannot be locked, since its file system has no locks: let no two runs use \
             it at the same time"
        ));
    }
    match result {
        Ok(exit) => exit,
        // `mlc-package plan | head` is no failure.
        Err(error) if error.is_broken_pipe() => Exit::Ok,
        Err(error) => {
            failure::tell(&error, &context.ui, log_dir.as_deref());
            error.exit()
        }
    }
}

/// No table can be read below this.
const LEAST_WIDTH: u16 = 40;

fn width() -> Option<usize> {
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size_of(std::io::stdout())?;
    // Some pseudo terminals have none, and say nothing about who reads.
    (columns > 0).then_some(usize::from(columns.max(LEAST_WIDTH)))
}

/// Whether this is a job of GitHub Actions.
fn in_github() -> bool {
    crate::github::is_job(std::env::var("GITHUB_ACTIONS").ok().as_deref())
}

/// Whether this is a job of any such service: all of them set `CI`.
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(&*value, "" | "0" | "false"))
}

/// Says on a job's page that the command line is wrong: the first line of what clap says.
fn annotate_usage(error: &clap::Error) {
    if in_github() {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        let message = line.strip_prefix("error: ").unwrap_or(line);
        Ui::new(Verbosity::Quiet, true).annotate(message);
    }
}

fn run(verb: Verb, context: &mut Context<'_>) -> Result<Exit, Error> {
    match verb {
        Verb::Init(args) => init::run(&args, context),
        Verb::Build(args) => build::run(args, context),
        Verb::Compile(args) => compile::run(args, context),
        Verb::Plan(args) => plan::run(args, context),
        Verb::Lock(args) => lock::run(args, context),
        Verb::Doctor(args) => doctor::run(args, context),
        Verb::Inspect(args) => inspect::run(&args, context),
        Verb::Try(args) => try_model::run(args, context),
        Verb::Report(args) => report::run(args, context),
        Verb::Convert(args) => convert::run(args, context),
        Verb::Check(args) => check::run(&args, context),
        Verb::Publish(args) => publish::run(args, context),
        Verb::Unpack(args) => unpack::run(&args, context),
        Verb::Cache(args) => cache::run(&args, context),
        Verb::Kit(args) => kit::run(args, context),
        Verb::Explain(args) => explain::run(&args, context),
        Verb::Schema(args) => schema::run(&args, context),
        Verb::Completions(args) => completions::run(&args, context),
    }
}

impl Color {
    /// anstream looks at the terminal, NO_COLOR, CLICOLOR and CLICOLOR_FORCE itself, but not at
    /// FORCE_COLOR, which many services and other programs set.
    fn of_environment() {
        let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let forced = said("FORCE_COLOR").is_some_and(|value| value != "0" && value != "false");
        if forced && said("NO_COLOR").is_none() {
            anstream::ColorChoice::Always.write_global();
        }
    }

    /// What the arguments ask for, before they are known to be right: help and errors about them are
    /// coloured by it.
    fn of_arguments() -> Self {
        // A name of a file need not be text.
        let arguments = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        let arguments: Vec<_> = arguments.take_while(|word| word != "--").collect();
        let mut values =
            arguments.iter().zip(arguments.iter().skip(1)).filter_map(|(word, next)| {
                word.strip_prefix("--color=").or((word == "--color").then_some(next.as_str()))
            });
        let last = arguments.last().and_then(|word| word.strip_prefix("--color="));
        let asked = last.or_else(|| values.next_back());
        asked.and_then(|name| Self::from_str(name, false).ok()).unwrap_or(Self::Auto)
    }

    fn of_clap(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }

    fn apply(self) {
        match self {
            Self::Auto => {}
            Self::Always => anstream::ColorChoice::Always.write_global(),
            Self::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        super::Cli::command().debug_assert();
    }
}
