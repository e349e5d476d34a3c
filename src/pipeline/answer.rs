//! Trying models: for each, a library for this machine out of the store, then the answer.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{BuildRequest, Planned};
use crate::answer::{self, AnswerError, Prepared, Question, Run, TrialError, Verdict};
use crate::compile::CompileOneError;
use crate::compile::single::{CompileOneRequest, ObtainedOne, obtain_one};
use crate::error::Error;
use crate::fetch::package::{HubRequest, PackageModels};
use crate::io::environment::Environment;
use crate::io::files;
use crate::io::process::Cancel;
use crate::manifest::{self, AnswerRecord, Manifest};
use crate::model::{
    ChatConfig, CheckKernels, CompilerChoice, Device, DownloadPolicy, HubRepo, JitPolicy,
    LibraryFormat, LocalModel, MacabiArch, MetalChoice, ModelEntry, ModelFiles, ModelId,
    ModelSource, OptFlags, Overrides, PackageConfig, TensorCache, TryDevice,
};
use crate::plan::{FoundModel, PlanError, Unfetched};
use crate::ui::Ui;

/// What is asked of models, and where they run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What is asked.
    pub question: Question,
    /// What the library is compiled for, and run on.
    pub device: TryDevice,
    /// How long loading and running a model may take; for ever if none.
    pub limit: Option<Duration>,
}

/// A trial, and what it is made with.
#[derive(Debug)]
pub struct TryRequest {
    /// What is tried.
    pub trial: Trial,
    /// Optimization flags.
    pub opt: OptFlags,
    /// The cache of compiled libraries.
    pub cache_dir: Utf8PathBuf,
    /// Which compiler is meant.
    pub compiler: CompilerChoice,
    /// When libraries may be compiled.
    pub policy: JitPolicy,
    /// How long a compilation may take.
    pub compile_limit: Duration,
    /// Whether the Hub must not be asked.
    pub offline: bool,
    /// When models may be downloaded.
    pub download_policy: DownloadPolicy,
    /// The variables and the working directory of this process.
    pub environment: Environment,
}

/// A model that was tried.
#[derive(Debug, Serialize)]
pub struct Tried {
    /// Its directory's name, or its `model_id` in a package.
    pub model: String,
    /// What it was asked, and what it answered.
    pub answer: AnswerRecord,
    /// What was found out.
    pub verdict: Verdict,
}

/// Tries a model of the Hub, the model in a directory, or those that are bundled in a `dist/`; their
/// files are read to the end first. `show` gets the pieces of their answers.
pub fn answer(
    request: &TryRequest,
    path: &Utf8Path,
    ui: &Ui,
    cancel: &Cancel,
    show: &mut dyn FnMut(&Shown<'_>) -> std::io::Result<()>,
) -> Result<Vec<Tried>, Error> {
    let mut tried = Vec::new();
    for (name, source) in models(path, ui)? {
        let (models, model_id) = whole(request, &name, source, ui, cancel)?;
        let Some(files) = models.files.get(&model_id) else { continue };
        tried.push(one(request, &name, files, "", ui, cancel, show)?);
    }
    Ok(tried)
}

/// Has all files of a model, and holds them against what is said of them, as for a package that
/// bundles it.
fn whole(
    request: &TryRequest,
    name: &str,
    source: ModelSource,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<(PackageModels, ModelId), Error> {
    // A directory of any name may hold a model.
    let model_id = name.parse().or_else(|_| "model".parse::<ModelId>());
    let model_id = model_id.map_err(|why| Error::usage(format!("`{name}`: {why}"), "rename it"))?;
    let entry = ModelEntry {
        source,
        model_id: model_id.clone(),
        model_lib: None,
        estimated_vram_bytes: 0,
        bundle_weight: true,
        overrides: Overrides::default(),
        conversion: None,
    };
    // No phone has a say here.
    let device = Device::Iphone;
    let config = PackageConfig { device, models: vec![entry.clone()], prepared: Vec::new() };
    let hub = HubRequest {
        environment: &request.environment,
        cache_dir: &request.cache_dir,
        package_config: None,
        locked: false,
        offline: request.offline,
        policy: request.download_policy,
    };
    let mut models = PackageModels::new(&hub, &config, ui, cancel)?;
    if let FoundModel::NotHere { why } = models.metadata(&entry, ui)? {
        let ModelEntry { model_id, source, .. } = entry;
        let missing = vec![Unfetched { model_id, source, why }];
        return Err(PlanError::Unfetched(missing).into());
    }
    models.complete(models.to_fetch(), ui)?;
    models.check_all(&model_id, ui)?;
    Ok((models, model_id))
}

/// What there is to see of an answer.
#[derive(Debug)]
pub enum Shown<'a> {
    /// The model begins.
    Begin(&'a str),
    /// More of its answer.
    Text(&'a str),
    /// The answer is whole.
    End,
}

/// The models of a path, by their names.
fn models(path: &Utf8Path, ui: &Ui) -> Result<Vec<(String, ModelSource)>, Error> {
    if HubRepo::is_url(path.as_str()) {
        let repo = HubRepo::of_argument(path.as_str())
            .map_err(|why| Error::usage(format!("`{path}`: {why}"), "write HF://user/repo"))?;
        return Ok(vec![(repo.repo().to_owned(), ModelSource::Hub(repo))]);
    }
    let local = |dir: Utf8PathBuf| ModelSource::Local(LocalModel { written: dir.to_string(), dir });
    let [newer, older] = TensorCache::FILE_NAMES;
    let of_model = [ChatConfig::FILE_NAME, newer, older];
    if of_model.iter().any(|name| files::is_file(&path.join(name))) {
        let whole = files::canonical(path)?;
        return Ok(vec![(whole.file_name().unwrap_or(path.as_str()).to_owned(), local(whole))]);
    }
    let manifest = path.join(manifest::FILE_NAME);
    let text = if files::is_dir(path) { files::read_if_there(&manifest)? } else { None };
    let Some(text) = text else {
        if files::is_file(&path.join("config.json")) {
            return Err(Error::usage(
                format!("`{path}` is a raw checkpoint, not a converted model"),
                format!(
                    "convert it first: `mlc-package convert {path} --quantization q4f16_1 \
                     -o OUTPUT`, then try OUTPUT; convert says if it needs --conv-template"
                ),
            ));
        }
        return Err(Error::usage(
            format!("`{path}` is neither a model directory nor a package"),
            format!(
                "name a directory with {}, a model of the Hub (HF://user/repo), or the dist/ that \
                 `mlc-package build` wrote",
                ChatConfig::FILE_NAME
            ),
        ));
    };
    let manifest = Manifest::read(&manifest, &text)?;
    let mut found = Vec::new();
    for model in &manifest.models {
        let name = model.model_id.as_str();
        match model.bundled {
            true => found.push((name.to_owned(), local(path.join("bundle").join(name)))),
            false => ui.warn(&format!(
                "model `{name}` is not tried: the package does not hold its weights, which the \
                 app downloads"
            )),
        }
    }
    if found.is_empty() {
        return Err(Error::usage(
            format!("the package `{path}` bundles no model"),
            "name a model's directory",
        ));
    }
    Ok(found)
}

/// Tries the bundled models of a package that is being built. All of them, before the first that
/// does not answer as it must is an error.
pub(super) fn of_package(
    request: &BuildRequest,
    trial: &Trial,
    planned: &Planned,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<BTreeMap<ModelId, AnswerRecord>, Error> {
    let package = &request.package;
    let mut answers = BTreeMap::new();
    let mut bad = Vec::new();
    for model in &planned.plan.models {
        let name = model.model_id.as_str();
        let files = planned.models.files.get(&model.model_id);
        let Some(files) = files.filter(|_| model.bundle.is_some()) else {
            ui.status("Not tried", &format!("{name}, whose weights the app downloads"));
            continue;
        };
        let trying = TryRequest {
            trial: trial.clone(),
            opt: model.overrides.opt(),
            cache_dir: package.cache_dir.clone(),
            compiler: package.compiler.clone(),
            policy: package.policy,
            compile_limit: request.compile_limit,
            offline: package.offline,
            download_policy: package.download_policy,
            environment: package.environment.clone(),
        };
        let fields = model.overrides.set_fields().map(|(name, value)| format!("{name}={value}"));
        let overrides = fields.collect::<Vec<_>>().join(";");
        let tried = one(&trying, name, files, &overrides, ui, cancel, &mut |_| Ok(()))?;
        ui.status("Answered", &format!("{name}: {:?}", tried.answer.text));
        ui.status("", &format!("{name}: {}", tried.answer.summary()));
        if !tried.verdict.is_good() {
            bad.push((tried.model, tried.verdict));
        }
        answers.insert(model.model_id.clone(), tried.answer);
    }
    if bad.is_empty() { Ok(answers) } else { Err(TrialError::NotPassed(bad).into()) }
}

/// Tries one model. `overrides` is what the compiler is told beside its config.
pub(super) fn one(
    request: &TryRequest,
    name: &str,
    files: &ModelFiles,
    overrides: &str,
    ui: &Ui,
    cancel: &Cancel,
    show: &mut dyn FnMut(&Shown<'_>) -> std::io::Result<()>,
) -> Result<Tried, Error> {
    let of_model = |source: AnswerError| TrialError::NotTried {
        model: name.to_owned(),
        source: Box::new(source),
    };
    let prepared: Prepared<'_> =
        answer::prepare(files, &request.trial.question).map_err(of_model)?;
    let device = request.trial.device;
    ui.status("Trying", &format!("{name}: {}", prepared.cost(device.as_str())));
    let format = format_for(device);
    let compile = CompileOneRequest {
        model: files.chat_config_path(),
        target: device.into(),
        host: None,
        enable_subgroups: false,
        format,
        overrides: overrides.to_owned(),
        opt: request.opt,
        model_lib: None,
        cache_dir: request.cache_dir.clone(),
        compiler: request.compiler.clone(),
        policy: request.policy,
        macabi_arch: MacabiArch::default(),
        metal: MetalChoice::default(),
        check_kernels: CheckKernels::Never,
        compile_limit: request.compile_limit,
        environment: request.environment.clone(),
    };
    let advice = (device != TryDevice::Cpu).then(|| answer::without(device.as_str()));
    let obtained = obtain_one(&compile, ui, cancel).map_err(|error| match error {
        CompileOneError::Compile(failed) => {
            CompileOneError::Compile(failed.told_of(name, advice.as_deref()))
        }
        error => error,
    });
    let ObtainedOne { stored, toolchain, .. } = obtained?;
    show(&Shown::Begin(name))?;
    let run = Run {
        python: &toolchain.python,
        environment: &request.environment,
        cache_dir: &request.cache_dir,
        device: device.as_str(),
        library: &stored.library(),
        format,
        limit: request.trial.limit,
    };
    let answered = answer::run(prepared, &run, cancel, &mut |text| show(&Shown::Text(text)));
    let (answer, verdict) = answered.map_err(of_model)?;
    show(&Shown::End)?;
    for warning in &verdict.warnings {
        ui.warn(&format!("model `{name}`: {}", warning.message));
    }
    Ok(Tried { model: name.to_owned(), answer, verdict })
}

/// Objects for a processor, since every compiler writes them; what has kernels, as upstream's `.so`.
fn format_for(device: TryDevice) -> LibraryFormat {
    match device {
        TryDevice::Cpu => LibraryFormat::Tar,
        _ if cfg!(target_os = "macos") => LibraryFormat::Dylib,
        _ => LibraryFormat::So,
    }
}
