//! One library for any target, through the store that packages use.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::package::{check_compiled, check_stored, tell_unchecked};
use crate::compile::{
    CompileEvent, CompileJob, CompileOneError, CompileRequest, FailedLibraries, Failure,
    LibraryStore, MlcCompiler, StoredLibrary, compile_all,
};
use crate::io::atomic;
use crate::io::contents::Contents;
use crate::io::environment::Environment;
use crate::io::marked::MarkedDir;
use crate::io::process::Cancel;
use crate::io::{files, link};
use crate::library;
use crate::library::kernels::{Gate, NoClang};
use crate::library::package::require_clang;
use crate::model::{
    ByteSize, ChatConfig, CheckKernels, CompileInputs, CompilerChoice, CompilerIdentity, Digest,
    Fingerprint, JitPolicy, KernelsChecked, LibraryFormat, LibraryName, LinkMode, MacabiArch,
    MetalChoice, OptFlags, Target,
};
use crate::plan::{self, Cached};
use crate::store::{Lookup, Miss};
use crate::toolchain::{Toolchain, ToolchainRequest, identify};
use crate::ui::Ui;

/// The most a `mlc-chat-config.json` may hold in bytes.
const CHAT_CONFIG_LIMIT: u64 = 16 << 20;

/// What is to be compiled, and how.
#[derive(Debug)]
pub struct CompileOneRequest {
    /// A model directory, or its `mlc-chat-config.json`.
    pub model: Utf8PathBuf,
    /// What it is compiled for.
    pub target: Target,
    /// The LLVM triple of the host, where it is not this machine.
    pub host: Option<String>,
    /// Whether WebGPU's kernels may use subgroups.
    pub enable_subgroups: bool,
    /// What is made: one of the target's formats.
    pub format: LibraryFormat,
    /// The compiler's `--overrides`, in upstream's order.
    pub overrides: String,
    /// Optimization flags.
    pub opt: OptFlags,
    /// The library's name, the prefix of its symbols; by default from the model.
    pub model_lib: Option<LibraryName>,
    /// The cache of compiled libraries.
    pub cache_dir: Utf8PathBuf,
    /// Which compiler is meant.
    pub compiler: CompilerChoice,
    /// When libraries may be compiled.
    pub policy: JitPolicy,
    /// The processor of Mac Catalyst.
    pub macabi_arch: MacabiArch,
    /// How kernels for Apple's GPUs are to be stored.
    pub metal: MetalChoice,
    /// Which libraries' kernels are checked.
    pub check_kernels: CheckKernels,
    /// How long the compilation may take.
    pub compile_limit: Duration,
    /// The variables and the working directory of this process.
    pub environment: Environment,
}

/// A library that was written.
#[derive(Debug, Serialize)]
pub struct CompiledOne {
    /// The version of this format.
    pub schema: u32,
    /// The file.
    pub output: Utf8PathBuf,
    /// What it is compiled for.
    pub device: Target,
    /// The architecture.
    pub model_type: String,
    /// The quantization scheme.
    pub quantization: String,
    /// The prefix of its symbols, for phones.
    pub system_lib_prefix: Option<String>,
    /// Its size.
    pub bytes: ByteSize,
    /// Its digest.
    pub digest: Digest,
    /// Its name in the store.
    pub fingerprint: Fingerprint,
    /// Whether the store had it.
    #[serde(flatten)]
    pub cached: Cached,
    /// How long the compiler ran, in this run or the one that made it.
    pub seconds: f64,
    /// The compiler.
    pub compiler: CompilerIdentity,
}

/// A library that the store has.
#[derive(Debug)]
pub struct ObtainedOne {
    /// The library.
    pub stored: StoredLibrary,
    /// Whether the store had it before.
    pub cached: Cached,
    /// The compiler.
    pub toolchain: Toolchain,
}

/// Has the library, out of the store or new, and puts it in its place, the file `output`.
pub fn compile_one(
    request: &CompileOneRequest,
    output: &Utf8Path,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<CompiledOne, CompileOneError> {
    // Before it is compiled, not after.
    atomic::replaceable(output).map_err(CompileOneError::Output)?;
    let ObtainedOne { stored, cached, toolchain } = obtain_one(request, ui, cancel)?;
    copy_to(&stored.library(), output)?;
    let record = &stored.record;
    let phone = record.inputs.device.device();
    Ok(CompiledOne {
        schema: 1,
        output: output.to_owned(),
        device: request.target.clone(),
        model_type: record.inputs.model_type.clone(),
        quantization: record.inputs.quantization.clone(),
        system_lib_prefix: phone.map(|_| record.inputs.model_lib.system_lib_prefix()),
        bytes: ByteSize(record.bytes),
        digest: record.digest,
        fingerprint: record.fingerprint,
        cached,
        seconds: record.seconds,
        compiler: toolchain.identity,
    })
}

/// Has the library, out of the store or new.
pub fn obtain_one(
    request: &CompileOneRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<ObtainedOne, CompileOneError> {
    let chat_config = read_chat_config(&request.model)?;
    let toolchain = identify(&ToolchainRequest {
        compiler: &request.compiler,
        environment: &request.environment,
        cache_dir: &request.cache_dir,
        target: &request.target,
        metal: request.metal,
        host: request.host.as_deref(),
        limit: Toolchain::DEFAULT_LIMIT,
        ui,
        cancel,
    })?;
    let inputs = inputs(request, &chat_config, &toolchain)?;
    let gate = Gate::new(request.check_kernels, &request.environment, cancel);
    if let Some(device) = request.target.device() {
        require_clang(&gate, device, inputs.metal)?;
    }
    let fingerprint = plan::fingerprint(&inputs);
    let store = LibraryStore::new(&request.cache_dir);
    let cached = ask(&store, &inputs, fingerprint, request.policy);
    let job = CompileJob { fingerprint, inputs, chat_config: chat_config.text().to_owned() };
    let allowed = matches!(request.policy, JitPolicy::On | JitPolicy::Redo);
    if let Cached::Miss { reason } = &cached
        && allowed
    {
        ui.status("Compiling", &format!("{}: {reason}", title(request, &job)));
    }
    let stored = run(request, &store, &toolchain, job, &gate, ui, cancel)?;
    if request.target.device().is_some() {
        check_stored(&gate, &store, std::iter::once(&stored))?;
    }
    Ok(ObtainedOne { stored, cached, toolchain })
}

fn read_chat_config(model: &Utf8Path) -> Result<ChatConfig, CompileOneError> {
    let path = match files::is_dir(model) {
        true => model.join(ChatConfig::FILE_NAME),
        false => model.to_owned(),
    };
    let unusable = |why: String| CompileOneError::ChatConfig { path: path.clone(), why };
    if path.as_str().to_ascii_lowercase().starts_with("hf://") {
        let why = "models of the Hub are compiled by `build`, from a package config";
        return Err(unusable(why.to_owned()));
    }
    if !files::is_file(&path) {
        let is_checkpoint = files::is_dir(model) && files::is_file(&model.join("config.json"));
        return Err(match is_checkpoint {
            true => CompileOneError::Checkpoint { path: model.to_owned() },
            false => unusable("there is no such file".to_owned()),
        });
    }
    let text = files::read_at_most(&path, CHAT_CONFIG_LIMIT)?
        .ok_or_else(|| unusable(format!("it is larger than {}", ByteSize(CHAT_CONFIG_LIMIT))))?;
    ChatConfig::parse(&text).map_err(|why| unusable(why.to_string()))
}

fn inputs(
    request: &CompileOneRequest,
    chat_config: &ChatConfig,
    toolchain: &Toolchain,
) -> Result<CompileInputs, CompileOneError> {
    let (model_type, quantization) = (chat_config.model_type(), chat_config.quantization());
    let model_lib = match &request.model_lib {
        Some(name) => name.clone(),
        // Upstream's own default.
        None => {
            let name = format!("{model_type}_{quantization}");
            name.parse().map_err(|why| CompileOneError::Name { name, why: format!("{why}") })?
        }
    };
    Ok(CompileInputs {
        model_type: model_type.to_owned(),
        quantization: quantization.to_owned(),
        chat_config: plan::compile_relevant(chat_config),
        overrides: request.overrides.clone(),
        opt: request.opt.to_string(),
        device: request.target.clone(),
        host: request.host.clone(),
        enable_subgroups: request.enable_subgroups,
        format: request.format,
        macabi_arch: request.target.is("macabi").then_some(request.macabi_arch),
        metal: toolchain.metal,
        model_lib,
        compiler: toolchain.identity.clone(),
    })
}

/// Whether the store has it, or why not.
fn ask(
    store: &LibraryStore,
    inputs: &CompileInputs,
    fingerprint: Fingerprint,
    policy: JitPolicy,
) -> Cached {
    let reason = match store.lookup_whole(fingerprint) {
        _ if policy == JitPolicy::Redo => plan::MissReason::Redo,
        Lookup::Hit(_) => return Cached::Hit,
        Lookup::Miss(Miss::Damaged(why)) => plan::MissReason::Damaged { why: why.to_string() },
        Lookup::Miss(Miss::Absent) => plan::MissReason::find(inputs, &store.records()),
    };
    Cached::Miss { reason }
}

fn run(
    request: &CompileOneRequest,
    store: &LibraryStore,
    toolchain: &Toolchain,
    job: CompileJob,
    gate: &Gate<'_>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<StoredLibrary, CompileOneError> {
    let compiler = MlcCompiler {
        python: toolchain.python.clone(),
        environment: request.environment.clone(),
        limit: request.compile_limit,
    };
    let no_clang = |why: &NoClang| tell_unchecked(ui, why);
    let check =
        |job: &CompileJob, path: &Utf8Path| check(job, path, request.macabi_arch, gate, &no_clang);
    let title = title(request, &job);
    let events = |event: CompileEvent<'_>| show(ui, &title, &event);
    let jobs = [job];
    let compiled = compile_all(
        &compiler,
        store,
        &CompileRequest {
            jobs: &jobs,
            policy: request.policy,
            parallel: std::num::NonZeroUsize::MIN,
            check: &check,
            events: &events,
            cancel,
        },
    );
    let compiled =
        compiled.map_err(|errors| FailedLibraries::of(errors, |_| request.model.to_string()))?;
    let library = compiled.into_iter().next().map(|library| library.stored);
    library.ok_or_else(|| std::io::Error::other("the library was not compiled").into())
}

/// What is compiled, for people.
fn title(request: &CompileOneRequest, job: &CompileJob) -> String {
    format!("{} for {}", job.inputs.model_lib, request.target)
}

/// Whether a new library can be used: a phone's is opened, of others the format is looked at.
fn check(
    job: &CompileJob,
    path: &Utf8Path,
    macabi_arch: MacabiArch,
    gate: &Gate<'_>,
    no_clang: &dyn Fn(&NoClang),
) -> Result<Option<KernelsChecked>, Failure> {
    if let Some(device) = job.inputs.device.device() {
        let target = library::Target { device, macabi_arch };
        return check_compiled(target, &job.inputs, path, gate, no_clang);
    }
    let bytes = Contents::open(path).map_err(|error| Failure::BadOutput(error.to_string()))?;
    library::check_format(&bytes, job.inputs.format)
        .map_err(|error| Failure::BadOutput(error.to_string()))?;
    Ok(None)
}

fn show(ui: &Ui, title: &str, event: &CompileEvent<'_>) {
    match event {
        CompileEvent::Waiting { .. } => {
            ui.status("Waiting", &format!("for another mlc-package that compiles {title}"));
        }
        CompileEvent::Started { .. } => ui.begin("Compiling", title),
        CompileEvent::Finished { seconds, log, .. } => {
            ui.end(title);
            if let Some(seconds) = seconds {
                ui.status("Compiled", &format!("{title} in {seconds:.1} s"));
                ui.log_file(&format!("compiler log of {title} ({seconds:.1} s)"), log);
            }
        }
        CompileEvent::Failed { error, .. } => {
            ui.end(title);
            if let Some(log) = error.log() {
                ui.log_file(&format!("compiler log of {title} (failed)"), log);
            }
        }
    }
}

/// Copies the library beside its place and renames it there. No hard link: what somebody does to
/// the file must not change the store.
fn copy_to(library: &Utf8Path, output: &Utf8Path) -> Result<(), CompileOneError> {
    let parent = files::parent(output);
    files::create_dir_all(parent)?;
    let space = MarkedDir::new_in(parent, ".mlc-package-")?;
    let copy = space.path().join("library");
    if link::place(library, &copy, LinkMode::Reflink).is_err() {
        files::remove_file(&copy)?;
        link::place(library, &copy, LinkMode::Copy)?;
    }
    Ok(atomic::publish(&copy, output)?)
}
