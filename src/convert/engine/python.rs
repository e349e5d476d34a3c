//! `python -m mlc_llm gen_config` and `convert_weight`, with the arguments of upstream.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use camino::Utf8Path;

use crate::convert::chat::{ChatRequest, ChatSummary};
use crate::convert::error::{ConvertError, EngineFailure, PythonFailure};
use crate::io::files;
use crate::io::process::{Cancel, End, LogLimit, Variables};
use crate::io::reason;
use crate::model::{ChatConfig, OverrideValue, ShardPath, TensorCache, TensorCacheError};
use crate::toolchain::{Call, Interpreter, Mounts, NotRun};

/// `gen_config` and `convert_weight` use `transformers`, which may look on the Hub for what a
/// tokenizer lacks.
const TOKENS: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];

/// How many of a log's last lines an error carries.
const LINES: usize = 20;

/// MLC LLM's own conversion.
#[derive(Debug)]
pub struct MlcEngine<'a> {
    /// The interpreter.
    pub python: &'a Interpreter,
    /// The whole environment.
    pub variables: &'a Variables,
    /// What it reads and writes.
    pub mounts: &'a Mounts,
    /// Whether it may ask the Hub.
    pub online: bool,
    /// An empty directory to run in: Python imports from where it runs.
    pub scratch: &'a Utf8Path,
    /// The file for whatever is printed; overwritten.
    pub log: &'a Utf8Path,
    /// How long each of the two may take.
    pub limit: Duration,
    /// Asks to stop.
    pub cancel: &'a Cancel,
}

/// What `convert_weight` is told. Paths are absolute.
#[derive(Clone, Copy, Debug)]
pub struct WeightRequest<'a> {
    /// The checkpoint's directory, or its `config.json`.
    pub checkpoint: &'a Utf8Path,
    /// The quantization scheme's name.
    pub quantization: &'a str,
    /// The architecture; `auto` if none.
    pub model_type: Option<&'a str>,
    /// What quantizes, `cpu` or `cuda:0` for instance; upstream's choice if none.
    pub device: Option<&'a str>,
    /// Where the weights are, if not in the checkpoint's directory.
    pub source: Option<&'a Utf8Path>,
    /// `huggingface-torch`, `huggingface-safetensor` or `awq`; detected if none.
    pub source_format: Option<&'a str>,
    /// A LoRA adapter to be merged, in PEFT's format.
    pub lora_adapter: Option<&'a Utf8Path>,
    /// The directory to write to.
    pub output: &'a Utf8Path,
}

impl MlcEngine<'_> {
    /// Has `mlc-chat-config.json` and the tokenizer's files written. Paths are absolute.
    pub fn gen_config(
        &self,
        request: &ChatRequest<'_>,
        model_type: Option<&str>,
    ) -> Result<(), ConvertError> {
        let mut arguments = Arguments::new("gen_config", request.checkpoint);
        arguments.add("--quantization", request.quantization);
        arguments.add("--conv-template", request.conv_template);
        if let Some(model_type) = model_type {
            arguments.add("--model-type", model_type);
        }
        for (name, value) in request.overrides.set_fields() {
            let name = format!("--{}", name.replace('_', "-"));
            match value {
                OverrideValue::Int(int) => arguments.add(&name, &int.to_string()),
                // Upstream takes any word for "yes".
                OverrideValue::Bool(true) => arguments.add(&name, "True"),
                OverrideValue::Bool(false) => {}
            }
        }
        arguments.add("--output", request.output.as_str());
        self.run("gen_config", arguments)?;
        let path = request.output.join(ChatConfig::FILE_NAME);
        self.wrote("gen_config", files::is_file(&path), ChatConfig::FILE_NAME)?;
        match ChatSummary::of(request.output, request.conv_template) {
            Err(ConvertError::Invalid { why, .. }) => {
                let why = format!("its {}: {why}", ChatConfig::FILE_NAME);
                Err(self.failed("gen_config", EngineFailure::BadOutput(why)))
            }
            written => written.map(drop),
        }
    }

    /// Has the weights converted.
    pub fn convert_weight(&self, request: &WeightRequest<'_>) -> Result<(), ConvertError> {
        let mut arguments = Arguments::new("convert_weight", request.checkpoint);
        arguments.add("--quantization", request.quantization);
        let optional = [
            ("--model-type", request.model_type),
            ("--device", request.device),
            ("--source", request.source.map(Utf8Path::as_str)),
            ("--source-format", request.source_format),
            ("--lora-adapter", request.lora_adapter.map(Utf8Path::as_str)),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                arguments.add(name, value);
            }
        }
        arguments.add("--output", request.output.as_str());
        self.run("convert_weight", arguments)?;
        let caches = TensorCache::FILE_NAMES.map(|name| request.output.join(name));
        let cache = caches.iter().find(|path| files::is_file(path));
        self.wrote("convert_weight", cache.is_some(), TensorCache::FILE_NAMES[0])?;
        let bad = |why: HalfFault| {
            self.failed("convert_weight", EngineFailure::BadOutput(why.to_string()))
        };
        cache.map_or(Ok(()), |cache| refuse_half(cache)).map_err(bad)
    }

    fn run(&self, verb: &'static str, arguments: Arguments) -> Result<(), ConvertError> {
        // Both streams go to one log: unbuffered, their order is kept.
        let mut variables = self.variables.clone();
        variables.entry("PYTHONUNBUFFERED".into()).or_insert_with(|| "1".into());
        let call = Call {
            args: &arguments.0,
            variables: &variables,
            directory: self.scratch,
            log: self.log,
            log_limit: LogLimit::default(),
            limit: Some(self.limit),
            tokens: &TOKENS,
            mounts: self.mounts.clone(),
            home: self.scratch,
            network: self.online,
        };
        let ended = self.python.run(&call, self.cancel);
        let failure = match ended.map(|ended| ended.how) {
            Ok(End::Exit(0)) => return Ok(()),
            Ok(End::Exit(code)) => EngineFailure::Exit(code),
            Ok(End::Signal(signal)) => EngineFailure::Signal(signal),
            Ok(End::TimedOut) => EngineFailure::TimedOut(self.limit),
            Ok(End::Cancelled) => return Err(ConvertError::Interrupted),
            Err(NotRun::Start { source, .. }) => EngineFailure::Start(source),
            Err(NotRun::Container(error)) if error.is_interrupted() => {
                return Err(ConvertError::Interrupted);
            }
            Err(NotRun::Container(error)) => EngineFailure::Container(Box::new(error)),
        };
        Err(self.failed(verb, failure))
    }

    fn wrote(&self, verb: &'static str, there: bool, file: &str) -> Result<(), ConvertError> {
        if there {
            Ok(())
        } else {
            Err(self.failed(verb, EngineFailure::NoOutput(file.to_owned())))
        }
    }

    fn failed(&self, verb: &'static str, failure: EngineFailure) -> ConvertError {
        let reason = reason::of_python(self.log, LINES);
        ConvertError::Python(Box::new(PythonFailure {
            model: None,
            verb,
            failure,
            log: Some(self.log.to_owned()),
            exception: reason.exception,
            last_lines: reason.lines,
            cache_dir: None,
        }))
    }
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn new(verb: &str, checkpoint: &Utf8Path) -> Self {
        Self(["-m", "mlc_llm", verb, checkpoint.as_str()].map(OsString::from).into())
    }

    fn add(&mut self, name: &str, value: &str) {
        self.0.extend([name, value].map(OsString::from));
    }
}

/// Why a model that was converted is not whole.
#[derive(Debug, thiserror::Error)]
enum HalfFault {
    /// The file that names the shards cannot be read.
    #[error("its {name}: {why}")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        why: io::Error,
    },
    /// That file is damaged.
    #[error("its {name}: {why}")]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong with it.
        why: TensorCacheError,
    },
    /// A shard of another size.
    #[error("{shard} has {found} bytes instead of {wanted}")]
    Size {
        /// The shard.
        shard: ShardPath,
        /// Its size.
        found: u64,
        /// What its size is to be.
        wanted: u64,
    },
    /// A shard that is missing.
    #[error("there is no {0}")]
    Absent(ShardPath),
}

/// What says to be converted has every shard that it names, whole.
fn refuse_half(cache: &Utf8Path) -> Result<(), HalfFault> {
    let name = || cache.file_name().unwrap_or_default().to_owned();
    let text = files::read(cache).map_err(|why| HalfFault::Unreadable { name: name(), why })?;
    let parsed =
        TensorCache::parse(&text).map_err(|why| HalfFault::Damaged { name: name(), why })?;
    for shard in parsed.shards {
        match files::size(&files::parent(cache).join(shard.path.as_str())) {
            Ok(found) if found == shard.nbytes => {}
            Ok(found) => {
                let (shard, wanted) = (shard.path, shard.nbytes);
                return Err(HalfFault::Size { shard, found, wanted });
            }
            Err(_) => return Err(HalfFault::Absent(shard.path)),
        }
    }
    Ok(())
}

impl ChatSummary {
    /// What the `mlc-chat-config.json` of a model directory says.
    pub fn of(model: &Utf8Path, conv_template: &str) -> Result<Self, ConvertError> {
        let path = model.join(ChatConfig::FILE_NAME);
        let text = files::read(&path)
            .map_err(|source| ConvertError::Read { path: path.clone(), source })?;
        let config = ChatConfig::parse(&text)
            .map_err(|why| ConvertError::Invalid { path: path.clone(), why: why.to_string() })?;
        Ok(summary(&config, conv_template))
    }
}

fn summary(config: &ChatConfig, conv_template: &str) -> ChatSummary {
    let number = |name: &str| config.number(name).unwrap_or(-1);
    let files = config.fields().get("tokenizer_files").and_then(|files| files.as_array());
    let names = files.into_iter().flatten().filter_map(|name| name.as_str());
    ChatSummary {
        model_type: config.model_type().to_owned(),
        conv_template: conv_template.to_owned(),
        context_window_size: number("context_window_size"),
        sliding_window_size: number("sliding_window_size"),
        prefill_chunk_size: number("prefill_chunk_size"),
        vocab_size: number("vocab_size"),
        active_vocab_size: number("active_vocab_size"),
        tokenizer_files: names.map(str::to_owned).collect(),
        warnings: Vec::new(),
    }
}
