use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::package::{choice, chosen, default_cache_dir};
use super::sources::SourcesArgs;
use super::suggest::device;
use super::{Context, Format};
use crate::binding::kit_transfer::{self, KitBuildRequest, KitFileRequest};
use crate::binding::planned::BindingOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::io::environment::Environment;
use crate::model::{ByteSize, Device, MacabiArch};

/// `mlc-package kit`.
#[derive(Debug, Args)]
pub(super) struct KitArgs {
    #[command(subcommand)]
    verb: KitVerb,
}

#[derive(Debug, Subcommand)]
enum KitVerb {
    /// Build a kit from the sources of MLC LLM, without models, and write it to a file
    Build(BuildArgs),
    /// Write the newest kit in the cache to a file; MLC_MACABI_ARCH chooses one for Mac Catalyst
    Export(ExportArgs),
    /// Add a kit from a file to the cache, for builds that name no sources
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct BuildArgs {
    /// The device: android, iphone or macabi
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    device: Device,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: Utf8PathBuf,
    #[command(flatten)]
    sources: SourcesArgs,
    /// The directory to build in [default: below the cache]
    #[arg(long, value_name = "DIR")]
    build_dir: Option<Utf8PathBuf>,
    /// Build the kit again, from scratch
    #[arg(long)]
    rebuild: bool,
    /// Keep the debug information in Android's library, for crash reports
    #[arg(long)]
    keep_symbols: bool,
    /// The Python interpreter that runs MLC LLM's script for Android
    #[arg(long, value_name = "PYTHON", env = "MLC_PACKAGE_PYTHON", hide_env_values = true)]
    python: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The device of the kit: android, iphone or macabi [default: the only device with kits]
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    device: Option<Device>,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: Utf8PathBuf,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: Utf8PathBuf,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// Where kits are kept [default: ~/.cache/mlc-package]
    #[arg(long, value_name = "DIR", env = "MLC_PACKAGE_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<Utf8PathBuf>,
    /// How to print what was done
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

pub(super) fn run(args: KitArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let environment = Environment::current()?;
    let request = |common: &CommonArgs, file: Utf8PathBuf| -> Result<_, Error> {
        let cache_dir = match &common.cache_dir {
            Some(dir) => environment.directory.join(dir),
            None => default_cache_dir(&environment)?,
        };
        Ok(KitFileRequest { file: environment.directory.join(file), cache_dir })
    };
    let (format, done) = match args.verb {
        KitVerb::Build(args) => {
            let place = request(&args.common, args.output)?;
            let environment = args.sources.named_in(&environment);
            let request = KitBuildRequest {
                device: args.device,
                macabi_arch: choice(&environment, "MLC_MACABI_ARCH", MacabiArch::default())?,
                python: args.python,
                options: BindingOptions {
                    build_dir: args.build_dir,
                    rebuild: args.rebuild,
                    keep_symbols: args.keep_symbols,
                    ..BindingOptions::default()
                },
                place,
                environment,
            };
            (args.common.format, kit_transfer::build(&request, &context.ui, &context.cancel)?)
        }
        KitVerb::Export(args) => {
            let request = request(&args.common, args.output)?;
            let arch = chosen(&environment, "MLC_MACABI_ARCH")?;
            (args.common.format, kit_transfer::export(&request, args.device, arch)?)
        }
        KitVerb::Import(args) => {
            let request = request(&args.common, args.file)?;
            (args.common.format, kit_transfer::import(&request, &context.cancel)?)
        }
    };
    match format {
        Format::Json => writeln!(context.out, "{}", serde_json::to_string_pretty(&done)?)?,
        Format::Human => {
            writeln!(context.out, "kit for {} ({})", done.device, ByteSize(done.bytes))?;
            for (name, value) in &done.inputs.0 {
                writeln!(context.out, "  {name}: {value}")?;
            }
            writeln!(context.out, "sha256: {}", done.sha256)?;
        }
    }
    Ok(Exit::Ok)
}
