//! `mlc-package convert`: a checkpoint -> a model directory, swapped in whole.

use std::num::NonZeroUsize;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::converter::PRESHARD;
use super::verb_mlc::{by_mlc, placed};
use super::verb_place::{self, Place};
use crate::convert::chat::{self, ChatRequest, ChatSummary};
use crate::convert::derive::{AUTO, derive};
use crate::convert::engine::{Choice, Engine, MlcArguments, Wish, choose};
use crate::convert::weights::{self, Request, Summary, WeightsError};
use crate::error::Error;
use crate::fetch::HubCheckpoint;
use crate::io::cancel::Cancel;
use crate::io::environment::Environment;
use crate::io::files;
use crate::io::swap::Staging;
use crate::model::{ChatConfig, HubRepo, Overrides, UnknownQuantization};
use crate::ui::{Progress, Ui};

/// What is to be converted, and where to.
#[derive(Debug)]
pub struct ConvertRequest {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
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
    /// The Python that has MLC LLM, as the user names it.
    pub python: Option<String>,
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
pub enum Checkpoint {
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
pub fn convert(request: &ConvertRequest, ui: &Ui, cancel: &Cancel) -> Result<Converted, Error> {
    match &request.checkpoint {
        Checkpoint::Directory(dir) => {
            convert_from(&Place::Directory(dir.clone()), request, ui, cancel)
        }
        Checkpoint::Hub(repo) => {
            let hub = verb_place::hub(request, cancel)?;
            let found = HubCheckpoint::find(&hub, repo)?;
            convert_from(&Place::Hub { repo, found, ui }, request, ui, cancel)
        }
    }
}

fn convert_from(
    place: &Place<'_>,
    request: &ConvertRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Converted, Error> {
    let arguments = &request.arguments;
    let checkpoint = place.dir(false)?;
    for source in [Some(&checkpoint), arguments.source.as_ref(), arguments.lora_adapter.as_ref()] {
        source.map_or(Ok(()), |source| refuse_in_place(source, &request.output))?;
    }
    let names = place.names()?;
    let presharded = request.environment.text(PRESHARD);
    let choice = choose(
        request.engine,
        &Wish {
            checkpoint: &checkpoint,
            files: &names.iter().map(String::as_str).collect::<Vec<_>>(),
            quantization: &request.quantization,
            arguments,
            presharded,
        },
    )?;
    let template = template(request, &checkpoint, ui)?;
    let mut previous: Vec<_> = weights::earlier(&request.output)?;
    if template.is_some() {
        previous.push(ChatConfig::FILE_NAME.into());
    }
    let staging = || Staging::beside(&request.output).map_err(WeightsError::Output);
    let (staging, done) = match &choice {
        Choice::Native { .. } => {
            ui.detail("Engine", &choice.to_string());
            let checkpoint = place.dir(true)?;
            let staging = staging()?;
            let done = by_us(request, template, &checkpoint, staging.path(), ui, cancel)?;
            (staging, done)
        }
        Choice::Mlc { why } => {
            let had = by_mlc(request, template, place, why, ui, cancel)?;
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
    staging.publish(&previous.into_iter().collect()).map_err(WeightsError::Output)?;
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

/// By this program: as fast as a copy out of the cache would be.
fn by_us(
    request: &ConvertRequest,
    template: Option<&str>,
    checkpoint: &Utf8Path,
    output: &Utf8Path,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Done, Error> {
    let began = Instant::now();
    let quantization = request.quantization.parse().map_err(|error: UnknownQuantization| {
        Error::Usage { message: error.to_string(), help: None }
    })?;
    let (allow_nonfinite, threads) = (request.allow_nonfinite, request.threads);
    let weights = Request { checkpoint, quantization, output, allow_nonfinite, threads, cancel };
    let name = request.output.file_name().unwrap_or(request.output.as_str());
    let chat = chat_request(request, template, checkpoint, output);
    let (weights, chat) = natively(&weights, chat, name, ui)?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Done { weights: Some(weights), chat, seconds, cached: false })
}

/// By this program; `name` is what is shown of it.
pub(crate) fn natively(
    weights: &Request<'_>,
    chat: Option<ChatRequest<'_>>,
    name: &str,
    ui: &Ui,
) -> Result<(Summary, Option<ChatSummary>), Error> {
    // The small files first: what is wrong with them is known at once.
    let chat = chat.map(|request| chat::write(&request)).transpose()?;
    let conversion = weights::prepare(weights)?;
    let progress = Progress::new(ui, "Converting", name, conversion.source_bytes());
    let summary = conversion.run(&|bytes| progress.add(bytes))?;
    drop(progress);
    tell(&summary, ui);
    Ok((summary, chat))
}

/// The conversation template's name, derived where that is asked for.
fn template<'a>(
    request: &'a ConvertRequest,
    checkpoint: &Utf8Path,
    ui: &Ui,
) -> Result<Option<&'a str>, Error> {
    let asked = request.conv_template.as_deref();
    if asked != Some(AUTO) {
        return Ok(asked);
    }
    let name = match &request.checkpoint {
        Checkpoint::Hub(repo) => Some(repo.repo()),
        Checkpoint::Directory(_) => None,
    };
    let found = derive(checkpoint, name)?;
    ui.status("Template", &format!("{found}, from the checkpoint"));
    Ok(Some(found.as_str()))
}

fn chat_request<'a>(
    request: &'a ConvertRequest,
    template: Option<&'a str>,
    checkpoint: &'a Utf8Path,
    output: &'a Utf8Path,
) -> Option<ChatRequest<'a>> {
    let (quantization, overrides) = (request.quantization.as_str(), &request.overrides);
    let conv_template = template?;
    Some(ChatRequest { checkpoint, quantization, conv_template, overrides, output })
}

/// What is not as it should be, and does no harm.
fn tell(summary: &Summary, ui: &Ui) {
    const SHOWN: usize = 5;
    let unused = &summary.unused;
    if let [first, ..] = unused.as_slice() {
        let some: Vec<_> = unused.iter().take(SHOWN).map(String::as_str).collect();
        let names = match unused.len() {
            1 => format!("tensor `{first}`"),
            count if count <= SHOWN => format!("{count} tensors: {}", some.join(", ")),
            count => format!("{count} tensors: {} and {} more", some.join(", "), count - SHOWN),
        };
        ui.warn(&format!("{} has no use for {names}", summary.model_type));
    }
    for line in &summary.nonfinite {
        ui.warn(&format!("not finite: {line}"));
    }
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
