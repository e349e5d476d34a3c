//! Every stage by its name, in order, and what passes between them.

mod answer;
mod check;
mod libraries;
mod lock;
mod project;
mod report;
mod report_baseline;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

pub use self::answer::{Shown, Trial, Tried, TryRequest, answer};
pub use self::check::{check, check_text};
pub use self::libraries::{Libraries, StoreLibrary, libraries};
pub use self::lock::lock;
pub use self::project::{package_at, project};
pub use self::report::{NamedPath, ReportRequest, over_budget, report};
pub use self::report_baseline::{BaselineSource, Variable};
use crate::assemble::artifact::ArtifactRequest;
use crate::assemble::binding::{Models as BoundModels, bind};
use crate::assemble::record::RecordedPackage;
use crate::assemble::vram::{self, DeclaredMemory, Raised};
use crate::assemble::{AppModel, Assembly, app_config, breakdown, output, record};
pub use crate::binding::planned::BindingOptions;
use crate::binding::planned::PackageBinding;
use crate::binding::{BindingError, abi_headers, planned as binding};
use crate::compile::LibraryStore;
use crate::compile::package::{self as compile, LibrariesRequest, ObtainedLibrary};
pub use crate::compile::single::{CompileOneRequest, CompiledOne, compile_one};
use crate::config;
use crate::config::Checked;
use crate::convert::job::{ConversionsRequest, PackageConversions};
use crate::doctor::AppleChoices;
use crate::doctor::examine::{self, RequireRequest};
pub use crate::doctor::examine::{DoctorRequest, doctor};
use crate::error::Error;
use crate::fetch::hub::HubOptions;
use crate::fetch::package::{HubRequest, PackageModels};
pub use crate::fetch::update_lock::{Locked, Update};
use crate::io::environment::Environment;
use crate::io::process::Cancel;
use crate::library::kernels::Gate;
use crate::library::package::{self as library, LibrarySource, check_prepared, with_libraries};
use crate::library::{KernelBytes, Linked, write_archive};
use crate::manifest::{AnswerRecord, InputFile, Manifest, StageRecord};
use crate::model::{
    Artifact, CheckKernels, CompilerChoice, Device, Digest, DownloadPolicy, Fingerprint, JitPolicy,
    LibraryName, LinkMode, MacabiArch, MetalChoice, ModelId, PackageConfig, Target,
};
use crate::plan::{self, DraftRequest, Plan};
use crate::store::{Lookup, Miss};
use crate::toolchain::{Toolchain, ToolchainRequest, identify};
use crate::ui::Ui;

/// Which package, and with what.
#[derive(Debug)]
pub struct PackageRequest {
    /// The package config.
    pub package_config: Utf8PathBuf,
    /// `dist/`.
    pub output: Utf8PathBuf,
    /// The cache of compiled libraries.
    pub cache_dir: Utf8PathBuf,
    /// Which compiler is meant.
    pub compiler: CompilerChoice,
    /// The models to package; all if empty.
    pub only: Vec<ModelId>,
    /// Whether the config's warnings are errors.
    pub strict: bool,
    /// When libraries may be compiled.
    pub policy: JitPolicy,
    /// When models may be downloaded.
    pub download_policy: DownloadPolicy,
    /// Whether the Hub must not be asked.
    pub offline: bool,
    /// Whether every model of the Hub must be in the lock file.
    pub locked: bool,
    /// The processor of a Mac Catalyst package.
    pub macabi_arch: MacabiArch,
    /// How kernels for Apple's GPUs are to be stored.
    pub metal: MetalChoice,
    /// How the platform binding is made; none to leave it out.
    pub binding: Option<BindingOptions>,
    /// What apps depend on by a line; none to make `dist/` alone.
    pub artifact: Option<Artifact>,
    /// The variables and the working directory of this process.
    pub environment: Environment,
}

/// How the package is built.
#[derive(Debug)]
pub struct BuildRequest {
    /// Which package, and with what.
    pub package: PackageRequest,
    /// How many compilers run at a time.
    pub jobs: NonZeroUsize,
    /// How weights get into `dist/`.
    pub link_mode: LinkMode,
    /// Whether an `estimated_vram_bytes` that is too small is put right in the config.
    pub fix_vram: bool,
    /// Which libraries' kernels are checked; none where nobody said anything of it.
    pub check_kernels: Option<CheckKernels>,
    /// How long one compilation may take.
    pub compile_limit: Duration,
    /// What its bundled models are asked; none if they are not tried.
    pub trial: Option<Trial>,
}

/// A plan, and what was read to make it.
struct Planned {
    plan: Plan,
    config: InputFile,
    checked: Checked,
    models: PackageModels,
    conversions: PackageConversions,
    store: LibraryStore,
    toolchain: Option<Toolchain>,
    binding: Option<binding::Prepared>,
    /// What the models answered that were tried.
    answers: BTreeMap<ModelId, AnswerRecord>,
}

/// Says what [`build`] would do.
pub fn plan(request: &PackageRequest, ui: &Ui, cancel: &Cancel) -> Result<Plan, Error> {
    let plan = make_plan(request, false, &mut Clock::start(), ui, cancel)?.plan;
    output::refuse_occupied(&request.output, &request.caches(), &plan)?;
    Ok(plan)
}

/// Builds the package.
pub fn build(request: &BuildRequest, ui: &Ui, cancel: &Cancel) -> Result<Manifest, Error> {
    let mut clock = Clock::start();
    let mut planned = make_plan(&request.package, true, &mut clock, ui, cancel)?;
    let package = &request.package;
    output::refuse_occupied(&package.output, &package.caches(), &planned.plan)?;
    planned.plan.require_fetched()?;
    if let Some(artifact) = request.artifact(&planned, ui, cancel) {
        artifact.check()?;
    }
    let gate = request.gate(cancel);
    require_clang(&gate, &planned)?;
    check_prepared(&planned.plan, &planned.models.files, &gate)?;
    let compiler = planned.toolchain.as_ref();
    if let Some(prepared) = &planned.binding {
        abi_headers::check(&prepared.tvm(), compiler.map(|found| &found.identity), ui)?;
    }
    examine::require(&package.machine(), &planned.plan, compiler, ui, cancel)?;
    planned.models.complete(planned.plan.fetch, ui)?;
    clock.lap("download");
    if !planned.conversions.is_empty() {
        convert(request, &mut planned, ui, cancel)?;
        clock.lap("convert");
    }
    let obtained = compile::compile(&request.libraries(&planned, &gate), ui, cancel)?;
    let stored = obtained.values().map(|library| &library.stored);
    compile::check_stored(&gate, &planned.store, stored)?;
    request.tell_kernels(&gate, &obtained, ui);
    clock.lap("compile");
    if let Some(trial) = &request.trial {
        planned.answers = answer::of_package(request, trial, &planned, ui, cancel)?;
        clock.lap("try");
    }
    link_and_assemble(request, &planned, &obtained, &gate, clock, ui, cancel)
}

impl PackageRequest {
    /// How its models are fetched from the Hub.
    fn hub(&self) -> HubRequest<'_> {
        HubRequest {
            environment: &self.environment,
            cache_dir: &self.cache_dir,
            package_config: Some(&self.package_config),
            locked: self.locked,
            offline: self.offline,
            policy: self.download_policy,
        }
    }

    /// Where what others use lies. Where the Hub's settings are wrong, that is told by who asks it.
    fn caches(&self) -> Vec<Utf8PathBuf> {
        let hub_cache = HubOptions::cache_of(&self.environment, &self.cache_dir);
        std::iter::once(self.cache_dir.clone()).chain(hub_cache).collect()
    }

    fn conversions<'a>(&'a self, target: &'a Target) -> ConversionsRequest<'a> {
        ConversionsRequest {
            environment: &self.environment,
            cache_dir: &self.cache_dir,
            compiler: &self.compiler,
            target,
            metal: self.metal,
            offline: self.offline,
        }
    }
}

impl PackageRequest {
    /// This machine, as the package is built on it.
    fn machine(&self) -> RequireRequest<'_> {
        RequireRequest {
            environment: &self.environment,
            cache_dir: &self.cache_dir,
            apple: AppleChoices { macabi_arch: self.macabi_arch, metal: self.metal },
        }
    }

    fn binding(&self) -> PackageBinding<'_> {
        PackageBinding {
            environment: &self.environment,
            cache_dir: &self.cache_dir,
            python: self.compiler.python.as_deref(),
            macabi_arch: self.macabi_arch,
            offline: self.offline,
            options: self.binding.as_ref(),
            read_first: false,
        }
    }
}

impl BuildRequest {
    fn artifact<'a>(
        &'a self,
        planned: &'a Planned,
        ui: &'a Ui,
        cancel: &'a Cancel,
    ) -> Option<ArtifactRequest<'a>> {
        Some(ArtifactRequest {
            artifact: self.package.artifact.as_ref()?,
            plan: &planned.plan,
            models: &planned.models.files,
            binding: self.package.binding(),
            prepared: planned.binding.as_ref(),
            ui,
            cancel,
        })
    }

    fn declared_memory<'a>(&'a self, planned: &'a Planned) -> DeclaredMemory<'a> {
        DeclaredMemory {
            checked: &planned.checked,
            plan: &planned.plan,
            models: &planned.models.files,
            fix: self.fix_vram,
            strict: self.package.strict,
            environment: &self.package.environment,
        }
    }

    fn gate<'a>(&'a self, cancel: &'a Cancel) -> Gate<'a> {
        let choice = self.check_kernels.unwrap_or_default();
        Gate::new(choice, &self.package.environment, cancel)
    }

    /// Says what was done of kernels, to whom asked for it.
    fn tell_kernels(
        &self,
        gate: &Gate<'_>,
        obtained: &BTreeMap<Fingerprint, ObtainedLibrary>,
        ui: &Ui,
    ) {
        let before = obtained.values().filter(|library| library.stored.record.kernels.is_some());
        let summary = gate.summary(before.count());
        match self.check_kernels {
            Some(CheckKernels::Auto | CheckKernels::Always) => ui.status("Kernels", &summary),
            Some(CheckKernels::Never) | None => ui.detail("Kernels", &summary),
        }
    }

    fn libraries<'a>(
        &'a self,
        planned: &'a Planned,
        kernels: &'a Gate<'a>,
    ) -> LibrariesRequest<'a> {
        LibrariesRequest {
            kernels,
            plan: &planned.plan,
            models: &planned.models.files,
            store: &planned.store,
            toolchain: planned.toolchain.as_ref(),
            environment: &self.package.environment,
            policy: self.package.policy,
            jobs: self.jobs,
            limit: self.compile_limit,
        }
    }
}

/// Refuses what has to be checked and cannot be.
fn require_clang(gate: &Gate<'_>, planned: &Planned) -> Result<(), Error> {
    let metal = planned.toolchain.as_ref().map(|toolchain| toolchain.metal).unwrap_or_default();
    Ok(library::require_clang(gate, planned.plan.device, metal)?)
}

/// Has every model of the plan that comes from a raw checkpoint.
fn convert(
    request: &BuildRequest,
    planned: &mut Planned,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<(), Error> {
    let Planned { plan, models, conversions, .. } = planned;
    let target = plan.device.into();
    let (converting, limit) = (request.package.conversions(&target), request.compile_limit);
    for (model_id, bundle) in conversions.convert(&converting, limit, models, ui, cancel)? {
        if let Some(model) = plan.models.iter_mut().find(|model| model.model_id == model_id) {
            model.bundle = Some(bundle);
        }
    }
    Ok(())
}

/// config -> fetch -> plan. A binding that cannot be had is an error if it `must` be.
fn make_plan(
    request: &PackageRequest,
    must: bool,
    clock: &mut Clock,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Planned, Error> {
    let (config, checked) = read_config(request, ui)?;
    clock.lap("config");
    let prepared = binding::prepare(&request.binding(), config.device, must, ui, cancel);
    if prepared.as_ref().is_err_and(BindingError::lacks_a_tool) {
        examine::all_that_binding_lacks(&request.machine(), config.device, cancel)?;
    }
    let (planned_binding, binding) = prepared?.map_or((None, None), |(a, b)| (Some(a), b));
    if planned_binding.is_some() {
        clock.lap("sources");
    }
    let mut models = PackageModels::new(&request.hub(), &config, ui, cancel)?;
    let mut conversions = PackageConversions::new(&request.cache_dir);
    let target = config.device.into();
    let converting = request.conversions(&target);
    let mut found = Vec::new();
    for entry in &config.models {
        found.push(match entry.conversion {
            Some(wish) => conversions.plan(&converting, (entry, wish), &mut models, ui, cancel)?,
            None => models.metadata(entry, ui)?,
        });
    }
    clock.lap("fetch");
    let needs_compiler = config.models.iter().zip(&found).any(|(entry, found)| {
        let prepared = |name: &LibraryName| config.prepared.iter().any(|lib| lib.name == *name);
        found.is_known() && !entry.model_lib.as_ref().is_some_and(prepared)
    });
    let toolchain = match conversions.toolchain.take().filter(|_| needs_compiler) {
        None if needs_compiler => Some(toolchain(request, config.device, ui, cancel)?),
        found => found,
    };
    clock.lap("toolchain");
    let store = LibraryStore::new(&request.cache_dir);
    let draft = plan::draft(&DraftRequest {
        config: &config,
        models: &found,
        fetch: models.to_fetch(),
        compiler: toolchain.as_ref().map(|toolchain| &toolchain.identity),
        macabi_arch: request.macabi_arch,
        metal: toolchain.as_ref().map(|toolchain| toolchain.metal).unwrap_or_default(),
    })?;
    let mut stored = BTreeMap::new();
    let mut misses = request.policy == JitPolicy::Redo;
    for fingerprint in draft.fingerprints() {
        match store.lookup(fingerprint) {
            Lookup::Hit(_) => drop(stored.insert(fingerprint, Ok(()))),
            Lookup::Miss(Miss::Damaged(why)) => {
                stored.insert(fingerprint, Err(why.to_string()));
                misses = true;
            }
            Lookup::Miss(Miss::Absent) => misses = true,
        }
    }
    // What is there explains what is not, and says how long that takes.
    let records = if misses { store.records() } else { Vec::new() };
    let plan = draft.resolve(&stored, &records, request.policy);
    let plan = Plan { binding: planned_binding, ..plan };
    clock.lap("plan");
    let name = request.package_config.file_name().unwrap_or(config::FILE_NAME).to_owned();
    let digest = Digest::of(checked.text().as_bytes());
    let config = InputFile { name, digest };
    let answers = BTreeMap::new();
    Ok(Planned { plan, config, checked, models, conversions, store, toolchain, binding, answers })
}

/// Reads and checks the config; shows its diagnostics; leaves the models of `--only`.
fn read_config(request: &PackageRequest, ui: &Ui) -> Result<(PackageConfig, Checked), Error> {
    let (mut config, checked) = read_whole_config(request, ui)?;
    if !request.only.is_empty() {
        config.models.retain(|entry| request.only.contains(&entry.model_id));
    }
    Ok((config, checked))
}

/// The same with all its models; those of `--only` are among them.
fn read_whole_config(request: &PackageRequest, ui: &Ui) -> Result<(PackageConfig, Checked), Error> {
    let mut checked = check::check_config(&request.package_config, &request.environment);
    if request.strict {
        checked = checked.deny_warnings();
    }
    if !checked.diagnostics().is_empty() {
        let is_error = checked.errors() > 0;
        ui.block(is_error, |width, out| config::render::human(&checked, width, out));
    }
    let config = checked.clone().into_package()?;
    for model_id in &request.only {
        if !config.models.iter().any(|entry| entry.model_id == *model_id) {
            let known: Vec<_> = config.models.iter().map(|entry| entry.model_id.as_str()).collect();
            let listed = format!("its models are: {}", known.join(", "));
            return Err(Error::usage(
                format!("--only {model_id}: the config has no such model"),
                match config::nearest(model_id.as_str(), known) {
                    Some(meant) => format!("did you mean `{meant}`? {listed}"),
                    None => listed,
                },
            ));
        }
    }
    Ok((config, checked))
}

fn toolchain(
    request: &PackageRequest,
    device: Device,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Toolchain, Error> {
    Ok(identify(&ToolchainRequest {
        compiler: &request.compiler,
        environment: &request.environment,
        cache_dir: &request.cache_dir,
        target: &device.into(),
        metal: request.metal,
        host: None,
        limit: Toolchain::DEFAULT_LIMIT,
        ui,
        cancel,
    })?)
}

/// library -> binding -> assemble -> manifest.
fn link_and_assemble(
    request: &BuildRequest,
    planned: &Planned,
    obtained: &BTreeMap<Fingerprint, ObtainedLibrary>,
    kernels: &Gate<'_>,
    mut clock: Clock,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Manifest, Error> {
    let plan = &planned.plan;
    let compiled = |fingerprint| {
        let library = obtained.get(&fingerprint)?;
        Some((library.stored.library(), library.contents.clone()))
    };
    let sources = library::sources(plan.libraries.iter(), compiled)?;
    with_libraries(plan, &planned.models.files, &sources, |linked| {
        clock.lap("library");
        let package = BuiltLibraries { obtained, kernels, sources: &sources, linked };
        assemble(request, planned, &package, clock, ui, cancel)
    })
}

/// The libraries of a package, in the order of its plan.
struct BuiltLibraries<'a> {
    obtained: &'a BTreeMap<Fingerprint, ObtainedLibrary>,
    kernels: &'a Gate<'a>,
    sources: &'a [LibrarySource<'a>],
    linked: &'a [Linked<'a>],
}

/// assemble -> manifest.
fn assemble(
    request: &BuildRequest,
    planned: &Planned,
    libraries: &BuiltLibraries<'_>,
    mut clock: Clock,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Manifest, Error> {
    let plan = &planned.plan;
    let BuiltLibraries { obtained, kernels, sources, linked } = *libraries;
    let raised = vram::settle(&request.declared_memory(planned), linked, ui)?;
    let mut assembly = Assembly::begin(&request.package.output, cancel)?;
    let archive = Utf8Path::new("lib").join(plan.device.archive_name());
    assembly.write_with(&archive, |out| write_archive(plan.device, linked, out))?;
    let binding = match &planned.binding {
        Some(prepared) => {
            clock.lap("archive");
            let (package, mode) = (request.package.binding(), request.link_mode);
            let models = BoundModels { linked, archive: &archive };
            let bound = bind(package, prepared, mode, &models, &mut assembly, ui, cancel)?;
            clock.lap("binding");
            Some(bound)
        }
        None => None,
    };
    for model in plan.models.iter().filter(|model| model.bundle.is_some()) {
        if let Some(files) = planned.models.files.get(&model.model_id) {
            ui.detail("Bundling", model.model_id.as_str());
            let id = &model.model_id;
            assembly.bundle(id, files, &model.overrides, request.link_mode, |file, read| {
                planned.models.check(id, file, read, ui).map_err(Error::from)
            })?;
        }
    }
    let app_config = app_config(plan.device, &app_models(plan, &raised))?;
    assembly.write(
        binding::app_config_path(planned.binding.is_some(), plan.device),
        app_config.as_bytes(),
    )?;
    clock.lap("assemble");
    let artifact = match request.artifact(planned, ui, cancel) {
        Some(artifact) => {
            let made = artifact.make(&app_config, &mut assembly)?;
            clock.lap("artifact");
            Some(made)
        }
        None => None,
    };

    let kernel_bytes = KernelBytes::of(linked);
    let models = &planned.models.files;
    let (config, answers) = (&planned.config, &planned.answers);
    let package = RecordedPackage { plan, config, models, obtained, kernels, answers };
    let mut manifest = record::manifest(&package, sources, linked, &kernel_bytes, clock.stages);
    raised.write(&planned.checked, &mut manifest, ui)?;
    Ok(assembly.finish(|outputs| {
        let duplicates =
            breakdown::duplicates(&kernel_bytes, plan, &planned.models.files, &outputs);
        let manifest = Manifest { outputs, duplicates, binding, artifact, ..manifest };
        manifest.to_json().map(|text| (text, manifest))
    })?)
}

fn app_models<'p>(plan: &'p Plan, raised: &Raised) -> Vec<AppModel<'p>> {
    plan.models
        .iter()
        .map(|model| AppModel {
            model_id: &model.model_id,
            model_lib: &model.model_lib,
            source: &model.source,
            converted: model.conversion.is_some(),
            bundled: model.bundle.is_some(),
            estimated_vram_bytes: raised.of(model),
        })
        .collect()
}

/// When stages end.
struct Clock {
    last: Instant,
    stages: Vec<StageRecord>,
}

impl Clock {
    fn start() -> Self {
        Self { last: Instant::now(), stages: Vec::new() }
    }

    /// The stage ends now, and the next one begins.
    fn lap(&mut self, stage: &str) {
        let now = Instant::now();
        // Microseconds are all that can be trusted.
        let seconds = ((now - self.last).as_secs_f64() * 1e6).round() / 1e6;
        self.stages.push(StageRecord { stage: stage.to_owned(), seconds });
        self.last = now;
    }
}
