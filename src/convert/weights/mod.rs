//! A Hugging Face checkpoint -> the weights of an MLC model directory: `params_shard_*.bin` and
//! `tensor-cache.json`, bit for bit what upstream's `mlc_llm convert_weight --device cpu` writes.
//!
//! ```text
//! config.json -> arch (which parameters) ┐
//! checkpoint (which tensors, where)      ┴-> plan (order, places) -> work (kernel) -> output -> index
//! ```
//!
//! Only sizes are held in memory. Weights go through buffers of some megabytes a thread; each
//! tensor's place in its shard is known before the first byte is read, so that threads write
//! wherever they are.

mod checkpoint;
mod diagnosis;
mod error;
mod head;
mod index;
mod instead;
mod kernel;
mod nonfinite;
mod output;
mod plan;
mod quantized;
mod shards;
mod torch;
mod units;
mod vanished;
mod work;

use std::num::NonZeroUsize;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

pub use diagnosis::Diagnosis;
pub use error::WeightsError;
pub use head::TiedHead;
pub use instead::Instead;
pub use quantized::Quantized;

pub use super::arch::{ConfigError, HfConfig};

use super::arch::Architecture;
use crate::io::cancel::Cancel;
use crate::io::{atomic, files, space};
use crate::model::{ByteSize, Method, PerTensor, Quantization, TensorCache, git_lfs};

use checkpoint::Checkpoint;
use index::Metadata;
use nonfinite::NonFinite;
use output::Output;
use plan::Plan;
use vanished::Vanished;
use work::Work;

/// Ends of the names of tensors that follow from the config, or that no model of MLC LLM has a use for:
/// nothing is lost with them.
const NEEDLESS: [&str; 9] = [
    "rotary_emb.inv_freq",
    "rotary_pos_emb.inv_freq",
    "embeddings.position_ids",
    "pooler.dense.weight",
    "pooler.dense.bias",
    ".attn.bias",
    ".attn.masked_bias",
    "rotary_emb.cos_cached",
    "rotary_emb.sin_cached",
];

/// What is to be converted.
pub struct Request<'a> {
    /// The checkpoint: a directory with `config.json` and safetensors, or what `torch.save` wrote.
    /// Nothing is written there.
    pub checkpoint: &'a Utf8Path,
    /// The architecture, if not that of `config.json`.
    pub model_type: Option<&'a str>,
    /// How the weights are stored.
    pub quantization: Quantization,
    /// An empty directory for the result. Where the conversion fails it is left as it is then.
    pub output: &'a Utf8Path,
    /// Whether weights that are not finite are converted as upstream does it.
    pub allow_nonfinite: bool,
    /// How many threads convert.
    pub threads: NonZeroUsize,
    /// Whether somebody wants to stop.
    pub cancel: &'a Cancel,
}

/// What was converted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The architecture.
    pub model_type: String,
    /// Upstream's name of the quantization.
    pub quantization: &'static str,
    /// Tensors of the result.
    pub tensors: u64,
    /// Elements of the checkpoint, as upstream counts them for the bits per parameter.
    pub parameters: u64,
    /// Bits a parameter, by upstream's count: f32 has 32 though it is stored in 16.
    pub bits_per_parameter: f64,
    /// Bytes of weights that were read.
    pub source_bytes: ByteSize,
    /// Bytes of weights that were written.
    pub weight_bytes: ByteSize,
    /// Files of weights.
    pub shards: usize,
    /// Tensors of the checkpoint that the model does not use.
    pub unused: Vec<String>,
    /// The checkpoint's own head, where the model takes the embedding for it and they differ.
    pub head_left_out: Option<TiedHead>,
    /// A line for each tensor with values that are not finite, where these are allowed.
    pub nonfinite: Vec<String>,
    /// A line for each parameter of FP8 of which at least half became 0.
    pub vanished: Vec<String>,
}

impl Summary {
    /// Why weights became 0.
    pub fn why_vanished(&self) -> &'static str {
        match self.quantization.parse().map(|found: Quantization| found.method) {
            Ok(Method::PerTensor(PerTensor::E5m2)) => "they are too small for FP8 without a scale",
            _ => {
                "the parameter's one scale follows its largest weight, beside which they are too small"
            }
        }
    }
}

/// A conversion, planned to the last byte.
pub struct Conversion<'a> {
    request: &'a Request<'a>,
    model_type: String,
    checkpoint: Checkpoint,
    plan: Plan,
    head: Option<TiedHead>,
}

/// What a checkpoint has in the place of weights; none if it has some, also in a format that MLC LLM may
/// read.
pub fn absent(checkpoint: &Utf8Path) -> Option<Instead> {
    let Err(WeightsError::NoWeights { instead, .. }) = Checkpoint::open(checkpoint) else {
        return None;
    };
    let may_be_read = matches!(instead, Instead::Consolidated { .. } | Instead::Format { .. });
    (!may_be_read).then_some(instead)
}

/// The config of a checkpoint, whose architecture may be told beside it.
pub fn read_config(
    checkpoint: &Utf8Path,
    model_type: Option<&str>,
) -> Result<HfConfig, WeightsError> {
    let path = checkpoint.join("config.json");
    let text = files::read_at_most(&path, HfConfig::LIMIT).map_err(WeightsError::Read)?;
    let text = text.unwrap_or_default();
    if git_lfs::is_pointer(&text) {
        return Err(WeightsError::NotPulled { path });
    }
    HfConfig::parse(&text, model_type).map_err(|source| WeightsError::Config { path, source })
}

/// Reads what says how a checkpoint is to be converted: all but the weights.
pub fn prepare<'a>(request: &'a Request<'a>) -> Result<Conversion<'a>, WeightsError> {
    let config = read_config(request.checkpoint, request.model_type)?;
    let path = request.checkpoint.join("config.json");
    let model_type = request.model_type.unwrap_or(config.model_type()).to_owned();
    let Some(architecture) = Architecture::find(&model_type) else {
        return Err(WeightsError::UnknownArchitecture { path, model_type });
    };
    let wrong = |source| WeightsError::Config { path: path.clone(), source };
    config.refuse_left_out(&model_type).map_err(wrong)?;
    let mut mapping = architecture.mapping(&config).map_err(wrong)?;
    if request.quantization.method == Method::BlockScale {
        mapping = mapping.in_blocks(request.quantization).map_err(wrong)?;
    }
    let checkpoint = Checkpoint::open(request.checkpoint)?;
    let plan = Plan::make(&checkpoint, &mapping, request.quantization);
    let plan = plan.map_err(|error| error.by_config(&config, request.model_type))?;
    let head = TiedHead::find(&checkpoint, &mapping, request.cancel)?;
    Ok(Conversion { request, model_type, checkpoint, plan, head })
}

impl Conversion<'_> {
    /// Bytes of weights that will be read.
    pub fn source_bytes(&self) -> u64 {
        self.plan.source_bytes
    }

    /// Converts; tells `progress` of the bytes that were read.
    pub fn run(self, progress: &(dyn Fn(u64) + Sync)) -> Result<Summary, WeightsError> {
        let Self { request, model_type, checkpoint, plan, head } = self;
        let free = space::free_bytes(request.output).map_err(WeightsError::Output)?;
        if plan.weight_bytes() > free {
            let (needed, free) = (ByteSize(plan.weight_bytes()), ByteSize(free));
            return Err(WeightsError::NoRoom { output: request.output.to_owned(), needed, free });
        }
        let (output, whole) = Output::new(request.output, &plan.shards);
        let (plan, found, lost) = (&plan, NonFinite::default(), Vanished::default());
        let work = |output: Output| {
            let (checkpoint, nonfinite, cancel) = (&checkpoint, &found, request.cancel);
            let vanished = &lost;
            Work { checkpoint, plan, output: &output, nonfinite, vanished, cancel, progress }
                .run(request.threads.get())?;
            let nonfinite = found.lines(plan);
            if !nonfinite.is_empty() && !request.allow_nonfinite {
                return Err(WeightsError::NonFinite { tensors: nonfinite });
            }
            Ok((output.finish()?, nonfinite))
        };
        let (done, synced) = std::thread::scope(|scope| {
            let syncing = scope.spawn(|| whole.sync());
            let done = work(output);
            (done, syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let (digests, nonfinite) = done?;
        synced?;
        let param_bytes = plan.param_bytes as f64;
        let bits_per_param = param_bytes * 8.0 / plan.elements as f64;
        let metadata = Metadata { tensors: plan.tensors, param_bytes, bits_per_param };
        write_index(request.output, metadata, plan, &digests)?;
        Ok(Summary {
            model_type,
            quantization: request.quantization.name(),
            tensors: plan.tensors,
            parameters: plan.elements,
            bits_per_parameter: bits_per_param,
            source_bytes: ByteSize(plan.source_bytes),
            weight_bytes: ByteSize(plan.weight_bytes()),
            shards: plan.shards.len(),
            unused: plan
                .unused
                .iter()
                .filter(|name| head.as_ref().is_none_or(|head| head.tensor != **name))
                .filter(|name| !NEEDLESS.iter().any(|end| name.ends_with(end)))
                .cloned()
                .collect(),
            head_left_out: head.clone().filter(|head| head.differs),
            nonfinite,
            vanished: lost.lines(plan),
        })
    }
}

/// Writes the index, and reads it as whoever uses the model does.
fn write_index(
    output: &Utf8Path,
    metadata: Metadata,
    plan: &Plan,
    digests: &[String],
) -> Result<(), WeightsError> {
    let json = |error: serde_json::Error| WeightsError::Output(error.into());
    let (text, b16) = index::write(metadata, &plan.shards, digests).map_err(json)?;
    TensorCache::parse(text.as_bytes())
        .map_err(|error| WeightsError::Output(std::io::Error::other(error)))?;
    let write = |name: &str, text: &str| {
        atomic::write_unsynced(&output.join(name), text.as_bytes()).map_err(WeightsError::Output)
    };
    write(index::FILE_NAME, &text)?;
    b16.map_or(Ok(()), |text| write(index::B16_FILE_NAME, &text))
}

/// The files in a directory that an earlier conversion put there, or upstream's: shards and their
/// indexes, by the names that all of them have.
pub fn earlier(output: &Utf8Path) -> Result<Vec<Utf8PathBuf>, WeightsError> {
    if !files::is_dir(output) {
        return Ok(Vec::new());
    }
    let entries = files::tree(output, |_| false).map_err(WeightsError::Output)?;
    let paths = entries.into_iter().map(|entry| entry.path);
    Ok(paths.filter(|path| is_of_weights(path.as_str())).collect())
}

fn is_of_weights(name: &str) -> bool {
    let shard = name.strip_prefix("params_shard_").and_then(|rest| rest.strip_suffix(".bin"));
    let numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    shard.is_some_and(numbered)
        || matches!(
            name,
            "tensor-cache.json"
                | "tensor-cache-b16.json"
                | "ndarray-cache.json"
                | "ndarray-cache-b16.json"
        )
}
