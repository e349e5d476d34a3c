use std::num::NonZeroU64;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;

use super::build::{DEFAULT_TIMEOUT, at_least_one};
use super::compiler::CompilerArgs;
use super::kernels::KernelArgs;
use super::metal::MetalArgs;
use super::package::{choice, default_cache_dir};
use super::suggest::{overrides, target};
use super::{Context, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::environment::Environment;
use crate::io::files;
use crate::model::{JitPolicy, LibraryFormat, LibraryName, MacabiArch, OptFlags, Target};
use crate::pipeline::{self, CompileOneRequest, CompiledOne};
use crate::plan::Cached;

/// `mlc-package compile`.
#[derive(Debug, Args)]
pub(super) struct CompileArgs {
    /// A model directory, or its mlc-chat-config.json
    model: Utf8PathBuf,
    /// The device to compile for: android, iphone, macabi, cuda, vulkan, metal, rocm, webgpu,
    /// or any other that MLC LLM or TVM supports
    #[arg(long, value_name = "DEVICE", value_parser = target)]
    device: Target,
    /// The library to write; its suffix selects the format: .tar, .so, .dylib, .dll, .lib, .wasm
    #[arg(short, long, value_name = "FILE")]
    output: Utf8PathBuf,
    /// Optimization flags: O0 to O3, or name=value;…
    #[arg(long, value_name = "FLAGS", default_value = "O2")]
    opt: OptFlags,
    /// Values that override the model's own: context_window_size=2048;prefill_chunk_size=512
    #[arg(long, value_name = "NAME=VALUE;…", default_value = "", hide_default_value = true)]
    overrides: String,
    /// The prefix of a phone's library, with its final `_` [default: from the model]
    #[arg(long, value_name = "PREFIX")]
    system_lib_prefix: Option<String>,
    #[command(flatten)]
    metal: MetalArgs,
    #[command(flatten)]
    kernels: KernelArgs,
    /// The LLVM triple of the processor that runs the host code, x86_64-linux-gnu for instance
    /// [default: the device's own, else exactly this machine's]
    #[arg(long, value_name = "TRIPLE")]
    host: Option<String>,
    /// Let WebGPU's kernels use subgroups, which not every browser has
    #[arg(long)]
    enable_subgroups: bool,
    /// Where compiled libraries are kept [default: ~/.cache/mlc-package]
    #[arg(long, value_name = "DIR", env = "MLC_PACKAGE_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<Utf8PathBuf>,
    #[command(flatten)]
    compiler: CompilerArgs,
    /// End the compilation if it takes longer
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MLC_PACKAGE_COMPILE_TIMEOUT",
        hide_env_values = true,
        default_value_t = DEFAULT_TIMEOUT,
        value_parser = at_least_one::<NonZeroU64>
    )]
    compile_timeout: NonZeroU64,
    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

pub(super) fn run(mut args: CompileArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (format, output) = (args.format, args.output.clone());
    if args.enable_subgroups && !args.device.may_be("webgpu") {
        let ignored = format!("--enable-subgroups is for webgpu, and ignored for {}", args.device);
        context.ui.warn(&ignored);
        args.enable_subgroups = false;
    }
    let compiled = pipeline::compile_one(&args.request()?, &output, &context.ui, &context.cancel)?;
    match format {
        Format::Human => print(&compiled, context)?,
        Format::Json => writeln!(context.out, "{}", serde_json::to_string_pretty(&compiled)?)?,
    }
    Ok(Exit::Ok)
}

fn print(compiled: &CompiledOne, context: &mut Context<'_>) -> Result<(), Error> {
    let CompiledOne { output, bytes, device, seconds, .. } = compiled;
    let how = match compiled.cached {
        Cached::Hit => "cached".to_owned(),
        Cached::Miss { .. } => format!("compiled in {seconds:.1} s"),
    };
    writeln!(context.out, "{output}: {bytes}, {device}, {how}")?;
    Ok(())
}

impl CompileArgs {
    fn request(self) -> Result<CompileOneRequest, Error> {
        let mut environment = Environment::current()?;
        // The compiler runs in another directory.
        if let Some(sources) = environment.text("MLC_LLM_SOURCE_DIR") {
            let sources = environment.directory.join(sources);
            environment.variables.insert("MLC_LLM_SOURCE_DIR".into(), sources.as_str().into());
        }
        let format = self.library_format()?;
        let model_lib = self.library_name()?;
        let overrides = overrides(&self.overrides)?;
        let fields = overrides.set_fields().map(|(name, value)| format!("{name}={value}"));
        Ok(CompileOneRequest {
            overrides: fields.collect::<Vec<_>>().join(";"),
            format,
            model_lib,
            policy: choice(&environment, "MLC_JIT_POLICY", JitPolicy::default())?,
            macabi_arch: choice(&environment, "MLC_MACABI_ARCH", MacabiArch::default())?,
            metal: self.metal.metal.unwrap_or_default(),
            check_kernels: self.kernels.check_kernels.unwrap_or_default(),
            cache_dir: match &self.cache_dir {
                Some(dir) => environment.directory.join(dir),
                None => default_cache_dir(&environment)?,
            },
            model: self.model,
            target: self.device,
            host: self.host,
            enable_subgroups: self.enable_subgroups,
            opt: self.opt,
            compiler: self.compiler.choice(None),
            compile_limit: Duration::from_secs(self.compile_timeout.get()),
            environment,
        })
    }

    fn library_format(&self) -> Result<LibraryFormat, Error> {
        if files::is_dir(&self.output) {
            return Err(Error::usage(
                format!("--output {}: this is a directory", self.output),
                format!("name a file, `model.{}` for instance", self.device.formats()[0].suffix()),
            ));
        }
        let allowed = self.device.formats();
        let asked = self.output.extension().and_then(LibraryFormat::of_suffix);
        asked.filter(|format| allowed.contains(format)).ok_or_else(|| {
            let suffixes: Vec<_> =
                allowed.iter().map(|format| format!(".{}", format.suffix())).collect();
            let (device, suffixes) = (&self.device, suffixes.join(", "));
            Error::usage(
                format!("--output {}: libraries for {device} end in {suffixes}", self.output),
                format!("write -o {}", self.output.with_extension(allowed[0].suffix())),
            )
        })
    }

    fn library_name(&self) -> Result<Option<LibraryName>, Error> {
        let Some(prefix) = &self.system_lib_prefix else { return Ok(None) };
        if self.device.device().is_none() {
            return Err(Error::usage(
                format!("--system-lib-prefix: MLC LLM takes none for {}", self.device),
                "it is for android, iphone and macabi, where all libraries become one",
            ));
        }
        let wrong = |why| Error::Usage {
            message: format!("--system-lib-prefix {prefix}: {why}"),
            help: None,
        };
        let name = prefix.strip_suffix('_').unwrap_or(prefix);
        let name: LibraryName = name.parse().map_err(wrong)?;
        // The name makes `-` to `_`, and the prefix is what the symbols get.
        if name.system_lib_prefix() == *prefix {
            return Ok(Some(name));
        }
        Err(Error::usage(
            format!("--system-lib-prefix {prefix}: no app finds a library by this prefix"),
            format!("write {}: the app then loads `system://{name}`", name.system_lib_prefix()),
        ))
    }
}
