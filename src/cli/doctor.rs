use camino::Utf8PathBuf;
use clap::Args;

use super::compiler::CompilerArgs;
use super::metal::MetalArgs;
use super::package::{choice, default_cache_dir};
use super::sources::SourcesArgs;
use super::suggest::device;
use super::{Context, Format};
use crate::doctor::{self, AppleChoices};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::environment::Environment;
use crate::model::{Device, KitChoice, LinkerChoice, MacabiArch};
use crate::pipeline::{self, BindingOptions, DoctorRequest};

/// `mlc-package doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Check only what this device needs: android, iphone or macabi
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    device: Option<Device>,
    #[command(flatten)]
    sources: SourcesArgs,
    #[command(flatten)]
    compiler: CompilerArgs,
    /// Where compiled libraries are kept [default: ~/.cache/mlc-package]
    #[arg(long, value_name = "DIR", env = "MLC_PACKAGE_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<Utf8PathBuf>,
    #[command(flatten)]
    metal: MetalArgs,
    /// The kit that platform bindings are linked from, as for `build`; what is needed only to build
    /// them is then not checked [default: auto]
    #[arg(long, value_name = "KIT", env = "MLC_PACKAGE_KIT", hide_env_values = true)]
    kit: Option<KitChoice>,
    /// The linker of Android's library: auto, lld, rust-lld or wild [default: auto]
    #[arg(long, value_name = "LINKER", env = "MLC_PACKAGE_LINKER", hide_env_values = true)]
    linker: Option<LinkerChoice>,
    /// How to print what is found
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

pub(super) fn run(args: DoctorArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let environment = args.sources.named_in(&Environment::current()?);
    let apple = AppleChoices {
        macabi_arch: choice(&environment, "MLC_MACABI_ARCH", MacabiArch::default())?,
        metal: args.metal.metal.unwrap_or_default(),
    };
    let cache_dir = match &args.cache_dir {
        Some(dir) => environment.directory.join(dir),
        None => default_cache_dir(&environment)?,
    };
    let request = DoctorRequest {
        device: args.device,
        apple,
        compiler: args.compiler.choice(None),
        binding: BindingOptions {
            kit: args.kit.unwrap_or_default(),
            linker: args.linker.unwrap_or_default(),
            ..BindingOptions::default()
        },
        cache_dir,
        environment,
    };
    let report = pipeline::doctor(&request, &context.ui, &context.cancel)?;
    match args.format {
        Format::Human => doctor::write_report(&mut context.out, &report)?,
        Format::Json => {
            writeln!(context.out, "{}", serde_json::to_string_pretty(&report)?)?;
        }
    }
    Ok(if report.ok { Exit::Ok } else { Exit::Assembly })
}
