//! The binding stage: the platform's part of a package, out of a kit or built. What it would take
//! is looked up here, for the plan; [`bind`] has it, and `place` puts it into the package.

use camino::{Utf8Path, Utf8PathBuf};

use crate::binding::kit_file;
use crate::binding::kit_source::{self, Found, KitRequest};
use crate::binding::{
    Binding, BindingError, BindingRequest, Kit, KitStore, Linker, Surroundings, check_before_build,
    prepare as prepare_binding,
};
use crate::io::environment::Environment;
use crate::io::process::{Cancel, Variables};
use crate::model::{Device, KitChoice, KitInputs, LinkerChoice, MacabiArch};
use crate::plan::{BindingMiss, BindingState, PlannedBinding};
use crate::stage_error::StageError as _;
use crate::store::{Lookup, Miss};
use crate::toolchain::find_python;
use crate::ui::Ui;

/// Where Android's part of a package lies.
pub(crate) const MLC4J: &str = "lib/mlc4j";
/// Where Android's app looks for its config.
pub(crate) const APP_CONFIG: &str = "lib/mlc4j/src/main/assets/mlc-app-config.json";

/// How the platform binding is made.
#[derive(Clone, Debug, Default)]
pub struct BindingOptions {
    /// Where upstream's scripts run; a directory of the cache if none.
    pub build_dir: Option<Utf8PathBuf>,
    /// Whether kits that are there must not be used.
    pub rebuild: bool,
    /// Where its kit comes from.
    pub kit: KitChoice,
    /// What links the library of an Android package.
    pub linker: LinkerChoice,
    /// Whether what is linked keeps its debug information.
    pub keep_symbols: bool,
}

/// What the binding of a package is made with.
#[derive(Clone, Copy)]
pub(crate) struct PackageBinding<'a> {
    /// The variables and the working directory of this process.
    pub(crate) environment: &'a Environment,
    pub(crate) cache_dir: &'a Utf8Path,
    /// The Python that runs upstream's script, as the user names it.
    pub(crate) python: Option<&'a str>,
    pub(crate) macabi_arch: MacabiArch,
    /// Whether no server is asked.
    pub(crate) offline: bool,
    /// How it is made; none to leave it out.
    pub(crate) options: Option<&'a BindingOptions>,
    /// Whether a kit that the cache has is read before it is used, not while a linker reads it too.
    pub(crate) read_first: bool,
}

impl PackageBinding<'_> {
    /// Apple's kits are copied, and no linker reads them.
    pub(crate) fn reads_first(&self, device: Device) -> bool {
        self.read_first || device.is_apple()
    }

    fn kit_request<'r>(
        &self,
        options: &'r BindingOptions,
        device: Device,
        used: bool,
        given: Surroundings<'r>,
        ui: &'r Ui,
        cancel: &'r Cancel,
    ) -> KitRequest<'r> {
        let Self { macabi_arch, offline, .. } = *self;
        let read_first = self.reads_first(device);
        let choice = &options.kit;
        KitRequest { choice, device, macabi_arch, given, offline, used, read_first, ui, cancel }
    }
}

/// A binding that can be made here, and what it is made with.
pub(crate) struct Prepared {
    pub(crate) binding: Binding,
    /// The kit, where it was not built here.
    pub(crate) kit: Option<Kit>,
    pub(crate) store: KitStore,
    pub(crate) variables: Variables,
    pub(crate) options: BindingOptions,
}

impl Prepared {
    /// The sources of TVM.
    pub(crate) fn tvm(&self) -> Utf8PathBuf {
        self.binding.source.tvm()
    }
}

/// What will be done for the binding; none if it is left out.
///
/// # Errors
/// If `must` be: what it lacks on this machine.
pub(crate) fn prepare(
    request: &PackageBinding<'_>,
    device: Device,
    must: bool,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Option<(PlannedBinding, Option<Prepared>)>, BindingError> {
    let Some(options) = request.options else { return Ok(None) };
    match look(request, options, device, must, ui, cancel) {
        Ok(found) => Ok(Some(found)),
        Err(error) if must || error.is_interrupted() => Err(error),
        Err(error) => {
            let state = BindingState::Impossible { why: error.to_string(), help: error.help() };
            let inputs = KitInputs::default();
            let planned = PlannedBinding { inputs, fingerprint: None, build_dir: None, state };
            Ok(Some((planned, None)))
        }
    }
}

fn look(
    request: &PackageBinding<'_>,
    options: &BindingOptions,
    device: Device,
    must: bool,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<(PlannedBinding, Option<Prepared>), BindingError> {
    let variables = request.environment.for_python();
    let store = KitStore::new(request.cache_dir);
    let given = Surroundings { variables: &variables, directory: &request.environment.directory };
    let wanted = request.kit_request(options, device, must, given, ui, cancel);
    let found = find_kit(&wanted, options, &store)?;
    let kit = match found {
        None => None,
        Some(Found::Stored(kit)) => Some(*kit),
        Some(Found::File(path, sha256)) => Some(kit_source::read(&wanted, &path, sha256, &store)?),
        Some(Found::Remote(kit)) if must => Some(kit.download(&wanted, &store)?),
        Some(Found::Remote(kit)) => {
            let inputs = kit.inputs(device);
            let state =
                BindingState::Miss { reason: BindingMiss::Download { from: kit.address() } };
            let fingerprint = Some(inputs.fingerprint());
            return Ok((PlannedBinding { inputs, fingerprint, build_dir: None, state }, None));
        }
    };
    if let Some(kit) = kit {
        let planned = PlannedBinding {
            inputs: kit.record.inputs.clone(),
            fingerprint: Some(kit.record.fingerprint),
            build_dir: None,
            state: BindingState::Hit,
        };
        let binding = Binding::of(&kit);
        let options = BindingOptions { rebuild: false, ..options.clone() };
        let kit = must.then_some(kit);
        return Ok((planned, Some(Prepared { binding, kit, store, variables, options })));
    }
    let binding = prepare_binding(&binding_request(request, options, device, &variables, cancel))?;
    let state = match store.lookup(binding.fingerprint) {
        _ if options.rebuild => BindingState::Miss { reason: BindingMiss::Rebuild },
        Lookup::Hit(_) => BindingState::Hit,
        Lookup::Miss(Miss::Damaged(why)) => {
            BindingState::Miss { reason: BindingMiss::Unusable { why: why.to_string() } }
        }
        Lookup::Miss(Miss::Absent) => {
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
    let options = options.clone();
    Ok((planned, Some(Prepared { binding, kit: None, store, variables, options })))
}

/// The kit that is wanted, if what links it is here; none where the binding is built.
fn find_kit(
    wanted: &KitRequest<'_>,
    options: &BindingOptions,
    store: &KitStore,
) -> Result<Option<Found>, BindingError> {
    let found = kit_source::find(wanted, store)?;
    if found.is_some() && !wanted.device.is_apple() {
        Linker::find(options.linker, wanted.given, wanted.cancel)?;
    }
    Ok(found)
}

/// Where the kit is that the binding of a device is linked from; none where it is built from
/// sources. Nothing is read into the cache or downloaded.
///
/// # Errors
/// The kit that is named cannot be used, or nothing here links it.
pub(crate) fn kit(
    request: &PackageBinding<'_>,
    device: Device,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Option<String>, BindingError> {
    let Some(options) = request.options else { return Ok(None) };
    let variables = request.environment.for_python();
    let store = KitStore::new(request.cache_dir);
    let given = Surroundings { variables: &variables, directory: &request.environment.directory };
    let wanted = request.kit_request(options, device, false, given, ui, cancel);
    let found = find_kit(&wanted, options, &store)?;
    if let Some(Found::File(path, _)) = &found {
        kit_file::looks_like(path, device, request.macabi_arch)?;
    }
    Ok(found.map(|found| match found {
        Found::Stored(kit) => {
            let from = kit.record.inputs.0.get(KitInputs::FILE).cloned().unwrap_or_default();
            format!("{from} is in the cache")
        }
        Found::File(path, _) => format!("the file {path}"),
        Found::Remote(kit) => format!("it will be downloaded from {}", kit.address()),
    }))
}

pub(crate) fn binding_request<'a>(
    request: &PackageBinding<'a>,
    options: &'a BindingOptions,
    device: Device,
    variables: &'a Variables,
    cancel: &'a Cancel,
) -> BindingRequest<'a> {
    BindingRequest {
        device,
        macabi_arch: request.macabi_arch,
        given: Surroundings { variables, directory: &request.environment.directory },
        cache_dir: request.cache_dir,
        build_dir: options.build_dir.as_deref(),
        keep_symbols: options.keep_symbols && !device.is_apple(),
        cancel,
    }
}

/// The Python that runs upstream's script for Android.
pub(crate) fn python(
    request: &PackageBinding<'_>,
    device: Device,
) -> Result<Option<Utf8PathBuf>, BindingError> {
    if device.is_apple() {
        return Ok(None);
    }
    let found = find_python(request.python, request.environment);
    Ok(Some(found?))
}

/// Where the app's config goes, in a package with a binding or without.
pub(crate) fn app_config_path(binding: bool, device: Device) -> &'static Utf8Path {
    let in_assets = binding && !device.is_apple();
    Utf8Path::new(if in_assets { APP_CONFIG } else { "bundle/mlc-app-config.json" })
}
