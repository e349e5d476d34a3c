//! One conversion: who does it, out of what, and doing it. The verb and a build ask for it alike.

use std::num::NonZeroUsize;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::JobError;
use super::cached::CachedEntry;
use super::checkpoint::Checkpoint;
use super::mlc::{MlcConversion, listed};
use crate::convert::chat::{self, ChatRequest, ChatSummary};
use crate::convert::engine::{Choice, Engine, MlcArguments, MlcInputs, Why, Wish, choose};
use crate::convert::weights::{self, Diagnosis, Request, Summary, TiedHead, WeightsError};
use crate::convert::{ConvertError, ConvertedRecord, ConvertedStore, Extent};
use crate::convert::{config_json, source};
use crate::io::cancel::Cancel;
use crate::io::environment::Environment;
use crate::io::files;
use crate::io::process::Variables;
use crate::model::{Digest, Fingerprint, Method, Overrides, Quantization};
use crate::stage_error::StageError as _;
use crate::toolchain::{Toolchain, ToolchainError};
use crate::ui::{Progress, Ui};

/// Upstream's variable that has weights cut for several GPUs beforehand.
const PRESHARD: &str = "MLC_INTERNAL_PRESHARD_NUM";

/// A conversion that is asked for.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    /// The checkpoint, as the user names it.
    pub(super) model: &'a str,
    /// What is shown of it.
    pub(super) name: &'a str,
    pub(super) quantization: &'a str,
    /// The conversation template; without it, only weights are converted.
    pub(super) conv_template: Option<&'a str>,
    /// What it is converted to, in words.
    pub(super) to: &'a str,
    /// What of `mlc-chat-config.json` is not to be as the checkpoint has it.
    pub(super) overrides: &'a Overrides,
    /// What only MLC LLM can be told. Places are absolute, and there.
    pub(super) arguments: &'a MlcArguments,
    pub(super) store: &'a ConvertedStore,
    pub(super) environment: &'a Environment,
    /// Whether the Hub must not be asked.
    pub(super) offline: bool,
    pub(super) ui: &'a Ui,
    pub(super) cancel: &'a Cancel,
}

/// A conversion that MLC LLM does.
pub(super) struct MlcSetup {
    toolchain: Toolchain,
    variables: Variables,
    pub(super) inputs: MlcInputs,
    /// Why this program does not.
    pub(super) why: String,
    /// What else is read beside the checkpoint.
    beside: Beside,
}

/// What stands for the content of what is read beside the checkpoint.
#[derive(Clone, Debug, PartialEq)]
struct Beside {
    source: Option<(Digest, Option<String>)>,
    lora_adapter: Option<Digest>,
}

impl<'a> Job<'a> {
    /// What is recorded of its result, but for what is known afterwards.
    pub(super) fn record(
        &self,
        fingerprint: Fingerprint,
        part: Extent,
        engine: &str,
        why: &str,
    ) -> ConvertedRecord {
        ConvertedRecord {
            fingerprint,
            part,
            model: self.model.to_owned(),
            quantization: self.quantization.to_owned(),
            conv_template: self.conv_template.map(str::to_owned),
            engine: engine.to_owned(),
            why: why.to_owned(),
            created: 0,
            seconds: 0.0,
            files: Vec::new(),
        }
    }

    /// Says who converts, and why. Of a checkpoint on the Hub, the configs are downloaded.
    pub(super) fn choose(&self, engine: Engine) -> Result<Choice, JobError> {
        let names = self.checkpoint.names()?;
        let checkpoint = self.checkpoint.dir(false, self.ui)?;
        let choice = choose(
            engine,
            &Wish {
                checkpoint: &checkpoint,
                files: &names.iter().map(String::as_str).collect::<Vec<_>>(),
                quantization: self.quantization,
                arguments: self.arguments,
                presharded: self.presharded(),
            },
        )
        .map_err(|error| error.of_model(self.model))?;
        let is_native = matches!(
            choice,
            Choice::Native { .. }
                | Choice::Mlc { why: Why::Tokenizer { .. } | Why::Presharded { .. } }
        );
        if is_native && !self.takes_fp8() {
            self.refuse_quantized(&checkpoint)?;
        }
        Ok(choice)
    }

    /// Whether the weights have to be FP8 already.
    fn takes_fp8(&self) -> bool {
        let quantization = self.quantization.parse::<Quantization>();
        quantization.is_ok_and(|quantization| quantization.method == Method::BlockScale)
    }

    /// Weights that are quantized become no others: not here, and not by MLC LLM. That their config
    /// says so is not enough: of 16 bits, they were merged or dequantized, and the field was left over.
    fn refuse_quantized(&self, configs: &Utf8Path) -> Result<(), JobError> {
        let by_config = config_json::quant_method(&chat::read_config(configs)?);
        if by_config.is_some()
            && let Some(found) = self.checkpoint.quantized()?
        {
            let model_type = match self.model_type() {
                Some(name) => name.to_owned(),
                None => chat::model_type(configs)?,
            };
            let taken_as = found.taken_as(&model_type);
            let diagnosis = Diagnosis::Quantized { found, by_config, taken_as };
            return Err(WeightsError::Other { path: self.model.into(), diagnosis }.into());
        }
        Ok(())
    }

    /// Whether weights are to be cut for several GPUs, and for how many.
    pub(super) fn presharded(&self) -> Option<&'a str> {
        self.environment.text(PRESHARD)
    }

    /// The architecture, where it is not to be that of the config.
    fn model_type(&self) -> Option<&'a str> {
        self.arguments.model_type.as_deref()
    }

    /// The files that `mlc-chat-config.json` is made of, and how.
    pub(super) fn chat_request<'b>(
        &'b self,
        checkpoint: &'b Utf8Path,
        output: &'b Utf8Path,
    ) -> Option<ChatRequest<'b>> {
        let (quantization, overrides) = (self.quantization, self.overrides);
        let (conv_template, model_type) = (self.conv_template?, self.model_type());
        Some(ChatRequest { checkpoint, quantization, model_type, conv_template, overrides, output })
    }

    /// Converts by this program, into a directory.
    pub(super) fn natively(
        &self,
        checkpoint: &Utf8Path,
        output: &Utf8Path,
        threads: NonZeroUsize,
        allow_nonfinite: bool,
    ) -> Result<(Summary, Option<ChatSummary>), JobError> {
        let quantization = self.quantization.parse::<Quantization>().map_err(|_| {
            ConvertError::UnknownQuantization { name: self.quantization.to_owned(), nearest: None }
        })?;
        let (cancel, model_type) = (self.cancel, self.model_type());
        let weights = Request {
            checkpoint,
            model_type,
            quantization,
            output,
            allow_nonfinite,
            threads,
            cancel,
        };
        // The small files first: what is wrong with them is known at once.
        let chat = self.chat_request(checkpoint, output);
        let chat = chat.map(|request| chat::write(&request)).transpose()?;
        let conversion = weights::prepare(&weights)?;
        if !self.takes_fp8()
            && let Some(method) = config_json::quant_method(&chat::read_config(checkpoint)?)
        {
            self.ui.warn(&format!(
                "config.json has a `quantization_config` ({method}), but the weights are not \
                 quantized: they are converted as they are; remove the field, which is left over"
            ));
        }
        let progress = Progress::new(self.ui, "Converting", self.name, conversion.source_bytes());
        let summary = conversion.run(&|bytes| progress.add(bytes))?;
        drop(progress);
        tell(&summary, self.ui);
        Ok((summary, chat))
    }

    /// What a conversion by MLC LLM depends on, in a Python that was found.
    pub(super) fn mlc_setup(
        &self,
        toolchain: Toolchain,
        why: String,
    ) -> Result<MlcSetup, JobError> {
        let beside = self.beside()?;
        let inputs = MlcInputs {
            checkpoint: self.checkpoint.identity(self.store, self.cancel)?,
            configs: self.checkpoint.identity_of_configs(self.store, self.cancel)?,
            quantization: self.quantization.to_owned(),
            conv_template: self.conv_template.map(str::to_owned),
            overrides: Overrides { opt: None, ..self.overrides.clone() },
            arguments: self.arguments.clone(),
            source: beside.source.clone(),
            lora_adapter: beside.lora_adapter,
            presharded: self.presharded().map(str::to_owned),
            compiler: toolchain.identity.clone(),
            libraries: toolchain.libraries.clone(),
        };
        let mut variables = self.environment.for_python();
        if self.offline {
            // For `transformers`, which would look for what a tokenizer lacks.
            variables.insert("HF_HUB_OFFLINE".into(), "1".into());
        }
        Ok(MlcSetup { toolchain, variables, inputs, why, beside })
    }

    /// Why there is no MLC LLM, told by the model that needs it.
    pub(super) fn no_mlc(&self, error: ToolchainError, why: &Why) -> JobError {
        // What Python printed is shown by the error itself.
        if error.is_interrupted() || !error.last_lines().is_empty() {
            return error.into();
        }
        let (problem, help) = (error.to_string(), error.help());
        let (checkpoint, why) = (self.model.to_owned(), Box::new(why.clone()));
        ConvertError::NoMlc { checkpoint, why, problem, help }.into()
    }

    fn beside(&self) -> Result<Beside, JobError> {
        let source = self.arguments.source.as_deref().map(|source| {
            if files::is_dir(source) {
                return Ok::<_, JobError>((self.digest(source)?, None));
            }
            let name = source.file_name().map(str::to_owned);
            Ok((self.digest(files::parent(source))?, name))
        });
        let lora_adapter = self.arguments.lora_adapter.as_deref().map(|dir| self.digest(dir));
        Ok(Beside { source: source.transpose()?, lora_adapter: lora_adapter.transpose()? })
    }

    fn digest(&self, dir: &Utf8Path) -> Result<Digest, JobError> {
        let dir: Utf8PathBuf = files::canonical(dir)?;
        Ok(source::digest(&listed(&dir)?, &self.store.source_note(&dir), self.cancel)?)
    }

    /// Whoever wrote to what is read meanwhile may have left half of this and half of that.
    pub(super) fn refuse_changed(&self) -> Result<(), JobError> {
        self.checkpoint.refuse_changed(self.store, self.cancel)
    }
}

impl MlcSetup {
    /// `mlc-chat-config.json` and the tokenizer alone, out of the cache or written now.
    pub(super) fn config(&self, job: Job<'_>) -> Result<CachedEntry, JobError> {
        self.conversion(job, Duration::ZERO).config()
    }

    /// The whole model, out of the cache or converted now. `convert_weight` may take so long.
    pub(super) fn model(&self, job: Job<'_>, limit: Duration) -> Result<CachedEntry, JobError> {
        self.conversion(job, limit).model()
    }

    /// Whether what is read is still what the conversion's inputs are of.
    pub(super) fn refuse_changed(&self, job: Job<'_>) -> Result<(), JobError> {
        job.refuse_changed()?;
        match job.beside()? == self.beside {
            true => Ok(()),
            false => Err(ConvertError::Changed { checkpoint: job.model.into() }.into()),
        }
    }

    fn conversion<'a>(&'a self, job: Job<'a>, limit: Duration) -> MlcConversion<'a> {
        let (python, variables) = (&self.toolchain.python, &self.variables);
        MlcConversion { job, setup: self, python, variables, limit }
    }
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
    if let Some(TiedHead { tensor, by_config, .. }) = &summary.head_left_out {
        let why = if *by_config { ", since `tie_word_embeddings` is true" } else { "" };
        ui.warn(&format!(
            "`{tensor}` is left out: MLC LLM's {} takes the embedding for its head{why}, and the \
             two differ; if the tensor is the model's head, the model will answer nonsense",
            summary.model_type
        ));
    }
    for line in &summary.nonfinite {
        ui.warn(&format!("not finite: {line}"));
    }
    if let [first, more @ ..] = summary.vanished.as_slice() {
        let more = match more.len() {
            0 => String::new(),
            1 => ", and those of 1 more parameter".to_owned(),
            n => format!(", and those of {n} more parameters"),
        };
        ui.warn(&format!(
            "{first} become 0 in {}{more}: {}; q4f16_1 has a scale for every 32 weights",
            summary.quantization,
            summary.why_vanished()
        ));
    }
}
