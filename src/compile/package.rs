//! The compile stage: what the plan lacks is compiled, and looked into before it is kept.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use camino::Utf8Path;

use crate::compile::{
    CompileEvent, CompileJob, CompileRequest, FailedLibraries, Failure, LibraryStore, MlcCompiler,
    StoredLibrary, compile_all,
};
use crate::io::atomic;
use crate::io::contents::Contents;
use crate::io::environment::Environment;
use crate::io::process::Cancel;
use crate::library::kernels::{Gate, NoClang, Verdict};
use crate::library::package::target;
use crate::library::{self, Expectation, LibrariesError, LibraryFile, Linked, Target};
use crate::manifest::LibraryOrigin;
use crate::model::{
    CompileInputs, CompileRecord, Fingerprint, JitPolicy, KernelsChecked, LibraryName, ModelFiles,
    ModelId,
};
use crate::plan::{Estimate, Origin, Plan};
use crate::toolchain::Toolchain;
use crate::ui::{Ui, counted};

/// Which libraries are to be had, and how.
pub(crate) struct LibrariesRequest<'a> {
    /// What is to be done.
    pub(crate) plan: &'a Plan,
    /// The models' files.
    pub(crate) models: &'a BTreeMap<ModelId, ModelFiles>,
    pub(crate) store: &'a LibraryStore,
    pub(crate) toolchain: Option<&'a Toolchain>,
    pub(crate) environment: &'a Environment,
    pub(crate) policy: JitPolicy,
    /// How many compilers run at a time.
    pub(crate) jobs: NonZeroUsize,
    /// How long one compilation may take.
    pub(crate) limit: Duration,
    pub(crate) kernels: &'a Gate<'a>,
}

/// Has every library that is compiled, out of the store or new.
pub(crate) fn compile(
    request: &LibrariesRequest<'_>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<BTreeMap<Fingerprint, ObtainedLibrary>, FailedLibraries> {
    let plan = request.plan;
    let mut jobs = Vec::new();
    for library in &plan.libraries {
        let Origin::Compiled { fingerprint, inputs, cached, .. } = &library.origin else {
            continue;
        };
        let files = library.models.first().and_then(|model_id| request.models.get(model_id));
        let Some(files) = files else { continue };
        ui.detail("Library", &format!("{}: {cached}", library.model_lib));
        jobs.push(CompileJob {
            fingerprint: *fingerprint,
            inputs: (**inputs).clone(),
            chat_config: files.chat_config.text().to_owned(),
        });
    }
    let Some(toolchain) = request.toolchain.filter(|_| !jobs.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let compiler = MlcCompiler {
        python: toolchain.python.clone(),
        environment: request.environment.clone(),
        limit: request.limit,
    };
    let misses = plan.misses();
    let allowed = matches!(request.policy, JitPolicy::On | JitPolicy::Redo);
    if misses > 0 && allowed {
        let n = request.jobs.get().min(misses);
        let at_a_time = if n > 1 { format!(", {n} at a time") } else { String::new() };
        let of = match plan.libraries.len() {
            1 => "1 library".to_owned(),
            total if total == misses => format!("{total} libraries"),
            total => format!("{misses} of {total} libraries"),
        };
        let time = Estimate::shown(plan.estimated_seconds, n);
        ui.status("Compiling", &format!("{of}{at_a_time}{time}"));
    }
    let progress = Shown {
        ui,
        plan,
        records: if misses > 0 { request.store.records() } else { Vec::new() },
        begun: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
    };
    let began = Instant::now();
    let target = target(plan);
    let told_once = Once::new();
    let no_clang = |why: &NoClang| {
        // That there is none is told at the end.
        if matches!(why, NoClang::Broke { .. }) {
            told_once.call_once(|| tell_unchecked(ui, why));
        }
    };
    let check = |job: &CompileJob, path: &Utf8Path| {
        check_compiled(target, &job.inputs, path, request.kernels, &no_clang)
    };
    let libraries = compile_all(
        &compiler,
        request.store,
        &CompileRequest {
            jobs: &jobs,
            policy: request.policy,
            parallel: request.jobs,
            check: &check,
            events: &|event| progress.show(&event),
            cancel,
        },
    )
    .map_err(|errors| FailedLibraries::of(errors, |model_lib| models_of(plan, model_lib)))?;
    let done = progress.done.into_inner();
    if done > 1 {
        let time = counted(began.elapsed());
        ui.status("Compiled", &format!("{done} libraries in {time}"));
    }
    let obtained = jobs.iter().zip(libraries);
    Ok(obtained
        .map(|(job, library)| {
            let origin =
                if library.cached { LibraryOrigin::Cached } else { LibraryOrigin::Compiled };
            (
                job.fingerprint,
                ObtainedLibrary { stored: library.stored, origin, contents: library.contents },
            )
        })
        .collect())
}

/// Says that kernels are not checked. Where there is no clang nobody need mind; one that breaks is odd.
pub(crate) fn tell_unchecked(ui: &Ui, why: &NoClang) {
    match why {
        NoClang::Broke { .. } => ui.warn(&format!("the kernels are not checked: {why}")),
        _ => ui.detail("Kernels", &format!("not checked: {why}")),
    }
}

/// Whether a library that was just compiled can be linked, and its kernels compile: what cannot
/// never enters the store. There it lies uncompressed. Gives what is to be remembered of its kernels.
pub(crate) fn check_compiled(
    target: Target,
    inputs: &CompileInputs,
    path: &Utf8Path,
    kernels: &Gate<'_>,
    no_clang: &dyn Fn(&NoClang),
) -> Result<Option<KernelsChecked>, Failure> {
    let unusable = |error: &dyn std::fmt::Display| {
        // Nobody will find it where it lies now.
        let name = path.file_name().unwrap_or_default();
        Failure::BadOutput(error.to_string().replace(path.as_str(), name))
    };
    let bytes = Contents::open(path).map_err(|error| unusable(&error))?;
    let file = LibraryFile::parse(path, &bytes).map_err(|error| unusable(&error))?;
    let library = file.open().map_err(|error| unusable(&error))?;
    let expects = [Expectation {
        model_id: None,
        model_type: inputs.model_type.clone(),
        quantization: inputs.quantization.clone(),
    }];
    let linked = Linked { name: &inputs.model_lib, library: &library, expects: &expects };
    let problems = library::validate(target, &[linked]);
    if !problems.is_empty() {
        let problems: Vec<_> = problems.iter().map(|problem| &*problem.message).collect();
        return Err(Failure::BadOutput(problems.join("; ")));
    }
    if let Some(found) = library.metal().filter(|found| *found != inputs.metal) {
        let asked = inputs.metal;
        let why = format!("its Metal kernels are stored as {found}, not as {asked}");
        return Err(Failure::BadOutput(why));
    }
    let checked = match kernels.check(&library, path) {
        Ok(Verdict::Bad(problem)) => return Err(Failure::BadKernels(Box::new(problem))),
        Ok(Verdict::Good(checked)) => Some(checked),
        Ok(Verdict::NoClang(why)) => {
            no_clang(&why);
            None
        }
        Ok(Verdict::Unchecked) => None,
        Err(LibrariesError::Interrupted) => return Err(Failure::Cancelled),
        Err(error) => return Err(unusable(&error)),
    };
    // Inflating is most of what a cached build does; a plain tar can be read in place.
    if file.is_compressed() {
        atomic::write_unsynced(path, file.plain_bytes()).map_err(|error| unusable(&error))?;
    }
    Ok(checked)
}

/// Checks the kernels of libraries that the store had, if all are to be checked and nobody did before,
/// and notes that beside those that are good.
pub(crate) fn check_stored<'s>(
    gate: &Gate<'_>,
    store: &LibraryStore,
    libraries: impl Iterator<Item = &'s StoredLibrary>,
) -> Result<(), LibrariesError> {
    let unchecked = |stored: &&StoredLibrary| gate.checks_all() && stored.record.kernels.is_none();
    let mut problems = Vec::new();
    for stored in libraries.filter(unchecked) {
        let path = stored.library();
        let bytes = Contents::open(&path)?;
        let file = LibraryFile::parse(&path, &bytes)?;
        match gate.check(&file.open()?, &path)? {
            Verdict::Bad(problem) => problems.push(problem),
            Verdict::Good(checked) => store
                .amend(stored, CompileRecord { kernels: Some(checked), ..stored.record.clone() }),
            Verdict::NoClang(why) => return Err(LibrariesError::NoClang(why)),
            Verdict::Unchecked => {}
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(LibrariesError::Problems(problems)) }
}

/// A library of the store, and how it got there.
pub(crate) struct ObtainedLibrary {
    pub(crate) stored: StoredLibrary,
    pub(crate) origin: LibraryOrigin,
    /// What it holds, if it was read already.
    pub(crate) contents: Option<Arc<Contents>>,
}

/// Who shows what happens.
struct Shown<'a> {
    ui: &'a Ui,
    plan: &'a Plan,
    /// What was compiled before: by it the time is estimated.
    records: Vec<CompileRecord>,
    /// How many compilations began.
    begun: AtomicUsize,
    /// How many libraries were compiled.
    done: AtomicUsize,
}

impl Shown<'_> {
    fn show(&self, event: &CompileEvent<'_>) {
        let (ui, plan) = (self.ui, self.plan);
        match event {
            CompileEvent::Waiting { model_lib, .. } => {
                let models = models_of(plan, model_lib);
                ui.status("Waiting", &format!("for another mlc-package that compiles {models}"));
            }
            CompileEvent::Started { model_lib } => {
                let n = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
                let expected: Vec<_> =
                    [self.of(n), self.estimate(model_lib)].into_iter().flatten().collect();
                ui.begin_expected("Compiling", &models_of(plan, model_lib), &expected.join(", "));
            }
            CompileEvent::Finished { model_lib, seconds, log } => {
                let models = models_of(plan, model_lib);
                ui.end(&models);
                let Some(seconds) = seconds else { return };
                let n = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                let of = self.of(n).map_or_else(String::new, |of| format!(" ({of})"));
                ui.status("Compiled", &format!("{models} in {seconds:.1} s{of}"));
                ui.log_file(&format!("compiler log of {models} ({seconds:.1} s)"), log);
            }
            CompileEvent::Failed { model_lib, error } => {
                let models = models_of(plan, model_lib);
                ui.end(&models);
                if let Some(log) = error.log() {
                    ui.log_file(&format!("compiler log of {models} (failed)"), log);
                }
            }
        }
    }

    /// `2 of 6`, where there are several.
    fn of(&self, n: usize) -> Option<String> {
        let misses = self.plan.misses();
        (misses > 1).then(|| format!("{n} of {misses}"))
    }

    fn estimate(&self, model_lib: &LibraryName) -> Option<String> {
        let library = self.plan.libraries.iter().find(|library| library.model_lib == *model_lib)?;
        let Origin::Compiled { inputs, .. } = &library.origin else { return None };
        Estimate::words(Estimate::of([&**inputs], &self.records), 1)
    }
}

/// People know their models; a library's name is often a hash.
fn models_of(plan: &Plan, model_lib: &LibraryName) -> String {
    let library = plan.libraries.iter().find(|library| library.model_lib == *model_lib);
    let models: Vec<_> =
        library.iter().flat_map(|library| &library.models).map(ModelId::as_str).collect();
    models.join(", ")
}
