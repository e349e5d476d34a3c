//! Having the binding: its kit out of the cache, or built now.

use camino::Utf8Path;

use super::kit;
use super::planned::{PackageBinding, Prepared, binding_request, python};
use crate::binding::{
    BindingError, BuildEvent, BuildRequest, Built, Surroundings, build, preflight,
    prepare as prepare_binding,
};
use crate::io::process::Cancel;
use crate::library::Linked;
use crate::model::LinkMode;
use crate::store::{Lookup, Miss};
use crate::ui::Ui;

/// What it takes to have the binding and to put it into the package.
pub(crate) struct Binder<'a> {
    pub(crate) request: PackageBinding<'a>,
    pub(crate) prepared: &'a Prepared,
    pub(crate) mode: LinkMode,
    pub(crate) archive: &'a Utf8Path,
    pub(crate) linked: &'a [Linked<'a>],
    pub(crate) ui: &'a Ui,
    pub(crate) cancel: &'a Cancel,
}

impl Binder<'_> {
    pub(crate) fn given(&self) -> Surroundings<'_> {
        let directory = &self.request.environment.directory;
        Surroundings { variables: &self.prepared.variables, directory }
    }

    /// The kit, or what was built without one. `archive` is where that of the models lies, absolute.
    pub(crate) fn kit(&self, archive: &Utf8Path) -> Result<Built, BindingError> {
        let Prepared { binding, kit, store, variables, options } = self.prepared;
        if let Some(kit) = kit {
            return Ok(Built::Kit { kit: kit.clone(), new: false });
        }
        if !options.rebuild {
            let read_first = self.request.reads_first(binding.device);
            match kit::hold(store, binding.fingerprint, read_first) {
                Lookup::Hit(kit) => return Ok(Built::Kit { kit: *kit, new: false }),
                Lookup::Miss(Miss::Absent) => {}
                Lookup::Miss(Miss::Damaged(why)) => self.ui.warn(&format!(
                    "the cached kit of the platform binding cannot be used, and is built again: \
                     {why}"
                )),
            }
        }
        let called = self.linked.iter().flat_map(|linked| linked.library.undefined());
        preflight::check_calls(&binding.source.tvm(), called).map_err(BindingError::from)?;
        let python = python(&self.request, binding.device)?;
        let again = || {
            let (package, device) = (&self.request, binding.device);
            let request = binding_request(package, options, device, variables, self.cancel);
            Ok(prepare_binding(&request)?.fingerprint)
        };
        build(&BuildRequest {
            binding,
            given: self.given(),
            python: python.as_deref(),
            model_archive: (!binding.device.is_apple()).then_some(archive),
            rebuild: options.rebuild,
            again: &again,
            store,
            events: &|event| self.show(event),
            cancel: self.cancel,
        })
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
                self.ui.begin("Building", &format!("the {name}"));
            }
            BuildEvent::Finished { seconds, log } => {
                self.ui.end(&format!("the {name}"));
                self.ui.status("Built", &format!("the {name} in {seconds:.1} s"));
                self.ui.log_file(&format!("build log of the {name} ({seconds:.1} s)"), log);
            }
            BuildEvent::Failed { log } => {
                self.ui.end(&format!("the {name}"));
                self.ui.log_file(&format!("build log of the {name} (failed)"), log);
            }
        }
    }
}
