use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::package::default_cache_dir;
use super::{Context, Format};
use crate::binding::kit_transfer::{self, KitFileRequest};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::environment::Environment;
use crate::model::{ByteSize, Device, UnknownDevice};

/// `mlc-package kit`.
#[derive(Debug, Args)]
pub(super) struct KitArgs {
    #[command(subcommand)]
    verb: KitVerb,
}

#[derive(Debug, Subcommand)]
enum KitVerb {
    /// Write the newest kit of the cache into a file
    Export(ExportArgs),
    /// Put a kit from a file into the cache, for builds that name no sources
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// For this device: android, iphone or macabi [default: that which the cache has kits of]
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

fn device(text: &str) -> Result<Device, UnknownDevice> {
    text.parse()
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
        KitVerb::Export(args) => {
            let request = request(&args.common, args.output)?;
            (args.common.format, kit_transfer::export(&request, args.device)?)
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
