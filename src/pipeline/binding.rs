//! The binding stage: the platform's part of a package, out of a kit or built.

use camino::{Utf8Path, Utf8PathBuf};

use super::linked::{check_android, check_apple};
use super::{PackageRequest, Planned};
use crate::assemble::Assembly;
use crate::binding::{
    Binding, BindingError, BindingRequest, BuildEvent, BuildRequest, Built, Kit, KitLookup,
    KitMiss, KitStore, LinkRequest, Surroundings, build, check_before_build, link,
    prepare as prepare_binding,
};
use crate::compile::{CompileError, find_python};
use crate::error::Error;
use crate::io::files::{self, TreeKind};
use crate::io::process::{Cancel, Variables};
use crate::library::Linked;
use crate::manifest::{BindingOrigin, BindingRecord, PartRecord};
use crate::model::{Device, KitInputs, LinkMode, PackageConfig};
use crate::plan::{BindingMiss, BindingState, PlannedBinding};
use crate::ui::Ui;

/// Where Android's part of a package lies.
const MLC4J: &str = "lib/mlc4j";
/// Where Android's app looks for its config.
const APP_CONFIG: &str = "lib/mlc4j/src/main/assets/mlc-app-config.json";

/// How the platform binding is made.
#[derive(Clone, Debug, Default)]
pub struct BindingOptions {
    /// Where upstream's scripts run; a directory of the cache if none.
    pub build_dir: Option<Utf8PathBuf>,
    /// Whether kits that are there must not be used.
    pub rebuild: bool,
}

/// A binding that can be had, and what it is had with.
pub(super) struct Prepared {
    binding: Binding,
    store: KitStore,
    variables: Variables,
    options: BindingOptions,
}

impl Prepared {
    /// The sources of TVM.
    pub(super) fn tvm(&self) -> Utf8PathBuf {
        self.binding.source.tvm()
    }
}

/// What will be done for the binding; none if it is left out.
///
/// # Errors
/// If `must` be: what it lacks on this machine.
pub(super) fn prepare(
    request: &PackageRequest,
    config: &PackageConfig,
    must: bool,
    cancel: &Cancel,
) -> Result<Option<(PlannedBinding, Option<Prepared>)>, Error> {
    let Some(options) = &request.binding else { return Ok(None) };
    match look(request, options, config.device, cancel) {
        Ok((planned, prepared)) => Ok(Some((planned, Some(prepared)))),
        Err(error) if must || matches!(error, Error::Binding(BindingError::Interrupted)) => {
            Err(error)
        }
        Err(error) => {
            let state = BindingState::Impossible { why: error.to_string(), help: error.help() };
            let inputs = KitInputs::default();
            let planned = PlannedBinding { inputs, fingerprint: None, build_dir: None, state };
            Ok(Some((planned, None)))
        }
    }
}

fn look(
    request: &PackageRequest,
    options: &BindingOptions,
    device: Device,
    cancel: &Cancel,
) -> Result<(PlannedBinding, Prepared), Error> {
    let variables = request.environment.for_python();
    let binding = prepare_binding(&binding_request(request, options, device, &variables, cancel))?;
    let store = KitStore::new(&request.cache_dir);
    let state = match store.lookup(binding.fingerprint) {
        _ if options.rebuild => BindingState::Miss { reason: BindingMiss::Rebuild },
        KitLookup::Hit(_) => BindingState::Hit,
        KitLookup::Miss(KitMiss::Unusable(why)) => {
            BindingState::Miss { reason: BindingMiss::Unusable { why } }
        }
        KitLookup::Miss(KitMiss::Absent) => {
            let records = store.records();
            let kits = records.iter().map(|record| (&record.inputs, record.created));
            BindingState::Miss { reason: BindingMiss::find(&binding.inputs, kits) }
        }
    };
    if state != BindingState::Hit {
        check_before_build(&binding)?;
        python(request, device)?;
    }
    let planned = PlannedBinding {
        inputs: binding.inputs.clone(),
        fingerprint: Some(binding.fingerprint),
        build_dir: (state != BindingState::Hit).then(|| binding.build_dir.clone()),
        state,
    };
    Ok((planned, Prepared { binding, store, variables, options: options.clone() }))
}

fn binding_request<'a>(
    request: &'a PackageRequest,
    options: &'a BindingOptions,
    device: Device,
    variables: &'a Variables,
    cancel: &'a Cancel,
) -> BindingRequest<'a> {
    BindingRequest {
        device,
        macabi_arch: request.macabi_arch,
        given: Surroundings { variables, directory: &request.environment.directory },
        cache_dir: &request.cache_dir,
        build_dir: options.build_dir.as_deref(),
        cancel,
    }
}

/// The Python that runs upstream's script for Android.
fn python(request: &PackageRequest, device: Device) -> Result<Option<Utf8PathBuf>, Error> {
    if device.is_apple() {
        return Ok(None);
    }
    let found = find_python(request.python.as_deref(), &request.environment);
    Ok(Some(found.map_err(CompileError::from)?))
}

/// Where the app's config goes.
pub(super) fn app_config_path(planned: &Planned) -> &'static Utf8Path {
    let in_assets = planned.binding.is_some() && !planned.plan.device.is_apple();
    Utf8Path::new(if in_assets { APP_CONFIG } else { "bundle/mlc-app-config.json" })
}

/// The models of the package, and their archive in it.
pub(super) struct Models<'a> {
    pub(super) linked: &'a [Linked<'a>],
    pub(super) archive: &'a Utf8Path,
}

/// Has the binding and puts it into the package.
pub(super) fn bind(
    request: &PackageRequest,
    prepared: &Prepared,
    mode: LinkMode,
    models: &Models<'_>,
    assembly: &mut Assembly,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<BindingRecord, Error> {
    let Models { linked, archive } = *models;
    let binder = Binder { request, prepared, mode, archive, linked, ui, cancel };
    let record = match binder.kit(assembly)? {
        Built::Kit { kit, new } if prepared.binding.device.is_apple() => {
            binder.copy_libraries(&kit, new, assembly)?
        }
        Built::Kit { kit, new } => binder.link_library(&kit, new, assembly)?,
        Built::NoKit { why, output, seconds, lock: _lock } => {
            ui.warn(&format!(
                "the platform binding will be built again the next time, since no kit of it \
                 could be kept: {why}"
            ));
            binder.take_output(&output, seconds, assembly)?
        }
    };
    if !prepared.binding.device.is_apple() {
        binder.copy_sources(assembly)?;
        assembly.discard(archive)?;
    }
    Ok(record)
}

struct Binder<'a> {
    request: &'a PackageRequest,
    prepared: &'a Prepared,
    mode: LinkMode,
    archive: &'a Utf8Path,
    linked: &'a [Linked<'a>],
    ui: &'a Ui,
    cancel: &'a Cancel,
}

impl Binder<'_> {
    fn given(&self) -> Surroundings<'_> {
        let directory = &self.request.environment.directory;
        Surroundings { variables: &self.prepared.variables, directory }
    }

    /// The kit, or what was built without one.
    fn kit(&self, assembly: &Assembly) -> Result<Built, Error> {
        let Prepared { binding, store, variables, options } = self.prepared;
        if !options.rebuild {
            match store.take(binding.fingerprint) {
                KitLookup::Hit(kit) => return Ok(Built::Kit { kit: *kit, new: false }),
                KitLookup::Miss(KitMiss::Absent) => {}
                KitLookup::Miss(KitMiss::Unusable(why)) => self.ui.warn(&format!(
                    "the cached kit of the platform binding cannot be used, and is built again: \
                     {why}"
                )),
            }
        }
        let python = python(self.request, binding.device)?;
        let archive = assembly.absolute(self.archive)?;
        let again = || {
            let (package, device) = (self.request, binding.device);
            let request = binding_request(package, options, device, variables, self.cancel);
            Ok(prepare_binding(&request)?.fingerprint)
        };
        Ok(build(&BuildRequest {
            binding,
            given: self.given(),
            python: python.as_deref(),
            model_archive: (!binding.device.is_apple()).then_some(&*archive),
            rebuild: options.rebuild,
            again: &again,
            store,
            events: &|event| self.show(event),
            cancel: self.cancel,
        })?)
    }

    fn show(&self, event: &BuildEvent<'_>) {
        let device = self.prepared.binding.device;
        let name = format!("{device} binding");
        match event {
            BuildEvent::Waiting => {
                self.ui.status("Waiting", &format!("for another mlc-package at the {name}"));
            }
            BuildEvent::Started { build_dir } => {
                self.ui.status("Building", &format!("the {name}, once, in {build_dir}"));
                self.ui.begin(&name);
            }
            BuildEvent::Finished { seconds, log } => {
                self.ui.end(&name);
                self.ui.status("Built", &format!("the {name} in {seconds:.1} s"));
                self.show_log(&format!("build log of the {name} ({seconds:.1} s)"), log);
            }
            BuildEvent::Failed { log } => {
                self.ui.end(&name);
                self.show_log(&format!("build log of the {name} (failed)"), log);
            }
        }
    }

    fn show_log(&self, title: &str, log: &Utf8Path) {
        // Whoever cannot read it is told its path by the error, or does not need it.
        if let Ok(text) = files::read(log) {
            self.ui.log(title, &String::from_utf8_lossy(&text));
        }
    }

    /// Apple: the static libraries, beside that of the models.
    fn copy_libraries(
        &self,
        kit: &Kit,
        new: bool,
        assembly: &mut Assembly,
    ) -> Result<BindingRecord, Error> {
        let mut libraries = Vec::new();
        let mut shipped = vec![(self.archive.to_owned(), assembly.absolute(self.archive)?)];
        for (path, file) in kit.shipped().filter(|(path, _)| *path != self.archive) {
            let known = Some((file.digest, file.bytes));
            assembly.link(path, &kit.path(file), self.mode, known)?;
            libraries.push(PartRecord { name: path.to_string(), bytes: file.bytes });
            shipped.push((path.to_owned(), kit.path(file)));
        }
        let binding = &self.prepared.binding;
        check_apple(&shipped, binding.device, self.request.macabi_arch, self.linked)?;
        let source = &self.prepared.binding.source;
        if let Err(error) = source.link_tvm_home() {
            self.ui.warn(&format!(
                "the link to TVM's headers that upstream leaves in its sources could not be made: \
                 {error}"
            ));
        }
        Ok(self.record(new, kit.record.seconds, None, libraries))
    }

    /// Android: the library linked with what the kit holds, and the rest of the kit.
    fn link_library(
        &self,
        kit: &Kit,
        new: bool,
        assembly: &mut Assembly,
    ) -> Result<BindingRecord, Error> {
        let out = Utf8Path::new(MLC4J).join("output");
        for (path, file) in kit.shipped() {
            let known = Some((file.digest, file.bytes));
            assembly.link(&out.join(path), &kit.path(file), self.mode, known)?;
        }
        let Some(recipe) = &kit.record.link else {
            let error = std::io::Error::other("a kit for Android has no link command");
            return Err(BindingError::from(error).into());
        };
        let library = out.join(recipe.output.as_path());
        let archive = assembly.absolute(self.archive)?;
        let name = format!(
            "mlc-package-link-{}-{}.log",
            kit.record.fingerprint.short(),
            std::process::id()
        );
        // A cache that cannot be written to serves kits all the same.
        let log = self.request.environment.temporary_home().join(name);
        let (seconds, bytes) = assembly.make(&library, |place| {
            let request = LinkRequest {
                binding: &self.prepared.binding,
                kit,
                model_archive: &archive,
                output: place,
                log: &log,
                given: self.given(),
                cancel: self.cancel,
            };
            let seconds = link(&request)?;
            check_android(&library, place, &self.prepared.tvm(), self.linked)?;
            Ok::<_, Error>((seconds, files::size(place).map_err(BindingError::from)?))
        })?;
        let name = library.file_name().unwrap_or_default();
        let how = if new { "kit kept" } else { "kit cached" };
        self.ui.status("Linked", &format!("{name} in {seconds:.1} s ({how})"));
        let libraries = vec![PartRecord { name: library.into_string(), bytes }];
        Ok(self.record(new, kit.record.seconds, Some(seconds), libraries))
    }

    /// Android without a kit: what upstream's script linked and installed.
    fn take_output(
        &self,
        output: &Utf8Path,
        seconds: f64,
        assembly: &mut Assembly,
    ) -> Result<BindingRecord, Error> {
        let mut libraries = Vec::new();
        for (path, bytes) in files_of(output)? {
            let to = Utf8Path::new(MLC4J).join("output").join(&path);
            if path.extension() == Some("so") {
                check_android(&to, &output.join(&path), &self.prepared.tvm(), self.linked)?;
            }
            // The next build there writes over its own.
            assembly.link(&to, &output.join(&path), LinkMode::Copy, None)?;
            if path.extension() == Some("so") {
                libraries.push(PartRecord { name: to.into_string(), bytes });
            }
        }
        Ok(self.record(true, seconds, None, libraries))
    }

    /// Android: what Gradle builds mlc4j from. They are copied: who edits them in `dist/` does not
    /// mean the sources.
    fn copy_sources(&self, assembly: &mut Assembly) -> Result<(), Error> {
        let from = self.prepared.binding.source.mlc_llm.join("android/mlc4j");
        let to = Utf8Path::new(MLC4J);
        for (path, _) in files_of(&from.join("src"))? {
            let path = Utf8Path::new("src").join(path);
            if to.join(&path) != APP_CONFIG {
                assembly.link(&to.join(&path), &from.join(&path), LinkMode::Copy, None)?;
            }
        }
        let gradle = "build.gradle";
        Ok(assembly.link(&to.join(gradle), &from.join(gradle), LinkMode::Copy, None)?)
    }

    fn record(
        &self,
        new: bool,
        build_seconds: f64,
        link_seconds: Option<f64>,
        libraries: Vec<PartRecord>,
    ) -> BindingRecord {
        BindingRecord {
            fingerprint: self.prepared.binding.fingerprint,
            inputs: self.prepared.binding.inputs.clone(),
            origin: if new { BindingOrigin::Built } else { BindingOrigin::Cached },
            build_seconds,
            link_seconds,
            libraries,
        }
    }
}

/// The files below a directory and their sizes; links count as the files that they are to.
fn files_of(dir: &Utf8Path) -> Result<Vec<(Utf8PathBuf, u64)>, BindingError> {
    let mut found = Vec::new();
    for entry in files::tree(dir, |_| true)? {
        match entry.kind {
            TreeKind::File(bytes) => found.push((entry.path, bytes)),
            TreeKind::Symlink if files::is_file(&dir.join(&entry.path)) => {
                found.push((entry.path.clone(), files::size(&dir.join(&entry.path))?));
            }
            _ => {}
        }
    }
    Ok(found)
}
