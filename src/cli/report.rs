use std::time::{Duration, SystemTime, UNIX_EPOCH};

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::Context;
use super::check::repository;
use super::feedback::{self, FeedbackArgs};
use crate::config::Checked;
use crate::config::render::{self, Annotation, Repository, annotations};
use crate::error::Error;
use crate::exit::Exit;
use crate::github;
use crate::io::environment::Environment;
use crate::io::{atomic, files};
use crate::model::{ByteSize, Level, PackageName};
use crate::pipeline::{self, BaselineSource, NamedPath, ReportRequest};
use crate::report::{self, OverLimit, SizeReport};

/// `mlc-package report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// A manifest or a dist/, as NAME=FILE of a package by its name; may be given more than once
    /// [default: those of mlc-package.yml, else dist]
    #[arg(long, value_name = "[NAME=]FILE", value_parser = named_path)]
    manifest: Vec<NamedPath>,
    /// The manifest of what to compare with, in the same way; an address; or `latest-release`, the
    /// manifests of GITHUB_REPOSITORY's
    #[arg(long, value_name = "[NAME=]FILE|URL", value_parser = baseline)]
    baseline: Vec<BaselineSource>,
    /// The project, with its packages and budgets [default: mlc-package.yml if it is there]
    #[arg(long, value_name = "FILE")]
    project: Option<Utf8PathBuf>,
    /// The config of the only package, for annotations
    #[arg(long, value_name = "FILE")]
    package_config: Option<Utf8PathBuf>,
    /// The commit of the baseline
    #[arg(long, value_name = "COMMIT")]
    base: Option<String>,
    /// The commit that is reported on
    #[arg(long, value_name = "COMMIT", env = "GITHUB_SHA", hide_env_values = true)]
    head: Option<String>,
    /// A label of the pull request; may be given more than once
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    #[command(flatten)]
    feedback: FeedbackArgs,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: ReportFormat,
    /// Write it to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For a terminal
    Human,
    /// For a comment or the summary of a job
    Markdown,
    /// For programs
    Json,
    /// One page with charts, which needs no network
    Html,
    /// What is over budget, as workflow commands at the models' lines
    Github,
}

pub(super) fn run(args: ReportArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let format = args.format;
    let request = ReportRequest {
        manifests: args.manifest,
        baselines: args.baseline,
        project: args.project,
        package_config: args.package_config,
        base: args.base,
        head: args.head.filter(|commit| !commit.is_empty()),
        labels: [args.label, feedback::labels()?].concat(),
    };
    let environment = Environment::current()?;
    let variable = |name: &str| environment.text(name).map(str::to_owned);
    let report = pipeline::report(&request, &variable, &context.ui, &context.cancel)?;
    let (configs, elsewhere) = pipeline::over_budget(&report);
    let over = Over::new(configs, elsewhere)?;
    // What a check run shows at its lines is no command too: it would be there twice.
    let is_shown = match format {
        ReportFormat::Github => args.feedback.say(&report, over.notes(), context)?,
        _ => false,
    };
    let width = context.width.filter(|_| args.output.is_none());
    let text = render(&report, format, &over, is_shown, width)?;
    // A file shows no colours.
    let text = match format {
        ReportFormat::Human if args.output.is_some() => {
            anstream::adapter::strip_bytes(&text).into_vec()
        }
        _ => text,
    };
    match &args.output {
        Some(path) => {
            atomic::write_named(path, &text)?;
            let size = ByteSize(text.len() as u64);
            context.ui.status("Wrote", &format!("{path} ({size})"));
        }
        None => context.out.write_all(&text)?,
    }
    // In the other formats a person does not see it, or not in the log.
    let is_in_log = match format {
        ReportFormat::Human => true,
        ReportFormat::Github => !is_shown,
        ReportFormat::Markdown | ReportFormat::Json | ReportFormat::Html => false,
    };
    if args.output.is_some() || !is_in_log {
        for over in report.over_budget.iter().filter(|over| over.fails()) {
            let text = format!("{}: {}", report.whose(over), over.message);
            context.ui.error(&text, Some(&over.help));
        }
    }
    // The log begins with it, and waits for nobody.
    context.out.flush()?;
    if format != ReportFormat::Github {
        args.feedback.say(&report, over.notes(), context)?;
    }
    Ok(if report.fails() { Exit::OverBudget } else { Exit::Ok })
}

/// What is over its limits.
struct Over<'a> {
    /// The configs in the repository, at whose lines it is shown.
    configs: Vec<Checked>,
    /// Those elsewhere, which a check run cannot name.
    outside: Vec<Checked>,
    /// What has no line.
    elsewhere: Vec<&'a OverLimit>,
    repository: Repository,
}

impl<'a> Over<'a> {
    fn new(configs: Vec<Checked>, elsewhere: Vec<&'a OverLimit>) -> Result<Self, Error> {
        let repository = repository()?;
        let is_inside = |config: &Checked| {
            annotations(config, &repository).iter().all(|note| note.path.is_relative())
        };
        let (configs, outside) = configs.into_iter().partition(is_inside);
        Ok(Self { configs, outside, elsewhere, repository })
    }

    fn notes(&self) -> Vec<Annotation> {
        let of = |config| annotations(config, &self.repository);
        self.configs.iter().flat_map(of).collect()
    }
}

fn render(
    report: &SizeReport,
    format: ReportFormat,
    over: &Over<'_>,
    is_shown: bool,
    width: Option<usize>,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    match format {
        ReportFormat::Human => report::write_report(&mut out, report, width)?,
        ReportFormat::Markdown => {
            out.extend(report::markdown(report, report::COMMENT_CHARS).into_bytes());
        }
        ReportFormat::Json => {
            serde_json::to_writer_pretty(&mut out, report)?;
            out.push(b'\n');
        }
        ReportFormat::Html => out.extend(report::html(report, date())?.into_bytes()),
        ReportFormat::Github => annotate(over, is_shown, &mut out)?,
    }
    Ok(out)
}

/// Now, or the time that a reproducible build is given (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn date() -> SystemTime {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let given = given.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    // What a header of HTTP can say ends with the year 9999.
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    given.unwrap_or_else(SystemTime::now).min(last)
}

fn annotate(over: &Over<'_>, is_shown: bool, out: &mut Vec<u8>) -> Result<(), Error> {
    use std::io::Write as _;
    for config in over.configs.iter().filter(|_| !is_shown).chain(&over.outside) {
        render::github(config, &over.repository, out)?;
    }
    for over in &over.elsewhere {
        let command = if over.level() == Level::Fail { "error" } else { "warning" };
        let message = github::escape_data(&format!("{over}\nhelp: {}", over.help));
        writeln!(out, "::{command} title=over-budget::{message}")?;
    }
    Ok(())
}

fn baseline(text: &str) -> Result<BaselineSource, String> {
    if text == "latest-release" {
        return Ok(BaselineSource::LatestRelease);
    }
    let NamedPath { name, path } = named_path(text)?;
    Ok(match path.as_str().split_once("://") {
        Some(("http" | "https", _)) => BaselineSource::Url { name, url: path.into_string() },
        _ => BaselineSource::File(NamedPath { name, path }),
    })
}

/// `android=dist/` is the package `android`; a file of that whole name is meant itself.
fn named_path(text: &str) -> Result<NamedPath, String> {
    let whole = || NamedPath { name: None, path: text.into() };
    let Some((name, path)) = text.split_once('=') else { return Ok(whole()) };
    let is_there = files::is_file(text.into()) || files::is_dir(text.into());
    match name.parse::<PackageName>() {
        Ok(name) if !is_there && !path.is_empty() => {
            Ok(NamedPath { name: Some(name.to_string()), path: path.into() })
        }
        _ => Ok(whole()),
    }
}
