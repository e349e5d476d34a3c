//! `mlc-package convert`: a checkpoint -> a model directory, swapped in whole.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::JobError;
use super::cached::CachedEntry;
use super::checkpoint::Checkpoint;
use super::conversion::Job;
use crate::convert::ConvertedStore;
use crate::convert::chat::ChatSummary;
use crate::convert::derive::{AUTO, derive};
use crate::convert::engine::{Choice, Engine, MlcArguments, Why};
use crate::convert::weights::{self, Summary, WeightsError};
use crate::fetch::package::HubRequest;
use crate::io::cancel::Cancel;
use crate::io::environment::Environment;
use crate::io::swap::{KnownBy, Staging};
use crate::io::{dir, files, link};
use crate::model::{
    ChatConfig, CompilerChoice, Device, DownloadPolicy, HubRepo, MetalChoice, Overrides,
};
use crate::toolchain::{Toolchain, ToolchainRequest, identify};
use crate::ui::Ui;

/// How long MLC LLM's own conversion may take.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// What is to be converted, and where to.
#[derive(Debug)]
pub struct ConvertRequest {
    /// The checkpoint.
    pub checkpoint: Source,
    /// The same, as the user names it.
    pub model: String,
    /// How the weights are stored.
    pub quantization: String,
    /// The conversation template, or [`AUTO`]; without it, only weights are converted.
    pub conv_template: Option<String>,
    /// What of `mlc-chat-config.json` is not to be as the checkpoint has it.
    pub overrides: Overrides,
    /// Who converts.
    pub engine: Engine,
    /// What only MLC LLM can be told. Places are absolute, and there.
    pub arguments: MlcArguments,
    /// Which compiler is meant.
    pub compiler: CompilerChoice,
    /// The model directory to be made.
    pub output: Utf8PathBuf,
    /// Whether weights that are not finite are converted.
    pub allow_nonfinite: bool,
    /// How many threads convert.
    pub threads: NonZeroUsize,
    /// Our caches.
    pub cache_dir: Utf8PathBuf,
    /// Whether the Hub must not be asked.
    pub offline: bool,
    /// The variables and the working directory of this process.
    pub environment: Environment,
}

/// Where a checkpoint is.
#[derive(Debug)]
pub enum Source {
    /// In a directory.
    Directory(Utf8PathBuf),
    /// On the Hub.
    Hub(HubRepo),
}

/// A conversion that is done.
#[derive(Debug, Serialize)]
pub struct Converted {
    /// The version of this format.
    pub schema: u32,
    /// The model directory.
    pub output: Utf8PathBuf,
    /// Who converted, and why.
    pub engine: String,
    /// Whether the cache had it. What this program converts is not kept.
    pub cached: bool,
    /// The weights; none if MLC LLM converted them.
    pub weights: Option<Summary>,
    /// The config; none without a conversation template.
    pub chat: Option<ChatSummary>,
    /// How long it took, but for the download.
    pub seconds: f64,
}

/// Converts a checkpoint. A model directory that was there before is replaced as a whole, but for
/// files that are no part of a model.
pub fn convert(request: &ConvertRequest, ui: &Ui, cancel: &Cancel) -> Result<Converted, JobError> {
    let arguments = &request.arguments;
    let checkpoint = match &request.checkpoint {
        Source::Directory(dir) => Checkpoint::directory(dir.clone(), None),
        Source::Hub(repo) => {
            let hub = HubRequest {
                environment: &request.environment,
                cache_dir: &request.cache_dir,
                package_config: None,
                locked: false,
                offline: request.offline,
                policy: DownloadPolicy::On,
            };
            let hub = Arc::new(hub.open(ui, cancel)?);
            Checkpoint::on_hub(&hub, repo, arguments.source.is_none(), None)?
        }
    };
    let configs = checkpoint.dir(false, ui)?;
    for source in [Some(&configs), arguments.source.as_ref(), arguments.lora_adapter.as_ref()] {
        source.map_or(Ok(()), |source| refuse_in_place(source, &request.output))?;
    }
    let store = ConvertedStore::new(&request.cache_dir);
    let overrides = Overrides { opt: None, ..request.overrides.clone() };
    let job = Job {
        checkpoint: &checkpoint,
        model: &request.model,
        name: request.output.file_name().unwrap_or(request.output.as_str()),
        quantization: &request.quantization,
        conv_template: None,
        to: &request.quantization,
        overrides: &overrides,
        arguments,
        store: &store,
        environment: &request.environment,
        offline: request.offline,
        ui,
        cancel,
    };
    let choice = job.choose(request.engine)?;
    let template = template(request, &checkpoint, &configs, ui)?;
    let to = match template {
        Some(template) => format!("{}, template {template}", request.quantization),
        None => request.quantization.clone(),
    };
    let job = Job { conv_template: template, to: &to, ..job };
    let mut previous: Vec<_> = weights::earlier(&request.output)?;
    if template.is_some() {
        previous.push(ChatConfig::FILE_NAME.into());
    }
    let staging = || Staging::beside(&request.output).map_err(WeightsError::Output);
    let (staging, done) = match &choice {
        Choice::Native { .. } => {
            ui.detail("Engine", &choice.to_string());
            let checkpoint = checkpoint.dir(true, ui)?;
            let staging = staging()?;
            // As fast as a copy out of the cache would be.
            let (threads, nonfinite) = (request.threads, request.allow_nonfinite);
            let began = Instant::now();
            let (weights, chat) = job.natively(&checkpoint, staging.path(), threads, nonfinite)?;
            let seconds = began.elapsed().as_secs_f64();
            (staging, Done { weights: Some(weights), chat, seconds, cached: false })
        }
        Choice::Mlc { why } => {
            let had = convert_by_mlc(request, job, why)?;
            let began = Instant::now();
            let staging = staging()?;
            let chat = placed(template, &had, staging.path())?;
            let seconds = had.seconds.unwrap_or_default() + began.elapsed().as_secs_f64();
            (staging, Done { weights: None, chat, seconds, cached: had.seconds.is_none() })
        }
    };
    for warning in done.chat.iter().flat_map(|chat| &chat.warnings) {
        ui.warn(warning);
    }
    let previous = previous.into_iter().map(|path| (path, KnownBy::Name)).collect();
    staging.publish(|_| previous).map_err(WeightsError::Output)?;
    let Done { weights, chat, seconds, cached } = done;
    let seconds = (seconds * 1e3).round() / 1e3;
    let (output, engine) = (request.output.clone(), choice.to_string());
    Ok(Converted { schema: 1, output, engine, cached, weights, chat, seconds })
}

/// What was converted, by whomever.
struct Done {
    weights: Option<Summary>,
    chat: Option<ChatSummary>,
    seconds: f64,
    cached: bool,
}

/// Has MLC LLM convert into the cache.
fn convert_by_mlc(
    request: &ConvertRequest,
    job: Job<'_>,
    why: &Why,
) -> Result<CachedEntry, JobError> {
    let toolchain = identify(&ToolchainRequest {
        compiler: &request.compiler,
        environment: &request.environment,
        cache_dir: &request.cache_dir,
        // What the tools of a target are does not matter here.
        target: &Device::Android.into(),
        metal: MetalChoice::default(),
        host: None,
        limit: Toolchain::DEFAULT_LIMIT,
        ui: job.ui,
        cancel: job.cancel,
    })
    .map_err(|error| job.no_mlc(error, why))?;
    job.mlc_setup(toolchain, why.to_string())?.model(job, LIMIT)
}

/// Puts a model of the cache where it is asked for, as files of its own.
fn placed(
    template: Option<&str>,
    had: &CachedEntry,
    output: &Utf8Path,
) -> Result<Option<ChatSummary>, JobError> {
    for name in dir::names(&had.dir)? {
        link::copy_of(&had.dir.join(&name), &output.join(&name)).map_err(WeightsError::Output)?;
    }
    Ok(template.map(|template| ChatSummary::of(output, template)).transpose()?)
}

/// The conversation template's name, derived where that is asked for.
fn template<'a>(
    request: &'a ConvertRequest,
    checkpoint: &Checkpoint,
    configs: &Utf8Path,
    ui: &Ui,
) -> Result<Option<&'a str>, JobError> {
    let asked = request.conv_template.as_deref();
    if asked != Some(AUTO) {
        return Ok(asked);
    }
    let found = derive(configs, checkpoint.repo_name())?;
    ui.status("Template", &format!("{found}, from the checkpoint"));
    Ok(Some(found.as_str()))
}

/// The output replaces a directory: not the checkpoint, nothing in it, and nothing that holds it.
fn refuse_in_place(checkpoint: &Utf8Path, output: &Utf8Path) -> Result<(), WeightsError> {
    let source = files::canonical(checkpoint).map_err(WeightsError::Read)?;
    let mut target = output.to_owned();
    let mut missing = Vec::new();
    // What is not there yet lies where the last directory above it is.
    while !files::is_dir(&target) && target != files::parent(&target) {
        missing.extend(target.file_name().map(str::to_owned));
        target = files::parent(&target).to_owned();
    }
    let mut target = files::canonical(&target).map_err(WeightsError::Output)?;
    target.extend(missing.iter().rev());
    if target.starts_with(&source) || source.starts_with(&target) {
        let (output, source_dir) = (output.to_owned(), checkpoint.to_owned());
        return Err(WeightsError::InPlace { output, source_dir });
    }
    Ok(())
}
