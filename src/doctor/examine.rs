//! compile, binding -> doctor: is this machine able to build?

use camino::{Utf8Path, Utf8PathBuf};

use crate::binding::abi_headers;
use crate::binding::planned::{self, BindingOptions, PackageBinding};
use crate::binding::preflight::{self, Unbuildable};
use crate::doctor::facts::{Abi, Facts, Kit, Python, Sources};
use crate::doctor::{
    self, AppleChoices, Build, DoctorError, Finding, Machine, Probe, Report, Status,
};
use crate::io::cancel::Cancel;
use crate::io::environment::Environment;
use crate::io::files;
use crate::library::LibrariesError;
use crate::library::blob::DeviceKind;
use crate::library::kernels::Finder;
use crate::model::{CompilerChoice, Device, ImageName};
use crate::plan::{BindingState, Cached, Origin, Plan, PlannedLibrary};
use crate::stage_error::StageError as _;
use crate::toolchain::{
    Container, ImageCompiler, Toolchain, ToolchainError, ToolchainRequest, identify,
};
use crate::ui::Ui;

/// What to examine this machine for.
#[derive(Debug)]
pub struct DoctorRequest {
    /// One device, or all.
    pub device: Option<Device>,
    /// What is chosen for Apple's devices.
    pub apple: AppleChoices,
    /// Which compiler is meant.
    pub compiler: CompilerChoice,
    /// Where the kits of platform bindings come from, and what links them.
    pub binding: BindingOptions,
    /// The cache.
    pub cache_dir: Utf8PathBuf,
    /// The variables and the working directory of this process.
    pub environment: Environment,
}

/// Examines this machine.
pub fn doctor(request: &DoctorRequest, ui: &Ui, cancel: &Cancel) -> Result<Report, DoctorError> {
    let temporary = request.environment.temporary_home();
    let machine = machine(&request.environment, &request.cache_dir, &temporary);
    let probe = Probe { device: request.device, binding: true };
    let compiler = || {
        if let Some(image) = &request.compiler.image {
            let engine = request.compiler.engine;
            let container = Container::new(image.clone(), engine, &request.environment, ui);
            if !container.is_there(cancel)? {
                return Ok(Err(image.clone()));
            }
        }
        let found = identify(&ToolchainRequest {
            compiler: &request.compiler,
            environment: &request.environment,
            cache_dir: &request.cache_dir,
            target: &request.device.unwrap_or(Device::Android).into(),
            metal: request.apple.metal,
            host: None,
            limit: Toolchain::DEFAULT_LIMIT,
            ui,
            cancel,
        });
        found.map(Ok)
    };
    // Python takes as long as all else together.
    let finder = Finder::new(&request.environment, cancel);
    let clang = |kind| clang_of(&finder, kind);
    let wanted = |apple: bool| request.device.is_none_or(|device| device.is_apple() == apple);
    let (mut facts, compiler) = std::thread::scope(|scope| {
        let facts = scope.spawn(|| {
            let mut facts = doctor::probe(&machine, probe, cancel);
            facts.opencl_clang = wanted(false).then(|| clang(DeviceKind::OpenCl));
            facts.metal_clang = wanted(true).then(|| clang(DeviceKind::Metal));
            facts
        });
        let compiler = compiler();
        match facts.join() {
            Ok(facts) => (facts, compiler),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    if cancel.is_cancelled() {
        return Err(DoctorError::Interrupted);
    }
    facts.unbuildable = unbuildable(&facts, request.device, &machine);
    facts.kits = kits(request, ui, cancel)?;
    let found = compiler.as_ref().ok().and_then(|found| found.as_ref().ok());
    facts.abi = found.and_then(|toolchain| abi_of(&facts, toolchain, &machine));
    let image = found.and_then(ImageCompiler::of);
    facts.python = Some(python(compiler));
    let report = doctor::report(&facts, request.device, request.apple);
    Ok(Report { compiler: image, ..report })
}

/// The kits that bindings are linked from.
fn kits(
    request: &DoctorRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Vec<(Device, Kit)>, DoctorError> {
    let binding = PackageBinding {
        environment: &request.environment,
        cache_dir: &request.cache_dir,
        python: request.compiler.python.as_deref(),
        macabi_arch: request.apple.macabi_arch,
        offline: false,
        options: Some(&request.binding),
        read_first: true,
    };
    let all = [Device::Android, Device::Iphone, Device::Macabi];
    let mut found = Vec::new();
    for device in all.into_iter().filter(|one| request.device.is_none_or(|it| it == *one)) {
        match planned::kit(&binding, device, ui, cancel) {
            Ok(Some(place)) => found.push((device, Kit::Usable(place))),
            Ok(None) => {}
            Err(error) if error.is_interrupted() => return Err(DoctorError::Interrupted),
            Err(error) => {
                let help = error.help().unwrap_or_default();
                found.push((device, Kit::Unusable { message: error.to_string(), help }));
            }
        }
    }
    Ok(found)
}

/// The clang that compiles a kind of kernels, or why there is none.
fn clang_of(finder: &Finder<'_>, kind: DeviceKind) -> Result<String, String> {
    match finder.find(kind) {
        Ok(clang) => Ok(format!("{}, {}", clang.path, clang.version)),
        Err(LibrariesError::NoClang(why)) => Err(why.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// What a build is done with.
pub(crate) struct RequireRequest<'a> {
    /// The variables and the working directory of this process.
    pub(crate) environment: &'a Environment,
    /// The cache.
    pub(crate) cache_dir: &'a Utf8Path,
    /// What is chosen for Apple's devices.
    pub(crate) apple: AppleChoices,
}

/// Stops a build that this machine cannot do, before it has begun. Costs nothing where nothing is
/// to be done, and starts no Python.
pub(crate) fn require(
    request: &RequireRequest<'_>,
    plan: &Plan,
    toolchain: Option<&Toolchain>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<(), DoctorError> {
    let is_compiled = |library: &PlannedLibrary| {
        matches!(library.origin, Origin::Compiled { cached: Cached::Miss { .. }, .. })
    };
    let compile = plan.libraries.iter().any(is_compiled);
    let binding = plan.binding.as_ref().is_some_and(|binding| binding.state != BindingState::Hit);
    if !compile && !binding {
        return Ok(());
    }
    let temporary = request.environment.temporary_home();
    let machine = machine(request.environment, request.cache_dir, &temporary);
    let probe = Probe { device: Some(plan.device), binding };
    let mut facts = doctor::probe(&machine, probe, cancel);
    facts.unbuildable = unbuildable(&facts, Some(plan.device), &machine);
    facts.abi = toolchain.and_then(|toolchain| abi_of(&facts, toolchain, &machine));
    let build = Build { device: plan.device, apple: request.apple, compile, binding };
    for warning in doctor::require(doctor::needed_for(&facts, build))? {
        ui.detail("Note", &line(&warning));
    }
    Ok(())
}

/// Everything that this machine lacks to build the binding for a device, if that is more than one
/// thing: who mends one after the other starts a build for each.
pub(crate) fn all_that_binding_lacks(
    request: &RequireRequest<'_>,
    device: Device,
    cancel: &Cancel,
) -> Result<(), DoctorError> {
    let temporary = request.environment.temporary_home();
    let machine = machine(request.environment, request.cache_dir, &temporary);
    let probe = Probe { device: Some(device), binding: true };
    let mut facts = doctor::probe(&machine, probe, cancel);
    facts.unbuildable = unbuildable(&facts, Some(device), &machine);
    let build = Build { device, apple: request.apple, compile: false, binding: true };
    let mut problems = doctor::needed_for(&facts, build);
    problems.retain(|finding| finding.status == Status::Problem);
    if problems.len() > 1 { Err(DoctorError::Needs(problems)) } else { Ok(()) }
}

fn machine<'a>(
    environment: &'a Environment,
    cache_dir: &'a Utf8Path,
    temporary: &'a Utf8Path,
) -> Machine<'a> {
    let (variables, directory) = (&environment.variables, environment.directory.as_path());
    Machine { variables, directory, cache_dir, temporary }
}

fn line(finding: &Finding) -> String {
    match &finding.help {
        Some(help) => format!("{}: {} ({help})", finding.check, finding.message),
        None => format!("{}: {}", finding.check, finding.message),
    }
}

/// What there is of a compiler; an image that is not here yet may have one.
fn python(compiler: Result<Result<Toolchain, ImageName>, ToolchainError>) -> Python {
    match compiler {
        Ok(Ok(toolchain)) => {
            let identity = &toolchain.identity;
            let modules = [
                ("mlc_llm", &identity.mlc_llm),
                ("tvm", &identity.tvm),
                ("tvm_ffi", &identity.tvm_ffi),
            ];
            let wheels = modules
                .map(|(name, package)| {
                    format!("{} {package}", package.distribution.as_deref().unwrap_or(name))
                })
                .join(", ");
            Python::Compiler { path: toolchain.python.to_string(), wheels }
        }
        Ok(Err(image)) => Python::NotPulled { image },
        Err(error) => Python::Unusable { message: error.to_string(), help: error.help() },
    }
}

/// The sources of MLC LLM and of TVM, where they are whole.
fn trees<'a>(facts: &'a Facts, machine: &Machine<'_>) -> Option<(&'a Utf8Path, Utf8PathBuf)> {
    let Sources::Tree { path, not_tvm: None, .. } = &facts.sources else { return None };
    let named = machine.variables.get(std::ffi::OsStr::new("TVM_SOURCE_DIR"));
    let named = named.and_then(|dir| dir.to_str()).filter(|dir| !dir.is_empty());
    let tvm = named.map_or_else(|| path.join("3rdparty/tvm"), |dir| machine.directory.join(dir));
    // An empty submodule is told of where the sources are.
    files::is_dir(&tvm.join("include")).then_some((path, tvm))
}

/// What keeps the sources from being built. Both of Apple's devices are built from the same.
fn unbuildable(facts: &Facts, device: Option<Device>, machine: &Machine<'_>) -> Vec<Unbuildable> {
    let Some((mlc_llm, tvm)) = trees(facts, machine) else { return Vec::new() };
    let all = [Device::Android, Device::Iphone];
    let devices = device.map_or(all.to_vec(), |device| vec![device]);
    devices.into_iter().filter_map(|device| preflight::check(mlc_llm, &tvm, device).err()).collect()
}

/// The compiler's tvm-ffi against that of the sources, where there are both.
fn abi_of(facts: &Facts, toolchain: &Toolchain, machine: &Machine<'_>) -> Option<Abi> {
    let (_, tvm) = trees(facts, machine)?;
    let compiler = toolchain.identity.tvm_ffi.version.as_deref();
    Some(compare(compiler, &tvm))
}

fn compare(compiler: Option<&str>, tvm: &Utf8Path) -> Abi {
    let (sources, compared) = abi_headers::of_sources(compiler, tvm);
    match compared {
        Ok(None) => {
            let sources = sources.map(|version| version.to_string()).unwrap_or_default();
            Abi::Same(match compiler {
                Some(compiler) => format!("tvm-ffi {compiler} compiles, {sources} runs: one C ABI"),
                None => format!(
                    "the sources have tvm-ffi {sources}; the compiler's is of unknown version"
                ),
            })
        }
        Ok(Some(drift)) => Abi::Drift(drift.to_string()),
        Err(error) => Abi::Broken(error.to_string(), error.help().unwrap_or_default()),
    }
}
