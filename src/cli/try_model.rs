use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;
use serde::Serialize;

use super::build::{DEFAULT_TIMEOUT, at_least_one};
use super::compiler::CompilerArgs;
use super::package::{choice, default_cache_dir};
use super::{Context, Format};
use crate::answer::{self, Question, TrialError};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::environment::Environment;
use crate::model::{
    DownloadPolicy, Expectation, JitPolicy, OptFlags, TryDevice, visible, without_command,
};
use crate::pipeline::{self, Shown, Trial, Tried, TryRequest};

/// A line of an answer longer than this, in characters, is cut.
const LONGEST: usize = 10_000;

/// `mlc-package try`.
#[derive(Debug, Args)]
pub(super) struct TryArgs {
    /// A model directory, a model on the Hub (HF://user/repo), or a dist/, whose bundled models
    /// are all tried
    model: Utf8PathBuf,
    #[command(flatten)]
    question: QuestionArgs,
    /// Where it runs: cpu, metal, vulkan or cuda
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: TryDevice,
    /// Stop a model that takes longer than this to load and answer [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = at_least_one::<NonZeroU64>)]
    seconds: Option<NonZeroU64>,
    /// Do not contact the Hugging Face Hub; use cached files only
    #[arg(long)]
    offline: bool,
    /// Optimization flags: O0 to O3, or name=value;…
    #[arg(long, value_name = "FLAGS", default_value = "O2")]
    opt: OptFlags,
    /// Where compiled libraries are kept [default: ~/.cache/mlc-package]
    #[arg(long, value_name = "DIR", env = "MLC_PACKAGE_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<Utf8PathBuf>,
    #[command(flatten)]
    compiler: CompilerArgs,
    /// End a compilation that takes longer
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MLC_PACKAGE_COMPILE_TIMEOUT",
        hide_env_values = true,
        default_value_t = DEFAULT_TIMEOUT,
        value_parser = at_least_one::<NonZeroU64>
    )]
    compile_timeout: NonZeroU64,
    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

/// The prompt, and what is required of the answer.
#[derive(Debug, Args)]
struct QuestionArgs {
    /// The prompt
    #[arg(long, value_name = "TEXT", default_value = answer::PROMPT, value_parser = no_blank)]
    prompt: String,
    /// Maximum number of tokens in the answer
    #[arg(long, value_name = "N", default_value_t = answer::TOKENS, value_parser = at_least_one_token,
        allow_negative_numbers = true)]
    tokens: u32,
    /// A text that must be in the answer, or /a regular expression/; may be given more than once
    #[arg(long, value_name = "TEXT")]
    expect: Vec<Expectation>,
    /// Fail if the answer does not end by itself within --tokens
    #[arg(long)]
    must_stop: bool,
    /// Maximum perplexity of the built-in text [default: 1000, or the size of the vocabulary
    /// if that is less]
    #[arg(long, value_name = "N", value_parser = perplexity, allow_negative_numbers = true)]
    max_perplexity: Option<f64>,
}

fn at_least_one_token(text: &str) -> Result<u32, &'static str> {
    match text.parse::<NonZeroU64>() {
        Ok(number) => {
            u32::try_from(number.get()).map_err(|_| "expected a number, at most 4294967295")
        }
        Err(_) => at_least_one::<NonZeroU32>(text).map(NonZeroU32::get),
    }
}

fn no_blank(text: &str) -> Result<String, &'static str> {
    let is_blank = text.trim().is_empty();
    if is_blank { Err("expected a text that is not blank") } else { Ok(text.to_owned()) }
}

fn perplexity(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 1.0);
    number.ok_or("expected a number, at least 1")
}

/// Every model that was tried.
#[derive(Serialize)]
struct Report<'a> {
    /// The version of this format.
    schema: u32,
    models: &'a [Tried],
}

pub(super) fn run(args: TryArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (model, format) = (args.model.clone(), args.format);
    let request = args.request()?;
    let Context { ui, out, cancel, .. } = context;
    let mut show = |shown: &Shown<'_>| match (format, shown) {
        (Format::Human, Shown::Text(text)) => {
            // A line at a time is judged for what steers a terminal or a runner.
            for (index, line) in text.split('\n').enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                write!(out, "{}", without_command(&visible(line, LONGEST)))?;
            }
            out.flush()
        }
        (Format::Human, Shown::End) => {
            writeln!(out)?;
            out.flush()
        }
        _ => Ok(()),
    };
    let tried = pipeline::answer(&request, &model, ui, cancel, &mut show)?;
    match format {
        Format::Human => {
            for tried in &tried {
                let (name, answer) = (&tried.model, &tried.answer);
                writeln!(out, "{name}: {}", answer.summary())?;
            }
        }
        Format::Json => {
            let report = Report { schema: 1, models: &tried };
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        }
    }
    let bad = tried.into_iter().filter(|tried| !tried.verdict.is_good());
    let bad: Vec<_> = bad.map(|tried| (tried.model, tried.verdict)).collect();
    if bad.is_empty() { Ok(Exit::Ok) } else { Err(TrialError::NotPassed(bad).into()) }
}

impl TryArgs {
    fn request(self) -> Result<TryRequest, Error> {
        let environment = Environment::current()?;
        let QuestionArgs { prompt, tokens, expect, must_stop, max_perplexity } = self.question;
        Ok(TryRequest {
            trial: Trial {
                question: Question { prompt, tokens, max_perplexity, expect, must_stop },
                device: self.device,
                limit: self.seconds.map(|seconds| Duration::from_secs(seconds.get())),
            },
            opt: self.opt,
            cache_dir: match &self.cache_dir {
                Some(dir) => environment.directory.join(dir),
                None => default_cache_dir(&environment)?,
            },
            compiler: self.compiler.choice(None),
            policy: choice(&environment, "MLC_JIT_POLICY", JitPolicy::default())?,
            compile_limit: Duration::from_secs(self.compile_timeout.get()),
            offline: self.offline,
            download_policy: choice(&environment, "MLC_DOWNLOAD_CACHE_POLICY", DownloadPolicy::On)?,
            environment,
        })
    }
}
