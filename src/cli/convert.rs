use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use clap::Args;

use super::compiler::CompilerArgs;
use super::package::default_cache_dir;
use super::suggest::overrides;
use super::{Context, Format, next};
use crate::convert::derive::AUTO;
use crate::convert::engine::{Engine, MlcArguments};
use crate::convert::job::{ConvertRequest, Converted, Source, convert};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::environment::Environment;
use crate::io::files;
use crate::model::HubRepo;

/// `mlc-package convert`.
#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// The checkpoint: a directory with config.json and the weights, or HF://user/repo
    model: String,
    /// How the weights are stored, for instance q4f16_1
    #[arg(long, value_name = "NAME")]
    quantization: String,
    /// The architecture, if not that of config.json
    #[arg(long, value_name = "NAME")]
    model_type: Option<String>,
    /// The model directory to write
    #[arg(short, long, value_name = "DIR")]
    output: Utf8PathBuf,
    /// The conversation template, for mlc-chat-config.json; `auto` is the one that the checkpoint
    /// was trained with, if its files tell it
    #[arg(long, value_name = "NAME", default_value = AUTO)]
    conv_template: String,
    /// Convert only the weights: write no mlc-chat-config.json and no tokenizer
    #[arg(long, conflicts_with_all = ["conv_template", "overrides"])]
    weights_only: bool,
    /// Values that override the checkpoint's own: context_window_size=2048;…
    #[arg(long, value_name = "NAME=VALUE;…")]
    overrides: Option<String>,
    /// Who converts: native, mlc (python -m mlc_llm), or auto
    #[arg(long, value_name = "ENGINE", default_value = "auto")]
    engine: Engine,
    #[command(flatten)]
    compiler: CompilerArgs,
    /// Convert weights that are NaN, infinite or too large, as MLC LLM does
    #[arg(long)]
    allow_nonfinite: bool,
    /// Number of threads [default: the number of processors]
    #[arg(short, long, value_name = "N", env = "MLC_PACKAGE_JOBS", hide_env_values = true)]
    jobs: Option<NonZeroUsize>,
    /// The directory for models that Python converts, file lists and logs [default:
    /// ~/.cache/mlc-package]
    #[arg(long, value_name = "DIR", env = "MLC_PACKAGE_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<Utf8PathBuf>,
    /// Do not contact the Hugging Face Hub; use cached files only
    #[arg(long)]
    offline: bool,
    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    #[command(flatten)]
    mlc: MlcArgs,
}

/// What only MLC LLM's own conversion can be told, by upstream's names.
#[derive(Debug, Args)]
#[command(next_help_heading = "For MLC LLM's own conversion (python -m mlc_llm) alone")]
struct MlcArgs {
    /// The device that quantizes, cpu or cuda:0 for instance [default: a GPU if there is one]
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Where the weights are, if not in the checkpoint: a directory, an index or a file
    #[arg(long, value_name = "PATH")]
    source: Option<Utf8PathBuf>,
    /// The format of the weights [default: as detected]
    #[arg(long, value_name = "FORMAT",
          value_parser = ["huggingface-torch", "huggingface-safetensor", "awq"])]
    source_format: Option<String>,
    /// A LoRA adapter that is merged into the weights, in PEFT's format
    #[arg(long, value_name = "DIR")]
    lora_adapter: Option<Utf8PathBuf>,
}

pub(super) fn run(args: ConvertArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let format = args.format;
    let converted = convert(&args.request()?, &context.ui, &context.cancel)?;
    match format {
        Format::Human => print(&converted, context)?,
        Format::Json => {
            writeln!(context.out, "{}", serde_json::to_string_pretty(&converted)?)?;
        }
    }
    Ok(Exit::Ok)
}

impl ConvertArgs {
    fn request(self) -> Result<ConvertRequest, Error> {
        let environment = Environment::current()?;
        let overrides = overrides(self.overrides.as_deref().unwrap_or_default());
        Ok(ConvertRequest {
            checkpoint: checkpoint(&self.model)?,
            model: self.model,
            quantization: self.quantization,
            conv_template: (!self.weights_only).then_some(self.conv_template),
            overrides: overrides?,
            engine: self.engine,
            arguments: MlcArguments {
                model_type: self.model_type,
                ..self.mlc.arguments(&environment)?
            },
            compiler: self.compiler.choice(None),
            output: self.output,
            allow_nonfinite: self.allow_nonfinite,
            threads: self.jobs.unwrap_or_else(|| {
                std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
            }),
            cache_dir: match &self.cache_dir {
                Some(dir) => environment.directory.join(dir),
                None => default_cache_dir(&environment)?,
            },
            offline: self.offline,
            environment,
        })
    }
}

impl MlcArgs {
    /// With places that are there, and absolute.
    fn arguments(self, environment: &Environment) -> Result<MlcArguments, Error> {
        let there = |name: &str, place: Option<Utf8PathBuf>, dir_only: bool| {
            let Some(place) = place else { return Ok(None) };
            let path = environment.directory.join(&place);
            if files::is_dir(&path) {
                return Ok(Some(files::canonical(&path)?));
            }
            // What a link of a snapshot means is not beside the files of its index.
            if let Some(name) = path.file_name().filter(|_| !dir_only && files::is_file(&path)) {
                return Ok(Some(files::canonical(files::parent(&path))?.join(name)));
            }
            let what = if dir_only { "directory" } else { "file or directory" };
            let message = format!("{name}: there is no {what} `{place}`");
            Err(Error::Usage { message, help: None })
        };
        Ok(MlcArguments {
            model_type: None,
            device: self.device,
            source: there("--source", self.source, false)?,
            source_format: self.source_format,
            lora_adapter: there("--lora-adapter", self.lora_adapter, true)?,
        })
    }
}

fn checkpoint(model: &str) -> Result<Source, Error> {
    if HubRepo::is_url(model) {
        let repo = HubRepo::of_argument(model)
            .map_err(|why| Error::usage(format!("`{model}`: {why}"), "write HF://user/repo"))?;
        return Ok(Source::Hub(repo));
    }
    let dir = Utf8PathBuf::from(model);
    if !files::is_dir(&dir) {
        let what = match files::is_file(&dir) {
            true => format!("`{dir}` is not a directory"),
            false => format!("there is no directory `{dir}`"),
        };
        return Err(Error::usage(
            what,
            "name a directory with a checkpoint of Hugging Face (config.json and the weights), \
             or HF://user/repo",
        ));
    }
    Ok(Source::Directory(dir))
}

fn print(converted: &Converted, context: &mut Context<'_>) -> Result<(), Error> {
    let Converted { output, weights, chat, seconds, engine, .. } = converted;
    match weights {
        Some(weights) => {
            let shards = if weights.shards == 1 { "shard" } else { "shards" };
            writeln!(
                context.out,
                "{output}: {} in {}, {} from {} in {seconds:.1} s\n  {} tensors in {} {shards}, \
                 {:.3} bits a parameter",
                weights.model_type,
                weights.quantization,
                weights.weight_bytes,
                weights.source_bytes,
                weights.tensors,
                weights.shards,
                weights.bits_per_parameter
            )?;
        }
        None if converted.cached => {
            writeln!(context.out, "{output}: out of the cache, converted by {engine}")?;
        }
        None => writeln!(context.out, "{output}: converted in {seconds:.1} s by {engine}")?,
    }
    match chat {
        Some(chat) => writeln!(
            context.out,
            "  mlc-chat-config.json with the template {}, {}",
            chat.conv_template,
            match chat.tokenizer_files.len() {
                0 => "no tokenizer".to_owned(),
                1 => "1 tokenizer file".to_owned(),
                count => format!("{count} tokenizer files"),
            }
        )?,
        None => writeln!(context.out, "  weights only: no mlc-chat-config.json and no tokenizer")?,
    }
    if chat.as_ref().is_some_and(|chat| chat.tokenizer_files.is_empty()) {
        writeln!(
            context.out,
            "next:  copy tokenizer.json into {output}, and name it in `tokenizer_files` of \
             mlc-chat-config.json: no app loads the model without it"
        )?;
        return Ok(());
    }
    // Without its config no app loads it, and nothing is compiled for it.
    if chat.is_some() {
        let library = format!("{}.tar", output.file_name().unwrap_or("model"));
        let compile = ["compile", output.as_str(), "--device", "android", "-o", &library];
        next::write(context.out, &compile)?;
        writeln!(
            context.out,
            "or:    mlc-package build, with {output} in `model_list` of its config"
        )?;
    }
    Ok(())
}
