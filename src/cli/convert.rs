use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use clap::Args;

use super::{Context, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::files;
use crate::model::Quantization;
use crate::pipeline::convert::{ConvertRequest, Converted, convert};

/// `mlc-package convert`.
#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// The checkpoint: a directory with config.json and safetensors
    model: Utf8PathBuf,
    /// How the weights are stored, for instance q4f16_1
    #[arg(long, value_name = "NAME")]
    quantization: Quantization,
    /// The model directory to be made
    #[arg(short, long, value_name = "DIR")]
    output: Utf8PathBuf,
    /// Convert weights that are NaN, infinite or too large, as MLC LLM does
    #[arg(long)]
    allow_nonfinite: bool,
    /// Convert on so many threads [default: the processors]
    #[arg(short, long, value_name = "N", env = "MLC_PACKAGE_JOBS", hide_env_values = true)]
    jobs: Option<NonZeroUsize>,
    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

pub(super) fn run(args: ConvertArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    if !files::is_dir(&args.model) {
        return Err(Error::usage(
            format!("there is no directory `{}`", args.model),
            "name a directory with a checkpoint of Hugging Face: config.json and safetensors",
        ));
    }
    let request = ConvertRequest {
        checkpoint: args.model,
        quantization: args.quantization,
        output: args.output,
        allow_nonfinite: args.allow_nonfinite,
        threads: args
            .jobs
            .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
    };
    let converted = convert(&request, &context.ui, &context.cancel)?;
    match args.format {
        Format::Human => print(&converted, context)?,
        Format::Json => {
            writeln!(context.out, "{}", serde_json::to_string_pretty(&converted)?)?;
        }
    }
    Ok(Exit::Ok)
}

fn print(converted: &Converted, context: &mut Context<'_>) -> Result<(), Error> {
    let Converted { output, summary, seconds } = converted;
    writeln!(
        context.out,
        "{output}: {} in {}, {} from {} in {seconds:.1} s",
        summary.model_type, summary.quantization, summary.weight_bytes, summary.source_bytes
    )?;
    let shards = if summary.shards == 1 { "shard" } else { "shards" };
    writeln!(
        context.out,
        "  {} tensors in {} {shards}, {:.3} bits a parameter",
        summary.tensors, summary.shards, summary.bits_per_parameter
    )?;
    Ok(())
}
